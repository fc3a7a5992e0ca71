//! Whether the coordinator that wrote a journal is still alive.
//!
//! Clocks of hosts may differ, so timestamps in the journal are not used. On a file system the owner holds a lock while
//! it is alive. In S3 the owner is dead if its process ran on this machine and has ended. Otherwise the age of the last
//! object counts, by the clock of S3. If that object is recent, the journal is watched: a living owner writes the next
//! object in time.

use std::time::{Duration, Instant};

use engine::replay::Journaled;
use job::{journal::Header, layout};
use job_aws::{FaultKind, Policy};
use tracing::info;

use super::{cadence::HEARTBEAT_INTERVAL, process_identity};
use crate::{
    failure::Failure,
    poll::poll_until,
    store::{Lock, Store},
};

/// An owner that has written nothing for this long is considered dead. More than twice [`HEARTBEAT_INTERVAL`].
pub(crate) const OWNER_TIMEOUT: Duration = Duration::from_secs(25);
const _: () = assert!(
    OWNER_TIMEOUT.as_secs() > 2 * HEARTBEAT_INTERVAL.as_secs(),
    "an owner that lives is heard of in time"
);
/// A killed owner may have a request in flight. Waiting this long keeps it from arriving after a request of its
/// successor.
const LAST_REQUEST: Duration = Duration::from_secs(2);
/// How often a watched journal is checked.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long the first object of a run may take to write. Nothing has begun yet, so this can be short.
pub(super) const ACQUIRE_LIMIT: Duration = Duration::from_mins(1);

/// [`OWNER_TIMEOUT`], unless a test makes it shorter.
pub(crate) fn owner_timeout() -> Duration {
    hooks::interval("owner", OWNER_TIMEOUT)
}

/// What is known of the owner of a journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum OwnerStatus {
    /// It has ended, or written nothing for [`OWNER_TIMEOUT`].
    Gone,
    /// It is alive: it holds the lock.
    Alive,
    /// It was killed: it ran on this machine and does no longer.
    Killed,
    /// It wrote its last object this long ago, which is less than [`OWNER_TIMEOUT`].
    LastSeen(Duration),
    /// This process may not look at its lock; the text says why.
    Unseen(String),
}

/// The status of a journal's owner, as far as it is known without waiting.
///
/// # Errors
/// Fails if the folder can't be read.
pub(crate) async fn owner_status(store: &Store, journaled: &Journaled) -> Result<OwnerStatus, Failure> {
    match store.probe_lock().await {
        Ok(Lock::Busy) => return Ok(OwnerStatus::Alive),
        Ok(Lock::Held(_) | Lock::Free) => return Ok(OwnerStatus::Gone),
        // A file system without locks, or S3.
        Ok(Lock::None) => {}
        Err(fault) if fault.kind == FaultKind::Denied => return Ok(OwnerStatus::Unseen(fault.message)),
        Err(fault) => return Err(Failure::refused(&fault)),
    }
    if journaled.stopped.is_some() {
        return Ok(OwnerStatus::Gone);
    }
    let here = journaled.last.machine.is_some() && journaled.last.machine == process_identity::machine();
    if here && process_identity::has_ended(journaled.last.pid) {
        return Ok(OwnerStatus::Killed);
    }
    let age = if store.is_on_file_system() { None } else { age(store, journaled).await? };
    let age = age.unwrap_or(Duration::ZERO);
    Ok(if age >= owner_timeout() { OwnerStatus::Gone } else { OwnerStatus::LastSeen(age) })
}

/// How long ago the last object was written, by the clock of the storage. On a file system that depends on how well the
/// clocks agree.
///
/// # Errors
/// Fails if the folder can't be read.
pub(crate) async fn age(store: &Store, journaled: &Journaled) -> Result<Option<Duration>, Failure> {
    let journal = store.within(layout::JOURNAL);
    let name = layout::journal_object(journaled.last.number);
    Policy::Patient.retry(|| journal.age(&name)).await.map_err(|fault| Failure::refused(&fault))
}

/// Waits until it is certain that the owner of a journal is dead. Calls `note` if that takes time.
///
/// # Errors
/// Fails with `FailureKind::Refused` if the owner is alive.
pub(crate) async fn wait_for_owner_to_stop(
    store: &Store,
    journaled: &Journaled,
    note: &(dyn Fn(&str) + Sync),
) -> Result<(), Failure> {
    let status = owner_status(store, journaled).await?;
    info!(folder = store.display(), owner = owner(&journaled.last), ?status, "the owner of the folder");
    let patience = match status {
        OwnerStatus::Gone => return Ok(()),
        OwnerStatus::Alive => return Err(at_work(store, journaled)),
        OwnerStatus::Unseen(why) => return Err(Failure::refused(why)),
        OwnerStatus::Killed => LAST_REQUEST,
        OwnerStatus::LastSeen(age) => {
            let patience = owner_timeout().saturating_sub(age);
            note(&format!(
                "{} was in use by {} {} s ago; waiting {} s to see whether it still runs",
                store.display(),
                owner(&journaled.last),
                age.as_secs(),
                patience.as_secs() + 1
            ));
            patience
        }
    };
    watch(store, journaled, patience).await
}

/// Watches the journal for this long.
///
/// # Errors
/// Fails with `FailureKind::Refused` if the owner does anything.
async fn watch(store: &Store, journaled: &Journaled, patience: Duration) -> Result<(), Failure> {
    let journal = store.within(layout::JOURNAL);
    let number = journaled.last.number;
    let is_there = async |number| {
        let name = layout::journal_object(number);
        let found = Policy::Patient.retry(|| journal.look_up(&name)).await;
        found.map(|entry| entry.is_some()).map_err(|fault| Failure::refused(&fault))
    };
    let changed = || async {
        // The order matters: the last object is removed after the next one exists, or when the job has ended.
        let is_last_there = is_there(number).await?;
        if is_there(number + 1).await? {
            return Err(at_work(store, journaled));
        }
        if !is_last_there {
            return Err(Failure::refused(changed_text(&store.display())));
        }
        Ok(())
    };
    let since = Instant::now();
    let pauses = std::iter::from_fn(|| (since.elapsed() < patience).then_some(LOOK_EVERY));
    poll_until(pauses, || async { changed().await.err() }).await.map_or(Ok(()), Err)
}

fn at_work(store: &Store, journaled: &Journaled) -> Failure {
    Failure::refused(format!("{} is in use by {}, which is running", store.display(), owner(&journaled.last)))
}

/// The message if the journal that was read has changed or is gone.
pub(super) fn changed_text(place: &str) -> String {
    format!("{place}: the job there has just ended or continued; run the command again")
}

/// The process that wrote an object, for messages.
pub(super) fn owner(header: &Header) -> String {
    let word = |text: &str| text.escape_debug().to_string();
    format!("process {} on {} (run {})", header.pid, word(&header.host), word(&header.run))
}

#[cfg(test)]
mod tests;
