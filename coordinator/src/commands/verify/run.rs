//! Checks many files at once: the checks run on threads of their own, the downloads on the runtime.

use std::{
    io::{BufRead, BufReader},
    sync::{Arc, atomic::Ordering},
};

use job::export_json::PartFile;
use job_aws::{Ahead, Fault, FaultKind, ranges};
use rayon::{ThreadPool, ThreadPoolBuilder};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, oneshot},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use super::{
    check::{Expected, FileFound},
    defects::Defects,
    progress::Tally,
    read::{WINDOW_BYTES, Watched},
};
use crate::{
    cluster::cores,
    retry::retry,
    store::{Entry, Readable, Store},
};

/// One request costs as much time as reading 2 MB. An object takes 4 × 8 MiB of memory.
const AHEAD: Ahead = Ahead { range_bytes: 8 * 1024 * 1024, ranges: 3 };

/// Memory for the keys of all files in progress, unless one file alone needs more: 16 bytes for each item, see
/// [`SeenKeys`](super::keys::SeenKeys).
const KEY_BYTES: u64 = 1 << 30;
const BYTES_FOR_A_KEY: u64 = 16;
/// The unit in which this memory is allotted.
const KEY_PERMIT_BYTES: u64 = 1 << 12;

/// A file that exists, and what was recorded of it.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) file: PartFile,
    pub(super) entry: Entry,
}

/// What the checks of all files share.
///
/// Memory: keys, see [`KEY_BYTES`]; lines, see [`LineCheck`](super::lines::LineCheck); and for each file in progress 10
/// MiB if it is compressed, and in S3 32 MiB of ranges and the buffers of the connections (in all 60 MB, measured). As
/// many files are in progress as there are cores, twice as many in S3.
pub(super) struct Run {
    store: Store,
    expected: Expected,
    tally: Arc<Tally>,
    pool: ThreadPool,
    places: Arc<Semaphore>,
    key_memory: Arc<Semaphore>,
    stop: CancellationToken,
}

/// Held while a file is checked.
struct FileSlot {
    _place: OwnedSemaphorePermit,
    _memory: OwnedSemaphorePermit,
}

impl Run {
    /// `stop` ends the checks in progress.
    pub(super) fn new(
        store: Store,
        expected: Expected,
        tally: Arc<Tally>,
        stop: CancellationToken,
    ) -> Result<Self, Fault> {
        // A thread that waits for S3 does not use its core.
        let threads = if store.is_on_file_system() { cores() as usize } else { 2 * cores() as usize };
        let pool = ThreadPoolBuilder::new().num_threads(threads).thread_name(|at| format!("verify-{at}"));
        // A panic drops the sender of the file's result, which is reported as an error.
        let pool = pool.panic_handler(|_| {}).build();
        let pool =
            pool.map_err(|error| Fault::new(FaultKind::Refused, format!("cannot start threads: {error}")))?;
        Ok(Self {
            store,
            expected,
            tally,
            pool,
            places: Arc::new(Semaphore::new(threads)),
            key_memory: Arc::new(Semaphore::new(all_permits() as usize)),
            stop,
        })
    }

    /// Checks the files. Returns the results in the same order.
    pub(super) async fn check_all(self, jobs: Vec<Job>) -> Result<Vec<FileFound>, Fault> {
        let run = Arc::new(self);
        let mut found: Vec<FileFound> = jobs.iter().map(|_| FileFound::default()).collect();
        let mut under_way = JoinSet::new();
        for (at, job) in jobs.into_iter().enumerate() {
            let place = run.place(job.file.items).await?;
            let run = Arc::clone(&run);
            under_way.spawn(async move { (at, run.check(job, place).await) });
            while let Some(done) = under_way.try_join_next() {
                keep(&mut found, done)?;
            }
        }
        while let Some(done) = under_way.join_next().await {
            keep(&mut found, done)?;
        }
        Ok(found)
    }

    async fn place(&self, items: u64) -> Result<FileSlot, Fault> {
        let permits = items.saturating_mul(BYTES_FOR_A_KEY).div_ceil(KEY_PERMIT_BYTES);
        let permits = u32::try_from(permits).unwrap_or(u32::MAX).min(all_permits());
        let place = Arc::clone(&self.places).acquire_owned().await;
        let memory = Arc::clone(&self.key_memory).acquire_many_owned(permits).await;
        match (place, memory) {
            (Ok(place), Ok(memory)) => Ok(FileSlot { _place: place, _memory: memory }),
            _ => Err(given_up()),
        }
    }

    async fn check(self: Arc<Self>, job: Job, place: FileSlot) -> Result<FileFound, Fault> {
        let name = job.file.name.clone();
        let checked = match self.store.open_to_read(&job.entry).await {
            Err(fault) => Err(fault),
            Ok(Readable::File(file)) => {
                let source = BufReader::with_capacity(WINDOW_BYTES, file);
                Arc::clone(&self).check_source(job, source, place).await
            }
            Ok(Readable::InRanges) => {
                let (store, entry) = (self.store.clone(), job.entry.clone());
                let (source, fetching) = ranges(0..entry.bytes, AHEAD, move |range| {
                    let (store, entry) = (store.clone(), entry.clone());
                    async move { retry(|| store.get_range(&entry, range.clone())).await }
                });
                let checking = Arc::clone(&self).check_source(job, source, place);
                tokio::pin!(checking);
                tokio::select! {
                    found = &mut checking => found,
                    () = fetching => checking.await,
                }
            }
        };
        let found = checked.or_else(|fault| unreadable(&name, fault))?;
        self.tally.checked_files.fetch_add(1, Ordering::Relaxed);
        self.tally.items.fetch_add(found.items, Ordering::Relaxed);
        self.tally.defects.fetch_add(found.defects.len() as u64, Ordering::Relaxed);
        Ok(found)
    }

    async fn check_source(
        self: Arc<Self>,
        job: Job,
        source: impl BufRead + Send + 'static,
        place: FileSlot,
    ) -> Result<FileFound, Fault> {
        let (answer, answered) = oneshot::channel();
        let run = Arc::clone(&self);
        self.pool.spawn(move || {
            let read_bytes = Arc::clone(&run.tally.read_bytes);
            let source = Watched { source, read_bytes, stop: run.stop.clone() };
            let found = run.expected.check(&job.file, source);
            drop(place);
            // The receiver may have been cancelled meanwhile.
            let _ = answer.send(found.map_err(|error| run.store.read_fault(&job.file.name, error)));
        });
        answered.await.map_err(|_| given_up())?
    }
}

#[allow(clippy::cast_possible_truncation)]
const fn all_permits() -> u32 {
    (KEY_BYTES / KEY_PERMIT_BYTES) as u32
}

fn given_up() -> Fault {
    Fault::new(FaultKind::Transient, "a check ended abruptly")
}

type Done = Result<(usize, Result<FileFound, Fault>), tokio::task::JoinError>;

fn keep(found: &mut [FileFound], done: Done) -> Result<(), Fault> {
    let (at, one) = done.map_err(|_| given_up())?;
    found[at] = one?;
    Ok(())
}

/// Turns a permanent failure to read a file into a defect. Faults that do not concern this one file are errors.
fn unreadable(name: &str, fault: Fault) -> Result<FileFound, Fault> {
    let mut defects = Defects::of(name);
    match fault.kind {
        FaultKind::NotFound => defects.whole("missing"),
        FaultKind::Invalid | FaultKind::Refused | FaultKind::PreconditionFailed => {
            defects.whole(format_args!("can't be read: {}", fault.message));
        }
        FaultKind::Throttled
        | FaultKind::Transient
        | FaultKind::Unreachable
        | FaultKind::Untrusted
        | FaultKind::Denied
        | FaultKind::NoCredentials
        | FaultKind::BadCredentials
        | FaultKind::ExpiredCredentials
        | FaultKind::WrongAccount
        | FaultKind::Misconfigured
        | FaultKind::ClockSkew
        | FaultKind::NoRegion
        | FaultKind::Archived
        | FaultKind::EncryptionKey
        | FaultKind::WrongRegion
        | FaultKind::Lost
        | FaultKind::Moved => return Err(fault),
    }
    Ok(FileFound { defects: defects.into_lines(), ..FileFound::default() })
}
