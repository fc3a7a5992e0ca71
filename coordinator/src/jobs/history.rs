//! What the folder of a job shows to people once a run has ended: the report, and the state that it is drawn from.
//!
//! ```text
//! status of an earlier run → follow → the state of this run → history, report
//! ```
//!
//! While a job is unfinished, its status is that state; see `lifecycle/status.rs`. A complete job has a history
//! instead. Nothing depends on either: they are written as well as possible, and no failure matters. Others may put
//! files with their names in the folder, or copy another backup there, so a job replaces and removes only those that
//! say that they are of this job.

use std::time::Duration;

use events::JobState;
use job::{ids::JobId, layout};
use job_aws::{Fault, FaultKind, Policy};
use tracing::debug;

use crate::{output::progress::Progress, store::Store};

/// How long reading the status of earlier runs may take: less than acquiring a folder may after a request to stop.
const READ_LIMIT: Duration = Duration::from_secs(2);
/// How long writing the history and the report of a complete job may take.
pub(crate) const REPORT_LIMIT: Duration = Duration::from_secs(5);
/// The most bytes of a report or history that a job writes. No job wrote a longer file.
const LARGEST: u64 = 4 << 20;

/// The newest state of the job of a folder: the status if there is one, or else the history. `None` if there is
/// neither, or none that this version can use.
pub(crate) async fn newest(folder: &Store) -> Option<JobState> {
    match usable(folder, layout::STATUS).await {
        None => usable(folder, layout::HISTORY).await,
        status => status,
    }
}

/// The history of a complete job in a folder. `None` if there is none that this version can use.
pub(crate) async fn of_complete(folder: &Store) -> Option<JobState> {
    usable(folder, layout::HISTORY).await.filter(|state| state.completed.is_some())
}

/// The state in a file of a folder. `None` if there is none that this version can use.
async fn usable(folder: &Store, name: &str) -> Option<JobState> {
    let bytes = folder.get(name).await.ok()?;
    serde_json::from_slice(&bytes).ok().filter(JobState::is_usable)
}

/// The URL of the report in a folder, if there is one.
///
/// # Errors
/// Fails if the folder can't be read.
pub(crate) async fn report_in(folder: &Store) -> Result<Option<String>, Fault> {
    Ok(folder.look_up(layout::REPORT).await?.map(|_| folder.url(layout::REPORT)))
}

/// Continues what earlier runs of a job have told in its folder. If that can't be used, notes it.
pub(crate) async fn follow(folder: &Store, job: &JobId, progress: &Progress) {
    let why = match tokio::time::timeout(READ_LIMIT, folder.get(layout::STATUS)).await {
        Ok(Ok(bytes)) => match JobState::found(&bytes, job) {
            Ok(earlier) => {
                progress.stream().follow(&earlier);
                return;
            }
            Err(unusable) => unusable.to_string(),
        },
        // The earlier runs have ended before they told anything.
        Ok(Err(fault)) if fault.kind == FaultKind::NotFound => return,
        Ok(Err(fault)) => fault.message,
        Err(_) => "it could not be read in time".to_owned(),
    };
    let url = folder.url(layout::STATUS);
    progress.note(&format!("note        {url} is not used: {why}; the report tells only of this run"));
}

/// Writes the history of a complete job and its report. Tells where the report is, or why it could not be written.
pub(crate) async fn write(folder: &Store, job: &JobId, progress: &Progress, limit: Duration) {
    let state = progress.stream().state();
    let history = serde_json::to_vec(&state).unwrap_or_default();
    let writing = async {
        put(folder, layout::HISTORY, history, job).await?;
        put_report(folder, job, &state).await
    };
    note_failure(folder, progress, tokio::time::timeout(limit, writing).await);
}

/// Writes the report of a job that is not complete. Its status holds what the report is drawn from.
pub(crate) async fn write_report(folder: &Store, job: &JobId, progress: &Progress, limit: Duration) {
    let state = progress.stream().state();
    note_failure(folder, progress, tokio::time::timeout(limit, put_report(folder, job, &state)).await);
}

async fn put_report(folder: &Store, job: &JobId, state: &JobState) -> Result<(), Fault> {
    // A report without the id of its job could not be replaced or removed later.
    if !state.is_of(job) {
        return Err(Fault::new(FaultKind::Refused, "the job has told nothing yet"));
    }
    put(folder, layout::REPORT, page::report(state).into_bytes(), job).await
}

/// What became of the report.
fn note_failure(
    folder: &Store,
    progress: &Progress,
    written: Result<Result<(), Fault>, tokio::time::error::Elapsed>,
) {
    let why = match written {
        Ok(Ok(())) => {
            progress.report(&format!("report      {}", folder.url(layout::REPORT)));
            return;
        }
        Ok(Err(fault)) => fault.message,
        Err(_) => "it took too long".to_owned(),
    };
    progress.note(&format!("note        the report could not be written, which does no harm: {why}"));
}

/// Writes a file in place of the one of the same job, if there is one.
async fn put(folder: &Store, name: &str, bytes: Vec<u8>, job: &JobId) -> Result<(), Fault> {
    match read(folder, name).await? {
        Some(there) if job_of(name, &there).as_deref() == Some(&**job) => folder.replace(name, bytes).await,
        // Fails if a folder or the like has this name.
        None => folder.create(name, bytes).await,
        Some(_) => {
            let why = format!("{} is not of this job: move it elsewhere", folder.url(name));
            Err(Fault::new(FaultKind::Refused, why))
        }
    }
}

/// Removes the report and the history of a job; without `job`, those of any job. Other files with these names stay.
///
/// # Errors
/// Fails if the folder can't be read, or a file can't be removed.
pub(crate) async fn remove(folder: &Store, job: Option<&JobId>) -> Result<(), Fault> {
    for name in [layout::REPORT, layout::HISTORY] {
        let Some(there) = Policy::Patient.retry(|| read(folder, name)).await? else { continue };
        if job_of(name, &there).is_some_and(|of| job.is_none_or(|job| *of == **job)) {
            Policy::Patient.retry(|| folder.remove_same(name, &there)).await?;
            debug!(name, "removed");
        }
    }
    Ok(())
}

/// Removes what an ended job has left in a folder that holds nothing else, before another job begins there. What can't
/// be removed stays.
pub(crate) async fn clear(folder: &Store) {
    if let Err(fault) = remove(folder, None).await {
        debug!(why = fault.message, "what an ended job has left could not be removed");
    }
}

/// A file, if there is one. Cut off after [`LARGEST`] bytes.
async fn read(folder: &Store, name: &str) -> Result<Option<Vec<u8>>, Fault> {
    let Some(entry) = folder.look_up(name).await? else { return Ok(None) };
    folder.head(&entry, LARGEST).await.map(|bytes| Some(bytes.to_vec()))
}

/// Of which job a report or history says that it is. `None` if no job wrote it.
fn job_of(name: &str, bytes: &[u8]) -> Option<String> {
    if name == layout::REPORT {
        return page::job_of(bytes).map(str::to_owned);
    }
    serde_json::from_slice::<JobState>(bytes).ok()?.plan?.job
}

#[cfg(test)]
mod tests;
