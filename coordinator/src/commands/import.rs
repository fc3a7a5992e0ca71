//! The import command.
//!
//! It reads a backup twice. The first pass checks every line and writes nothing, so that defects are found before the
//! first write. The second pass writes.

mod backup_overlap;
mod job_events;
mod plan;
mod prepare;
mod rejects;
#[cfg(feature = "emr")]
mod remote_plan;
mod report;
mod request;
mod resume;
mod written_so_far;

use std::{
    convert::Infallible,
    time::{Duration, Instant},
};

use engine::{
    import::{ImportAction, ImportState, ImportWork},
    replay::State,
    schedule::Schedule,
};
use events::{Event, Phase};
use job::{
    journal::{BeginImport, Checked, Fact, RejectedLine},
    spec::{RateSpec, WriteMode},
    split::Reject,
};
use job_aws::Fault;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::{
    aws::identity::{TableCheck, TableIdentity},
    cluster::{
        ClusterChoice, Shutdown,
        fleet::{Fleet, during},
    },
    driver::{Call, Effects, LimitsOf},
    failure::{Failure, FailureKind},
    jobs::{
        history,
        lifecycle::{
            self, ACQUIRE_GRACE, Context, InStateFolder, OpenedJob, PassPlan, Start, StateFolder, acquire,
            give_up,
        },
        outcome::JobOutcome,
    },
    journal::Journal,
    output::{display::count_of, progress::Progress},
    stop::Stop,
};
pub(crate) use rejects::{NAMES_FOLDER, names_folder};
#[cfg(feature = "emr")]
pub(crate) use remote_plan::plan_remote;
pub(crate) use report::ImportReport;
pub(crate) use request::{Check, ImportRequest};

use plan::CheckedText;
use prepare::{ImportRun, PreparedImport, prepare};
use rejects::Rejects;
use resume::next_step;
use written_so_far::WrittenSoFar;

/// The same after a request to stop.
const REPORT_GRACE: Duration = Duration::from_secs(1);

/// The report, or the plan and the result of the check.
type Imported = JobOutcome<Box<ImportReport>>;

/// Checks a backup, and writes its items to a table unless `dry_run` is set.
///
/// # Errors
/// See [`Failure`].
pub(crate) async fn import(
    request: &ImportRequest,
    dry_run: bool,
    progress: &Progress,
    stop: &CancellationToken,
) -> Result<JobOutcome<Box<ImportReport>>, Failure> {
    let stop = Stop::new(stop, request.deadline);
    let note = |text: &str| progress.note(text);
    // Boxed because the future is large.
    let prepare = async |cluster: &ClusterChoice| {
        let (slots, kind) =
            (cluster.worker_slots().await?, if dry_run { ImportRun::DryRun } else { ImportRun::Run });
        Box::pin(prepare(request, slots, kind, &note)).await
    };
    let (cluster, mut prepared) =
        lifecycle::prepare(&request.cluster, &request.folder, &stop, prepare).await?;
    prepared.backup.notes.iter().for_each(|note| progress.note(&format!("note        {note}")));
    let plan = prepared.text(cluster.text());
    let (folder, rejects) = (prepared.state.take(), prepared.rejects.take());
    let rejects = Rejects::new(rejects, progress);
    let (clients, facts) = (&prepared.clients, &prepared.facts);
    let mut planned = prepared.event(cluster.text(), &plan);
    planned.is_dry_run = dry_run;
    planned.job = planned.job.filter(|_| !dry_run);
    progress.stream().publish(Event::Plan(Box::new(planned)));
    let table = TableIdentity::new(&prepared.table, facts);
    let mut import = Import {
        request,
        prepared: &prepared,
        context: Context { clients, table: &table, facts, cluster: &cluster, progress, stop: &stop },
        rejects: rejects.clone(),
        verb: if dry_run { "check" } else { "import" },
        fleet: None,
        journal: None,
        state: None,
        has_earlier_runs: false,
        has_written: false,
    };
    if let Some((folder, begin)) = folder.filter(|_| !dry_run)
        && let Err(failure) = import.open(folder, begin).await
    {
        // Nothing was rejected yet, so this removes the reject file.
        let _ = rejects.finish(false, &stop).await;
        return Err(failure);
    }
    if !dry_run {
        progress.plan(&plan);
    }
    let imported = import.run(dry_run, &plan).await;
    let mut fleet = import.fleet.take();
    let ending = async {
        let finished = rejects.finish(imported.is_ok(), &stop).await;
        let imported = match (imported, finished) {
            (imported, Ok(())) => imported,
            (Ok(_), Err(unwritten)) => Err(unwritten.saying(written_so_far::ALL_IMPORTED)),
            (Err(failure), Err(unwritten)) => Err(failure.saying(&unwritten.to_string())),
        };
        import.end(imported).await
    };
    // Boxed because the future is large.
    let ended = Box::pin(during(fleet.as_mut(), ending)).await;
    if let Some(fleet) = &mut fleet {
        // The application of an import that is done succeeds, and no other.
        fleet.end(if ended.is_ok() { Shutdown::Graceful } else { Shutdown::Kill }, &stop).await;
    }
    if let Ok(Imported::Done(report)) = &ended {
        progress.stream().publish(Event::Completed(Box::new(report.event())));
    }
    ended
}

/// One import.
struct Import<'a> {
    request: &'a ImportRequest,
    prepared: &'a PreparedImport,
    context: Context<'a>,
    rejects: Rejects,
    /// What the import does, in its name on a cluster.
    verb: &'static str,
    /// The workers of all passes. `None` before the first.
    fleet: Option<Fleet>,
    /// The journal in the state folder, if there is one.
    journal: Option<Journal>,
    /// What the journal records. `None` without a journal, and during a pass, whose work has it.
    state: Option<ImportState>,
    /// Earlier runs of the import may have written items.
    has_earlier_runs: bool,
    /// This run, or an earlier one, may have begun to write.
    has_written: bool,
}

impl Import<'_> {
    /// Acquires the state folder.
    async fn open(&mut self, folder: StateFolder, begin: BeginImport) -> Result<(), Failure> {
        let Self { prepared, context, .. } = *self;
        let PreparedImport { clients, limits, rate_source, workers, .. } = prepared;
        let run = lifecycle::this_run(clients, *workers, limits.table, rate_source);
        let StateFolder { store, start } = folder;
        let was_empty = matches!(start, Start::Fresh);
        let begin = || State::Import(Box::new(ImportState::new(begin)));
        let opening = acquire(&store, start, run, begin, context.progress);
        let late = |why| Err(Failure::stopped(format!("{why} before anything was written")));
        let opened = context.stop.grant(ACQUIRE_GRACE, opening).await.unwrap_or_else(late)?;
        let OpenedJob { journal, state: State::Import(state), earlier } = opened else {
            return Err(lifecycle::other_kind("an import"));
        };
        if was_empty {
            history::clear(journal.folder()).await;
        }
        (self.journal, self.state, self.has_earlier_runs) = (Some(journal), Some(*state), earlier.is_some());
        info!(has_earlier_runs = self.has_earlier_runs, "import with a state begun or resumed");
        Ok(())
    }

    /// Runs the passes. Afterwards, workers are left only if they must tell others how the import ends.
    async fn run(&mut self, dry_run: bool, plan: &str) -> Result<Imported, Failure> {
        let imported = self.run_passes(dry_run, plan).await;
        if let Some(fleet) = &mut self.fleet {
            match imported {
                Ok(_) => fleet.end_unless_watched(self.context.stop).await,
                // Before anything is done about the failure.
                Err(_) => fleet.end(Shutdown::Kill, self.context.stop).await,
            }
        }
        imported
    }

    async fn run_passes(&mut self, dry_run: bool, plan: &str) -> Result<Imported, Failure> {
        let started = Instant::now();
        let mut checking = Duration::ZERO;
        // Progress exists only if the check passed before.
        let is_checked = self.state.as_ref().is_some_and(ImportState::has_anything);
        if dry_run || self.request.check == Check::All && !is_checked {
            let checked = self.check(dry_run).await?;
            if dry_run {
                return Ok(Imported::Planned(format!("{plan}\n{checked}")));
            }
            self.context.progress.plan(&checked);
            let restarted = during(self.fleet.as_mut(), self.rejects.restart()).await;
            restarted.map_err(|fault| Failure::refused(&fault))?;
            checking = started.elapsed();
        }
        let started = Instant::now();
        let report = self.write(checking, started).await?;
        self.context.progress.report(&report);
        Ok(Imported::Done(Box::new(report)))
    }

    /// Ends the import: removes its state if it is complete, and gives it up if it failed.
    async fn end(self, imported: Result<Imported, Failure>) -> Result<Imported, Failure> {
        let context = self.context;
        let ended = match (imported, self.journal, self.state) {
            (Ok(imported), Some(mut journal), Some(state)) => {
                if let Imported::Done(report) = &imported {
                    let written = write_history(&journal, &state, report, context);
                    // What could not be written in time is missing, which does no harm.
                    let _ = context.stop.grant(REPORT_GRACE, written).await;
                }
                match journal.remove(&state.facts()).await {
                    Ok(()) => {
                        journal.folder().remove_empty_folders().await;
                        Ok(imported)
                    }
                    Err(failure) => Err(failure.saying(written_so_far::ALL_IMPORTED)),
                }
            }
            (Err(failure), Some(mut journal), Some(state)) => {
                let (state, next) = (State::Import(Box::new(state)), next_step(&failure));
                let ending = InStateFolder { state: &state, next };
                Err(give_up(&ending, &mut journal, context.progress, failure).await)
            }
            (imported, ..) => imported,
        };
        ended.map_err(|failure| if self.has_written { failure } else { failure.before_writing() })
    }

    /// Reads every line and writes nothing. Returns the result as text.
    async fn check(&mut self, dry_run: bool) -> Result<String, Failure> {
        self.rejects.begin(if dry_run { self.request.max_rejects } else { 0 }, true);
        let (schedule, outcome) = self.pass(WriteMode::Check).await?;
        outcome.and_then(|()| self.count(&schedule)).map_err(nothing_written)?;
        let work = schedule.work();
        let (mut counts, rejected) = (work.counts(), work.rejected());
        if self.request.mode == WriteMode::Delete {
            counts = counts.of_removals();
        }
        if let (Some(journal), Some(state)) = (&mut self.journal, &mut self.state) {
            let checked = Checked { counts, rejected };
            state.checked = Some(checked);
            journal.note([Fact::Checked(checked)]);
        }
        let PreparedImport { facts, limits, .. } = self.prepared;
        Ok(CheckedText { counts, rejected, facts, limits }.to_string())
    }

    async fn write(&mut self, checking: Duration, started: Instant) -> Result<ImportReport, Failure> {
        let has_earlier_runs = self.has_earlier_runs;
        self.has_written = has_earlier_runs;
        let checked = during(self.fleet.as_mut(), check_table(self.context)).await;
        checked.map_err(|failure| if has_earlier_runs { failure } else { nothing_written(failure) })?;
        self.rejects.begin(self.request.max_rejects, false);
        if let Some(state) = &self.state {
            self.recall_rejects(state).map_err(|fault| Failure::failed(&fault))?;
        }
        self.has_written = true;
        let (schedule, outcome) = self.pass(self.request.mode).await?;
        let totals = self.journal.as_ref().map(Journal::totals);
        let report = ImportReport::new(self.prepared, &schedule, totals, checking, started.elapsed());
        let outcome = match outcome.and_then(|()| self.count(&schedule)) {
            Ok(()) => match during(self.fleet.as_mut(), check_table(self.context)).await {
                // Everything is written, and the table was the same a minute ago at most.
                Err(failure) if failure.is(FailureKind::Failed) => {
                    self.context.progress.note(&format!("note        {failure}"));
                    Ok(())
                }
                checked => checked,
            },
            failed => failed,
        };
        match outcome {
            Ok(()) => Ok(report),
            Err(failure) => {
                let written = WrittenSoFar {
                    mode: self.request.mode,
                    is_incremental: self.prepared.backup.is_incremental,
                    counts: schedule.work().counts(),
                    may_be_more: schedule.work().has_begun() || has_earlier_runs,
                    is_kept: self.journal.is_some(),
                };
                Err(written.after(failure))
            }
        }
    }

    /// Notes the lines that earlier runs rejected: their positions and reasons. The lines themselves are only in the
    /// backup.
    fn recall_rejects(&self, state: &ImportState) -> Result<(), Fault> {
        state.rejects().try_for_each(|(split, RejectedLine { offset, reason })| {
            let reject = Reject { offset: *offset, reason: reason.clone(), line: Vec::new() };
            match self.prepared.splits.get(split.0 as usize) {
                Some(split) => self.rejects.note(&split.object, &[reject]),
                None => Ok(()),
            }
        })
    }

    /// Fails if the number of lines differs from the one that the backup states.
    fn count(&self, schedule: &Schedule<ImportWork>) -> Result<(), Failure> {
        let lines = schedule.work().counts().lines() + schedule.work().rejected();
        match self.prepared.backup.items {
            Some(items) if items != lines => Err(Failure::failed(format!(
                "{} states {} but its files contain {}: the backup is damaged",
                self.prepared.folder,
                count_of(items, "item"),
                count_of(lines, "line")
            ))),
            _ => Ok(()),
        }
    }

    /// Runs one pass over all splits. The returned schedule says what was done, whatever the outcome.
    async fn pass(
        &mut self,
        mode: WriteMode,
    ) -> Result<(Schedule<ImportWork>, Result<(), Failure>), Failure> {
        let Self { request, prepared, context, .. } = *self;
        let fleet = match &mut self.fleet {
            Some(fleet) => fleet,
            fleet @ None => fleet.insert(context.fleet(self.verb).await?),
        };
        let is_check = mode == WriteMode::Check;
        let earlier = self.state.as_ref().filter(|_| !is_check);
        let earlier_items = earlier.map_or(0, |state| state.counts().lines());
        let done = earlier_items + earlier.map_or(0, ImportState::rejected);
        let left = prepared.backup.items.map(|items| items.saturating_sub(done));
        let plan = PassPlan {
            phase: if is_check { Phase::Checking } else { Phase::Writing },
            expected_items: left.filter(|&items| items > 0),
            earlier_items,
            effects: self.rejects.clone(),
            journal: self.journal.as_mut(),
            limits: prepared.limits.clone(),
            follow: (!is_check).then(|| follow(request.rate)),
            workers: prepared.workers,
        };
        let mut work = ImportWork::new(prepared.settings(mode), prepared.splits.clone(), request.max_rejects);
        if let Some(state) = self.state.take() {
            work = work.with(state);
        }
        let (mut schedule, outcome) = context.pass(fleet, plan, work).await;
        self.state = schedule.work_mut().take_state();
        Ok((schedule, outcome))
    }
}

/// Makes sure that the table is still the one that the import began with.
async fn check_table(context: Context<'_>) -> Result<(), Failure> {
    let Context { table, clients, stop, .. } = context;
    match table.check(clients, stop, "").await? {
        TableCheck::Same => Ok(()),
        TableCheck::Gone(why) | TableCheck::Another(why) => Err(Failure::other_table(why)),
    }
}

/// Writes the history and the report of an import that is complete.
async fn write_history(journal: &Journal, state: &ImportState, report: &ImportReport, context: Context<'_>) {
    let progress = context.progress;
    // The event itself follows once the journal is removed.
    progress.stream().note(Event::Completed(Box::new(report.event())));
    // If another process has taken over, it writes the report.
    if journal.check_ours().await.is_ok() {
        history::write(journal.folder(), &state.begin.job, progress, history::REPORT_LIMIT).await;
    }
}

/// The limits follow changes of the capacity of the table and its indexes.
fn follow<'a>(rate: RateSpec) -> LimitsOf<'a> {
    Box::new(move |facts| facts.write_limits(rate).0)
}

/// The failure as one before the first write.
fn nothing_written(failure: Failure) -> Failure {
    match failure.kind() {
        FailureKind::OtherTable | FailureKind::Stopped => failure.saying("nothing was written"),
        _ => failure.instead(FailureKind::Failed, FailureKind::Refused),
    }
}

impl Effects<ImportWork> for Rejects {
    fn perform(&mut self, _: &ImportWork, action: ImportAction) -> Call<Infallible> {
        let ImportAction::Reject(object, rejects) = action;
        self.stream.rejected(&object, &rejects);
        let (noted, write) = (self.note(&object, &rejects), self.write());
        Box::pin(async move {
            noted?;
            write.await?;
            Ok(None)
        })
    }
}
