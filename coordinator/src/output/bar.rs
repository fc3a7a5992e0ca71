//! The bar at the bottom of a terminal. Only the output thread draws it.

use indicatif::{ProgressBar, ProgressStyle};

use super::one_line;

/// The appearance of a bar.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bar {
    /// The template of indicatif.
    pub(crate) template: &'static str,
    /// What it is about.
    pub(crate) prefix: String,
    /// The total. 0 if it is unknown.
    pub(crate) length: u64,
    /// How much of the total is done.
    pub(crate) position: u64,
    /// Further text.
    pub(crate) message: String,
}

/// What is drawn on the terminal.
#[derive(Default)]
pub(super) struct Screen {
    shown: Option<(ProgressBar, &'static str, String, u64)>,
}

impl Screen {
    /// Writes above the bar.
    pub(super) fn above(&self, write: impl FnOnce()) {
        match &self.shown {
            Some((bar, ..)) => bar.suspend(write),
            None => write(),
        }
    }

    /// Draws the bar as it is now.
    pub(super) fn show(&mut self, wanted: Option<Bar>) {
        let is_same = match (&self.shown, &wanted) {
            (Some((_, template, prefix, length)), Some(bar)) => {
                (*template, prefix, *length) == (bar.template, &bar.prefix, bar.length)
            }
            _ => false,
        };
        if !is_same && let Some((bar, ..)) = self.shown.take() {
            bar.finish_and_clear();
        }
        let Some(Bar { template, prefix, length, position, message }) = wanted else { return };
        let (bar, ..) = self.shown.get_or_insert_with(|| {
            let bar = if length > 0 { ProgressBar::new(length) } else { ProgressBar::no_length() };
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            bar.set_prefix(one_line(&prefix));
            (bar, template, prefix, length)
        });
        bar.set_position(position);
        bar.set_message(one_line(&message));
    }
}
