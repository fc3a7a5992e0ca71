//! One log in bounded memory: its beginning and its end. What lies between is cut, and a line says how much.

use std::collections::VecDeque;

use events::Line;

/// The most bytes that are kept of a log. A single line is kept whole.
#[derive(Clone, Copy, Debug)]
pub(super) struct LogLimits {
    /// Of its beginning.
    pub(super) first_bytes: usize,
    /// Of its end.
    pub(super) last_bytes: usize,
}

/// A log.
#[derive(Debug)]
pub(super) struct Log {
    limits: LogLimits,
    first: String,
    /// The beginning is full.
    is_first_full: bool,
    last: VecDeque<String>,
    last_bytes: usize,
    cut_lines: u64,
    /// Whether it has changed since it was last stored.
    pub(super) has_changed: bool,
}

impl Log {
    pub(super) fn new(limits: LogLimits) -> Self {
        Self {
            limits,
            first: String::new(),
            is_first_full: false,
            last: VecDeque::new(),
            last_bytes: 0,
            cut_lines: 0,
            has_changed: false,
        }
    }

    /// Adds a line, without its end.
    pub(super) fn add(&mut self, mut line: String) {
        self.has_changed = true;
        line.push('\n');
        if !self.is_first_full && self.first.len() + line.len() <= self.limits.first_bytes {
            self.first.push_str(&line);
            return;
        }
        self.is_first_full = true;
        self.last_bytes += line.len();
        self.last.push_back(line);
        while self.last_bytes > self.limits.last_bytes && self.last.len() > 1 {
            if let Some(cut) = self.last.pop_front() {
                self.last_bytes -= cut.len();
                self.cut_lines += 1;
            }
        }
    }

    /// The text. A line says what was cut.
    pub(super) fn text(&self) -> String {
        let cut = match self.cut_lines {
            0 => String::new(),
            number => format!("… {number} lines were cut here: only beginning and end of a log are kept\n"),
        };
        self.joined(&cut, self.last.iter().map(String::as_str))
    }

    /// The text of a log of events. The event after what was cut says how many are lost.
    pub(super) fn text_of_events(&self) -> String {
        let first = self.last.front().filter(|_| self.cut_lines > 0);
        let counted = first.and_then(|line| {
            let line: Line = serde_json::from_str(line).ok()?;
            let line = Line { lost_events: line.lost_events + self.cut_lines, ..line };
            serde_json::to_string(&line).ok()
        });
        match counted {
            Some(counted) => self.joined(&(counted + "\n"), self.last.iter().skip(1).map(String::as_str)),
            None => self.text(),
        }
    }

    fn joined<'a>(&self, between: &str, last: impl Iterator<Item = &'a str>) -> String {
        let mut text = String::with_capacity(self.first.len() + between.len() + self.last_bytes);
        text.push_str(&self.first);
        text.push_str(between);
        last.for_each(|line| text.push_str(line));
        text
    }
}

#[cfg(test)]
mod tests {
    use events::{Event, Throttled};

    use super::*;

    const LIMITS: LogLimits = LogLimits { first_bytes: 12, last_bytes: 20 };

    #[test]
    fn beginning_and_end_are_kept_and_the_number_of_cut_lines_is_said() {
        let mut log = Log::new(LIMITS);
        for number in 0..5 {
            log.add(format!("line{number}"));
        }
        assert_eq!(log.text(), "line0\nline1\nline2\nline3\nline4\n");
        for number in 5..10 {
            log.add(format!("line{number}"));
        }
        let cut = "… 5 lines were cut here: only beginning and end of a log are kept\n";
        assert_eq!(log.text(), format!("line0\nline1\n{cut}line7\nline8\nline9\n"));
        log.add("x".repeat(100));
        assert!(log.text().ends_with(&format!("kept\n{}\n", "x".repeat(100))), "{}", log.text());
    }

    #[test]
    fn a_short_line_after_the_beginning_is_full_stays_in_its_order() {
        let mut log = Log::new(LIMITS);
        for line in ["first", "too long for it", "a"] {
            log.add(line.to_owned());
        }
        assert_eq!(log.text(), "first\ntoo long for it\na\n");
    }

    #[test]
    fn events_stay_events_and_the_next_one_counts_those_that_were_cut() {
        let mut log = Log::new(LogLimits { first_bytes: 200, last_bytes: 300 });
        for number in 0..20 {
            let event = Event::Throttled(Throttled { requests: number, throttles: number });
            log.add(serde_json::to_string(&crate::output::events::stamped(event)).unwrap());
        }
        let text = log.text_of_events();
        let lines: Vec<Line> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let lost: u64 = lines.iter().map(|line| line.lost_events).sum();
        assert_eq!(lost + lines.len() as u64, 20);
        assert!(lost > 0);
    }
}
