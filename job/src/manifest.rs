//! The manifest: the list of part files that importers read, in version 3 of the Java tool's format.

use serde::Deserialize;

use crate::json_error::JsonError;

/// The only version that Data Pipeline's importer accepts.
const MANIFEST_VERSION: u64 = 3;

/// Why a manifest can't be read.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// It is cut off, or not JSON.
    #[error("the manifest is not complete JSON")]
    Json(#[from] JsonError),
    /// It has another version.
    #[error("manifest version {0}; only {MANIFEST_VERSION} is known")]
    Version(u64),
}

/// A manifest that lists `urls`, as the Java tool writes it: entries ordered by reversed file name, without a newline
/// at the end.
pub fn write(urls: &[String]) -> String {
    let mut urls: Vec<&String> = urls.iter().collect();
    urls.sort_by_cached_key(|url| {
        url.rsplit('/').next().unwrap_or_default().chars().rev().collect::<String>()
    });
    let entries: Vec<String> = urls
        .into_iter()
        .map(|url| format!("{{\"url\":{},\"mandatory\":true}}", serde_json::Value::from(url.as_str())))
        .collect();
    format!(
        "{{\"name\":\"DynamoDB-export\",\"version\":{MANIFEST_VERSION},\n\"entries\": [\n{}\n]}}",
        entries.join(",\n")
    )
}

/// The URLs that a manifest lists. Other keys are skipped, as in the Java tool.
///
/// # Errors
/// Fails if the manifest is not complete JSON or has another version.
pub fn read(bytes: &[u8]) -> Result<Vec<String>, ManifestError> {
    #[derive(Deserialize)]
    struct Entry {
        url: String,
    }
    #[derive(Deserialize)]
    struct Manifest {
        version: u64,
        entries: Vec<Entry>,
    }
    let manifest: Manifest = serde_json::from_slice(bytes).map_err(JsonError::from)?;
    if manifest.version != MANIFEST_VERSION {
        return Err(ManifestError::Version(manifest.version));
    }
    Ok(manifest.entries.into_iter().map(|entry| entry.url).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_has_the_bytes_the_java_tool_writes() {
        let urls = ["s3://b/x/j_000001", "s3://b/x/j_000010", "s3://b/x/j_000002"].map(String::from);
        assert_eq!(
            write(&urls),
            "{\"name\":\"DynamoDB-export\",\"version\":3,\n\"entries\": [\n\
             {\"url\":\"s3://b/x/j_000010\",\"mandatory\":true},\n\
             {\"url\":\"s3://b/x/j_000001\",\"mandatory\":true},\n\
             {\"url\":\"s3://b/x/j_000002\",\"mandatory\":true}\n]}"
        );
    }

    #[test]
    fn what_is_written_is_read_back() {
        let urls = vec!["s3://b/a \"quoted\" name".to_owned()];
        assert_eq!(read(write(&urls).as_bytes()).unwrap(), urls);
        assert!(read(write(&[]).as_bytes()).unwrap().is_empty());
    }

    #[test]
    fn a_manifest_cut_off_or_of_another_version_is_refused() {
        assert!(matches!(read(b"{\"name\":\"DynamoDB-export\",\"vers"), Err(ManifestError::Json(_))));
        assert!(matches!(read(b"{\"version\":2,\"entries\":[]}"), Err(ManifestError::Version(2))));
    }
}
