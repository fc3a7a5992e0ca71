//! Quantities for people to read, and the lines they read them in.

use std::{
    io::{self, Write},
    time::Duration,
};

/// A result, on standard output. That nobody reads any more what this and the others say, as after
/// `| head`, ends no job; `println!` would panic.
pub(crate) fn print(text: &str) {
    let _ = writeln!(io::stdout().lock(), "{text}");
}

/// Something worth knowing, on standard error.
pub(crate) fn tell(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// What is wrong, as the one line on standard error that begins with the program's name.
pub(crate) fn complain(why: &str) {
    tell(&format!("tablehaul: {}", why.replace(['\n', '\r'], " ")));
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

/// `480`, `49.5`, `0.25`: what happens in a second. Small rates keep their fractions, so that what is slow does not
/// look as if it stood still.
pub(crate) fn rate(per_second: f64) -> String {
    let decimals = match per_second {
        0.0 => 0,
        ..0.000_5 => return "under 0.001".to_owned(),
        ..0.999_5 => 3,
        ..9.995 => 2,
        ..99.95 => 1,
        _ => 0,
    };
    let text = format!("{per_second:.decimals$}");
    if decimals == 0 { text } else { text.trim_end_matches('0').trim_end_matches('.').to_owned() }
}

/// `$0.62`, or that it is less than a cent.
pub(crate) fn dollars(dollars: f64) -> String {
    if dollars > 0.0 && dollars < 0.005 { "under $0.01".to_owned() } else { format!("${dollars:.2}") }
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
    fn small_rates_and_prices_do_not_look_like_nothing() {
        let texts = [0.0, 0.000_1, 0.001, 0.25, 0.5, 1.0, 2.345, 9.999, 49.5, 50.0, 99.96, 1234.4].map(rate);
        let expected =
            ["0", "under 0.001", "0.001", "0.25", "0.5", "1", "2.35", "10", "49.5", "50", "100", "1234"];
        assert_eq!(texts, expected);
        assert_eq!([0.0, 0.004, 0.005, 1.5].map(dollars), ["$0.00", "under $0.01", "$0.01", "$1.50"]);
    }

    #[test]
    fn durations_have_the_unit_that_fits() {
        let texts = [4, 200, 3900, 400_000].map(|seconds| duration(Duration::from_secs(seconds)));
        assert_eq!(texts, ["4.0 s", "3 min 20 s", "1 h 05 min", "4 days 15 h"]);
    }
}
