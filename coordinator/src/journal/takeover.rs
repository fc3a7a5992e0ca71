//! Whether the coordinator that wrote a journal still lives.
//!
//! Clocks of hosts may differ, so no timestamp of a journal counts. On a file system the owner holds a lock
//! while it lives. In S3 one whose process ran on this machine and has ended is dead; else the age of the last object
//! is told by the clock of S3, and one that is young is watched: an owner that lives writes the next one in time.

use std::time::{Duration, Instant};

use engine::replay::Journaled;
use job::{journal::Header, layout};

use super::{cadence::HEARTBEAT_INTERVAL, process_identity};
use crate::{
    failure::Failure,
    retry::retry,
    store::{Lock, Store},
};

/// An owner that has written nothing for so long is taken for dead: more than twice [`HEARTBEAT_INTERVAL`].
pub(crate) const OWNER_TIMEOUT: Duration = Duration::from_secs(25);
const _: () = assert!(
    OWNER_TIMEOUT.as_secs() > 2 * HEARTBEAT_INTERVAL.as_secs(),
    "an owner that lives is heard of in time"
);
/// An owner that was killed just now may have a request under way, which shall not come after its successor's.
const LAST_REQUEST: Duration = Duration::from_secs(2);
/// How often a journal that is watched is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long the first object of a run may take: nothing has begun yet.
pub(super) const CLAIM_LIMIT: Duration = Duration::from_mins(1);

/// What is known of the owner of a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OwnerStatus {
    /// It has ended, or said nothing for [`OWNER_TIMEOUT`].
    Gone,
    /// It lives: it holds the lock.
    Alive,
    /// It was killed: it ran on this machine, and doesn't any more.
    Killed,
    /// It was heard of so long ago, which is less than [`OWNER_TIMEOUT`].
    LastSeen(Duration),
}

/// Whether the owner of a journal lives, as far as can be told without waiting.
///
/// # Errors
/// The folder can't be looked at.
pub(crate) async fn life(store: &Store, journaled: &Journaled) -> Result<OwnerStatus, Failure> {
    let refused = |fault| Failure::refused(&fault);
    match store.probe_lock().await.map_err(refused)? {
        Lock::Busy => return Ok(OwnerStatus::Alive),
        Lock::Held(_) | Lock::Free => return Ok(OwnerStatus::Gone),
        // A file system without locks, or none at all.
        Lock::None => {}
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
    Ok(if age >= OWNER_TIMEOUT { OwnerStatus::Gone } else { OwnerStatus::LastSeen(age) })
}

/// How long ago the last object was written, by the clock of who stores it. Of files that is known only as well
/// as clocks agree.
///
/// # Errors
/// The folder can't be looked at.
pub(crate) async fn age(store: &Store, journaled: &Journaled) -> Result<Option<Duration>, Failure> {
    let journal = store.within(layout::JOURNAL);
    let name = layout::journal_object(journaled.last.number);
    retry(|| journal.age(&name)).await.map_err(|fault| Failure::refused(&fault))
}

/// Waits until it is clear that the owner of a journal is no longer alive; `note` is told if that takes time.
///
/// # Errors
/// [`Failure::Refused`] if it lives.
pub(crate) async fn wait_for_owner_to_stop(
    store: &Store,
    journaled: &Journaled,
    note: &(dyn Fn(&str) + Sync),
) -> Result<(), Failure> {
    let patience = match life(store, journaled).await? {
        OwnerStatus::Gone => return Ok(()),
        OwnerStatus::Alive => return Err(at_work(store, journaled)),
        OwnerStatus::Killed => LAST_REQUEST,
        OwnerStatus::LastSeen(age) => {
            let patience = OWNER_TIMEOUT.saturating_sub(age);
            note(&format!(
                "{} was in use by {} {} s ago; waiting {} s to see whether it still runs",
                store.place(),
                owner(&journaled.last),
                age.as_secs(),
                patience.as_secs() + 1
            ));
            patience
        }
    };
    watch(store, journaled, patience).await
}

/// Waits for so long whether the owner of a journal does anything.
///
/// # Errors
/// [`Failure::Refused`] if it does.
async fn watch(store: &Store, journaled: &Journaled, patience: Duration) -> Result<(), Failure> {
    let journal = store.within(layout::JOURNAL);
    let number = journaled.last.number;
    let is_there = async |number| {
        let name = layout::journal_object(number);
        let found = retry(|| journal.look_up(&name)).await;
        found.map(|entry| entry.is_some()).map_err(|fault| Failure::refused(&fault))
    };
    let since = Instant::now();
    while since.elapsed() < patience {
        tokio::time::sleep(LOOK_EVERY).await;
        // In this order: the last object is removed once the next is there, or when the job has ended.
        let is_last_there = is_there(number).await?;
        if is_there(number + 1).await? {
            return Err(at_work(store, journaled));
        }
        if !is_last_there {
            return Err(Failure::Refused(gone_on(&store.place())));
        }
    }
    Ok(())
}

fn at_work(store: &Store, journaled: &Journaled) -> Failure {
    Failure::Refused(format!("{} is in use by {}, which is running", store.place(), owner(&journaled.last)))
}

/// What to say when the journal that was read is there no longer: it is unknown what is there now.
pub(super) fn gone_on(place: &str) -> String {
    format!("{place}: the job there has just ended or continued; run the command again")
}

/// Who wrote an object, for people.
pub(super) fn owner(header: &Header) -> String {
    let word = |text: &str| text.escape_debug().to_string();
    format!("process {} on {} (run {})", header.pid, word(&header.host), word(&header.run))
}

#[cfg(test)]
mod tests;
