//! The import command.
//!
//! It reads a backup twice. The first pass checks every line and writes nothing, so that defects are found before the
//! first write. The second pass writes.

mod beside;
mod done;
#[cfg(feature = "emr")]
mod elsewhere;
mod plan;
mod prepare;
mod rejects;
mod report;
mod resume;

use std::{
    convert::Infallible,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::{Duration, Instant},
};

use engine::import::{ImportAction, ImportState, ImportWork};
use engine::schedule::Schedule;
use job::{
    journal::{Checked, Fact, RejectedLine, Run},
    spec::{RateSpec, WriteMode},
    split::Reject,
};
use job_aws::Fault;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    cluster::{ClusterChoice, worker_binary},
    driver::{Call, Driver, Effects, LimitsOf},
    failure::Failure,
    identity::{Found, TableIdentity},
    progress::Progress,
    server::ControlPlane,
    snapshot::{Pass, Phase, Snapshot},
    stop::Stop,
    text::count_of,
    waits::unless_silent,
};
#[cfg(feature = "emr")]
pub(crate) use elsewhere::plan_elsewhere;
pub(crate) use prepare::{Check, ImportRequest};
pub(crate) use rejects::{NAMES_FOLDER, names_folder};
pub(crate) use report::ImportReport;

use done::Done;
use plan::CheckedText;
use prepare::{Kind, Prepared, prepare};
use rejects::Rejects;
use resume::OpenState;

/// How long acquiring the state folder may still take after a request to stop.
const GRACE: Duration = Duration::from_secs(3);

/// The result of the command.
pub(crate) enum Imported {
    /// The plan and the result of the check as text. Nothing was written.
    Planned(String),
    /// The report.
    Done(Box<ImportReport>),
}

/// Checks a backup, and writes its items to a table unless `dry_run` is set.
///
/// # Errors
/// See [`Failure`].
pub(crate) async fn import(
    request: &ImportRequest,
    dry_run: bool,
    progress: &Progress,
    stop: &CancellationToken,
) -> Result<Imported, Failure> {
    let worker = worker_binary()?;
    let stop = Stop::new(stop, request.deadline);
    let note = |text: &str| progress.note(text);
    let preparing = async {
        let place = ClusterChoice::choose(&request.cluster, worker, &request.folder).await?;
        let (room, kind) = (place.worker_slots().await?, if dry_run { Kind::DryRun } else { Kind::Run });
        let prepared = Box::pin(prepare(request, room, kind, &note)).await?;
        Ok((place, prepared))
    };
    let prepared = tokio::select! {
        prepared = unless_silent(preparing) => prepared,
        why = stop.requested() => Err(Failure::Stopped(format!("{why} before anything was written"))),
    };
    let (place, mut prepared) = prepared?;
    prepared.backup.notes.iter().for_each(|note| progress.note(&format!("note        {note}")));
    let plan = prepared.text(place.text());
    let (state, rejects) = (prepared.state.take(), prepared.rejects.take());
    let rejects = Rejects::new(rejects, progress.sink());
    let job = Job {
        request,
        prepared: &prepared,
        place: &place,
        rejects: rejects.clone(),
        progress,
        stop: &stop,
        writes: AtomicBool::new(false),
    };
    let mut kept = match state {
        Some((state, begin)) if !dry_run => {
            let taken = stop.grant(GRACE, state.take(begin, job.way())).await;
            let late = |why| Err(Failure::Stopped(format!("{why} before anything was written")));
            match taken.unwrap_or_else(late) {
                Ok(kept) => Some(kept),
                Err(failure) => {
                    // Nothing was rejected yet, so this removes the reject file.
                    let _ = rejects.finish(false, &stop).await;
                    return Err(failure);
                }
            }
        }
        _ => None,
    };
    if !dry_run {
        progress.plan(&plan);
    }
    let imported = job.run(dry_run, &plan, &mut kept).await;
    let finished = rejects.finish(imported.is_ok(), &stop).await;
    let imported = match (imported, finished) {
        (imported, Ok(())) => imported,
        (Ok(_), Err(unwritten)) => Err(unwritten.saying(done::ALL)),
        (Err(failure), Err(unwritten)) => Err(failure.saying(&unwritten.to_string())),
    };
    let ended = match (imported, kept) {
        (Ok(imported), Some(kept)) => {
            kept.done().await.map(|()| imported).map_err(|failure| failure.saying(done::ALL))
        }
        (Err(failure), Some(kept)) => Err(kept.give_up(failure).await),
        (imported, None) => imported,
    };
    ended.map_err(|failure| if job.writes.load(Relaxed) { failure } else { failure.before_writing() })
}

/// One import.
struct Job<'a> {
    request: &'a ImportRequest,
    prepared: &'a Prepared,
    place: &'a ClusterChoice,
    rejects: Rejects,
    progress: &'a Progress,
    stop: &'a Stop,
    /// Whether it has begun to write.
    writes: AtomicBool,
}

impl Job<'_> {
    /// How this run works: credentials, workers, rate, tool.
    fn way(&self) -> Run {
        let caller = self.prepared.clients.identity.caller();
        Run {
            account: caller.map(|caller| caller.account.clone()),
            caller: caller.map(|caller| caller.arn.clone()),
            workers: self.prepared.workers,
            rate: self.prepared.limits.table,
            rate_source: self.prepared.rate_source.clone(),
            tool: format!("tablehaul {}", env!("CARGO_PKG_VERSION")),
        }
    }

    async fn run(
        &self,
        dry_run: bool,
        plan: &str,
        kept: &mut Option<OpenState>,
    ) -> Result<Imported, Failure> {
        let started = Instant::now();
        let mut checking = Duration::ZERO;
        // Progress exists only if the check passed before.
        let is_checked = kept.as_ref().is_some_and(|kept| kept.state.has_anything());
        if dry_run || self.request.check == Check::All && !is_checked {
            let checked = self.check(dry_run, kept).await?;
            if dry_run {
                return Ok(Imported::Planned(format!("{plan}\n{checked}")));
            }
            self.progress.plan(&checked);
            self.rejects.restart().await.map_err(|fault| Failure::refused(&fault))?;
            checking = started.elapsed();
        }
        let started = Instant::now();
        let report = self.write(checking, started, kept).await?;
        self.progress.report(&report);
        Ok(Imported::Done(Box::new(report)))
    }

    /// Reads every line and writes nothing. Returns the result as text.
    async fn check(&self, dry_run: bool, kept: &mut Option<OpenState>) -> Result<String, Failure> {
        self.rejects.begin(if dry_run { self.request.max_rejects } else { 0 }, true);
        let (schedule, outcome) = self.pass(WriteMode::Check, kept).await?;
        outcome.and_then(|()| self.count(&schedule)).map_err(before_writing)?;
        let work = schedule.work();
        let (mut counts, rejected) = (work.counts(), work.rejected());
        if self.request.mode == WriteMode::Delete {
            counts = counts.of_removals();
        }
        if let Some(kept) = kept {
            let checked = Checked { counts, rejected };
            kept.state.checked = Some(checked);
            kept.journal.note([Fact::Checked(checked)]);
        }
        let Prepared { facts, limits, .. } = self.prepared;
        Ok(CheckedText { counts, rejected, facts, limits }.to_string())
    }

    async fn write(
        &self,
        checking: Duration,
        started: Instant,
        kept: &mut Option<OpenState>,
    ) -> Result<ImportReport, Failure> {
        let has_earlier_runs = kept.as_ref().is_some_and(|kept| kept.has_earlier_runs);
        // Earlier runs may have written items.
        self.writes.store(has_earlier_runs, Relaxed);
        let checked = self.check_table().await;
        checked.map_err(|failure| if has_earlier_runs { failure } else { before_writing(failure) })?;
        self.rejects.begin(self.request.max_rejects, false);
        if let Some(kept) = kept {
            self.recall_rejects(&kept.state).map_err(|fault| Failure::failed(&fault))?;
        }
        self.writes.store(true, Relaxed);
        let (schedule, outcome) = self.pass(self.request.mode, kept).await?;
        let totals = kept.as_ref().map(|kept| kept.journal.totals());
        let report = ImportReport::new(self.prepared, &schedule, totals, checking, started.elapsed());
        let outcome = match outcome.and_then(|()| self.count(&schedule)) {
            Ok(()) => match self.check_table().await {
                // Everything is written, and the table was the same a minute ago at most.
                Err(Failure::Failed(why)) => {
                    self.progress.note(&format!("note        {why}"));
                    Ok(())
                }
                checked => checked,
            },
            failed => failed,
        };
        match outcome {
            Ok(()) => Ok(report),
            Err(failure) => {
                let done = Done {
                    mode: self.request.mode,
                    is_incremental: self.prepared.backup.is_incremental,
                    counts: schedule.work().counts(),
                    may_be_more: schedule.work().has_begun() || has_earlier_runs,
                    is_kept: kept.is_some(),
                };
                Err(done.after(failure))
            }
        }
    }

    fn table(&self) -> TableIdentity {
        TableIdentity::new(&self.prepared.table, &self.prepared.facts)
    }

    /// Makes sure that the table is still the one that the import began with.
    async fn check_table(&self) -> Result<(), Failure> {
        let table = self.table();
        let found = tokio::select! {
            found = table.look(&self.prepared.clients) => found,
            why = self.stop.requested() => return Err(Failure::Stopped(why.into())),
        };
        match found {
            Ok(Found::Same) => Ok(()),
            Ok(Found::Gone(why) | Found::Another(why)) => Err(Failure::OtherTable(why)),
            Err(fault) => Err(Failure::Failed(format!("the table's identity could not be checked: {fault}"))),
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
            Some(items) if items != lines => Err(Failure::Failed(format!(
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
        &self,
        mode: WriteMode,
        kept: &mut Option<OpenState>,
    ) -> Result<(Schedule<ImportWork>, Result<(), Failure>), Failure> {
        let Self { request, prepared, place, progress, .. } = *self;
        let server = ControlPlane::start(place.listen()).await;
        let server = server.map_err(|error| Failure::Failed(format!("{error:#}")))?;
        let verb = if mode == WriteMode::Check { "check" } else { "import" };
        let name = format!("tablehaul {verb} {}", prepared.facts.name);
        let mut work = ImportWork::new(prepared.settings(mode), prepared.splits.clone(), request.max_rejects);
        if let Some(kept) = kept {
            work = work.with(kept.state.clone());
        }
        let snapshots = watch::Sender::new(Snapshot::before(Pass {
            table: prepared.facts.name.clone(),
            phase: if mode == WriteMode::Check { Phase::Checking } else { Phase::Writing },
            expected_items: prepared.backup.items.filter(|&items| items > 0),
        }));
        let driver = Driver {
            plane: server,
            cluster: place.cluster(name, progress.sink()),
            effects: self.rejects.clone(),
            clients: prepared.clients.clone(),
            table: self.table(),
            journal: kept.as_mut().map(|kept| &mut kept.journal),
            limits: (mode != WriteMode::Check).then(|| follow(request.rate)),
            note: progress.sink(),
            snapshots: &snapshots,
        };
        // Boxed because the future of a pass is large.
        let pass = Box::pin(driver.run(work, prepared.limits.clone(), prepared.workers, self.stop));
        let mut done = progress.show(&snapshots, pass).await;
        if let Err(failure) = done.1 {
            done.1 = Err(self.table().explain(&prepared.clients, failure).await);
        }
        if let (Some(kept), Some(state)) = (kept, done.0.work().state()) {
            kept.state = state.clone();
        }
        Ok(done)
    }
}

/// The limits follow changes of the capacity of the table and its indexes.
fn follow<'a>(rate: RateSpec) -> LimitsOf<'a> {
    Box::new(move |facts| facts.write_limits(rate).0)
}

/// The failure as one before the first write.
fn before_writing(failure: Failure) -> Failure {
    match failure {
        Failure::Failed(why) => Failure::Refused(why),
        failure @ (Failure::OtherTable(_) | Failure::Stopped(_)) => failure.saying("nothing was written"),
        failure => failure,
    }
}

impl Effects<ImportWork> for Rejects {
    fn perform(&mut self, _: &ImportWork, action: ImportAction) -> Call<Infallible> {
        let ImportAction::Reject(object, rejects) = action;
        let (noted, write) = (self.note(&object, &rejects), self.write());
        Box::pin(async move {
            noted?;
            write.await?;
            Ok(None)
        })
    }
}
