//! Replacements within a text. Every byte outside of them stays.

use std::ops::Range;

/// Replacements, in any order. They must not overlap.
#[derive(Debug, Default)]
pub(super) struct Edits(Vec<(Range<usize>, String)>);

impl Edits {
    pub(super) fn replace(&mut self, at: Range<usize>, new: String) {
        self.0.push((at, new));
    }

    pub(super) fn insert(&mut self, at: usize, new: String) {
        self.replace(at..at, new);
    }

    pub(super) fn applied(mut self, text: &str) -> String {
        // Insertions at one place keep their order.
        self.0.sort_by_key(|(at, _)| at.start);
        let (mut out, mut end) = (String::with_capacity(text.len() + 1024), 0);
        for (at, new) in self.0 {
            out.push_str(&text[end..at.start]);
            out.push_str(&new);
            end = at.end;
        }
        out.push_str(&text[end..]);
        out
    }
}
