//! The work of a verification: it leases the files of a backup and keeps what was found in each. [`VerifyState`] is
//! what a journal records of it.

mod state;

use std::{collections::BTreeMap, convert::Infallible, mem, time::Duration};

use events::TaskKind;
use job::{
    control::{FromWorker, ToWorker},
    ids::{FileId, WorkerId},
    journal::{BeginVerify, Fact},
    verify::{FileFound, FileLease, FileVerified, StoredFile, VerifySettings},
};

use crate::{
    lease::{Leases, NotHeld, SlowTasks},
    rejection::{FileRejection, Rejection},
    schedule::{Action, Reply, Work},
};
pub use state::VerifyState;

/// The verification of the files of a backup. Each file is a task, because its checksum and its keys need all of it.
pub struct VerifyWork {
    settings: VerifySettings,
    files: Vec<StoredFile>,
    /// A file has no marks: another attempt begins at its start.
    leases: Leases<()>,
    /// The results of the files that are done.
    found: BTreeMap<FileId, FileFound>,
    /// What the journal says that the verification began with, if there is a journal.
    begin: Option<BeginVerify>,
    /// Facts that are not in the journal yet.
    facts: Vec<Fact>,
}

impl VerifyWork {
    /// The work at the start.
    pub fn new(settings: VerifySettings, files: Vec<StoredFile>) -> Self {
        let leases = Leases::new(files.iter().map(|_| ()));
        Self { settings, files, leases, found: BTreeMap::new(), begin: None, facts: Vec::new() }
    }

    /// Adds the state of a journal, which is one of these files. The work resumes from it.
    #[must_use]
    pub fn with(mut self, state: VerifyState) -> Self {
        let (begin, found) = state.into_parts();
        for file in found.keys() {
            self.leases.replay(file.0 as usize, (), true);
        }
        self.leases.settle();
        (self.found, self.begin) = (found, Some(begin));
        self
    }

    /// Takes the state that the journal records, because the pass is over. `None` without a journal.
    pub fn take_state(&mut self) -> Option<VerifyState> {
        let begin = self.begin.take()?;
        Some(VerifyState::from_parts(begin, mem::take(&mut self.found)))
    }

    /// What was found in each file that is done, in the order of the files.
    pub fn into_found(self) -> impl Iterator<Item = FileFound> {
        self.found.into_values()
    }

    fn verified(
        &mut self,
        now: Duration,
        worker: WorkerId,
        verified: FileVerified,
    ) -> Result<Reply<Infallible>, Rejection> {
        let FileVerified { number: file, attempt, found } = verified;
        let number = file.0 as usize;
        self.leases.held(worker, number, attempt).map_err(|why| match why {
            NotHeld::Unknown => FileRejection::Unknown(file),
            NotHeld::Stale => FileRejection::Stale(file, attempt),
        })?;
        self.leases.advance(number, (), true, now);
        if self.begin.is_some() {
            self.facts.extend(state::verified(file, &found));
        }
        self.found.insert(file, found);
        Ok(Reply { done: 1, progressed: true, actions: Vec::new() })
    }
}

impl Work for VerifyWork {
    type Event = Infallible;
    type Action = Infallible;

    fn settings(&self) -> ToWorker {
        ToWorker::Verify(Box::new(self.settings.clone()))
    }

    fn lease(&mut self, now: Duration, worker: WorkerId) -> Option<ToWorker> {
        let (number, attempt, ()) = self.leases.lease(worker, now)?;
        let file = self.files[number].clone();
        let number = FileId(u32::try_from(number).unwrap_or(u32::MAX));
        Some(ToWorker::VerifyFile(Box::new(FileLease { number, attempt, file })))
    }

    fn said(
        &mut self,
        now: Duration,
        worker: WorkerId,
        message: FromWorker,
    ) -> Result<Reply<Infallible>, Rejection> {
        match message {
            FromWorker::FileVerified(verified) => self.verified(now, worker, verified),
            _ => Err(FileRejection::OtherJob.into()),
        }
    }

    fn handle(&mut self, event: Infallible) -> Vec<Action<Infallible>> {
        match event {}
    }

    fn release(&mut self, now: Duration, worker: WorkerId) -> Vec<Infallible> {
        self.leases.release(worker, now);
        Vec::new()
    }

    fn tasks(&self) -> (usize, usize) {
        (self.leases.num_done(), self.leases.total())
    }

    fn task_kind(&self) -> TaskKind {
        TaskKind::Files
    }

    fn slow_tasks(&self, now: Duration) -> SlowTasks {
        self.leases.slow(now)
    }

    fn take_facts(&mut self) -> Vec<Fact> {
        mem::take(&mut self.facts)
    }

    fn snapshot(&self) -> Vec<Fact> {
        self.begin.as_ref().map(|begin| state::facts(begin, &self.found)).unwrap_or_default()
    }

    fn check_invariants(&self) {
        self.leases.check_invariants();
        assert_eq!(self.found.len(), self.leases.num_done(), "a file is done exactly if its result is there");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use job::{
        export_json::PartFile,
        ids::Attempt,
        schema::{KeyAttribute, KeyKind, KeySchema},
        spec::{AwsAccess, FileOptions},
        verify::{FileRecord, FileRules},
    };

    const A: WorkerId = WorkerId(1);
    const B: WorkerId = WorkerId(2);
    const NOW: Duration = Duration::ZERO;

    fn work(files: u64) -> VerifyWork {
        let partition = KeyAttribute { name: "id".into(), kind: KeyKind::S };
        let settings = VerifySettings {
            folder: "/backup".parse().unwrap(),
            rules: FileRules::Export {
                options: FileOptions::default(),
                keys: KeySchema { partition, sort: None },
            },
            seed: 1,
            open_files: 1,
            key_bytes: 1,
            aws: AwsAccess::default(),
        };
        let file = |number: u64| {
            let name = format!("00000000-0000-0000-0000-000000000001_{number:06}").parse().unwrap();
            let record =
                PartFile { name, items: number, bytes: number, crc32c: String::new(), parts: Vec::new() };
            StoredFile { record: FileRecord::Part(record), bytes: number, etag: None }
        };
        VerifyWork::new(settings, (0..files).map(file).collect())
    }

    fn leased(work: &mut VerifyWork, worker: WorkerId) -> FileLease {
        let Some(ToWorker::VerifyFile(lease)) = work.lease(NOW, worker) else { panic!("no file is left") };
        *lease
    }

    fn say(work: &mut VerifyWork, worker: WorkerId, lease: &FileLease, items: u64) -> Result<u64, Rejection> {
        let found = FileFound { items, ..FileFound::default() };
        let verified = FileVerified { number: lease.number, attempt: lease.attempt, found };
        let said = work.said(NOW, worker, FromWorker::FileVerified(verified));
        work.check_invariants();
        said.map(|reply| reply.done)
    }

    #[test]
    fn each_file_is_verified_and_results_keep_the_order_of_the_files() {
        let mut work = work(5);
        let leases: Vec<FileLease> = (0..5).map(|_| leased(&mut work, A)).collect();
        assert!(work.lease(NOW, A).is_none());
        for lease in leases.iter().rev() {
            assert_eq!(lease.file.bytes, u64::from(lease.number.0));
            assert_eq!(say(&mut work, A, lease, lease.file.record.items().unwrap()), Ok(1));
        }
        assert_eq!(work.tasks(), (5, 5));
        assert_eq!(work.into_found().map(|found| found.items).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
    }

    #[test]
    fn a_lost_workers_file_is_verified_by_another_and_counts_once() {
        let mut work = work(1);
        let lease = leased(&mut work, A);
        work.release(NOW, A);
        let next = leased(&mut work, B);
        assert_eq!((next.number, next.attempt), (lease.number, Attempt(2)));
        assert!(say(&mut work, A, &lease, 7).is_err(), "what is stale is refused");
        assert_eq!(say(&mut work, B, &next, 8), Ok(1));
        assert!(say(&mut work, B, &next, 9).is_err(), "and a second result");
        assert_eq!(work.into_found().map(|found| found.items).collect::<Vec<_>>(), [8]);
    }

    #[test]
    fn a_resumed_verification_leases_only_files_that_are_not_done_and_keeps_the_results_of_all() {
        let beginning = state::tests::beginning(3);
        let mut first = work(3).with(VerifyState::new(beginning.clone()));
        let leases: Vec<FileLease> = (0..3).map(|_| leased(&mut first, A)).collect();
        let of = |number: u32| leases.iter().find(|lease| lease.number == FileId(number)).unwrap();
        say(&mut first, A, of(1), 11).unwrap();
        let mut journaled = first.take_facts();
        say(&mut first, A, of(2), 12).unwrap();
        journaled.extend(first.take_facts());
        assert!(first.take_facts().is_empty(), "each fact is taken once");

        // The facts alone, and the snapshot alone, say the same.
        let mut replayed = VerifyState::new(beginning.clone());
        for fact in journaled {
            replayed.replay(fact).unwrap();
        }
        assert_eq!(replayed.facts(), first.snapshot());
        assert_eq!(first.take_state().unwrap().facts(), replayed.facts());

        let mut second = work(3).with(replayed);
        second.check_invariants();
        assert_eq!(second.tasks(), (2, 3));
        let lease = leased(&mut second, B);
        assert_eq!(lease.number, FileId(0));
        assert!(second.lease(NOW, B).is_none());
        assert!(say(&mut second, B, &FileLease { number: FileId(1), ..lease.clone() }, 7).is_err());
        say(&mut second, B, &lease, 10).unwrap();
        let found: Vec<u64> = second.take_state().unwrap().found().map(|found| found.items).collect();
        assert_eq!(found, [10, 11, 12]);
    }

    #[test]
    fn without_a_journal_nothing_is_kept_for_one() {
        let mut work = work(1);
        let lease = leased(&mut work, A);
        say(&mut work, A, &lease, 1).unwrap();
        assert!(work.take_facts().is_empty() && work.snapshot().is_empty() && work.take_state().is_none());
        assert_eq!(work.into_found().count(), 1);
    }

    #[test]
    fn a_message_of_another_job_is_refused() {
        let why = work(1).said(NOW, A, FromWorker::WantFile).unwrap_err().to_string();
        assert_eq!(why, "sent a message that does not belong to a verification");
        let unknown = FileVerified { number: FileId(1), attempt: Attempt(1), found: FileFound::default() };
        let why = work(1).said(NOW, A, FromWorker::FileVerified(unknown)).unwrap_err().to_string();
        assert_eq!(why, "file 1 is not one of this verification");
    }
}
