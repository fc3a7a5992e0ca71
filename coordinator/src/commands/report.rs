//! The report of a job, from the file of its events.

use std::{
    fs::{self, File},
    io::{self, BufRead, BufReader, ErrorKind},
    path::Path,
};

use ::events::{JobState, Line};

use crate::failure::Failure;

/// The report of the last job in a file of events, as HTML. Lines that are no events are skipped: a crash can leave half
/// a line.
///
/// # Errors
/// Fails with [`Failure::Refused`] if the file can't be read or holds no plan of a job.
pub(crate) fn report(events: &Path) -> Result<String, Failure> {
    let refused = |why: &str| Failure::refused(format!("{}: {why}", events.display()));
    let unreadable = |error: io::Error| match error.kind() {
        ErrorKind::NotFound => refused("there is no such file: give the file that --events wrote"),
        ErrorKind::PermissionDenied => refused("you have no permission to read it"),
        _ => refused(&error.to_string()),
    };
    if !fs::metadata(events).map_err(unreadable)?.is_file() {
        return Err(refused("this is no regular file: give the file that --events wrote"));
    }
    let mut state = JobState::default();
    for line in BufReader::new(File::open(events).map_err(unreadable)?).split(b'\n') {
        if let Ok(line) = serde_json::from_slice::<Line>(&line.map_err(unreadable)?) {
            state.apply(&line);
        }
    }
    if state.plan.is_none() {
        return Err(refused("it holds no events of a job: give the file that --events wrote"));
    }
    Ok(::page::report(&state))
}
