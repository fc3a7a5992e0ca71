//! An export of DynamoDB itself: `manifest-summary.json` describes it, `manifest-files.json` lists its files, by their
//! keys in the bucket that it was written to.

use std::{collections::HashSet, fmt};

use aws_smithy_types::base64;
use job::{
    json_error::JsonError,
    object::Object,
    split::{Checksum, InputFormat},
    target::Target,
};
use md5::{Digest, Md5};
use serde::Deserialize;

pub(super) use super::{FILES, SUMMARY};
use super::{
    Kind,
    defect::{Defect, log_unreadable},
    folder::{object, without_mark},
    listing::{BackupEntry, BackupListing, ListingError, pick},
};
use crate::store::Entry;

/// A mark that exists from the beginning of the export.
pub(super) const STARTED: &str = "_started";
/// The folder that DynamoDB creates under the given prefix. It contains a folder for each export.
pub(super) const ROOT: &str = "AWSDynamoDB";

/// The folder of data files.
pub(super) const DATA: &str = "data";

/// Whether a folder has the name of an export: milliseconds, `-`, 8 hexadecimal digits.
pub(super) fn is_export_id(name: &str) -> bool {
    name.split_once('-').is_some_and(|(time, random)| {
        time.len() >= 13
            && time.bytes().all(|digit| digit.is_ascii_digit())
            && random.len() == 8
            && random.bytes().all(|digit| digit.is_ascii_hexdigit())
    })
}

/// The endings, in place of `.json`, of the files beside a manifest that may contain its checksum. DynamoDB writes
/// `.md5`. Its documentation says `.checksum`, and emulators follow that.
pub(super) const CHECKSUMS: [&str; 2] = [".md5", ".checksum"];

/// Whether a manifest is as DynamoDB wrote it. `recorded` is the content of the checksum file: the MD5 in base64 or, by
/// some emulators, in hexadecimal digits.
pub(super) fn check_md5(manifest: &[u8], recorded: &[u8]) -> bool {
    let recorded = std::str::from_utf8(recorded).unwrap_or_default().trim();
    let recorded = from_digits(recorded).or_else(|| base64::decode(recorded).ok());
    let is_recorded = |bytes: &[u8]| recorded.as_deref() == Some(Md5::digest(bytes).as_slice());
    // An editor may have added a byte order mark, which changes nothing else.
    is_recorded(manifest) || is_recorded(without_mark(manifest))
}

/// The 16 bytes of 32 hexadecimal digits. The base64 of 16 bytes is shorter, so it is never confused with them.
fn from_digits(text: &str) -> Option<Vec<u8>> {
    let is_digits = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let byte = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).ok();
    if is_digits { (0..text.len()).step_by(2).map(byte).collect() } else { None }
}

/// Why a manifest can't be read.
fn unreadable(name: &str, error: serde_json::Error) -> JsonError {
    let error = error.into();
    log_unreadable(name, error);
    error
}

/// `manifest-summary.json`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Summary {
    item_count: u64,
    output_format: String,
    #[serde(default)]
    table_arn: String,
    #[serde(default)]
    s3_bucket: String,
    #[serde(default)]
    export_type: String,
}

impl Summary {
    pub(super) fn read(json: &[u8]) -> Result<Self, Defect> {
        serde_json::from_slice(json).map_err(|error| Defect::Unreadable(unreadable(SUMMARY, error)))
    }

    /// Its table and the number of its items, which must be the sum of the files' items.
    pub(super) fn facts(&self, files: &Files) -> Result<(Option<String>, u64), Defect> {
        let items = files.lines.iter().try_fold(0_u64, |sum, line| sum.checked_add(line.item_count));
        if items != Some(self.item_count) {
            return Err(Defect::ItemCount(self.item_count));
        }
        Ok((table_name(&self.table_arn), self.item_count))
    }

    fn kind(&self) -> Result<Kind, Defect> {
        match self.export_type.as_str() {
            "" | "FULL_EXPORT" => Ok(Kind::Native),
            "INCREMENTAL_EXPORT" => Ok(Kind::Incremental),
            other => Err(Defect::ExportType(other.to_owned())),
        }
    }

    fn format(&self) -> Result<InputFormat, Defect> {
        match self.output_format.as_str() {
            "DYNAMODB_JSON" => Ok(InputFormat::Json),
            "ION" => Ok(InputFormat::Ion),
            other => Err(Defect::OutputFormat(other.to_owned())),
        }
    }
}

/// The folder of the data files, relative to the folder of the export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DataFolder {
    /// `data` in it.
    Own,
    /// `data` beside it, which all incremental exports share.
    Shared,
}

impl fmt::Display for DataFolder {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Own => "data",
            Self::Shared => "../data",
        })
    }
}

/// A line of `manifest-files.json`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct FileLine {
    item_count: u64,
    md5_checksum: String,
    data_file_s3_key: String,
}

/// `manifest-files.json`: the files of an export, all in one folder.
#[derive(Debug)]
pub(super) struct Files {
    /// `None` if there are no files.
    pub(super) place: Option<DataFolder>,
    lines: Vec<FileLine>,
}

impl Files {
    pub(super) fn read(json_lines: &[u8]) -> Result<Self, Defect> {
        let mut files = Self { place: None, lines: Vec::new() };
        for (number, line) in (1..).zip(json_lines.split(|&byte| byte == b'\n')) {
            if line.trim_ascii().is_empty() {
                continue;
            }
            let line: FileLine = serde_json::from_slice(line)
                .map_err(|error| Defect::UnreadableLine { number, error: unreadable(FILES, error) })?;
            let key = || line.data_file_s3_key.clone();
            let Some((_, place, _)) = split_key(&line.data_file_s3_key) else {
                return Err(Defect::NoDataFile { number, key: key() });
            };
            if files.place.is_some_and(|other| other != place) {
                return Err(Defect::OtherFolder { number, key: key() });
            }
            files.place = Some(place);
            files.lines.push(line);
        }
        Ok(files)
    }

    /// The names of the files, in the order of the lines.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().filter_map(|line| split_key(&line.data_file_s3_key)).map(|(_, _, name)| name)
    }
}

/// Splits the key of a data file into folder, kind of folder and file name. The key is `…/AWSDynamoDB/<id>/data/x` or,
/// in an incremental export, `…/AWSDynamoDB/data/x`.
fn split_key(key: &str) -> Option<(&str, DataFolder, &str)> {
    let (folder, name) = key.rsplit_once('/')?;
    let (prefix, inside) = folder.rsplit_once(ROOT)?;
    let is_whole_name = prefix.is_empty() || prefix.ends_with('/');
    let place = match inside.strip_prefix('/')?.split('/').collect::<Vec<_>>()[..] {
        ["data"] => DataFolder::Shared,
        [id, "data"] if !matches!(id, "" | "." | "..") => DataFolder::Own,
        _ => return None,
    };
    (is_whole_name && !matches!(name, "" | "." | "..")).then_some((folder, place, name))
}

/// The files of an export that exist, picked from the entries of its data folder.
pub(super) fn list(
    data: &Target,
    summary: &Summary,
    files: &Files,
    entries: Vec<Entry>,
) -> Result<BackupListing, ListingError> {
    let in_summary = |defect: Defect| defect.of(SUMMARY);
    let (kind, format) = (summary.kind().map_err(in_summary)?, summary.format().map_err(in_summary)?);
    let (table, items) = summary.facts(files)?;
    let names: Vec<&str> = files.names().collect();
    let (entries, missing) = pick(data, FILES, &names, entries)?;
    let gone: HashSet<&str> = missing.iter().flat_map(|missing| &missing.names).map(String::as_str).collect();
    let file = |(line, entry): (&FileLine, Entry)| {
        let md5 = base64::decode(&line.md5_checksum).ok().and_then(|md5| md5.try_into().ok());
        let md5 = md5.ok_or_else(|| Defect::NoMd5(entry.name.clone()))?;
        let (items, checksum) = (Some(line.item_count), Some(Checksum::Md5(md5)));
        Ok(BackupEntry { entry, parts: Vec::new(), items, checksum, is_listed: true })
    };
    let there = files.lines.iter().zip(&names).filter(|(_, name)| !gone.contains(*name));
    let there = there.map(|(line, _)| line).zip(entries);
    let checked = there.map(file).collect::<Result<Vec<_>, Defect>>()?;
    Ok(BackupListing {
        table,
        items: Some(items),
        format: Some(format),
        notes: rebased(data, summary, files).into_iter().collect(),
        missing,
        ..BackupListing::new(kind, checked)
    })
}

/// The table in an ARN such as `arn:aws:dynamodb:us-east-1:123456789012:table/Forum`.
fn table_name(arn: &str) -> Option<String> {
    arn.split_once(":table/").map(|(_, name)| name.split('/').next().unwrap_or_default().to_owned())
}

/// A note about where the files were, if they are elsewhere now.
fn rebased(data: &Target, summary: &Summary, files: &Files) -> Option<String> {
    let key = &files.lines.first()?.data_file_s3_key;
    let (folder, _, name) = split_key(key)?;
    let bucket = &summary.s3_bucket;
    let was = Object::S3 { bucket: bucket.clone(), key: key.clone() };
    let old = format!("s3://{bucket}/{folder}");
    (was != object(data, name))
        .then(|| format!("the export names {}: reading its files from {data}", old.escape_debug()))
}

#[cfg(test)]
mod tests;
