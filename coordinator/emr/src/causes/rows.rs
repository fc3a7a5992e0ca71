//! The messages that are known.
//!
//! Each row names its source: D is AWS's documentation (ERG, EMG: the guides of EMR; DPG: the guide of Data Pipeline),
//! I a message that users have reported.

mod access;
mod instances;
mod network;
mod running;

use super::Kind;
use crate::quote::visible;

/// All rows. The first that fits counts.
pub(super) fn all() -> impl Iterator<Item = &'static Row> + Clone {
    [access::ACCESS_ROWS, instances::INSTANCE_ROWS, network::NETWORK_ROWS, running::RUNNING_ROWS]
        .into_iter()
        .flatten()
}

/// A kind of message.
pub(super) struct Row {
    /// With one of these codes, no row without it counts.
    pub(super) codes: &'static [&'static str],
    /// [Patterns](super::pattern::found) of messages. All have as many `{}` as the line.
    pub(super) says: &'static [&'static str],
    pub(super) kind: Kind,
    /// Each `{}` is a word of the message.
    line: &'static str,
}

impl Row {
    /// Whether the code says enough, without words of the message.
    pub(super) fn is_for_code_alone(&self) -> bool {
        !self.line.contains("{}")
    }

    pub(super) fn line(&self, words: &[String]) -> String {
        let mut parts = self.line.split("{}");
        let mut line = parts.next().unwrap_or_default().to_owned();
        for (number, part) in parts.enumerate() {
            line.push_str(&words.get(number).map_or("…".to_owned(), |word| visible(word)));
            line.push_str(part);
        }
        line
    }
}

const fn said(says: &'static [&'static str], kind: Kind, line: &'static str) -> Row {
    Row { codes: &[], says, kind, line }
}

const fn coded(codes: &'static [&'static str], kind: Kind, line: &'static str) -> Row {
    Row { codes, says: &[], kind, line }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_stands_in_the_table_of_messages() {
        let messages = include_str!("../../tests/causes/messages.txt");
        let ours: Vec<_> = messages.lines().filter_map(|line| line.strip_prefix("ours ")).collect();
        for row in all() {
            let is_from = |line: &&str| row.line.split("{}").all(|part| line.contains(part));
            assert!(ours.iter().any(is_from), "{}", row.line);
        }
    }

    #[test]
    fn patterns_have_the_words_of_their_line() {
        for row in all() {
            let count = |text: &str| text.matches("{}").count();
            assert!(row.says.iter().all(|pattern| count(pattern) == count(row.line)), "{}", row.line);
        }
    }
}
