//! Finds everything that can be wrong before anything is written or paid for.

use std::time::Duration;

use engine::{export::ExportState, replay::State};
use job::{
    capacity::Rate,
    spec::{AwsAccess, RateSpec},
    table_settings::TableSettings,
    target::Target,
    visible::Line,
};
use job_aws::{Clients, FaultKind, Policy};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::plan::{ExportOptions, ExportPlan, ExportPlanText, plan};
use super::resume::difference;
use crate::{
    aws::{
        access,
        dynamodb::{self, Note},
        table::TableFacts,
        table_settings,
    },
    cluster::{ClusterOptions, WorkerSlots},
    failure::Failure,
    jobs::{
        commit::{self, Marks},
        completeness::Complete,
        folder_contents::{FolderContents, foreign_text},
        lifecycle::Start,
    },
    journal,
    output::display,
    store::Store,
};

/// What the user asked for.
#[derive(Clone, Debug)]
pub(crate) struct ExportRequest {
    /// Names or ARNs.
    pub tables: Vec<String>,
    /// The destination. With several tables, each gets a folder of its own in it.
    pub destination: Target,
    /// The read rate.
    pub rate: RateSpec,
    pub(crate) options: ExportOptions,
    /// What to do if the destination holds a complete export of the table.
    pub if_complete: IfComplete,
    /// Whether to remove an unfinished export and start from scratch.
    pub restart: bool,
    /// The time within which the command ends, complete or not.
    pub deadline: Option<Duration>,
    /// Where workers run.
    pub cluster: ClusterOptions,
    /// How to reach AWS.
    pub aws: AwsAccess,
}

/// What to do if the destination holds a complete export of the table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum IfComplete {
    /// Fail with an error
    #[default]
    Refuse,
    /// Succeed and do nothing
    Skip,
}

/// Whose permission to read the table counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reader {
    /// The export runs here.
    ThisProcess,
    /// It runs elsewhere, with other credentials.
    #[cfg_attr(not(feature = "emr"), expect(dead_code, reason = "only clusters are elsewhere"))]
    Remote,
}

/// What is to be done for a table.
pub(crate) enum Todo {
    /// It is exported.
    Export(Start),
    /// Nothing: the folder holds a complete export of the same table, described by this text.
    Nothing(String),
}

impl Todo {
    /// The unfinished export that is resumed.
    pub(super) fn resumed(&self) -> Option<&ExportState> {
        match self {
            Self::Export(start) => match start.resumed()? {
                State::Export(state) => Some(state),
                State::Import(_) | State::Verify(_) => None,
            },
            Self::Nothing(_) => None,
        }
    }
}

/// A table that is ready to be exported.
pub(crate) struct PreparedExport {
    /// Name or ARN, as given. A table of another account is found only by its ARN.
    pub(crate) table: String,
    pub(crate) facts: TableFacts,
    /// Further settings of the table, for a new export.
    pub(crate) settings: Option<TableSettings>,
    pub(crate) target: Target,
    pub(crate) store: Store,
    pub(crate) plan: ExportPlan,
    pub(crate) rate: Rate,
    pub(crate) rate_source: String,
    /// A line of the plan that says whose credentials the job uses.
    pub(crate) account: Option<String>,
}

impl PreparedExport {
    /// The plan as text.
    pub(crate) fn text(&self, todo: &Todo, mut options: ExportOptions, cluster: String) -> String {
        let Self { facts, target, plan, rate, rate_source, account, .. } = self;
        let start = match todo {
            Todo::Export(start) => start,
            Todo::Nothing(text) => return Line(text).to_string(),
        };
        if let Some(state) = todo.resumed() {
            options.null = Some(state.begin.options.files.null);
        }
        let plan =
            ExportPlanText { facts, target, plan, rate: *rate, rate_source, options, cluster }.to_string();
        let lines = [Some(plan), account.clone(), start.plan_line()];
        lines.into_iter().flatten().collect::<Vec<_>>().join("\n")
    }
}

/// Checks the tables, permissions and destinations of a command. Without `note`, does not wait to find out whether a
/// destination is still in use.
///
/// # Errors
/// Fails if the command can't run as asked.
pub(crate) async fn prepare(
    request: &ExportRequest,
    slots: WorkerSlots,
    reader: Reader,
    note: Note<'_>,
) -> Result<(Clients, Vec<(Todo, PreparedExport)>), Failure> {
    let buckets = [access::bucket(&request.destination)];
    let (mut clients, asking) = access::reach(&request.aws, &request.tables, &buckets).await?;
    let mut prepared: Vec<(Todo, PreparedExport)> = Vec::new();
    for table in &request.tables {
        let (todo, one) = prepare_one(request, table, &clients, (slots, reader), note).await?;
        if prepared.iter().any(|(_, other)| other.target == one.target) {
            return Err(Failure::refused(format!("table {table} is named twice")));
        }
        prepared.push((todo, one));
    }
    refuse_complete(request, &prepared)?;
    asking.answer(&mut clients).await;
    for (_, one) in &mut prepared {
        one.account = access::plan_line(&clients.identity, &one.table);
    }
    Ok((clients, prepared))
}

/// Refuses complete exports, unless the user allows to skip them. Complete tables are also skipped if another table of
/// the command is resumed, because an earlier run of the same command leaves that state.
fn refuse_complete(request: &ExportRequest, prepared: &[(Todo, PreparedExport)]) -> Result<(), Failure> {
    let resumes = prepared.iter().any(|(todo, _)| todo.resumed().is_some());
    if request.if_complete == IfComplete::Skip || resumes {
        return Ok(());
    }
    let done = prepared.iter().find_map(|(todo, _)| match todo {
        Todo::Nothing(text) => Some(text),
        Todo::Export(_) => None,
    });
    match done {
        Some(text) => Err(Failure::refused(format!(
            "{text}: choose another destination, or give --if-complete skip to leave it as it is"
        ))),
        None => Ok(()),
    }
}

async fn prepare_one(
    request: &ExportRequest,
    table: &str,
    clients: &Clients,
    (slots, reader): (WorkerSlots, Reader),
    note: Note<'_>,
) -> Result<(Todo, PreparedExport), Failure> {
    let refused = |fault| Failure::refused(&fault);
    let described = Policy::Brief.retry(|| dynamodb::describe(clients, table)).await;
    let gone = match &described {
        Err(fault) if fault.kind == FaultKind::NotFound => read_already(request, table, clients).await,
        _ => None,
    };
    let is_gone = gone.is_some();
    let facts = match gone {
        Some(facts) => facts,
        None => dynamodb::usable_of(described, note)?,
    };
    let target = folder(request, &facts.name, &clients.region);
    let store = Store::new(&target, clients);
    if let Err(fault) = store.check().await {
        // A complete export needs no permission to write: it is reported or skipped.
        let is_complete = matches!(FolderContents::of(&store).await, Ok(FolderContents::Complete(_)));
        if !is_complete {
            return Err(refused(fault));
        }
    }
    let mut asking = JoinSet::new();
    // A dry run, which has no note, records nothing.
    if note.is_some() && !is_gone {
        let (clients, table, description) = (clients.clone(), table.to_owned(), facts.description.clone());
        asking.spawn(async move { table_settings::read(&clients, &table, &description).await });
    }
    let todo = todo(request, &store, &facts, note).await?;
    if !is_gone && reader == Reader::ThisProcess {
        Policy::Brief.retry(|| dynamodb::try_scan(clients, table)).await.map_err(refused)?;
    }
    let (rate, rate_source) = facts.read_rate(request.rate);
    if rate.milli_per_second() == 0 {
        return Err(Failure::refused(format!("the read rate is 0 ({rate_source}): set --read-units")));
    }
    // A resumed export has the settings in its journal.
    let mut settings = None;
    if matches!(todo, Todo::Export(Start::Fresh | Start::Restart(_)))
        && let Some(Ok(found)) = asking.join_next().await
    {
        found.note().zip(note).inspect(|(text, note)| note(text));
        settings = Some(found.settings);
    }
    let mut options = request.options;
    if let Some(state) = todo.resumed() {
        options.segments = Some(state.begin.options.segments);
    }
    let plan = plan(&facts, rate, options, slots);
    let (table, account) = (table.to_owned(), None);
    Ok((todo, PreparedExport { table, facts, settings, target, store, plan, rate, rate_source, account }))
}

/// The facts of a table that no longer exists, if an unfinished export has read all of it. They are as of the beginning
/// of that export. Only its files remain to be completed, which needs no table, and they may be the only copy.
async fn read_already(request: &ExportRequest, table: &str, clients: &Clients) -> Option<TableFacts> {
    let name = table.rsplit('/').next()?;
    let target = folder(request, name, &clients.region);
    let journaled = journal::read(&Store::new(&target, clients)).await.ok()??;
    let (done, total) = journaled.state.tasks();
    let State::Export(state) = &journaled.state else { return None };
    let is_read = done == total && !journaled.is_abandoned && !request.restart && state.begin.table == name;
    is_read.then(|| TableFacts::read(&json!({"Table": state.begin.description})).ok())?
}

/// The folder of a table. With several tables each has a folder of its own. The root of a bucket is divided by region
/// and table.
fn folder(request: &ExportRequest, table: &str, region: &str) -> Target {
    let destination = &request.destination;
    match (destination.is_bucket_root(), request.tables.len()) {
        (true, _) => destination.folder(region).folder(table),
        (false, 1) => destination.clone(),
        (false, _) => destination.folder(table),
    }
}

/// What to do in the folder, depending on what it holds.
async fn todo(
    request: &ExportRequest,
    store: &Store,
    facts: &TableFacts,
    note: Note<'_>,
) -> Result<Todo, Failure> {
    let folder = store.display();
    let choose = "choose another destination";
    match FolderContents::of(store).await? {
        FolderContents::Empty => Ok(Todo::Export(Start::Fresh)),
        FolderContents::Damaged(damaged) => Err(Failure::refused(format!(
            "{folder} holds {}: copy what is missing or damaged again, or {choose}",
            damaged.sentence()
        ))),
        FolderContents::Complete(Complete { export, text, .. }) => {
            let table = export.as_deref().map(|export| &export.table);
            if table.is_some_and(|table| is_of(table, facts)) {
                return Ok(Todo::Nothing(format!("{folder} holds {text}")));
            }
            Err(Failure::refused(format!("{folder} holds {text}: {choose}")))
        }
        FolderContents::Foreign(names, has_more) => {
            let names = foreign_text(&names, has_more);
            Err(Failure::refused(format!("{folder} is not empty ({names}): {choose}")))
        }
        FolderContents::Unfinished(journaled) => {
            let State::Export(state) = &journaled.state else {
                return Err(Failure::refused(format!(
                    "{folder} holds {}: {choose}",
                    journaled.text_as_found()
                )));
            };
            let is_restarted = request.restart || journaled.is_abandoned;
            if let Some(why) = difference(&state.begin, facts, request.options)
                && !is_restarted
            {
                return Err(Failure::refused(format!(
                    "{folder} holds an unfinished export {why}: give the same options, or --restart to remove \
                     it and start again"
                )));
            }
            if let Some(note) = note {
                journal::wait_for_owner_to_stop(store, &journaled, note).await?;
            }
            let refused = |fault| Failure::refused(&fault);
            let marks = Marks::journaled(store, &journaled);
            let foreign = commit::in_the_way(store, marks.as_ref()).await.map_err(refused)?;
            if !foreign.is_empty() {
                let names = display::and(&foreign);
                return Err(Failure::refused(format!(
                    "{folder} holds an unfinished export, and {names}, which this export did not write: move that \
                     elsewhere and run the same command again, or choose another destination, or remove the \
                     unfinished export with `tablehaul clean {folder}`, which leaves {names}"
                )));
            }
            if !is_restarted {
                let may_be_complete = journaled.committed_at.is_some();
                let lost = store.lost(&state.begin.job, state.files(), may_be_complete).await;
                if let Some(lost) = lost.map_err(refused)? {
                    let restart = format!(
                        "give --restart to remove the rest and read the whole table again, or remove it with \
                         `tablehaul clean {folder}`"
                    );
                    return Err(Failure::refused(format!(
                        "{folder} holds an unfinished export, but {lost}: {restart}"
                    )));
                }
            }
            Ok(Todo::Export(Start::after(journaled, is_restarted)))
        }
    }
}

/// Whether an export's description of its table is that of this table.
fn is_of(table: &Value, facts: &TableFacts) -> bool {
    let same = |field: &str| table[field] == facts.description[field];
    same("TableName") && same("TableArn") && same("TableId")
}
