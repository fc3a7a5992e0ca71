//! Simulates the largest public case: `scripts/bench largest`. See `tablehaul_simulation::largest`.

use std::time::Duration;

use clap::Parser;
use tablehaul_simulation::largest::{Case, run};

/// Simulates the export of a very large table in virtual time
#[derive(Parser)]
struct Options {
    /// Size of the table
    #[arg(long, default_value_t = 80_000)]
    gigabytes: u64,
    /// Partitions, equal shares of the hash space
    #[arg(long, default_value_t = 8_000)]
    partitions: u32,
    /// One partition in this many is larger than the others
    #[arg(long, default_value_t = 100)]
    large_one_in: u32,
    /// How many times as large it is; 1 for equal partitions
    #[arg(long, default_value_t = 10)]
    skew: u32,
    /// Read units/s that a partition gives
    #[arg(long, default_value_t = 3_000)]
    partition_units: u64,
    /// Let partitions save up what they have not given, for 300 s at most
    #[arg(long)]
    burst: bool,
    /// Throttle without a reason, as DynamoDB did before 2025
    #[arg(long)]
    no_reasons: bool,
    /// Segments that also hold a large item collection
    #[arg(long, default_value_t = 0)]
    heavy: u32,
    /// Size of such an item collection
    #[arg(long, default_value_t = 50)]
    heavy_gigabytes: u64,
    #[arg(long, default_value_t = 100_000)]
    segments: u32,
    /// Capacity of the table and budget, in read units/s
    #[arg(long, default_value_t = 400_000)]
    units: u64,
    #[arg(long, default_value_t = 2_000)]
    workers: u32,
    /// Workers that die in an hour; each is replaced
    #[arg(long, default_value_t = 60)]
    deaths: u32,
    /// Mean time from a request to its page, in milliseconds
    #[arg(long, default_value_t = 100)]
    page_ms: u64,
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

fn main() {
    let of = Options::parse();
    let case = Case {
        bytes: of.gigabytes * 1_000_000_000,
        partitions: of.partitions,
        large_one_in: of.large_one_in,
        skew: of.skew,
        partition_rate: of.partition_units,
        burst: of.burst,
        reasons: !of.no_reasons,
        heavy: of.heavy,
        heavy_bytes: of.heavy_gigabytes * 1_000_000_000,
        segments: of.segments,
        rate: of.units,
        workers: of.workers,
        deaths_per_hour: of.deaths,
        page_time: Duration::from_millis(of.page_ms),
        seed: of.seed,
    };
    println!("{}", run(&case));
}
