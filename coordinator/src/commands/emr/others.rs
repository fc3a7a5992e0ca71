//! `emr status`, `emr logs` and `emr stop`: for any cluster that you name.

use std::time::{Duration, Instant};

use emr::{
    calls::{ACTIVE, Emr},
    launch::CallError,
    view::{ClusterView, StepView},
};
use job_aws::Clients;

use super::{Confirm, ended::cause, logs as log_files, objects};
use crate::{
    failure::Failure,
    output::{display, stderr},
};

/// How names of our clusters and steps begin.
const OUR_NAME_PREFIX: &str = "tablehaul ";
/// How long to wait for steps that were cancelled.
const CANCEL_LIMIT: Duration = Duration::from_secs(40);
const CHECK_STEPS_EVERY: Duration = Duration::from_secs(3);

fn refused(error: CallError) -> Failure {
    match error.said {
        Some((code, words)) => Failure::refused(cause(Some(&code), &words)),
        None => Failure::refused(error.line),
    }
}

/// What a cluster does, or which clusters of tablehaul are active: as text.
///
/// # Errors
/// Fails with `FailureKind::Refused` if EMR cannot be asked.
pub(crate) async fn status(clients: &Clients, cluster: Option<&str>) -> Result<String, Failure> {
    let emr = Emr::new(clients);
    let Some(id) = cluster else {
        let listed = emr.clusters(Some(&ACTIVE), None).await.map_err(refused)?;
        let ours = listed.iter().filter(|one| one.name.starts_with(OUR_NAME_PREFIX));
        let lines: Vec<String> = ours.map(|one| format!("{}  {}  {}", one.id, one.state, one.name)).collect();
        if lines.is_empty() {
            return Ok(format!("no cluster of tablehaul is active in {}", clients.region));
        }
        return Ok(lines.join("\n"));
    };
    let view = emr.describe(id).await.map_err(refused)?;
    let steps = emr.steps(id).await.map_err(refused)?;
    Ok(described(id, &view, &steps))
}

fn described(id: &str, view: &ClusterView, steps: &[StepView]) -> String {
    let why = match (&view.code, view.message.as_str()) {
        (None, "") => String::new(),
        (code, words) => format!(": {}", cause(code.as_deref(), words)),
    };
    let mut lines = vec![format!("{id}  {}  {}{why}", view.state, view.name)];
    let step = |step: &StepView| {
        let command: Vec<&str> = step.arguments.iter().skip(1).map(String::as_str).collect();
        format!("{}  {}  {}", step.id, step.state, command.join(" "))
    };
    lines.extend(steps.iter().rev().map(step));
    lines.extend(view.logs.as_ref().map(|logs| format!("logs  {logs}/{id}")));
    lines.join("\n")
}

/// The standard error and output of the steps of a cluster: as text.
///
/// # Errors
/// Fails with `FailureKind::Refused` if there is no log, or it cannot be read.
pub(crate) async fn logs(clients: &Clients, id: &str, step: Option<&str>) -> Result<String, Failure> {
    let emr = Emr::new(clients);
    let view = emr.describe(id).await.map_err(refused)?;
    let Some(folder) = view.logs.map(|logs| logs.replacen("s3n://", "s3://", 1)) else {
        return Err(Failure::refused(format!("cluster {id} has no folder for logs")));
    };
    let mut steps = emr.steps(id).await.map_err(refused)?;
    steps.reverse();
    steps.retain(|known| step.is_none_or(|wanted| wanted == known.id));
    if let (Some(step), true) = (step, steps.is_empty()) {
        return Err(Failure::refused(format!("cluster {id} has no step {step}")));
    }
    let mut parts = Vec::new();
    for step in &steps {
        let mut has_log = false;
        for name in ["stdout", "stderr"] {
            let url = log_files::of_step(&folder, id, &step.id, name);
            let log = objects::log(clients, &url).await.map_err(|fault| Failure::refused(&fault))?;
            has_log |= log.is_some();
            if let Some(log) = log.filter(|log| !log.text.trim().is_empty()) {
                parts.push(format!("{} ({}), {name}:\n{}", step.id, step.name, log.text.trim_end()));
            }
        }
        if !has_log {
            parts.push(format!(
                "{} ({}) is {}: EMR has not delivered its log to {folder} yet, which it does every five minutes and when \
                 the cluster ends",
                step.id, step.name, step.state
            ));
        }
    }
    if parts.is_empty() {
        parts.push(format!("cluster {id} has no steps"));
    }
    Ok(parts.join("\n\n"))
}

/// Stops the steps of a cluster in order and ends it. Returns what was done as text.
///
/// # Errors
/// Fails with `FailureKind::Refused` if nothing was done, and with `FailureKind::Failed` if it is not sure to end.
pub(crate) async fn stop(clients: &Clients, id: &str, ask: Confirm<'_>) -> Result<String, Failure> {
    let emr = Emr::new(clients);
    let view = emr.describe(id).await.map_err(refused)?;
    if view.state.is_ending() {
        return Ok(format!("cluster {id} is {} already", view.state));
    }
    let steps = emr.steps(id).await.map_err(refused)?;
    let open: Vec<String> =
        steps.iter().filter(|step| !step.state.is_over()).map(|step| step.id.clone()).collect();
    let open_text = display::count(open.len(), "step");
    // The cluster may belong to others.
    let whose = if view.name.starts_with(OUR_NAME_PREFIX) { "" } else { ", which tablehaul did not launch" };
    ask(&format!("this cancels {open_text} and ends cluster {id} ({}){whose}", view.name))?;
    if !open.is_empty() && !view.state.is_coming_up() {
        // Ending it is what matters.
        match emr.cancel(id, &open).await {
            Ok(()) => wait_for_steps(&emr, id).await,
            Err(error) => stderr::line(&format!("the steps could not be cancelled: {}", error.line)),
        }
    }
    let failed = |error: CallError| {
        Failure::failed(format!("cluster {id} may go on, and cost: {}; try again", error.line))
    };
    emr.terminate(id).await.map_err(failed)?;
    let began = Instant::now();
    loop {
        tokio::time::sleep(CHECK_STEPS_EVERY).await;
        match emr.describe(id).await {
            Ok(view) if view.state.is_ending() => return Ok(format!("cluster {id} is {}", view.state)),
            Err(error) if began.elapsed() >= CANCEL_LIMIT => return Err(failed(error)),
            Ok(view) if began.elapsed() >= CANCEL_LIMIT => {
                return Err(Failure::failed(format!(
                    "cluster {id} is still {}, though EMR was told to end it: look again with `tablehaul emr status {id}`",
                    view.state
                )));
            }
            _ => {}
        }
    }
}

async fn wait_for_steps(emr: &Emr, id: &str) {
    let began = Instant::now();
    while began.elapsed() < CANCEL_LIMIT {
        tokio::time::sleep(CHECK_STEPS_EVERY).await;
        if let Ok(steps) = emr.steps(id).await
            && steps.iter().all(|step| step.state.is_over())
        {
            return;
        }
    }
}
