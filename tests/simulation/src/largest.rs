//! The largest public case, in virtual time: `scripts/bench largest`. How long does an export of 80 TB take, compared
//! with its size divided by the rate, if some partitions hold ten times the data of others, and workers die?
//!
//! Real are all decisions: those of the coordinator ([`engine::schedule`] with [`engine::export`], its budget and its
//! leases), and those of a worker ([`engine::worker`]): how many segments to read at once, how large a page may be and
//! what it will cost, which request may be sent, when a part is sealed and reported.
//!
//! Modelled are
//!
//! - DynamoDB (`table`): partitions with a size and a rate of their own, the table's rate, pages of 1 MiB that take a
//!   while, and throttling;
//! - the shell of a worker (`worker`), after `worker/src/export`: streams with one page in flight each, pauses after
//!   throttles, messages. Its CPU and the writing of parts are never short;
//! - the connections (`world`): each message takes a millisecond. Workers die, and half of them silently.
//!
//! Nothing else exists: no journal, and no files. The seed decides all that is random, so a run can be repeated.

mod measured;
mod table;
mod worker;
mod world;

use std::time::Duration;

pub use measured::Measured;

/// How large it all is.
#[derive(Clone, Debug)]
pub struct Case {
    /// Bytes of the table, without heavy segments.
    pub bytes: u64,
    /// Partitions, equal shares of the hash space.
    pub partitions: u32,
    /// One partition in this many is larger than the others.
    pub large_one_in: u32,
    /// How many times as large.
    pub skew: u32,
    /// Read units per second that a partition gives.
    pub partition_rate: u64,
    /// Whether a partition saves up what it has not given, for 300 s at most.
    pub burst: bool,
    /// Whether DynamoDB says that it was a partition that throttled.
    pub reasons: bool,
    /// Segments with an item collection of [`heavy_bytes`](Self::heavy_bytes) each.
    pub heavy: u32,
    /// Bytes of such an item collection. All of it lies in one segment, whatever the number of segments is.
    pub heavy_bytes: u64,
    /// Segments of the Scan.
    pub segments: u32,
    /// The table's capacity and the job's rate, in read units per second.
    pub rate: u64,
    /// Workers.
    pub workers: u32,
    /// Workers that die in an hour. Each is replaced.
    pub deaths_per_hour: u32,
    /// The mean time from a request to its page.
    pub page_time: Duration,
    /// Decides what is random.
    pub seed: u64,
}

impl Default for Case {
    /// The largest public case.
    fn default() -> Self {
        Self {
            bytes: 80_000_000_000_000,
            partitions: 8_000,
            large_one_in: 100,
            skew: 10,
            partition_rate: 3_000,
            burst: false,
            reasons: true,
            heavy: 0,
            heavy_bytes: 0,
            segments: 100_000,
            rate: 400_000,
            workers: 2_000,
            deaths_per_hour: 60,
            page_time: Duration::from_millis(100),
            seed: 0,
        }
    }
}

/// Runs an export to its end.
///
/// # Panics
/// Panics if the job fails, takes more than a hundred times its size divided by its rate, or does not hold each item
/// exactly once.
pub fn run(case: &Case) -> Measured {
    world::World::new(case).run()
}

/// Runs a hundredth of the largest case with a tenth of the bytes for each partition, so that it takes a second. Says
/// whether it took no longer than it may, with several seeds, and prints what did.
pub(crate) fn small_cases_take_no_longer_than_they_may() -> bool {
    let small = Case {
        bytes: 80_000_000_000,
        partitions: 80,
        segments: 1_000,
        rate: 4_000,
        workers: 20,
        deaths_per_hour: 60,
        ..Case::default()
    };
    // Four large partitions hold a third of the table, and each partition gives fewer units. With more
    // workers, each stream is slower.
    let hard = Case { large_one_in: 20, partition_rate: 1_200, workers: 60, ..small.clone() };
    // Before 2025, DynamoDB gave no reasons.
    let silent = Case { reasons: false, ..hard.clone() };
    let even = Case { skew: 1, ..small.clone() };
    let cases =
        [("even", even, 1030), ("skewed", small, 1030), ("hard", hard, 1100), ("silent", silent, 1100)];
    cases.into_iter().all(|(name, case, most)| {
        (0..2).all(|seed| {
            let measured = run(&Case { seed, ..case.clone() });
            let (per_mille, is_right) = (measured.per_mille(), measured.per_mille() <= most);
            let lost = measured.lost;
            assert!(lost > 0, "no worker has died");
            println!(
                "largest: {name}, seed {seed}: {per_mille} thousandths of size / rate, {lost} workers lost"
            );
            if !is_right {
                println!("at most {most} are right:\n{measured}");
            }
            is_right
        })
    })
}
