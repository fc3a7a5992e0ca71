//! Before anything costs money: checks everything, and says what will be done.

use std::time::Duration;

use emr::calls::{Emr, Unchecked};
use tokio_util::sync::CancellationToken;

use super::{JobRequest, LaunchRequest};
use crate::{
    cluster::WorkerSlots,
    commands::{export, import},
    failure::Failure,
    text,
};

/// How long a cluster takes to start, for the plan. Source: reports of users, 7 to 10 minutes.
const START: Duration = Duration::from_mins(8);
/// Cores of an instance, for the plan: those of an xlarge.
const CORES: u32 = 4;

/// What was found.
pub(super) enum Checked {
    /// This is to be done.
    Plan(String),
    /// Everything is there already.
    NothingToDo(Vec<String>),
}

/// Checks job and cluster at the same time.
///
/// # Errors
/// Names everything that is wrong.
pub(super) async fn check(
    request: &LaunchRequest,
    emr: &Emr,
    stop: &CancellationToken,
) -> Result<Checked, Failure> {
    let (job, cluster) = tokio::join!(job(request, stop), hardware(request, emr));
    let (job, cluster) = match (job, cluster) {
        (Ok(job), Ok(cluster)) => (job, cluster),
        (Err(failure), Err(wrong)) => return Err(failure.saying(&wrong.join("; "))),
        (Err(failure), Ok(_)) => return Err(failure),
        (Ok(_), Err(wrong)) => return Err(Failure::Refused(wrong.join("; "))),
    };
    if let Planned { is_complete: true, texts, .. } = job {
        return Ok(Checked::NothingToDo(texts));
    }
    let mut lines: Vec<String> = job.texts.iter().map(|text| without_work(text)).collect();
    lines.push(costs(request, job.time));
    lines.extend(cluster);
    Ok(Checked::Plan(lines.join("\n")))
}

/// A plan without how many workers it has: the node decides that by its cores.
fn without_work(plan: &str) -> String {
    plan.lines().filter(|line| !line.starts_with("work  ")).collect::<Vec<_>>().join("\n")
}

struct Planned {
    texts: Vec<String>,
    time: Option<Duration>,
    is_complete: bool,
}

async fn job(request: &LaunchRequest, stop: &CancellationToken) -> Result<Planned, Failure> {
    let place = place(request);
    let instances = 1.max(request.cluster.nodes + request.cluster.spot);
    let room = WorkerSlots { workers: CORES.saturating_mul(instances), is_shared: true };
    match &request.job {
        JobRequest::Export(job) => {
            let plans = Box::pin(export::plan_elsewhere(job, &place, room, stop)).await?;
            let is_complete = plans.iter().all(|plan| plan.is_complete);
            let time = plans.iter().map(|plan| plan.time).sum();
            let texts = plans.into_iter().map(|plan| plan.text).collect();
            Ok(Planned { texts, time, is_complete })
        }
        JobRequest::Import(job) => {
            let text = Box::pin(import::plan_elsewhere(job, &place, room, stop)).await?;
            Ok(Planned { texts: vec![text], time: None, is_complete: false })
        }
    }
}

async fn hardware(request: &LaunchRequest, emr: &Emr) -> Result<Option<String>, Vec<String>> {
    if request.guest_of.is_some() {
        return Ok(None);
    }
    match emr.wrong_hardware(&request.cluster.release, &request.cluster.instance_types).await {
        Ok(wrong) if wrong.is_empty() => Ok(None),
        Ok(wrong) => Err(wrong),
        Err(Unchecked(why)) => Ok(Some(format!("unchecked   release and instance types: {why}"))),
    }
}

fn place(request: &LaunchRequest) -> String {
    let cluster = &request.cluster;
    if let Some(id) = &request.guest_of {
        return format!("EMR: the running cluster {id}");
    }
    let nodes = 1 + cluster.nodes + cluster.spot;
    let spot = if cluster.spot > 0 { format!(", {} of them spot", cluster.spot) } else { String::new() };
    format!(
        "EMR: a new cluster, {}, {nodes} × {}{spot}",
        cluster.release,
        cluster.instance_types.join(" or ")
    )
}

/// Instance hours. Dollars would need a permission for AWS's price list, and a guess of discounts.
#[allow(clippy::cast_precision_loss)]
fn costs(request: &LaunchRequest, time: Option<Duration>) -> String {
    let cluster = &request.cluster;
    if request.guest_of.is_some() {
        return "hours       nothing beyond the running cluster".into();
    }
    let nodes = 1 + cluster.nodes + cluster.spot;
    let start = text::duration(START);
    let kept = if cluster.keep { ", and until you end the cluster" } else { "" };
    match time {
        Some(time) => {
            let hours = f64::from(nodes) * (START + time).as_secs_f64() / 3600.0;
            let hours = if hours < 10.0 { format!("{hours:.1}") } else { format!("{hours:.0}") };
            format!(
                "hours       about {hours} instance hours of EC2 and EMR: {nodes} × ({start} to start + {}){kept}",
                text::duration(time)
            )
        }
        None => format!(
            "hours       {} of EC2 and EMR for the time of the job and about {start} to start{kept}",
            text::count(nodes as usize, "instance")
        ),
    }
}
