//! What a journal says of its job, for people. A core.

use super::replay::{Journaled, State};
use crate::{schedule::percent, text};

impl State {
    /// What it does.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Export(_) => "export",
            Self::Import(_) => "import",
        }
    }

    /// The table's name.
    pub(crate) fn table(&self) -> &str {
        match self {
            Self::Export(state) => &state.begin.table,
            Self::Import(state) => &state.begin.table,
        }
    }

    /// When it was begun.
    pub(crate) fn started_at(&self) -> &str {
        match self {
            Self::Export(state) => &state.begin.started_at,
            Self::Import(state) => &state.begin.started_at,
        }
    }

    /// Items that need not be read or written again.
    pub(crate) fn items(&self) -> u64 {
        match self {
            Self::Export(state) => state.sealed_items(),
            Self::Import(state) => state.counts().lines(),
        }
    }

    /// Segments or splits done and in all.
    pub(crate) fn tasks(&self) -> (usize, usize) {
        match self {
            Self::Export(state) => state.tasks(),
            Self::Import(state) => state.tasks(),
        }
    }

    /// How much is done.
    pub(crate) fn percent(&self) -> u64 {
        let expected = match self {
            Self::Export(state) => state.begin.expected_items,
            Self::Import(state) => state.begin.expected_items,
        };
        percent(self.items(), expected, self.tasks())
    }
}

impl Journaled {
    /// How far it has got, how that ended and by whom, in words.
    pub(crate) fn progress_text(&self) -> String {
        let (begun, items) =
            (self.state.started_at().escape_debug(), text::count_of(self.state.items(), "item"));
        let ended = match &self.stopped {
            Some(why) => why.escape_debug().to_string(),
            None => "interrupted".to_owned(),
        };
        let (host, at) = (self.last.host.escape_debug(), self.last.at.escape_debug());
        format!(
            "{} % ({items}), begun {begun}; last run by process {} on {host} until {at}, {ended}",
            self.state.percent(),
            self.last.pid
        )
    }

    /// What it is, in words.
    pub(crate) fn text(&self) -> String {
        let (kind, table) = (self.state.kind(), self.state.table().escape_debug());
        format!("an unfinished {kind} of table {table}, {}", self.progress_text())
    }
}
