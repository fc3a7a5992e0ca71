//! Numbers with the nouns that they count, and rates, for messages.

/// `1 worker`, `2 workers`.
pub fn count(number: usize, thing: &str) -> String {
    count_of(number as u64, thing)
}

/// The same for a number that may not fit into a `usize`.
pub fn count_of(number: u64, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_rates_do_not_look_like_nothing() {
        let texts = [0.0, 0.000_1, 0.001, 0.25, 0.5, 1.0, 2.345, 9.999, 49.5, 50.0, 99.96, 1234.4].map(rate);
        let expected =
            ["0", "under 0.001", "0.001", "0.25", "0.5", "1", "2.35", "10", "49.5", "50", "100", "1234"];
        assert_eq!(texts, expected);
    }
}
