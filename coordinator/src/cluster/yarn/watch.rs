//! Watches a job on YARN from its submission to its end, keeps it alive, and ends it.

mod lines;
mod verdict;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use jiff::SignedDuration;
use tokio::{
    process::{Child, Command},
    sync::{mpsc, oneshot},
    time::{Instant, MissedTickBehavior, interval, timeout},
};

use tracing::{debug, info};

use super::{
    Site,
    client::{
        attempt::Cause,
        output::{Event, Output},
    },
    hdfs::Hdfs,
    manager::applications::{AppState, FinalStatus},
    secret::Secret,
};
use crate::cluster::{ClusterEvent, Shutdown};
use lines::lines_of;

/// How often the state of the application is checked with the `ResourceManager`.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// The application's lifetime: without renewal it ends after this time.
const LIFETIME: SignedDuration = SignedDuration::from_secs(60);
/// How often the coordinator renews the lifetime.
const RENEW_EVERY: Duration = Duration::from_secs(10);
/// The user gets a reason after waiting this long for containers.
const LONG_WAIT: Duration = Duration::from_secs(30);
/// How long tasks may take to end when the job is done. Tasks that never got a container are not waited for.
const END_LIMIT: Duration = Duration::from_secs(15);
/// How long removing the job's folder in HDFS may take. [`HASTY_REMOVAL_LIMIT`] applies when the job is killed.
const REMOVAL_LIMIT: Duration = Duration::from_secs(30);
const HASTY_REMOVAL_LIMIT: Duration = Duration::from_secs(4);
/// How long a request to the `ResourceManager` may take.
const CALL_LIMIT: Duration = Duration::from_secs(2);

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

/// What becomes known over time.
#[expect(clippy::struct_excessive_bools, reason = "independent facts")]
struct Seen {
    output: Output,
    id: Option<String>,
    /// `None` once the job has been submitted.
    secret: Option<Secret>,
    /// Messages that the user has seen already.
    told: BTreeSet<String>,
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
        happening: mpsc::Sender<ClusterEvent>,
        mut end: oneshot::Receiver<Shutdown>,
    ) {
        let (mut lines, _readers) = lines_of(&mut client);
        let now = Instant::now();
        let mut seen = Seen {
            output: Output::default(),
            id: None,
            secret: Some(secret),
            told: BTreeSet::new(),
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
                ending = &mut end => break Err(ending.unwrap_or(Shutdown::Kill)),
                Some(line) = lines.recv() => if let Some(why) = self.hear(&line, &mut seen) {
                    break Ok(why);
                },
                _ = client.wait(), if !seen.is_alone => {
                    while let Ok(Some(line)) = timeout(CALL_LIMIT, lines.recv()).await {
                        drop(self.hear(&line, &mut seen));
                    }
                    if let Some(event) = seen.output.finish() {
                        self.happened(event, &mut seen);
                    }
                    if let Some(why) = self.verdict(&mut seen).await {
                        break Ok(why);
                    }
                }
                // The limit keeps a ResourceManager that does not answer from delaying the end of the job.
                _ = tick.tick() => if let Ok(Some(why)) = timeout(CALL_LIMIT, self.look(&mut seen)).await {
                    break Ok(why);
                },
            }
        };
        let ending = match over {
            Ok(why) => {
                let _ = happening.send(ClusterEvent::Over(why)).await;
                end.await.unwrap_or(Shutdown::Kill)
            }
            Err(ending) => ending,
        };
        self.end(ending, client, lines, seen).await;
    }

    /// Takes a line of the command. Returns the reason if no worker will ever run.
    fn hear(&self, line: &str, seen: &mut Seen) -> Option<String> {
        let events = seen.output.line(line);
        events.into_iter().filter_map(|event| self.happened(event, seen)).next_back()
    }

    fn happened(&self, event: Event, seen: &mut Seen) -> Option<String> {
        match event {
            Event::Submitted(id) => {
                // The command has read the secret before it submitted the job.
                seen.secret = None;
                info!(id, tag = self.tag, "application submitted");
                (self.note)(format!("yarn        {id}, tag {}", self.tag));
                seen.id = Some(id);
            }
            Event::Waiting(what) if seen.told.insert("waiting".to_owned()) => (self.note)(what),
            Event::AttemptFailed { attempt, text } => {
                let cause = Cause::read(&text);
                let why = self.about(&cause);
                info!(attempt, why, "attempt failed");
                if seen.told.insert(why.clone()) {
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
    async fn look(&self, seen: &mut Seen) -> Option<String> {
        let now = Instant::now();
        if !self.site.is_open() || now.duration_since(seen.looked_at) < LOOK_EVERY {
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
    async fn renew(&self, id: &str, seen: &mut Seen) {
        if !seen.can_renew || seen.renewed_at.is_some_and(|at| at.elapsed() < RENEW_EVERY) {
            return;
        }
        seen.renewed_at = Some(Instant::now());
        if let Err(error) = self.site.manager.end_in(id, LIFETIME).await {
            // Before Hadoop 2.9 there are no lifetimes. Then the application ends because its workers fail.
            seen.can_renew = error.status().is_none();
        }
    }

    /// Ends whatever still runs, and leaves nothing.
    async fn end(
        &self,
        ending: Shutdown,
        mut client: Child,
        mut lines: mpsc::Receiver<String>,
        mut seen: Seen,
    ) {
        let ended_by_itself = ending == Shutdown::Graceful && {
            let ends = async {
                while !seen.is_alone {
                    tokio::select! {
                        Some(line) = lines.recv() => drop(self.hear(&line, &mut seen)),
                        _ = client.wait() => return,
                    }
                }
                while !self.is_over(&seen).await {
                    tokio::time::sleep(LOOK_EVERY).await;
                }
            };
            timeout(END_LIMIT, ends).await.is_ok()
        };
        if !ended_by_itself {
            info!(id = seen.id, ?ending, "the application is killed");
            if ending == Shutdown::Graceful {
                (self.note)("cancelled the workers that never got a container".to_owned());
            }
            let _ = client.start_kill();
            let _ = client.wait().await;
        }
        let killed = async {
            if !ended_by_itself {
                self.kill(&seen).await;
            }
        };
        let limit = if ending == Shutdown::Graceful { REMOVAL_LIMIT } else { HASTY_REMOVAL_LIMIT };
        tokio::join!(killed, self.remove_folder(limit));
    }

    async fn remove_folder(&self, limit: Duration) {
        let why = match timeout(limit, self.hdfs.remove(&self.folder)).await {
            Ok(Ok(_)) => return,
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!(
                "{} is still in HDFS: removing it took longer than {} s",
                self.folder,
                limit.as_secs()
            ),
        };
        (self.note)(format!("note        {why}"));
    }

    async fn is_over(&self, seen: &Seen) -> bool {
        let Some(id) = &seen.id else { return true };
        let application = self.site.manager.application(id).await;
        application.is_ok_and(|application| application.is_none_or(|application| application.state.is_over()))
    }

    /// Kills the application. If its ID was never reported, finds it by its tag.
    async fn kill(&self, seen: &Seen) {
        let id = if let Some(id) = &seen.id {
            id.clone()
        } else {
            let tagged = timeout(CALL_LIMIT, self.site.manager.tagged(&self.tag)).await;
            let Ok(Ok(Some(application))) = tagged else { return };
            application.id
        };
        if let Ok(Ok(())) = timeout(CALL_LIMIT, self.site.manager.kill(&id)).await {
            return;
        }
        let yarn = self.site.hadoop.with_file_name("yarn");
        let killed = Command::new(&yarn)
            .arg("--config")
            .arg(&self.site.conf_dir)
            .args(["application", "-kill", &id])
            .output()
            .await;
        if !killed.is_ok_and(|killed| killed.status.success()) {
            (self.note)(format!("the YARN application could not be killed: yarn application -kill {id}"));
        }
    }
}
