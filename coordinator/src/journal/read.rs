//! Reads the journal of a folder.

use std::collections::BTreeMap;

use engine::replay::{Broken, Journaled, Replay};
use job::{
    journal::{self, Header},
    layout,
};
use job_aws::{Fault, FaultKind, Policy};
use tokio::task::JoinSet;

use crate::{
    failure::Failure,
    store::{Entry, Store},
};

/// The most objects read at once. Large ones are read alone, so that the memory is bounded by the largest one.
const OBJECTS_AT_ONCE: usize = 8;
const BYTES_AT_ONCE: u64 = 64 << 20;
/// Tries to read the journal while a running coordinator replaces its objects.
const TRIES: usize = 5;

/// What the journal of a folder says, or `None` if there is none.
///
/// # Errors
/// Fails with `FailureKind::Refused` if it can't be read or used.
pub(crate) async fn read(store: &Store) -> Result<Option<Journaled>, Failure> {
    let journal = store.within(layout::JOURNAL);
    let mut gone = None;
    for _ in 0..TRIES {
        match replay(&journal).await {
            Ok(replayed) => {
                return replayed.map_err(|(number, why)| {
                    let url = journal.url(&layout::journal_object(number));
                    let place = store.display();
                    Failure::refused(format!("the journal of {place} is unusable: {url} {why}"))
                });
            }
            Err(fault) if fault.kind == FaultKind::NotFound => gone = Some(fault),
            Err(fault) => return Err(Failure::refused(&fault)),
        }
    }
    let why = gone.map(|fault| fault.message).unwrap_or_default();
    Err(Failure::refused(format!("the journal of {} keeps changing: {why}", store.display())))
}

type Replayed = Result<Option<Journaled>, (u64, Broken)>;

/// Replays the journal. Fails with [`FaultKind::NotFound`] if a listed object is gone.
async fn replay(journal: &Store) -> Result<Replayed, Fault> {
    let mut replay = Replay::new(journal.is_on_file_system());
    let objects = objects(journal).await?;
    let mut left = objects.as_slice();
    while !left.is_empty() {
        let (some, rest) = left.split_at(at_once(left));
        left = rest;
        let mut reads = JoinSet::new();
        for &(number, _) in some {
            let journal = journal.clone();
            reads.spawn(async move {
                let name = layout::journal_object(number);
                Policy::Patient.retry(|| journal.get(&name)).await.map(|bytes| (number, bytes))
            });
        }
        let ended = |error| {
            Fault::new(FaultKind::Refused, format!("a read ended abruptly: {error}")).caused_by(error)
        };
        let mut objects = BTreeMap::new();
        while let Some(read) = reads.join_next().await {
            let (number, bytes) = read.map_err(ended)??;
            objects.insert(number, bytes);
        }
        for (number, bytes) in objects {
            replay.object(number, &bytes);
        }
    }
    Ok(replay.finish())
}

/// How many of the next objects are read at once: all that are small, or one.
fn at_once(objects: &[(u64, u64)]) -> usize {
    let mut bytes: u64 = 0;
    let fits = |&&(_, more): &&(u64, u64)| {
        bytes = bytes.saturating_add(more);
        bytes <= BYTES_AT_ONCE
    };
    objects.iter().take(OBJECTS_AT_ONCE).take_while(fits).count().max(1)
}

/// Numbers and lengths of the existing objects, in order.
async fn objects(journal: &Store) -> Result<Vec<(u64, u64)>, Fault> {
    let entries = Policy::Patient.retry(|| journal.entries()).await?;
    let object = |entry: &Entry| Some((layout::journal_number(&entry.name)?, entry.bytes));
    let mut objects: Vec<(u64, u64)> = entries.iter().filter_map(object).collect();
    objects.sort_unstable();
    Ok(objects)
}

/// The numbers of the existing objects, in order.
pub(super) async fn numbers(journal: &Store) -> Result<Vec<u64>, Fault> {
    Ok(objects(journal).await?.into_iter().map(|(number, _)| number).collect())
}

/// The header of the last object, if it exists and is readable.
pub(super) async fn last_header(store: &Store) -> Result<Option<Header>, Failure> {
    let refused = |fault: Fault| Failure::refused(&fault);
    let journal = store.within(layout::JOURNAL);
    let Some(&last) = numbers(&journal).await.map_err(refused)?.last() else { return Ok(None) };
    header(&journal, last).await.map_err(refused)
}

/// Whether the journal still ends with the object that was the last one when it was read.
///
/// # Errors
/// Fails with `FailureKind::Refused` if it can't be read.
pub(crate) async fn is_newest(store: &Store, journaled: &Journaled) -> Result<bool, Failure> {
    Ok(last_header(store).await?.is_some_and(|last| last == journaled.last))
}

/// The header of an object, if it exists and is readable.
pub(super) async fn header(journal: &Store, number: u64) -> Result<Option<Header>, Fault> {
    let name = layout::journal_object(number);
    let head = Policy::Patient.retry(|| async {
        match journal.look_up(&name).await? {
            Some(entry) => journal.head(&entry, journal::MAX_HEADER_BYTES as u64).await.map(Some),
            None => Ok(None),
        }
    });
    match head.await {
        Ok(head) => Ok(head.and_then(|bytes| journal::header(&bytes).ok())),
        // It was removed since it was looked up.
        Err(fault) if fault.kind == FaultKind::NotFound => Ok(None),
        Err(fault) => Err(fault),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_small_objects_are_read_at_once_and_large_ones_alone() {
        let of = |bytes: &[u64]| (1..).zip(bytes.iter().copied()).collect::<Vec<_>>();
        assert_eq!(at_once(&of(&[100; 20])), OBJECTS_AT_ONCE);
        assert_eq!(at_once(&of(&[100; 3])), 3);
        assert_eq!(at_once(&of(&[BYTES_AT_ONCE / 2, BYTES_AT_ONCE / 2, 1])), 2);
        assert_eq!(at_once(&of(&[u64::MAX, u64::MAX])), 1);
    }
}
