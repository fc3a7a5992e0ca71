//! What was measured, and how it is printed.

use std::{fmt, time::Duration};

use crate::{Scale, browser::Page, tally::Counts};

/// Cores and bytes that the coordinator may use.
const MOST_CORES: f64 = 0.5;
const MOST_BYTES: u64 = 500_000_000;
/// What the page and `status.json` may have, and the cores that a browser may cost.
const MOST_PAGE_BYTES: u64 = 200_000;
const MOST_PAGE_CORES: f64 = 0.01;

/// Measurements of a time in which all workers were connected.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct Measured {
    /// The process of the simulated workers.
    pub(crate) fleet: u32,
    /// From the first to the last connection of a worker.
    pub(crate) joined_secs: f64,
    /// How long it was measured.
    pub(crate) secs: f64,
    /// Messages, bytes, units and segments meanwhile.
    pub(crate) counts: Counts,
    /// From a need to the next grant.
    pub(crate) grants: Delays,
    /// Processor time of the coordinator meanwhile.
    pub(crate) coordinator_cpu_secs: f64,
    /// Its highest resident set ever.
    pub(crate) coordinator_bytes: u64,
    /// Processor time of the simulated workers meanwhile.
    pub(crate) fleet_cpu_secs: f64,
    /// What a browser adds, measured after all that.
    pub(crate) page: Option<Page>,
}

/// In milliseconds.
#[derive(Clone, Copy, Debug, Default, serde::Serialize, serde::Deserialize)]
pub(crate) struct Delays {
    median: f64,
    of_99_percent: f64,
    highest: f64,
}

impl Delays {
    /// Zeros if there are none.
    pub(crate) fn of(mut delays: Vec<Duration>) -> Self {
        delays.sort_unstable();
        let at = |per_cent: usize| {
            let index = (delays.len() * per_cent / 100).min(delays.len().saturating_sub(1));
            delays.get(index).map_or(0.0, |delay| delay.as_secs_f64() * 1000.0)
        };
        Self { median: at(50), of_99_percent: at(99), highest: at(100) }
    }
}

/// A table for people.
pub(crate) struct Table<'a>(pub(crate) &'a Measured, pub(crate) &'a Scale);

impl fmt::Display for Table<'_> {
    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(measured, scale) = self;
        let Scale { workers, segments, units, streams, .. } = scale;
        let rate = |count: u64| count as f64 / measured.secs;
        let each = |count: u64| rate(count) / f64::from(*workers);
        let is_met = |met| if met { "met" } else { "missed" };
        let Counts { said, told, sent_bytes, received_bytes, grants, granted_milli, segments: done } =
            measured.counts;
        writeln!(
            out,
            "{workers} workers of {streams} streams, {segments} segments, {units} read units/s; {:.0} s, after all had \
             joined within {:.1} s",
            measured.secs, measured.joined_secs
        )?;
        let cores = measured.coordinator_cpu_secs / measured.secs;
        let (bar, met) = (MOST_CORES, is_met(cores <= MOST_CORES));
        writeln!(out, "coordinator           {cores:>10.3} cores      bar {bar}: {met}")?;
        let (bytes, bar) = (measured.coordinator_bytes, MOST_BYTES / 1_000_000);
        let met = is_met(bytes <= MOST_BYTES);
        writeln!(out, "                      {:>10.0} MB         bar {bar}: {met}", bytes as f64 / 1e6)?;
        for (what, messages, bytes) in
            [("from workers", said, sent_bytes), ("to workers", told, received_bytes)]
        {
            writeln!(
                out,
                "{what:<22}{:>10.0} messages/s, {:.2} each; {:.0} kB/s, {:.0} bytes/s each",
                rate(messages),
                each(messages),
                rate(bytes) / 1000.0,
                each(bytes)
            )?;
        }
        let granted = rate(granted_milli) / 1000.0;
        let percent = 100.0 * granted / *units as f64;
        writeln!(out, "granted               {granted:>10.0} units/s, {percent:.2} % of the budget")?;
        let Delays { median, of_99_percent, highest } = measured.grants;
        writeln!(
            out,
            "grants                {:>10.0} a second; after a need: median {median:.0} ms, 99 % {of_99_percent:.0} ms, \
             highest {highest:.0} ms",
            rate(grants)
        )?;
        writeln!(out, "segments done         {:>10.0} a second", rate(done))?;
        write!(out, "simulated workers     {:>10.3} cores", measured.fleet_cpu_secs / measured.secs)?;
        let Some(page) = &measured.page else { return Ok(()) };
        let (bar, met) = (MOST_PAGE_BYTES / 1000, |bytes| is_met(bytes <= MOST_PAGE_BYTES));
        for (what, bytes) in [("page, loaded once", page.load_bytes), ("status.json", page.status_bytes)] {
            write!(out, "\n{what:<22}{:>10.1} kB         bar {bar}: {}", bytes as f64 / 1000.0, met(bytes))?;
        }
        let (added, error) = page.added_cores();
        write!(
            out,
            "\na browser adds        {added:>10.4} cores      bar {MOST_PAGE_CORES}: {}; standard error {error:.4}, {} \
             windows; {:.0} kB/s",
            is_met(added <= MOST_PAGE_CORES),
            page.with.len(),
            page.bytes_per_second / 1000.0
        )
    }
}
