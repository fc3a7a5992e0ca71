//! Jobs on clusters of Amazon EMR. What to do next is decided by `emr::launch`; this performs it.
//!
//! ```text
//! options → request ─→ launch: find, check, ask, RunJobFlow, watch, end ─→ ended: one line, exit code
//!                              progress: the journal in S3, every 5 s
//! ```

mod check;
mod ended;
mod logs;
mod objects;
mod others;
mod package;
mod progress;
mod watch;

use std::time::Duration;

use emr::{
    calls::{Bodies, Emr},
    launch::{Launch, Wish},
    request::{self, ClusterOptions, Job},
};
use job::{spec::AwsAccess, target::Target};
use job_aws::{Clients, Retries, connect};
use serde_json::{Value, json};
use tokio::sync::watch as signal;

use super::{export::ExportRequest, import::ImportRequest};
use crate::failure::Failure;
pub(crate) use ended::LaunchReport;
pub(crate) use others::{logs, status, stop};
pub(crate) use package::package;

/// The most characters of the names of jobs in the name of a cluster.
const LONGEST_NAMES: usize = 160;

/// The command that runs on the cluster.
pub(crate) enum JobRequest {
    /// An export of one or more tables.
    Export(Box<ExportRequest>),
    /// An import.
    Import(Box<ImportRequest>),
}

/// A step, and the folder whose journal shows its progress.
#[derive(Clone, Debug)]
pub(crate) struct Stepped {
    pub(crate) job: Job,
    pub(crate) state: Option<Target>,
}

/// What is to be launched.
pub(crate) struct LaunchRequest {
    pub(crate) job: JobRequest,
    pub(crate) steps: Vec<Stepped>,
    pub(crate) cluster: ClusterOptions,
    /// A running cluster that takes the steps.
    pub(crate) guest_of: Option<String>,
    pub(crate) detach: bool,
    pub(crate) poll: Duration,
    pub(crate) log_wait: Duration,
    pub(crate) quiet: bool,
}

/// The answer of a person to a question.
pub(crate) type Confirm<'a> = &'a (dyn Fn(&str) -> Result<(), Failure> + Sync);

/// Connects with the launcher's own credentials.
///
/// # Errors
/// Fails with `FailureKind::Refused`.
pub(crate) async fn reach(access: &AwsAccess) -> Result<Clients, Failure> {
    connect(access, Retries::Sdk).await.map_err(|fault| Failure::refused(&fault))
}

impl LaunchRequest {
    /// Everything that is wrong, as far as it is known without a call.
    fn problems(&self) -> Vec<String> {
        let jobs: Vec<Job> = self.steps.iter().map(|step| step.job.clone()).collect();
        let problems = if self.guest_of.is_some() {
            [self.cluster.package_problems(), request::job_problems(&jobs)].concat()
        } else {
            self.cluster.problems(&jobs)
        };
        problems.iter().map(ToString::to_string).collect()
    }

    /// Fails if something is wrong that is known without a call.
    ///
    /// # Errors
    /// Names everything that is wrong, in one line.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        let problems = self.problems();
        if problems.is_empty() { Ok(()) } else { Err(Failure::refused(problems.join("; "))) }
    }

    /// The name of clusters and steps that do the same. The end is a hash of region and arguments.
    fn name(&self, region: &str) -> String {
        let arguments = self.steps.iter().map(|step| step.job.arguments.join("\0"));
        let text = format!("{region}\n{}", arguments.collect::<Vec<_>>().join("\n"));
        let hash = xxhash_rust::xxh3::xxh3_64(text.as_bytes());
        let names: Vec<&str> = self.steps.iter().map(|step| step.job.name.as_str()).collect();
        // Names of clusters have 256 characters at most, and the end tells them apart.
        let names: String = crate::output::display::and(&names).chars().take(LONGEST_NAMES).collect();
        format!("tablehaul {names} {hash:016x}")
    }

    /// What EMR gets: the body of `RunJobFlow`, or that of `AddJobFlowSteps`.
    pub(crate) fn body(&self, region: &str, run: &str) -> Value {
        let name = format!("{} {run}", self.name(region));
        let steps = self.steps_of_cluster(&name, region);
        match &self.guest_of {
            Some(cluster) => json!({"JobFlowId": cluster, "Steps": steps}),
            None => steps,
        }
    }

    fn steps_of_cluster(&self, name: &str, region: &str) -> Value {
        let jobs: Vec<Job> = self.steps.iter().map(|step| step.job.clone()).collect();
        match &self.guest_of {
            Some(_) => request::added_steps(name, &self.cluster.package, region, &jobs),
            None => request::run_job_flow(name, &self.cluster, &jobs),
        }
    }
}

/// Launches a cluster for the jobs, or finds the one that runs them, and watches it to its end. `interrupts` counts the
/// signals.
///
/// # Errors
/// See [`Failure`]. Its exit code is that of the job that failed.
pub(crate) async fn launch(
    request: &LaunchRequest,
    clients: &Clients,
    ask: Confirm<'_>,
    interrupts: signal::Receiver<u32>,
) -> Result<LaunchReport, Failure> {
    request.check()?;
    let run = uuid::Uuid::new_v4().simple().to_string()[..8].to_owned();
    let name = request.name(&clients.region);
    let emr = Emr::new(clients);
    let bodies = Bodies {
        launch: request.steps_of_cluster(&format!("{name} {run}"), &clients.region),
        guest_of: request.guest_of.clone(),
        began_at: jiff::Timestamp::now().as_second(),
    };
    let wish = Wish {
        name,
        run,
        steps: request.steps.iter().map(|step| step.job.arguments.clone()).collect(),
        guest_of: request.guest_of.clone(),
        keep: request.cluster.keep,
        detach: request.detach,
        poll: request.poll,
    };
    let mut launch = Launch::new(wish);
    let mut watch =
        watch::Watching { request, clients, emr: &emr, bodies: &bodies, ask, interrupts: interrupts.clone() };
    if let Some(text) = watch.run(&mut launch).await? {
        return Ok(LaunchReport { cluster: None, detached: false, logs: None, folders: Vec::new(), text });
    }
    ended::ended(request, clients, &launch, interrupts).await
}
