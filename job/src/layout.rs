//! The names of all objects of a backup folder.

use std::str::FromStr;

use crate::{
    ids::{FileId, JobId, NotAName, UploadId, checked_name},
    spec::Compression,
};

/// Lists the part files. It exists if and only if the backup is complete.
pub const MANIFEST: &str = "manifest";
/// Describes the backup: its table, settings, and files with sizes and checksums.
pub const EXPORT_JSON: &str = "_tablehaul/export.json";
/// Hadoop's marker of a complete output; written last.
pub const SUCCESS: &str = "_SUCCESS";
/// The folder of the journal of an unfinished job, see [`crate::journal`].
pub const JOURNAL: &str = "_tablehaul/journal";
/// On a file system: the file that the running coordinator holds a lock on.
pub const LOCK: &str = "_tablehaul/lock";
/// What the events of a running job add up to, see `docs/events.md`. It lives as long as the journal. Nothing depends
/// on it.
pub const STATUS: &str = "_tablehaul/status.json";
/// What the events of a complete job add up to, like [`STATUS`]. Nothing depends on it.
pub const HISTORY: &str = "_tablehaul/history.json";
/// The report of a job that has ended, drawn from its [`HISTORY`] or, if it is not complete, from its [`STATUS`].
/// Nothing depends on it.
pub const REPORT: &str = "_tablehaul/report.html";
/// The files that tell people of a job. A folder that holds nothing else of tablehaul holds neither a backup nor a job.
pub const STATUS_FILES: [&str; 3] = [STATUS, HISTORY, REPORT];
/// The folder of everything that tablehaul writes besides data. Hadoop readers skip names that begin with `_`.
pub const OWN_FOLDER: &str = "_tablehaul";

/// The name of a part file: `<job uuid>_<6-digit sequence>` and the codec's extension, by which Hadoop chooses the
/// codec. It comes from [`part_file`] or has been validated, so it never leads out of the folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PartName(String);

impl PartName {
    /// Whether it is the name of a file of this job with this compression.
    pub fn is_of(&self, job: &JobId, compression: Compression) -> bool {
        let number = number(&self.0, compression).filter(|(of, _)| of == job);
        number.is_some()
    }
}

/// The job and the file number in the name of a part file with this compression.
fn number(name: &str, compression: Compression) -> Option<(JobId, FileId)> {
    let (job, digits) = name.strip_suffix(compression.extension())?.rsplit_once('_')?;
    let (job, file) = (job.parse().ok()?, FileId(digits.parse().ok()?));
    // Only the canonical form of a number is accepted.
    (part_file(&job, file, compression).0 == name).then_some((job, file))
}

impl FromStr for PartName {
    type Err = NotAName;
    fn from_str(name: &str) -> Result<Self, NotAName> {
        let is_one = Compression::ALL.into_iter().any(|compression| number(name, compression).is_some());
        if is_one { Ok(Self(name.to_owned())) } else { Err(NotAName("the name of a part file")) }
    }
}

checked_name!(PartName);

/// The name of a part file of a job.
pub fn part_file(job: &JobId, file: FileId, compression: Compression) -> PartName {
    PartName(format!("{job}_{:06}{}", file.0, compression.extension()))
}

/// The largest number of a journal object. A job that wrote an object each millisecond would need thirty years to get
/// there, so a file with a larger number is none of a journal.
const MAX_JOURNAL_NUMBER: u64 = 999_999_999_999;

/// The name of a journal object in its folder. Objects are numbered from 1.
pub fn journal_object(number: u64) -> String {
    format!("{number:08}.jsonl")
}

/// The number of a journal object; `None` if it is not the name of one.
pub fn journal_number(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".jsonl").filter(|digits| digits.len() >= 8)?;
    let number = digits.parse().ok().filter(|&number| number <= MAX_JOURNAL_NUMBER)?;
    (journal_object(number) == name).then_some(number)
}

/// The prefix of the hidden names of all part files of a job.
pub fn hidden_prefix(job: &JobId) -> String {
    format!(".{job}_")
}

/// The name of a part file on a file system until it is committed. `upload_id` distinguishes it from a file of that
/// name that another coordinator of the job assigned earlier. Returns `None` if the id could not be part of a file
/// name. Hadoop readers skip names that begin with `.`.
pub fn hidden(part_file: &PartName, upload_id: &UploadId) -> Option<String> {
    let is_plain = upload_id.len() <= 128 && upload_id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_plain.then(|| format!(".{part_file}.{upload_id}.part"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn part_files_are_named_after_the_job_and_numbered() {
        let job = JobId::from_u128(0x0af5);
        let name = |file, compression| part_file(&job, FileId(file), compression);
        assert_eq!(*name(7, Compression::None), *"00000000-0000-0000-0000-000000000af5_000007");
        assert_eq!(*name(1_234_567, Compression::Gzip), *"00000000-0000-0000-0000-000000000af5_1234567.gz");
        let hidden = hidden(&name(7, Compression::None), &"u".parse().unwrap()).unwrap();
        assert!(hidden.starts_with(&hidden_prefix(&job)), "{hidden}");
    }

    #[test]
    fn only_what_a_job_names_its_files_is_the_name_of_a_part_file() {
        let job = JobId::from_u128(7);
        for compression in Compression::ALL {
            let name = part_file(&job, FileId(12), compression);
            assert_eq!(name.parse::<PartName>().as_ref(), Ok(&name));
            assert!(name.is_of(&job, compression) && !name.is_of(&JobId::from_u128(8), compression));
        }
        assert!(!part_file(&job, FileId(12), Compression::Gzip).is_of(&job, Compression::None));
        for wrong in [
            String::new(),
            "manifest".into(),
            "../victim/passwd".into(),
            format!("../{job}_000012"),
            format!("{job}_000012/../x"),
            format!("{job}_12"),
            format!("{job}_0000012"),
            format!("{job}_+00012"),
            format!("{job}_000012.bz2"),
            format!("{job}_4294967296"),
            format!("{job}_000012\n"),
        ] {
            assert!(wrong.parse::<PartName>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_upload_id_that_would_lead_elsewhere_gives_no_hidden_name() {
        let name = part_file(&JobId::from_u128(7), FileId(12), Compression::None);
        let hidden = |id: &str| hidden(&name, &id.parse().unwrap());
        assert!(hidden("l0123456789abcdef").is_some());
        for id in ["../x", "a/b", ".", "..", "a.b", "2~x", &"u".repeat(129)] {
            assert_eq!(hidden(id), None, "{id}");
        }
    }

    #[test]
    fn journal_objects_sort_by_their_numbers_and_nothing_else_is_taken_for_one() {
        for number in [1, 42, 99_999_999, 123_456_789, MAX_JOURNAL_NUMBER] {
            assert_eq!(journal_number(&journal_object(number)), Some(number));
        }
        assert!(journal_object(9) < journal_object(10));
        for name in ["", "1.jsonl", ".00000001.jsonl", "00000001.json", "+0000001.jsonl", "000000001.jsonl"] {
            assert_eq!(journal_number(name), None, "{name}");
        }
        assert_eq!(journal_number(&journal_object(MAX_JOURNAL_NUMBER + 1)), None);
        assert_eq!(journal_number(&journal_object(u64::MAX)), None);
    }
}
