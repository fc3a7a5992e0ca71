//! What the user sees of a running job: a bar on a terminal, a line every ten seconds elsewhere. Messages, plan and
//! report go the same way.

mod logged;

use std::{
    io::IsTerminal,
    sync::Arc,
    time::{Duration, Instant},
};

use job::control::Stats;
use tokio::{sync::watch, task::JoinSet};

use crate::{
    output::{self, Bar},
    snapshot::{Pass, Phase, Snapshot, Stall},
    text,
};

/// Time between two lines if there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);
/// The shortest and longest times over which the shown rates are computed. The window ends when [`SOME_UNITS`] are
/// consumed, because at a low rate there are few requests.
const RATE_WINDOW: Duration = Duration::from_secs(2);
const LONGEST_WINDOW: Duration = Duration::from_mins(1);
const SOME_UNITS: f64 = 10.0;

/// Tells the user about a job, always on standard error.
pub(crate) struct Progress {
    on_terminal: bool,
    quiet: bool,
    spell: Spell,
}

/// Rewrites a message for the form of command line in use.
type Spell = Arc<dyn Fn(&str) -> String + Send + Sync>;

impl Progress {
    /// On standard error. `quiet` omits plan, progress and summary.
    pub(crate) fn new(quiet: bool) -> Self {
        let on_terminal = std::io::stderr().is_terminal();
        let spell: Spell = Arc::new(str::to_owned);
        Self { on_terminal, quiet, spell }
    }

    /// The same, with each message rewritten by `spell`.
    #[must_use]
    pub(crate) fn spelling(self, spell: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        Self { spell: Arc::new(spell), ..self }
    }

    /// Writes a message of one line.
    pub(crate) fn note(&self, text: &str) {
        output::line(&(self.spell)(text));
    }

    /// Takes the messages of workers.
    pub(crate) fn sink(&self) -> Arc<dyn Fn(String) + Send + Sync> {
        let spell = self.spell.clone();
        Arc::new(move |text| output::line(&spell(&text)))
    }

    pub(crate) fn plan(&self, text: &str) {
        if !self.quiet {
            output::lines(&(self.spell)(text));
        }
    }

    pub(crate) fn report(&self, report: &impl std::fmt::Display) {
        if !self.quiet {
            output::lines(&(self.spell)(&report.to_string()));
        }
    }

    /// Runs a pass of a job, and shows its snapshots meanwhile.
    pub(crate) async fn show<T>(
        &self,
        snapshots: &watch::Sender<Snapshot>,
        pass: impl Future<Output = T>,
    ) -> T {
        let mut subscribers = JoinSet::new();
        if !self.quiet {
            let pass = snapshots.borrow().pass.clone();
            let view = View::new(pass, self.on_terminal, self.spell.clone());
            subscribers.spawn(view.follow(snapshots.subscribe()));
        }
        if logged::is_wanted() {
            subscribers.spawn(logged::follow(snapshots.subscribe()));
        }
        let ended = pass.await;
        // Returns when the views are dropped, so that no bar is left above what follows.
        subscribers.shutdown().await;
        ended
    }
}

/// The progress of one pass as the user sees it.
struct View {
    pass: Pass,
    spell: Spell,
    /// The bar, on a terminal.
    bar: Option<Bar>,
    line_at: Option<Instant>,
    /// When the rates were last computed, and the statistics at that time.
    window: Option<(Duration, Stats)>,
    items_per_second: f64,
    units_per_second: f64,
}

impl View {
    fn new(pass: Pass, on_terminal: bool, spell: Spell) -> Self {
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
            output::show(Some(bar.clone()));
        }
        Self { pass, spell, bar, line_at: None, window: None, items_per_second: 0.0, units_per_second: 0.0 }
    }

    /// Shows each snapshot on a terminal, and one every ten seconds elsewhere.
    async fn follow(mut self, mut snapshots: watch::Receiver<Snapshot>) {
        while snapshots.changed().await.is_ok() {
            if self.is_due() {
                // Cloned, because the driver can't publish while a snapshot is borrowed.
                let snapshot = snapshots.borrow_and_update().clone();
                self.show(&snapshot);
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

    fn show(&mut self, snapshot: &Snapshot) {
        let message = self.describe(snapshot);
        match self.bar.clone() {
            Some(bar) => output::show(Some(Bar { position: snapshot.totals.items, message, ..bar })),
            None => output::progress(&(self.spell)(&message)),
        }
    }

    fn describe(&mut self, snapshot: &Snapshot) -> String {
        self.measure(snapshot);
        let Snapshot { totals, budget, connected_workers, done_tasks, all_tasks, saves_units, stall, .. } =
            snapshot;
        let stall = stall.as_ref().map(|Stall { lasts, last_error }| {
            format!(", no progress for {} s: {last_error}", lasts.as_secs())
        });
        let eta = match self.pass.expected_items.and_then(|items| items.checked_sub(totals.items)) {
            #[allow(clippy::cast_precision_loss)]
            Some(left) if left > 0 && self.items_per_second > 0.0 => {
                let seconds = left as f64 / self.items_per_second;
                format!(", {} left", text::duration(Duration::from_secs_f64(seconds.min(1e12))))
            }
            _ => String::new(),
        };
        let name = if self.bar.is_some() { String::new() } else { format!("{}: ", self.pass.table) };
        let (verb, things) = match self.pass.phase {
            Phase::Reading => ("", "segments"),
            Phase::Checking => ("checked ", "splits"),
            Phase::Writing => ("", "splits"),
        };
        let removed = match totals.removed {
            0 => String::new(),
            removed => format!(" ({removed} of them removed)"),
        };
        let units = if self.pass.phase == Phase::Checking {
            String::new()
        } else {
            let is_idle = *saves_units && self.units_per_second <= 0.0;
            let why = if is_idle { " (saving up for a large request)" } else { "" };
            let (used, all) = (text::rate(self.units_per_second), text::rate(budget.as_f64()));
            format!(", {used} of {all} units/s{why}")
        };
        format!(
            "{name}{verb}{} items{removed}, {}{units}, {done_tasks}/{all_tasks} {things}, {}, {} throttles{eta}{}",
            totals.items,
            text::bytes(totals.bytes),
            text::count(*connected_workers, "worker"),
            totals.throttles,
            stall.unwrap_or_default(),
        )
    }

    #[allow(clippy::cast_precision_loss)]
    fn measure(&mut self, snapshot: &Snapshot) {
        let (since, before) = self.window.get_or_insert_with(|| (Duration::ZERO, Stats::default()));
        let span = snapshot.elapsed.saturating_sub(*since);
        let is_first = since.is_zero();
        let some =
            Duration::try_from_secs_f64(SOME_UNITS / snapshot.budget.as_f64()).unwrap_or(LONGEST_WINDOW);
        let window = some.clamp(RATE_WINDOW, LONGEST_WINDOW);
        if is_first || span >= window {
            let seconds = span.as_secs_f64().max(1e-3);
            self.items_per_second = snapshot.totals.items.saturating_sub(before.items) as f64 / seconds;
            let units = snapshot.totals.consumed.saturating_sub(before.consumed);
            self.units_per_second = units.as_f64() / seconds;
        }
        if span >= window {
            self.window = Some((snapshot.elapsed, snapshot.totals.clone()));
        }
    }
}

/// Removes the bar from the terminal.
impl Drop for View {
    fn drop(&mut self) {
        if self.bar.is_some() {
            output::show(None);
        }
    }
}

#[cfg(test)]
mod tests;
