//! How a launch ended: one line, the engine's own words where there are any, and its exit code.

use std::time::{Duration, Instant};

use emr::{
    causes,
    launch::{Launch, Outcome, Verdict},
    view::StepView,
};
use job::target::Target;
use job_aws::Clients;
use serde::Serialize;
use serde_json::Value;
use tokio::sync::watch as signal;

use super::{
    LaunchRequest, Stepped,
    logs::{self, StepEnd},
    objects::Delivered,
};
use crate::{
    commands::status::{FolderState, Status, status_of},
    failure::Failure,
    output::stderr,
    store::Store,
};

/// How long to wait at least for the second log of a step, when the first is there. EMR delivers both in one go.
const SECOND_LOG: Duration = Duration::from_secs(30);

/// A launch that ended well.
#[derive(Debug, Serialize)]
pub(crate) struct LaunchReport {
    /// The cluster.
    pub(crate) cluster: Option<String>,
    /// Whether it was left running by wish.
    pub(crate) detached: bool,
    /// Where its logs are.
    pub(crate) logs: Option<String>,
    /// What the folders hold now.
    pub(crate) folders: Vec<Status>,
    /// The summary for people.
    #[serde(skip)]
    pub(crate) text: String,
}

/// EMR's words with a remedy.
pub(super) fn cause(code: Option<&str>, words: &str) -> String {
    causes::cause(code, words).line
}

/// The result of a launch that is over.
///
/// # Errors
/// Fails unless the job is done, or the user wanted to leave.
pub(super) async fn ended(
    request: &LaunchRequest,
    clients: &Clients,
    launch: &Launch,
    interrupts: signal::Receiver<u32>,
) -> Result<LaunchReport, Failure> {
    let id = launch.cluster().unwrap_or_default().to_owned();
    let end = LaunchEnd { request, clients, launch, id: id.clone(), interrupts };
    match launch.outcome() {
        Some(Outcome::Ended) => match launch.verdict() {
            Verdict::Complete => Ok(end.complete().await),
            Verdict::StepFailed(number) => Err(end.step_failed(number).await),
            Verdict::Unfinished => Err(end.cluster_failed().await),
        },
        Some(Outcome::Stopped) if id.is_empty() => {
            Err(Failure::stopped("stopped by a signal; nothing was launched"))
        }
        Some(Outcome::Stopped) => Err(Failure::stopped(format!(
            "stopped by a signal; {}; run the same command again to resume",
            end.what_becomes_of_it()
        ))),
        Some(Outcome::Detached) if request.detach => Ok(end.summary(
            true,
            Vec::new(),
            format!("cluster {id} works on its own; {}", end.how_to_go_on()),
        )),
        Some(Outcome::Detached) => {
            Err(Failure::stopped(format!("left cluster {id} alone, which goes on; {}", end.how_to_go_on())))
        }
        Some(Outcome::Refused(line)) => Err(Failure::refused(line.clone())),
        Some(Outcome::Unknown(line)) => Err(Failure::failed(line.clone())),
        Some(Outcome::NeverStarted) => Err(Failure::failed(format!(
            "cluster {id} did not start within an hour and was ended: check its subnet's route to S3 and EMR and its \
             security groups, or give another --subnet or --instance-type"
        ))),
        None => Err(Failure::failed("the launch ended for no reason, which is a bug")),
    }
}

struct LaunchEnd<'a> {
    request: &'a LaunchRequest,
    clients: &'a Clients,
    launch: &'a Launch,
    id: String,
    interrupts: signal::Receiver<u32>,
}

impl LaunchEnd<'_> {
    fn logs(&self) -> Option<String> {
        let of_cluster = self.launch.view().and_then(|view| view.logs.clone());
        let own = Some(self.request.cluster.logs.clone()).filter(|logs| !logs.is_empty());
        // EMR says s3n:// of some clusters.
        of_cluster.or(own).map(|logs| logs.replacen("s3n://", "s3://", 1))
    }

    fn summary(&self, detached: bool, folders: Vec<Status>, text: String) -> LaunchReport {
        LaunchReport { cluster: Some(self.id.clone()), detached, logs: self.logs(), folders, text }
    }

    fn how_to_go_on(&self) -> String {
        let id = &self.id;
        let folder = self.request.steps.first().and_then(|step| step.state.as_ref());
        let progress =
            folder.map(|folder| format!("`tablehaul status {folder}` shows the job, ")).unwrap_or_default();
        format!("{progress}`tablehaul emr status {id}` the cluster, `tablehaul emr stop {id}` ends it")
    }

    fn what_becomes_of_it(&self) -> String {
        match (&self.request.guest_of, self.request.cluster.keep) {
            (Some(id), _) => format!("cluster {id} goes on"),
            (None, true) => format!("cluster {} is kept: end it with `tablehaul emr stop {0}`", self.id),
            (None, false) => format!("cluster {} is ending", self.id),
        }
    }

    async fn complete(&self) -> LaunchReport {
        let mut folders = Vec::new();
        let mut lines = Vec::new();
        for (number, step) in self.request.steps.iter().enumerate() {
            match self.status(step).await {
                Some(status) if matches!(status.state, FolderState::Complete { .. }) => {
                    lines.push(status.to_string());
                    folders.push(status);
                }
                // An import has left nothing but its report.
                _ => lines.extend(self.report(number).await),
            }
        }
        if self.request.guest_of.is_none() {
            lines.push(self.what_becomes_of_it());
        }
        self.summary(false, folders, lines.join("\n"))
    }

    async fn status(&self, step: &Stepped) -> Option<Status> {
        let folder = step.state.as_ref()?;
        let Target::S3 { bucket, .. } = folder else { return None };
        self.clients.locate(bucket).await.ok()?;
        status_of(folder, &Store::new(folder, self.clients)).await.ok()
    }

    /// The engine's report, from the log of its step.
    async fn report(&self, number: usize) -> Option<String> {
        let step = self.launch.steps().get(number)?;
        let read = |log: &Delivered| logs::report(&log.text);
        let report = self.in_log(step, "stderr", self.request.log_wait, read).await;
        let id = &self.id;
        Some(report.unwrap_or_else(|| {
            format!("step {} is complete; its report comes with its log: `tablehaul emr logs {id}`", step.id)
        }))
    }

    /// What `read` finds in a log of a step.
    async fn in_log<T>(
        &self,
        step: &StepView,
        name: &str,
        limit: Duration,
        read: impl Fn(&Delivered) -> Option<T>,
    ) -> Option<T> {
        let url = logs::of_step(&self.logs()?, &self.id, &step.id, name);
        self.in_log_at(&url, limit, read).await
    }

    /// What `read` finds in a log, if that comes in time and before the user loses patience.
    async fn in_log_at<T>(
        &self,
        url: &str,
        limit: Duration,
        read: impl Fn(&Delivered) -> Option<T>,
    ) -> Option<T> {
        let mut interrupts = self.interrupts.clone();
        interrupts.mark_unchanged();
        tokio::select! {
            found = logs::wait_for(self.clients, url, limit, read) => found,
            _ = interrupts.changed() => None,
        }
    }

    async fn step_failed(&self, number: usize) -> Failure {
        let Some(step) = self.launch.steps().get(number) else {
            return Failure::failed(format!("a step of cluster {} failed", self.id));
        };
        let id = &self.id;
        if !self.request.quiet {
            stderr::line(&format!(
                "step {} failed: waiting for its log, which EMR delivers late; Ctrl-C leaves",
                step.id
            ));
        }
        let (ended, why) = self.last_words(step).await;
        let status = match self.request.steps.get(number) {
            Some(step) => self.status(step).await,
            None => None,
        };
        let code = ended.map(|ended| ended.code).or_else(|| code_by(status.as_ref()));
        let why = why.or_else(|| step.reason.clone().filter(|reason| !reason.starts_with("Unknown")));
        let state = || status.map(|status| format!("; {status}")).unwrap_or_default();
        let why = match (why, ended) {
            (Some(why), _) => format!("{why} (step {} of cluster {id})", step.id),
            (None, Some(StepEnd { code, .. })) => format!(
                "step {} of cluster {id} ended with exit code {code}, but its log does not say why: `tablehaul emr logs {id}` \
                 shows it{}",
                step.id,
                state()
            ),
            (None, None) => format!(
                "step {} of cluster {id} failed, and EMR has not delivered its log yet: `tablehaul emr logs {id}` shows it \
                 later{}",
                step.id,
                state()
            ),
        };
        match code {
            Some(2) => Failure::refused(why),
            Some(3) => Failure::stopped(why),
            _ => Failure::failed(why),
        }
    }

    /// How a step ended and why, as far as its whole logs say so.
    async fn last_words(&self, step: &StepView) -> (Option<StepEnd>, Option<String>) {
        let began = Instant::now();
        let ended = self.in_log(step, "controller", self.request.log_wait, logs::ended).await;
        let left = self.request.log_wait.saturating_sub(began.elapsed()).max(SECOND_LOG);
        let why = if let Some(ended) = ended {
            self.in_log(step, "stderr", left, |log| logs::complaint(log, &ended)).await
        } else {
            let read = |log: &Delivered| logs::last_word(&log.text).map(str::to_owned);
            self.in_log(step, "stderr", Duration::ZERO, read).await
        };
        (ended, why)
    }

    async fn cluster_failed(&self) -> Failure {
        let id = &self.id;
        let Some(view) = self.launch.view() else {
            return Failure::failed(format!(
                "the steps of cluster {id} did not run to their end; `tablehaul emr status {id}` says more"
            ));
        };
        let code = view.code.as_deref();
        // Others have ended it: nothing failed.
        if matches!(code, Some("USER_REQUEST" | "ALL_STEPS_COMPLETED")) || view.state.is_active() {
            return Failure::stopped(format!(
                "the job on cluster {id} was cancelled, or its cluster ended, before it was done; run the same command \
                 again to resume"
            ));
        }
        let mut why = cause(code, &view.message);
        if let (Some(logs), Some((instance, action))) = (self.logs(), failed_bootstrap(&view.message)) {
            let url = logs::of_bootstrap(&logs, id, instance, action);
            // The scripts end with what they complain of.
            let read = |log: &Delivered| logs::last_word(&log.text).map(str::to_owned);
            if let Some(line) = self.in_log_at(&url, self.request.log_wait, read).await {
                why = format!("{line} ({why})");
            }
        }
        Failure::failed(format!("cluster {id} ended before the job was done: {why}"))
    }
}

/// The instance and the number of the bootstrap action that failed there, by EMR's words, since its code is only
/// `BOOTSTRAP_FAILURE`: `On the master instance
/// (i-…), bootstrap action 1 returned a non-zero return code`.
fn failed_bootstrap(message: &str) -> Option<(&str, &str)> {
    let (before, after) = message.split_once("bootstrap action ")?;
    if !after.contains("non-zero") {
        return None;
    }
    let instance = &before[before.find("i-")?..];
    let end = instance.find(|c: char| !c.is_ascii_alphanumeric() && c != '-')?;
    let action = after.split_whitespace().next()?;
    Some((&instance[..end], action)).filter(|(_, action)| action.parse::<u32>().is_ok())
}

/// Derives the exit code from what the job left in its folder: a stopped job left a reason, a refused one left nothing.
/// A journal records the reason as text, which for a stop is that of [`Stop`](crate::stop::Stop).
fn code_by(status: Option<&Status>) -> Option<u8> {
    Some(match &status?.state {
        FolderState::Stopped(job) if job.why.as_deref().is_some_and(|why| why.starts_with("stopped")) => 3,
        FolderState::Empty | FolderState::Foreign { .. } => 2,
        _ => 1,
    })
}

impl LaunchReport {
    /// For programs.
    pub(crate) fn json(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_node_of_a_failed_bootstrap_action_is_named_by_emr() {
        let said = "On the master instance (i-0abc), bootstrap action 2 returned a non-zero return code";
        assert_eq!(failed_bootstrap(said), Some(("i-0abc", "2")));
        let said = "On 2 slave instances (including i-0abc and i-0def), bootstrap action 1 returned a non-zero return code";
        assert_eq!(failed_bootstrap(said), Some(("i-0abc", "1")));
        for other in
            ["Master instance (i-1) failed attempting to download bootstrap action 1 file from S3", "", "i-"]
        {
            assert_eq!(failed_bootstrap(other), None);
        }
    }
}
