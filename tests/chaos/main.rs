//! Whatever crashes, stops or breaks at random, every item is there exactly once in the end. A round is an export or
//! an import on real servers, behind a network that fails. During it, workers, coordinators, S3 and `DynamoDB` are
//! killed, stopped and started again. The seed determines the round, except for the timing of the machine.
//! `scripts/chaos` runs many rounds.
//!
//! `plan` (what happens, from a seed) → `world` (servers, network, data, commands) → `round` (runs the command until
//! it succeeds) with `attack` (what is done to it meanwhile) → `checks` (what must hold in the end).

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests, too")]

mod attack;
mod checks;
mod plan;
mod round;
mod world;

use plan::Plan;
use round::Round;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::str::FromStr;
use std::sync::Mutex;
use std::time::Instant;

const ROUNDS: u64 = 10;
/// Rounds at the same time; they mostly wait.
const LANES: u64 = 3;

#[test]
fn every_item_is_there_once_whatever_crashes_or_breaks_at_random() {
    let (first, rounds) = (variable("CHAOS_SEED", 1), variable("CHAOS_ROUNDS", ROUNDS));
    let seeds = Mutex::new(first..first + rounds);
    let failed = Mutex::new(Vec::new());
    let next = || seeds.lock().ok()?.next();
    let started = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..variable("CHAOS_LANES", LANES) {
            scope.spawn(|| {
                while let Some(seed) = next() {
                    if !passes(seed) {
                        failed.lock().unwrap().push(seed);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    eprintln!("{rounds} rounds in {} s, {} failed", started.elapsed().as_secs(), failed.len());
    assert!(failed.is_empty(), "failed: CHAOS_ROUNDS=1 with CHAOS_SEED= one of {failed:?}");
}

fn variable(name: &str, default: u64) -> u64 {
    let text = std::env::var(name).ok();
    text.map_or(default, |text| {
        u64::from_str(&text).unwrap_or_else(|_| panic!("{name}={text} is not a number"))
    })
}

/// Runs the round of a seed and prints a line about it. All files of a failed round are kept.
fn passes(seed: u64) -> bool {
    let plan = Plan::of(seed);
    let started = Instant::now();
    let Ok(mut round) = catch_unwind(|| Round::new(&plan)) else {
        eprintln!("seed {seed}: {plan}: FAILED before it began");
        return false;
    };
    let played = catch_unwind(AssertUnwindSafe(|| round.play()));
    let (attacked, secs) = (round.attacked().join(", "), started.elapsed().as_secs());
    match played {
        Ok(tries) => eprintln!("seed {seed}: {plan}: {attacked}: {tries} tries, {secs} s"),
        Err(_) => {
            eprintln!("seed {seed}: {plan}: {attacked}: FAILED; its files are in {}", round.keep().display());
        }
    }
    played.is_ok()
}
