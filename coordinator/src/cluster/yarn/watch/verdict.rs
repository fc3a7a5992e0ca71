//! Why a job on YARN failed, in one line.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use tokio::time::timeout;

use super::{ApplicationProgress, MANAGER_CALL_LIMIT, Watch};
use crate::{
    cluster::yarn::{
        client::attempt::Cause,
        manager::applications::{AppState, Application, FinalStatus},
    },
    poll::{at_once_and_every, poll_until},
};

/// How often the `ResourceManager` is asked for the application after the command has ended, until the application is
/// considered still running.
pub(super) const APPLICATION_CHECKS: usize = 5;
pub(super) const BETWEEN_CHECKS: Duration = Duration::from_millis(300);

impl Watch {
    /// Why an attempt failed, with the address of the coordinator.
    pub(super) fn about(&self, cause: &Cause) -> String {
        cause.to_string().replace("the coordinator", &format!("the coordinator at {}", self.address))
    }

    /// How an application ended.
    pub(super) async fn over(&self, application: &Application, seen: &ApplicationProgress) -> String {
        let id = &application.id;
        let how = match (application.state, application.final_status) {
            (AppState::Killed, _) | (AppState::Finished, FinalStatus::Killed) => "was killed",
            (AppState::Finished, FinalStatus::Succeeded) => {
                return format!("all workers of the YARN application {id} have ended on their own");
            }
            _ => "failed",
        };
        let said = application.why();
        let why = match said.as_str() {
            "" => format!("the YARN application {id} {how}"),
            said => format!("the YARN application {id} {how}: {said}"),
        };
        self.with_attempts(why, id, seen).await
    }

    /// What the exit of the command means. `None` if the application continues without it.
    pub(super) async fn verdict(&self, seen: &mut ApplicationProgress) -> Option<String> {
        let why = seen.output.why();
        let Some(id) = seen.id.clone() else {
            return Some(format!("the job cannot be submitted to YARN: {why}"));
        };
        let is_running = AtomicBool::new(false);
        let look = || async {
            let asked = timeout(MANAGER_CALL_LIMIT, self.site.manager.application(&id)).await;
            let application = asked.ok()?.ok()??;
            if application.state.is_over() {
                return Some(application);
            }
            is_running.store(true, Ordering::Relaxed);
            None
        };
        let over = poll_until(at_once_and_every(BETWEEN_CHECKS, APPLICATION_CHECKS), look).await;
        seen.is_alone |= is_running.into_inner();
        if let Some(application) = over {
            return Some(self.over(&application, seen).await);
        }
        if seen.is_alone {
            (self.note)(format!("the hadoop command has ended ({why}); {id} continues"));
            return None;
        }
        Some(self.with_attempts(format!("the YARN application {id} ended: {why}"), &id, seen).await)
    }

    /// Appends the reason why workers failed.
    async fn with_attempts(&self, why: String, id: &str, seen: &ApplicationProgress) -> String {
        let mut failure = seen.failure.clone();
        if failure.is_none()
            && let Ok(Ok(attempts)) = timeout(MANAGER_CALL_LIMIT, self.site.manager.failed_attempts(id)).await
        {
            failure = attempts.last().map(|attempt| self.about(&Cause::read(&attempt.diagnostics)));
        }
        match failure {
            Some(failure) => format!("{why}; {failure} (yarn logs -applicationId {id} has more)"),
            None => why,
        }
    }
}
