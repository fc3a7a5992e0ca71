//! Arguments as pipelines pass them, and paths as Hadoop writes them.

/// An argument without the blanks and quotes around it. Data Pipeline splits a step at its commas, and no shell removes
/// quotes there.
pub(super) fn plain(argument: &str) -> &str {
    let bare = argument.trim();
    let quoted = |quote: char| bare.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    quoted('"').or_else(|| quoted('\'')).map_or(bare, str::trim)
}

/// An S3 URL in which slashes in a row are one, as in Hadoop's `Path`: templates build `#{myOutputS3Loc}/#{…}` even if
/// the location ends in a slash. Other text is returned as it is.
pub(super) fn single_slashes(url: &str) -> String {
    let s3 = ["s3://", "s3n://", "s3a://"].into_iter().find(|scheme| url.starts_with(scheme));
    match s3.and_then(|scheme| Some((scheme, url[scheme.len()..].split_once('/')?))) {
        Some((scheme, (bucket, key))) if !bucket.is_empty() => {
            let names: Vec<&str> = key.split('/').filter(|name| !name.is_empty()).collect();
            format!("{scheme}{bucket}/{}", names.join("/"))
        }
        _ => url.to_owned(),
    }
}

/// A path or URL as Hadoop's `Path` writes it: single slashes, none at the end, no empty authority.
pub(super) fn hadoop_path(typed: &str) -> String {
    let (scheme, rest) = match typed.split_once(':') {
        Some((scheme, rest)) if !scheme.contains('/') => (format!("{scheme}:"), rest),
        _ => (String::new(), typed),
    };
    let (authority, path) = match rest.strip_prefix("//") {
        Some(rest) => rest.split_at(rest.find('/').unwrap_or(rest.len())),
        None => ("", rest),
    };
    let authority = if authority.is_empty() { String::new() } else { format!("//{authority}") };
    let names: Vec<&str> = path.split('/').filter(|name| !name.is_empty()).collect();
    let slash = if path.starts_with('/') { "/" } else { "" };
    format!("{scheme}{authority}{slash}{}", names.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_and_one_pair_of_quotes_are_taken_off() {
        for (argument, bare) in [
            ("\"0.9\"", "0.9"),
            ("' 0.25'", "0.25"),
            (" 0.25\r\n", "0.25"),
            ("Forum ", "Forum"),
            ("\" s3://b/x \"", "s3://b/x"),
            ("\"\"", ""),
            ("''", ""),
            ("\"", "\""),
            ("\"a'", "\"a'"),
            ("a\"b\"", "a\"b\""),
            ("''a''", "'a'"),
            ("-D\"k=v\"", "-D\"k=v\""),
        ] {
            assert_eq!(plain(argument), bare);
        }
    }

    #[test]
    fn slashes_in_a_row_are_one_in_s3() {
        for (url, single) in [
            ("s3://b/exports//2026", "s3://b/exports/2026"),
            ("s3n://b///x//", "s3n://b/x"),
            ("s3a://b//x///y", "s3a://b/x/y"),
            ("s3://b", "s3://b"),
            ("s3://b/", "s3://b/"),
            ("s3:///b//x", "s3:///b//x"),
            ("S3://b//x", "S3://b//x"),
            ("file:///x//y", "file:///x//y"),
            ("x//y", "x//y"),
        ] {
            assert_eq!(single_slashes(url), single);
        }
    }

    #[test]
    fn a_path_looks_like_hadoops() {
        for (typed, written) in [
            ("s3://bucket/a/b", "s3://bucket/a/b"),
            ("s3n://bucket//a/b/", "s3n://bucket/a/b"),
            ("file:///tmp/x", "file:/tmp/x"),
            ("file:/tmp//x/", "file:/tmp/x"),
            ("/tmp/2026-01-01T00:00/", "/tmp/2026-01-01T00:00"),
            ("x/y", "x/y"),
        ] {
            assert_eq!(hadoop_path(typed), written);
        }
    }
}
