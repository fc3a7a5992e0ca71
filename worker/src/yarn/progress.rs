//! Reports a task's progress to Hadoop in the format of Hadoop Streaming.
//!
//! Streaming reads standard error: `reporter:status:TEXT` sets the task's status, and
//! `reporter:counter:GROUP,NAME,INCREMENT` adds to a counter (Hadoop Streaming, "How do I update counters in streaming
//! applications?"). Any other line goes to the task's log.

use std::{fmt::Write, time::Duration};

use job::{capacity::Units, control::Stats, quantity::grouped, visible};

/// The group of the counters. There are six: a job may have 120 in all, including Hadoop's own
/// (`mapreduce.job.counters.max`).
const GROUP: &str = "tablehaul";

/// The totals since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    items: u64,
    /// How many of the items were removed from the table.
    removed: u64,
    /// The bytes of lines, before compression.
    bytes: u64,
    /// The units on the table and its local indexes.
    milli_units: u64,
    throttles: u64,
    retries: u64,
}

impl From<&Stats> for Totals {
    fn from(stats: &Stats) -> Self {
        Self {
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
    /// The counters by name. A counter has whole units. The rest is added with a later total, so at the end less than
    /// one unit of a worker is missing.
    const fn counted(&self) -> [(&'static str, u64); 6] {
        [
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
        // Only the import of some backups removes items.
        let told = |&(name, count): &(&str, u64)| name != "removed" || count > 0;
        let counted = self.counted().into_iter().filter(told);
        let counted: Vec<String> =
            counted.map(|(name, count)| format!("{} {name}", grouped(count))).collect();
        counted.join(", ")
    }
}

/// The counters as reported to Hadoop.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    told: Totals,
}

impl Counters {
    /// The lines that raise the counters to `totals`, each with its line feed.
    pub(crate) fn lines(&mut self, totals: Totals) -> String {
        let mut lines = String::new();
        for ((name, count), (_, told)) in totals.counted().into_iter().zip(self.told.counted()) {
            if count > told {
                // Writing to a string cannot fail.
                let _ = writeln!(lines, "reporter:counter:{GROUP},{name},{}", count - told);
            }
        }
        self.told = totals;
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
