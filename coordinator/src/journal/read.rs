//! Reads the journal of a folder. A shell.

use std::collections::BTreeMap;

use job::{
    journal::{self, Header},
    layout,
};
use job_aws::{Fault, FaultKind};
use tokio::task::JoinSet;

use super::replay::{Journaled, Replay};
use crate::{failure::Failure, retry::retried, store::Store};

/// Objects read at once.
const AT_ONCE: usize = 8;
/// Times that the objects may be replaced by a coordinator that lives while they are being read.
const TRIES: usize = 5;

/// What the journal of a folder says; nothing if there is none.
///
/// # Errors
/// [`Failure::Refused`] if it can't be read or used.
pub(crate) async fn read(store: &Store) -> Result<Option<Journaled>, Failure> {
    let journal = store.within(layout::JOURNAL);
    let mut gone = None;
    for _ in 0..TRIES {
        match replay(&journal).await {
            Ok(replayed) => {
                return replayed.map_err(|(number, why)| {
                    let url = journal.url(&layout::journal_object(number));
                    Failure::Refused(format!("the journal of {} can't be used: {url} {why}", store.place()))
                });
            }
            Err(fault) if fault.kind == FaultKind::NotFound => gone = Some(fault),
            Err(fault) => return Err(Failure::refused(&fault)),
        }
    }
    let why = gone.map(|fault| fault.message).unwrap_or_default();
    Err(Failure::Refused(format!("the journal of {} keeps changing: {why}", store.place())))
}

type Replayed = Result<Option<Journaled>, (u64, String)>;

/// [`FaultKind::NotFound`] if an object that was listed is gone.
async fn replay(journal: &Store) -> Result<Replayed, Fault> {
    let mut replay = Replay::new(journal.is_on_file_system());
    for some in numbers(journal).await?.chunks(AT_ONCE) {
        let mut reads = JoinSet::new();
        for &number in some {
            let journal = journal.clone();
            reads.spawn(async move {
                let name = layout::journal_object(number);
                retried(|| journal.get(&name)).await.map(|bytes| (number, bytes))
            });
        }
        let ended = |error| Fault::new(FaultKind::Refused, format!("a read ended abruptly: {error}"));
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

/// The numbers of the objects that are there, in order.
pub(super) async fn numbers(journal: &Store) -> Result<Vec<u64>, Fault> {
    let entries = retried(|| journal.entries()).await?;
    let mut numbers: Vec<u64> =
        entries.iter().filter_map(|entry| layout::journal_number(&entry.name)).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

/// The header of the last object, if there is one that can be read.
pub(super) async fn last_header(store: &Store) -> Result<Option<Header>, Failure> {
    let refused = |fault: Fault| Failure::refused(&fault);
    let journal = store.within(layout::JOURNAL);
    let Some(&last) = numbers(&journal).await.map_err(refused)?.last() else { return Ok(None) };
    let object = journal.find(&layout::journal_object(last)).await.map_err(refused)?;
    Ok(object.and_then(|bytes| journal::header(&bytes).ok()))
}
