//! Tells URLs, local paths and mistakes apart, where the user gives a folder or an object.
//!
//! A mistyped URL must never be taken for a path: the backup would go to a local folder of that name, and the user
//! would believe that it is in S3. But a path may contain colons. So a text counts as a URL only if it begins with a
//! scheme as RFC 3986 defines one (section 3.1: a letter, then letters, digits, `+`, `-`, `.`) and a colon, and
//!
//! - a slash or backslash follows (`hdfs:/x`, `C:\x`), or
//! - the scheme has letters only (`arn:aws:s3:::b`, `file:x`), or begins like those of S3 (`s3:b/x`).
//!
//! So `backup-2026-01-01T00:00` is a path. `./` or `/` before it makes any other text a path.

use super::TargetError;

/// What the user gave, if it is not a mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Typed {
    /// Begins with `s3://`, `s3n://`, `s3a://`, `file:/`.
    Url,
    /// A local path, absolute or relative.
    Path,
}

/// Schemes for S3 in Hadoop and tablehaul.
const S3: [&str; 3] = ["s3", "s3n", "s3a"];
/// Schemes of Hadoop's own file systems.
const HADOOP: [&str; 9] = ["hdfs", "viewfs", "webhdfs", "swebhdfs", "hftp", "har", "maprfs", "ofs", "o3fs"];
/// Schemes of the object stores of other clouds.
const OTHERS: [&str; 13] =
    ["gs", "gcs", "abfs", "abfss", "wasb", "wasbs", "adl", "azure", "oss", "cos", "cosn", "obs", "swift"];
/// Schemes of web addresses.
const WEB: [&str; 2] = ["http", "https"];

/// Tells URLs and paths apart.
///
/// # Errors
/// Fails if the text is neither; the error says what was probably meant.
pub fn typed(text: &str) -> Result<Typed, TargetError> {
    match mistake(text) {
        Some((what, remedy)) => Err(TargetError::Mistyped { typed: text.to_owned(), what, remedy }),
        None => match scheme(text) {
            Some((name, rest)) if begins_url(name, rest) => Ok(Typed::Url),
            _ => Ok(Typed::Path),
        },
    }
}

/// The scheme that a text begins with, and what follows its colon.
fn scheme(text: &str) -> Option<(&str, &str)> {
    let (name, rest) = text.split_once(':')?;
    let follows = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    let is_scheme =
        name.starts_with(|letter: char| letter.is_ascii_alphabetic()) && name.bytes().all(follows);
    is_scheme.then_some((name, rest))
}

fn begins_url(name: &str, rest: &str) -> bool {
    rest.starts_with(['/', '\\'])
        || name.bytes().all(|byte| byte.is_ascii_alphabetic())
        || name.to_ascii_lowercase().starts_with("s3")
}

/// What is wrong, and what to write instead.
type Mistake = (String, String);

fn mistake(text: &str) -> Option<Mistake> {
    let bare = text.trim_matches(|letter: char| letter.is_whitespace() || matches!(letter, '"' | '\''));
    if bare.len() < text.len() && scheme(bare).is_some_and(|(name, rest)| begins_url(name, rest)) {
        let meant = mistake(bare).map_or_else(|| instead(bare), |(_, remedy)| remedy);
        return Some(("blanks or quotes are part of it".into(), meant));
    }
    match scheme(text) {
        Some((name, rest)) if begins_url(name, rest) => of_scheme(text, name, rest),
        _ => without_colon(text),
    }
}

fn of_scheme(text: &str, name: &str, rest: &str) -> Option<Mistake> {
    let lower = name.to_ascii_lowercase();
    match lower.as_str() {
        "file" if name == "file" && rest.starts_with('/') => of_file(rest),
        "file" => {
            let path = rest.trim_start_matches('/');
            let slash = if rest.starts_with('/') { "/" } else { "" };
            let what = "not a valid URL of a folder on this machine";
            Some((what.into(), format!("give file:///folder, or the path alone: {slash}{path}")))
        }
        scheme if S3.contains(&scheme) || scheme.starts_with("s3") => {
            let is_ours = S3.contains(&name) && rest.starts_with("//") && !rest.starts_with("///");
            let what = "not a valid URL of a folder in S3";
            (!is_ours).then(|| (what.into(), s3_meant(rest)))
        }
        "arn" => Some(of_arn(rest)),
        scheme if WEB.contains(&scheme) => Some(of_web(rest)),
        scheme if is_known(scheme) => Some(foreign(scheme)),
        scheme if scheme.len() == 1 => {
            Some(("a Windows path".into(), "give a path of this machine, such as /folder".into()))
        }
        _ => Some(unknown(text, name)),
    }
}

fn is_known(scheme: &str) -> bool {
    HADOOP.contains(&scheme) || OTHERS.contains(&scheme)
}

fn foreign(scheme: &str) -> Mistake {
    if HADOOP.contains(&scheme) {
        let what = "tablehaul can neither read nor write the file systems of Hadoop";
        return (what.into(), "give s3://bucket/folder, or file:///folder".into());
    }
    let remedy = "give s3://bucket/folder; --s3-endpoint names another service that speaks S3";
    ("S3 is the only cloud store that tablehaul supports".into(), remedy.into())
}

fn unknown(text: &str, name: &str) -> Mistake {
    let remedy = format!("use s3://bucket/folder, file:///folder or a path (./{text} if it is one)");
    (format!("unknown scheme {name:?}"), remedy)
}

/// Accepts `file:/folder`, `file:///folder` and `file://localhost/folder`; anything else names a host.
fn of_file(rest: &str) -> Option<Mistake> {
    let host = rest.strip_prefix("//").filter(|rest| !rest.starts_with('/'))?;
    let is_local = host.strip_prefix("localhost").is_some_and(|path| path.starts_with('/'));
    let what = "a host name follows file://, instead of an absolute path";
    (!is_local).then(|| (what.into(), format!("did you mean file:///{host}?")))
}

/// A text that begins with a scheme without its colon, or with the name of an S3 host.
fn without_colon(text: &str) -> Option<Mistake> {
    if text.starts_with(['/', '.']) {
        return None;
    }
    let (first, rest) = text.split_once('/').unwrap_or((text, ""));
    let name = first.to_ascii_lowercase();
    if let Some(meant) = of_s3_host(text) {
        return Some(("a web address, not a folder".into(), did_you_mean(&meant)));
    }
    if rest.starts_with('/') {
        let remedy = match name.as_str() {
            scheme if S3.contains(&scheme) => Some(s3_meant(rest)),
            "file" => Some(format!("write file://{rest}, or ./{text} for the path")),
            scheme if WEB.contains(&scheme) => Some(of_web(rest).1),
            scheme if is_known(scheme) => Some(foreign(scheme).1),
            _ => None,
        };
        if let Some(remedy) = remedy {
            return Some((format!("the colon is missing, so this names the local folder {first}"), remedy));
        }
    }
    let (name, _) = text.split_once("://")?;
    Some(unknown(text, name))
}

fn did_you_mean(url: &str) -> String {
    format!("did you mean {url}?")
}

fn instead(url: &str) -> String {
    format!("write {url}")
}

/// The S3 URL that was probably meant, from what follows the scheme.
fn s3_meant(rest: &str) -> String {
    let rest = rest.replace('\\', "/");
    match rest.trim_matches([':', '/']) {
        "" => "write s3://bucket/folder".into(),
        path => did_you_mean(&format!("s3://{path}")),
    }
}

/// `arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE`; `rest` begins with the partition.
fn of_arn(rest: &str) -> Mistake {
    let parts: Vec<&str> = rest.splitn(5, ':').collect();
    let what = "an ARN instead of a folder";
    match parts[..] {
        // Access points have a region and an account (Service Authorization Reference, Amazon S3).
        [_, "s3", "", "", path] => (what.into(), s3_meant(path)),
        [_, "s3", ..] => ("the ARN of an access point".into(), "give the bucket: s3://bucket/folder".into()),
        _ => (what.into(), "give s3://bucket/folder, file:///folder or a path".into()),
    }
}

fn of_web(rest: &str) -> Mistake {
    let address = rest.trim_start_matches(['/', '\\']);
    let remedy = match of_s3_host(address).or_else(|| of_console(address)) {
        Some(meant) => did_you_mean(&meant),
        None => "give s3://bucket/folder, file:///folder or a path".into(),
    };
    ("a web address instead of a folder".into(), remedy)
}

/// The folder that an address of S3 names (Amazon S3 User Guide, "Virtual hosting of general purpose buckets").
fn of_s3_host(address: &str) -> Option<String> {
    let (host, path) = address.split_once('/').unwrap_or((address, ""));
    let host = host.split(':').next().unwrap_or_default();
    let host = host.strip_suffix(".amazonaws.com").or_else(|| host.strip_suffix(".amazonaws.com.cn"))?;
    let path = path.split(['?', '#']).next().unwrap_or_default().trim_matches('/');
    let labels: Vec<&str> = host.split('.').collect();
    let at = labels.iter().rposition(|label| *label == "s3" || label.starts_with("s3-"))?;
    let bucket = labels[..at].join(".");
    let names = [bucket.as_str(), path].into_iter().filter(|name| !name.is_empty());
    let names: Vec<&str> = names.collect();
    Some(format!("s3://{}", if names.is_empty() { "bucket/folder".into() } else { names.join("/") }))
}

/// The folder that a page of the AWS console shows: `…console.aws.amazon.com/s3/buckets/BUCKET?prefix=FOLDER/`.
fn of_console(address: &str) -> Option<String> {
    let (host, path) = address.split_once('/')?;
    let is_console = host.ends_with("console.aws.amazon.com") || host.ends_with("console.amazonaws.cn");
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let bucket = path.strip_prefix("s3/buckets/").or_else(|| path.strip_prefix("s3/object/"))?;
    let prefix = query.split('&').find_map(|pair| pair.strip_prefix("prefix=")).unwrap_or_default();
    let prefix = prefix.replace("%2F", "/");
    let folder = format!("s3://{}/{}", bucket.trim_matches('/'), prefix.trim_matches('/'));
    is_console.then(|| folder.trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests;
