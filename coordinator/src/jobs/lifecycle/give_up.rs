//! How a job ends that did not succeed: it is kept for the next run, or removed.

use std::time::{Duration, Instant};

use job::{ids::JobId, journal::Fact};

use super::status;
use crate::{
    failure::{Failure, FailureKind},
    jobs::history,
    journal::Journal,
    output::progress::Progress,
    store::Store,
};

/// How an unsuccessful job ends: the part that differs between kinds of jobs.
pub(crate) trait Ending {
    /// How long the last fact may take to be journaled.
    const LAST_FACT_LIMIT: Duration;

    /// How long removing the job may take.
    const REMOVAL_LIMIT: Duration;

    /// The job.
    fn job(&self) -> &JobId;

    /// The fact that the job began with.
    fn begun(&self) -> Fact;

    /// Whether anything would have to be read or written again if the job were removed.
    fn has_anything(&self) -> bool;

    /// Journals why the job stops. Only for a job that has something worth keeping.
    async fn keep(&self, journal: &mut Journal, failure: Failure) -> Kept;

    /// Removes what the job has stored besides its journal.
    ///
    /// # Errors
    /// Fails if something could not be removed.
    async fn discard(&self, folder: &Store) -> Result<(), Failure>;

    /// The message that the job could not be removed.
    fn left_text(&self, why: &str) -> String;
}

/// Whether something of a job is kept for the next run.
pub(crate) enum Kept {
    /// Something is. The failure says what, and what to do next.
    Something(Failure),
    /// The journal holds nothing to resume from, so the job can be removed.
    Nothing(Failure),
}

/// Ends a job that did not succeed: keeps it for the next run, or removes it if nothing in it is worth keeping. Returns
/// the failure, with what was done about it.
pub(crate) async fn give_up(
    job: &impl Ending,
    journal: &mut Journal,
    progress: &Progress,
    failure: Failure,
) -> Failure {
    let since = Instant::now();
    if failure.is(FailureKind::Superseded) {
        return failure;
    }
    if let Err(moved) = journal.check_place().await {
        return moved;
    }
    let kept = if job.has_anything() { job.keep(journal, failure).await } else { Kept::Nothing(failure) };
    let failure = match kept {
        Kept::Something(failure) => {
            if !failure.is(FailureKind::Superseded) {
                status::end(journal, job.job(), progress, &failure, since).await;
            }
            return failure;
        }
        Kept::Nothing(failure) => failure,
    };
    match remove(job, journal).await {
        Ok(()) => failure,
        Err(failure) if failure.is(FailureKind::Superseded) => failure,
        Err(left) => failure.saying(&job.left_text(&left.to_string())),
    }
}

/// Removes a job that nobody needs. Nothing of it is visible yet.
async fn remove<E: Ending>(job: &E, journal: &mut Journal) -> Result<(), Failure> {
    // This fact keeps others from resuming the job, and can't be written if another coordinator has taken over. The
    // lock ensures both by itself, and still does so on a full disk.
    if !journal.is_locked() {
        journal.append(Fact::Abandoned, E::LAST_FACT_LIMIT).await?;
    }
    let removing = async {
        job.discard(journal.folder()).await?;
        let removed = history::remove(journal.folder(), Some(job.job())).await;
        removed.map_err(|fault| Failure::failed(&fault))?;
        journal.remove(&[job.begun(), Fact::Abandoned]).await?;
        journal.folder().remove_empty_folders().await;
        Ok(())
    };
    let late = |_| Failure::failed(format!("it took longer than {} s", E::REMOVAL_LIMIT.as_secs_f32()));
    tokio::time::timeout(E::REMOVAL_LIMIT, removing).await.map_err(late)?
}

/// Says what is kept of a job, where, and what to do next. `unwritten` says why the last facts could not be journaled,
/// so that it is unknown how much is kept.
pub(crate) fn kept_text(what: &str, folder: &str, next: &str, unwritten: Option<&Failure>) -> String {
    match unwritten {
        None => format!("{what} is kept in {folder}: {next}"),
        Some(unwritten) => format!(
            "the final state could not be recorded ({unwritten}); the earlier state is kept in {folder}: {next}"
        ),
    }
}
