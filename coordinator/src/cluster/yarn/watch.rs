//! Watches a job on YARN from its submission to its end, keeps it alive, and ends it.

mod ending;
mod lines;
mod verdict;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use jiff::SignedDuration;
use tokio::{
    process::Child,
    sync::{mpsc, watch as signal},
    time::{Instant, MissedTickBehavior, interval, timeout},
};

use tracing::{debug, info};

use super::{
    Site,
    client::{
        attempt::Cause,
        output::{ClientOutput, Event},
    },
    hdfs::Hdfs,
    manager::applications::{AppState, FinalStatus},
    secret::Secret,
};
use crate::cluster::{ClusterEvent, Shutdown};
use lines::lines_of;

/// How often the state of the application is checked with the `ResourceManager`.
const CHECK_APPLICATION_EVERY: Duration = Duration::from_secs(2);
/// The application's lifetime: without renewal it ends after this time.
const LIFETIME: SignedDuration = SignedDuration::from_secs(60);
/// How often the coordinator renews the lifetime.
const RENEW_EVERY: Duration = Duration::from_secs(10);
/// The user gets a reason after waiting this long for containers.
const LONG_WAIT: Duration = Duration::from_secs(30);
/// What the user hears if tablehaul is stopped after the job is done and before its application has ended.
const STOPPED_LATE: &str = "note        the job is done, but its YARN application was killed before it had ended, because \
    tablehaul was stopped; EMR calls such a step failed";
/// How long a request to the `ResourceManager` may take.
const MANAGER_CALL_LIMIT: Duration = Duration::from_secs(2);

/// What is known of a job from the start.
pub(super) struct Watch {
    pub(super) site: Arc<Site>,
    pub(super) note: Arc<dyn Fn(String) + Send + Sync>,
    pub(super) hdfs: Hdfs,
    /// The folder of the job, in the default file system.
    pub(super) folder: String,
    pub(super) tag: String,
    /// The address at which workers reach the coordinator.
    pub(super) address: String,
}

/// Waits until it is known how the job is to end.
async fn ending_asked(end: &mut signal::Receiver<Option<Shutdown>>) -> Shutdown {
    match end.wait_for(Option::is_some).await {
        Ok(ending) => ending.unwrap_or(Shutdown::Kill),
        Err(_) => Shutdown::Kill,
    }
}

/// What becomes known over time.
#[expect(clippy::struct_excessive_bools, reason = "independent facts")]
struct ApplicationProgress {
    output: ClientOutput,
    id: Option<String>,
    /// `None` once the job has been submitted.
    secret: Option<Secret>,
    /// Messages that the user has seen already.
    reported: BTreeSet<String>,
    /// Why the last failed attempt failed, if known.
    failure: Option<String>,
    since: Instant,
    looked_at: Instant,
    renewed_at: Option<Instant>,
    /// Whether lifetimes are supported. Not before Hadoop 2.9.
    can_renew: bool,
    has_run: bool,
    wait_told: bool,
    /// The command has ended before the application.
    is_alone: bool,
}

impl Watch {
    /// Runs until the job has ended or must end. Leaves nothing of it.
    pub(super) async fn run(
        self,
        mut client: Child,
        secret: Secret,
        events: mpsc::Sender<ClusterEvent>,
        mut end: signal::Receiver<Option<Shutdown>>,
    ) {
        let (mut lines, _readers) = lines_of(&mut client);
        let now = Instant::now();
        let mut seen = ApplicationProgress {
            output: ClientOutput::default(),
            id: None,
            secret: Some(secret),
            reported: BTreeSet::new(),
            failure: None,
            since: now,
            looked_at: now,
            renewed_at: None,
            can_renew: true,
            has_run: false,
            wait_told: false,
            is_alone: false,
        };
        let mut tick = interval(Duration::from_millis(500));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let over = loop {
            tokio::select! {
                // Lines are read first, so that the command's last lines are seen before its exit.
                biased;
                ending = ending_asked(&mut end) => break Err(ending),
                Some(line) = lines.recv() => if let Some(why) = self.hear(&line, &mut seen) {
                    break Ok(why);
                },
                _ = client.wait(), if !seen.is_alone => {
                    while let Ok(Some(line)) = timeout(MANAGER_CALL_LIMIT, lines.recv()).await {
                        drop(self.hear(&line, &mut seen));
                    }
                    if let Some(event) = seen.output.finish() {
                        self.handle_event(event, &mut seen);
                    }
                    if let Some(why) = self.verdict(&mut seen).await {
                        break Ok(why);
                    }
                }
                // The limit keeps a ResourceManager that does not answer from delaying the end of the job.
                _ = tick.tick() => if let Ok(Some(why)) = timeout(MANAGER_CALL_LIMIT, self.check(&mut seen)).await {
                    break Ok(why);
                },
            }
        };
        let ending = match over {
            Ok(why) => {
                let _ = events.send(ClusterEvent::ClusterEnded(why)).await;
                ending_asked(&mut end).await
            }
            Err(ending) => ending,
        };
        let ended_by_itself = ending == Shutdown::Graceful
            && tokio::select! {
                has_ended = self.ends(&mut client, &mut lines, &mut seen) => has_ended,
                _ = end.wait_for(|ending| *ending == Some(Shutdown::Kill)) => false,
            };
        let was_done = ending == Shutdown::Graceful;
        let ending = end.borrow().unwrap_or(ending);
        if was_done && ending == Shutdown::Kill && !ended_by_itself {
            (self.note)(STOPPED_LATE.to_owned());
        }
        self.end(ending, ended_by_itself, client, &seen).await;
    }

    /// Takes a line of the command. Returns the reason if no worker will ever run.
    fn hear(&self, line: &str, seen: &mut ApplicationProgress) -> Option<String> {
        let events = seen.output.line(line);
        events.into_iter().filter_map(|event| self.handle_event(event, seen)).next_back()
    }

    fn handle_event(&self, event: Event, seen: &mut ApplicationProgress) -> Option<String> {
        match event {
            Event::Submitted(id) => {
                // The command has read the secret before it submitted the job.
                seen.secret = None;
                info!(id, tag = self.tag, "application submitted");
                (self.note)(format!("yarn        {id}, tag {}", self.tag));
                seen.id = Some(id);
            }
            Event::Waiting(what) if seen.reported.insert("waiting".to_owned()) => (self.note)(what),
            Event::AttemptFailed { attempt, text } => {
                let cause = Cause::read(&text);
                let why = self.about(&cause);
                info!(attempt, why, "attempt failed");
                if seen.reported.insert(why.clone()) {
                    (self.note)(format!("{attempt} failed: {why}"));
                }
                seen.failure = Some(why.clone());
                return cause.is_final().then_some(why);
            }
            Event::Waiting(_) | Event::Ended(_) => {}
        }
        None
    }

    /// Checks the application. Returns the reason if no further worker will run.
    async fn check(&self, seen: &mut ApplicationProgress) -> Option<String> {
        let now = Instant::now();
        if !self.site.is_open() || now.duration_since(seen.looked_at) < CHECK_APPLICATION_EVERY {
            return None;
        }
        seen.looked_at = now;
        let id = seen.id.clone()?;
        self.renew(&id, seen).await;
        // A failed request is repeated at the next check.
        let application = self.site.manager.application(&id).await;
        debug!(id, is_answered = application.is_ok(), "the ResourceManager was asked for the application");
        let application = application.ok()??;
        let (state, final_status) = (application.state, application.final_status);
        debug!(id, ?state, ?final_status, "state of the application");
        if application.state == AppState::Running && !std::mem::replace(&mut seen.has_run, true) {
            let page = application.page().unwrap_or("it runs");
            (self.note)(format!("yarn        {page}"));
        }
        if application.state.is_over() {
            // If all went well, the command reports it by its own exit.
            let is_well = application.final_status == FinalStatus::Succeeded;
            return if is_well && !seen.is_alone { None } else { Some(self.over(&application, seen).await) };
        }
        if !seen.has_run && !seen.wait_told && seen.since.elapsed() > LONG_WAIT {
            seen.wait_told = true;
            (self.note)(format!("waiting for YARN to start {id}: {}", application.why()));
        }
        None
    }

    /// Renews the application's lifetime. The application must not outlive the coordinator.
    async fn renew(&self, id: &str, seen: &mut ApplicationProgress) {
        if !seen.can_renew || seen.renewed_at.is_some_and(|at| at.elapsed() < RENEW_EVERY) {
            return;
        }
        seen.renewed_at = Some(Instant::now());
        if let Err(error) = self.site.manager.end_in(id, LIFETIME).await {
            // Before Hadoop 2.9 there are no lifetimes. Then the application ends because its workers fail.
            seen.can_renew = error.status().is_none();
        }
    }
}
