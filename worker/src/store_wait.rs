//! How long the work stood still because S3 or the disk was slow.
//!
//! Some stages depend on the store: the one that fills parts of an export, and each reader of an import. While all of
//! them wait for it at once, the work stands still. While one has something to do, it does not.

use std::{
    io::{self, BufRead, Read, Take},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use files::Unchanged;
use job_aws::Ranges;

/// The clock of a worker's waits for its store.
#[derive(Debug, Default)]
pub(crate) struct StoreWait(Mutex<Waits>);

#[derive(Debug, Default)]
struct Waits {
    /// The stages that depend on the store now, and how many of them wait for it.
    stages: usize,
    waiting: usize,
    /// The time before the present standstill, and since when that lasts.
    total: Duration,
    since: Option<Instant>,
}

/// What a guard counts.
#[derive(Clone, Copy, Debug)]
enum Counts {
    Stage,
    Wait,
}

/// The guard of a stage that depends on the store, or of its wait.
#[derive(Debug)]
pub(crate) struct Counted {
    of: Arc<StoreWait>,
    counts: Counts,
}

impl StoreWait {
    /// A stage depends on the store until the guard is dropped.
    pub(crate) fn stage(self: &Arc<Self>) -> Counted {
        self.count(Counts::Stage)
    }

    /// A stage waits for the store until the guard is dropped.
    pub(crate) fn wait(self: &Arc<Self>) -> Counted {
        self.count(Counts::Wait)
    }

    /// The time in which all stages waited, in milliseconds.
    pub(crate) fn total_ms(&self) -> u64 {
        let waits = self.waits();
        let now = waits.since.map(|since| since.elapsed()).unwrap_or_default();
        u64::try_from((waits.total + now).as_millis()).unwrap_or(u64::MAX)
    }

    fn count(self: &Arc<Self>, counts: Counts) -> Counted {
        self.waits().change(Instant::now(), counts, 1);
        Counted { of: self.clone(), counts }
    }

    fn waits(&self) -> MutexGuard<'_, Waits> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.of.waits().change(Instant::now(), self.counts, -1);
    }
}

impl Waits {
    fn change(&mut self, now: Instant, counts: Counts, by: isize) {
        let counter = match counts {
            Counts::Stage => &mut self.stages,
            Counts::Wait => &mut self.waiting,
        };
        *counter = counter.saturating_add_signed(by);
        let stands_still = self.stages > 0 && self.waiting >= self.stages;
        match self.since {
            None if stands_still => self.since = Some(now),
            Some(since) if !stands_still => {
                self.total += now.saturating_duration_since(since);
                self.since = None;
            }
            _ => {}
        }
    }
}

/// A source of stored bytes.
pub(crate) trait Source {
    /// Whether bytes are there, so that reading does not wait.
    fn is_ready(&self) -> bool;
}

impl Source for Ranges {
    fn is_ready(&self) -> bool {
        self.has_bytes()
    }
}

/// A file. It is read through a large buffer, so each read may wait.
impl Source for Take<Unchanged> {
    fn is_ready(&self) -> bool {
        false
    }
}

/// Reads stored bytes, and counts the time in which it waits for them.
#[derive(Debug)]
pub(crate) struct Timed<R> {
    from: R,
    wait: Arc<StoreWait>,
}

impl<R> Timed<R> {
    pub(crate) fn new(from: R, wait: Arc<StoreWait>) -> Self {
        Self { from, wait }
    }
}

impl<R: Read + Source> Read for Timed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let _wait = (!self.from.is_ready()).then(|| self.wait.wait());
        self.from.read(buffer)
    }
}

impl<R: BufRead + Source> BufRead for Timed<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let _wait = (!self.from.is_ready()).then(|| self.wait.wait());
        self.from.fill_buf()
    }

    fn consume(&mut self, len: usize) {
        self.from.consume(len);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_time_in_which_all_stages_wait_counts() {
        use Counts::{Stage, Wait};
        let (mut waits, start) = (Waits::default(), Instant::now());
        let mut at = |ms, counts, by| {
            waits.change(start + Duration::from_millis(ms), counts, by);
            waits.total.as_millis()
        };
        assert_eq!(at(0, Stage, 1), 0);
        assert_eq!(at(0, Stage, 1), 0);
        assert_eq!(at(100, Wait, 1), 0, "the other one works");
        assert_eq!(at(300, Wait, 1), 0, "both wait from now on");
        assert_eq!(at(700, Wait, -1), 400);
        assert_eq!(at(800, Stage, -1), 400, "the one that waits is left");
        assert_eq!(at(1000, Wait, -1), 600);
        assert_eq!(at(1500, Stage, -1), 600);
        assert_eq!(at(9000, Wait, 1), 600, "no stage depends on the store");
    }

    #[test]
    fn a_standstill_counts_while_it_lasts() {
        let wait = Arc::new(StoreWait::default());
        let _stage = wait.stage();
        assert_eq!(wait.total_ms(), 0);
        let waiting = wait.wait();
        std::thread::sleep(Duration::from_millis(20));
        let lasted = wait.total_ms();
        assert!(lasted >= 20, "{lasted}");
        drop(waiting);
        assert!(wait.total_ms() >= lasted);
    }
}
