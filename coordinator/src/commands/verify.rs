//! The verify command: reads an export and compares it with what was recorded. [`folder`] checks names; the crate
//! `verify` checks the bytes of a file, in this process or in workers.
//!
//! ```text
//! listing, export.json, manifest → folder ┐
//! files → in_process | workers ───────────┴→ defects
//! ```
//!
//! It writes nothing.

mod folder;
mod in_process;
mod progress;
mod workers;

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

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
    progress::Progress,
    retry::retry,
    store::{Entry, Listing, Store},
    text,
    waits::unless_silent,
};
use folder::FolderFound;
use progress::Tally;

/// What the user asked for.
#[derive(Clone, Debug)]
pub(crate) struct VerifyRequest {
    /// The folder of the export.
    pub folder: Target,
    /// Worker processes. By default there are none on this machine.
    pub workers: Option<u32>,
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

/// Verifies the export in a folder.
///
/// # Errors
/// Fails with [`Refused`](crate::failure::FailureKind::Refused) if there is nothing to verify, with [`Failed`](crate::failure::FailureKind::Failed) if it can't be read, and
/// with [`Stopped`](crate::failure::FailureKind::Stopped) if `stop` is cancelled.
pub(crate) async fn verify(
    request: &VerifyRequest,
    progress: &Progress,
    stop: &CancellationToken,
) -> Result<Verified, Failure> {
    let started = Instant::now();
    let target = &request.folder;
    // Boxed, here and below, because these futures are large.
    let (store, clients, entries, recorded) = Box::pin(unless_stopped(stop, look(request))).await?;
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
    match recorded {
        Ok((export, FolderFound { defects, notes })) => {
            export.table["TableName"].as_str().unwrap_or("a table").clone_into(&mut verified.table);
            (verified.defects, verified.notes) = (defects, notes);
            let job =
                Job { request, store, clients, files: existing(&export, entries), export, progress, stop };
            for file in Box::pin(job.check(&verified)).await? {
                verified.files += 1;
                verified.items += file.items;
                verified.bytes += file.bytes;
                verified.defects.extend(file.defects);
            }
        }
        Err(damage) => verified.defects.push(damage),
    }
    verified.seconds = started.elapsed().as_secs_f64();
    Ok(verified)
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

/// What is in the folder, and what was found there without reading a file. If there is nothing to compare with, a defect
/// that says why.
type Looked = (Store, Option<Clients>, Vec<Entry>, Result<(ExportJson, FolderFound), String>);

async fn look(request: &VerifyRequest) -> Result<Looked, Failure> {
    let refused = |fault| Failure::refused(&fault);
    let target = &request.folder;
    let looking = async {
        let (store, clients) = Store::to_read_with(target, &request.aws).await.map_err(refused)?;
        let Listing { files: entries, archived, .. } = retry(|| store.listing()).await.map_err(refused)?;
        let manifest = store.find(layout::MANIFEST).await.map_err(refused)?;
        let recorded = recorded(&store, target, &entries, manifest.is_some()).await?;
        Ok((store, clients, entries, archived, manifest, recorded))
    };
    let (store, clients, entries, archived, manifest, recorded) = unless_silent(looking).await?;
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
    Ok((store, clients, entries, recorded))
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
    async fn check(self, known: &Verified) -> Result<Vec<FileFound>, Failure> {
        let choosing = workers::choose(self.request, &self.files);
        match unless_stopped(self.stop, unless_silent(choosing)).await? {
            Some(plan) => workers::verify(self, plan, known).await,
            None => self.check_here(known).await,
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
