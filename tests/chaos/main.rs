//! Whatever dies, stands still or breaks at random, in the end every item is there once. Rounds of an export or an
//! import on real servers, behind a network that fails, during which workers, coordinators, the S3 and the
//! `DynamoDB` are killed, stopped and started again. A round is a function of its seed, but for what the machine
//! makes of it. `scripts/chaos` runs many.
//!
//! `plan` (what is done, from a seed) → `world` (servers, network, data, commands) → `round` (runs the command until
//! it succeeds) with `blow` (what strikes it meanwhile) → `whole` (what must hold in the end).

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests, too")]

mod blow;
mod plan;
mod round;
mod whole;
mod world;

use plan::Plan;
use round::Round;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::str::FromStr;
use std::sync::Mutex;
use std::time::Instant;

const ROUNDS: u64 = 10;
/// Rounds at once; they wait more than they work.
const LANES: u64 = 3;

#[test]
fn whatever_dies_or_breaks_at_random_every_item_is_there_once_in_the_end() {
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
    text.map_or(default, |text| u64::from_str(&text).unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

/// Plays the round of a seed and says what it was; of one that fails everything is kept.
fn passes(seed: u64) -> bool {
    let plan = Plan::of(seed);
    let started = Instant::now();
    let Ok(mut round) = catch_unwind(|| Round::new(&plan)) else {
        eprintln!("seed {seed}: {plan}: FAILED before it began");
        return false;
    };
    let played = catch_unwind(AssertUnwindSafe(|| round.play()));
    let (struck, secs) = (round.struck().join(", "), started.elapsed().as_secs());
    match played {
        Ok(tries) => eprintln!("seed {seed}: {plan}: {struck}: {tries} tries, {secs} s"),
        Err(_) => {
            eprintln!("seed {seed}: {plan}: {struck}: FAILED; all of it is in {}", round.keep().display());
        }
    }
    played.is_ok()
}
