//! Reports a task's progress to Hadoop in the format of Hadoop Streaming.
//!
//! Streaming reads standard error: `reporter:status:TEXT` sets the task's status, and
//! `reporter:counter:GROUP,NAME,INCREMENT` adds to a counter (Hadoop Streaming, "How do I update counters in streaming
//! applications?"). Any other line goes to the task's log.

use std::{fmt::Write, time::Duration};

use job::{capacity::Units, control::Stats, quantity::grouped, visible};

use crate::report::Reports;

/// The group of the counters. There are seven: a job may have 120 in all, including Hadoop's own
/// (`mapreduce.job.counters.max`).
const GROUP: &str = "tablehaul";

/// The totals since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    /// The items of passes that only check.
    checked: u64,
    /// The items of other passes.
    items: u64,
    /// How many of the items were removed from the table.
    removed: u64,
    /// The bytes of lines, before compression, without those that were only checked.
    bytes: u64,
    /// The units on the table and its local indexes.
    milli_units: u64,
    throttles: u64,
    retries: u64,
}

impl From<&Stats> for Totals {
    fn from(stats: &Stats) -> Self {
        Self {
            checked: 0,
            items: stats.items,
            removed: stats.removed,
            bytes: stats.bytes,
            milli_units: stats.consumed.milli(),
            throttles: stats.throttles,
            retries: stats.retries,
        }
    }
}

impl Totals {
    /// The totals of all passes. An import reads each item in two of them, and counts it as `checked` in the first.
    pub(crate) fn of(reports: &Reports) -> Self {
        let mut all = Self::default();
        for (is_check, stats) in reports.of_passes() {
            let pass = Self::from(&stats);
            if is_check {
                all.checked += pass.items;
            } else {
                all.items += pass.items;
                all.removed += pass.removed;
                all.bytes += pass.bytes;
            }
            all.milli_units += pass.milli_units;
            all.throttles += pass.throttles;
            all.retries += pass.retries;
        }
        all
    }

    /// The counters by name. A counter has whole units. The rest is added with a later total, so at the end less than
    /// one unit of a worker is missing.
    const fn counted(&self) -> [(&'static str, u64); 7] {
        [
            ("checked", self.checked),
            ("items", self.items),
            ("removed", self.removed),
            ("bytes", self.bytes),
            ("units", self.milli_units / 1000),
            ("throttles", self.throttles),
            ("retries", self.retries),
        ]
    }

    /// The totals as text.
    pub(crate) fn text(&self) -> String {
        // Only imports check items, and only those of some backups remove some.
        let is_shown = |&(name, count): &(&str, u64)| !matches!(name, "checked" | "removed") || count > 0;
        let counted = self.counted().into_iter().filter(is_shown);
        let counted: Vec<String> =
            counted.map(|(name, count)| format!("{} {name}", grouped(count))).collect();
        counted.join(", ")
    }
}

/// The counters as reported to Hadoop.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    reported: Totals,
}

impl Counters {
    /// The lines that raise the counters to `totals`, each with its line feed.
    pub(crate) fn lines(&mut self, totals: Totals) -> String {
        let mut lines = String::new();
        for ((name, count), (_, reported)) in totals.counted().into_iter().zip(self.reported.counted()) {
            if count > reported {
                // Writing to a string cannot fail.
                let _ = writeln!(lines, "reporter:counter:{GROUP},{name},{}", count - reported);
            }
        }
        self.reported = totals;
        lines
    }
}

/// Computes the speed.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    before: Totals,
}

impl Pace {
    /// The status, `elapsed` after the last one.
    pub(crate) fn status(&mut self, stats: &Stats, elapsed: Duration) -> String {
        let now = Totals::from(stats);
        let before = std::mem::replace(&mut self.before, now);
        let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX).max(1);
        // Bytes per millisecond are kB per second.
        let kb_per_sec = now.bytes.saturating_sub(before.bytes) / millis;
        // Thousandths per second. Small rates are shown with them, so that a small budget does not look like none.
        let milli = now.milli_units.saturating_sub(before.milli_units).saturating_mul(1000) / millis;
        let units_per_sec = match milli {
            ..10_000 => Units::from_milli(milli).to_string(),
            _ => grouped(milli / 1000),
        };
        let removed = match now.removed {
            0 => String::new(),
            removed => format!(" ({} of them removed)", grouped(removed)),
        };
        format!(
            "{} items{removed}, {}.{} MB/s, {} units/s, {} streams",
            grouped(now.items),
            grouped(kb_per_sec / 1000),
            kb_per_sec % 1000 / 100,
            units_per_sec,
            stats.streams
        )
    }
}

/// The line that sets the task's status to `text` of `who`.
pub(crate) fn status_line(who: &str, text: &str) -> String {
    format!("reporter:status:{}", visible::line(&format!("{who}: {text}")))
}

/// A line for the task's log. It is always a single line, and never one that Streaming interprets.
pub(crate) fn log_line(text: &str) -> String {
    format!("tablehaul-worker: {}", visible::line(text))
}

#[cfg(test)]
mod tests {
    use job::ids::PassNumber;
    use proptest::prelude::*;

    use super::*;

    fn stats(items: u64, bytes: u64, milli: u64) -> Stats {
        Stats { items, bytes, consumed: Units::from_milli(milli), streams: 16, ..Stats::default() }
    }

    #[test]
    fn a_status_says_the_total_of_items_and_the_pace_since_the_last() {
        let mut pace = Pace::default();
        pace.status(&stats(1_000_000, 400_000_000, 500), Duration::from_secs(9));
        let text = pace.status(&stats(1_234_567, 660_500_000, 2_400_500), Duration::from_secs(5));
        assert_eq!(text, "1,234,567 items, 52.1 MB/s, 480 units/s, 16 streams");
        let text = pace.status(&stats(1_234_567, 660_500_000, 2_400_500), Duration::ZERO);
        assert_eq!(text, "1,234,567 items, 0.0 MB/s, 0 units/s, 16 streams");
        let text = pace.status(&stats(1_234_567, 660_500_000, 2_401_750), Duration::from_secs(5));
        assert_eq!(text, "1,234,567 items, 0.0 MB/s, 0.25 units/s, 16 streams");
    }

    #[test]
    fn counters_get_what_is_new_and_nothing_else() {
        let mut counters = Counters::default();
        let first = Stats { throttles: 3, retries: 4, ..stats(100, 2000, 1500) };
        assert_eq!(
            counters.lines(Totals::from(&first)),
            "reporter:counter:tablehaul,items,100\nreporter:counter:tablehaul,bytes,2000\n\
             reporter:counter:tablehaul,units,1\nreporter:counter:tablehaul,throttles,3\n\
             reporter:counter:tablehaul,retries,4\n"
        );
        let then = Stats { throttles: 3, retries: 4, ..stats(100, 2001, 1999) };
        assert_eq!(counters.lines(Totals::from(&then)), "reporter:counter:tablehaul,bytes,1\n");
        assert_eq!(counters.lines(Totals::from(&then)), "");
    }

    #[test]
    fn an_item_that_is_checked_and_then_written_counts_once_as_an_item() {
        let (reports, _messages) = Reports::new();
        assert_eq!(Totals::of(&reports), Totals::default());
        let checked = reports.begin(PassNumber(1), true);
        checked.answered(7, 700);
        assert_eq!(
            Totals::of(&reports).text(),
            "7 checked, 0 items, 0 bytes, 0 units, 0 throttles, 0 retries"
        );
        let written = reports.begin(PassNumber(2), false);
        written.answered(5, 500);
        written.consumed(Units::from_units(3));
        let text = "7 checked, 5 items, 500 bytes, 3 units, 0 throttles, 0 retries";
        assert_eq!(Totals::of(&reports).text(), text);
        assert_eq!(reports.stats().items, 5, "of the newest pass alone");
    }

    #[test]
    fn no_text_makes_two_lines_or_a_line_for_streaming() {
        assert_eq!(log_line("reporter:status:a\nb"), r"tablehaul-worker: reporter:status:a\nb");
        assert_eq!(status_line("attempt_1", "a\r\nb"), r"reporter:status:attempt_1: a\r\nb");
    }

    proptest! {
        #[test]
        fn counted_units_are_the_whole_units_however_often_they_are_told(
            steps in prop::collection::vec(0..5_000_u64, 0..100)
        ) {
            let (mut counters, mut milli, mut counted) = (Counters::default(), 0, 0);
            for step in steps {
                milli += step;
                let lines = counters.lines(Totals::from(&stats(0, 0, milli)));
                counted += lines.trim_end().rsplit(',').next().unwrap().parse().unwrap_or(0);
                prop_assert_eq!(counted, milli / 1000);
            }
        }
    }
}
