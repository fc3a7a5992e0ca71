//! The verify command: reads an export and compares it with what was recorded. [`folder`] checks names, [`check`] the
//! bytes of a file.
//!
//! ```text
//! listing, export.json, manifest → folder ┐
//! files ─ read → format (CRC-32C, codec, lines) → lines → keys ┴→ defects
//! ```

mod check;
mod defects;
mod folder;
mod keys;
mod lines;
mod progress;
mod read;
mod run;

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use format::{emr::KeyNames, output::Output};
use job::{
    export_json::{self, ExportJson, ExportJsonError},
    layout,
    spec::AwsAccess,
    target::Target,
    visible::Line,
};
use job_aws::Fault;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::{
    backup::{archived, unreadable_export},
    failure::Failure,
    journal,
    retry::retry,
    store::{Entry, Listing, Store},
    stream::Stream,
    text,
    waits::unless_silent,
};
use check::{Expected, FileFound};
use folder::FolderFound;
use progress::Tally;
use run::{Job, Run};

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

/// Verifies the export in a folder. `stream` gets its progress.
///
/// # Errors
/// Fails with [`Failure::Refused`] if there is nothing to verify, with [`Failure::Failed`] if it can't be read, and
/// with [`Failure::Stopped`] if `stop` is cancelled.
pub(crate) async fn verify(
    target: &Target,
    access: &AwsAccess,
    stream: &Stream,
    stop: &CancellationToken,
) -> Result<Verified, Failure> {
    // The guard also stops the threads, however this function ends.
    let threads = stop.child_token();
    let _guard = threads.clone().drop_guard();
    tokio::select! {
        // Checked first, because files whose threads were stopped look unreadable.
        biased;
        () = stop.cancelled() => {
            Err(Failure::stopped("stopped by a signal before the verification was complete"))
        }
        verified = verify_folder(target, access, stream, threads) => verified,
    }
}

async fn verify_folder(
    target: &Target,
    access: &AwsAccess,
    stream: &Stream,
    stop: CancellationToken,
) -> Result<Verified, Failure> {
    let started = Instant::now();
    let refused = |fault| Failure::refused(&fault);
    let looking = async {
        let store = Store::to_read(target, access).await.map_err(refused)?;
        let Listing { files: entries, archived, .. } = retry(|| store.listing()).await.map_err(refused)?;
        let manifest = store.find(layout::MANIFEST).await.map_err(refused)?;
        let recorded = recorded(&store, target, &entries, manifest.is_some()).await?;
        Ok((store, entries, archived, manifest, recorded))
    };
    let (store, entries, archived, manifest, recorded) = unless_silent(looking).await?;
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
        Ok(export) => {
            let files = export.files.iter().map(|file| &*file.name);
            if let Some(why) = archived::refusal(&target.to_string(), files, &archived) {
                return Err(Failure::refused(why));
            }
            let FolderFound { defects, notes } =
                folder::check(target, &export, manifest.as_deref(), &entries);
            export.table["TableName"].as_str().unwrap_or("a table").clone_into(&mut verified.table);
            (verified.defects, verified.notes) = (defects, notes);
            let defects = verified.defects.len();
            let about = (&*verified.table, stream);
            let found = check_files(store, &export, entries, (defects, about), stop).await;
            for file in found.map_err(|fault| Failure::failed(&fault))? {
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

/// Checks the recorded files that exist. `defects` are known already, of the table with this name.
async fn check_files(
    store: Store,
    export: &ExportJson,
    entries: Vec<Entry>,
    (defects, (table, stream)): (usize, (&str, &Stream)),
    stop: CancellationToken,
) -> Result<Vec<FileFound>, Fault> {
    let mut entries: HashMap<String, Entry> =
        entries.into_iter().map(|entry| (entry.name.clone(), entry)).collect();
    let present = |file: &job::export_json::PartFile| {
        entries.remove(&*file.name).map(|entry| Job { file: file.clone(), entry })
    };
    let jobs: Vec<Job> = export.files.iter().filter_map(present).collect();
    let bytes = jobs.iter().map(|job| job.entry.bytes).sum();
    let tally = Arc::new(Tally { bytes, files: jobs.len(), ..Tally::default() });
    tally.defects.store(defects as u64, Ordering::Relaxed);
    let expected = Expected {
        compression: export.options.compression,
        output: Output { format: export.options.format, null: export.options.null },
        keys: KeyNames::from(&export.keys),
        seed: uuid::Uuid::new_v4().as_u64_pair().0,
    };
    let run = Run::new(store, expected, Arc::clone(&tally), stop)?;
    let found = tokio::select! {
        found = run.check_all(jobs) => found,
        never = tally.show() => match never {},
        never = tally.tell(table, stream) => match never {},
    };
    tally.tell_last(table, stream);
    found
}

#[cfg(test)]
mod tests;
