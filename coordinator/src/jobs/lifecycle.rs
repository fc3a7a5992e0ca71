//! The life of a job, the same for every kind of job.
//!
//! ```text
//! prepare (what is wrong? what is in the folder?) → Start
//!   → acquire the folder → OpenedJob: journal and state, new or resumed
//!   → pass over all tasks, once or more
//!   → the command finishes the job, or give_up keeps it for the next run, or removes it
//! ```
//!
//! What differs stays in the commands: what they check before, what they make of a complete pass, and what [`Ending`]
//! asks.

mod give_up;
mod pass;
mod state_folder;
mod status;

use std::time::Duration;

use engine::replay::{Journaled, State};
use events::{Event, Resumed, Takeover, rounded};
use job::{
    capacity::Rate,
    ids::JobId,
    journal::{Fact, Run},
    target::Target,
    visible::Line,
};
use job_aws::Clients;

use crate::{
    cluster::{ClusterChoice, ClusterOptions, worker_binary},
    failure::Failure,
    jobs::{
        commit::{self, Marks},
        history,
    },
    journal::Journal,
    output::{TOOL, progress::Progress, waits::unless_silent},
    stop::Stop,
    store::Store,
};
pub(crate) use give_up::{Ending, Kept, give_up, kept_text};
pub(crate) use pass::{Context, PassPlan, run_pass};
pub(crate) use state_folder::{InStateFolder, StateFolder};

/// How long acquiring a folder may still take after a request to stop: less than the 5 seconds within which the command
/// must end.
pub(crate) const ACQUIRE_GRACE: Duration = Duration::from_secs(3);

/// Chooses the cluster of a command, and finds out with `prepare` what can be wrong before anything is written. Workers
/// must be able to reach `files`.
///
/// # Errors
/// Fails with the errors of `prepare`, with `FailureKind::Refused` if nothing answers, and with `FailureKind::Stopped`.
pub(crate) async fn prepare<T>(
    cluster: &ClusterOptions,
    files: &Target,
    stop: &Stop,
    prepare: impl AsyncFnOnce(&ClusterChoice) -> Result<T, Failure>,
) -> Result<(ClusterChoice, T), Failure> {
    let preparing = async {
        let cluster = ClusterChoice::choose(cluster, worker_binary().await?, files).await?;
        let prepared = prepare(&cluster).await?;
        Ok((cluster, prepared))
    };
    unless_stopped_before(stop, "written", preparing).await
}

/// Waits for preparations. If a request to stop comes first, the message ends with "before anything was `done`".
///
/// # Errors
/// Fails with the errors of `preparing`, with `FailureKind::Refused` if nothing answers, and with
/// `FailureKind::Stopped`.
pub(crate) async fn unless_stopped_before<T>(
    stop: &Stop,
    done: &str,
    preparing: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let stopped = |why| Failure::stopped(format!("{why} before anything was {done}"));
    // Boxed because the future is large.
    stop.unless_requested(Box::pin(unless_silent(preparing))).await.map_err(stopped)?
}

/// The id of a new job.
pub(crate) fn new_job() -> JobId {
    JobId::from_u128(uuid::Uuid::new_v4().as_u128())
}

/// How a job starts, given what its folder holds.
pub(crate) enum Start {
    /// The folder is empty.
    Fresh,
    /// It holds an unfinished run of this job.
    Resume(Box<Journaled>),
    /// It holds an unfinished job, which is removed first.
    Restart(Box<Journaled>),
}

impl Start {
    /// In a folder with an unfinished job. A job that is being removed is never resumed.
    pub(crate) fn after(journaled: Box<Journaled>, wants_restart: bool) -> Self {
        if wants_restart || journaled.is_abandoned {
            Self::Restart(journaled)
        } else {
            Self::Resume(journaled)
        }
    }

    /// The job in the folder, if there is one.
    pub(crate) fn journaled(&self) -> Option<&Journaled> {
        match self {
            Self::Fresh => None,
            Self::Resume(journaled) | Self::Restart(journaled) => Some(journaled),
        }
    }

    /// The state that the job resumes from, if it is resumed.
    pub(crate) fn resumed(&self) -> Option<&State> {
        match self {
            Self::Resume(journaled) => Some(&journaled.state),
            Self::Fresh | Self::Restart(_) => None,
        }
    }

    /// The job: the one that is resumed, or else a new one.
    pub(crate) fn job(&self) -> JobId {
        let resumed = self.resumed().map(|state| state.job().clone());
        resumed.unwrap_or_else(new_job)
    }

    /// A line of the plan: what becomes of the job in the folder.
    pub(crate) fn plan_line(&self) -> Option<String> {
        match self {
            Self::Fresh => None,
            Self::Resume(journaled) => Some(format!("resumes     {}", Line(journaled.progress_text()))),
            Self::Restart(journaled) => Some(format!("removes     {}", Line(journaled.progress_text()))),
        }
    }
}

/// A job whose folder this process has acquired.
pub(crate) struct OpenedJob {
    pub(crate) journal: Journal,
    pub(crate) state: State,
    /// What earlier runs of the job have left; `None` in a new job.
    pub(crate) earlier: Option<EarlierRuns>,
}

/// What the journal of a resumed job holds besides its state.
pub(crate) struct EarlierRuns {
    /// How the last run worked that did more than complete the job.
    pub(crate) run: Option<Run>,
    /// The time at which the commit began, if only completing the job is left.
    pub(crate) committed_at: Option<String>,
}

/// Acquires the folder of a job. Of two jobs at once only one succeeds. `begin` is the state of a new job.
///
/// # Errors
/// Fails with `FailureKind::Refused`, also if another job is running there or has just acquired the folder.
pub(crate) async fn acquire(
    store: &Store,
    start: Start,
    run: Run,
    begin: impl FnOnce() -> State,
    progress: &Progress,
) -> Result<OpenedJob, Failure> {
    match start {
        Start::Fresh => {
            let state = begin();
            let facts = vec![state.begun(), Fact::Run(run.clone())];
            let journal = Journal::acquire(store, None, facts, run).await?;
            Ok(OpenedJob { journal, state, earlier: None })
        }
        Start::Restart(journaled) => {
            check_removable(store, &journaled).await?;
            let mut journal = acquire_to_discard(store, &journaled, run, progress).await?;
            let state = begin();
            journal.start_over(state.begun()).await?;
            Ok(OpenedJob { journal, state, earlier: None })
        }
        Start::Resume(journaled) => {
            let facts = vec![Fact::Run(run.clone())];
            let journal = Journal::acquire(store, Some(&journaled), facts, run).await?;
            history::follow(journal.folder(), journaled.state.job(), progress).await;
            publish_resumed(&journaled, progress);
            let Journaled { state, run, committed_at, .. } = *journaled;
            Ok(OpenedJob { journal, state, earlier: Some(EarlierRuns { run, committed_at }) })
        }
    }
}

/// Tells what earlier runs have done, and whose job this process has taken over if the last one did not end in order.
fn publish_resumed(journaled: &Journaled, progress: &Progress) {
    let Journaled { state, last, totals, stopped, .. } = journaled;
    if stopped.is_none() {
        progress.stream().publish(Event::Takeover(Takeover {
            host: last.host.clone(),
            process_id: last.pid,
            last_word_at: last.at.clone(),
        }));
    }
    let (tasks_done, tasks) = state.tasks();
    progress.stream().publish(Event::Resumed(Resumed {
        started_at: state.started_at().to_owned(),
        items: state.items(),
        tasks_done: tasks_done as u64,
        tasks: tasks as u64,
        units: rounded(totals.consumed.as_f64()),
        seconds: rounded(Duration::from_millis(totals.elapsed_ms).as_secs_f64()),
        why: stopped.clone(),
    }));
}

/// A job is not of the kind of its command. Not reached: a folder with another kind of job is refused before.
pub(crate) fn other_kind(kind: &str) -> Failure {
    Failure::internal(format_args!("the journal is not one of {kind}"))
}

/// Makes sure, before anything is removed, that all files of an unfinished export can be.
///
/// # Errors
/// Fails with `FailureKind::Refused` if something else is in the place of one.
pub(crate) async fn check_removable(store: &Store, journaled: &Journaled) -> Result<(), Failure> {
    let State::Export(state) = &journaled.state else { return Ok(()) };
    let checked = store.check_hidden(state.files()).await;
    checked.map_err(|fault| {
        Failure::refused(&fault).saying("then run the same command again; nothing was removed")
    })
}

/// Acquires the folder of an unfinished job and removes everything of it but the journal. What an import has written
/// stays in the table.
///
/// # Errors
/// See [`acquire`]. Fails also if something could not be removed.
pub(crate) async fn acquire_to_discard(
    store: &Store,
    journaled: &Journaled,
    run: Run,
    progress: &Progress,
) -> Result<Journal, Failure> {
    let journal = Journal::acquire_to_remove(store, journaled, run).await?;
    if let State::Export(state) = &journaled.state {
        let marks = Marks::journaled(store, journaled);
        let discarded = commit::discard(journal.folder(), state, marks.as_ref(), progress).await;
        discarded.map_err(|fault| Failure::failed(&fault))?;
    }
    let removed = history::remove(journal.folder(), Some(journaled.state.job())).await;
    removed.map_err(|fault| Failure::failed(&fault))?;
    Ok(journal)
}

/// How this run works: credentials, workers, rate, program and version.
pub(crate) fn this_run(clients: &Clients, workers: u32, rate: Rate, rate_source: &str) -> Run {
    let caller = clients.identity.caller();
    Run {
        account: caller.map(|caller| caller.account.clone()),
        caller: caller.map(|caller| caller.arn.clone()),
        workers,
        rate,
        rate_source: rate_source.to_owned(),
        tool: TOOL.to_owned(),
    }
}
