//! Verifies the files in this process, on all cores. For most backups that is quicker than starting workers.

use std::{
    io,
    ops::Range,
    sync::{Arc, atomic::Ordering},
};

use bytes::Bytes;
use job::verify::{FileFound, StoredFile};
use job_aws::{Ahead, Fault, FaultKind, Policy};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use verify::{Checks, Expected, Files, Means, Opened};

use super::progress::Tally;
use crate::{
    cluster::cores,
    store::{Entry, Readable, Store},
};

/// One request costs as much time as reading 2 MB. An object takes 4 × 8 MiB of memory.
const AHEAD: Ahead = Ahead { range_bytes: 8 * 1024 * 1024, ranges: 3 };

/// Memory for the keys of all files in progress, unless one file alone needs more.
const KEY_BYTES: u64 = 1 << 30;

impl Files for Store {
    async fn open(&self, file: &StoredFile) -> Result<Opened, Fault> {
        Ok(match self.open_to_read(&entry(file)).await? {
            Readable::InRanges => Opened::InRanges,
            Readable::File(open) => Opened::File(open),
        })
    }

    async fn get_range(&self, file: &StoredFile, range: Range<u64>) -> Result<Bytes, Fault> {
        let entry = entry(file);
        Policy::Patient.retry(|| (**self).get_range(&entry, range.clone())).await
    }

    fn read_fault(&self, file: &StoredFile, error: io::Error) -> Fault {
        (**self).read_fault(file.record.name(), error)
    }
}

fn entry(file: &StoredFile) -> Entry {
    Entry { name: file.record.name().to_owned(), bytes: file.bytes, etag: file.etag.clone() }
}

/// Verifies the files, and counts them in `tally`. Returns the results in the same order. `stop` ends the checks in
/// progress.
///
/// As many files are in progress as there are cores, twice as many in S3. The connections to S3 take some 60 MB
/// (measured).
///
/// # Errors
/// Fails if files can't be read for a reason that does not concern one file alone.
pub(super) async fn verify(
    store: Store,
    expected: Expected,
    files: Vec<StoredFile>,
    tally: &Arc<Tally>,
    stop: CancellationToken,
) -> Result<Vec<FileFound>, Fault> {
    // A thread that waits for S3 does not use its core.
    let threads = if store.is_on_file_system() { cores() as usize } else { 2 * cores() as usize };
    let means = Means { threads, key_bytes: KEY_BYTES, ahead: AHEAD };
    let checks = Arc::new(Checks::new(store, expected, means, Arc::clone(&tally.read_bytes), stop)?);
    let mut found: Vec<FileFound> = files.iter().map(|_| FileFound::default()).collect();
    let mut under_way = JoinSet::new();
    for (at, file) in files.into_iter().enumerate() {
        let slot = checks.slot(&file).await?;
        let (checks, tally) = (Arc::clone(&checks), Arc::clone(tally));
        under_way.spawn(async move {
            let checked = checks.check(file, slot).await;
            if let Ok(found) = &checked {
                tally.checked_files.fetch_add(1, Ordering::Relaxed);
                tally.items.fetch_add(found.items, Ordering::Relaxed);
                tally.defects.fetch_add(found.defects.len() as u64, Ordering::Relaxed);
            }
            (at, checked)
        });
        while let Some(done) = under_way.try_join_next() {
            keep(&mut found, done)?;
        }
    }
    while let Some(done) = under_way.join_next().await {
        keep(&mut found, done)?;
    }
    Ok(found)
}

type CheckResult = Result<(usize, Result<FileFound, Fault>), JoinError>;

fn keep(found: &mut [FileFound], done: CheckResult) -> Result<(), Fault> {
    let (at, one) = done.map_err(|_| Fault::new(FaultKind::Transient, "a check ended abruptly"))?;
    found[at] = one?;
    Ok(())
}
