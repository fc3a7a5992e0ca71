//! Quantities with their units, for people.

use std::time::Duration;

/// `4.5 GB`: decimal, as AWS bills.
#[expect(clippy::cast_precision_loss, reason = "two or three digits are shown")]
pub fn bytes(bytes: u64) -> String {
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

/// `1,234,567`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A rate per second: `480`, `49.5`, `0.25`. Small rates keep their fractions, so that a slow job does not seem to be
/// stuck.
pub fn rate(per_second: f64) -> String {
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

/// A price range in US dollars: `about $0.62`, `about $0.62 to $1.25`, `under $0.01`.
pub fn price(least: f64, most: f64) -> String {
    let in_cents = |dollars: f64| format!("${dollars:.2}");
    match (in_cents(least), in_cents(most)) {
        (_, most) if most == "$0.00" => "under $0.01".to_owned(),
        (least, most) if least == most => format!("about {least}"),
        (least, most) => format!("about {least} to {most}"),
    }
}

/// `1 h 05 min`, `3 min 20 s`, `4.2 s`.
pub fn duration(duration: Duration) -> String {
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
    fn large_numbers_are_grouped() {
        let texts = [0, 999, 1_000, 1_234_567, u64::MAX].map(grouped);
        assert_eq!(texts, ["0", "999", "1,000", "1,234,567", "18,446,744,073,709,551,615"]);
    }

    #[test]
    fn small_rates_and_prices_do_not_look_like_nothing() {
        let texts = [0.0, 0.000_1, 0.001, 0.25, 0.5, 1.0, 2.345, 9.999, 49.5, 50.0, 99.96, 1234.4].map(rate);
        let expected =
            ["0", "under 0.001", "0.001", "0.25", "0.5", "1", "2.35", "10", "49.5", "50", "100", "1234"];
        assert_eq!(texts, expected);
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
}
