//! What tests may change in a running program: at which point of its work it is killed, stopped or made to wait, and
//! how long its intervals are. So a test hits one moment without a clock, and waits for nothing that is only long.
//!
//! Only debug builds look at the two variables. In all others, every function here does nothing.
//!
//! - `TABLEHAUL_TEST_STOP="KILL before seal 1 worker 2"`: what happens (`KILL`, `STOP`, `WAIT`), `before` or `after`
//!   which point, and at which of the times that the process reaches it. `worker N` means this worker only; without
//!   it, every process does so.
//! - `TABLEHAUL_TEST_INTERVALS="progress=500 give-up=9000"`: intervals by name, in milliseconds.

use std::{
    collections::HashMap,
    env,
    future::pending,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use nix::sys::signal::{Signal, raise};

const STOP: &str = "TABLEHAUL_TEST_STOP";
const INTERVALS: &str = "TABLEHAUL_TEST_INTERVALS";

/// The number of this worker, if this process is one that has a number.
static WORKER: OnceLock<u32> = OnceLock::new();

/// Sets the number of the worker that this process is. Later calls change nothing.
pub fn is_worker(number: u32) {
    let _ = WORKER.set(number);
}

/// Whether this process is to be disturbed at some point.
pub fn is_asked() -> bool {
    asked().is_some()
}

/// Just before a point: a call, or a step of the work. It may never return.
pub async fn before(point: &str) {
    reached(When::Before, point).await;
}

/// Just after a point. It may never return.
pub async fn after(point: &str) {
    reached(When::After, point).await;
}

/// How long an interval is that is usually `usual`.
pub fn interval(name: &str, usual: Duration) -> Duration {
    static SET: OnceLock<HashMap<String, Duration>> = OnceLock::new();
    if !cfg!(debug_assertions) {
        return usual;
    }
    let set = SET.get_or_init(|| intervals(&env::var(INTERVALS).unwrap_or_default()));
    set.get(name).copied().unwrap_or(usual)
}

fn asked() -> Option<&'static Stop> {
    static ASKED: OnceLock<Option<Stop>> = OnceLock::new();
    if !cfg!(debug_assertions) {
        return None;
    }
    ASKED.get_or_init(|| Stop::parse(&env::var(STOP).ok()?)).as_ref()
}

async fn reached(when: When, point: &str) {
    if let Some(stop) = asked()
        && stop.is_due(when, point, WORKER.get().copied())
    {
        match stop.does {
            // It fails only for a signal that does not exist.
            Does::Signal(signal) => drop(raise(signal)),
            Does::Wait => pending().await,
        }
    }
}

/// What happens at the point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Does {
    /// The process gets this signal.
    Signal(Signal),
    /// The task that has reached the point stops there. The rest of the process continues.
    Wait,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    Before,
    After,
}

/// One point of one process.
#[derive(Debug)]
struct Stop {
    does: Does,
    when: When,
    point: String,
    /// From 1.
    number: u64,
    worker: Option<u32>,
    /// How often the point was reached.
    times: AtomicU64,
}

impl Stop {
    fn parse(text: &str) -> Option<Self> {
        let words: Vec<&str> = text.split(' ').collect();
        let (&[does, when, point, number], worker) = (words.get(..4)?.try_into().ok()?, &words[4..]);
        let does = match does {
            "KILL" => Does::Signal(Signal::SIGKILL),
            "STOP" => Does::Signal(Signal::SIGSTOP),
            "WAIT" => Does::Wait,
            _ => return None,
        };
        let when = match when {
            "before" => When::Before,
            "after" => When::After,
            _ => return None,
        };
        let worker = match worker {
            [] => None,
            ["worker", number] => Some(number.parse().ok()?),
            _ => return None,
        };
        let (point, number) = (point.to_owned(), number.parse().ok()?);
        Some(Self { does, when, point, number, worker, times: AtomicU64::new(0) })
    }

    /// Whether this is the moment. Counts it.
    fn is_due(&self, when: When, point: &str, worker: Option<u32>) -> bool {
        self.when == when
            && self.point == point
            && (self.worker.is_none() || self.worker == worker)
            && self.times.fetch_add(1, Ordering::SeqCst) + 1 == self.number
    }
}

fn intervals(text: &str) -> HashMap<String, Duration> {
    let interval = |word: &str| {
        let (name, millis) = word.split_once('=')?;
        Some((name.to_owned(), Duration::from_millis(millis.parse().ok()?)))
    };
    text.split(' ').filter_map(interval).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_is_hit_once_in_the_process_that_is_meant() {
        let stop = Stop::parse("KILL before seal 2 worker 3").unwrap();
        assert_eq!(stop.does, Does::Signal(Signal::SIGKILL));
        let hit = |when, point, worker| stop.is_due(when, point, worker);
        for (when, point, worker) in [
            (When::After, "seal", Some(3)),
            (When::Before, "page", Some(3)),
            (When::Before, "seal", Some(2)),
            (When::Before, "seal", None),
        ] {
            assert!(!hit(when, point, worker), "{when:?} {point} {worker:?}");
        }
        let hits: Vec<bool> = (0..4).map(|_| hit(When::Before, "seal", Some(3))).collect();
        assert_eq!(hits, [false, true, false, false]);
        let anywhere = Stop::parse("WAIT after create 1").unwrap();
        assert!(anywhere.is_due(When::After, "create", None));
    }

    #[test]
    fn what_is_not_understood_disturbs_nothing() {
        for text in
            ["", "KILL", "KILL before seal", "KILL before seal one", "HIT before seal 1", "KILL at seal 1"]
        {
            assert!(Stop::parse(text).is_none(), "{text}");
        }
        assert!(Stop::parse("KILL before seal 1 worker").is_none());
        assert_eq!(intervals("progress=500 give-up=x silent"), {
            HashMap::from([("progress".to_owned(), Duration::from_millis(500))])
        });
    }
}
