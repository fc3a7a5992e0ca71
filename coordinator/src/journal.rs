//! The journal of a job: its progress, stored where it survives the death of any process or machine. The format and the
//! rules are in [`job::journal`].
//!
//! ```text
//! work → facts → Journal (when: cadence) → JournalWriter → the next object, or superseded
//! folder → read → replay → Journaled → takeover: is its owner still alive?
//! ```

mod cadence;
mod process_identity;
mod read;
mod takeover;
mod writer;

use std::time::{Duration, Instant};

use engine::replay::Journaled;
use job::journal::{Fact, Run, Stopped, Totals};
use tokio::task::JoinSet;
use tracing::info;

use crate::{
    failure::{Failure, FailureKind},
    store::Store,
};
use cadence::Cadence;
pub(crate) use cadence::HEARTBEAT_INTERVAL;
pub(crate) use read::{is_newest, read};
pub(crate) use takeover::{OwnerStatus, age, owner_status, owner_timeout, wait_for_owner_to_stop};
use writer::JournalWriter;

/// How long the journal may be impossible to write before the job fails: as long as a job may be without any progress.
const OUTAGE_LIMIT: Duration = Duration::from_mins(10);

/// How long the last object may take to write. It only serves the unlikely case that the removal is interrupted.
const JOURNAL_END_LIMIT: Duration = Duration::from_secs(10);

/// The journal of the job that this process runs.
pub(crate) struct Journal {
    pace: Cadence,
    /// The folder, as long as it is the one that was locked.
    folder: Store,
    run: Run,
    /// What the runs before this one used.
    past: Totals,
    /// What all runs used, as last reported.
    totals: Totals,
    pending: Vec<Fact>,
    /// Whether facts are missing, because an object with them could not be written. Later facts would contradict those
    /// before the gap, so that nobody could use the journal any more.
    has_gap: bool,
    /// `None` while an object is being written.
    writer: Option<JournalWriter>,
    under_way: JoinSet<(JournalWriter, Result<(), Failure>)>,
    /// When writing the last object began.
    begun_at: Instant,
}

impl Journal {
    /// Acquires a folder for this process. `after` is what was journaled in it before, if anything. `facts` are the
    /// first facts of this run.
    ///
    /// # Errors
    /// Fails with `FailureKind::Refused`, also if another job is running there or has just acquired the folder.
    pub(crate) async fn acquire(
        store: &Store,
        after: Option<&Journaled>,
        facts: Vec<Fact>,
        run: Run,
    ) -> Result<Self, Failure> {
        let mut writer = match after {
            Some(journaled) => JournalWriter::after(store, journaled).await?,
            None => JournalWriter::first(store).await?,
        };
        let acquired = match after {
            Some(_) => writer.append(&facts, takeover::ACQUIRE_LIMIT).await,
            None => writer.begin(&facts, takeover::ACQUIRE_LIMIT).await,
        };
        Self::acquired(store, writer, acquired, after, run).await
    }

    /// Acquires a folder to remove what its job has left. `after` is what was journaled in it.
    ///
    /// This also works on a full disk, where the claim can't be written: while the folder is locked, no other process
    /// can resume the job. If this process dies on the way, the next one finds that files are missing.
    ///
    /// # Errors
    /// See [`acquire`](Self::acquire).
    pub(crate) async fn acquire_to_remove(
        store: &Store,
        after: &Journaled,
        run: Run,
    ) -> Result<Self, Failure> {
        let mut writer = JournalWriter::after(store, after).await?;
        let mut acquired = writer.append(&[Fact::Abandoned], takeover::ACQUIRE_LIMIT).await;
        if acquired.as_ref().is_err_and(|failure| failure.is(FailureKind::Failed)) {
            match writer.check_still_last(&after.last).await {
                Ok(true) => acquired = Ok(()),
                Ok(false) => {}
                Err(failure) => acquired = Err(failure),
            }
        }
        Self::acquired(store, writer, acquired, Some(after), run).await
    }

    /// The journal of a folder that `writer` has acquired, or tried to.
    async fn acquired(
        store: &Store,
        mut writer: JournalWriter,
        acquired: Result<(), Failure>,
        after: Option<&Journaled>,
        run: Run,
    ) -> Result<Self, Failure> {
        if let Err(failure) = acquired {
            writer.release().await;
            store.remove_empty_folders().await;
            let failure = failure.instead(FailureKind::Superseded, FailureKind::Refused);
            return Err(failure.instead(FailureKind::Failed, FailureKind::Refused));
        }
        info!(
            folder = store.display(),
            is_new = after.is_none(),
            last_owner = after.map(|journaled| takeover::owner(&journaled.last)),
            last_object = after.map(|journaled| journaled.last.number),
            is_locked = writer.is_locked(),
            "folder acquired"
        );
        let past = after.map(|journaled| journaled.totals).unwrap_or_default();
        Ok(Self {
            pace: Cadence::new(store.is_on_file_system()),
            folder: writer.folder().clone(),
            run,
            past,
            totals: past,
            pending: Vec::new(),
            has_gap: false,
            writer: Some(writer),
            under_way: JoinSet::new(),
            begun_at: Instant::now(),
        })
    }

    /// The folder of the job. Everything in it must be read and written through this: it writes and removes nothing
    /// unless the folder is still the one that this process locked.
    pub(crate) fn folder(&self) -> &Store {
        &self.folder
    }

    /// Begins a new job in place of the previous one. Everything else of that one has been removed.
    ///
    /// # Errors
    /// See [`append`](Self::append).
    pub(crate) async fn start_over(&mut self, begin: Fact) -> Result<(), Failure> {
        (self.past, self.totals) = (Totals::default(), Totals::default());
        let facts = [begin, Fact::Run(self.run.clone())];
        self.writer()?.compact(&facts, takeover::ACQUIRE_LIMIT).await
    }

    fn writer(&mut self) -> Result<&mut JournalWriter, Failure> {
        let gone = || Failure::internal("the journal has no writer");
        self.writer.as_mut().ok_or_else(gone)
    }

    /// Takes facts, which are journaled soon.
    pub(crate) fn note(&mut self, facts: impl IntoIterator<Item = Fact>) {
        self.pending.extend(facts);
    }

    /// Sets what this run has used so far.
    pub(crate) fn count(&mut self, used: &Totals) {
        self.totals = sum(&self.past, used);
    }

    /// Starts to write the pending facts if it is time. `snapshot` returns facts that describe the whole state,
    /// including the pending ones.
    pub(crate) fn write_if_due(&mut self, snapshot: impl FnOnce() -> Vec<Fact>) {
        if !self.pace.is_due(self.begun_at.elapsed(), !self.pending.is_empty()) {
            return;
        }
        let Some(mut writer) = self.writer.take() else { return };
        self.begun_at = Instant::now();
        let is_snapshot = writer.size().wants_snapshot();
        let mut news = std::mem::take(&mut self.pending);
        news.push(Fact::Totals(self.totals));
        let everything = is_snapshot.then(|| self.everything(snapshot()));
        self.under_way.spawn(async move {
            let written = match everything {
                Some(facts) => writer.compact_or_append(&facts, &news, OUTAGE_LIMIT).await,
                None => writer.append(&news, OUTAGE_LIMIT).await,
            };
            (writer, written)
        });
    }

    /// The facts of a snapshot, with those of this run.
    fn everything(&self, mut facts: Vec<Fact>) -> Vec<Fact> {
        facts.insert(1, Fact::Run(self.run.clone()));
        facts.push(Fact::Totals(self.totals));
        facts
    }

    /// Waits until writing the journal fails. Safe to drop at any time.
    pub(crate) async fn failed(&mut self) -> Failure {
        match self.settle().await {
            Err(failure) => failure,
            Ok(()) => std::future::pending().await,
        }
    }

    /// Writes all pending facts, and `last`, at once.
    ///
    /// # Errors
    /// Fails if that takes longer than `limit`, if another coordinator has taken over, or if earlier facts could not be
    /// written, unless `last` makes them void.
    pub(crate) async fn append(&mut self, last: Fact, limit: Duration) -> Result<(), Failure> {
        let work = async {
            self.settle().await?;
            if self.has_gap && !matches!(last, Fact::Abandoned) {
                return Err(Failure::failed("its journal lacks facts that could not be written"));
            }
            self.append_pending(last, limit).await
        };
        tokio::time::timeout(limit, work).await.map_err(|_| late(limit))?
    }

    /// Writes all pending facts, and why the job stops, at once. `snapshot` returns facts that describe the whole
    /// state: they are written if earlier facts could not be.
    ///
    /// # Errors
    /// Fails if that takes longer than `limit`, or if another coordinator has taken over.
    pub(crate) async fn stop(
        &mut self,
        stopped: Stopped,
        snapshot: impl FnOnce() -> Vec<Fact>,
        limit: Duration,
    ) -> Result<(), Failure> {
        let work = async {
            if let Err(failure) = self.settle().await
                && failure.is(FailureKind::Superseded)
            {
                return Err(failure);
            }
            if !self.has_gap {
                return self.append_pending(Fact::Stopped(stopped), limit).await;
            }
            let mut everything = self.everything(snapshot());
            everything.push(Fact::Stopped(stopped));
            let writer = self.writer()?;
            if !writer.can_be_read(&everything) {
                return Err(Failure::failed("its journal would be too long to be read again"));
            }
            writer.append(&everything, limit).await?;
            self.pending.clear();
            self.has_gap = false;
            Ok(())
        };
        tokio::time::timeout(limit, work).await.map_err(|_| late(limit))?
    }

    async fn append_pending(&mut self, last: Fact, limit: Duration) -> Result<(), Failure> {
        let mut facts = if self.has_gap { Vec::new() } else { std::mem::take(&mut self.pending) };
        let had_gap = self.has_gap;
        // Set before, because this may be dropped while the object is being written.
        self.has_gap |= !facts.is_empty();
        facts.extend([Fact::Totals(self.totals), last]);
        self.writer()?.append(&facts, limit).await?;
        self.has_gap = had_gap;
        Ok(())
    }

    /// Writes a heartbeat.
    ///
    /// # Errors
    /// See [`append`](Self::append).
    pub(crate) async fn beat(&mut self) -> Result<(), Failure> {
        self.writer()?.append(&[], OUTAGE_LIMIT).await
    }

    /// Makes sure that no other coordinator has taken over since the last object.
    ///
    /// # Errors
    /// Fails with `FailureKind::Superseded` if one has.
    pub(crate) async fn check_ours(&self) -> Result<(), Failure> {
        match &self.writer {
            Some(writer) => writer.check_ours().await,
            None => Ok(()),
        }
    }

    /// What all runs used together.
    pub(crate) fn totals(&self) -> &Totals {
        &self.totals
    }

    /// Makes sure that the folder is still the one that was locked.
    ///
    /// # Errors
    /// Fails with `FailureKind::Superseded` if it is not.
    pub(crate) async fn check_place(&self) -> Result<(), Failure> {
        self.folder.check_place().await.map_err(|fault| Failure::failed(&fault))
    }

    /// Whether the folder is locked, so that no other process can acquire it while this one lives.
    pub(crate) fn is_locked(&self) -> bool {
        self.writer.as_ref().is_some_and(JournalWriter::is_locked)
    }

    /// Removes the journal, because the job has ended for good. `end` are the facts that say so, with everything that a
    /// later run must know if the removal is interrupted.
    ///
    /// # Errors
    /// Fails if something could not be removed. See also [`append`](Self::append).
    pub(crate) async fn remove(&mut self, end: &[Fact]) -> Result<(), Failure> {
        self.settle().await?;
        let writer = self.writer()?;
        if writer.has_several() {
            // Without its first object, which is removed first, the rest of a journal means nothing. So it is first
            // replaced by one object. If that can't be written, for instance because the disk is full, the removal will
            // probably succeed nevertheless.
            if let Err(failure) = writer.compact(end, JOURNAL_END_LIMIT).await
                && failure.is(FailureKind::Superseded)
            {
                return Err(failure);
            }
        }
        writer.remove().await.map_err(|fault| Failure::failed(&fault))
    }

    /// Waits until no object is being written. Safe to drop at any time.
    async fn settle(&mut self) -> Result<(), Failure> {
        while let Some(done) = self.under_way.join_next().await {
            let (writer, written) = done.map_err(Failure::internal)?;
            self.writer = Some(writer);
            self.has_gap |= written.is_err();
            written?;
        }
        Ok(())
    }
}

fn late(limit: Duration) -> Failure {
    Failure::failed(format!("its journal could not be written within {} s", limit.as_secs()))
}

/// The sum of what runs used. Saturates: a journal may hold any number.
fn sum(past: &Totals, this: &Totals) -> Totals {
    Totals {
        consumed: past.consumed + this.consumed,
        requests: past.requests.saturating_add(this.requests),
        items: past.items.saturating_add(this.items),
        bytes: past.bytes.saturating_add(this.bytes),
        throttles: past.throttles.saturating_add(this.throttles),
        retries: past.retries.saturating_add(this.retries),
        workers_lost: past.workers_lost.saturating_add(this.workers_lost),
        elapsed_ms: past.elapsed_ms.saturating_add(this.elapsed_ms),
    }
}

#[cfg(test)]
pub(crate) mod tests;
