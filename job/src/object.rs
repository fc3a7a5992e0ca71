//! An object of a backup, in S3 or a file system.

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

/// The location of an object. Its text form is a URL without escapes: `s3://bucket/key`, `file:///path`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Object {
    /// An object in S3.
    S3 {
        /// Bucket name.
        bucket: String,
        /// The whole key.
        key: String,
    },
    /// A file.
    File {
        /// Its absolute path.
        path: PathBuf,
    },
}

/// A text that is not the URL of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the url of an object")]
pub struct ObjectError;

impl FromStr for Object {
    type Err = ObjectError;

    /// Parses `s3://bucket/key` (also `s3n://` and `s3a://`), `file:///path` and `file:/path`.
    fn from_str(url: &str) -> Result<Self, ObjectError> {
        if let Some(path) = url.strip_prefix("file:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            let path = Path::new(path);
            return if path.is_absolute() { Ok(Self::File { path: path.into() }) } else { Err(ObjectError) };
        }
        let rest = ["s3://", "s3n://", "s3a://"].iter().find_map(|scheme| url.strip_prefix(scheme));
        match rest.and_then(|rest| rest.split_once('/')) {
            Some((bucket, key)) if !bucket.is_empty() && !key.is_empty() => {
                Ok(Self::S3 { bucket: bucket.to_owned(), key: key.to_owned() })
            }
            _ => Err(ObjectError),
        }
    }
}

impl fmt::Display for Object {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::S3 { bucket, key } => write!(out, "s3://{bucket}/{key}"),
            Self::File { path } => write!(out, "file://{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_displayed_object_is_read_back_as_itself() {
        for url in ["s3://bucket/a/b c", "file:///tmp/x y/z"] {
            assert_eq!(url.parse::<Object>().unwrap().to_string(), url);
        }
        assert_eq!("s3n://b/k".parse::<Object>().unwrap().to_string(), "s3://b/k");
    }

    #[test]
    fn what_names_no_object_is_refused() {
        for url in ["", "s3://", "s3://bucket", "s3://bucket/", "s3:///key", "x", "file:x", "hdfs://a/b"] {
            assert_eq!(url.parse::<Object>(), Err(ObjectError), "{url}");
        }
    }
}
