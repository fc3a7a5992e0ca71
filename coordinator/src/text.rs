//! Formats quantities for people, and writes results to standard output.

use std::{
    io::{self, ErrorKind, Write},
    time::Duration,
};

pub(crate) use job::counted::{count, count_of, rate};
use job::visible::{self, without_passwords};

use crate::{failure::Failure, output};

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
            Err(Failure::Failed(format!("{what} could not be written to standard output: {error}")))
        }
        _ => Ok(()),
    }
}

fn put_json(report: &impl serde::Serialize) -> io::Result<()> {
    let text = serde_json::to_string_pretty(report).unwrap_or_default();
    put(&visible::json(&without_passwords(&text)))
}

/// Writes to standard output, and waits for a reader. A signal then ends the process.
fn put(text: &str) -> io::Result<()> {
    // On a terminal, earlier messages must appear above it.
    output::settle();
    if output::events::own_stdout() {
        output::lines(text);
        return Ok(());
    }
    output::talking(|| {
        let mut out = io::stdout().lock();
        writeln!(out, "{text}")?;
        out.flush()
    })
}

/// Writes a message to standard error: one line, or several of our own. A failed write does not end the job.
pub(crate) fn tell(text: &str) {
    output::lines(text);
}

/// What is wrong, as the one line on standard error that begins with the program's name.
pub(crate) fn complain(why: &str) {
    output::line(&format!("tablehaul: {why}"));
}

/// Why the command failed: as the last line on standard error, and as JSON on standard output if that is wanted.
pub(crate) fn fail(kind: &str, why: &str, exit_code: u8) {
    output::last(&format!("tablehaul: {why}"));
    fail_in_json(kind, why, exit_code);
}

/// Why the command failed, for programs: as the last event, and as JSON on standard output if that is wanted.
pub(crate) fn fail_in_json(kind: &str, why: &str, exit_code: u8) {
    output::events::fail(kind, why, exit_code);
    if output::is_json_wanted() {
        let _ = put(&output::failure_as_json(kind, why, exit_code));
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

/// `4.5 GB`: decimal, as AWS bills.
#[allow(clippy::cast_precision_loss)]
pub(crate) fn bytes(bytes: u64) -> String {
    let units = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < units.len() {
        value /= 1000.0;
        unit += 1;
    }
    match unit {
        0 => format!("{bytes} B"),
        _ if value < 9.95 => format!("{value:.1} {}", units[unit]),
        _ => format!("{value:.0} {}", units[unit]),
    }
}

/// A price range in US dollars: `about $0.62`, `about $0.62 to $1.25`, `under $0.01`.
pub(crate) fn price(least: f64, most: f64) -> String {
    let in_cents = |dollars: f64| format!("${dollars:.2}");
    match (in_cents(least), in_cents(most)) {
        (_, most) if most == "$0.00" => "under $0.01".to_owned(),
        (least, most) if least == most => format!("about {least}"),
        (least, most) => format!("about {least} to {most}"),
    }
}

/// `1 h 05 min`, `3 min 20 s`, `4.2 s`.
pub(crate) fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..60 => format!("{:.1} s", duration.as_secs_f64()),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        3600..172_800 => format!("{} h {:02} min", seconds / 3600, seconds / 60 % 60),
        _ => format!("{} days {} h", seconds / 86_400, seconds / 3600 % 24),
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
        assert_eq!(failure.exit_code(), 1);
        assert!(
            failure.to_string().starts_with("the plan could not be written to standard output: "),
            "{failure}"
        );
    }

    #[test]
    fn bytes_have_two_digits_and_a_decimal_unit() {
        let texts = [0, 999, 1000, 4_520_000_000, 12_345_678].map(bytes);
        assert_eq!(texts, ["0 B", "999 B", "1.0 kB", "4.5 GB", "12 MB"]);
    }

    #[test]
    fn small_prices_do_not_look_like_nothing() {
        let prices = [(0.0, 0.0), (0.004, 0.004), (0.006, 0.006), (1.5, 1.5), (0.62, 1.25), (0.001, 0.5)];
        assert_eq!(
            prices.map(|(least, most)| price(least, most)),
            [
                "under $0.01",
                "under $0.01",
                "about $0.01",
                "about $1.50",
                "about $0.62 to $1.25",
                "about $0.00 to $0.50"
            ]
        );
    }

    #[test]
    fn durations_have_the_unit_that_fits() {
        let texts = [4, 200, 3900, 400_000].map(|seconds| duration(Duration::from_secs(seconds)));
        assert_eq!(texts, ["4.0 s", "3 min 20 s", "1 h 05 min", "4 days 15 h"]);
    }

    #[test]
    fn names_are_joined_as_in_a_sentence() {
        for (names, text) in [(&["a"][..], "a"), (&["a", "b"], "a and b"), (&["a", "b", "c"], "a, b and c")] {
            assert_eq!(and(names), text);
        }
    }
}
