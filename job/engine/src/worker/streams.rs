//! How many segments a worker reads at once, or how many requests it writes with.
//!
//! More each time it is asked, as long as the streams spend their time on the network. When
//! they wait for units, the budget is used up; when they wait for the stages around them or for a
//! core, the machine is. Another stream would only cost memory then.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// Read at once at the start.
const FIRST: u32 = 2;
/// Never more; the memory bound of [`crate::export`] counts on it.
pub const MAX_STREAMS: u32 = 16;
/// Write requests at once at the start. They are short, so it takes many to fill a network's latency.
const FIRST_WRITES: u32 = 4;
/// Never more; the memory bound of [`crate::import`] counts on it.
const MAX_WRITES: u32 = 64;
/// Writes grow by this share of what they are, so that the most are reached in four seconds.
const SHARE_OF_WRITES: u32 = 4;
/// How often to decide.
pub const DECIDE_EVERY: Duration = Duration::from_millis(250);

/// Where the time of all streams together went since the last decision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// Waiting for units.
    pub units: Duration,
    /// Waiting for encoding and the writer, or for lines to write.
    pub pipeline: Duration,
    /// In requests.
    pub requests: Duration,
}

/// Where the time of all streams goes, until it is taken.
#[derive(Debug, Default)]
pub struct Times {
    /// Waiting for units.
    pub units: Time,
    /// Waiting for the stages behind.
    pub pipeline: Time,
    /// In requests.
    pub requests: Time,
}

impl Times {
    /// Since the last call.
    pub fn take(&self) -> Spent {
        Spent { units: self.units.take(), pipeline: self.pipeline.take(), requests: self.requests.take() }
    }
}

/// Time added up, in nanoseconds.
#[derive(Debug, Default)]
pub struct Time(AtomicU64);

impl Time {
    /// Adds some.
    pub fn add(&self, time: Duration) {
        self.0.fetch_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX), Relaxed);
    }

    fn take(&self) -> Duration {
        Duration::from_nanos(self.0.swap(0, Relaxed))
    }
}

/// What the machine gave to this process since the last decision, all threads together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cpu {
    /// Running.
    pub ran: Duration,
    /// Ready to run, without a core to run on.
    pub waited: Duration,
    /// What all cores together could have given.
    pub available: Duration,
}

impl Cpu {
    /// Hardly anything is left to run more streams on.
    fn is_short(&self) -> bool {
        self.ran * 100 >= self.available * 85 || self.waited * 100 >= self.ran.max(self.available / 10) * 30
    }
}

/// The core.
#[derive(Debug)]
pub struct Streams {
    target: u32,
    max: u32,
    /// Grows by `target / share`, and by one at least.
    share: u32,
    may_grow: bool,
}

impl Streams {
    /// Of segments.
    pub const fn new() -> Self {
        Self { target: FIRST, max: MAX_STREAMS, share: MAX_STREAMS, may_grow: true }
    }

    /// Of write requests.
    pub const fn for_writes() -> Self {
        Self { target: FIRST_WRITES, max: MAX_WRITES, share: SHARE_OF_WRITES, may_grow: true }
    }

    /// How many at once.
    pub const fn target(&self) -> u32 {
        self.target
    }

    /// No segment is left to lease.
    pub const fn stop_growing(&mut self) {
        self.may_grow = false;
    }

    /// Decides anew. `active` streams were at work; `cpu` is `None` where the system does not tell.
    pub fn decide(&mut self, active: u32, spent: Spent, cpu: Option<Cpu>) {
        let total = spent.units + spent.pipeline + spent.requests;
        let is_small = |part: Duration| part * 10 <= total;
        if self.may_grow
            && active >= self.target
            && self.target < self.max
            && !total.is_zero()
            && is_small(spent.units)
            && is_small(spent.pipeline)
            && !cpu.is_some_and(|cpu| cpu.is_short())
        {
            self.target = (self.target + (self.target / self.share).max(1)).min(self.max);
        }
    }
}

/// What has been asked for and what came.
#[derive(Debug, Default)]
pub struct Leases {
    wanted: u64,
    leased: u64,
    is_draining: bool,
}

impl Leases {
    /// A segment was leased.
    pub const fn read(&mut self) {
        self.leased += 1;
    }

    /// None is left to lease for now.
    pub const fn drain(&mut self) {
        self.is_draining = true;
    }

    /// When nothing is being read, what is at hand is to be sealed.
    pub const fn is_draining(&self) -> bool {
        self.is_draining
    }

    /// How many segments to have asked for in all, if they are more than before: enough to read
    /// `target` at once. Free places stay asked for while draining, since the segments of a lost
    /// worker may come yet.
    pub fn want(&mut self, reading: u32, target: u32) -> Option<u64> {
        let wanted = self.leased + u64::from(target.saturating_sub(reading));
        (wanted > self.wanted).then(|| {
            self.wanted = wanted;
            wanted
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NETWORK: Spent = Spent {
        units: Duration::from_millis(10),
        pipeline: Duration::from_millis(10),
        requests: Duration::from_millis(480),
    };

    fn target_after(active: u32, spent: Spent, cpu: Option<Cpu>) -> u32 {
        let mut streams = Streams::new();
        streams.decide(active, spent, cpu);
        streams.target()
    }

    #[test]
    fn streams_are_added_while_the_network_takes_the_time() {
        let mut streams = Streams::new();
        for _ in 0..100 {
            streams.decide(streams.target(), NETWORK, None);
        }
        assert_eq!(streams.target(), MAX_STREAMS);
    }

    #[test]
    fn writes_reach_their_most_in_four_seconds() {
        let mut streams = Streams::for_writes();
        let mut targets = vec![streams.target()];
        for _ in 0..16 {
            streams.decide(streams.target(), NETWORK, None);
            targets.push(streams.target());
        }
        assert_eq!(targets[..6], [4, 5, 6, 7, 8, 10]);
        assert_eq!(targets.last(), Some(&MAX_WRITES));
    }

    #[test]
    fn none_is_added_when_the_budget_or_the_writer_is_the_bottleneck() {
        let units = Spent { units: Duration::from_millis(100), ..NETWORK };
        let pipeline = Spent { pipeline: Duration::from_millis(100), ..NETWORK };
        assert_eq!(target_after(2, units, None), 2);
        assert_eq!(target_after(2, pipeline, None), 2);
        assert_eq!(target_after(2, Spent::default(), None), 2);
    }

    #[test]
    fn none_is_added_when_the_cores_are_busy() {
        let ms = Duration::from_millis;
        let cpu = |ran, waited| Some(Cpu { ran: ms(ran), waited: ms(waited), available: ms(500) });
        assert_eq!(target_after(2, NETWORK, cpu(200, 10)), 3);
        assert_eq!(target_after(2, NETWORK, cpu(450, 0)), 2);
        assert_eq!(target_after(2, NETWORK, cpu(250, 125)), 2);
    }

    #[test]
    fn a_free_place_is_asked_for_once() {
        let mut leases = Leases::default();
        assert_eq!(leases.want(0, 2), Some(2));
        leases.read();
        assert_eq!(leases.want(1, 2), None);
        leases.read();
        assert_eq!(leases.want(2, 2), None);
        assert_eq!(leases.want(1, 2), Some(3));
        assert_eq!(leases.want(1, 4), Some(5));
    }

    #[test]
    fn none_is_added_before_the_last_one_reads_or_after_the_last_lease() {
        assert_eq!(target_after(1, NETWORK, None), 2);
        let mut streams = Streams::new();
        streams.stop_growing();
        streams.decide(2, NETWORK, None);
        assert_eq!(streams.target(), 2);
    }
}
