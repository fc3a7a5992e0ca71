//! Starts the observers of a job: logs, notifications, metrics.

use std::path::{Component, Path, PathBuf};

use job::{spec::AwsAccess, target::Target};

use super::args::Show;
use crate::{
    commands::{export::ExportRequest, import::ImportRequest, verify::VerifyRequest},
    failure::Failure,
    observers::{self, ObserverOptions},
    output::{self, progress::Progress, stream::Stream},
};

/// What the logs of a job are called, and where nothing that observes it may be written.
pub(super) struct ObservedJob {
    /// The first part of the name of their folder.
    name: String,
    /// The folders of backup and state.
    folders: Vec<Target>,
}

/// An export.
pub(super) fn of_export(request: &ExportRequest) -> ObservedJob {
    let ExportRequest { tables, destination, .. } = request;
    let name = match tables.as_slice() {
        [table] => name_of(table),
        tables => format!("{}-tables", tables.len()),
    };
    let folders = match tables.as_slice() {
        // There, each table gets a folder that is only known with its region.
        _ if destination.is_bucket_root() => Vec::new(),
        [_] => vec![destination.clone()],
        tables => tables.iter().map(|table| destination.folder(&name_of(table))).collect(),
    };
    ObservedJob { name, folders }
}

/// An import.
pub(super) fn of_import(request: &ImportRequest) -> ObservedJob {
    let folders = [Some(request.folder.clone()), request.state.clone()];
    ObservedJob { name: name_of(&request.table), folders: folders.into_iter().flatten().collect() }
}

/// A verification.
pub(super) fn of_verify(request: &VerifyRequest) -> ObservedJob {
    let folders = [Some(request.folder.clone()), request.state.clone()];
    ObservedJob { name: "verify".to_owned(), folders: folders.into_iter().flatten().collect() }
}

/// The name in a name or an ARN.
fn name_of(table: &str) -> String {
    table.rsplit('/').next().unwrap_or(table).to_owned()
}

/// Starts the observers that the user asked for. In a dry run they are only checked.
///
/// # Errors
/// Fails if logs, metrics or events would lie in a folder of the job, or the file for metrics can't be written.
pub(super) fn begin(
    show: &Show,
    access: &AwsAccess,
    job: &ObservedJob,
    progress: &Progress,
) -> Result<(), Failure> {
    if show.dry_run {
        check(&show.observers, job)
    } else {
        begin_with(&show.observers, access, job, progress.stream())
    }
}

/// The same without a dry run.
///
/// # Errors
/// See [`begin`].
pub(super) fn begin_with(
    options: &ObserverOptions,
    access: &AwsAccess,
    job: &ObservedJob,
    stream: &Stream,
) -> Result<(), Failure> {
    check(options, job)?;
    observers::begin(options, access, job.name.clone(), stream)
}

/// Checks that nothing would lie in a folder of the job: a later command would take it for data, or the folder for one
/// with foreign files. Only names are compared, so a symbolic link may still lead there.
fn check(options: &ObserverOptions, job: &ObservedJob) -> Result<(), Failure> {
    let refuse = |option: &str, place: &Target| {
        let folder = job.folders.iter().find(|folder| place.is_within(folder))?;
        Some(Failure::usage(format!(
            "{option} {place}: lies in {folder}, which is for the backup or the state of the job alone: choose another \
             place"
        )))
    };
    let logs = options.logs.as_ref().and_then(|place| refuse("--logs", place));
    let metrics = options.metrics_file.as_deref().and_then(|path| refuse("--metrics-file", &target(path)?));
    let events = output::events::file().and_then(|path| refuse("--events", &target(path)?));
    if events.is_some() {
        // The file is open, and must not stay there.
        output::events::discard();
    }
    logs.or(metrics).or(events).map_or(Ok(()), Err)
}

/// A file by its absolute name, without `.` and `..`. `None` without a working directory.
fn target(path: &Path) -> Option<Target> {
    let mut dir = PathBuf::new();
    for part in std::path::absolute(path).ok()?.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => drop(dir.pop()),
            part => dir.push(part),
        }
    }
    Some(Target::File { dir })
}
