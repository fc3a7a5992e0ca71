//! Everything that can be wrong is found here, before anything is written or spent.

use std::path::{Path, PathBuf};

use job::{
    layout,
    spec::{AwsAccess, RateSpec},
    target::Target,
};
use job_aws::{Clients, Retries, connect};
use serde_json::Value;

use crate::{
    claim::Claim,
    cluster::{ClusterWishes, Place, Room},
    dynamodb,
    failure::Failure,
    plan::{Plan, PlanText, Wishes, plan},
    store::Store,
    table::TableFacts,
};

/// What the user asked for.
#[derive(Clone, Debug)]
pub struct ExportRequest {
    /// Names or ARNs.
    pub tables: Vec<String>,
    /// Where to; of several tables each gets a folder of its own in it.
    pub destination: Target,
    /// How fast.
    pub rate: RateSpec,
    pub(crate) wishes: Wishes,
    /// Canned ACL of the objects written.
    pub s3_acl: Option<String>,
    /// Where workers run.
    pub cluster: ClusterWishes,
    /// How to reach AWS.
    pub aws: AwsAccess,
}

/// A table that is ready to be exported.
pub(crate) struct Prepared {
    /// Name or ARN, as asked: a table of another account is found only by its ARN.
    pub(crate) table: String,
    pub(crate) facts: TableFacts,
    pub(crate) target: Target,
    pub(crate) store: Store,
    pub(crate) plan: Plan,
    pub(crate) rate: job::capacity::Rate,
    pub(crate) rate_source: String,
}

impl Prepared {
    /// The plan in words.
    pub(crate) fn text(&self, wishes: Wishes, place: &Place) -> String {
        let Self { facts, target, plan, rate, rate_source, .. } = self;
        PlanText { facts, target, plan, rate: *rate, rate_source, wishes, place: place.text() }.to_string()
    }
}

/// Checks tables, permissions and destinations of a whole command.
pub(crate) async fn prepare(
    request: &ExportRequest,
    place: &Place,
) -> Result<(Clients, Vec<Prepared>), Failure> {
    let room = place.room().await?;
    let clients = connect(&request.aws, Retries::Sdk).await.map_err(|fault| Failure::refused(&fault))?;
    let mut prepared: Vec<Prepared> = Vec::new();
    for table in &request.tables {
        let one = prepare_one(request, table, &clients, room).await?;
        if prepared.iter().any(|other| other.target == one.target) {
            return Err(Failure::Refused(format!("table {table} is named twice")));
        }
        prepared.push(one);
    }
    Ok((clients, prepared))
}

async fn prepare_one(
    request: &ExportRequest,
    table: &str,
    clients: &Clients,
    room: Room,
) -> Result<Prepared, Failure> {
    let refused = |fault| Failure::refused(&fault);
    let facts = active(clients, table).await?;
    let target = folder(request, &facts, &clients.region);
    let store = Store::new(&target, clients, request.s3_acl.clone());
    store.check().map_err(refused)?;
    let names = store.list().await.map_err(refused)?;
    if !names.is_empty() {
        return Err(Failure::Refused(occupied(&store, &target, &names).await));
    }
    dynamodb::try_scan(clients, table).await.map_err(refused)?;
    let (rate, rate_source) = facts.read_rate(request.rate);
    if rate.milli_per_second() == 0 {
        return Err(Failure::Refused(format!("{rate_source} is no rate to read at")));
    }
    let plan = plan(&facts, rate, request.wishes, room);
    Ok(Prepared { table: table.to_owned(), facts, target, store, plan, rate, rate_source })
}

/// A table that can be read and written.
pub(crate) async fn active(clients: &Clients, table: &str) -> Result<TableFacts, Failure> {
    let facts = dynamodb::describe(clients, table).await.map_err(|fault| Failure::refused(&fault))?;
    if facts.status == "ACTIVE" {
        return Ok(facts);
    }
    let why = format!("table {table} is {}, not ACTIVE: wait until it is and try again", facts.status);
    Err(Failure::Refused(why))
}

/// Of several tables each has a folder of its own; a bucket alone is divided by region and table.
fn folder(request: &ExportRequest, facts: &TableFacts, region: &str) -> Target {
    let destination = &request.destination;
    match (destination.is_bucket_root(), request.tables.len()) {
        (true, _) => destination.folder(region).folder(&facts.name),
        (false, 1) => destination.clone(),
        (false, _) => destination.folder(&facts.name),
    }
}

/// What is there already, and what to do about it.
async fn occupied(store: &Store, target: &Target, names: &[String]) -> String {
    let has = |name: &str| names.iter().any(|there| there == name);
    if has(layout::MANIFEST) || has(layout::SUCCESS) {
        let what = match read_json(store, layout::EXPORT_JSON).await {
            Some(export) => format!(
                "a complete export of table {} of {}",
                word(&export["table"]["TableName"]),
                word(&export["finished_at"])
            ),
            None => "a complete export of another tool".to_owned(),
        };
        return format!("{target} holds {what}: choose another destination");
    }
    if has(layout::CLAIM) {
        let claim = Claim::read(&store.get(layout::CLAIM).await.unwrap_or_default());
        return format!(
            "{target} holds {claim}: if that is no longer running, remove the folder, or choose another \
             destination"
        );
    }
    let some: Vec<&str> = names.iter().take(3).map(String::as_str).collect();
    let more = if names.len() > some.len() { ", …" } else { "" };
    format!("{target} is not empty ({}{more}): choose another destination", some.join(", "))
}

async fn read_json(store: &Store, name: &str) -> Option<Value> {
    serde_json::from_slice(&store.get(name).await.ok()?).ok()
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or("unknown")
}

/// Cores this process may use.
pub(crate) fn cores() -> u32 {
    std::thread::available_parallelism().map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(u32::MAX))
}

/// The worker binary: `TABLEHAUL_WORKER`, else beside this one.
pub(crate) fn worker_binary() -> Result<PathBuf, Failure> {
    let path = match std::env::var_os("TABLEHAUL_WORKER") {
        Some(path) => PathBuf::from(path),
        None => std::env::current_exe()
            .ok()
            .and_then(|own| own.parent().map(|folder| folder.join("tablehaul-worker")))
            .unwrap_or_default(),
    };
    if is_executable(&path) {
        return Ok(path);
    }
    Err(Failure::Refused(format!(
        "the worker binary {} is missing or not executable: install tablehaul-worker beside tablehaul, or \
         name it in TABLEHAUL_WORKER",
        path.display()
    )))
}

fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}
