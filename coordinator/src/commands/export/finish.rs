//! How an export ends: its files are completed, or it is kept for the next run, or removed.

use std::{
    pin::pin,
    time::{Duration, Instant},
};

use engine::export::{ExportState, Slowest};
use jiff::Timestamp;
use job::{
    capacity::Rate,
    export_json::ExportJson,
    journal::{Fact, Run, Stopped},
    target::Target,
};
use job_aws::Clients;

use super::report::{Report, Times};
use super::resume::{advised, kept_text, partly_kept_text};
use crate::{
    commit::{self, Marks},
    failure::Failure,
    identity::{Found, TableIdentity},
    journal::{self, Journal},
    progress::Progress,
    retry::retry,
    stop::Stop,
};

/// How long the last words in the journal may take, and how long an export that was stopped may take to leave
/// no trace: together less than the 5 seconds in which it ends.
const LAST_WORDS: Duration = Duration::from_millis(1500);
const ABANDON_LIMIT: Duration = Duration::from_millis(1500);
/// How long what makes the backup whole, and what comes after that, may still take when the command is to stop.
const GRACE: Duration = Duration::from_secs(2);
/// How long the beginning of the end may take to be journaled.
const COMMIT_LIMIT: Duration = Duration::from_mins(10);

/// What it takes to end.
pub(super) struct Finish<'a> {
    pub(super) target: &'a Target,
    pub(super) clients: &'a Clients,
    pub(super) table: &'a TableIdentity,
    pub(super) progress: &'a Progress,
    pub(super) stop: &'a Stop,
    /// When this command began to work on the export.
    pub(super) started: Instant,
}

/// An export that has been read, or failed to be.
pub(super) struct Read<'a> {
    pub(super) state: &'a ExportState,
    pub(super) slowest: Option<Slowest>,
    pub(super) rate: Rate,
    pub(super) outcome: Result<(), Failure>,
}

impl Finish<'_> {
    /// Completes the export, or gives it up as its outcome says. `commit` is what its end is called if that has
    /// begun; `run` how it was read.
    pub(super) async fn finish(
        &self,
        journal: &mut Journal,
        read: Read<'_>,
        commit: Option<String>,
        run: &Run,
    ) -> Result<Report, Failure> {
        let Read { state, slowest, rate, outcome } = read;
        let completed = match outcome {
            Ok(()) => self.complete(journal, state, commit, run).await,
            Err(failure) => Err(failure),
        };
        let export = match completed {
            Ok(export) => export,
            Err(failure) => return Err(self.give_up(journal, state, failure).await),
        };
        let totals = journal.totals();
        let read_for = Duration::from_millis(totals.elapsed_ms);
        let times = Times { read: read_for, total: read_for.max(self.started.elapsed()) };
        Ok(Report::new(&export, slowest, totals, rate, self.target.to_string(), times))
    }

    async fn complete(
        &self,
        journal: &mut Journal,
        state: &ExportState,
        commit: Option<String>,
        run: &Run,
    ) -> Result<ExportJson, Failure> {
        let failed = |fault| Failure::failed(&fault);
        let store = journal.folder().clone();
        let has_begun = commit.is_some();
        if !has_begun {
            self.check_table().await?;
        }
        let at = commit.unwrap_or_else(|| Timestamp::now().to_string());
        let export = state.export_json(run, journal.totals(), &at).map_err(Failure::Failed)?;
        let marks = Marks::of(self.target, &export);
        let announce = async {
            check(journal, state, has_begun.then_some(&marks)).await?;
            // Whoever finds that another has taken over stops here, before anything is visible.
            if has_begun {
                Ok(())
            } else {
                journal.append(Fact::Commit { at: at.clone() }, COMMIT_LIMIT).await
            }
        };
        tokio::select! {
            announced = announce => announced?,
            why = self.stop.requested() => return Err(Failure::Stopped(why.into())),
        }
        {
            let mut completing = pin!(commit::complete_files(&store, state.files()));
            loop {
                tokio::select! {
                    completed = &mut completing => break completed.map_err(failed)?,
                    // Nobody shall take over meanwhile.
                    () = tokio::time::sleep(journal::HEARTBEAT_INTERVAL) => journal.beat().await?,
                    why = self.stop.requested() => return Err(Failure::Stopped(why.into())),
                }
            }
        }
        // From here on a signal comes too late, unless the store does not answer: the backup is whole.
        let publishing = async {
            journal.check_ours().await?;
            commit::publish(&store, &marks).await.map_err(failed)
        };
        self.stop.grant(GRACE, publishing).await.map_err(|why| Failure::Stopped(why.into()))??;
        if self.stop.grant(GRACE, self.tidy_up(journal, state, at)).await.is_err() {
            self.progress
                .note("note        the clean-up is incomplete, which does no harm: it took too long");
        }
        Ok(export)
    }

    /// Makes sure that what was read is of one table. Of one that is gone now this may be the only copy.
    async fn check_table(&self) -> Result<(), Failure> {
        let found = tokio::select! {
            found = self.table.look(self.clients) => found,
            why = self.stop.requested() => return Err(Failure::Stopped(why.into())),
        };
        match found {
            Ok(Found::Same) => Ok(()),
            Ok(Found::Another(why)) => Err(Failure::OtherTable(format!(
                "{why}; the items may come from both tables, so this is not a backup"
            ))),
            Ok(Found::Gone(why)) => {
                let left = "all of it had been read, and this backup may be the only copy";
                self.progress.note(&format!("note        {why}; {left}"));
                Ok(())
            }
            Err(fault) => Err(Failure::Failed(format!(
                "everything was read, but the table's identity could not be checked: {fault}"
            ))),
        }
    }

    /// Removes what is no part of the backup. If that fails the backup is whole nevertheless.
    async fn tidy_up(&self, journal: &mut Journal, state: &ExportState, at: String) {
        let tidied = async {
            let strays = commit::abort_strays(journal.folder(), &state.begin.job, self.progress).await;
            strays.map_err(|fault| Failure::failed(&fault))?;
            journal.remove(&[state.begun(), Fact::Commit { at }]).await
        };
        if let Err(failure) = tidied.await {
            self.progress
                .note(&format!("note        the clean-up is incomplete, which does no harm: {failure}"));
        }
    }

    /// Keeps what there is for the next run, or if there is nothing worth it leaves no trace; gives the reason
    /// on.
    pub(super) async fn give_up(
        &self,
        journal: &mut Journal,
        state: &ExportState,
        failure: Failure,
    ) -> Failure {
        if matches!(failure, Failure::Superseded(_)) {
            return failure;
        }
        if let Err(moved) = journal.check_place().await {
            return moved;
        }
        if !state.has_anything() {
            return self.abandon(journal, state, failure).await;
        }
        let failure = or_lost(journal, state, failure).await;
        let stopped = Stopped { why: failure.to_string() };
        let written = journal.append(Fact::Stopped(stopped), LAST_WORDS).await;
        let place = self.target.to_string();
        let can_go_on = !matches!(failure, Failure::OtherTable(_));
        match written {
            Err(superseded @ Failure::Superseded(_)) => superseded,
            _ if matches!(failure, Failure::Lost(_)) => advised(failure, &place),
            Ok(()) => failure.saying(&kept_text(state, &place, can_go_on)),
            Err(unwritten) => failure.saying(&partly_kept_text(&unwritten, &place, can_go_on)),
        }
    }

    async fn abandon(&self, journal: &mut Journal, state: &ExportState, failure: Failure) -> Failure {
        // After this nobody goes on with it, and nobody else may have. With the lock that is so anyway, also on a
        // disk that is full.
        let written =
            if journal.is_locked() { Ok(()) } else { journal.append(Fact::Abandoned, LAST_WORDS).await };
        match written {
            Ok(()) => {}
            Err(superseded @ Failure::Superseded(_)) => return superseded,
            Err(unwritten) => {
                return failure.saying(&format!("{} could not be cleaned up: {unwritten}", self.target));
            }
        }
        let clean = async {
            // Of this one nothing can have become visible.
            let discarded = commit::discard(journal.folder(), state, None, self.progress).await;
            discarded.map_err(|fault| Failure::failed(&fault))?;
            journal.remove(&[state.begun(), Fact::Abandoned]).await?;
            journal.folder().tidy().await;
            Ok::<_, Failure>(())
        };
        let left = match tokio::time::timeout(ABANDON_LIMIT, clean).await {
            Ok(Ok(())) => return failure,
            Ok(Err(moved @ Failure::Superseded(_))) => return moved,
            Ok(Err(left)) => left.to_string(),
            Err(_) => format!("it took longer than {} s", ABANDON_LIMIT.as_secs_f32()),
        };
        failure.saying(&format!("{} could not be cleaned up: {left}", self.target))
    }
}

/// Makes sure that an export can be completed before anything of it becomes visible: everything that was stored is
/// there still, and nobody else has put a backup into the same place. `marks` if it has begun to be completed before.
async fn check(journal: &Journal, state: &ExportState, marks: Option<&Marks>) -> Result<(), Failure> {
    let failed = |fault| Failure::failed(&fault);
    let store = journal.folder();
    if let Some(name) = commit::in_the_way(store, marks).await.map_err(failed)? {
        let url = store.url(name);
        return Err(Failure::Failed(format!(
            "another program wrote {url} during the export: move it elsewhere"
        )));
    }
    match retry(|| store.lost(&state.begin.job, state.files(), marks.is_some())).await.map_err(failed)? {
        Some(lost) => Err(Failure::Lost(lost)),
        None => Ok(()),
    }
}

/// The failure, or if the export failed because what was stored is gone, that.
async fn or_lost(journal: &Journal, state: &ExportState, failure: Failure) -> Failure {
    let Failure::Failed(why) = failure else { return failure };
    let lost = journal.folder().lost(&state.begin.job, state.files(), true);
    match tokio::time::timeout(LAST_WORDS, lost).await {
        Ok(Ok(Some(lost))) => Failure::Lost(format!("{why}; {lost}")),
        _ => Failure::Failed(why),
    }
}
