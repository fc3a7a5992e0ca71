//! What is measured.

#![allow(clippy::cast_precision_loss, reason = "ratios for people")]

use std::{fmt, time::Duration};

use job::capacity::Units;

use super::Case;

/// The share of the rate is measured over each slice of this length.
const SLICE: Duration = Duration::from_secs(10);
/// Shares that are printed.
const SHARES: usize = 20;

/// Counts while the job runs.
pub(super) struct Meter {
    rate: u64,
    bytes: u64,
    read: u64,
    consumed: Units,
    range_throttles: u64,
    table_throttles: u64,
    slices: Vec<Units>,
    almost_at: Option<Duration>,
}

impl Meter {
    pub(super) fn new(case: &Case, bytes: u64) -> Self {
        Self {
            rate: case.rate,
            bytes,
            read: 0,
            consumed: Units::ZERO,
            range_throttles: 0,
            table_throttles: 0,
            slices: Vec::new(),
            almost_at: None,
        }
    }

    pub(super) fn read(&mut self, bytes: u64, cost: Units) {
        self.read += bytes;
        self.consumed += cost;
    }

    pub(super) fn range_throttled(&mut self) {
        self.range_throttles += 1;
    }

    pub(super) fn table_throttled(&mut self) {
        self.table_throttles += 1;
    }

    pub(super) fn tick(&mut self, now: Duration) {
        if self.read >= self.bytes / 100 * 99 {
            self.almost_at.get_or_insert(now);
        }
        if now >= SLICE * u32::try_from(self.slices.len() + 1).unwrap() {
            self.slices.push(self.consumed);
        }
        let expected = self.expected();
        assert!(now < expected * 100, "after {now:?}, {} of {} bytes are read", self.read, self.bytes);
    }

    /// Size divided by rate.
    fn expected(&self) -> Duration {
        Duration::from_secs_f64(Units::of_scan_page(self.bytes, false).as_f64() / self.rate as f64)
    }

    pub(super) fn finish(mut self, took: Duration, lost: u32, real: Duration) -> Measured {
        self.slices.push(self.consumed);
        let shares = (0..SHARES).map(|at| self.share(at)).collect();
        Measured {
            bytes: self.bytes,
            expected: self.expected(),
            took,
            shares,
            tail: took.saturating_sub(self.almost_at.unwrap_or(took)),
            range_throttles: self.range_throttles,
            table_throttles: self.table_throttles,
            lost,
            read_twice: self.read - self.bytes,
            real,
        }
    }

    /// The share of the rate used in one of [`SHARES`] equal parts of the time, in percent.
    fn share(&self, at: usize) -> f64 {
        let edge = |at: usize| self.slices.len() * at / SHARES;
        let until = |edge: usize| edge.checked_sub(1).map_or(0.0, |last| self.slices[last].as_f64());
        let (from, to) = (edge(at), edge(at + 1));
        let possible = (to - from) as f64 * SLICE.as_secs_f64() * self.rate as f64;
        if possible > 0.0 { (until(to) - until(from)) / possible * 100.0 } else { 0.0 }
    }
}

/// The measurements of a run.
#[derive(Clone, Debug)]
pub struct Measured {
    /// The size of the table.
    pub bytes: u64,
    /// Its size divided by the rate.
    pub expected: Duration,
    /// The time that the job took.
    pub took: Duration,
    /// The share of the rate used in equal parts of the time, in percent.
    pub shares: Vec<f64>,
    /// The time from when 99 % were read to the end.
    pub tail: Duration,
    /// Requests that a partition throttled.
    pub range_throttles: u64,
    /// Requests that the table throttled.
    pub table_throttles: u64,
    /// Workers that died.
    pub lost: u32,
    /// Bytes that were read again.
    pub read_twice: u64,
    /// How long the simulation took.
    pub real: Duration,
}

impl Measured {
    /// The time taken, in thousandths of size divided by rate.
    pub fn per_mille(&self) -> u128 {
        self.took.as_millis() * 1000 / self.expected.as_millis()
    }
}

impl fmt::Display for Measured {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ratio = self.took.as_secs_f64() / self.expected.as_secs_f64();
        let shares: Vec<String> = self.shares.iter().map(|share| format!("{share:.0}")).collect();
        let twice = self.read_twice as f64 / self.bytes as f64 * 100.0;
        let Self { expected, took, tail, range_throttles, table_throttles, lost, real, .. } = self;
        writeln!(out, "size / rate      {:.0} s", expected.as_secs_f64())?;
        writeln!(out, "total time       {:.0} s, ratio {ratio:.3}", took.as_secs_f64())?;
        writeln!(out, "rate used        {} % in {SHARES} equal parts of the time", shares.join(" "))?;
        writeln!(out, "last percent     {:.0} s", tail.as_secs_f64())?;
        writeln!(out, "throttles        {range_throttles} by partitions, {table_throttles} by the table")?;
        writeln!(out, "workers lost     {lost}")?;
        writeln!(out, "read twice       {twice:.4} % of the items")?;
        write!(out, "simulated in     {:.1} s", real.as_secs_f64())
    }
}
