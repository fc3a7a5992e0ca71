//! How many segments a worker reads at once, and how many write requests it makes at once.
//!
//! The number grows with each decision as long as the streams spend their time on the network. When they wait for
//! units, the budget is used up; when they wait for the stages around them or for a core, the machine is. Another
//! stream would then only cost memory.
//!
//! Where streams that read segments hardly do anything but wait for units, there are too many of them: the fewer
//! segments are read at once, the faster is each. A large segment that is begun late then delays the end of the job
//! less, and fewer segments of one partition are read at once.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// Segments read at once at the start.
const FIRST: u32 = 2;
/// The most segments read at once; the memory bound of the worker's export counts on it.
pub const MAX_STREAMS: u32 = 16;
/// Write requests made at once at the start. They are short, so it takes many to fill a network's latency.
const FIRST_WRITES: u32 = 4;
/// The most write requests made at once; the memory bound of the worker's import counts on it.
const MAX_WRITES: u32 = 64;
/// The number of write requests grows by a quarter each time, so that it reaches its maximum in four seconds.
const SHARE_OF_WRITES: u32 = 4;
/// How often to decide.
pub const DECIDE_EVERY: Duration = Duration::from_millis(250);

/// How all streams together spent their time since the last decision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// Waiting for units.
    pub units: Duration,
    /// Waiting for encoding and the writer, or for lines to write.
    pub pipeline: Duration,
    /// Waiting for the reply to a request.
    pub requests: Duration,
}

/// Adds up how all streams together spend their time, until it is taken.
#[derive(Debug, Default)]
pub struct Times {
    /// Waiting for units.
    pub units: Time,
    /// Waiting for the other stages.
    pub pipeline: Time,
    /// Waiting for the reply to a request.
    pub requests: Time,
}

impl Times {
    /// The times since the last call.
    pub fn take(&self) -> Spent {
        Spent { units: self.units.take(), pipeline: self.pipeline.take(), requests: self.requests.take() }
    }
}

/// A sum of times, in nanoseconds.
#[derive(Debug, Default)]
pub struct Time(AtomicU64);

impl Time {
    /// Adds a time.
    pub fn add(&self, time: Duration) {
        self.0.fetch_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX), Relaxed);
    }

    fn take(&self) -> Duration {
        Duration::from_nanos(self.0.swap(0, Relaxed))
    }
}

/// The CPU time of this process since the last decision, over all threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cpu {
    /// The time spent running.
    pub ran: Duration,
    /// The time spent ready to run, without a core to run on.
    pub waited: Duration,
    /// The CPU time of all cores together.
    pub available: Duration,
}

impl Cpu {
    /// Whether hardly any CPU time is left for more streams.
    fn is_short(&self) -> bool {
        self.ran * 100 >= self.available * 85 || self.waited * 100 >= self.ran.max(self.available / 10) * 30
    }
}

/// The number of concurrent streams.
#[derive(Debug)]
pub struct Streams {
    target: u32,
    /// The target does not shrink below this.
    least: u32,
    max: u32,
    /// The target grows by `target / share`, at least by one.
    share: u32,
    may_grow: bool,
}

impl Default for Streams {
    fn default() -> Self {
        Self::new()
    }
}

impl Streams {
    /// The streams that read segments.
    pub const fn new() -> Self {
        Self { target: FIRST, least: 1, max: MAX_STREAMS, share: MAX_STREAMS, may_grow: true }
    }

    /// The streams that send write requests.
    pub const fn for_writes() -> Self {
        // Write requests are short, and go to many partitions.
        Self {
            target: FIRST_WRITES,
            least: MAX_WRITES,
            max: MAX_WRITES,
            share: SHARE_OF_WRITES,
            may_grow: true,
        }
    }

    /// How many to run at once.
    pub const fn target(&self) -> u32 {
        self.target
    }

    /// Stops the growth, once no segment is left to lease.
    pub const fn stop_growing(&mut self) {
        self.may_grow = false;
    }

    /// Decides again. `active` streams were at work. `cpu` is `None` if the system does not report it.
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
        } else if active >= self.target
            && self.target > self.least
            && !total.is_zero()
            && spent.units * 4 >= total * 3
        {
            // With one less of two, the others still wait for half of the time: they can use all that there is.
            self.target -= 1;
        }
    }
}

/// The leases that were asked for and received.
#[derive(Debug, Default)]
pub struct LeaseDemand {
    wanted: u64,
    leased: u64,
    is_draining: bool,
}

impl LeaseDemand {
    /// Counts a lease that was received.
    pub const fn read(&mut self) {
        self.leased += 1;
    }

    /// Records that no segment is left to lease for now.
    pub const fn drain(&mut self) {
        self.is_draining = true;
    }

    /// Whether what has been read must be sealed as soon as no segment is being read.
    pub const fn is_draining(&self) -> bool {
        self.is_draining
    }

    /// The total number of segments to have asked for, if it has grown: enough to read `target` at once. A worker keeps
    /// asking for its free places while it drains, since the segments of a lost worker may still come.
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
    fn streams_that_hardly_do_anything_but_wait_for_units_become_one() {
        let ms = Duration::from_millis;
        let waiting = |units| Spent { units: ms(units), pipeline: ms(0), requests: ms(1000 - units) };
        let mut streams = Streams::new();
        for _ in 0..20 {
            streams.decide(streams.target(), waiting(740), None);
        }
        assert_eq!(streams.target(), FIRST);
        for _ in 0..20 {
            streams.decide(streams.target(), waiting(750), None);
        }
        assert_eq!(streams.target(), 1);
        streams.decide(1, NETWORK, None);
        assert_eq!(streams.target(), 2, "units are plenty again");
        let mut writes = Streams::for_writes();
        writes.decide(FIRST_WRITES, waiting(1000), None);
        assert_eq!(writes.target(), FIRST_WRITES);
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
        let mut leases = LeaseDemand::default();
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
