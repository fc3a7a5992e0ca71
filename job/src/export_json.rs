//! The description of a backup: `_tablehaul/export.json`, beside the manifest.

use serde::{Deserialize, Serialize};

use crate::{
    ids::JobId, json_error::JsonError, layout::PartName, schema::KeySchema, spec::FileOptions,
    table_settings::TableSettings,
};

/// The version of [`ExportJson`] written here, and the only one read.
pub const VERSION: u32 = 1;

/// A complete export. Times are RFC 3339 in UTC.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExportJson {
    /// [`VERSION`].
    pub version: u32,
    /// Program and version that wrote it.
    pub tool: String,
    /// The job.
    pub job: JobId,
    /// When the job began to read the table.
    pub started_at: String,
    /// When the last file was complete.
    pub finished_at: String,
    /// The keys of the table, by which `verify` and an import check items.
    pub keys: KeySchema,
    /// How the files are written.
    #[serde(flatten)]
    pub options: FileOptions,
    /// The settings of the job.
    pub settings: Settings,
    /// The AWS account of the job's credentials; `None` if unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The ARN of the user or role of those credentials; `None` if unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller: Option<String>,
    /// The number of items in all files.
    pub items: u64,
    /// The bytes of all files as stored.
    pub bytes: u64,
    /// The bytes of all lines before compression.
    pub line_bytes: u64,
    /// The read capacity units that DynamoDB reported.
    pub read_units: f64,
    /// The part files, in the order of their numbers.
    pub files: Vec<PartFile>,
    /// The unchanged reply of DescribeTable.
    pub table: serde_json::Value,
    /// Further settings of the table; `None` if the export was begun by a version that did not record them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table_settings: Option<TableSettings>,
}

/// The settings of the job that may be of use later.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Strongly consistent reads.
    pub consistent: bool,
    /// The number of segments of the Scan.
    pub segments: u32,
    /// The number of worker processes.
    pub workers: u32,
    /// Read units per second at the start.
    pub read_units_per_second: f64,
    /// Where that rate came from.
    pub rate_source: String,
}

/// One part file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartFile {
    /// Its name in the folder.
    pub name: PartName,
    /// The number of lines.
    pub items: u64,
    /// Its length as stored.
    pub bytes: u64,
    /// The CRC-32C of its bytes as stored, 8 hexadecimal digits.
    pub crc32c: String,
    /// Its upload parts in order; empty if the version that made the export did not record them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<UploadPart>,
}

/// One upload part of a part file. It has a whole number of lines and is compressed by itself, so it can be read
/// without the other parts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadPart {
    /// Its length as stored.
    pub bytes: u64,
    /// The bytes of its lines before compression.
    pub line_bytes: u64,
    /// The number of lines.
    pub items: u64,
    /// The CRC-32C of its bytes as stored, 8 hexadecimal digits.
    pub crc32c: String,
}

/// A part of a file that can be read without the others: whole lines, compressed independently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Length as stored.
    pub bytes: u64,
    /// Length of its lines before compression.
    pub line_bytes: u64,
    /// Checksum of its bytes as stored.
    pub crc32c: u32,
}

/// Why the record of a file can't be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The parts are not those of the file.
    #[error("its parts in export.json contradict it or each other: export.json is damaged")]
    Parts,
    /// A checksum has another form.
    #[error("a checksum in export.json is not 8 hexadecimal digits: it is damaged")]
    Crc32c,
}

impl PartFile {
    /// The checksum of the whole file.
    ///
    /// # Errors
    /// Fails if the recorded one is not a checksum.
    pub fn checksum(&self) -> Result<u32, RecordError> {
        crc32c(&self.crc32c)
    }

    /// The parts of the file. They must cover the whole file: bytes outside of all parts would be lost.
    ///
    /// # Errors
    /// Fails if the record contradicts itself.
    pub fn parts(&self, is_plain: bool) -> Result<Vec<Part>, RecordError> {
        let sum = |of: fn(&UploadPart) -> u64| self.parts.iter().map(of).try_fold(0_u64, u64::checked_add);
        let adds_up = sum(|part| part.bytes) == Some(self.bytes)
            && sum(|part| part.items) == Some(self.items)
            && sum(|part| part.line_bytes).is_some();
        let fits =
            self.parts.iter().all(|part| part.bytes > 0 && (!is_plain || part.bytes == part.line_bytes));
        let is_whole = adds_up && fits;
        if !self.parts.is_empty() && !is_whole {
            return Err(RecordError::Parts);
        }
        let part = |part: &UploadPart| {
            let crc32c = crc32c(&part.crc32c)?;
            Ok(Part { bytes: part.bytes, line_bytes: part.line_bytes, crc32c })
        };
        self.parts.iter().map(part).collect()
    }
}

fn crc32c(digits: &str) -> Result<u32, RecordError> {
    let is_whole = digits.len() == 8 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    let number = u32::from_str_radix(digits, 16).ok().filter(|_| is_whole);
    number.ok_or(RecordError::Crc32c)
}

/// Why an `export.json` can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ExportJsonError {
    /// It has another version.
    #[error("version {0}; only {VERSION} is known")]
    Version(u64),
    /// It is cut off, or not an `export.json`.
    #[error("{0}")]
    Damaged(#[from] JsonError),
    /// It names a file that another job has written.
    #[error("{0} is not a file of its job")]
    OtherJob(PartName),
}

/// Reads `_tablehaul/export.json`.
///
/// # Errors
/// Fails if it has another version, is damaged, or names files that its job can't have written.
pub fn read(bytes: &[u8]) -> Result<ExportJson, ExportJsonError> {
    #[derive(Deserialize)]
    struct Versioned {
        version: u64,
    }
    // The version comes first, since another version may have other fields.
    let Versioned { version } = serde_json::from_slice(bytes).map_err(JsonError::from)?;
    if version != u64::from(VERSION) {
        return Err(ExportJsonError::Version(version));
    }
    let export: ExportJson = serde_json::from_slice(bytes).map_err(JsonError::from)?;
    match export.files.iter().find(|file| !file.name.is_of(&export.job, export.options.compression)) {
        Some(file) => Err(ExportJsonError::OtherJob(file.name.clone())),
        None => Ok(export),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_survive_and_a_file_recorded_without_any_is_read() {
        let old = r#"{"name":"9b1d6f3a-0000-4abc-8def-00000000002a_000000","items":3,"bytes":9,"crc32c":"00c0ffee"}"#;
        let mut file: PartFile = serde_json::from_str(old).unwrap();
        assert!(file.parts.is_empty());
        assert_eq!(serde_json::to_string(&file).unwrap(), old);
        file.parts.push(UploadPart { bytes: 9, line_bytes: 30, items: 3, crc32c: "00c0ffee".into() });
        let new = serde_json::to_string(&file).unwrap();
        assert_eq!(serde_json::from_str::<PartFile>(&new).unwrap(), file);
    }

    fn file(parts: &[(u64, u64, u64)]) -> PartFile {
        let part = |&(bytes, line_bytes, items)| {
            let crc32c = "00c0ffee".into();
            UploadPart { bytes, line_bytes, items, crc32c }
        };
        let name = "00000000-0000-0000-0000-000000000001_000000";
        let parts = parts.iter().map(part).collect();
        PartFile { name: name.parse().unwrap(), items: 5, bytes: 10, crc32c: "00000001".into(), parts }
    }

    #[test]
    fn parts_are_taken_if_they_are_all_of_the_file() {
        let taken = file(&[(7, 30, 3), (3, 12, 2)]).parts(false).unwrap();
        assert_eq!(taken[1], Part { bytes: 3, line_bytes: 12, crc32c: 0x00c0_ffee });
        assert!(file(&[]).parts(false).unwrap().is_empty());
    }

    #[test]
    fn parts_with_a_gap_or_an_item_too_few_are_refused() {
        for wrong in [
            &[(7, 30, 3), (2, 12, 2)][..],
            &[(7, 30, 3), (3, 12, 1)],
            &[(10, 30, 5), (0, 0, 0)],
            &[(10, u64::MAX, 5), (0, 1, 0)],
            &[(7, 30, 3), (u64::MAX, 12, 2)],
        ] {
            assert!(file(wrong).parts(false).is_err(), "{wrong:?}");
        }
        assert!(file(&[(10, 11, 5)]).parts(true).is_err(), "plain lines are as long as they are stored");
        assert!(file(&[(10, 10, 5)]).parts(true).is_ok());
    }

    #[test]
    fn a_checksum_has_eight_digits() {
        assert_eq!(crc32c("0000beef").unwrap(), 0xbeef);
        for wrong in ["", "beef", "+000beef", "0000beeg", "00000beef"] {
            assert!(crc32c(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_file_that_its_job_cannot_have_written_is_damage() {
        let of = |job: u32, name: &str| {
            let export = serde_json::json!({
                "version": 1, "tool": "", "job": format!("00000000-0000-0000-0000-{job:012}"), "started_at": "",
                "finished_at": "", "keys": {"partition": {"name": "id", "type": "S"}}, "compression": "none",
                "settings": {"consistent": false, "segments": 1, "workers": 1, "read_units_per_second": 1.0,
                    "rate_source": ""},
                "items": 0, "bytes": 0, "line_bytes": 0, "read_units": 0.0, "table": null,
                "files": [{"name": name, "items": 0, "bytes": 0, "crc32c": "00000000"}],
            });
            read(export.to_string().as_bytes())
        };
        let name = "00000000-0000-0000-0000-000000000007_000000";
        assert_eq!(*of(7, name).unwrap().files[0].name, *name);
        for (job, name) in [(8, name), (7, &format!("{name}.gz"))] {
            assert!(matches!(of(job, name), Err(ExportJsonError::OtherJob(_))), "{job} {name}");
        }
        assert!(matches!(of(7, "../etc/passwd"), Err(ExportJsonError::Damaged(_))));
    }

    #[test]
    fn another_version_is_told_from_damage() {
        assert!(matches!(read(br#"{"version":2,"files":7}"#), Err(ExportJsonError::Version(2))));
        for damaged in ["", "{\"version\":1", "{\"version\":1}", "[]", "{}"] {
            assert!(matches!(read(damaged.as_bytes()), Err(ExportJsonError::Damaged(_))), "{damaged}");
        }
    }
}
