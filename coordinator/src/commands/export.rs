//! The export command: one job for each table, one after the other.

mod finish;
mod job_events;
mod plan;
mod prepare;
#[cfg(feature = "emr")]
mod remote_plan;
mod report;
mod resume;

use std::time::Instant;

use engine::{
    export::{ExportAction, ExportEvent, ExportState, ExportWork},
    rate::Limits,
    replay::State,
    schedule::Schedule,
};
use events::{Event, Phase, Plan};
use jiff::Timestamp;
use job::{
    ids::JobId,
    journal::{Begin, Fact, Run},
    spec::{ExportSettings, RateSpec},
};
use job_aws::{Clients, Fault, Policy};
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::{
    aws::{access, identity::TableIdentity},
    cluster::{ClusterChoice, fleet::Fleet},
    commands::clean,
    driver::{Call, Effects, LimitsOf},
    failure::Failure,
    jobs::{
        commit,
        completeness::Whole,
        folder_contents, history,
        lifecycle::{
            self, ACQUIRE_GRACE, Context, EarlierRuns, OpenedJob, PassPlan, Start, acquire, give_up,
        },
        outcome::JobOutcome,
    },
    journal::Journal,
    output::progress::Progress,
    stop::Stop,
    store::Store,
};
use finish::Finish;
pub(crate) use plan::ExportOptions;
pub(crate) use prepare::{ExportRequest, IfComplete};
use prepare::{PreparedExport, Reader, Todo, prepare};
#[cfg(feature = "emr")]
pub(crate) use remote_plan::plan_remote;
pub(crate) use report::Report;

/// Plans every table of the request, and exports it unless `dry_run` is set. Returns a report for each table that was
/// not complete before.
///
/// # Errors
/// See [`Failure`].
pub(crate) async fn export(
    request: &ExportRequest,
    dry_run: bool,
    progress: &Progress,
    stop: &CancellationToken,
) -> Result<JobOutcome<Vec<Report>>, Failure> {
    let stop = Stop::new(stop, request.deadline);
    let note = |text: &str| progress.note(text);
    let prepare = async |cluster: &ClusterChoice| {
        let slots = cluster.worker_slots().await?;
        prepare(request, slots, Reader::ThisProcess, (!dry_run).then_some(&note)).await
    };
    let (cluster, (clients, tables)) =
        lifecycle::prepare(&request.cluster, &request.destination, &stop, prepare).await?;
    let count = tables.len();
    if dry_run {
        let plan = |(number, (todo, prepared)): (usize, &(Todo, PreparedExport))| {
            let text = prepared.text(todo, request.options, cluster.text());
            let plan = prepared.event(&clients, cluster.text(), &text, (number, count));
            progress.stream().publish(Event::Plan(Box::new(Plan { is_dry_run: true, ..plan })));
            text
        };
        let texts: Vec<String> = tables.iter().enumerate().map(plan).collect();
        return Ok(JobOutcome::Planned(texts.join("\n\n")));
    }
    let mut reports = Vec::new();
    for (number, (todo, prepared)) in tables.into_iter().enumerate() {
        let plan = prepared.text(&todo, request.options, cluster.text());
        let planned = prepared.event(&clients, cluster.text(), &plan, (number, count));
        let publish = |job| progress.stream().publish(Event::Plan(Box::new(Plan { job, ..planned })));
        let (start, job) = match todo {
            Todo::Export(start) => {
                let job = start.job();
                publish(Some(job.to_string()));
                (start, job)
            }
            Todo::Nothing(text) => {
                publish(None);
                progress.note(&format!("{text}: nothing to do"));
                clean::remove_leftovers(&prepared.store, progress).await;
                continue;
            }
        };
        let table = TableIdentity::new(&prepared.table, &prepared.facts);
        let (facts, clients, cluster, stop) = (&prepared.facts, &clients, &cluster, &stop);
        let context = Context { clients, table: &table, facts, cluster, progress, stop };
        let export = TableExport { request, prepared: &prepared, job, context };
        // Boxed because the future of a job is large.
        let exported = Box::pin(export.run(start, &plan)).await;
        let report = exported.map_err(|failure| failure.after(reports.len()))?;
        progress.report(&report);
        reports.push(report);
    }
    Ok(JobOutcome::Done(reports))
}

/// The export of one table.
struct TableExport<'a> {
    request: &'a ExportRequest,
    prepared: &'a PreparedExport,
    /// The job: that of the export that is resumed, or a new one.
    job: JobId,
    context: Context<'a>,
}

/// An export whose folder this process has acquired.
struct OpenedExport {
    journal: Journal,
    state: ExportState,
    /// The time at which the commit began (RFC 3339), if only completing the files is left.
    committed_at: Option<String>,
    /// How the table is read, or was if it is read completely.
    run: Run,
}

impl TableExport<'_> {
    async fn run(&self, start: Start, plan: &str) -> Result<Report, Failure> {
        let started = Instant::now();
        let (prepared, context) = (self.prepared, self.context);
        let opened = context.stop.grant(ACQUIRE_GRACE, self.open(start)).await;
        let opened = opened.unwrap_or_else(|why| {
            let folder = prepared.store.display();
            Err(Failure::stopped(format!(
                "{why} while locking {folder}; run the same command again to resume"
            )))
        });
        let OpenedExport { mut journal, state, committed_at, run } = opened?;
        info!(
            job = %state.begin.job,
            table = prepared.facts.name,
            sealed_items = state.sealed_items(),
            has_begun_to_commit = committed_at.is_some(),
            workers = run.workers,
            "export begun or resumed"
        );
        context.progress.plan(plan);
        if state.tasks().0 == state.tasks().1 {
            let finish = Finish { target: &prepared.target, context, started, state: &state };
            return finish.finish(&mut journal, committed_at, &run, None, run.rate, None).await;
        }
        let mut fleet = match context.fleet("export").await {
            Ok(fleet) => fleet,
            Err(failure) => {
                let finish = Finish { target: &prepared.target, context, started, state: &state };
                return Err(give_up(&finish, &mut journal, context.progress, failure).await);
            }
        };
        let (schedule, outcome) = self.read(&mut fleet, &mut journal, state).await;
        let work = schedule.work();
        let finish = Finish { target: &prepared.target, context, started, state: work.state() };
        match outcome {
            Ok(()) => {
                fleet.end_unless_watched(context.stop).await;
                let (slowest, rate, fleet) = (work.slowest(), schedule.rate(), Some(&mut fleet));
                finish.finish(&mut journal, committed_at, &run, slowest, rate, fleet).await
            }
            Err(failure) => Err(give_up(&finish, &mut journal, context.progress, failure).await),
        }
    }

    /// Acquires the folder.
    async fn open(&self, start: Start) -> Result<OpenedExport, Failure> {
        let (prepared, context) = (self.prepared, self.context);
        let (store, plan) = (&prepared.store, &prepared.plan);
        let run = lifecycle::this_run(context.clients, plan.workers, prepared.rate, &prepared.rate_source);
        let begin = || {
            let job = self.job.clone();
            let (now, settings) = (Timestamp::now().to_string(), prepared.settings.clone());
            let begin =
                resume::begin(job, &prepared.facts, self.request.options, plan.segments, now, settings);
            State::Export(Box::new(ExportState::new(begin, store.is_on_file_system())))
        };
        let was_empty = matches!(start, Start::Fresh);
        let opened = acquire(store, start, run.clone(), begin, context.progress).await?;
        let OpenedJob { mut journal, state: State::Export(mut state), earlier } = opened else {
            return Err(lifecycle::other_kind("an export"));
        };
        if was_empty {
            step_back_if_complete(&mut journal, store, &state).await?;
            history::clear(journal.folder()).await;
        }
        let (committed_at, run) = match earlier {
            Some(EarlierRuns { committed_at: Some(at), run: earlier }) => (Some(at), earlier.unwrap_or(run)),
            Some(_) => {
                let fenced = fence(journal.folder(), &mut state).await;
                let advise = |fault| resume::advised(Failure::failed(&fault), &store.display());
                journal.note(fenced.map_err(advise)?);
                (None, run)
            }
            None => (None, run),
        };
        Ok(OpenedExport { journal, state: *state, committed_at, run })
    }

    /// Reads the table until every segment is done.
    async fn read(
        &self,
        fleet: &mut Fleet,
        journal: &mut Journal,
        state: ExportState,
    ) -> (Schedule<ExportWork>, Result<(), Failure>) {
        let (request, prepared, context) = (self.request, self.prepared, self.context);
        let left = prepared.facts.items.saturating_sub(state.sealed_items());
        let pass = PassPlan {
            phase: Phase::Reading,
            expected_items: (left > 0).then_some(left),
            earlier_items: state.sealed_items(),
            effects: FolderEffects(journal.folder().clone()),
            journal: Some(journal),
            limits: Limits::table(prepared.rate),
            follow: follow(request.rate),
            workers: prepared.plan.workers,
        };
        let settings = settings(prepared, context.clients, &state.begin);
        context.pass(fleet, pass, ExportWork::new(state, settings)).await
    }
}

/// Ends this job, without touching the folder's backup, if another job has completed there. That happens if the folder
/// was empty when this job looked, and the other job began, completed and removed its journal before this job acquired
/// the folder.
async fn step_back_if_complete(
    journal: &mut Journal,
    store: &Store,
    state: &ExportState,
) -> Result<(), Failure> {
    let what = match folder_contents::marked(store).await? {
        Some(Whole::Complete(complete)) => complete.text,
        Some(Whole::Damaged(damaged)) => damaged.text,
        None => return Ok(()),
    };
    // This removes our own journal. It has the first number, because no journal of another job was left.
    journal.remove(&[state.begun(), Fact::Abandoned]).await?;
    Err(Failure::refused(format!("another job has just written {what} in {}", store.display())))
}

/// Makes sure that workers of earlier runs can't write to the files of the export any more.
async fn fence(store: &Store, state: &mut ExportState) -> Result<Vec<Fact>, Fault> {
    let open = state.files().iter().filter(|file| file.needs_fence());
    let open: Vec<_> = open.cloned().collect();
    commit::fence(store, open.iter()).await?;
    let fenced = open.iter().map(|file| Fact::Fenced(file.id));
    let facts: Vec<Fact> = fenced.collect();
    for fact in facts.clone() {
        state.replay(fact).map_err(Fault::refused)?;
    }
    Ok(facts)
}

/// The settings that workers get. What was chosen when the export began stays.
fn settings(prepared: &PreparedExport, clients: &Clients, begin: &Begin) -> ExportSettings {
    let plan = &prepared.plan;
    ExportSettings {
        table: prepared.table.clone(),
        options: begin.options,
        target: prepared.target.clone(),
        upload_part_bytes: plan.upload_part_bytes,
        part_file_bytes: plan.part_file_bytes,
        mean_item_bytes: prepared.facts.mean_item_bytes(),
        aws: clients.for_workers(access::bucket(&prepared.target)),
    }
}

/// A share of the table's capacity follows changes of that capacity. An absolute rate does not.
fn follow<'a>(rate: RateSpec) -> Option<LimitsOf<'a>> {
    match rate {
        RateSpec::Units(_) => None,
        RateSpec::MilliPercent(_) => Some(Box::new(move |facts| Limits::table(facts.read_rate(rate).0))),
    }
}

/// Opens and fences the part files of a folder.
struct FolderEffects(Store);

impl Effects<ExportWork> for FolderEffects {
    fn perform(&mut self, work: &ExportWork, action: ExportAction) -> Call<ExportEvent> {
        let store = self.0.clone();
        match action {
            ExportAction::OpenFile(file, name) => Box::pin(async move {
                let upload_id = Policy::Patient.retry(|| store.open(&name)).await?;
                Ok(Some(ExportEvent::Opened(file, upload_id)))
            }),
            ExportAction::Fence(file) => {
                let part_file = work.state().files().get(file.0 as usize).cloned();
                Box::pin(async move {
                    if let Some(part_file) = part_file {
                        store.fence(&part_file).await?;
                    }
                    Ok(Some(ExportEvent::Fenced(file)))
                })
            }
        }
    }
}

#[cfg(test)]
mod tests;
