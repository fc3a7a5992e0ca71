//! The progress of a running job: a bar on a terminal, a line every ten seconds elsewhere.

use std::{
    io::IsTerminal,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use job::{capacity::Rate, control::Stats};

use crate::{
    output::{self, Bar},
    text,
};

/// Time between two lines if there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);
/// The shortest and longest times over which the shown rates are computed. The window ends when [`SOME_UNITS`] are
/// consumed, because at a low rate there are few requests.
const RATE_WINDOW: Duration = Duration::from_secs(2);
const LONGEST_WINDOW: Duration = Duration::from_mins(1);
const SOME_UNITS: f64 = 10.0;

/// The state of a job at one moment.
pub(crate) struct Snapshot {
    pub(crate) elapsed: Duration,
    pub(crate) stats: Stats,
    pub(crate) workers: usize,
    /// Done and total.
    pub(crate) tasks: (usize, usize),
    pub(crate) rate: Rate,
    /// Nothing is in flight: units are saved up for the next request.
    pub(crate) saves_units: bool,
    /// Why it makes no progress, if it makes none.
    pub(crate) trouble: Option<String>,
}

/// Shows a job's progress, always on standard error.
pub(crate) struct Progress {
    on_terminal: bool,
    quiet: bool,
    spell: Spell,
    now: Mutex<Now>,
}

/// Rewrites a message for the form of command line in use.
type Spell = Arc<dyn Fn(&str) -> String + Send + Sync>;

/// What a job is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Reads the table.
    #[default]
    Reading,
    /// Checks the backup, without writing.
    Checking,
    /// Writes to the table.
    Writing,
}

#[derive(Default)]
struct Now {
    phase: Phase,
    bar: Option<Bar>,
    table: String,
    /// As DynamoDB counted them. 0 if unknown.
    items: u64,
    line_at: Option<Instant>,
    /// When the rates were last computed, and the statistics at that time.
    window: Option<(Duration, Stats)>,
    items_per_second: f64,
    units_per_second: f64,
}

impl Progress {
    /// On standard error. `quiet` omits plan, progress and summary.
    pub(crate) fn new(quiet: bool) -> Self {
        let on_terminal = std::io::stderr().is_terminal();
        let spell: Spell = Arc::new(str::to_owned);
        Self { on_terminal, quiet, spell, now: Mutex::default() }
    }

    /// The same, with each message rewritten by `spell`.
    #[must_use]
    pub(crate) fn spelling(self, spell: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        Self { spell: Arc::new(spell), ..self }
    }

    fn now(&self) -> std::sync::MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// Begins a phase of a job. `items` is the total, 0 if it is unknown.
    pub(crate) fn start(&self, table: &str, items: u64, phase: Phase) {
        let mut now = self.now();
        *now = Now { table: table.to_owned(), items, phase, ..Now::default() };
        if self.on_terminal && !self.quiet {
            let template = if items > 0 {
                "{prefix} {wide_bar} {percent:>3} %\n{msg}"
            } else {
                "{prefix} {spinner}\n{msg}"
            };
            let bar = Bar { template, prefix: table.to_owned(), length: items, ..Bar::default() };
            output::show(Some(bar.clone()));
            now.bar = Some(bar);
        }
    }

    pub(crate) fn stop(&self) {
        if self.now().bar.take().is_some() {
            output::show(None);
        }
    }

    /// Called ten times a second. Calls `snapshot` only if something will be shown.
    pub(crate) fn show(&self, snapshot: impl FnOnce() -> Snapshot) {
        if self.quiet {
            return;
        }
        let mut now = self.now();
        if let Some(bar) = now.bar.clone() {
            let snapshot = snapshot();
            let message = now.describe(&snapshot);
            output::show(Some(Bar { position: snapshot.stats.items, message, ..bar }));
            return;
        }
        let started = *now.line_at.get_or_insert_with(Instant::now);
        if started.elapsed() >= LINE_EVERY {
            now.line_at = Some(Instant::now());
            let text = now.describe(&snapshot());
            output::progress(&(self.spell)(&text));
        }
    }
}

impl Now {
    fn describe(&mut self, snapshot: &Snapshot) -> String {
        self.measure(snapshot);
        let Snapshot { stats, workers, tasks, rate, saves_units, trouble, .. } = snapshot;
        let trouble = trouble.as_ref().map(|trouble| format!(", {trouble}")).unwrap_or_default();
        let eta = match self.items.checked_sub(stats.items) {
            #[allow(clippy::cast_precision_loss)]
            Some(left) if left > 0 && self.items_per_second > 0.0 => {
                let seconds = left as f64 / self.items_per_second;
                format!(", {} left", text::duration(Duration::from_secs_f64(seconds.min(1e12))))
            }
            _ => String::new(),
        };
        let name = if self.bar.is_some() { String::new() } else { format!("{}: ", self.table) };
        let (verb, things) = match self.phase {
            Phase::Reading => ("", "segments"),
            Phase::Checking => ("checked ", "splits"),
            Phase::Writing => ("", "splits"),
        };
        let removed = match stats.removed {
            0 => String::new(),
            removed => format!(" ({removed} of them removed)"),
        };
        let units = if self.phase == Phase::Checking {
            String::new()
        } else {
            let is_idle = *saves_units && self.units_per_second <= 0.0;
            let why = if is_idle { " (saving up for a large request)" } else { "" };
            let (used, all) = (text::rate(self.units_per_second), text::rate(rate.as_f64()));
            format!(", {used} of {all} units/s{why}")
        };
        format!(
            "{name}{verb}{} items{removed}, {}{units}, {}/{} {things}, {}, {} throttles{eta}{trouble}",
            stats.items,
            text::bytes(stats.bytes),
            tasks.0,
            tasks.1,
            text::count(*workers, "worker"),
            stats.throttles,
        )
    }

    #[allow(clippy::cast_precision_loss)]
    fn measure(&mut self, snapshot: &Snapshot) {
        let (since, before) = self.window.get_or_insert_with(|| (Duration::ZERO, Stats::default()));
        let span = snapshot.elapsed.saturating_sub(*since);
        let is_first = since.is_zero();
        let some = Duration::try_from_secs_f64(SOME_UNITS / snapshot.rate.as_f64()).unwrap_or(LONGEST_WINDOW);
        let window = some.clamp(RATE_WINDOW, LONGEST_WINDOW);
        if is_first || span >= window {
            let seconds = span.as_secs_f64().max(1e-3);
            self.items_per_second = snapshot.stats.items.saturating_sub(before.items) as f64 / seconds;
            let units = snapshot.stats.consumed.saturating_sub(before.consumed);
            self.units_per_second = units.as_f64() / seconds;
        }
        if span >= window {
            self.window = Some((snapshot.elapsed, snapshot.stats.clone()));
        }
    }
}
