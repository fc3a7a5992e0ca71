//! Deterministic simulation: the real decisions of coordinator and worker in a world that a seed determines.
//!
//! ```text
//! seed ─▶ choices: (what, who, how), one list for each run ─▶ World, one step for each
//!
//!   SimCoordinator × 1–2: Schedule, ExportWork / ImportWork    real      Journal (bytes; Replay, claim: real)
//!     │ ▲  streams: delayed, cut, messages in flight lost       ▲ errors, lost replies, another run was first
//!     ▼ │
//!   SimWorker × 1–6: PartBuilder, UploadSequencer, Ledger, Allowance    real ───▶ parts / the table
//! ```
//!
//! Any process may crash, stall or be replaced at any step. A disconnected worker may continue for some time. The
//! invariants are asserted after each step: each task has one live lease, grants stay within rate × time + burst,
//! nothing of a stale attempt is accepted, no page is in two parts, no mark is ahead of what is written, and the
//! journal restores the current state. After the last choice there are no more faults, and the job must end with every
//! page in exactly one part, every line settled, and one backup published.
//!
//! ```text
//! cargo test --workspace --test simulation      all seeds
//! SEED=17 cargo test …                                 one seed, with a trace if it fails
//! SEEDS=20000 cargo test …                             this many seeds
//! ```

#![allow(clippy::unwrap_used, reason = "it is a test without a harness: a panic is a failure")]

mod budget;
mod choice;
mod common;
mod coordinator;
mod export;
mod import;
mod shrink;
mod world;

use std::{
    process::ExitCode,
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

use shrink::{Outcome, run};

/// The number of seeds that CI runs.
pub const SEEDS: u64 = 50_000;
/// Seeds at the same time.
const THREADS: u64 = 2;

/// Runs the seeds that the environment names, or [`SEEDS`], and prints the result.
pub fn simulate() -> ExitCode {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    std::panic::set_hook(Box::new(|_| {}));
    let seeds = match number("SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("SEEDS").unwrap_or(SEEDS),
    };
    let (started, steps, next) = (Instant::now(), AtomicU64::new(0), AtomicU64::new(seeds.start));
    let failed = AtomicU64::new(u64::MAX);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end || failed.load(Ordering::Relaxed) < u64::MAX {
                        return;
                    }
                    let choices = shrink::choices_of(seed);
                    let Outcome { steps: taken, failure, .. } = run(seed, &choices, false);
                    steps.fetch_add(taken, Ordering::Relaxed);
                    if failure.is_some() {
                        failed.fetch_min(seed, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let (steps, took) = (steps.into_inner(), started.elapsed());
    let failed = failed.into_inner();
    if failed < u64::MAX {
        shrink::report(failed);
        return ExitCode::FAILURE;
    }
    let speed = u128::from(steps) * 1000 / took.as_millis().max(1);
    println!(
        "simulation: {} seeds, {steps} steps, {speed} steps/s, {:.1} s",
        seeds.end - seeds.start,
        took.as_secs_f32()
    );
    ExitCode::SUCCESS
}
