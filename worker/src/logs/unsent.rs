//! Lines of the log that wait to be sent to the coordinator, in bounded memory.

use std::collections::VecDeque;

/// The most bytes that wait. What does not fit is dropped, and a later line says how much.
const MOST_BYTES: usize = 256 * 1024;
/// The most bytes of a line. The rest is cut.
const LINE_BYTES: usize = 4 * 1024;

#[derive(Debug, Default)]
pub(super) struct Unsent {
    lines: VecDeque<String>,
    bytes: usize,
    /// The number of lines that were dropped since the last one in the queue.
    dropped: u64,
}

impl Unsent {
    pub(super) const fn new() -> Self {
        Self { lines: VecDeque::new(), bytes: 0, dropped: 0 }
    }

    /// Adds a line, or drops it.
    pub(super) fn add(&mut self, line: &str) {
        let line = &line[..line.floor_char_boundary(LINE_BYTES)];
        if self.bytes + line.len() > MOST_BYTES {
            self.dropped += 1;
            return;
        }
        self.note_dropped();
        self.push(line.to_owned());
    }

    /// Takes lines from the beginning, about this many bytes of them.
    pub(super) fn take(&mut self, most_bytes: usize) -> Vec<String> {
        let (mut taken, mut bytes) = (Vec::new(), 0);
        while bytes < most_bytes
            && let Some(line) = self.lines.pop_front()
        {
            bytes += line.len();
            taken.push(line);
        }
        self.bytes -= bytes;
        if self.lines.is_empty() {
            self.note_dropped();
            taken.extend(self.lines.pop_front());
            self.bytes = 0;
        }
        taken
    }

    fn note_dropped(&mut self) {
        if self.dropped > 0 {
            let number = std::mem::take(&mut self.dropped);
            self.push(format!(
                "note        {number} lines of the log were dropped here: there were too many to send; \
                 the log of the container has them"
            ));
        }
    }

    fn push(&mut self, line: String) {
        self.bytes += line.len();
        self.lines.push_back(line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_dropped_and_counted_where_it_is_missing() {
        let mut unsent = Unsent::new();
        let line = |number: usize| format!("{number:01000}");
        for number in 0..300 {
            unsent.add(&line(number));
        }
        let fit = MOST_BYTES / 1000;
        assert_eq!(unsent.take(1500), [line(0), line(1)]);
        unsent.add(&line(300));
        let rest = unsent.take(usize::MAX);
        assert_eq!(rest.len(), fit - 2 + 2);
        assert_eq!(rest[fit - 3], line(fit - 1));
        let note = &rest[fit - 2];
        assert!(note.starts_with(&format!("note        {} lines of the log were dropped here", 300 - fit)));
        assert_eq!(rest[fit - 1], line(300));
        assert_eq!((unsent.bytes, unsent.take(usize::MAX).len()), (0, 0));
    }

    #[test]
    fn a_long_line_is_cut_between_characters() {
        let mut unsent = Unsent::new();
        unsent.add(&format!("x{}", "ü".repeat(LINE_BYTES)));
        let lines = unsent.take(1);
        assert_eq!((lines.len(), lines[0].len()), (1, LINE_BYTES - 1));
    }

    #[test]
    fn lines_that_were_dropped_last_are_counted_too() {
        let mut unsent = Unsent::new();
        for _ in 0..300 {
            unsent.add(&"x".repeat(1000));
        }
        let lines = unsent.take(usize::MAX);
        assert!(lines[lines.len() - 1].starts_with("note        38 lines"), "{:?}", lines.last());
    }
}
