//! What waits to be written to standard error.

use std::{collections::VecDeque, mem};

use super::bar::Bar;

/// The most bytes of text that may wait.
const MAX_BYTES: usize = 256 * 1024;

/// Queued lines in their order, and the newest appearance of the bar.
///
/// At most 256 KiB of text wait, unless one text alone is longer. Of lines of progress only the newest waits. If there
/// is no room for a new line, the oldest lines of the log are dropped, and if there are none, the oldest lines of all,
/// so that the last ones are always kept. A line says how many were dropped.
#[derive(Default)]
#[allow(clippy::option_option, reason = "unchanged, gone, or like this")]
pub(super) struct WaitingText {
    texts: VecDeque<Text>,
    bytes: usize,
    left_out: u64,
    bar: Option<Option<Bar>>,
    /// Text that was taken is not written yet.
    is_writing: bool,
    /// The last line was added.
    is_ended: bool,
}

struct Text {
    text: String,
    kind: TextKind,
}

/// What a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TextKind {
    /// A message.
    Line,
    /// Progress, of which only the newest line matters.
    Progress,
    /// A line of the log, which is dropped before any other.
    Log,
}

/// What is written next.
#[derive(Debug, Default, PartialEq)]
#[allow(clippy::option_option, reason = "unchanged, gone, or like this")]
pub(super) struct Batch {
    pub(super) text: String,
    /// The change of the bar: its new appearance, or `None` if it is removed.
    pub(super) bar: Option<Option<Bar>>,
}

impl WaitingText {
    /// Adds a text.
    pub(super) fn push(&mut self, text: String, kind: TextKind) {
        if self.is_ended {
            return;
        }
        if kind == TextKind::Progress
            && let Some(at) = self.first(TextKind::Progress)
        {
            self.drop_at(at);
        }
        while !self.texts.is_empty() && self.bytes + text.len() > MAX_BYTES {
            let at = self.first(TextKind::Log).unwrap_or(0);
            if self.drop_at(at).is_some_and(|dropped| dropped.kind != TextKind::Progress) {
                self.left_out += 1;
            }
        }
        self.bytes += text.len();
        self.texts.push_back(Text { text, kind });
    }

    fn first(&self, kind: TextKind) -> Option<usize> {
        self.texts.iter().position(|text| text.kind == kind)
    }

    /// Adds the last line, and removes the bar. What comes later is ignored.
    pub(super) fn end(&mut self, text: String) {
        self.show(None);
        self.push(text, TextKind::Line);
        self.is_ended = true;
    }

    fn drop_at(&mut self, at: usize) -> Option<Text> {
        let dropped = self.texts.remove(at)?;
        self.bytes -= dropped.text.len();
        Some(dropped)
    }

    /// Sets the appearance of the bar.
    pub(super) fn show(&mut self, bar: Option<Bar>) {
        if !self.is_ended {
            self.bar = Some(bar);
        }
    }

    /// Takes what there is to write, if anything. The caller must call [`written`](Self::written) afterwards.
    pub(super) fn take(&mut self) -> Option<Batch> {
        if self.texts.is_empty() && self.bar.is_none() {
            return None;
        }
        let mut text = String::with_capacity(self.bytes + 64);
        let number = mem::take(&mut self.left_out);
        if number > 0 {
            text = format!(
                "note        {number} lines were dropped here: standard error was not read in time\n"
            );
        }
        for line in self.texts.drain(..) {
            text.push_str(&line.text);
            text.push('\n');
        }
        self.bytes = 0;
        self.is_writing = true;
        Some(Batch { text, bar: self.bar.take() })
    }

    /// Marks what was taken as written.
    pub(super) fn written(&mut self) {
        self.is_writing = false;
    }

    /// Whether nothing waits and nothing is being written.
    pub(super) fn is_written(&self) -> bool {
        self.texts.is_empty() && self.bar.is_none() && !self.is_writing
    }
}

#[cfg(test)]
mod tests {
    use super::{
        TextKind::{Line, Log, Progress},
        *,
    };

    #[test]
    fn nothing_comes_after_the_last_line() {
        let mut waiting = WaitingText::default();
        waiting.push("plan".to_owned(), Line);
        waiting.end("it failed".to_owned());
        waiting.push("a late word".to_owned(), Line);
        waiting.push("20 %".to_owned(), Progress);
        waiting.show(Some(Bar::default()));
        let batch = waiting.take().unwrap();
        assert_eq!((batch.text.as_str(), batch.bar), ("plan\nit failed\n", Some(None)));
        waiting.written();
        waiting.end("another".to_owned());
        assert!(text(&mut waiting).is_empty());
    }

    fn text(waiting: &mut WaitingText) -> String {
        waiting.take().map(|batch| batch.text).unwrap_or_default()
    }

    #[test]
    fn lines_keep_their_order_and_of_progress_only_the_newest_waits() {
        let mut waiting = WaitingText::default();
        assert!(waiting.take().is_none() && waiting.is_written());
        for (line, kind) in
            [("plan", Line), ("10 %", Progress), ("note", Line), ("20 %", Progress), ("end", Line)]
        {
            waiting.push(line.to_owned(), kind);
        }
        assert_eq!(text(&mut waiting), "plan\nnote\n20 %\nend\n");
        assert!(!waiting.is_written(), "it is still to be written");
        waiting.written();
        assert!(waiting.is_written());
    }

    #[test]
    fn what_nobody_reads_is_bounded_and_the_last_words_stay() {
        let mut waiting = WaitingText::default();
        for at in 0..100_000 {
            waiting.push(format!("note {at}"), Line);
            waiting.push(format!("{at} items"), Progress);
        }
        waiting.push("the failure".into(), Line);
        assert!(waiting.bytes <= MAX_BYTES);
        let text = text(&mut waiting);
        assert!(text.len() < MAX_BYTES + MAX_BYTES / 4, "line feeds come on top");
        assert!(text.ends_with("\nnote 99999\n99999 items\nthe failure\n"), "{}", &text[text.len() - 60..]);
        let kept = text.lines().filter(|line| line.starts_with("note ") && !line.contains("dropped")).count();
        let left_out = format!("note        {} lines were dropped here", 100_000 - kept);
        assert!(text.starts_with(&left_out), "{}", &text[..80]);
    }

    #[test]
    fn the_log_makes_room_for_all_else() {
        let mut waiting = WaitingText::default();
        waiting.push("the plan".into(), Line);
        for at in 0..100_000 {
            waiting.push(format!("log {at}"), Log);
        }
        waiting.push("the failure".into(), Line);
        assert!(waiting.bytes <= MAX_BYTES);
        let text = text(&mut waiting);
        assert!(text.contains("\nthe plan\nlog "), "{}", &text[..200]);
        assert!(text.ends_with("\nlog 99999\nthe failure\n"), "{}", &text[text.len() - 60..]);
    }

    #[test]
    fn a_text_that_is_longer_than_all_that_may_wait_is_kept_alone() {
        let mut waiting = WaitingText::default();
        waiting.push("before".into(), Line);
        waiting.push("x".repeat(MAX_BYTES + 1), Line);
        assert_eq!(text(&mut waiting).lines().count(), 2);
    }

    #[test]
    fn only_the_last_look_of_the_bar_counts() {
        let mut waiting = WaitingText::default();
        for position in 0..3 {
            waiting.show(Some(Bar { position, ..Bar::default() }));
        }
        let batch = waiting.take().unwrap();
        assert_eq!(batch.bar, Some(Some(Bar { position: 2, ..Bar::default() })));
        waiting.show(None);
        assert_eq!(waiting.take().unwrap(), Batch { text: String::new(), bar: Some(None) });
    }
}
