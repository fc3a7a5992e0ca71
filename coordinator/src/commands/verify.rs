//! The verify command: reads a backup and compares it with what was recorded. [`tablehaul`] knows exports of tablehaul,
//! and [`folder`] checks their names; [`crate::backup`] knows all other backups. The crate `verify` checks the bytes of
//! a file, in this process or in workers.
//!
//! ```text
//! listing, export.json, manifest → tablehaul → folder | backup ┐
//! files → in_process | workers ────────────────────────────────┴→ defects
//! ```
//!
//! It writes nothing to that folder. With `--state`, [`resume`] keeps the results of files in another one.

mod folder;
mod in_process;
mod progress;
mod resume;
mod tablehaul;
mod workers;

use std::{
    fmt,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use events::{Command, Event, Plan};
use job::{
    layout,
    spec::AwsAccess,
    target::Target,
    verify::{FileFound, FileRules, StoredFile},
    visible::Line,
};
use job_aws::Clients;
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use verify::Expected;

use crate::{
    backup::{Inspected, Inspection, Kind, inspect},
    cluster::ClusterOptions,
    failure::Failure,
    jobs::lifecycle::StateFolder,
    output::{display, progress::Progress, stream::plan_of, waits::unless_silent},
    stop::Stop,
    store::Store,
};
use progress::Tally;
use resume::Resumable;
use workers::WorkerPlan;

/// What the user asked for.
#[derive(Clone, Debug)]
pub(crate) struct VerifyRequest {
    /// The folder of the backup, or a file.
    pub folder: Target,
    /// Worker processes. By default there are none on this machine, unless there is a state folder.
    pub workers: Option<u32>,
    /// The state folder, which lets the same command resume.
    pub state: Option<Target>,
    /// Whether to discard the results in the state folder.
    pub restart: bool,
    /// Where workers run.
    pub cluster: ClusterOptions,
    /// How to reach AWS.
    pub aws: AwsAccess,
}

/// The result of the verification of a backup.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Verified {
    /// The table that was exported, if the backup says which.
    pub(crate) table: Option<String>,
    pub(crate) folder: String,
    /// What the backup is, unless it is an export of tablehaul: who made it, formats and codecs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) backup: Option<String>,
    /// Files read.
    pub(crate) files: usize,
    /// Lines in them that are not blank.
    pub(crate) items: u64,
    /// Their bytes as stored.
    pub(crate) bytes: u64,
    /// One line for each defect: where and what. Never the contents of items.
    pub(crate) defects: Vec<String>,
    /// Remarks that are not defects.
    pub(crate) notes: Vec<String>,
    pub(crate) seconds: f64,
}

impl Verified {
    /// The table in texts.
    fn table_text(&self) -> &str {
        self.table.as_deref().unwrap_or("a table")
    }
}

impl fmt::Display for Verified {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "verified    {} in {}", Line(self.table_text()), Line(&self.folder))?;
        if let Some(backup) = &self.backup {
            writeln!(out, "backup      {backup}")?;
        }
        writeln!(out, "items       {}", self.items)?;
        writeln!(
            out,
            "size        {} in {}",
            display::bytes(self.bytes),
            display::count(self.files, "file")
        )?;
        for note in &self.notes {
            writeln!(out, "note        {}", Line(note))?;
        }
        match self.defects.len() {
            0 => writeln!(out, "defects     none")?,
            // One of them may say how many others there are in its file.
            lines => writeln!(out, "defects     {}", display::count(lines, "line"))?,
        }
        write!(out, "time        {}", display::duration(Duration::from_secs_f64(self.seconds)))
    }
}

/// Verifies the backup in a folder, and passes the result to `show`. Only then the state is removed, if there is one.
///
/// # Errors
/// Fails with `FailureKind::Refused` if there is nothing to verify, with `FailureKind::Failed` if it can't be read,
/// with `FailureKind::Stopped` if `stop` is cancelled, and with the error of `show`.
pub(crate) async fn verify(
    request: &VerifyRequest,
    progress: &Progress,
    stop: &CancellationToken,
    show: impl FnOnce(&Verified) -> Result<(), Failure>,
) -> Result<Verified, Failure> {
    // Boxed because the future is large.
    let (verified, resumable) = Box::pin(find(request, progress, stop)).await?;
    let shown = show(&verified);
    match (shown, resumable) {
        (Ok(()), Some(resumable)) => resumable.remove().await?,
        (Err(failure), Some(resumable)) => return Err(resumable.give_up(progress, failure).await),
        (shown, None) => shown?,
    }
    Ok(verified)
}

/// The result, and the state that it rests on, if there is a state folder.
async fn find(
    request: &VerifyRequest,
    progress: &Progress,
    stop: &CancellationToken,
) -> Result<(Verified, Option<Resumable>), Failure> {
    let started = Instant::now();
    let stop = &Stop::new(stop, None);
    // That of a verification with a state has the id of its job.
    if request.state.is_none() {
        publish_plan(request, progress);
    }
    // Boxed, here and below, because these futures are large.
    let (clients, found, state) =
        Box::pin(unless_stopped(stop, unless_silent(inspect_folder(request)))).await?;
    let Found { table, backup, store, folder, rules, files, defects, notes } = found;
    let mut verified = Verified {
        table,
        folder: request.folder.to_string(),
        backup,
        files: 0,
        items: 0,
        bytes: 0,
        defects,
        notes,
        seconds: 0.0,
    };
    let mut kept = None;
    if let Some(rules) = rules {
        let job = Job { request, store, clients, folder, rules, files, progress, stop };
        let found;
        (found, kept) = Box::pin(job.check(&verified, state)).await?;
        for file in found {
            verified.files += 1;
            verified.items += file.items;
            verified.bytes += file.bytes;
            verified.defects.extend(file.defects);
        }
    } else if state.is_some() {
        // Results of an earlier run are kept, in case that what is damaged can be restored.
        publish_plan(request, progress);
    }
    verified.notes.extend(kept.as_ref().and_then(Resumable::note));
    let earlier = kept.as_ref().map(Resumable::earlier).unwrap_or_default();
    verified.seconds = (earlier + started.elapsed()).as_secs_f64();
    Ok((verified, kept))
}

/// Tells what is planned of a verification that has no state, or needs none.
fn publish_plan(request: &VerifyRequest, progress: &Progress) {
    let plan = Plan { folder: Some(request.folder.to_string()), ..plan_of(Command::Verify) };
    progress.stream().publish(Event::Plan(Box::new(plan)));
}

/// Waits for work that needs no end of its own.
async fn unless_stopped<T>(
    stop: &Stop,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let stopped = |why| Failure::stopped(format!("{why} before the verification was complete"));
    // Boxed because the future is large.
    stop.unless_requested(Box::pin(work)).await.map_err(stopped)?
}

/// What is in the folder, and what was found there without reading all of a file.
struct Found {
    /// If the backup says it.
    table: Option<String>,
    /// Of a backup that tablehaul has not made: what it is.
    backup: Option<String>,
    store: Store,
    /// The folder of the files.
    folder: Target,
    /// `None` if there is nothing to compare files with. A defect says why.
    rules: Option<FileRules>,
    /// The files to check.
    files: Vec<StoredFile>,
    defects: Vec<String>,
    notes: Vec<String>,
}

async fn inspect_folder(
    request: &VerifyRequest,
) -> Result<(Option<Clients>, Found, Option<StateFolder>), Failure> {
    let target = &request.folder;
    let opened = Store::to_read_with(target, &request.aws).await;
    let (store, clients) = opened.map_err(|fault| Failure::refused(&fault))?;
    let found = match inspect(target, clients.as_ref()).await? {
        Inspection::Tablehaul(export_json) => tablehaul::inspect_folder(target, store, &export_json).await?,
        Inspection::Foreign(inspected) => {
            let is_own = inspected.kind != Kind::SingleFile && {
                let history = store.find(layout::HISTORY).await;
                history.map_err(|fault| Failure::refused(&fault))?.is_some()
            };
            foreign(*inspected, is_own)
        }
    };
    let state = resume::inspect_folder(request, clients.as_ref()).await?;
    Ok((clients, found, state))
}

/// A backup without export.json. With `is_own`, it lies beside what only an export of tablehaul leaves.
fn foreign(inspected: Inspected, is_own: bool) -> Found {
    let Inspected { kind, folder, store, table, formats, is_incremental, files, mut defects, mut notes } =
        inspected;
    if is_own {
        let missing = "missing, so lengths, checksums and numbers of items can't be compared";
        defects.push(format!("{}: {missing}", layout::EXPORT_JSON));
    }
    if kind == Kind::Plain {
        notes.push("there is no manifest, so nothing says whether files are missing".to_owned());
    }
    let num_empty = files.iter().filter(|file| file.bytes == 0).count();
    if num_empty > 0 {
        notes.push(format!("{num_empty} of {} are empty", display::count(files.len(), "file")));
    }
    notes.push(
        "keys are not compared, because the backup does not say which attributes are the key: tablehaul import \
         --dry-run checks it against a table"
            .to_owned(),
    );
    let (backup, rules) = (Some(format!("{kind} ({formats})")), Some(FileRules::Listed { is_incremental }));
    Found { table, backup, store, folder, rules, files, defects, notes }
}

/// The files to check, and the means to do so.
struct Job<'a> {
    request: &'a VerifyRequest,
    store: Store,
    /// `None` for a folder in a file system.
    clients: Option<Clients>,
    /// The folder of the files.
    folder: Target,
    rules: FileRules,
    files: Vec<StoredFile>,
    progress: &'a Progress,
    stop: &'a Stop,
}

impl Job<'_> {
    /// Checks the files, in this process or with workers. Returns the results in their order. `known` is what is known
    /// before.
    async fn check(
        self,
        known: &Verified,
        state: Option<StateFolder>,
    ) -> Result<(Vec<FileFound>, Option<Resumable>), Failure> {
        let choosing = workers::choose(self.request, &self.folder, &self.files);
        match (unless_stopped(self.stop, unless_silent(choosing)).await?, state) {
            (Some(plan), Some(state)) => {
                let (found, resumable) = Box::pin(self.check_resumably(plan, known, state)).await?;
                Ok((found, Some(resumable)))
            }
            (Some(plan), None) => {
                self.progress.plan(&plan.text(&self.files));
                Ok((workers::verify(self, plan, known, None).await?, None))
            }
            // Also with a state folder, if there are no files.
            (None, state) => {
                if state.is_some() {
                    publish_plan(self.request, self.progress);
                }
                Ok((self.check_here(known).await?, None))
            }
        }
    }

    /// Checks the files that are not done, with workers, and keeps what they find in the state folder.
    async fn check_resumably(
        self,
        plan: WorkerPlan,
        known: &Verified,
        state: StateFolder,
    ) -> Result<(Vec<FileFound>, Resumable), Failure> {
        let Self { request, ref rules, ref files, progress, stop, .. } = self;
        let changed_at = resume::change_times(&self.folder, files);
        let changed_at = unless_stopped(stop, unless_silent(changed_at)).await?;
        let begin = resume::begin(request, known.table_text(), rules, (files, &changed_at));
        resume::check(&state, &begin)?;
        let note = |text: &str| progress.note(text);
        unless_stopped(stop, unless_silent(state.wait_for_owner_to_stop(&note))).await?;
        let text = [Some(plan.text(files)), resume::plan_line(&state)];
        let text = text.into_iter().flatten().collect::<Vec<_>>().join("\n");
        let job = resume::job(&state, &begin);
        progress.stream().publish(Event::Plan(Box::new(plan.event(&begin, &job, files, text.clone()))));
        let mut resumable = Resumable::open(state, begin, plan.workers(), progress, stop).await?;
        progress.plan(&text);
        if resumable.is_done() {
            return Ok((resumable.found(), resumable));
        }
        match workers::verify(self, plan, known, Some(&mut resumable)).await {
            Ok(found) => Ok((found, resumable)),
            Err(failure) => Err(resumable.give_up(progress, failure).await),
        }
    }

    async fn check_here(self, known: &Verified) -> Result<Vec<FileFound>, Failure> {
        let Self { store, rules, files, progress, stop, .. } = self;
        // The guard stops the threads, however this function ends.
        let threads = CancellationToken::new();
        let _guard = threads.clone().drop_guard();
        let bytes = files.iter().map(|file| file.bytes).sum();
        let tally = Arc::new(Tally { bytes, files: files.len(), ..Tally::default() });
        tally.defects.store(known.defects.len() as u64, Ordering::Relaxed);
        let expected = Expected::new(&rules, new_seed());
        let (table, stream) = (known.table_text(), progress.stream());
        let checking = async {
            let found = tokio::select! {
                found = in_process::verify(store, expected, files, &tally, threads) => found,
                never = tally.show() => match never {},
                never = tally.publish(table, stream) => match never {},
            };
            tally.publish_last(table, stream);
            found.map_err(|fault| Failure::failed(&fault))
        };
        unless_stopped(stop, checking).await
    }
}

/// A seed for the hashes of keys that nobody can foresee.
fn new_seed() -> u64 {
    uuid::Uuid::new_v4().as_u64_pair().0
}

#[cfg(test)]
mod tests;
