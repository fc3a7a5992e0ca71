//! Quantities for people to read, and the lines they read them in.

use std::{
    io::{self, Write},
    time::Duration,
};

use job::visible;

use crate::output;

/// A result, on standard output. That nobody reads any more what this and the others say, as after
/// `| head`, ends no job; `println!` would panic. It waits for a reader; a signal then ends the process.
pub(crate) fn print(text: &str) {
    put(&visible::lines(text));
}

/// A result as JSON, on standard output.
pub(crate) fn print_json(value: &impl serde::Serialize) {
    put(&visible::json(&serde_json::to_string_pretty(value).unwrap_or_default()));
}

fn put(text: &str) {
    // On a terminal what was said before stands above it.
    output::settle();
    output::talking(|| {
        let _ = writeln!(io::stdout().lock(), "{text}");
    });
}

/// Something worth knowing, on standard error: one line, or several of our own.
pub(crate) fn tell(text: &str) {
    output::lines(text);
}

/// What is wrong, as the one line on standard error that begins with the program's name.
pub(crate) fn complain(why: &str) {
    output::line(&format!("tablehaul: {why}"));
}

/// `1 worker`, `2 workers`.
pub(crate) fn count(number: usize, thing: &str) -> String {
    count_of(number as u64, thing)
}

/// The same of a number that may not fit a `usize`.
pub(crate) fn count_of(number: u64, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
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
    fn bytes_have_two_digits_and_a_decimal_unit() {
        let texts = [0, 999, 1000, 4_520_000_000, 12_345_678].map(bytes);
        assert_eq!(texts, ["0 B", "999 B", "1.0 kB", "4.5 GB", "12 MB"]);
    }

    #[test]
    fn durations_have_the_unit_that_fits() {
        let texts = [4, 200, 3900, 400_000].map(|seconds| duration(Duration::from_secs(seconds)));
        assert_eq!(texts, ["4.0 s", "3 min 20 s", "1 h 05 min", "4 days 15 h"]);
    }
}
