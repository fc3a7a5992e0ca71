//! Events that wait to be written.

use std::collections::VecDeque;

use events::{Event, Line, SCHEMA};

/// The most events that wait. A status has 15 kB at most.
const MOST: usize = 500;

/// Queued events in their order.
///
/// If there is no room for a new one, the oldest status is lost, or else the oldest event of all, so that the last
/// event is always kept. The next event says how many were lost before it.
pub(super) struct EventQueue {
    lines: VecDeque<Line>,
    tool: String,
    /// The next event that is taken says what only the first one of a file says.
    says_first: bool,
    /// How many events were lost before the one that was taken, or before the first one that waits.
    lost: u64,
    /// How many events were lost in all.
    total_lost: u64,
    is_writing: bool,
    is_ended: bool,
}

impl EventQueue {
    pub(super) fn new(tool: String) -> Self {
        Self {
            lines: VecDeque::new(),
            tool,
            says_first: true,
            lost: 0,
            total_lost: 0,
            is_writing: false,
            is_ended: false,
        }
    }

    /// Adds an event, unless the last one was added.
    pub(super) fn push(&mut self, line: Line) {
        if self.is_ended {
            return;
        }
        self.is_ended = line.event.is_last();
        if self.lines.len() >= MOST {
            let status = self.lines.iter().position(|line| matches!(line.event, Event::Status(_)));
            self.lose(status.unwrap_or(0));
        }
        self.lines.push_back(line);
    }

    /// Discards what waits, and all that follows.
    pub(super) fn end(&mut self) {
        self.lines.clear();
        self.is_ended = true;
    }

    fn lose(&mut self, at: usize) {
        let Some(lost) = self.lines.remove(at) else { return };
        self.total_lost += 1;
        let number = lost.lost_events + 1;
        match self.lines.get_mut(at) {
            Some(next) => next.lost_events += number,
            None => self.lost += number,
        }
    }

    /// Takes the next event to be written. [`written`](Self::written) must follow.
    pub(super) fn take(&mut self) -> Option<Line> {
        let mut line = self.lines.pop_front()?;
        line.lost_events += self.lost;
        self.lost = line.lost_events;
        if self.says_first {
            (line.schema, line.tool) = (Some(SCHEMA), Some(self.tool.clone()));
        }
        self.is_writing = true;
        Some(line)
    }

    /// Whether the event that was taken is written, or lost.
    pub(super) fn written(&mut self, is_written: bool) {
        self.is_writing = false;
        if is_written {
            self.lost = 0;
            self.says_first = false;
        } else {
            self.lost += 1;
            self.total_lost += 1;
        }
    }

    /// Whether nothing waits and nothing is being written.
    pub(super) fn is_written(&self) -> bool {
        self.lines.is_empty() && !self.is_writing
    }

    /// Whether an event was lost so far.
    pub(super) fn has_lost(&self) -> bool {
        self.total_lost > 0
    }
}
