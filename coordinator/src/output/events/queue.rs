//! Events that wait to be written.

use std::collections::VecDeque;

use events::{Event, Line, SCHEMA};

/// The most events that wait. A status has 15 kB at most.
const MOST: usize = 500;

/// Queued events in their order.
///
/// If there is no room for a new one, the oldest status is lost, or else the oldest event of all, so that the last event
/// is always kept. The next event says how many were lost before it.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(super) struct Queue {
    lines: VecDeque<Line>,
    tool: String,
    is_first: bool,
    /// How many events were lost before the one that was taken, or before the first one that waits.
    lost: u64,
    has_lost: bool,
    is_writing: bool,
    is_ended: bool,
    /// The event that was taken says what only the first one says.
    is_taken_first: bool,
    /// That event was lost, so the next one says it.
    lacks_first: bool,
}

impl Queue {
    pub(super) fn new(tool: String) -> Self {
        Self {
            lines: VecDeque::new(),
            tool,
            is_first: true,
            lost: 0,
            has_lost: false,
            is_writing: false,
            is_ended: false,
            is_taken_first: false,
            lacks_first: false,
        }
    }

    /// Adds an event, unless the last one was added.
    pub(super) fn push(&mut self, mut line: Line) {
        if self.is_ended {
            return;
        }
        self.is_ended = line.event.is_last();
        if std::mem::take(&mut self.is_first) {
            (line.schema, line.tool) = (Some(SCHEMA), Some(self.tool.clone()));
        }
        if self.lines.len() >= MOST {
            let status = self.lines.iter().position(|line| matches!(line.event, Event::Status(_)));
            self.lose(status.unwrap_or(0));
        }
        self.lines.push_back(line);
    }

    fn lose(&mut self, at: usize) {
        let Some(lost) = self.lines.remove(at) else { return };
        self.has_lost = true;
        let number = lost.lost_events + 1;
        match self.lines.get_mut(at) {
            Some(next) => {
                next.lost_events += number;
                // What only the first event says must not be lost with it.
                if lost.schema.is_some() {
                    (next.schema, next.tool) = (lost.schema, lost.tool);
                }
            }
            None => self.lost += number,
        }
    }

    /// Takes the next event to be written. [`written`](Self::written) must follow.
    pub(super) fn take(&mut self) -> Option<Line> {
        let mut line = self.lines.pop_front()?;
        line.lost_events += self.lost;
        self.lost = line.lost_events;
        if std::mem::take(&mut self.lacks_first) {
            (line.schema, line.tool) = (Some(SCHEMA), Some(self.tool.clone()));
        }
        self.is_writing = true;
        self.is_taken_first = line.schema.is_some();
        Some(line)
    }

    /// Whether the event that was taken is written, or lost.
    pub(super) fn written(&mut self, is_written: bool) {
        self.is_writing = false;
        if is_written {
            self.lost = 0;
        } else {
            self.lost += 1;
            self.has_lost = true;
            self.lacks_first = self.is_taken_first;
        }
    }

    /// Whether nothing waits and nothing is being written.
    pub(super) fn is_written(&self) -> bool {
        self.lines.is_empty() && !self.is_writing
    }

    /// Whether an event was lost so far.
    pub(super) fn has_lost(&self) -> bool {
        self.has_lost
    }
}
