//! The folder of a backup, in S3 or in a file system.

mod typed;

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

pub use typed::{Typed, typed};

/// What to give instead of the top of a bucket, where logs do not belong.
pub const BELOW_TOP: &str = "give a folder below the top of the bucket, such as s3://mybucket/logs";

/// A folder for a backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Objects of a bucket under a prefix; the prefix is empty at the root of the bucket.
    S3 {
        /// Bucket name.
        bucket: String,
        /// Key prefix without a leading or trailing `/`.
        prefix: String,
    },
    /// A directory.
    File {
        /// Its absolute path.
        dir: PathBuf,
    },
}

/// Why a text is not a valid destination.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// It is neither a supported URL nor a path, but a likely mistake.
    #[error("{typed}: {what}; {remedy}")]
    Mistyped {
        /// As typed.
        typed: String,
        /// What it is instead.
        what: String,
        /// What to type instead.
        remedy: String,
    },
    /// Its scheme is not supported.
    #[error("{uri}: unknown scheme {scheme:?}; use s3://bucket/folder, file:///folder or a path")]
    Scheme {
        /// As typed.
        uri: String,
        /// What precedes `://`.
        scheme: String,
    },
    /// No valid bucket name follows `s3://`.
    #[error("{uri}: no valid bucket name after s3:// (3 to 63 of a-z 0-9 . -)")]
    Bucket {
        /// As typed.
        uri: String,
    },
    /// S3 or a Hadoop reader would take the path for another one.
    #[error("{uri}: {why}")]
    Path {
        /// As typed.
        uri: String,
        /// What is wrong.
        why: String,
    },
}

impl FromStr for Target {
    type Err = TargetError;

    /// Parses `s3://bucket[/folder]` (also the `s3n://` and `s3a://` of Hadoop), `file:///folder`, `file:/folder`, or
    /// an absolute path. The caller must make relative paths absolute.
    fn from_str(uri: &str) -> Result<Self, TargetError> {
        let wrong = |why: &str| TargetError::Path { uri: uri.to_owned(), why: why.to_owned() };
        if uri.is_empty() {
            return Err(wrong("an empty destination"));
        }
        if uri.chars().any(char::is_control) {
            return Err(wrong("control characters in a destination"));
        }
        if uri.starts_with('/') {
            return file(uri, wrong);
        }
        if let Some((scheme, rest)) = uri.split_once("://") {
            return match scheme {
                "s3" | "s3n" | "s3a" => s3(uri, rest),
                "file" => file(rest.strip_prefix("localhost").unwrap_or(rest), wrong),
                _ => Err(TargetError::Scheme { uri: uri.to_owned(), scheme: scheme.to_owned() }),
            };
        }
        file(uri.strip_prefix("file:").unwrap_or(uri), wrong)
    }
}

fn s3(uri: &str, rest: &str) -> Result<Target, TargetError> {
    let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
    // General purpose bucket names: Amazon S3 User Guide, "Bucket naming rules". Upper case and `_` exist in old
    // us-east-1 buckets, so they are left to S3 to judge.
    let valid = (3..=255).contains(&bucket.len())
        && bucket.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
        && bucket.as_bytes()[0].is_ascii_alphanumeric();
    if !valid {
        return Err(TargetError::Bucket { uri: uri.to_owned() });
    }
    let prefix = key.trim_matches('/');
    if let Some(why) = wrong_name(bucket, prefix) {
        return Err(TargetError::Path { uri: uri.to_owned(), why });
    }
    Ok(Target::S3 { bucket: bucket.to_owned(), prefix: prefix.to_owned() })
}

/// What is wrong with the first invalid folder name. S3 permits `//`, `.` and `..` in keys, but Hadoop and most tools
/// take such keys for others.
fn wrong_name(bucket: &str, prefix: &str) -> Option<String> {
    let names: Vec<&str> = prefix.split('/').filter(|_| !prefix.is_empty()).collect();
    let at = names.iter().position(|name| matches!(*name, "" | "." | ".."))?;
    let before = names[..at].iter().fold(format!("s3://{bucket}"), |path, name| format!("{path}/{name}"));
    if !names[at].is_empty() {
        let name = names[at];
        return Some(format!(
            "{name:?} after {before} is not a valid folder name in S3; write the path without it"
        ));
    }
    let full = names.iter().filter(|name| !name.is_empty());
    let whole = full.fold(format!("s3://{bucket}"), |path, name| format!("{path}/{name}"));
    Some(format!("the folder name after {before}/ is empty; write {whole}"))
}

fn file(path: &str, wrong: impl Fn(&str) -> TargetError) -> Result<Target, TargetError> {
    let path = Path::new(path);
    if !path.is_absolute() {
        return Err(wrong("not an absolute path"));
    }
    if path.components().any(|part| part == std::path::Component::ParentDir) {
        return Err(wrong(".. in a destination"));
    }
    Ok(Target::File { dir: path.components().collect() })
}

impl Target {
    /// The URL of an object in this folder, as it appears in a manifest.
    pub fn url(&self, name: &str) -> String {
        match self {
            Self::S3 { bucket, .. } => format!("s3://{bucket}/{}", self.key(name)),
            Self::File { dir } => format!("file://{}", dir.join(name).display()),
        }
    }

    /// The S3 key of an object in this folder; for a file target, the bare name.
    pub fn key(&self, name: &str) -> String {
        match self {
            Self::S3 { prefix, .. } if !prefix.is_empty() => format!("{prefix}/{name}"),
            _ => name.to_owned(),
        }
    }

    /// The folder `name` inside this one.
    #[must_use]
    pub fn folder(&self, name: &str) -> Self {
        match self {
            Self::S3 { bucket, .. } => Self::S3 { bucket: bucket.clone(), prefix: self.key(name) },
            Self::File { dir } => Self::File { dir: dir.join(name) },
        }
    }

    /// Whether it is the folder `outer` or lies in it, by its name.
    pub fn is_within(&self, outer: &Self) -> bool {
        match (self, outer) {
            (Self::File { dir }, Self::File { dir: outer }) => dir.starts_with(outer),
            (Self::S3 { bucket, prefix }, Self::S3 { bucket: other, prefix: outer }) => {
                let rest = prefix.strip_prefix(outer.as_str()).filter(|_| bucket == other);
                rest.is_some_and(|rest| rest.is_empty() || outer.is_empty() || rest.starts_with('/'))
            }
            _ => false,
        }
    }

    /// Whether it is the root of a bucket.
    pub fn is_bucket_root(&self) -> bool {
        matches!(self, Self::S3 { prefix, .. } if prefix.is_empty())
    }
}

impl fmt::Display for Target {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::S3 { bucket, prefix } if prefix.is_empty() => write!(out, "s3://{bucket}"),
            Self::S3 { bucket, prefix } => write!(out, "s3://{bucket}/{prefix}"),
            Self::File { dir } => write!(out, "file://{}", dir.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(uri: &str) -> Target {
        uri.parse().unwrap()
    }

    #[test]
    fn all_spellings_of_hadoop_name_the_same_folder() {
        for uri in ["s3://bucket/a/b", "s3n://bucket/a/b/", "s3a://bucket//a/b"] {
            assert_eq!(target(uri).to_string(), "s3://bucket/a/b");
        }
        for uri in ["/tmp/x", "file:///tmp/x", "file:/tmp/x/", "file://localhost/tmp/x"] {
            assert_eq!(target(uri).to_string(), "file:///tmp/x");
        }
    }

    #[test]
    fn names_are_joined_by_one_slash() {
        assert_eq!(target("s3://bucket").url("manifest"), "s3://bucket/manifest");
        assert_eq!(target("s3://bucket/a").folder("Forum").url("manifest"), "s3://bucket/a/Forum/manifest");
        assert_eq!(target("/tmp/x").url("manifest"), "file:///tmp/x/manifest");
    }

    #[test]
    fn a_folder_lies_in_another_only_if_the_whole_name_of_that_begins_its_own() {
        for (folder, outer, is_so) in [
            ("s3://bucket/x", "s3://bucket/x", true),
            ("s3://bucket/x/logs", "s3://bucket/x", true),
            ("s3://bucket/x", "s3://bucket", true),
            ("s3://bucket/xy", "s3://bucket/x", false),
            ("s3://bucket/x", "s3://bucket/x/logs", false),
            ("s3://bucket/x", "s3://other/x", false),
            ("/a/b", "/a", true),
            ("/ab", "/a", false),
            ("/a", "s3://bucket", false),
        ] {
            assert_eq!(target(folder).is_within(&target(outer)), is_so, "{folder} in {outer}");
        }
    }

    #[test]
    fn a_displayed_target_is_read_back_as_itself() {
        for uri in ["s3://bucket", "s3://bucket/a/b", "file:///tmp/x"] {
            assert_eq!(target(&target(uri).to_string()), target(uri));
        }
    }

    #[test]
    fn a_path_may_hold_what_looks_like_a_scheme() {
        assert_eq!(target("/tmp/a://b").to_string(), "file:///tmp/a:/b");
        assert_eq!(target("/tmp/./s3:/b").to_string(), "file:///tmp/s3:/b");
    }

    #[test]
    fn a_folder_name_that_is_none_is_named_with_what_to_write() {
        let said = |uri: &str| uri.parse::<Target>().unwrap_err().to_string();
        assert_eq!(
            said("s3://bucket/a//b///c"),
            "s3://bucket/a//b///c: the folder name after s3://bucket/a/ is empty; write s3://bucket/a/b/c"
        );
        assert!(
            said("s3n://bucket/a/../b").contains("\"..\" after s3://bucket/a is not a valid folder name")
        );
    }

    #[test]
    fn what_is_no_destination_is_refused() {
        for uri in [
            "",
            "hdfs://x/y",
            "s3://",
            "s3://a",
            "s3://b*cket/x",
            "s3://bucket/a/../b",
            "s3://bucket/a//b",
            "x/y",
            "/tmp/../x",
        ] {
            assert!(uri.parse::<Target>().is_err(), "{uri}");
        }
    }
}
