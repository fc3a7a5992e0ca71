//! The export command: one job for each table, one after the other.

#[cfg(feature = "emr")]
mod elsewhere;
mod finish;
mod plan;
mod prepare;
mod report;
mod resume;

use std::time::{Duration, Instant};

use engine::{
    export::{ExportAction, ExportEvent, ExportState, ExportWork},
    rate::Limits,
    replay::State,
    schedule::Schedule,
};
use jiff::Timestamp;
use job::{
    ids::JobId,
    journal::{Begin, Fact, Run},
    spec::{ExportSettings, RateSpec},
};
use job_aws::Clients;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::{
    access,
    cluster::{ClusterChoice, worker_binary},
    commands::clean,
    commit::{self, Marks},
    driver::{Call, Driver, Effects, LimitsOf},
    failure::Failure,
    folder_contents,
    identity::TableIdentity,
    journal::Journal,
    progress::Progress,
    retry::retry,
    server::ControlPlane,
    snapshot::{Pass, Phase, Snapshot},
    stop::Stop,
    store::Store,
    waits::unless_silent,
    whole::Whole,
};
#[cfg(feature = "emr")]
pub(crate) use elsewhere::plan_elsewhere;
use finish::{Finish, Read};
pub(crate) use plan::ExportOptions;
pub(crate) use prepare::{ExportRequest, IfComplete};
use prepare::{Prepared, Reader, StartMode, prepare};
use report::Report;

/// How long acquiring a folder may still take after a request to stop: less than the 5 seconds within which the command
/// must end.
const GRACE: Duration = Duration::from_secs(3);

/// The result of the command.
pub(crate) enum Outcome {
    /// The plans as text. Nothing was done.
    Planned(Vec<String>),
    /// A report for each table that was not complete before.
    Exported(Vec<Report>),
}

/// Plans every table of the request, and exports it unless `dry_run` is set.
///
/// # Errors
/// See [`Failure`].
pub(crate) async fn export(
    request: &ExportRequest,
    dry_run: bool,
    progress: &Progress,
    stop: &CancellationToken,
) -> Result<Outcome, Failure> {
    let worker = worker_binary()?;
    let stop = Stop::new(stop, request.deadline);
    let note = |text: &str| progress.note(text);
    let preparing = async {
        let place = ClusterChoice::choose(&request.cluster, worker, &request.destination).await?;
        let room = place.worker_slots().await?;
        let reader = Reader::ThisProcess;
        let (clients, prepared) = prepare(request, room, reader, (!dry_run).then_some(&note)).await?;
        Ok((place, clients, prepared))
    };
    let prepared = tokio::select! {
        prepared = unless_silent(preparing) => prepared,
        why = stop.requested() => Err(Failure::Stopped(format!("{why} before anything was written"))),
    };
    let (place, clients, prepared) = prepared?;
    if dry_run {
        let texts = prepared.iter().map(|one| one.text(request.wishes, place.text())).collect();
        return Ok(Outcome::Planned(texts));
    }
    let mut reports = Vec::new();
    for mut one in prepared {
        if let StartMode::AlreadyComplete(text) = &one.ground {
            progress.note(&format!("{text}: nothing to do"));
            clean::tidy(&one.store, progress).await;
            continue;
        }
        let plan = one.text(request.wishes, place.text());
        let ground = std::mem::replace(&mut one.ground, StartMode::Fresh);
        let job = Job { request, prepared: &one, clients: &clients, place: &place, progress, stop: &stop };
        // Boxed because the future of a job is large.
        let exported = Box::pin(job.run(ground, &plan)).await;
        let report = exported.map_err(|failure| failure.after(reports.len()))?;
        progress.report(&report);
        reports.push(report);
    }
    Ok(Outcome::Exported(reports))
}

/// The export of one table.
struct Job<'a> {
    request: &'a ExportRequest,
    prepared: &'a Prepared,
    clients: &'a Clients,
    place: &'a ClusterChoice,
    progress: &'a Progress,
    stop: &'a Stop,
}

/// A job whose folder this process has acquired.
struct OpenedJob {
    journal: Journal,
    state: ExportState,
    /// The time at which the commit began, if only completing the files is left.
    commit: Option<String>,
    /// How the table is read, if it is.
    run: Run,
}

impl Job<'_> {
    async fn run(&self, ground: StartMode, plan: &str) -> Result<Report, Failure> {
        let started = Instant::now();
        let Self { prepared, clients, progress, stop, .. } = self;
        let taken = stop.grant(GRACE, self.take(ground)).await;
        let OpenedJob { mut journal, state, commit, run } = taken.unwrap_or_else(|why| {
            let place = prepared.store.place();
            Err(Failure::Stopped(format!(
                "{why} while locking {place}; run the same command again to resume"
            )))
        })?;
        info!(
            job = %state.begin.job,
            table = prepared.facts.name,
            sealed_items = state.sealed_items(),
            has_begun_to_commit = commit.is_some(),
            workers = run.workers,
            "export begun or resumed"
        );
        progress.plan(plan);
        let table = TableIdentity::new(&prepared.table, &prepared.facts);
        let finish = Finish { target: &prepared.target, clients, table: &table, progress, stop, started };
        if state.tasks().0 == state.tasks().1 {
            let read = Read { state: &state, slowest: None, rate: run.rate, outcome: Ok(()) };
            return finish.finish(&mut journal, read, commit, &run).await;
        }
        let (schedule, outcome) = match self.read(&mut journal, state, &table).await {
            Ok(read) => read,
            Err((state, failure)) => return Err(finish.give_up(&mut journal, &state, failure).await),
        };
        let outcome = match outcome {
            Err(failure) => Err(table.explain(clients, failure).await),
            outcome => outcome,
        };
        let (work, rate) = (schedule.work(), schedule.rate());
        let read = Read { state: work.state(), slowest: work.slowest(), rate, outcome };
        finish.finish(&mut journal, read, commit, &run).await
    }

    /// Acquires the folder for this job. Of two jobs at once only one succeeds.
    async fn take(&self, ground: StartMode) -> Result<OpenedJob, Failure> {
        let Self { request, prepared, clients, .. } = self;
        let (store, plan) = (&prepared.store, &prepared.plan);
        let caller = clients.identity.caller();
        let run = Run {
            account: caller.map(|caller| caller.account.clone()),
            caller: caller.map(|caller| caller.arn.clone()),
            workers: plan.workers,
            rate: prepared.rate,
            rate_source: prepared.rate_source.clone(),
            tool: tool(),
        };
        let begin = || {
            let job = JobId::from_u128(uuid::Uuid::new_v4().as_u128());
            let (now, settings) = (Timestamp::now().to_string(), prepared.settings.clone());
            resume::begin(job, &prepared.facts, request.wishes, plan.segments, now, settings)
        };
        let fresh = |journal, begin| OpenedJob {
            journal,
            state: ExportState::new(begin, store.is_on_file_system()),
            commit: None,
            run: run.clone(),
        };
        match ground {
            StartMode::Resume(journaled) => {
                let facts = vec![Fact::Run(run.clone())];
                let mut journal = Journal::take(store, Some(&journaled), facts, run.clone()).await?;
                let State::Export(mut state) = journaled.state else { return Err(not_an_export()) };
                if journaled.commit.is_none() {
                    let fenced = fence(journal.folder(), &mut state).await;
                    let advise = |fault| resume::advised(Failure::failed(&fault), &store.place());
                    journal.note(fenced.map_err(advise)?);
                }
                let run = journaled.run.filter(|_| journaled.commit.is_some()).unwrap_or(run);
                Ok(OpenedJob { journal, state: *state, commit: journaled.commit, run })
            }
            StartMode::Restart(journaled) => {
                clean::check_removable(store, &journaled).await?;
                let mut journal = Journal::take_to_remove(store, &journaled, run.clone()).await?;
                let State::Export(state) = &journaled.state else { return Err(not_an_export()) };
                let marks = Marks::journaled(store, &journaled);
                let discarded = commit::discard(journal.folder(), state, marks.as_ref(), self.progress).await;
                discarded.map_err(|fault| Failure::failed(&fault))?;
                let begin = begin();
                journal.begin_anew(Fact::Begin(Box::new(begin.clone()))).await?;
                Ok(fresh(journal, begin))
            }
            StartMode::Fresh | StartMode::AlreadyComplete(_) => {
                let begin = begin();
                let facts = vec![Fact::Begin(Box::new(begin.clone())), Fact::Run(run.clone())];
                let mut journal = Journal::take(store, None, facts, run.clone()).await?;
                step_back_if_complete(&mut journal, store, begin.clone()).await?;
                Ok(fresh(journal, begin))
            }
        }
    }

    /// Reads the table until every segment is done.
    async fn read(
        &self,
        journal: &mut Journal,
        state: ExportState,
        table: &TableIdentity,
    ) -> Result<(Schedule<ExportWork>, Result<(), Failure>), (ExportState, Failure)> {
        let Self { request, prepared, clients, place, progress, stop } = *self;
        let server = match ControlPlane::start(place.listen()).await {
            Ok(server) => server,
            Err(error) => return Err((state, Failure::Failed(format!("{error:#}")))),
        };
        let left = prepared.facts.items.saturating_sub(state.sealed_items());
        let snapshots = watch::Sender::new(Snapshot::before(Pass {
            table: prepared.facts.name.clone(),
            phase: Phase::Reading,
            expected_items: (left > 0).then_some(left),
        }));
        let driver = Driver {
            plane: server,
            cluster: place.cluster(format!("tablehaul export {}", prepared.facts.name), progress.sink()),
            effects: FolderHands(journal.folder().clone()),
            clients: clients.clone(),
            table: table.clone(),
            limits: follow(request.rate),
            journal: Some(journal),
            note: progress.sink(),
            snapshots: &snapshots,
        };
        let settings = settings(request, prepared, clients, &state.begin);
        let work = ExportWork::new(state, settings);
        let limits = Limits::table(prepared.rate);
        // Boxed because the future of a pass is large.
        let read = Box::pin(driver.run(work, limits, prepared.plan.workers, stop));
        Ok(progress.show(&snapshots, read).await)
    }
}

/// Not reached: a folder with another kind of job is refused before.
fn not_an_export() -> Failure {
    Failure::Failed("internal error: the journal is not one of an export".into())
}

/// Ends this job, without touching the folder's backup, if another job has completed there. That happens if the folder
/// was empty when this job looked, and the other job began, completed and removed its journal before this job acquired
/// the folder.
async fn step_back_if_complete(journal: &mut Journal, store: &Store, begin: Begin) -> Result<(), Failure> {
    let what = match folder_contents::marked(store).await? {
        Some(Whole::Complete(complete)) => complete.text,
        Some(Whole::Damaged(damaged)) => damaged.text,
        None => return Ok(()),
    };
    // This removes our own journal. It has the first number, because no journal of another job was left.
    journal.remove(&[Fact::Begin(Box::new(begin)), Fact::Abandoned]).await?;
    Err(Failure::Refused(format!("another job has just written {what} in {}", store.place())))
}

/// Makes sure that workers of earlier runs can't write to the files of the export any more.
async fn fence(store: &Store, state: &mut ExportState) -> Result<Vec<Fact>, job_aws::Fault> {
    let open = state.files().iter().filter(|file| file.needs_fence());
    let open: Vec<_> = open.cloned().collect();
    commit::fence(store, open.iter()).await?;
    let fenced = open.iter().map(|file| Fact::Fenced(file.id));
    let facts: Vec<Fact> = fenced.collect();
    for fact in facts.clone() {
        state.replay(fact).map_err(|why| job_aws::Fault::new(job_aws::FaultKind::Refused, why))?;
    }
    Ok(facts)
}

/// The program and its version.
fn tool() -> String {
    format!("tablehaul {}", env!("CARGO_PKG_VERSION"))
}

fn settings(
    request: &ExportRequest,
    prepared: &Prepared,
    clients: &Clients,
    begin: &Begin,
) -> ExportSettings {
    let plan = &prepared.plan;
    ExportSettings {
        table: prepared.table.clone(),
        consistent: request.wishes.consistent,
        total_segments: plan.segments,
        target: prepared.target.clone(),
        format: begin.format,
        compression: begin.compression,
        null: begin.null,
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
struct FolderHands(Store);

impl Effects<ExportWork> for FolderHands {
    fn perform(&mut self, work: &ExportWork, action: ExportAction) -> Call<ExportEvent> {
        let store = self.0.clone();
        match action {
            ExportAction::OpenFile(file, name) => Box::pin(async move {
                let upload_id = retry(|| store.open(&name)).await?;
                Ok(Some(ExportEvent::Opened(file, upload_id)))
            }),
            ExportAction::Fence(file) => {
                let part_file = work.state().files().get(file.0 as usize).cloned();
                Box::pin(async move {
                    if let Some(part_file) = part_file {
                        store.fence(part_file).await?;
                    }
                    Ok(Some(ExportEvent::Fenced(file)))
                })
            }
        }
    }
}
