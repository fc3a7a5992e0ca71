//! Native exports, full and incremental, in `DynamoDB` JSON and Amazon Ion. One of the data files is empty, as
//! real exports have some.

use super::{BackupWriter, ELSEWHERE, codec::BackupCodec, line, write};
use crate::scan_order::place;
use base64::Engine as _;
use md5::{Digest, Md5};
use serde_json::{Value, json};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// The id of each export: milliseconds and eight random digits.
const EXPORT_ID: &str = "01700000000000-1a2b3c4d";
const ARN: &str = "arn:aws:dynamodb:us-east-1:123456789012:table/Forum";

/// What lines of a native export are written in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NativeFormat {
    /// `DynamoDB` JSON.
    #[default]
    Json,
    /// Amazon Ion, as text.
    Ion,
}

impl NativeFormat {
    fn name(self) -> &'static str {
        match self {
            Self::Json => "DYNAMODB_JSON",
            Self::Ion => "ION",
        }
    }

    fn extension(self) -> &'static str {
        match self {
            Self::Json => "json.gz",
            Self::Ion => "ion.gz",
        }
    }

    fn line(self, json: String) -> String {
        match self {
            Self::Json => json,
            Self::Ion => line::ion(&json),
        }
    }
}

impl BackupWriter {
    /// A native full export below `folder`. Returns its own folder, `AWSDynamoDB/<id>` there.
    ///
    /// # Panics
    /// When it can't be written.
    #[track_caller]
    pub fn native(&self, folder: &Path, format: NativeFormat) -> PathBuf {
        let full = |index| format!(r#"{{"Item":{}}}"#, line::native(self.shape, index));
        let data = format!("{EXPORT_ID}/data");
        let files = self.data_files(folder, &data, format, full);
        let summary = json!({"exportType": "FULL_EXPORT"});
        self.manifests(folder, format, &summary, &files)
    }

    /// A native incremental export below `folder`, in which the items of `deleted` were deleted and all others
    /// put, half of them over an older one. Its data files lie in `AWSDynamoDB/data`, which all incremental exports
    /// share, and beside them lies one that is not of this export. Returns its own folder, `AWSDynamoDB/<id>`.
    ///
    /// # Panics
    /// When it can't be written.
    #[track_caller]
    pub fn native_incremental(&self, folder: &Path, format: NativeFormat, deleted: Range<u64>) -> PathBuf {
        let change = |index| {
            let item = line::native(self.shape, index);
            let old = item.replacen("customer number", "customer Number", 1);
            match (deleted.contains(&index), index % 2 == 0) {
                (true, _) => line::change(index, None, Some(&item)),
                (false, true) => line::change(index, Some(&item), None),
                (false, false) => line::change(index, Some(&item), Some(&old)),
            }
        };
        let files = self.data_files(folder, "data", format, change);
        let other = format!("data/{}.{}", native_name("another export"), format.extension());
        let foreign = line::change(self.num_items, Some(&line::native(self.shape, self.num_items)), None);
        let foreign = format.line(foreign) + "\n";
        write(&below(folder, &other), &BackupCodec::Gzip.compressed(foreign.as_bytes()));
        let summary = json!({
            "exportType": "INCREMENTAL_EXPORT", "outputView": "NEW_AND_OLD_IMAGES",
            "exportFromTime": "2023-11-13T00:00:00.000Z", "exportToTime": "2023-11-14T00:00:00.000Z",
        });
        self.manifests(folder, format, &summary, &files)
    }

    /// Writes the data files and returns what the manifest says of them.
    #[track_caller]
    fn data_files(
        &self,
        folder: &Path,
        data: &str,
        format: NativeFormat,
        line: impl Fn(u64) -> String,
    ) -> Vec<Value> {
        let order = self.scan_order();
        let with_empty = order.chunks(self.items_per_file).chain([&[][..]]);
        let mut files = Vec::new();
        for (number, indexes) in with_empty.enumerate() {
            let lines = indexes.iter().map(|&index| format.line(line(index)) + "\n");
            let bytes = BackupCodec::Gzip.compressed(lines.collect::<String>().as_bytes());
            let name = format!("{data}/{}.{}", native_name(&number.to_string()), format.extension());
            write(&below(folder, &name), &bytes);
            files.push(json!({
                "itemCount": indexes.len(),
                "md5Checksum": md5_base64(&bytes),
                "etag": format!("{:032x}-1", place(&name)),
                "dataFileS3Key": format!("exports/forum/AWSDynamoDB/{name}"),
            }));
        }
        files
    }

    #[track_caller]
    fn manifests(&self, folder: &Path, format: NativeFormat, extra: &Value, files: &[Value]) -> PathBuf {
        let own = below(folder, EXPORT_ID);
        let mut summary = json!({
            "version": "2020-06-30",
            "exportArn": format!("{ARN}/export/{EXPORT_ID}"),
            "startTime": "2023-11-14T22:13:20.000Z", "endTime": "2023-11-14T22:18:20.000Z",
            "exportTime": "2023-11-14T22:13:20.000Z",
            "tableArn": ARN, "tableId": "0af51c5e-0000-4000-8000-000000000000",
            "s3Bucket": ELSEWHERE, "s3Prefix": "exports/forum",
            "s3SseAlgorithm": "AES256", "s3SseKmsKeyId": null,
            "manifestFilesS3Key": format!("exports/forum/AWSDynamoDB/{EXPORT_ID}/manifest-files.json"),
            "billedSizeBytes": 0, "itemCount": self.num_items, "outputFormat": format.name(),
        });
        for (name, value) in extra.as_object().into_iter().flatten() {
            summary[name] = value.clone();
        }
        let lines: Vec<String> = files.iter().map(ToString::to_string).collect();
        let lines = lines.join("\n") + "\n";
        write(&own.join("_started"), b"");
        for (name, text) in [("manifest-files", lines), ("manifest-summary", summary.to_string())] {
            write(&own.join(format!("{name}.json")), text.as_bytes());
            write(&own.join(format!("{name}.md5")), md5_base64(text.as_bytes()).as_bytes());
        }
        own
    }
}

fn below(folder: &Path, name: &str) -> PathBuf {
    folder.join("AWSDynamoDB").join(name)
}

/// 26 letters and digits, always the same for the same text.
fn native_name(text: &str) -> String {
    let digest = Md5::digest(text.as_bytes());
    let mut random = digest.iter().fold(0_u128, |random, &byte| random << 8 | u128::from(byte));
    let mut name = String::new();
    for _ in 0..26 {
        let letter = usize::try_from(random % 32).unwrap_or(0);
        name.push(char::from(b"abcdefghijklmnopqrstuvwxyz234567"[letter]));
        random /= 32;
    }
    name
}

fn md5_base64(bytes: &[u8]) -> String {
    base64::prelude::BASE64_STANDARD.encode(Md5::digest(bytes))
}
