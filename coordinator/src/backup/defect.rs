//! What is wrong with the manifests of a backup, or with the files that they list.

use std::error::Error;

use job::{
    export_json::{ExportJsonError, RecordError},
    json_error::JsonError,
    layout,
};
use tracing::info;

use super::{FILES, SUMMARY};

/// A defect of a manifest, or of a listed file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Defect {
    /// The defect of a file, named by its URL or its name.
    #[error("{file}: {defect}")]
    Of {
        file: String,
        #[source]
        defect: Box<Self>,
    },
    #[error("it is cut off; copy it again")]
    CutOff(#[source] JsonError),
    #[error("it is not the manifest of an export")]
    NoManifest(#[source] JsonError),
    #[error("it is cut off, or not the manifest of an export")]
    CutOffOrNoManifest(#[source] JsonError),
    #[error("version {0}; only version 3 is known")]
    Version(u64),
    #[error("it lists {}, which is not a file", .0.escape_debug())]
    NoFile(String),
    #[error("{folder}: {list} lists {} more than once: it is damaged", name.escape_debug())]
    ListedTwice { folder: String, list: &'static str, name: String },
    #[error("{folder} holds no backup files{}", inside(.sub_folder.as_deref()))]
    NoFiles { folder: String, sub_folder: Option<String> },

    #[error("it is damaged ({0}); copy it again")]
    Unreadable(#[source] JsonError),
    #[error("line {number} is damaged ({error}); copy it again")]
    UnreadableLine {
        number: u64,
        #[source]
        error: JsonError,
    },
    #[error("line {number} names {}, which is not a data file of an export", key.escape_debug())]
    NoDataFile { number: u64, key: String },
    #[error("line {number} names {}, but earlier lines name another kind of folder", key.escape_debug())]
    OtherFolder { number: u64, key: String },
    #[error(
        "{SUMMARY} states {0} items, but the files in {FILES} add up to another number: one of them is damaged"
    )]
    ItemCount(u64),
    #[error("export type {} is not known", .0.escape_debug())]
    ExportType(String),
    #[error("output format {} is not known", .0.escape_debug())]
    OutputFormat(String),
    #[error("{FILES}: the checksum of {} is not an MD5: it is damaged", .0.escape_debug())]
    NoMd5(String),
    #[error("its files are expected in the folder beside it, but it has none")]
    NothingBeside,

    #[error(
        "{folder} holds an export of version {version}: this program supports only version {}",
        job::export_json::VERSION
    )]
    ExportVersion { folder: String, version: u64 },
    #[error("{file} is damaged ({source}); copy it again")]
    Damaged { file: String, source: Box<dyn Error + Send + Sync> },
    #[error(
        "{file} is damaged (its files have {items} items and {bytes} bytes, its totals are {total_items} and \
         {total_bytes}); copy it again"
    )]
    Totals { file: String, items: u128, bytes: u128, total_items: u64, total_bytes: u64 },
    #[error("{manifest} does not list the files that {own} records: one of them is damaged; copy both again")]
    OtherFiles { manifest: String, own: String },
    #[error("{file} is a file of this export, but {own} does not record it: it is damaged; copy it again")]
    LeftOut { file: String, own: String },
    #[error(
        "has {bytes} bytes, but export.json records {recorded}: the copy is incomplete, or the file was changed"
    )]
    Length { bytes: u64, recorded: u64 },
    #[error(transparent)]
    Recorded(#[from] RecordError),
}

/// Advice to name one of the folders in a folder.
fn inside(sub_folder: Option<&str>) -> String {
    let named = |name: &str| format!("; name one of the folders in it, such as {}", name.escape_debug());
    sub_folder.map(named).unwrap_or_default()
}

impl Defect {
    /// The defect of this file.
    pub(super) fn of(self, file: impl Into<String>) -> Self {
        Self::Of { file: file.into(), defect: Box::new(self) }
    }
}

/// Notes in the log where a JSON file can't be read. Messages tell only why.
pub(crate) fn log_unreadable(file: &str, error: JsonError) {
    info!(file, line = error.line, byte_of_line = error.column, "a JSON file can't be read");
}

/// The same for export.json. Returns the error.
pub(crate) fn unreadable_export(error: ExportJsonError) -> ExportJsonError {
    if let ExportJsonError::Damaged(error) = &error {
        log_unreadable(layout::EXPORT_JSON, *error);
    }
    error
}

/// The defect of a file that is not the manifest of the Java tool. `is_told_apart` says whether the message tells what
/// is cut off from what is something else.
#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
pub(super) fn of_manifest(error: job::manifest::ManifestError, is_told_apart: bool) -> Defect {
    use job::manifest::ManifestError;
    if let ManifestError::Json(error) = &error {
        log_unreadable(layout::MANIFEST, *error);
    }
    match error {
        ManifestError::Version(version) => Defect::Version(version),
        ManifestError::Json(error) if !is_told_apart => Defect::CutOffOrNoManifest(error),
        ManifestError::Json(error) if error.is_cut_off() => Defect::CutOff(error),
        ManifestError::Json(error) => Defect::NoManifest(error),
    }
}
