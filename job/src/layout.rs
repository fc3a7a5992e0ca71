//! Every object name of a backup folder, in one place.

use crate::{
    ids::{FileId, JobId},
    spec::Compression,
};

/// Lists the part files; there if and only if the backup is whole.
pub const MANIFEST: &str = "manifest";
/// What the backup is: table, settings, files with sizes and checksums.
pub const EXPORT_JSON: &str = "_tablehaul/export.json";
/// Hadoop's mark of a finished output; written last.
pub const SUCCESS: &str = "_SUCCESS";
/// The folder of the journal of an unfinished job: see [`crate::journal`].
pub const JOURNAL: &str = "_tablehaul/journal";
/// On a file system: locked by the coordinator that lives.
pub const LOCK: &str = "_tablehaul/lock";
/// The folder of everything that is ours and not data. Hadoop readers skip names that begin with `_`.
pub const OWN_FOLDER: &str = "_tablehaul";

/// The name of a part file: `<job uuid>_<6-digit sequence>` and the codec's extension, by which
/// Hadoop knows the codec.
pub fn part_file(job: &JobId, file: FileId, compression: Compression) -> String {
    format!("{job}_{:06}{}", file.0, compression.extension())
}

/// The name of an object of a journal, in its folder; they are numbered from 1.
pub fn journal_object(number: u64) -> String {
    format!("{number:08}.jsonl")
}

/// The number of an object of a journal; nothing if it is none.
pub fn journal_number(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".jsonl").filter(|digits| digits.len() >= 8)?;
    digits.parse().ok().filter(|&number| journal_object(number) == name)
}

/// What the hidden names of all part files of a job begin with.
pub fn hidden_prefix(job: &JobId) -> String {
    format!(".{job}_")
}

/// The name a part file has on a file system until it is committed. `upload_id` tells it from one of that
/// name that another coordinator of the job has handed out before. Hadoop readers skip names that begin
/// with `.`.
pub fn hidden(part_file: &str, upload_id: &str) -> String {
    format!(".{part_file}.{upload_id}.part")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn part_files_are_named_after_the_job_and_numbered() {
        let job = JobId("0af5".into());
        assert_eq!(part_file(&job, FileId(7), Compression::None), "0af5_000007");
        assert_eq!(part_file(&job, FileId(1_234_567), Compression::Gzip), "0af5_1234567.gz");
        assert!(
            hidden(&part_file(&job, FileId(7), Compression::None), "u").starts_with(&hidden_prefix(&job))
        );
    }

    #[test]
    fn journal_objects_sort_by_their_numbers_and_nothing_else_is_taken_for_one() {
        for number in [1, 42, 99_999_999, 123_456_789] {
            assert_eq!(journal_number(&journal_object(number)), Some(number));
        }
        assert!(journal_object(9) < journal_object(10));
        for name in ["", "1.jsonl", ".00000001.jsonl", "00000001.json", "+0000001.jsonl", "000000001.jsonl"] {
            assert_eq!(journal_number(name), None, "{name}");
        }
    }
}
