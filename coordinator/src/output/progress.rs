//! What the user sees of a running job: a bar on a terminal, a line every ten seconds elsewhere. Messages, plan and
//! report go the same way.

mod logged;

use std::{
    io::IsTerminal,
    sync::Arc,
    time::{Duration, Instant},
};

use engine::schedule::Pass;
use events::{Phase, Status};
use tokio::{sync::watch, task::JoinSet};

use crate::output::{bar::Bar, display, stderr, stream::Stream};

/// Time between two lines if there is no terminal.
pub(crate) const LINE_EVERY: Duration = Duration::from_secs(10);

/// Tells the user about a job, always on standard error.
pub(crate) struct Progress {
    on_terminal: bool,
    quiet: bool,
    spell: Spell,
    stream: Stream,
}

/// Rewrites a message for the form of command line in use.
type Spell = Arc<dyn Fn(&str) -> String + Send + Sync>;

impl Progress {
    /// On standard error. `quiet` omits plan, progress and summary.
    pub(crate) fn new(quiet: bool) -> Self {
        let on_terminal = std::io::stderr().is_terminal();
        let spell: Spell = Arc::new(str::to_owned);
        Self { on_terminal, quiet, spell, stream: Stream::new() }
    }

    /// The same, with each message rewritten by `spell`.
    #[must_use]
    pub(crate) fn spelling(self, spell: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        Self { spell: Arc::new(spell), ..self }
    }

    /// Writes a message of one line.
    pub(crate) fn note(&self, text: &str) {
        stderr::line(&(self.spell)(text));
    }

    /// Takes the messages of workers.
    pub(crate) fn sink(&self) -> Arc<dyn Fn(String) + Send + Sync> {
        let spell = self.spell.clone();
        Arc::new(move |text| stderr::line(&spell(&text)))
    }

    pub(crate) fn plan(&self, text: &str) {
        if !self.quiet {
            stderr::lines(&(self.spell)(text));
        }
    }

    pub(crate) fn report(&self, report: &impl std::fmt::Display) {
        if !self.quiet {
            stderr::lines(&(self.spell)(&report.to_string()));
        }
    }

    /// The events of this command, which the user sees a part of.
    pub(crate) fn stream(&self) -> &Stream {
        &self.stream
    }

    /// Runs a pass of a job, and shows its statuses meanwhile.
    pub(crate) async fn show<T>(&self, pass: &Pass, running: impl Future<Output = T>) -> T {
        self.stream.begin(pass);
        let mut subscribers = JoinSet::new();
        if !self.quiet {
            let view = View::new(pass, self.on_terminal, self.spell.clone());
            subscribers.spawn(view.follow(self.stream.statuses()));
        }
        if logged::is_wanted() {
            subscribers.spawn(logged::follow(self.stream.statuses()));
        }
        let ended = running.await;
        // Returns when the views are dropped, so that no bar is left above what follows.
        subscribers.shutdown().await;
        self.stream.end();
        ended
    }
}

/// The progress of one pass as the user sees it.
struct View {
    spell: Spell,
    /// The bar, on a terminal.
    bar: Option<Bar>,
    line_at: Option<Instant>,
}

impl View {
    fn new(pass: &Pass, on_terminal: bool, spell: Spell) -> Self {
        let bar = on_terminal.then(|| Bar {
            template: match pass.expected_items {
                Some(_) => "{prefix} {wide_bar} {percent:>3} %\n{msg}",
                None => "{prefix} {spinner}\n{msg}",
            },
            prefix: pass.table.clone(),
            length: pass.expected_items.unwrap_or(0),
            ..Bar::default()
        });
        if let Some(bar) = &bar {
            stderr::show(Some(bar.clone()));
        }
        Self { spell, bar, line_at: None }
    }

    /// Shows each status on a terminal, and one every ten seconds elsewhere.
    async fn follow(mut self, mut statuses: watch::Receiver<Status>) {
        while statuses.changed().await.is_ok() {
            if self.is_due() {
                // Cloned, because the driver can't publish while a status is borrowed.
                let status = statuses.borrow_and_update().clone();
                self.show(&status);
            }
        }
    }

    fn is_due(&mut self) -> bool {
        if self.bar.is_some() {
            return true;
        }
        let is_due = self.line_at.get_or_insert_with(Instant::now).elapsed()
            >= hooks::interval("progress", LINE_EVERY);
        if is_due {
            self.line_at = Some(Instant::now());
        }
        is_due
    }

    fn show(&mut self, status: &Status) {
        let message = self.describe(status);
        match self.bar.clone() {
            Some(bar) => stderr::show(Some(Bar { position: status.items, message, ..bar })),
            None => stderr::progress(&(self.spell)(&message)),
        }
    }

    fn describe(&self, status: &Status) -> String {
        let stall = status.stalled_seconds.map(|seconds| {
            format!(", no progress for {seconds:.0} s: {}", status.last_error.as_deref().unwrap_or_default())
        });
        let left = status.seconds_left.filter(|seconds| *seconds > 0.0);
        let left = left.and_then(|seconds| Duration::try_from_secs_f64(seconds.min(1e12)).ok());
        let eta = left.map(|left| format!(", {} left", display::duration(left)));
        let name = if self.bar.is_some() { String::new() } else { format!("{}: ", status.table) };
        let verb = if status.phase == Phase::Checking { "checked " } else { "" };
        let removed = match status.removed_items {
            0 => String::new(),
            removed => format!(" ({removed} of them removed)"),
        };
        let units = if status.phase == Phase::Checking {
            String::new()
        } else {
            let is_idle = status.is_saving_units && status.units_per_second <= 0.0;
            let why = if is_idle { " (saving up for a large request)" } else { "" };
            let (used, all) =
                (display::rate(status.units_per_second), display::rate(status.budget_units_per_second));
            format!(", {used} of {all} units/s{why}")
        };
        let things = status.tasks.kind.nouns();
        format!(
            "{name}{verb}{} items{removed}, {}{units}, {}/{} {things}, {}, {} throttles{}{}",
            status.items,
            display::bytes(status.bytes),
            status.tasks.done,
            status.tasks.all,
            display::count_of(status.workers.connected, "worker"),
            status.throttles,
            eta.unwrap_or_default(),
            stall.unwrap_or_default(),
        )
    }
}

/// Removes the bar from the terminal.
impl Drop for View {
    fn drop(&mut self) {
        if self.bar.is_some() {
            stderr::show(None);
        }
    }
}

#[cfg(test)]
mod tests;
