//! The journal of a job: what it has got to, where no death of a process or machine reaches it. The format
//! and the rules are in [`job::journal`].
//!
//! ```text
//! work (core) → facts → Journal: when (core: pace) → Scribe (shell): the next object, or superseded
//! folder → read (shell) → replay (core) → Journaled → takeover (shell): does its owner still live?
//! ```

mod machine;
mod pace;
mod read;
mod scribe;
mod takeover;

use std::time::{Duration, Instant};

use engine::replay::Journaled;
use job::journal::{Fact, Run, Totals};
use tokio::task::JoinSet;

use crate::{failure::Failure, store::Store};
use pace::Pace;
pub(crate) use pace::SIGN_OF_LIFE;
pub(crate) use read::read;
use scribe::Scribe;
pub(crate) use takeover::{Life, SILENCE, age, await_silence, life};

/// As long as a job without any progress lasts, so long it lasts without a place for its journal.
const OUTAGE_LIMIT: Duration = Duration::from_mins(10);

/// How long the last object may take: what it is for is unlikely.
const END_LIMIT: Duration = Duration::from_secs(10);

/// The journal of a job that this process works on.
pub(crate) struct Journal {
    pace: Pace,
    /// The folder, as long as it is the one that is locked.
    folder: Store,
    run: Run,
    /// What the runs before this one used.
    past: Totals,
    /// All runs together, as last told.
    totals: Totals,
    pending: Vec<Fact>,
    /// Absent while an object is being written.
    scribe: Option<Scribe>,
    under_way: JoinSet<(Scribe, Result<(), Failure>)>,
    /// When the last object was begun.
    begun_at: Instant,
}

impl Journal {
    /// Takes a folder for this process, after what another has left there if anything is there. `facts` come
    /// first in what it writes.
    ///
    /// # Errors
    /// [`Failure::Refused`], also if another lives or has just taken it.
    pub(crate) async fn take(
        store: &Store,
        after: Option<&Journaled>,
        facts: Vec<Fact>,
        run: Run,
    ) -> Result<Self, Failure> {
        let mut scribe = match after {
            Some(journaled) => Scribe::after(store, journaled).await?,
            None => Scribe::first(store).await?,
        };
        let taken = match after {
            Some(_) => scribe.append(&facts, takeover::CLAIM_LIMIT).await,
            None => scribe.begin(&facts, takeover::CLAIM_LIMIT).await,
        };
        if let Err(failure) = taken {
            scribe.release().await;
            store.tidy().await;
            return Err(match failure {
                Failure::Superseded(why) | Failure::Failed(why) => Failure::Refused(why),
                failure => failure,
            });
        }
        let past = after.map(|journaled| journaled.totals).unwrap_or_default();
        Ok(Self {
            pace: Pace::new(store.is_on_file_system()),
            folder: scribe.folder().clone(),
            run,
            past,
            totals: past,
            pending: Vec::new(),
            scribe: Some(scribe),
            under_way: JoinSet::new(),
            begun_at: Instant::now(),
        })
    }

    /// The folder of the job. Nothing is written to it or removed from it unless it is the one that this process has
    /// locked, so everything that is done in it is done through this.
    pub(crate) fn folder(&self) -> &Store {
        &self.folder
    }

    /// Begins a new job in the place of the one before, of which everything else has been removed.
    ///
    /// # Errors
    /// As [`append`](Self::append).
    pub(crate) async fn begin_anew(&mut self, begin: Fact) -> Result<(), Failure> {
        (self.past, self.totals) = (Totals::default(), Totals::default());
        let facts = [begin, Fact::Run(self.run.clone())];
        self.scribe()?.compact(&facts, takeover::CLAIM_LIMIT).await
    }

    fn scribe(&mut self) -> Result<&mut Scribe, Failure> {
        let gone = || Failure::Failed("internal error: nobody writes the journal".into());
        self.scribe.as_mut().ok_or_else(gone)
    }

    /// Takes facts that are to be journaled soon.
    pub(crate) fn note(&mut self, facts: impl IntoIterator<Item = Fact>) {
        self.pending.extend(facts);
    }

    /// What this run used so far.
    pub(crate) fn count(&mut self, used: &Totals) {
        self.totals = sum(&self.past, used);
    }

    /// Begins to write what is at hand if it is time. `snapshot` gives facts that say everything, these
    /// included.
    pub(crate) fn write_if_due(&mut self, snapshot: impl FnOnce() -> Vec<Fact>) {
        if !self.pace.is_due(self.begun_at.elapsed(), !self.pending.is_empty()) {
            return;
        }
        let Some(mut scribe) = self.scribe.take() else { return };
        self.begun_at = Instant::now();
        let is_snapshot = scribe.size().wants_snapshot();
        let mut news = std::mem::take(&mut self.pending);
        news.push(Fact::Totals(self.totals));
        let everything = is_snapshot.then(|| {
            let mut facts = snapshot();
            facts.insert(1, Fact::Run(self.run.clone()));
            facts.push(Fact::Totals(self.totals));
            facts
        });
        self.under_way.spawn(async move {
            let written = match everything {
                Some(facts) => scribe.compact_or_append(&facts, &news, OUTAGE_LIMIT).await,
                None => scribe.append(&news, OUTAGE_LIMIT).await,
            };
            (scribe, written)
        });
    }

    /// Waits until the journal can't be kept any more. May be dropped at any time.
    pub(crate) async fn failed(&mut self) -> Failure {
        match self.settle().await {
            Err(failure) => failure,
            Ok(()) => std::future::pending().await,
        }
    }

    /// Writes everything that is at hand, and `last`, at once.
    ///
    /// # Errors
    /// It can't be done within `limit`, or another coordinator has taken over.
    pub(crate) async fn append(&mut self, last: Fact, limit: Duration) -> Result<(), Failure> {
        let late =
            |_| Failure::Failed(format!("its journal could not be written within {} s", limit.as_secs()));
        let work = async {
            self.settle().await?;
            let mut facts = std::mem::take(&mut self.pending);
            facts.extend([Fact::Totals(self.totals), last]);
            self.scribe()?.append(&facts, limit).await
        };
        tokio::time::timeout(limit, work).await.map_err(late)?
    }

    /// Writes a sign of life.
    ///
    /// # Errors
    /// As [`append`](Self::append).
    pub(crate) async fn beat(&mut self) -> Result<(), Failure> {
        self.scribe()?.append(&[], OUTAGE_LIMIT).await
    }

    /// Makes sure that no other has taken over since the last object.
    ///
    /// # Errors
    /// [`Failure::Superseded`].
    pub(crate) async fn check_ours(&self) -> Result<(), Failure> {
        match &self.scribe {
            Some(scribe) => scribe.check_ours().await,
            None => Ok(()),
        }
    }

    /// What all runs used together.
    pub(crate) fn totals(&self) -> &Totals {
        &self.totals
    }

    /// Makes sure that the folder is still the one that is locked.
    ///
    /// # Errors
    /// [`Failure::Superseded`].
    pub(crate) async fn check_place(&self) -> Result<(), Failure> {
        self.folder.check_place().await.map_err(|fault| Failure::failed(&fault))
    }

    /// Nobody else can have the folder as long as this process lives.
    pub(crate) fn is_locked(&self) -> bool {
        self.scribe.as_ref().is_some_and(Scribe::is_locked)
    }

    /// Removes the journal: the job has ended for good. `end` says so, and everything that whoever comes after a
    /// removal that was broken off must know.
    ///
    /// # Errors
    /// What could not be removed; as [`append`](Self::append), if something is being written.
    pub(crate) async fn remove(&mut self, end: &[Fact]) -> Result<(), Failure> {
        self.settle().await?;
        let scribe = self.scribe()?;
        if scribe.has_several() {
            // Of several the first goes first, and without it the rest means nothing. If that can't be written, on a full
            // disk, say, it is likely that the removal comes to its end nevertheless.
            if let Err(superseded @ Failure::Superseded(_)) = scribe.compact(end, END_LIMIT).await {
                return Err(superseded);
            }
        }
        scribe.remove().await.map_err(|fault| Failure::failed(&fault))
    }

    /// Waits until nothing is being written. May be dropped at any time.
    async fn settle(&mut self) -> Result<(), Failure> {
        while let Some(done) = self.under_way.join_next().await {
            let (scribe, written) =
                done.map_err(|error| Failure::Failed(format!("internal error: {error}")))?;
            self.scribe = Some(scribe);
            written?;
        }
        Ok(())
    }
}

/// What runs used together.
fn sum(past: &Totals, this: &Totals) -> Totals {
    Totals {
        consumed: past.consumed + this.consumed,
        requests: past.requests + this.requests,
        items: past.items + this.items,
        bytes: past.bytes + this.bytes,
        throttles: past.throttles + this.throttles,
        retries: past.retries + this.retries,
        workers_lost: past.workers_lost + this.workers_lost,
        elapsed_ms: past.elapsed_ms + this.elapsed_ms,
    }
}

#[cfg(test)]
pub(crate) mod tests;
