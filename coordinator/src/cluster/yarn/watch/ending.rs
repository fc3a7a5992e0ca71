//! The end of a job on YARN: its application ends by itself and so succeeds if the job is done, and is killed
//! otherwise.

use std::time::Duration;

use tokio::{
    process::{Child, Command},
    sync::mpsc,
    time::{Instant, interval, timeout},
};
use tracing::info;

use super::{
    ApplicationProgress, CHECK_APPLICATION_EVERY, MANAGER_CALL_LIMIT, Watch,
    verdict::{APPLICATION_CHECKS, BETWEEN_CHECKS},
};
use crate::{
    cluster::{
        Shutdown,
        yarn::{client::output, manager::applications::FinalStatus},
    },
    poll::{at_once_and_every, poll_until},
};

/// How long tasks may take to end when the job is done, until the user gets a reason.
const END_SOON: Duration = Duration::from_secs(10);
/// How long to wait then while no further task ends. Tasks that never got a container must get one: each ends as soon
/// as its worker hears that the job is over. An application that is killed instead has not succeeded, and EMR calls its
/// step failed (Amazon EMR API Reference, `AddJobFlowSteps`).
const APPLICATION_END_LIMIT: Duration = Duration::from_mins(10);
/// How long removing the job's folder in HDFS may take. [`HASTY_FOLDER_REMOVAL_LIMIT`] applies when the job is killed.
const FOLDER_REMOVAL_LIMIT: Duration = Duration::from_secs(30);
const HASTY_FOLDER_REMOVAL_LIMIT: Duration = Duration::from_secs(4);
/// What the user hears while the last tasks end.
const WAITS_FOR_CONTAINERS: &str = "all work is done; waiting for the YARN application to end: workers that never got a \
    container need one to end in order";

impl Watch {
    /// Waits for the end of the application whose workers were all told to end. Returns whether it has ended. It has
    /// not if no task moves any more.
    pub(super) async fn ends(
        &self,
        client: &mut Child,
        lines: &mut mpsc::Receiver<String>,
        seen: &mut ApplicationProgress,
    ) -> bool {
        let since = Instant::now();
        let (mut moved_at, mut is_told) = (since, false);
        let mut tick = interval(CHECK_APPLICATION_EVERY);
        loop {
            tokio::select! {
                Some(line) = lines.recv() => {
                    if output::is_progress(&line) {
                        moved_at = Instant::now();
                    }
                    drop(self.hear(&line, seen));
                }
                _ = client.wait(), if !seen.is_alone => {
                    if self.is_over(seen).await {
                        return true;
                    }
                    seen.is_alone = true;
                }
                _ = tick.tick() => {
                    if seen.is_alone && self.is_over(seen).await {
                        return true;
                    }
                    if let Some(id) = seen.id.clone().filter(|_| self.site.is_open()) {
                        let _ = timeout(MANAGER_CALL_LIMIT, self.renew(&id, seen)).await;
                    }
                    if !is_told && since.elapsed() > END_SOON {
                        is_told = true;
                        (self.note)(WAITS_FOR_CONTAINERS.to_owned());
                    }
                    if moved_at.elapsed() > APPLICATION_END_LIMIT {
                        return false;
                    }
                }
            }
        }
    }

    /// Ends whatever still runs, and leaves nothing.
    pub(super) async fn end(
        &self,
        ending: Shutdown,
        ended_by_itself: bool,
        mut client: Child,
        seen: &ApplicationProgress,
    ) {
        if ended_by_itself {
            self.check_success(seen).await;
        } else {
            info!(id = seen.id, ?ending, "the application is killed");
            if ending == Shutdown::Graceful {
                (self.note)(format!(
                    "note        killed the YARN application: its last workers got no container within {} minutes; EMR \
                     calls such a step failed",
                    APPLICATION_END_LIMIT.as_secs() / 60
                ));
            }
            let _ = client.start_kill();
            let _ = client.wait().await;
        }
        let killed = async {
            if !ended_by_itself {
                self.kill(seen).await;
            }
        };
        let limit =
            if ending == Shutdown::Graceful { FOLDER_REMOVAL_LIMIT } else { HASTY_FOLDER_REMOVAL_LIMIT };
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

    /// Whether the application has ended, as far as the `ResourceManager` can be asked.
    async fn is_over(&self, seen: &ApplicationProgress) -> bool {
        let Some(id) = &seen.id else { return true };
        let look = || async {
            match timeout(MANAGER_CALL_LIMIT, self.site.manager.application(id)).await {
                Ok(Ok(application)) => {
                    Some(application.is_none_or(|application| application.state.is_over()))
                }
                // Without its answer the end of the command counts.
                Ok(Err(error)) if error.is_closed() => Some(!seen.is_alone),
                _ => None,
            }
        };
        let pauses = at_once_and_every(BETWEEN_CHECKS, APPLICATION_CHECKS);
        poll_until(pauses, look).await.unwrap_or(!seen.is_alone)
    }

    /// Tells the user if an application has not succeeded whose job is done.
    async fn check_success(&self, seen: &ApplicationProgress) {
        let Some(id) = seen.id.as_ref().filter(|_| self.site.is_open()) else { return };
        let Ok(Ok(Some(application))) = timeout(MANAGER_CALL_LIMIT, self.site.manager.application(id)).await
        else {
            return;
        };
        if matches!(application.final_status, FinalStatus::Failed | FinalStatus::Killed) {
            (self.note)(format!(
                "note        the job is done, but {}; EMR calls such a step failed",
                self.over(&application, seen).await
            ));
        }
    }

    /// Kills the application. If its ID was never reported, finds it by its tag.
    async fn kill(&self, seen: &ApplicationProgress) {
        let id = if let Some(id) = &seen.id {
            id.clone()
        } else {
            let tagged = timeout(MANAGER_CALL_LIMIT, self.site.manager.tagged(&self.tag)).await;
            let Ok(Ok(Some(application))) = tagged else { return };
            application.id
        };
        if let Ok(Ok(())) = timeout(MANAGER_CALL_LIMIT, self.site.manager.kill(&id)).await {
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
