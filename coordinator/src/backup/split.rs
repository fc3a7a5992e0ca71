//! Cuts a backup into splits.

use job::{
    ids::SplitId,
    split::{Checksum, Codec, Split},
};

use super::{Backup, BackupFile};

/// The longest byte range of a file that may be cut anywhere: short enough that no worker reads on alone at the end.
const MAX_RANGE_BYTES: u64 = 64 * 1024 * 1024;
/// The shortest one: each range costs a lease, and a further request for the rest of its last line.
const MIN_RANGE_BYTES: u64 = 256 * 1024;
/// Ranges for each worker, if there are enough bytes: so that it can interleave several, even shortly before the end.
const RANGES_PER_WORKER: u64 = 64;

/// The splits of a backup, numbered from 0 in the order of its files. Every byte of every file that holds a line is in
/// exactly one split.
///
/// A file that no manifest lists may have been edited by people, and may hold several items with the same key. It stays
/// whole and is read from start to end, so that the last of these items is the one in the table afterwards. If such
/// items are in different files, either may be the last.
pub(crate) fn splits(backup: &Backup, workers: u32) -> Vec<Split> {
    let bytes: u64 = backup.files.iter().filter(|file| may_be_cut(file)).map(|file| file.bytes).sum();
    let range_bytes = bytes / (u64::from(workers.max(1)) * RANGES_PER_WORKER);
    let range_bytes = range_bytes.clamp(MIN_RANGE_BYTES, MAX_RANGE_BYTES);
    let of_file = |file| of_file(file, range_bytes);
    let mut splits: Vec<Split> = backup.files.iter().flat_map(of_file).collect();
    for (number, split) in (0..).zip(&mut splits) {
        split.split = SplitId(number);
    }
    splits
}

/// Whether a file may be cut anywhere.
fn may_be_cut(file: &BackupFile) -> bool {
    file.is_listed && file.codec == Codec::Plain && file.checksum.is_none()
}

fn of_file(file: &BackupFile, range_bytes: u64) -> Vec<Split> {
    let Some(format) = file.format.filter(|_| file.bytes > 0) else { return Vec::new() };
    let whole = Split {
        split: SplitId(0),
        object: file.object.clone(),
        etag: file.etag.clone().unwrap_or_default(),
        object_bytes: file.bytes,
        stored: 0..file.bytes,
        text_start: 0,
        cut: false,
        codec: file.codec,
        format,
        checksum: file.checksum,
    };
    let ranges = file.bytes / range_bytes;
    if !file.parts.is_empty() {
        parts(file, &whole)
    } else if may_be_cut(file) && ranges > 1 {
        // The last range takes the remainder.
        let end = |range: u64| if range + 1 == ranges { file.bytes } else { (range + 1) * range_bytes };
        let range = |number: u64| {
            let stored = number * range_bytes..end(number);
            Split { text_start: stored.start, stored, cut: true, ..whole.clone() }
        };
        (0..ranges).map(range).collect()
    } else {
        vec![whole]
    }
}

fn parts(file: &BackupFile, whole: &Split) -> Vec<Split> {
    let (mut stored, mut text) = (0, 0);
    let part = |part: &super::Part| {
        let (start, text_start) = (stored, text);
        stored += part.bytes;
        text += part.line_bytes;
        let checksum = Some(Checksum::Crc32c(part.crc32c));
        Split { stored: start..stored, text_start, checksum, ..whole.clone() }
    };
    file.parts.iter().map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backup::{Kind, Part};
    use job::{object::Object, split::InputFormat};

    fn file(bytes: u64, codec: Codec, is_listed: bool) -> BackupFile {
        BackupFile {
            object: Object::File { path: "/x/f".into() },
            etag: Some("tag".into()),
            bytes,
            codec,
            format: Some(InputFormat::Emr),
            parts: Vec::new(),
            checksum: None,
            is_listed,
        }
    }

    fn splits(files: Vec<BackupFile>, workers: u32) -> Vec<Split> {
        let backup = Backup {
            kind: Kind::Plain,
            files,
            table: None,
            items: None,
            formats: String::new(),
            is_incremental: false,
            notes: Vec::new(),
        };
        super::splits(&backup, workers)
    }

    #[test]
    fn every_byte_of_a_large_plain_file_is_in_exactly_one_range() {
        const KIB: u64 = 1024;
        for (bytes, workers, range_bytes) in [
            (512 * KIB, 1, 256 * KIB),
            (768 * KIB - 1, 4, 256 * KIB),
            (64 * KIB * KIB, 1, 1024 * KIB),
            (64 * KIB * KIB + 7, 2, 512 * KIB),
            (10_000 * KIB * KIB + 7, 2, 64 * KIB * KIB),
        ] {
            let splits = splits(vec![file(bytes, Codec::Plain, true)], workers);
            let mut end = 0;
            for split in &splits {
                assert_eq!((split.stored.start, split.text_start), (end, end));
                let length = split.stored.end - split.stored.start;
                assert!((range_bytes..2 * range_bytes).contains(&length) && split.cut, "{length}");
                end = split.stored.end;
            }
            assert_eq!((end, splits.len() as u64), (bytes, bytes / range_bytes));
        }
    }

    #[test]
    fn a_file_that_can_or_should_not_be_cut_is_one_split() {
        let large = 10 * MAX_RANGE_BYTES;
        let checksum = Some(Checksum::Md5([7; 16]));
        for file in [
            file(large, Codec::Gzip, true),
            file(large, Codec::Plain, false),
            file(2 * MIN_RANGE_BYTES - 1, Codec::Plain, true),
            BackupFile { checksum, ..file(large, Codec::Plain, true) },
        ] {
            let splits = splits(vec![file.clone()], 1);
            assert_eq!(splits.len(), 1, "{file:?}");
            assert_eq!((splits[0].stored.clone(), splits[0].cut), (0..file.bytes, false));
            assert_eq!((splits[0].checksum, splits[0].etag.as_str()), (file.checksum, "tag"));
        }
    }

    #[test]
    fn parts_follow_each_other_in_the_file_and_in_its_text() {
        let part = |bytes, line_bytes, crc32c| Part { bytes, line_bytes, crc32c };
        let parts = vec![part(10, 100, 1), part(5, 70, 2), part(1, 3, 3)];
        let checksum = Some(Checksum::Crc32c(9));
        let splits = splits(vec![BackupFile { parts, checksum, ..file(16, Codec::Gzip, true) }], 1);
        let places: Vec<_> = splits.iter().map(|split| (split.stored.clone(), split.text_start)).collect();
        assert_eq!(places, [(0..10, 0), (10..15, 100), (15..16, 170)]);
        assert_eq!(splits[1].checksum, Some(Checksum::Crc32c(2)));
        assert!(splits.iter().all(|split| !split.cut && split.object_bytes == 16));
    }

    #[test]
    fn splits_are_numbered_through_and_files_without_lines_have_none() {
        let no_line = BackupFile { format: None, ..file(20, Codec::Gzip, true) };
        let files = vec![
            file(1, Codec::Plain, true),
            no_line,
            file(0, Codec::Plain, true),
            file(2, Codec::Zstd, true),
        ];
        let splits = splits(files, 1);
        let numbers: Vec<_> = splits.iter().map(|split| (split.split.0, split.object_bytes)).collect();
        assert_eq!(numbers, [(0, 1), (1, 2)]);
    }
}
