//! Numbers with the nouns that they count, for messages.

/// `1 worker`, `2 workers`.
pub fn count(number: usize, thing: &str) -> String {
    count_of(number as u64, thing)
}

/// The same for a number that may not fit into a `usize`.
pub fn count_of(number: u64, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}
