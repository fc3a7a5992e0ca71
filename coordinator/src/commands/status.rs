//! The status command: what a folder holds, and how far it has got. It writes nothing and needs only permission to
//! read.

mod watch;

use std::{fmt, time::Duration};

use engine::replay::{Journaled, State};
use events::TaskKind;
use job::{spec::AwsAccess, target::Target, visible::Line};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::{
    failure::Failure,
    jobs::{
        commit::{self, Marks},
        completeness::{self, Complete, Damaged, Whole},
        folder_contents::{FolderContents, foreign_text},
        history,
    },
    journal::{self, OwnerStatus},
    output::{display, waits::unless_silent},
    store::Store,
};

pub(crate) use watch::watch;
pub(super) use watch::{News, SILENT, STALE};

/// How often a folder is inspected while its job replaces the objects of its journal.
const MOST_TRIES: u32 = 4;

/// The state of a folder.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Status {
    /// The folder.
    pub folder: String,
    /// What it holds.
    #[serde(flatten)]
    pub state: FolderState,
    /// The URL of the report of its job, if that has ended and there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub report: Option<String>,
}

/// What a folder holds.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "lowercase", tag = "state")]
pub(crate) enum FolderState {
    /// Nothing, or the folder does not exist.
    Empty,
    /// An export that is complete by the names and lengths of its files. If little else is known, it is of another
    /// tool.
    Complete {
        /// The table.
        table: Option<String>,
        /// Its items.
        items: Option<u64>,
        /// Bytes of its files.
        bytes: Option<u64>,
        /// When it was finished.
        finished_at: Option<String>,
        /// Number of listed files; all of them exist.
        files: usize,
        /// What was checked and what was not, as text.
        looked_at: String,
        /// The whole result as text.
        #[serde(skip)]
        text: String,
    },
    /// An export that claims to be complete and is not.
    Damaged {
        /// The table.
        table: Option<String>,
        /// What is wrong, one text each. Only some if there are many.
        defects: Vec<String>,
        /// Names of missing files. Only some if there are many.
        missing: Vec<String>,
        /// What was checked and what was not, as text.
        looked_at: String,
        /// The export and its defects as text.
        #[serde(skip)]
        text: String,
    },
    /// A running job.
    Running(Unfinished),
    /// A job that ended in order. The same command resumes it.
    Stopped(Unfinished),
    /// A job whose coordinator died. The same command resumes it.
    Interrupted(Unfinished),
    /// A job that did not end in order. It can't be seen from here whether it runs.
    Unfinished(Unfinished),
    /// Something else.
    Foreign {
        /// Names of some files in it.
        names: String,
    },
}

/// A job that is not complete.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Unfinished {
    /// `export`; in a state folder `import` or `verification`.
    pub kind: &'static str,
    /// The table.
    pub table: String,
    /// How much is done, 0 to 100.
    pub percent: u64,
    /// Items that need not be read or written again.
    pub items: u64,
    /// Mean items read or written per second, over all runs.
    pub items_per_second: f64,
    /// Segments of the table, or splits or files of the backup, that are done.
    pub tasks_done: usize,
    /// All segments, splits or files.
    pub tasks: usize,
    /// What they are.
    #[serde(skip)]
    pub task_kind: TaskKind,
    /// Everything is read, and the files are being completed.
    pub completing: bool,
    /// When the job began.
    pub started_at: String,
    /// The host of the last run.
    pub host: String,
    /// The process ID of the last run.
    pub pid: u32,
    /// When the last run wrote its last fact, by its own clock.
    pub last_word_at: String,
    /// How many seconds ago that was, if known.
    pub last_word_seconds_ago: Option<u64>,
    /// Why the last run ended, if it recorded a reason.
    pub why: Option<String>,
    /// Why it can't be seen from here whether the job runs, if so.
    pub unseen: Option<String>,
    /// Names in the folder under which this job will put its marks, but which it has not written.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub foreign: Vec<&'static str>,
}

/// Looks at a folder.
///
/// # Errors
/// Fails with `FailureKind::Refused` if it can't be read.
pub(crate) async fn status(
    folder: &Target,
    access: &AwsAccess,
    stop: &CancellationToken,
) -> Result<Status, Failure> {
    tokio::select! {
        status = unless_silent(inspect(folder, access)) => status,
        () = stop.cancelled() => Err(Failure::stopped("stopped by a signal")),
    }
}

async fn inspect(folder: &Target, access: &AwsAccess) -> Result<Status, Failure> {
    let store = Store::to_read(folder, access).await.map_err(|fault| Failure::refused(&fault))?;
    status_of(folder, &store).await
}

/// The same for a folder that is open.
///
/// # Errors
/// See [`status`].
pub(crate) async fn status_of(folder: &Target, store: &Store) -> Result<Status, Failure> {
    let mut tries = 1;
    let state = loop {
        break match FolderContents::of(store).await? {
            FolderContents::Empty => FolderState::Empty,
            FolderContents::Foreign(names, has_more) => match completeness::inspect_native(store).await? {
                Some(whole) => whole.into(),
                None => FolderState::Foreign { names: foreign_text(&names, has_more) },
            },
            FolderContents::Complete(complete) => Whole::Complete(complete).into(),
            FolderContents::Damaged(damaged) => Whole::Damaged(damaged).into(),
            FolderContents::Unfinished(journaled) => match unfinished(store, &journaled).await {
                Ok(state) => state,
                // A running job replaces the objects of its journal, and removes them at its end.
                Err(_) if tries < MOST_TRIES && !journal::is_newest(store, &journaled).await? => {
                    tries += 1;
                    continue;
                }
                Err(failure) => return Err(failure),
            },
        };
    };
    let report = match state {
        FolderState::Empty
        | FolderState::Complete { .. }
        | FolderState::Damaged { .. }
        | FolderState::Stopped(_) => {
            history::report_in(store).await.map_err(|fault| Failure::refused(&fault))?
        }
        // It would be the report of an earlier run.
        FolderState::Running(_)
        | FolderState::Interrupted(_)
        | FolderState::Unfinished(_)
        | FolderState::Foreign { .. } => None,
    };
    Ok(Status { folder: folder.to_string(), state, report })
}

impl From<Whole> for FolderState {
    fn from(whole: Whole) -> Self {
        match whole {
            Whole::Complete(Complete { export, table, items, text, files, looked_at }) => Self::Complete {
                table,
                items,
                bytes: export.as_ref().map(|export| export.bytes),
                finished_at: export.map(|export| export.finished_at),
                files,
                looked_at,
                text,
            },
            Whole::Damaged(damaged) => {
                let text = damaged.sentence();
                let Damaged { table, defects, missing, looked_at, .. } = damaged;
                Self::Damaged { table, defects, missing, looked_at, text }
            }
        }
    }
}

async fn unfinished(store: &Store, journaled: &Journaled) -> Result<FolderState, Failure> {
    let state = &journaled.state;
    let age = journal::age(store, journaled).await?;
    let (done, total) = state.tasks();
    let seconds = Duration::from_millis(journaled.totals.elapsed_ms).as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a rate need not be exact")]
    let items_per_second = journaled.totals.items as f64 / seconds.max(1e-3);
    let mut unfinished = Unfinished {
        kind: state.kind(),
        table: state.table().to_owned(),
        percent: state.percent(),
        items: state.items(),
        items_per_second,
        tasks_done: done,
        tasks: total,
        task_kind: state.task_kind(),
        completing: journaled.committed_at.is_some(),
        started_at: state.started_at().to_owned(),
        host: journaled.last.host.clone(),
        pid: journaled.last.pid,
        last_word_at: journaled.last.at.clone(),
        last_word_seconds_ago: age.map(|age| age.as_secs()),
        why: journaled.stopped.clone(),
        unseen: None,
        foreign: foreign_marks(store, journaled).await?,
    };
    let lives = match journal::owner_status(store, journaled).await? {
        OwnerStatus::Alive => true,
        OwnerStatus::Gone | OwnerStatus::Killed => false,
        OwnerStatus::LastSeen(_) => age.is_none_or(|age| age < journal::owner_timeout()),
        OwnerStatus::Unseen(why) => {
            unfinished.unseen = Some(why);
            return Ok(FolderState::Unfinished(unfinished));
        }
    };
    Ok(match (lives, &journaled.stopped) {
        (true, _) => FolderState::Running(unfinished),
        (false, Some(_)) => FolderState::Stopped(unfinished),
        (false, None) => FolderState::Interrupted(unfinished),
    })
}

/// The marks beside a journal that its job has not written.
async fn foreign_marks(store: &Store, journaled: &Journaled) -> Result<Vec<&'static str>, Failure> {
    let refused = |fault| Failure::refused(&fault);
    if !matches!(journaled.state, State::Export(_)) {
        return Ok(Vec::new());
    }
    let marks = Marks::journaled(store, journaled);
    let found = commit::in_the_way(store, marks.as_ref()).await.map_err(refused)?;
    if found.is_empty() {
        return Ok(found);
    }
    // The job may have put its marks since its journal was read. It notes that before.
    match journal::read(store).await? {
        Some(now) => {
            let marks = Marks::journaled(store, &now);
            commit::in_the_way(store, marks.as_ref()).await.map_err(refused)
        }
        None => Ok(Vec::new()),
    }
}

impl fmt::Display for Status {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let folder = Line(&self.folder);
        let report = self.report.as_deref().map(|url| format!("; its report is {}", Line(url)));
        let report = report.unwrap_or_default();
        match &self.state {
            FolderState::Empty if self.report.is_some() => {
                write!(out, "{folder} holds no backup and no unfinished job{report}")
            }
            FolderState::Empty => write!(out, "{folder} is empty"),
            FolderState::Foreign { names } => {
                write!(out, "{folder} holds files that are not an export of tablehaul: {}", Line(names))
            }
            FolderState::Complete { items, bytes, text, looked_at, .. } => {
                write!(out, "{folder} holds {text}")?;
                if let Some(items) = items {
                    write!(out, ": {}", display::count_of(*items, "item"))?;
                }
                if let Some(bytes) = bytes {
                    write!(out, ", {}", display::bytes(*bytes))?;
                }
                write!(out, "; {looked_at}{report}")
            }
            FolderState::Damaged { text, looked_at, .. } => {
                write!(
                    out,
                    "{folder} holds {text} ({looked_at}); if it is a copy, copy what is missing or damaged again{report}"
                )
            }
            FolderState::Running(export) => write!(out, "{folder} is in use: {export}"),
            FolderState::Stopped(export) => write!(
                out,
                "{folder} holds a stopped job ({}): {export}{report}",
                export.why.as_deref().unwrap_or_default().escape_debug()
            ),
            FolderState::Unfinished(export) => {
                let why = Line(export.unseen.as_deref().unwrap_or_default());
                write!(
                    out,
                    "{folder} holds an unfinished job: {export}; whether it is running can't be seen from here: \
                     {why}"
                )
            }
            FolderState::Interrupted(export) => {
                write!(out, "{folder} holds an interrupted job: {export}")
            }
        }
    }
}

impl fmt::Display for Unfinished {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = |text: &str| text.escape_debug().to_string();
        let completing = if self.completing { ", files are being completed" } else { "" };
        write!(
            out,
            "{} of table {}, {} % ({}, {}/{} {}, {} items/s on average){completing}, started {}; last update \
             {}",
            self.kind,
            word(&self.table),
            self.percent,
            display::count_of(self.items, "item"),
            self.tasks_done,
            self.tasks,
            self.task_kind.nouns(),
            display::rate(self.items_per_second),
            word(&self.started_at),
            word(&self.last_word_at),
        )?;
        if let Some(seconds) = self.last_word_seconds_ago {
            write!(out, " ({seconds} s ago)")?;
        }
        write!(out, " by process {} on {}", self.pid, word(&self.host))?;
        if !self.foreign.is_empty() {
            let names = display::and(&self.foreign);
            write!(out, "; {names} beside it, which this job did not write, must be moved elsewhere")?;
        }
        Ok(())
    }
}
