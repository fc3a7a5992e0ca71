//! The report of a job, drawn again from what its folder tells, or from the file of its events.

mod unfinished;

use std::{
    fs::{self, File},
    io::{self, BufRead, BufReader, ErrorKind, Read},
    path::Path,
};

use ::events::{JobState, Line};
use job::{spec::AwsAccess, target::Target};
use tokio_util::sync::CancellationToken;

use crate::{
    failure::Failure,
    jobs::{folder_contents::FolderContents, history},
    output::waits::unless_silent,
    store::{NotesProgress, Store, blocking},
};

/// The most bytes of a line that are read at once. An event has a few kilobytes, and a history less than 4 MB.
const LINE_BYTES_AT_ONCE: u64 = 4 << 20;

const WHAT_TO_GIVE: &str = "give a file that --events wrote, or the folder of a job";

/// The report of the last job in a file of events, or of the job in a folder, as HTML. A
/// complete export has one even if no status or history is left.
///
/// # Errors
/// Fails with `FailureKind::Refused` if file or folder can't be read or has no events of a job, and with
/// `FailureKind::Stopped`.
pub(crate) async fn report(
    of: &Target,
    access: &AwsAccess,
    stop: &CancellationToken,
) -> Result<String, Failure> {
    let drawing = async {
        match of {
            Target::File { dir } if !is_folder(dir).await? => {
                let file = dir.clone();
                // In a thread of its own, so that a signal can interrupt it, however long the file is.
                let recorded = blocking(dir, move || Ok(state_in_file(&file))).await;
                recorded.map_err(|fault| Failure::refused(&fault))?.map(|state| (state, None))
            }
            folder => state_in_folder(folder, access).await,
        }
    };
    let (state, note) = tokio::select! {
        drawn = drawing => drawn?,
        () = stop.cancelled() => return Err(Failure::stopped("stopped by a signal")),
    };
    Ok(::page::report_with(&state, note))
}

async fn is_folder(path: &Path) -> Result<bool, Failure> {
    let looked_at = path.to_owned();
    blocking(path, move || Ok(looked_at.is_dir())).await.map_err(|fault| Failure::refused(&fault))
}

/// The state of the job in a folder, and what to note about it.
async fn state_in_folder(
    folder: &Target,
    access: &AwsAccess,
) -> Result<(JobState, Option<&'static str>), Failure> {
    let looking = async {
        let store = Store::to_read(folder, access).await.map_err(|fault| Failure::refused(&fault))?;
        let recorded = history::newest(&store).await.filter(|state| state.plan.is_some());
        if recorded.as_ref().is_some_and(|state| state.completed.is_some()) {
            return Ok(recorded.map(|state| (state, None)));
        }
        let export = match FolderContents::of(&store).await {
            Ok(FolderContents::Complete(complete)) => complete.export,
            // What can't be read says nothing against a status.
            _ => None,
        };
        let completed =
            export.and_then(|export| unfinished::completed(recorded.clone(), &export, &folder.to_string()));
        Ok(completed.map(|(state, note)| (state, Some(note))).or(recorded.map(|state| (state, None))))
    };
    let none = || {
        Failure::refused(format!(
            "{folder} holds neither status nor history of a job, nor a complete export: {WHAT_TO_GIVE}"
        ))
    };
    unless_silent(looking).await?.ok_or_else(none)
}

/// The next line, or what fits into memory of it; `None` at the end.
fn next_line(lines: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let read = Read::take(&mut *lines, LINE_BYTES_AT_ONCE).read_until(b'\n', &mut line)?;
    Ok((read > 0).then_some(line))
}

/// The state of the last job in a file of events, or in a copy of a status or history. Lines that are neither are
/// skipped: a crash can leave half a line.
fn state_in_file(file: &Path) -> Result<JobState, Failure> {
    let refused = |why: &str| Failure::refused(format!("{}: {why}", file.display()));
    let advised = |why: &str| refused(&format!("{why}: {WHAT_TO_GIVE}"));
    let unreadable = |error: io::Error| match error.kind() {
        ErrorKind::NotFound => advised("there is no such file"),
        ErrorKind::PermissionDenied => refused("you have no permission to read it"),
        _ => refused(&error.to_string()),
    };
    if !fs::metadata(file).map_err(unreadable)?.is_file() {
        return Err(advised("this is no regular file"));
    }
    let mut state = JobState::default();
    let mut lines = BufReader::new(NotesProgress(File::open(file).map_err(unreadable)?));
    while let Some(line) = next_line(&mut lines).map_err(unreadable)? {
        if let Ok(event) = serde_json::from_slice::<Line>(&line) {
            state.apply(&event);
        } else if let Ok(kept) = serde_json::from_slice::<JobState>(&line)
            && kept.is_usable()
        {
            state = kept;
        }
    }
    if state.plan.is_none() {
        return Err(advised("it holds no events of a job"));
    }
    Ok(state)
}
