//! A verification with `--state`: what its state folder holds, whether that is this verification, and how it ends.
//!
//! ```text
//! state folder → inspect → is it this verification? → Resumable → pass of workers
//!   → give_up keeps it for the next run
//!   → the result is shown → remove
//! ```

use std::{os::unix::fs::MetadataExt, path::PathBuf, time::Duration};

use engine::{
    replay::{Journaled, State},
    verify::VerifyState,
};
use jiff::Timestamp;
use job::{
    ids::JobId,
    journal::{BeginVerify, Fact, Run},
    target::Target,
    verify::{FileFound, StoredFile},
};
use job_aws::Clients;
use serde::Serialize;
use xxhash_rust::xxh3::Xxh3;

use super::{VerifyRequest, workers::expected_items};
use crate::{
    failure::{Failure, FailureKind},
    jobs::{
        history,
        lifecycle::{self, ACQUIRE_GRACE, InStateFolder, OpenedJob, Start, StateFolder, acquire, new_job},
    },
    journal::Journal,
    output::{TOOL, display::count, progress::Progress},
    stop::Stop,
    store::{Store, blocking},
};

/// How long it may take to journal that the result has been shown.
const LAST_FACT_LIMIT: Duration = Duration::from_secs(10);

/// What the state folder holds, if one was given.
///
/// # Errors
/// Fails with `FailureKind::Refused` if it can't be the state folder of this verification.
pub(super) async fn inspect_folder(
    request: &VerifyRequest,
    clients: Option<&Clients>,
) -> Result<Option<StateFolder>, Failure> {
    let VerifyRequest { folder, state: Some(state), restart, aws, .. } = request else { return Ok(None) };
    if state.is_within(folder) {
        return Err(Failure::refused(format!(
            "--state {state}: lies in {folder}, which is for the backup alone: give another folder"
        )));
    }
    let store = Store::to_write_with(state, aws, clients).await.map_err(|fault| Failure::refused(&fault))?;
    StateFolder::inspect(store, "verification", *restart).await.map(Some)
}

/// The time of the last change of a file or of what the system records of it (`st_ctime`), in seconds and nanoseconds.
/// `None` if it can't be read.
pub(super) type ChangedAt = Option<(i64, i64)>;

/// When each file was changed last. Unlike the time of the last modification, which `cp -p` and `touch` set, nobody can
/// set that back. Empty in S3, where an entity tag tells.
///
/// # Errors
/// Fails if the file system does not answer.
pub(super) async fn change_times(folder: &Target, files: &[StoredFile]) -> Result<Vec<ChangedAt>, Failure> {
    let Target::File { dir } = folder else { return Ok(Vec::new()) };
    let paths: Vec<PathBuf> = files.iter().map(|file| dir.join(file.record.name())).collect();
    let changed_at = |path: &PathBuf| {
        let metadata = std::fs::metadata(path).ok()?;
        Some((metadata.ctime(), metadata.ctime_nsec()))
    };
    let read = blocking(dir, move || Ok(paths.iter().map(changed_at).collect())).await;
    read.map_err(|fault| Failure::refused(&fault))
}

/// The first fact of a new verification of these files. `with` is what the backup records of all of them together.
pub(super) fn begin(
    request: &VerifyRequest,
    table: &str,
    with: &impl Serialize,
    (files, changed_at): (&[StoredFile], &[ChangedAt]),
) -> BeginVerify {
    let (stored, recorded) = fingerprints(with, files, changed_at);
    BeginVerify {
        job: new_job(),
        table: table.to_owned(),
        source: request.folder.to_string(),
        tool: TOOL.to_owned(),
        stored,
        recorded,
        files: u32::try_from(files.len()).unwrap_or(u32::MAX),
        expected_items: expected_items(files).unwrap_or(0),
        started_at: Timestamp::now().to_string(),
    }
}

/// Fingerprints of the files as they are stored, and of what is recorded of them, in their order.
fn fingerprints(with: &impl Serialize, files: &[StoredFile], changed_at: &[ChangedAt]) -> (String, String) {
    /// Adds a line of JSON, which contains no other line.
    fn add(hash: &mut Xxh3, value: &impl Serialize) {
        hash.update(&serde_json::to_vec(value).unwrap_or_default());
        hash.update(b"\n");
    }
    let (mut stored, mut recorded) = (Xxh3::new(), Xxh3::new());
    add(&mut recorded, with);
    for StoredFile { record, bytes, etag } in files {
        add(&mut stored, &(record.name(), bytes, etag));
        add(&mut recorded, record);
    }
    add(&mut stored, &changed_at);
    let text = |hash: Xxh3| format!("{:032x}", hash.digest128());
    (text(stored), text(recorded))
}

/// Refuses to resume another verification: results never count for files that may have changed.
///
/// # Errors
/// Fails with `FailureKind::Refused`, and says what differs.
pub(super) fn check(folder: &StateFolder, begin: &BeginVerify) -> Result<(), Failure> {
    match resumed(&folder.start).and_then(|(_, state)| difference(&state.begin, begin)) {
        None => Ok(()),
        Some(why) => Err(Failure::refused(format!(
            "--state {}: holds an unfinished verification {why}: give another state folder, or --restart to \
             verify every file again",
            folder.store.display()
        ))),
    }
}

/// Why an unfinished verification is not the one that was asked for, or `None` if it is.
fn difference(before: &BeginVerify, now: &BeginVerify) -> Option<String> {
    if before.source != now.source {
        return Some(format!("of another folder, {}", before.source.escape_debug()));
    }
    if before.tool != now.tool {
        let before = before.tool.escape_debug();
        return Some(format!("by {before}, which may have checked other things than {}", now.tool));
    }
    if before.files != now.files {
        let (before, now) = (count(before.files as usize, "file"), now.files);
        return Some(format!("of a backup that has changed since: it had {before} to verify and has {now}"));
    }
    if before.stored != now.stored {
        return Some("of a backup that has changed since: at least one of its files is another".to_owned());
    }
    if before.recorded != now.recorded {
        return Some("of a backup that has changed since: it records other things of its files".to_owned());
    }
    None
}

/// The verification that is resumed, if one is.
fn resumed(start: &Start) -> Option<(&Journaled, &VerifyState)> {
    match start {
        Start::Resume(journaled) => match &journaled.state {
            State::Verify(state) => Some((journaled, state)),
            State::Export(_) | State::Import(_) => None,
        },
        Start::Fresh | Start::Restart(_) => None,
    }
}

/// The job that is resumed, or else the new one.
pub(super) fn job(folder: &StateFolder, begin: &BeginVerify) -> JobId {
    resumed(&folder.start).map_or(&begin.job, |(_, state)| &state.begin.job).clone()
}

/// A line of the plan: what earlier runs have done, if this one resumes. A restart removes only the journal, which is
/// not worth a line.
pub(super) fn plan_line(folder: &StateFolder) -> Option<String> {
    resumed(&folder.start).and_then(|_| folder.start.plan_line())
}

/// A verification whose state folder this process has acquired.
pub(super) struct Resumable {
    pub(super) journal: Journal,
    /// What the journal records. `None` during the pass, whose work has it.
    pub(super) state: Option<VerifyState>,
    /// How long earlier runs worked.
    earlier: Duration,
    /// What earlier runs have done, for the result.
    note: Option<String>,
}

impl Resumable {
    /// Acquires the state folder.
    ///
    /// # Errors
    /// Fails with `FailureKind::Refused` if another process has just done so or it can't be written, and with
    /// `FailureKind::Stopped`.
    pub(super) async fn open(
        folder: StateFolder,
        begin: BeginVerify,
        workers: u32,
        progress: &Progress,
        stop: &Stop,
    ) -> Result<Self, Failure> {
        let StateFolder { store, start } = folder;
        let (earlier, note) = match resumed(&start) {
            Some((journaled, state)) => {
                let (done, all) = state.tasks();
                let (done, since) = (count(done, "file"), state.begin.started_at.escape_debug());
                let note = format!("{done} of {all} were verified by earlier runs, which began at {since}");
                (Duration::from_millis(journaled.totals.elapsed_ms), state.has_anything().then_some(note))
            }
            None => (Duration::ZERO, None),
        };
        let was_empty = matches!(start, Start::Fresh);
        let run = Run { workers, tool: TOOL.to_owned(), ..Run::default() };
        let begin = || State::Verify(Box::new(VerifyState::new(begin)));
        let opening = acquire(&store, start, run, begin, progress);
        let late = |why| Err(Failure::stopped(format!("{why} before anything was verified")));
        let opened = stop.grant(ACQUIRE_GRACE, opening).await.unwrap_or_else(late)?;
        let OpenedJob { journal, state: State::Verify(state), .. } = opened else {
            return Err(lifecycle::other_kind("a verification"));
        };
        if was_empty {
            history::clear(journal.folder()).await;
        }
        Ok(Self { journal, state: Some(*state), earlier, note })
    }

    /// What was found in each file that is done, in the order of the files.
    pub(super) fn found(&self) -> Vec<FileFound> {
        self.state.iter().flat_map(VerifyState::found).cloned().collect()
    }

    /// Whether no file is left to verify.
    pub(super) fn is_done(&self) -> bool {
        self.state.as_ref().map(VerifyState::tasks).is_some_and(|(done, all)| done == all)
    }

    /// How long earlier runs worked.
    pub(super) fn earlier(&self) -> Duration {
        self.earlier
    }

    /// A remark for the result: what earlier runs have done, and since when.
    pub(super) fn note(&self) -> Option<String> {
        self.note.clone()
    }

    /// Ends a verification that did not succeed, or whose result could not be shown. Returns the failure, with what was
    /// done about it.
    pub(super) async fn give_up(self, progress: &Progress, failure: Failure) -> Failure {
        let Self { mut journal, state: Some(state), .. } = self else { return failure };
        let state = State::Verify(Box::new(state));
        let ending = InStateFolder { state: &state, next: "run the same command again to resume" };
        lifecycle::give_up(&ending, &mut journal, progress, failure).await
    }

    /// Removes the state of a verification whose result has been shown. A later run starts over, even if the removal is
    /// interrupted: a result of long ago says nothing of the files then.
    ///
    /// # Errors
    /// Fails if something could not be removed.
    pub(super) async fn remove(self) -> Result<(), Failure> {
        let Self { mut journal, state: Some(state), .. } = self else { return Ok(()) };
        let job: &JobId = &state.begin.job;
        let removing = async {
            // If it can't be written, for instance because the disk is full, the removal will probably succeed
            // nevertheless.
            if let Err(failure) = journal.append(Fact::Abandoned, LAST_FACT_LIMIT).await
                && failure.is(FailureKind::Superseded)
            {
                return Err(failure);
            }
            let removed = history::remove(journal.folder(), Some(job)).await;
            removed.map_err(|fault| Failure::failed(&fault))?;
            journal.remove(&[state.begun(), Fact::Abandoned]).await
        };
        let removed: Result<(), Failure> = removing.await;
        journal.folder().remove_empty_folders().await;
        removed.map_err(|failure| {
            failure.saying(&format!(
                "the verification is complete, but its state is still in {}: give --restart next time",
                journal.folder().display()
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use job::{export_json::PartFile, spec::AwsAccess, verify::FileRecord};

    use super::*;
    use crate::cluster::ClusterOptions;

    fn file(number: u64) -> StoredFile {
        let name = format!("00000000-0000-0000-0000-000000000001_{number:06}").parse().unwrap();
        let part = PartFile { name, items: number, bytes: 9, crc32c: "ab".into(), parts: Vec::new() };
        StoredFile { record: FileRecord::Part(part), bytes: 9, etag: Some("e".into()) }
    }

    fn beginning(change: impl Fn(&mut Vec<StoredFile>)) -> BeginVerify {
        changed(change, 2)
    }

    fn changed(change: impl Fn(&mut Vec<StoredFile>), changed_at: i64) -> BeginVerify {
        let (cluster, aws) = (ClusterOptions::default(), AwsAccess::default());
        let folder = "/backup".parse().unwrap();
        let request = VerifyRequest { folder, workers: None, state: None, restart: false, cluster, aws };
        let mut files: Vec<StoredFile> = (1..=3).map(file).collect();
        change(&mut files);
        begin(&request, "Forum", &"with", (&files, &[Some((1, changed_at))]))
    }

    #[test]
    fn only_the_same_files_with_the_same_records_are_the_same_verification() {
        let before = beginning(|_| ());
        assert_eq!((before.files, before.expected_items), (3, 6));
        let why = |now: &BeginVerify| difference(&before, now).unwrap_or_default();
        assert_eq!(why(&beginning(|_| ())), "");
        let another = "of a backup that has changed since: at least one of its files is another";
        assert_eq!(why(&beginning(|files| files[1].etag = Some("f".into()))), another);
        assert_eq!(why(&beginning(|files| files[1].etag = None)), another);
        assert_eq!(why(&beginning(|files| files[1].bytes = 8)), another);
        assert_eq!(why(&beginning(|files| files.swap(0, 1))), another);
        assert_eq!(why(&changed(|_| (), 3)), another);
        let records = "of a backup that has changed since: it records other things of its files";
        let recorded = |files: &mut Vec<StoredFile>| match &mut files[2].record {
            FileRecord::Part(part) => part.crc32c = "ac".into(),
            FileRecord::Listed(_) => unreachable!(),
        };
        assert_eq!(why(&beginning(recorded)), records);
        let fewer = "of a backup that has changed since: it had 3 files to verify and has 2";
        assert_eq!(why(&beginning(|files| drop(files.pop()))), fewer);
        let older = BeginVerify { tool: "tablehaul 0.0.9".into(), ..before.clone() };
        let why = difference(&older, &before).unwrap_or_default();
        assert!(
            why.starts_with("by tablehaul 0.0.9, which may have checked other things than tablehaul "),
            "{why}"
        );
    }
}
