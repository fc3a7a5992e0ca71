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
/// Claims the folder for a job while it runs.
pub const CLAIM: &str = "_tablehaul/job.json";
/// The folder of everything that is ours and not data. Hadoop readers skip names that begin with `_`.
pub const OWN_FOLDER: &str = "_tablehaul";

/// The name of a part file: `<job uuid>_<6-digit sequence>` and the codec's extension, by which
/// Hadoop knows the codec.
pub fn part_file(job: &JobId, file: FileId, compression: Compression) -> String {
    format!("{job}_{:06}{}", file.0, compression.extension())
}

/// The name a part file has on a file system until it is committed. Hadoop readers skip names
/// that begin with `.`.
pub fn hidden(part_file: &str) -> String {
    format!(".{part_file}.part")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn part_files_are_named_after_the_job_and_numbered() {
        let job = JobId("0af5".into());
        assert_eq!(part_file(&job, FileId(7), Compression::None), "0af5_000007");
        assert_eq!(part_file(&job, FileId(1_234_567), Compression::Gzip), "0af5_1234567.gz");
    }
}
