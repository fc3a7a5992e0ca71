//! Finds everything that can be known of an import without reading the whole backup, before anything is written.

use std::time::Duration;

use engine::rate::Limits;
use job::{
    capacity::{Rate, Units},
    ids::JobId,
    journal::BeginImport,
    object::Object,
    spec::{ImportSettings, WriteMode},
    split::Split,
    target::Target,
};
use job_aws::{Clients, Policy};

use super::{backup_overlap, plan, rejects::RejectSink, request::ImportRequest, resume};
use crate::{
    aws::{
        access::{self, bucket},
        dynamodb::{self, usable},
        table::TableFacts,
    },
    backup::{self, Backup},
    cluster::WorkerSlots,
    failure::Failure,
    jobs::lifecycle::{Start, StateFolder},
};

/// An import that is ready to begin.
pub(crate) struct PreparedImport {
    pub(super) folder: Target,
    /// Name or ARN, as given. A table of another account is found only by its ARN.
    pub(super) table: String,
    pub(super) mode: WriteMode,
    pub(super) clients: Clients,
    pub(super) facts: TableFacts,
    pub(super) backup: Backup,
    pub(super) splits: Vec<Split>,
    pub(super) limits: Limits,
    pub(super) rate_source: String,
    pub(super) workers: u32,
    pub(super) rejects: Option<RejectSink>,
    /// The job: that of the import that is resumed, or a new one.
    pub(super) job: JobId,
    /// The state folder, and the first fact of this import.
    pub(super) state: Option<(StateFolder, BeginImport)>,
    /// A line of the plan that says whose credentials the job uses.
    account: Option<String>,
}

impl PreparedImport {
    /// The plan as text.
    pub(super) fn text(&self, cluster: String) -> String {
        let plan = plan::ImportPlanText {
            folder: &self.folder,
            backup: &self.backup,
            facts: &self.facts,
            limits: &self.limits,
            rate_source: &self.rate_source,
            mode: self.mode,
            splits: self.splits.len(),
            workers: self.workers,
            cluster,
        };
        // A restart removes only the journal, which is not worth a line.
        let start = self.state.as_ref().map(|(folder, _)| &folder.start);
        let resumes = start.filter(|start| matches!(start, Start::Resume(_))).and_then(Start::plan_line);
        let lines = [Some(plan.to_string()), self.account.clone(), resumes];
        lines.into_iter().flatten().collect::<Vec<_>>().join("\n")
    }

    /// About how many units writing costs, by what is known before the backup was read.
    pub(super) fn units(&self) -> Option<Units> {
        let bytes = self.backup.files.iter().map(|file| file.bytes).sum();
        plan::units_unread(bytes, self.backup.items)
    }

    /// About how long writing takes, by what is known before the backup was read.
    pub(super) fn time(&self) -> Option<Duration> {
        self.units().map(|units| plan::time(units, &self.limits))
    }

    /// The settings that workers get in a pass of this mode.
    pub(super) fn settings(&self, mode: WriteMode) -> ImportSettings {
        let (table, keys) = (self.table.clone(), self.facts.keys.clone());
        let open_splits = plan::open_splits(self.splits.len(), self.workers);
        // An item that is to be deleted need not satisfy the key types of indexes.
        let indexes = if self.mode == WriteMode::Delete { Vec::new() } else { self.facts.index_keys.clone() };
        let is_incremental = self.backup.is_incremental;
        let aws = self.clients.for_workers(bucket(&self.folder));
        ImportSettings { table, keys, indexes, is_incremental, mode, open_splits, aws }
    }
}

/// What an import is prepared for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ImportRun {
    /// It runs.
    Run,
    /// Only its plan is wanted.
    DryRun,
    /// It runs on another machine, with other credentials. Only its plan is wanted.
    Remote,
}

/// Checks the table, the backup and the permissions. Creates a reject file only if the import runs.
///
/// # Errors
/// Fails if the command can't run as asked.
pub(super) async fn prepare(
    request: &ImportRequest,
    slots: WorkerSlots,
    kind: ImportRun,
    note: &(dyn Fn(&str) + Sync),
) -> Result<PreparedImport, Failure> {
    let is_dry = kind != ImportRun::Run;
    let refused = |fault| Failure::refused(&fault);
    let rejects_in = match &request.rejects {
        Some(Object::S3 { bucket, .. }) => Some(bucket.as_str()),
        _ => None,
    };
    // Before anything is asked for, because nothing is needed for it. Whether it is of an earlier run is found out
    // later.
    if let Some(place) = request.rejects.as_ref().filter(|_| kind != ImportRun::Remote) {
        RejectSink::check(place, None, true).await?;
    }
    let buckets = [bucket(&request.folder), request.state.as_ref().and_then(bucket), rejects_in];
    let table = std::slice::from_ref(&request.table);
    let (mut clients, asking) = access::reach(&request.aws, table, &buckets).await?;
    let facts = usable(&clients, &request.table, Some(note)).await?;
    let may_reject = request.max_rejects > 0;
    let backup = backup::find(&request.folder, Some(&clients), &facts.keys, may_reject).await?;
    if backup.is_incremental && (request.mode != WriteMode::Put || request.is_mode_named) {
        let why = format!(
            "{} is an incremental export: its lines state puts and deletes, so --mode {} does not apply; \
             remove it",
            request.folder,
            request.mode.name()
        );
        return Err(Failure::refused(why));
    }
    if let Some(place) = &request.rejects
        && backup_overlap::is_mark(&place.to_string())
    {
        return Err(Failure::refused(format!("--rejects {place}: {}", backup_overlap::IS_MARK)));
    }
    if let Some(place) = &request.rejects
        && backup_overlap::is_in_backup(place, &request.folder, &backup).await.map_err(refused)?
    {
        return Err(Failure::refused(format!(
            "--rejects {place}: is inside the backup folder, so the next import would read it as data; name \
             a file elsewhere, or one whose name begins with _"
        )));
    }
    let (limits, rate_source) = facts.write_limits(request.rate);
    if limits.table == Rate::default() {
        return Err(Failure::refused(format!("the write rate is 0 ({rate_source}): set --write-units")));
    }
    if kind != ImportRun::Remote {
        let write = || dynamodb::try_write(&clients, &request.table, request.mode);
        Policy::Brief.retry(write).await.map_err(refused)?;
    }
    let wished = request.workers.unwrap_or_else(|| slots.wanted(limits.table, plan::WRITE_UNITS_PER_WORKER));
    let state = resume::inspect(request, &clients).await?;
    let before = state.as_ref().and_then(resume::resumed).map(|state| &state.begin);
    // Positions in splits are valid only if the backup is split the same way.
    let cut_for = before.map_or(wished, |before| before.cut_for);
    let splits = backup::splits(&backup, cut_for);
    let begin = resume::begin(request, &facts, (&splits, cut_for), backup.items);
    if let Some(folder) = &state {
        resume::check(folder, &begin, (!is_dry).then_some(note)).await?;
    }
    let job = before.map_or_else(|| begin.job.clone(), |before| before.job.clone());
    let is_ours = before.is_some_and(|before| before.rejects == begin.rejects);
    let rejects = match (&request.rejects, kind) {
        (Some(place), ImportRun::Run) => Some(RejectSink::create(place, &clients, is_ours).await?),
        (Some(place), ImportRun::DryRun) => {
            RejectSink::check(place, Some(&clients), is_ours).await?;
            None
        }
        (None, _) | (_, ImportRun::Remote) => None,
    };
    let workers = plan::workers(wished, splits.len());
    asking.answer(&mut clients).await;
    Ok(PreparedImport {
        account: access::plan_line(&clients.identity, &request.table),
        folder: request.folder.clone(),
        table: request.table.clone(),
        mode: request.mode,
        clients,
        facts,
        backup,
        splits,
        limits,
        rate_source,
        workers,
        rejects,
        job,
        state: state.map(|folder| (folder, begin)),
    })
}
