//! Writes backups of the fake's items, in every layout and codec that an import reads, and shares no code with
//! what is tested on them. Lines stand in scan order (see [`scan_order`](crate::scan_order)), as in a
//! backup of a real table.

mod codec;
mod line;
mod native;

pub use codec::BackupCodec;
pub use native::NativeFormat;

use crate::items::{ItemShape, item_key};
use crate::scan_order::place;
use std::fs;
use std::path::{Path, PathBuf};

/// Where manifests say that their files lie: never where they do, as in a copy.
const ELSEWHERE: &str = "elsewhere";

/// A backup of items `0` to `n - 1`, still to be written.
///
/// ```no_run
/// use tests_support::backup_writer::{BackupCodec, BackupWriter};
/// BackupWriter::new(10_000).codec(BackupCodec::Gzip).java_tool("/tmp/backup".as_ref());
/// ```
#[derive(Clone, Debug)]
pub struct BackupWriter {
    num_items: u64,
    shape: ItemShape,
    items_per_file: usize,
    codec: BackupCodec,
}

impl BackupWriter {
    /// Of `num_items` items of their natural size, 100,000 in a file, as the Java tool has at most, not compressed.
    #[must_use]
    pub fn new(num_items: u64) -> Self {
        let (shape, codec) = (ItemShape::default(), BackupCodec::default());
        Self { num_items, shape, items_per_file: 100_000, codec }
    }

    /// With items padded to `item_bytes` by `DynamoDB`'s size rule, as the fake's `item-bytes` does.
    #[must_use]
    pub fn item_bytes(mut self, item_bytes: u64) -> Self {
        self.shape = ItemShape { padded_bytes: Some(item_bytes) };
        self
    }

    /// With `num_items` in each file, in the last one fewer.
    #[must_use]
    pub fn items_per_file(mut self, num_items: usize) -> Self {
        self.items_per_file = num_items.max(1);
        self
    }

    /// Compressed. Native exports are always compressed, with gzip.
    #[must_use]
    pub fn codec(mut self, codec: BackupCodec) -> Self {
        self.codec = codec;
        self
    }

    /// As Data Pipeline leaves it: data files, a manifest that names them in another bucket, `_SUCCESS`. Returns
    /// the data files.
    ///
    /// # Panics
    /// When it can't be written, as all that follow.
    #[track_caller]
    pub fn java_tool(&self, folder: &Path) -> Vec<PathBuf> {
        let files = self.without_manifest(folder);
        write(&folder.join("manifest"), java_tool_manifest(&files).as_bytes());
        write(&folder.join("_SUCCESS"), b"");
        files
    }

    /// The data files of such a backup alone. Returns them.
    ///
    /// # Panics
    /// As above.
    #[track_caller]
    pub fn without_manifest(&self, folder: &Path) -> Vec<PathBuf> {
        self.lines_to(folder, &java_tool_name, line::emr)
    }

    /// The data files of Hive's older form, with `^B` and `^C`. Returns them.
    ///
    /// # Panics
    /// As above.
    #[track_caller]
    pub fn hive(&self, folder: &Path) -> Vec<PathBuf> {
        let name = |number| format!("{number:06}_0");
        self.lines_to(folder, &name, |item, text| text.push_str(&line::hive(item)))
    }

    #[track_caller]
    fn lines_to(
        &self,
        folder: &Path,
        name: &dyn Fn(usize) -> String,
        append: impl Fn(&str, &mut String),
    ) -> Vec<PathBuf> {
        let mut files = Vec::new();
        for (number, indexes) in self.scan_order().chunks(self.items_per_file).enumerate() {
            let mut text = String::new();
            for &index in indexes {
                append(&line::native(self.shape, index), &mut text);
                text.push('\n');
            }
            let path = folder.join(name(number) + self.codec.extension());
            write(&path, &self.codec.compressed(text.as_bytes()));
            files.push(path);
        }
        files
    }

    /// The indexes of all items, in the order in which a Scan gives them.
    fn scan_order(&self) -> Vec<u64> {
        let mut indexes: Vec<u64> = (0..self.num_items).collect();
        indexes.sort_by_cached_key(|&index| place(&item_key(index).0));
        indexes
    }
}

/// Writes a file and the folders on the way to it.
#[track_caller]
fn write(path: &Path, bytes: &[u8]) {
    let folder = path.parent().expect("a file is in a folder");
    let written = fs::create_dir_all(folder).and_then(|()| fs::write(path, bytes));
    written.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

/// A name of the Java tool's form: a random UUID, always the same for the same number.
fn java_tool_name(number: usize) -> String {
    let random =
        u128::from(place(&format!("high {number}"))) << 64 | u128::from(place(&format!("low {number}")));
    let hex = format!("{random:032x}");
    format!("{}-{}-4{}-a{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..])
}

/// As the Java tool writes it: entries ordered by reversed file name, no newline at the end.
fn java_tool_manifest(files: &[PathBuf]) -> String {
    let name = |path: &PathBuf| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut names: Vec<String> = files.iter().map(name).collect();
    names.sort_by_key(|name| name.chars().rev().collect::<String>());
    let entries: Vec<String> = names
        .iter()
        .map(|name| format!(r#"{{"url":"s3://{ELSEWHERE}/exports/forum/{name}","mandatory":true}}"#))
        .collect();
    let entries = entries.join(",\n");
    format!("{{\"name\":\"DynamoDB-export\",\"version\":3,\n\"entries\": [\n{entries}\n]}}")
}

#[cfg(test)]
mod tests;
