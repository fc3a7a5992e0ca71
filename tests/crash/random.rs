//! Rounds of an export in which processes are killed and stopped at random moments. A round is a function
//! of its seed, but for what the machine makes of it.
//!
//! `CRASH_ROUNDS=100 CRASH_SEED=1 cargo test -p tablehaul-tests --test crash random -- --nocapture`

use crate::job::{InS3, Job, fake, send};
use nix::sys::signal::Signal::{SIGCONT, SIGKILL, SIGSTOP};
use serde_json::{Value, json};
use std::str::FromStr;
use std::sync::Mutex;
use std::thread::sleep;
use std::time::Duration;
use tests_support::s3::S3;

const ITEMS: u64 = 30_000;
const ROUNDS: u64 = 10;
/// Rounds at once; they wait more than they work.
const LANES: usize = 3;

/// `SplitMix64`.
struct Dice(u64);

impl Dice {
    /// Below `n`.
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % n
    }

    fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        let number = self.below(choices.len() as u64);
        choices[usize::try_from(number).unwrap_or(0)]
    }
}

/// What is done to the job at some moment.
#[derive(Clone, Copy, Debug)]
enum Blow {
    /// A worker is killed.
    Kill,
    /// All workers are killed.
    KillAll,
    /// A worker stands still for a while.
    Stop,
    /// The coordinator stands still for a while.
    StopCoordinator,
    /// A worker dies while the coordinator stands still.
    KillUnseen,
    /// The coordinator is killed, and another goes on.
    KillCoordinator,
}

const BLOWS: [Blow; 10] = [
    Blow::Kill,
    Blow::Kill,
    Blow::Kill,
    Blow::Kill,
    Blow::KillAll,
    Blow::Stop,
    Blow::StopCoordinator,
    Blow::KillUnseen,
    Blow::KillCoordinator,
    Blow::KillCoordinator,
];

#[test]
fn whatever_is_killed_at_random_no_item_is_lost_or_doubled() {
    let s3 = S3::start();
    let first = variable("CRASH_SEED", 1);
    let seeds = Mutex::new(first..first + variable("CRASH_ROUNDS", ROUNDS));
    let next = || seeds.lock().ok()?.next();
    std::thread::scope(|scope| {
        for _ in 0..LANES {
            scope.spawn(|| {
                while let Some(seed) = next() {
                    round(seed, &s3);
                }
            });
        }
    });
}

fn variable(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| u64::from_str(&text).ok()).unwrap_or(default)
}

fn round(seed: u64, s3: &S3) {
    let mut dice = Dice(seed);
    let mut faults = json!({"latency_ms": dice.below(20), "jitter_ms": dice.below(20)});
    if dice.below(3) == 0 {
        for fault in [
            "error_rate",
            "throttle_rate",
            "drop_before_rate",
            "drop_after_rate",
            "torn_rate",
            "bad_crc_rate",
        ] {
            faults[fault] = Value::from(0.02);
        }
    }
    let (workers, segments) = (dice.one_of(&[1, 2, 3, 3, 4]), dice.one_of(&[1, 3, 12, 12, 40, 200]));
    let (units, codec) = (dice.one_of(&[2000, 3000, 5000]), dice.one_of(&["none", "none", "zstd", "gzip"]));
    let args = format!("--workers {workers} --segments {segments} --read-units {units} --compress {codec}");
    let blows: Vec<(u64, Blow)> =
        (0..=dice.below(5)).map(|_| (dice.below(800), dice.one_of(&BLOWS))).collect();
    let bucket = format!("crash-{seed}");
    let to_s3 = dice.below(3) == 0;
    eprintln!("seed {seed}: {args}{} {blows:?} {faults}", if to_s3 { " to S3" } else { "" });
    let fake = fake(ITEMS, &faults);
    let mut job = if to_s3 {
        s3.create_bucket(&bucket);
        Job::start_to_s3(&fake, ITEMS, InS3 { s3, bucket: &bucket }, &args)
    } else {
        Job::start(&fake, ITEMS, &args)
    };
    let mut killed = 0;
    for (pause, blow) in blows {
        sleep(Duration::from_millis(pause));
        if job.has_ended() {
            break;
        }
        match blow {
            // In S3 that takes half a minute, and has tests of its own.
            Blow::KillCoordinator if to_s3 => {}
            Blow::KillCoordinator => {
                job.kill();
                if job.folder().join("_SUCCESS").exists() {
                    // All that may be left is its journal.
                    job.clean();
                    return job.is_whole();
                }
                job.again(&args);
            }
            blow => killed += strike(&mut job, blow, &mut dice),
        }
    }
    let exported = job.succeeds();
    let lost = exported.report["workers_lost"].as_u64().unwrap_or_default();
    eprintln!("seed {seed}: {lost} workers lost of {killed} killed");
    assert!(lost <= killed, "seed {seed}: {lost} lost, {killed} killed\n{}", exported.stderr);
}

/// Returns how many were killed.
fn strike(job: &mut Job, blow: Blow, dice: &mut Dice) -> u64 {
    let workers = job.workers();
    if workers.is_empty() {
        return 0;
    }
    let (one, coordinator) = (dice.one_of(&workers), job.coordinator());
    let a_while = Duration::from_millis(dice.below(2500));
    match blow {
        Blow::Kill => {
            send(one, SIGKILL);
            1
        }
        Blow::KillAll => {
            for &pid in &workers {
                send(pid, SIGKILL);
            }
            workers.len() as u64
        }
        Blow::Stop => {
            send(one, SIGSTOP);
            sleep(a_while);
            send(one, SIGCONT);
            0
        }
        Blow::StopCoordinator => {
            send(coordinator, SIGSTOP);
            sleep(a_while);
            send(coordinator, SIGCONT);
            0
        }
        Blow::KillUnseen => {
            send(coordinator, SIGSTOP);
            sleep(a_while / 2);
            send(one, SIGKILL);
            sleep(a_while / 2);
            send(coordinator, SIGCONT);
            1
        }
        Blow::KillCoordinator => 0,
    }
}
