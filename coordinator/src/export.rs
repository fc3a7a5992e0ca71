//! The export command: one job for each table, one after the other. A shell.

mod segments;
mod work;

use jiff::Timestamp;
use job::{
    export_json::{self, ExportJson, PartFile, Settings},
    ids::JobId,
    layout,
    spec::{ExportSettings, RateSpec},
};
use job_aws::{Clients, FaultKind};
use tokio_util::sync::CancellationToken;

use crate::{
    claim::Claim,
    cluster::Place,
    commit,
    driver::{Call, Driver, Hands, LimitsOf},
    failure::Failure,
    pace::Limits,
    preflight::{ExportRequest, Prepared, prepare, worker_binary},
    progress::{Phase, Progress},
    report::{Report, Times},
    retry::retried,
    schedule::Schedule,
    server::ControlPlane,
    store::Store,
};
pub(crate) use work::{ExportAction, ExportWork, Opened};

/// How long an export that was stopped may take to leave no trace.
const ABANDON_LIMIT: std::time::Duration = std::time::Duration::from_secs(3);

/// What came of a command.
pub enum Outcome {
    /// The plans, in words: nothing was done.
    Planned(Vec<String>),
    /// A report for each table.
    Exported(Vec<Report>),
}

/// Plans, and unless `dry_run` exports, every table of the request.
///
/// # Errors
/// See [`Failure`].
pub async fn export(
    request: &ExportRequest,
    dry_run: bool,
    progress: &Progress,
    stop: &CancellationToken,
) -> Result<Outcome, Failure> {
    let worker = worker_binary()?;
    let preparing = async {
        let place = Place::choose(&request.cluster, worker, &request.destination).await?;
        let (clients, prepared) = prepare(request, &place).await?;
        Ok((place, clients, prepared))
    };
    let prepared = tokio::select! {
        prepared = preparing => prepared,
        () = stop.cancelled() => Err(Failure::Stopped("stopped by a signal before anything was written".into())),
    };
    let (place, clients, prepared) = prepared?;
    if dry_run {
        let texts = prepared.iter().map(|one| one.text(request.wishes, &place)).collect();
        return Ok(Outcome::Planned(texts));
    }
    let mut reports = Vec::new();
    for one in prepared {
        let exported = export_table(request, &one, &clients, &place, progress, stop).await;
        let report = exported.map_err(|failure| failure.after(reports.len()))?;
        progress.report(&report);
        reports.push(report);
    }
    Ok(Outcome::Exported(reports))
}

async fn export_table(
    request: &ExportRequest,
    prepared: &Prepared,
    clients: &Clients,
    place: &Place,
    progress: &Progress,
    stop: &CancellationToken,
) -> Result<Report, Failure> {
    let job = JobId(uuid::Uuid::new_v4().to_string());
    let started_at = Timestamp::now();
    let started = std::time::Instant::now();
    claim(prepared, &job, started_at).await?;
    progress.plan(&prepared.text(request.wishes, place));
    let server = match ControlPlane::start(place.listen()).await {
        Ok(server) => server,
        Err(error) => return abandon(prepared, &[], Failure::Failed(format!("{error:#}"))).await,
    };
    let driver = Driver {
        plane: server,
        cluster: place.cluster(format!("tablehaul export {}", prepared.facts.name), progress.sink()),
        hands: FolderHands(prepared.store.clone()),
        clients: clients.clone(),
        table: prepared.table.clone(),
        limits: follow(request.rate),
        progress,
    };
    progress.start(&prepared.facts.name, prepared.facts.items, Phase::Reading);
    let work = ExportWork::new(job.clone(), settings(request, prepared));
    let limits = Limits::table(prepared.rate);
    let (schedule, outcome) = driver.run(work, limits, prepared.plan.workers, stop).await;
    progress.stop();
    let read_for = started.elapsed();
    if let Err(failure) = outcome {
        return abandon(prepared, schedule.work().files(), failure).await;
    }
    let committed = commit_or_stop(request, prepared, &schedule, &job, started_at, stop).await;
    match committed {
        Ok(export) => {
            let times = Times { read: read_for, total: started.elapsed() };
            Ok(Report::new(&export, &schedule, prepared.target.to_string(), times))
        }
        Err(failure) => abandon(prepared, schedule.work().files(), failure).await,
    }
}

fn settings(request: &ExportRequest, prepared: &Prepared) -> ExportSettings {
    let plan = &prepared.plan;
    ExportSettings {
        table: prepared.table.clone(),
        consistent: request.wishes.consistent,
        total_segments: plan.segments,
        target: prepared.target.clone(),
        compression: request.wishes.compression,
        upload_part_bytes: plan.upload_part_bytes,
        part_file_bytes: plan.part_file_bytes,
        mean_item_bytes: prepared.facts.mean_item_bytes(),
        aws: request.aws.clone(),
    }
}

/// A share of the table's capacity follows what the table has; an absolute rate does not.
fn follow<'a>(rate: RateSpec) -> Option<LimitsOf<'a>> {
    match rate {
        RateSpec::Units(_) => None,
        RateSpec::MilliPercent(_) => Some(Box::new(move |facts| Limits::table(facts.read_rate(rate).0))),
    }
}

/// Opens and fences the part files of a folder.
struct FolderHands(Store);

impl Hands<ExportWork> for FolderHands {
    fn perform(&mut self, work: &ExportWork, action: ExportAction) -> Call<Opened> {
        let store = self.0.clone();
        match action {
            ExportAction::OpenFile(file, name) => Box::pin(async move {
                let upload_id = retried(|| store.open(&name)).await?;
                Ok(Some(Opened(file, upload_id)))
            }),
            ExportAction::Fence(file) => {
                let file = work.files().get(file.0 as usize).cloned();
                Box::pin(async move {
                    if let Some(file) = file {
                        store.fence(file).await?;
                    }
                    Ok(None)
                })
            }
        }
    }
}

/// Takes the folder for this job: of two jobs at once only one can.
async fn claim(prepared: &Prepared, job: &JobId, started_at: Timestamp) -> Result<(), Failure> {
    let claim = Claim::new(job, &prepared.facts.name, started_at, tool()).bytes();
    let created = prepared.store.create(layout::CLAIM, claim.clone()).await;
    let Err(fault) = created else { return Ok(()) };
    if fault.kind != FaultKind::PreconditionFailed {
        prepared.store.tidy();
        return Err(Failure::refused(&fault));
    }
    // A claim whose reply was lost and which was sent again finds itself there.
    match prepared.store.get(layout::CLAIM).await {
        Ok(there) if there == claim => Ok(()),
        _ => Err(Failure::Refused(format!("another export into {} has just begun", prepared.target))),
    }
}

async fn commit_or_stop(
    request: &ExportRequest,
    prepared: &Prepared,
    schedule: &Schedule<ExportWork>,
    job: &JobId,
    started_at: Timestamp,
    stop: &CancellationToken,
) -> Result<ExportJson, Failure> {
    let failed = |fault| Failure::failed(&fault);
    tokio::select! {
        completed = commit::complete_files(&prepared.store, schedule.work().files()) => completed.map_err(failed)?,
        () = stop.cancelled() => return Err(Failure::Stopped("stopped by a signal".into())),
    }
    let export = export_json(request, prepared, schedule, job, started_at);
    if export.items != schedule.work().sealed_items() {
        let sealed = schedule.work().sealed_items();
        let why = format!("internal error: files hold {} items, segments gave {sealed}", export.items);
        return Err(Failure::Failed(why));
    }
    // From here on a signal comes too late: the backup is whole.
    commit::publish(&prepared.store, &prepared.target, &export).await.map_err(failed)?;
    Ok(export)
}

fn export_json(
    request: &ExportRequest,
    prepared: &Prepared,
    schedule: &Schedule<ExportWork>,
    job: &JobId,
    started_at: Timestamp,
) -> ExportJson {
    let with_items = schedule.work().files().iter().filter(|file| !file.parts.is_empty());
    let files: Vec<PartFile> = with_items.map(crate::files::PartFile::recorded).collect();
    let stats = schedule.stats();
    ExportJson {
        version: export_json::VERSION,
        tool: tool(),
        job: job.clone(),
        started_at: started_at.to_string(),
        finished_at: Timestamp::now().to_string(),
        keys: prepared.facts.keys.clone(),
        compression: request.wishes.compression,
        settings: Settings {
            consistent: request.wishes.consistent,
            segments: prepared.plan.segments.get(),
            workers: prepared.plan.workers,
            read_units_per_second: prepared.rate.as_f64(),
            rate_source: prepared.rate_source.clone(),
        },
        items: files.iter().map(|file| file.items).sum(),
        bytes: files.iter().map(|file| file.bytes).sum(),
        line_bytes: schedule.work().files().iter().map(crate::files::PartFile::line_bytes).sum(),
        read_units: stats.consumed.as_f64(),
        files,
        table: prepared.facts.description.clone(),
    }
}

fn tool() -> String {
    format!("tablehaul {}", env!("CARGO_PKG_VERSION"))
}

/// Leaves nothing of a job that did not succeed, and gives the reason on.
async fn abandon<T>(
    prepared: &Prepared,
    files: &[crate::files::PartFile],
    failure: Failure,
) -> Result<T, Failure> {
    let cleaned = tokio::time::timeout(ABANDON_LIMIT, commit::abandon(&prepared.store, files)).await;
    let left = match cleaned {
        Ok(Ok(())) => return Err(failure),
        Ok(Err(fault)) => fault.message,
        Err(_) => format!("that took longer than {} s", ABANDON_LIMIT.as_secs()),
    };
    let more = |why: String| format!("{why}; {} could not be cleaned up: {left}", prepared.target);
    Err(match failure {
        Failure::Refused(why) => Failure::Refused(more(why)),
        Failure::Failed(why) => Failure::Failed(more(why)),
        Failure::Stopped(why) => Failure::Stopped(more(why)),
    })
}
