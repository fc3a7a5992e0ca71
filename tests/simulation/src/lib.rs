//! Deterministic simulation: the real decisions of coordinator and worker in a world made of a seed.
//!
//! ```text
//! seed ─▶ choices: (what, who, how), one list for each run ─▶ World, one step for each
//!
//!   SimCoordinator × 1–2: Schedule, ExportWork / ImportWork    real      Journal (bytes; Replay, claim: real)
//!     │ ▲  streams: delayed, cut, what was in flight lost       ▲ errors, lost replies, another was first
//!     ▼ │
//!   SimWorker × 1–6: PartBuilder, UploadSequencer, Ledger, Allowance    real ───▶ parts / the table
//! ```
//!
//! Any process may die, stand still, or be replaced at any step; what is left of it works on unheard for a while.
//! After each step it is asserted (the invariants): one live lease for a task, grants within rate × time +
//! burst, nothing of a stale attempt accepted, no page in two parts, no mark before what is written, the journal
//! gives the state that there is. When the choices are over nothing goes wrong any more, and the job must end: with
//! every page in exactly one part, every line settled, and one backup published.
//!
//! How long a job takes is simulated apart from that, in [`largest`]: whole tables, with large partitions and workers
//! that die.
//!
//! ```text
//! cargo test --workspace --test simulation      all seeds
//! SEED=17 cargo test …                                 one, with a trace if it fails
//! SEEDS=20000 cargo test …                             more of them
//! ```

#![allow(clippy::unwrap_used, reason = "a test, if one that has no harness: a panic is what is looked for")]

mod budget;
mod choice;
mod common;
mod coordinator;
mod export;
mod import;
pub mod largest;
mod shrink;
mod world;

use std::{
    process::ExitCode,
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

use shrink::{Outcome, run};

/// As many as CI runs.
pub const SEEDS: u64 = 50_000;
/// At once.
const THREADS: u64 = 2;

/// Runs the seeds that the environment names, or [`SEEDS`], and says what came of it.
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
    if number("SEED").is_some() {
        return ExitCode::SUCCESS;
    }
    // From here on a panic says what is wrong.
    drop(std::panic::take_hook());
    if largest::small_cases_take_no_longer_than_they_may() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
