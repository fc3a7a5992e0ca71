//! The verify command: reads an export and compares it with what was recorded. [`folder`] checks names; the crate
//! `verify` checks the bytes of a file, in this process or in workers.
//!
//! ```text
//! listing, export.json, manifest → folder ┐
//! files → in_process | workers ───────────┴→ defects
//! ```
//!
//! It writes nothing to that folder. With `--state`, [`resume`] keeps the results of files in another one.

mod folder;
mod in_process;
mod progress;
mod resume;
mod workers;

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use events::{Command, Event, Plan};
use job::{
    export_json::{self, ExportJson, ExportJsonError, PartFile},
    layout,
    spec::AwsAccess,
    target::Target,
    verify::{FileFound, StoredFile},
    visible::Line,
};
use job_aws::Clients;
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use verify::Expected;

use crate::{
    backup::{archived, unreadable_export},
    cluster::ClusterOptions,
    failure::Failure,
    journal,
    lifecycle::StateFolder,
    progress::Progress,
    retry::retry,
    stop::Stop,
    store::{Entry, Listing, Store},
    stream::plan_of,
    text,
    waits::unless_silent,
};
use folder::FolderFound;
use progress::Tally;
use resume::Resumable;
use workers::WorkerPlan;

/// What the user asked for.
#[derive(Clone, Debug)]
pub(crate) struct VerifyRequest {
    /// The folder of the export.
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

/// The result of the verification of an export.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Verified {
    /// The table of the export.
    pub(crate) table: String,
    pub(crate) folder: String,
    /// Files read.
    pub(crate) files: usize,
    /// Lines in them.
    pub(crate) items: u64,
    /// Their bytes as stored.
    pub(crate) bytes: u64,
    /// One line for each defect: where and what. Never the contents of items.
    pub(crate) defects: Vec<String>,
    /// Remarks that are not defects.
    pub(crate) notes: Vec<String>,
    pub(crate) seconds: f64,
}

impl fmt::Display for Verified {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "verified    {} in {}", Line(&self.table), Line(&self.folder))?;
        writeln!(out, "items       {}", self.items)?;
        writeln!(out, "size        {} in {}", text::bytes(self.bytes), text::count(self.files, "file"))?;
        for note in &self.notes {
            writeln!(out, "note        {}", Line(note))?;
        }
        match self.defects.len() {
            0 => writeln!(out, "defects     none")?,
            _ => writeln!(out, "defects     {}", self.defects.len())?,
        }
        write!(out, "time        {}", text::duration(Duration::from_secs_f64(self.seconds)))
    }
}

/// Verifies the export in a folder, and passes the result to `show`. Only then the state is removed, if there is one.
///
/// # Errors
/// Fails with [`Refused`](crate::failure::FailureKind::Refused) if there is nothing to verify, with [`Failed`](crate::failure::FailureKind::Failed) if it can't be read, with
/// [`Stopped`](crate::failure::FailureKind::Stopped) if `stop` is cancelled, and with the error of `show`.
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

/// The result, and the state that has led to it, if there is a state folder.
async fn find(
    request: &VerifyRequest,
    progress: &Progress,
    stop: &CancellationToken,
) -> Result<(Verified, Option<Resumable>), Failure> {
    let started = Instant::now();
    let target = &request.folder;
    // That of a verification with a state has the id of its job.
    if request.state.is_none() {
        tell_plan(request, progress);
    }
    // Boxed, here and below, because these futures are large.
    let looked = Box::pin(unless_stopped(stop, look(request))).await?;
    let Looked { store, clients, entries, recorded, state } = looked;
    let mut verified = Verified {
        table: "a table".into(),
        folder: target.to_string(),
        files: 0,
        items: 0,
        bytes: 0,
        defects: Vec::new(),
        notes: Vec::new(),
        seconds: 0.0,
    };
    let mut kept = None;
    match recorded {
        Ok((export, FolderFound { defects, notes })) => {
            export.table["TableName"].as_str().unwrap_or("a table").clone_into(&mut verified.table);
            (verified.defects, verified.notes) = (defects, notes);
            let job =
                Job { request, store, clients, files: existing(&export, entries), export, progress, stop };
            let found;
            (found, kept) = Box::pin(job.check(&verified, state)).await?;
            for file in found {
                verified.files += 1;
                verified.items += file.items;
                verified.bytes += file.bytes;
                verified.defects.extend(file.defects);
            }
        }
        // Results of an earlier run are kept, in case that what is damaged can be restored.
        Err(damage) => {
            if state.is_some() {
                tell_plan(request, progress);
            }
            verified.defects.push(damage);
        }
    }
    verified.notes.extend(kept.as_ref().and_then(Resumable::note));
    let earlier = kept.as_ref().map(Resumable::earlier).unwrap_or_default();
    verified.seconds = (earlier + started.elapsed()).as_secs_f64();
    Ok((verified, kept))
}

/// Tells what is planned of a verification that has no state, or needs none.
fn tell_plan(request: &VerifyRequest, progress: &Progress) {
    let plan = Plan { folder: Some(request.folder.to_string()), ..plan_of(Command::Verify) };
    progress.stream().tell(Event::Plan(Box::new(plan)));
}

/// Waits for work that needs no end of its own.
async fn unless_stopped<T>(
    stop: &CancellationToken,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    tokio::select! {
        // Checked first, because files whose threads were stopped look unreadable.
        biased;
        () = stop.cancelled() => {
            Err(Failure::stopped("stopped by a signal before the verification was complete"))
        }
        done = work => done,
    }
}

/// What was found without reading a file.
struct Looked {
    store: Store,
    /// `None` for a folder in a file system.
    clients: Option<Clients>,
    entries: Vec<Entry>,
    /// If there is nothing to compare with, a defect that says why.
    recorded: Result<(ExportJson, FolderFound), String>,
    state: Option<StateFolder>,
}

async fn look(request: &VerifyRequest) -> Result<Looked, Failure> {
    let refused = |fault| Failure::refused(&fault);
    let target = &request.folder;
    let looking = async {
        let (store, clients) = Store::to_read_with(target, &request.aws).await.map_err(refused)?;
        let Listing { files: entries, archived, .. } = retry(|| store.listing()).await.map_err(refused)?;
        let manifest = store.find(layout::MANIFEST).await.map_err(refused)?;
        let recorded = recorded(&store, target, &entries, manifest.is_some()).await?;
        let state = resume::look(request, clients.as_ref()).await?;
        Ok((store, clients, entries, archived, manifest, recorded, state))
    };
    let (store, clients, entries, archived, manifest, recorded, state) = unless_silent(looking).await?;
    let recorded = match recorded {
        Ok(export) => {
            let files = export.files.iter().map(|file| &*file.name);
            if let Some(why) = archived::refusal(&target.to_string(), files, &archived) {
                return Err(Failure::refused(why));
            }
            let found = folder::check(target, &export, manifest.as_deref(), &entries);
            Ok((export, found))
        }
        Err(damage) => Err(damage),
    };
    Ok(Looked { store, clients, entries, recorded, state })
}

/// The recorded export, or a defect that says why there is none to compare with.
async fn recorded(
    store: &Store,
    target: &Target,
    entries: &[Entry],
    has_manifest: bool,
) -> Result<Result<ExportJson, String>, Failure> {
    let refused = |fault| Failure::refused(&fault);
    if !has_manifest && let Some(journaled) = journal::read(store).await? {
        let unfinished = journaled.text_as_found();
        let why = format!("{target} holds {unfinished}: there is nothing to verify yet");
        return Err(Failure::refused(why));
    }
    let name = layout::EXPORT_JSON;
    let Some(bytes) = store.find(name).await.map_err(refused)? else {
        let why = match (has_manifest, entries.is_empty()) {
            (true, _) => format!("holds an export of another tool, without {name}"),
            (false, true) => "is empty or does not exist".to_owned(),
            (false, false) => format!("holds no export: there is no {name}"),
        };
        return Err(Failure::refused(format!("{target} {why}: only exports of tablehaul can be verified")));
    };
    match export_json::read(&bytes) {
        Ok(export) => Ok(Ok(export)),
        Err(ExportJsonError::Version(version)) => Err(Failure::refused(format!(
            "{target} holds an export of version {version}: this program supports only version {}",
            export_json::VERSION
        ))),
        Err(why) => {
            let why = unreadable_export(why);
            Ok(Err(format!("{name}: damaged, nothing else can be checked ({why})")))
        }
    }
}

/// The recorded files that exist. A file that is recorded twice is checked once.
fn existing(export: &ExportJson, entries: Vec<Entry>) -> Vec<StoredFile> {
    let mut entries: HashMap<String, Entry> =
        entries.into_iter().map(|entry| (entry.name.clone(), entry)).collect();
    let present = |record: &PartFile| {
        let Entry { bytes, etag, .. } = entries.remove(&*record.name)?;
        Some(StoredFile { record: record.clone(), bytes, etag })
    };
    export.files.iter().filter_map(present).collect()
}

/// The files to check, and the means to do so.
struct Job<'a> {
    request: &'a VerifyRequest,
    store: Store,
    /// `None` for a folder in a file system.
    clients: Option<Clients>,
    export: ExportJson,
    files: Vec<StoredFile>,
    progress: &'a Progress,
    stop: &'a CancellationToken,
}

impl Job<'_> {
    /// Checks the files, in this process or with workers. Returns the results in their order. `known` is what is known
    /// before.
    async fn check(
        self,
        known: &Verified,
        state: Option<StateFolder>,
    ) -> Result<(Vec<FileFound>, Option<Resumable>), Failure> {
        let choosing = workers::choose(self.request, &self.files);
        match (unless_stopped(self.stop, unless_silent(choosing)).await?, state) {
            (Some(plan), Some(state)) => {
                let (found, resumable) = Box::pin(self.check_resumably(plan, known, state)).await?;
                Ok((found, Some(resumable)))
            }
            (Some(plan), None) => {
                self.progress.plan(&plan.text(&self.files));
                Ok((workers::verify(self, plan, known, None).await?, None))
            }
            // With a state, only if there is no file.
            (None, state) => {
                if state.is_some() {
                    tell_plan(self.request, self.progress);
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
        let Self { request, ref export, ref files, progress, stop, .. } = self;
        let begin = resume::begin(request, &known.table, &(&export.options, &export.keys), files);
        resume::check(&state, &begin)?;
        let note = |text: &str| progress.note(text);
        unless_stopped(stop, unless_silent(state.wait_for_owner_to_stop(&note))).await?;
        let text = [Some(plan.text(files)), resume::plan_line(&state)];
        let text = text.into_iter().flatten().collect::<Vec<_>>().join("\n");
        let job = resume::job(&state, &begin);
        progress.stream().tell(Event::Plan(Box::new(plan.told(&begin, &job, files, text.clone()))));
        let granted = Stop::new(stop, None);
        let mut resumable = Resumable::open(state, begin, plan.workers(), progress, &granted).await?;
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
        let Self { store, export, files, progress, stop, .. } = self;
        // The guard stops the threads, however this function ends.
        let threads = stop.child_token();
        let _guard = threads.clone().drop_guard();
        let bytes = files.iter().map(|file| file.bytes).sum();
        let tally = Arc::new(Tally { bytes, files: files.len(), ..Tally::default() });
        tally.defects.store(known.defects.len() as u64, Ordering::Relaxed);
        let expected = Expected::new(&export.options, &export.keys, new_seed());
        let (table, stream) = (&*known.table, progress.stream());
        let checking = async {
            let found = tokio::select! {
                found = in_process::verify(store, expected, files, &tally, threads) => found,
                never = tally.show() => match never {},
                never = tally.tell(table, stream) => match never {},
            };
            tally.tell_last(table, stream);
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
