//! How a launch ended: one line, in the words of its job if they are known, and its exit code.

use std::time::{Duration, Instant};

use emr::{
    causes,
    launch::{Launch, Outcome, Verdict},
    view::StepView,
    words::{failed_bootstrap, is_unknown},
};
use events::Failed;
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
    failure::{Failure, FailureKind},
    jobs::history,
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
        let (folder, store) = self.folder(step).await?;
        status_of(folder, &store).await.ok()
    }

    /// How the job of a step has failed, as it recorded it in its folder, if that is read before the user loses
    /// patience.
    async fn recorded(&self, step: &Stepped) -> Option<Failed> {
        let mut interrupts = self.interrupts.clone();
        interrupts.mark_unchanged();
        let reading = async {
            let (_, store) = self.folder(step).await?;
            history::newest(&store).await?.error
        };
        tokio::select! {
            found = reading => found,
            _ = interrupts.changed() => None,
        }
    }

    async fn folder<'a>(&self, step: &'a Stepped) -> Option<(&'a Target, Store)> {
        let folder = step.state.as_ref()?;
        let Target::S3 { bucket, .. } = folder else { return None };
        self.clients.locate(bucket).await.ok()?;
        Some((folder, Store::new(folder, self.clients)))
    }

    /// The report of a job, from the log of its step.
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
        let stepped = self.request.steps.get(number);
        let status = match stepped {
            Some(step) => self.status(step).await,
            None => None,
        };
        let is_stopped =
            status.as_ref().is_some_and(|status| matches!(status.state, FolderState::Stopped(_)));
        let recorded = match stepped.filter(|_| ended.is_none() && is_stopped) {
            Some(step) => self.recorded(step).await,
            None => None,
        };
        let by_folder = || Some(code_by(status.as_ref()?, recorded.as_ref()));
        let code = ended.map(|ended| ended.code).or_else(by_folder);
        let why = why.or_else(|| step.reason.clone().filter(|reason| !is_unknown(reason)));
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

/// Derives the exit code from what the job left in its folder: a stopped job left a reason, a refused one left nothing.
/// `recorded` is how it has failed, if it could write that. It may be that of an earlier run, unless it begins with the
/// reason in the journal, which every run writes.
fn code_by(status: &Status, recorded: Option<&Failed>) -> u8 {
    match (&status.state, recorded) {
        (FolderState::Stopped(job), recorded) => {
            let why = job.why.as_deref().unwrap_or_default();
            let of_this_run = recorded.filter(|failed| !why.is_empty() && failed.message.starts_with(why));
            of_this_run.map_or_else(|| code_by_words(why), |failed| failed.exit_code)
        }
        (FolderState::Empty | FolderState::Foreign { .. }, _) => FailureKind::Refused.exit_code(),
        _ => FailureKind::Failed.exit_code(),
    }
}

/// The exit code by the reason in a journal, which is only text: for a stop that of [`Stop`](crate::stop::Stop).
fn code_by_words(why: &str) -> u8 {
    let is_stop = why.starts_with("stopped");
    if is_stop { FailureKind::Stopped.exit_code() } else { FailureKind::Failed.exit_code() }
}

impl LaunchReport {
    /// For programs.
    pub(crate) fn json(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use events::TaskKind;

    use super::*;
    use crate::commands::status::Unfinished;

    fn status(state: FolderState) -> Status {
        Status { folder: "s3://b/k".into(), state, report: None }
    }

    fn stopped(why: &str) -> Status {
        status(FolderState::Stopped(Unfinished {
            kind: "export",
            table: "Forum".into(),
            percent: 50,
            items: 1,
            items_per_second: 1.0,
            tasks_done: 1,
            tasks: 2,
            task_kind: TaskKind::Segments,
            completing: false,
            started_at: String::new(),
            host: String::new(),
            pid: 1,
            last_word_at: String::new(),
            last_word_seconds_ago: None,
            why: Some(why.into()),
            unseen: None,
            foreign: Vec::new(),
        }))
    }

    #[test]
    fn the_exit_code_is_the_recorded_one_and_only_without_it_that_of_the_words() {
        let recorded =
            Failed { exit_code: 3, kind: "stopped".into(), message: "the deadline is over".into() };
        assert_eq!(code_by(&stopped("the deadline is over"), Some(&recorded)), 3);
        assert_eq!(
            code_by(&stopped("S3 does not answer"), Some(&recorded)),
            1,
            "it is that of an earlier run"
        );
        assert_eq!(code_by(&stopped(""), Some(&recorded)), 1);
        let message = "stopped working: run the same command again".into();
        let failed = Failed { exit_code: 1, kind: "failed".into(), message };
        assert_eq!(code_by(&stopped("stopped working"), Some(&failed)), 1);
        assert_eq!(code_by(&stopped("stopped by a signal"), None), 3);
        assert_eq!(code_by(&stopped("S3 does not answer"), None), 1);
        assert_eq!(code_by(&status(FolderState::Empty), None), 2);
        assert_eq!(code_by(&status(FolderState::Foreign { names: "x".into() }), Some(&failed)), 2);
    }
}
