//! Checks many files at once: the checks run on threads of their own, the downloads on the runtime.

use std::{
    io::{self, BufRead, BufReader},
    ops::Range,
    sync::{Arc, atomic::AtomicU64},
};

use bytes::Bytes;
use files::Unchanged;
use job::verify::{FileFound, StoredFile};
use job_aws::{Ahead, Fault, FaultKind, ranges};
use rayon::{ThreadPool, ThreadPoolBuilder};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio_util::sync::CancellationToken;

use crate::{
    check::Expected,
    defects::Defects,
    read::{WINDOW_BYTES, Watched},
};

/// The bytes that a key takes in memory; see `keys.rs`.
const BYTES_FOR_A_KEY: u64 = 16;
/// The unit in which the memory for keys is allotted, in bytes: fine enough, and the number of units of any memory fits
/// into a semaphore.
const KEY_PERMIT_BYTES: u64 = 1 << 12;

/// The memory for this many keys of a file, see `keys.rs`.
pub const fn key_bytes(keys: u64) -> u64 {
    keys.saturating_mul(BYTES_FOR_A_KEY)
}

/// A file that can be read.
#[derive(Debug)]
pub enum Opened {
    /// In ranges, with [`Files::get_range`].
    InRanges,
    /// As an open file.
    File(Unchanged),
}

/// The folder of the files.
pub trait Files: Clone + Send + Sync + 'static {
    /// Opens a file. Fails if another file has taken its place.
    fn open(&self, file: &StoredFile) -> impl Future<Output = Result<Opened, Fault>> + Send;

    /// Reads bytes of a file that is not open. Retries faults that are worth it.
    fn get_range(
        &self,
        file: &StoredFile,
        range: Range<u64>,
    ) -> impl Future<Output = Result<Bytes, Fault>> + Send;

    /// The fault for an error while reading a file.
    fn read_fault(&self, file: &StoredFile, error: io::Error) -> Fault;
}

/// What checks may use.
#[derive(Clone, Copy, Debug)]
pub struct Means {
    /// As many files are read at once.
    pub threads: usize,
    /// Memory for the keys of all these files, in bytes. A file that needs more is read alone.
    pub key_bytes: u64,
    /// How files are read in ranges.
    pub ahead: Ahead,
}

/// What the checks of all files share.
///
/// Memory: keys, see [`Means::key_bytes`]; lines, see `lines.rs`; and for each file in
/// progress 10 MiB if it is compressed, and the ranges of an object in S3.
#[derive(Debug)]
pub struct Checks<S> {
    files: S,
    expected: Expected,
    ahead: Ahead,
    read_bytes: Arc<AtomicU64>,
    pool: ThreadPool,
    places: Arc<Semaphore>,
    key_memory: Arc<Semaphore>,
    key_permits: u32,
    stop: CancellationToken,
}

/// Held while a file is checked.
#[derive(Debug)]
pub struct FileSlot {
    _place: OwnedSemaphorePermit,
    _memory: OwnedSemaphorePermit,
}

impl<S: Files> Checks<S> {
    /// Bytes are added to `read_bytes` as they are read. `stop` ends the checks in progress.
    ///
    /// # Errors
    /// Fails if no threads can be started.
    pub fn new(
        files: S,
        expected: Expected,
        means: Means,
        read_bytes: Arc<AtomicU64>,
        stop: CancellationToken,
    ) -> Result<Self, Fault> {
        let Means { threads, key_bytes, ahead } = means;
        let pool = ThreadPoolBuilder::new().num_threads(threads).thread_name(|at| format!("verify-{at}"));
        // A panic drops the sender of the file's result, which is reported as an error.
        let pool = pool.panic_handler(|_| {}).build();
        let pool = pool.map_err(|error| {
            Fault::new(FaultKind::Refused, format!("cannot start threads: {error}")).caused_by(error)
        })?;
        let key_permits = u32::try_from(key_bytes / KEY_PERMIT_BYTES).unwrap_or(u32::MAX);
        Ok(Self {
            files,
            expected,
            ahead,
            read_bytes,
            pool,
            places: Arc::new(Semaphore::new(threads)),
            key_memory: Arc::new(Semaphore::new(key_permits as usize)),
            key_permits,
            stop,
        })
    }

    /// Waits for a thread, and for memory for the keys of a file.
    ///
    /// # Errors
    /// Fails if the checks have ended.
    pub async fn slot(&self, file: &StoredFile) -> Result<FileSlot, Fault> {
        let permits = key_bytes(file.record.num_keys()).div_ceil(KEY_PERMIT_BYTES);
        let permits = u32::try_from(permits).unwrap_or(u32::MAX).min(self.key_permits);
        let place = Arc::clone(&self.places).acquire_owned().await;
        let memory = Arc::clone(&self.key_memory).acquire_many_owned(permits).await;
        match (place, memory) {
            (Ok(place), Ok(memory)) => Ok(FileSlot { _place: place, _memory: memory }),
            _ => Err(given_up()),
        }
    }

    /// Checks a file.
    ///
    /// # Errors
    /// Fails if a file can't be read for a reason that does not concern this file alone.
    pub async fn check(self: Arc<Self>, file: StoredFile, slot: FileSlot) -> Result<FileFound, Fault> {
        let file = Arc::new(file);
        let checked = match self.files.open(&file).await {
            Err(fault) => Err(fault),
            Ok(Opened::File(open)) => {
                let source = BufReader::with_capacity(WINDOW_BYTES, open);
                Arc::clone(&self).check_source(Arc::clone(&file), source, slot).await
            }
            Ok(Opened::InRanges) => {
                let (files, of) = (self.files.clone(), Arc::clone(&file));
                let (source, fetching) = ranges(0..file.bytes, self.ahead, move |range| {
                    let (files, of) = (files.clone(), Arc::clone(&of));
                    async move { files.get_range(&of, range).await }
                });
                let checking = Arc::clone(&self).check_source(Arc::clone(&file), source, slot);
                tokio::pin!(checking);
                tokio::select! {
                    found = &mut checking => found,
                    () = fetching => checking.await,
                }
            }
        };
        checked.or_else(|fault| unreadable(file.record.name(), fault))
    }

    async fn check_source(
        self: Arc<Self>,
        file: Arc<StoredFile>,
        source: impl BufRead + Send + 'static,
        slot: FileSlot,
    ) -> Result<FileFound, Fault> {
        let (answer, answered) = oneshot::channel();
        let checks = Arc::clone(&self);
        self.pool.spawn(move || {
            let read_bytes = Arc::clone(&checks.read_bytes);
            let source = Watched { source, read_bytes, stop: checks.stop.clone() };
            let found = checks.expected.check(&file, source);
            drop(slot);
            // The receiver may have been cancelled meanwhile.
            let _ = answer.send(found.map_err(|error| checks.files.read_fault(&file, error)));
        });
        answered.await.map_err(|_| given_up())?
    }
}

fn given_up() -> Fault {
    Fault::new(FaultKind::Transient, "a check ended abruptly")
}

/// Turns a permanent failure to read a file into a defect.
///
/// # Errors
/// Fails with faults that do not concern this one file.
pub fn unreadable(name: &str, fault: Fault) -> Result<FileFound, Fault> {
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
