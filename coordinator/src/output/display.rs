//! Formats quantities for people, and writes results to standard output.

use std::{
    io::{self, ErrorKind, Write},
    path::Path,
};

use job::visible::{self, without_passwords};
pub(crate) use job::{
    counted::{count, count_of},
    quantity::{bytes, duration, price, rate},
};

use super::{events, exit, stderr};
use crate::failure::Failure;

/// Writes a line of the Java form to standard output. A failed write does not end the job, as in the Java tool;
/// `println!` would panic.
pub(crate) fn print(text: &str) {
    let _ = put(&visible::lines(&without_passwords(text)));
}

/// The same for a report for programs.
pub(crate) fn print_json(report: &impl serde::Serialize) {
    let _ = put_json(report);
}

/// Writes a result to standard output. `what` names it in the failure.
///
/// # Errors
/// Fails if the write fails, for instance because the disk is full. A reader that is gone, as after `| head`, is no
/// error.
pub(crate) fn result(what: &str, text: &str) -> Result<(), Failure> {
    written_to_stdout(what, put(&visible::lines(&without_passwords(text))))
}

/// The same for a result for programs.
///
/// # Errors
/// See [`result`].
pub(crate) fn result_as_json(what: &str, report: &impl serde::Serialize) -> Result<(), Failure> {
    written_to_stdout(what, put_json(report))
}

/// The outcome of a result that was written by other means.
pub(crate) fn written_to_stdout(what: &str, written: io::Result<()>) -> Result<(), Failure> {
    match written {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::failed(format!("{what} could not be written to standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// Why no file can be made in a folder, in words that say what to do. `otherwise` is what else the user can do.
pub(crate) fn no_file_in(folder: &Path, error: &io::Error, otherwise: &str) -> String {
    let (exists, folder) = (folder.is_dir(), folder.display());
    match error.kind() {
        ErrorKind::NotFound if !exists => format!("there is no folder {folder}; create it first"),
        // Such as `/proc`, whose files the kernel makes.
        ErrorKind::NotFound => format!("{folder} takes no files of users; {otherwise}"),
        ErrorKind::NotADirectory => format!("{folder} is not a folder; {otherwise}"),
        ErrorKind::ReadOnlyFilesystem => format!("the file system of {folder} is read-only; {otherwise}"),
        ErrorKind::PermissionDenied => format!("no permission to make a file in {folder}; {otherwise}"),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            format!("the file system of {folder} is full; {otherwise}")
        }
        ErrorKind::FileTooLarge => {
            format!(
                "a file in {folder} would be longer than this user or container may write; raise the limit (ulimit -f)"
            )
        }
        _ => format!("no file can be made in {folder}: {error}"),
    }
}

fn put_json(report: &impl serde::Serialize) -> io::Result<()> {
    let text = serde_json::to_string_pretty(report).unwrap_or_default();
    put(&visible::json(&without_passwords(&text)))
}

/// Writes to standard output, and waits for a reader. A signal then ends the process.
fn put(text: &str) -> io::Result<()> {
    // On a terminal, earlier messages must appear above it.
    stderr::settle();
    if events::own_stdout() {
        stderr::lines(text);
        return Ok(());
    }
    exit::talking(|| {
        let mut out = io::stdout().lock();
        writeln!(out, "{text}")?;
        out.flush()
    })
}

/// What is wrong, as the one line on standard error that begins with the program's name.
pub(crate) fn complain(why: &str) {
    stderr::line(&format!("tablehaul: {why}"));
}

/// Why the command failed: as the last line on standard error, and as JSON on standard output if that is wanted.
pub(crate) fn fail(kind: &str, why: &str, exit_code: u8) {
    stderr::last(&format!("tablehaul: {why}"));
    fail_in_json(kind, why, exit_code);
}

/// Why the command failed, for programs: as the last event, and as JSON on standard output if that is wanted.
pub(crate) fn fail_in_json(kind: &str, why: &str, exit_code: u8) {
    events::fail(kind, why, exit_code);
    if exit::is_json_wanted() {
        let _ = put(&exit::failure_as_json(kind, why, exit_code));
    }
}

/// `a`, `a and b`, `a, b and c`.
pub(crate) fn and(names: &[impl AsRef<str>]) -> String {
    let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
    match names.as_slice() {
        [before @ .., last] if !before.is_empty() => format!("{} and {last}", before.join(", ")),
        few => few.concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_reader_that_is_gone_is_no_failure() {
        let failed = |kind: ErrorKind| written_to_stdout("the plan", Err(kind.into()));
        assert!(failed(ErrorKind::BrokenPipe).is_ok());
        let failure = failed(ErrorKind::StorageFull).unwrap_err();
        assert_eq!(failure.kind().exit_code(), 1);
        assert!(
            failure.to_string().starts_with("the plan could not be written to standard output: "),
            "{failure}"
        );
    }

    #[test]
    fn why_no_file_can_be_made_is_told_with_what_to_do() {
        for (kind, said) in [
            (ErrorKind::ReadOnlyFilesystem, "the file system of /a is read-only; name another"),
            (ErrorKind::PermissionDenied, "no permission to make a file in /a; name another"),
            (ErrorKind::StorageFull, "the file system of /a is full; name another"),
            (ErrorKind::QuotaExceeded, "the file system of /a is full; name another"),
            (ErrorKind::NotFound, "there is no folder /a; create it first"),
        ] {
            assert_eq!(no_file_in(Path::new("/a"), &kind.into(), "name another"), said);
        }
        let said = no_file_in(Path::new("/proc"), &ErrorKind::NotFound.into(), "name another");
        assert_eq!(said, "/proc takes no files of users; name another");
    }

    #[test]
    fn names_are_joined_as_in_a_sentence() {
        for (names, text) in [(&["a"][..], "a"), (&["a", "b"], "a and b"), (&["a", "b", "c"], "a, b and c")] {
            assert_eq!(and(names), text);
        }
    }
}
