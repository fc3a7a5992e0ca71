//! Before anything costs money: checks everything, and says what will be done.

use std::time::Duration;

use emr::{
    account::{Account, Found, PriceError},
    calls::{Emr, Unchecked},
};
use job_aws::{Clients, Fault, FaultKind, Policy};
use tokio_util::sync::CancellationToken;

use super::{JobRequest, LaunchRequest};
use crate::{
    cluster::WorkerSlots,
    commands::{export, import},
    failure::Failure,
    output::display,
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
    clients: &Clients,
    emr: &Emr,
    stop: &CancellationToken,
) -> Result<Checked, Failure> {
    let (job, mut found, price) = tokio::join!(
        Box::pin(job(request, stop)),
        Box::pin(cluster(request, clients, emr)),
        Box::pin(price(request, clients))
    );
    let wrong = found.wrong.join("; ");
    let job = match (job, found.wrong.is_empty()) {
        (Ok(job), true) => job,
        (Ok(_), false) => return Err(Failure::refused(wrong)),
        (Err(failure), true) => return Err(failure),
        (Err(failure), false) => return Err(failure.saying(&wrong)),
    };
    if let Planned { is_complete: true, texts, .. } = job {
        return Ok(Checked::NothingToDo(texts));
    }
    let mut lines: Vec<String> = job.texts.iter().map(|text| without_work(text)).collect();
    let dollars = match price {
        Some(Ok(dollars)) => Some(dollars),
        Some(Err(why)) => {
            found.unchecked.push(format!("the price ({why})"));
            None
        }
        None => None,
    };
    lines.push(costs(request, job.time, dollars));
    if !found.unchecked.is_empty() {
        lines.push(format!("not checked {}", found.unchecked.join("; ")));
    }
    Ok(Checked::Plan(lines.join("\n")))
}

/// Everything about the cluster that can be asked.
async fn cluster(request: &LaunchRequest, clients: &Clients, emr: &Emr) -> Found {
    // The launcher of the running cluster has checked it.
    if request.guest_of.is_some() {
        return Found::default();
    }
    let cluster = &request.cluster;
    let account = Account::new(clients);
    let (roles, subnets, rights, hardware, security, logs) = tokio::join!(
        account.roles(&cluster.service_role, &cluster.node_role),
        account.subnets(&cluster.subnets),
        account.rights(&cluster.service_role, &cluster.node_role),
        hardware(request, emr),
        security(request, emr),
        logs(request, clients),
    );
    hardware.and(logs).and(roles).and(subnets).and(security).and(rights)
}

async fn security(request: &LaunchRequest, emr: &Emr) -> Found {
    let Some(name) = &request.cluster.security_configuration else { return Found::default() };
    match emr.wrong_security_configuration(name).await {
        Ok(wrong) => Found::all_wrong(wrong),
        Err(Unchecked(why)) => Found::unchecked("the security configuration", why),
    }
}

/// Whether the folder for logs is in a bucket of the cluster's region, as EMR demands.
async fn logs(request: &LaunchRequest, clients: &Clients) -> Found {
    let logs = &request.cluster.logs;
    let Some((bucket, folder)) = logs.strip_prefix("s3://").and_then(|rest| rest.split_once('/')) else {
        return Found::default();
    };
    let unchecked = |fault: &Fault| Found::unchecked("the folder for logs", fault);
    let wrong = |why: String| Found::wrong(format!("--logs {logs}: {why}"));
    if let Err(fault) = Policy::Brief.retry(|| clients.locate(bucket)).await {
        return unchecked(&fault);
    }
    let (s3, address) = clients.s3_of(bucket);
    let list = s3.list_objects_v2().bucket(bucket).prefix(format!("{folder}/")).max_keys(1);
    if let Err(error) = Box::pin(list.send()).await {
        let fault = Fault::of("s3:ListBucket", logs, &address, error);
        return match fault.kind {
            FaultKind::NotFound => wrong("there is no such bucket".to_owned()),
            _ => unchecked(&fault),
        };
    }
    match clients.region_of(bucket) {
        Some(region) if region != clients.region => wrong(format!(
            "the bucket is in {region}, but the cluster in {}: EMR needs both in one region",
            clients.region
        )),
        _ => Found::default(),
    }
}

/// Dollars for an hour of one instance. `None` if nothing is launched.
async fn price(request: &LaunchRequest, clients: &Clients) -> Option<Result<f64, PriceError>> {
    let kind = request.cluster.instance_types.first().filter(|_| request.guest_of.is_none())?;
    Some(Account::new(clients).dollars_per_hour(kind).await)
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
            let plans = Box::pin(export::plan_remote(job, &place, room, stop)).await?;
            let is_complete = plans.iter().all(|plan| plan.is_complete);
            let time = plans.iter().map(|plan| plan.time).sum();
            let texts = plans.into_iter().map(|plan| plan.text).collect();
            Ok(Planned { texts, time, is_complete })
        }
        JobRequest::Import(job) => {
            let plan = Box::pin(import::plan_remote(job, &place, room, stop)).await?;
            Ok(Planned { texts: vec![plan.text], time: plan.time, is_complete: false })
        }
    }
}

async fn hardware(request: &LaunchRequest, emr: &Emr) -> Found {
    match emr.wrong_hardware(&request.cluster.release, &request.cluster.instance_types).await {
        Ok(wrong) => Found::all_wrong(wrong),
        Err(Unchecked(why)) => Found::unchecked("release and instance types", why),
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

/// Instance hours, and what they cost by the price list: discounts are not known.
fn costs(request: &LaunchRequest, time: Option<Duration>, dollars: Option<f64>) -> String {
    let cluster = &request.cluster;
    if request.guest_of.is_some() {
        return "hours       nothing beyond the running cluster".into();
    }
    let nodes = 1 + cluster.nodes + cluster.spot;
    let start = display::duration(START);
    let kept = if cluster.keep { ", and until you end the cluster" } else { "" };
    let about = if cluster.spot > 0 { "at most" } else { "about" };
    let priced = |hours: f64, each: &str| {
        let kind = cluster.instance_types.first().map(String::as_str).unwrap_or_default();
        let priced = dollars
            .map(|dollars| format!("; {about} ${:.2}{each} at the list price of {kind}", hours * dollars));
        priced.unwrap_or_default()
    };
    match time {
        Some(time) => {
            let hours = f64::from(nodes) * (START + time).as_secs_f64() / 3600.0;
            let text = if hours < 10.0 { format!("{hours:.1}") } else { format!("{hours:.0}") };
            format!(
                "hours       about {text} instance hours of EC2 and EMR: {nodes} × ({start} to start + {}){kept}{}",
                display::duration(time),
                priced(hours, "")
            )
        }
        None => format!(
            "hours       {} of EC2 and EMR for the time of the job and about {start} to start{kept}{}",
            display::count(nodes as usize, "instance"),
            priced(f64::from(nodes), " an hour")
        ),
    }
}
