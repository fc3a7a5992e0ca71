//! The work of a verification: it leases the files of a backup and keeps what was found in each.

use std::{convert::Infallible, time::Duration};

use events::TaskKind;
use job::{
    control::{FromWorker, ToWorker},
    ids::{FileId, WorkerId},
    journal::Fact,
    verify::{FileFound, FileLease, FileVerified, StoredFile, VerifySettings},
};

use crate::{
    lease::{Leases, NotHeld, SlowTasks},
    rejection::{FileRejection, Rejection},
    schedule::{Action, Reply, Work},
};

/// The verification of the files of a backup. Each file is a task, because its checksum and its keys need all of it.
pub struct VerifyWork {
    settings: VerifySettings,
    files: Vec<StoredFile>,
    /// A file has no marks: another attempt begins at its start.
    leases: Leases<()>,
    /// The results, by file; `None` until a file is done.
    found: Vec<Option<FileFound>>,
}

impl VerifyWork {
    /// The work at the start.
    pub fn new(settings: VerifySettings, files: Vec<StoredFile>) -> Self {
        let leases = Leases::new(files.iter().map(|_| ()));
        let found = files.iter().map(|_| None).collect();
        Self { settings, files, leases, found }
    }

    /// What was found in each file that is done, in the order of the files.
    pub fn into_found(self) -> impl Iterator<Item = FileFound> {
        self.found.into_iter().flatten()
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
        self.found[number] = Some(found);
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

    fn happened(&mut self, event: Infallible) -> Vec<Action<Infallible>> {
        match event {}
    }

    fn release(&mut self, now: Duration, worker: WorkerId) -> Vec<Infallible> {
        self.leases.release(worker, now);
        Vec::new()
    }

    fn tasks(&self) -> (usize, usize) {
        (self.leases.num_done(), self.leases.total())
    }

    fn task_kind(&self) -> Option<TaskKind> {
        Some(TaskKind::Files)
    }

    fn slow_tasks(&self, now: Duration) -> SlowTasks {
        self.leases.slow(now)
    }

    /// None: a verification has no journal.
    fn take_facts(&mut self) -> Vec<Fact> {
        Vec::new()
    }

    fn snapshot(&self) -> Vec<Fact> {
        Vec::new()
    }

    fn check_invariants(&self) {
        self.leases.check_invariants();
        let found = self.found.iter().flatten().count();
        assert_eq!(found, self.leases.num_done(), "a file is done exactly if its result is there");
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
    fn a_message_of_another_job_is_refused() {
        let why = work(1).said(NOW, A, FromWorker::WantFile).unwrap_err().to_string();
        assert_eq!(why, "sent a message that does not belong to a verification");
        let unknown = FileVerified { number: FileId(1), attempt: Attempt(1), found: FileFound::default() };
        let why = work(1).said(NOW, A, FromWorker::FileVerified(unknown)).unwrap_err().to_string();
        assert_eq!(why, "file 1 is not one of this verification");
    }
}
