//! The verify command: reads a backup and compares it with what was recorded. [`own`] knows exports of tablehaul, and
//! [`folder`] checks their names; [`crate::backup`] knows all other backups. The crate `verify` checks the bytes of a
//! file, in this process or in workers.
//!
//! ```text
//! listing, export.json, manifest → own → folder | backup ┐
//! files → in_process | workers ──────────────────────────┴→ defects
//! ```
//!
//! It writes nothing.

mod folder;
mod in_process;
mod own;
mod progress;
mod workers;

use std::{
    fmt,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use job::{
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
    backup::{Inspected, inspect},
    cluster::ClusterOptions,
    failure::Failure,
    progress::Progress,
    store::Store,
    text,
    waits::unless_silent,
};
use progress::Tally;

/// What the user asked for.
#[derive(Clone, Debug)]
pub(crate) struct VerifyRequest {
    /// The folder of the backup, or a file.
    pub folder: Target,
    /// Worker processes. By default there are none on this machine.
    pub workers: Option<u32>,
    /// Where workers run.
    pub cluster: ClusterOptions,
    /// How to reach AWS.
    pub aws: AwsAccess,
}

/// The result of the verification of a backup.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Verified {
    /// The table that was exported; `a table` if the backup does not say which.
    pub(crate) table: String,
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

impl fmt::Display for Verified {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "verified    {} in {}", Line(&self.table), Line(&self.folder))?;
        if let Some(backup) = &self.backup {
            writeln!(out, "backup      {backup}")?;
        }
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

/// Verifies the backup in a folder.
///
/// # Errors
/// Fails with [`Failure::Refused`] if there is nothing to verify, with [`Failure::Failed`] if it can't be read, and
/// with [`Failure::Stopped`] if `stop` is cancelled.
pub(crate) async fn verify(
    request: &VerifyRequest,
    progress: &Progress,
    stop: &CancellationToken,
) -> Result<Verified, Failure> {
    let started = Instant::now();
    // Boxed, here and below, because these futures are large.
    let (clients, found) = Box::pin(unless_stopped(stop, unless_silent(look(request)))).await?;
    let Found { table, backup, store, folder, rules, files, defects, notes } = found;
    let mut verified = Verified {
        table: table.unwrap_or_else(|| "a table".into()),
        folder: request.folder.to_string(),
        backup,
        files: 0,
        items: 0,
        bytes: 0,
        defects,
        notes,
        seconds: 0.0,
    };
    if let Some(rules) = rules {
        let job = Job { request, store, clients, folder, rules, files, progress, stop };
        for file in Box::pin(job.check(&verified)).await? {
            verified.files += 1;
            verified.items += file.items;
            verified.bytes += file.bytes;
            verified.defects.extend(file.defects);
        }
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

async fn look(request: &VerifyRequest) -> Result<(Option<Clients>, Found), Failure> {
    let target = &request.folder;
    let opened = Store::to_read_with(target, &request.aws).await;
    let (store, clients) = opened.map_err(|fault| Failure::refused(&fault))?;
    let found = match inspect(target, clients.as_ref()).await? {
        Some(inspected) => foreign(inspected),
        None => own::look(target, store).await?,
    };
    Ok((clients, found))
}

/// A backup that tablehaul has not made.
fn foreign(inspected: Inspected) -> Found {
    let Inspected { kind, folder, store, table, formats, is_incremental, files, defects, mut notes } =
        inspected;
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
    stop: &'a CancellationToken,
}

impl Job<'_> {
    /// Checks the files, in this process or with workers. Returns the results in their order. `known` is what is known
    /// before.
    async fn check(self, known: &Verified) -> Result<Vec<FileFound>, Failure> {
        let choosing = workers::choose(self.request, &self.folder, &self.files);
        match unless_stopped(self.stop, unless_silent(choosing)).await? {
            Some(plan) => workers::verify(self, plan, known).await,
            None => self.check_here(known).await,
        }
    }

    async fn check_here(self, known: &Verified) -> Result<Vec<FileFound>, Failure> {
        let Self { store, rules, files, progress, stop, .. } = self;
        // The guard stops the threads, however this function ends.
        let threads = stop.child_token();
        let _guard = threads.clone().drop_guard();
        let bytes = files.iter().map(|file| file.bytes).sum();
        let tally = Arc::new(Tally { bytes, files: files.len(), ..Tally::default() });
        tally.defects.store(known.defects.len() as u64, Ordering::Relaxed);
        let expected = Expected::new(&rules, new_seed());
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
