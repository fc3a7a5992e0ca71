//! Collects lines into batches, such that no key is twice among the lines in flight.
//!
//! `BatchWriteItem` refuses a key that occurs twice, and two batches in flight may be written in any order. So a line
//! whose key is taken by an earlier line waits until that line is settled: of several lines with one key the last wins,
//! as in the backup.

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    time::{Duration, Instant},
};

use bytes::Bytes;
use engine::worker::line::Line;
use foldhash::fast::RandomState;
use job::capacity::Units;

use super::cost::Ratio;

/// The most lines of a request (Amazon DynamoDB API Reference, `BatchWriteItem`).
pub(crate) const MAX_LINES: usize = 25;
/// The most JSON of a request; the service accepts 16 MiB.
const MAX_BYTES: usize = 4 * 1024 * 1024;
/// The most JSON of all batches in flight.
const MAX_BYTES_UNDER_WAY: usize = 24 * 1024 * 1024;
/// No more lines are accepted while this many are unsettled.
const MAX_UNSETTLED_LINES: usize = 4096;
/// No more lines are accepted while this much JSON is unsettled.
const MAX_UNSETTLED_BYTES: usize = MAX_BYTES_UNDER_WAY;
/// A batch that is not full is sent after this time, since the sender of further lines may wait for these.
const LINGER: Duration = Duration::from_millis(10);

/// Further limits of a batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// The number of lines.
    pub(crate) lines: usize,
    /// The most that it may cost, unless it has a single line.
    pub(crate) units: Units,
    /// The ratio by which costs are estimated.
    pub(crate) ratio: Ratio,
}

/// The unsettled lines; of batches in flight only the keys.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    /// Lines whose keys are free, in the order in which they arrived or became free.
    ready: VecDeque<Line>,
    /// The keys of the lines that are ready or in flight, each with the lines that wait for it. Its hash function is
    /// fast, and has a random seed, because the maker of the backup chose the keys.
    taken: HashMap<Bytes, VecDeque<Line>, RandomState>,
    unsettled_lines: usize,
    unsettled_bytes: usize,
    bytes_under_way: usize,
    /// Since when the first of `ready` could have been sent.
    ready_since: Option<Instant>,
    is_closed: bool,
}

impl Queue {
    /// Whether more lines may be [pushed](Self::push).
    pub(crate) fn has_room(&self) -> bool {
        self.unsettled_lines < MAX_UNSETTLED_LINES && self.unsettled_bytes < MAX_UNSETTLED_BYTES
    }

    /// Whether all lines that were pushed are settled.
    pub(crate) fn is_empty(&self) -> bool {
        self.unsettled_lines == 0
    }

    /// Adds a line to write.
    pub(crate) fn push(&mut self, now: Instant, line: Line) {
        self.unsettled_lines += 1;
        self.unsettled_bytes += line.json.len();
        match self.taken.entry(line.key.clone()) {
            Entry::Occupied(key) => key.into_mut().push_back(line),
            Entry::Vacant(key) => {
                key.insert(VecDeque::new());
                self.ready(now, line);
            }
        }
    }

    /// Records that no more lines will come: those in the queue need not wait for others.
    pub(crate) fn close(&mut self) {
        self.is_closed = true;
    }

    /// Takes the next batch, if there are enough lines for a full one, or they have waited long enough.
    pub(crate) fn take(&mut self, now: Instant, limits: Limits) -> Option<Vec<Line>> {
        let (num_lines, bytes) = self.next(limits);
        let is_full = num_lines < self.ready.len() || num_lines == limits.lines.min(MAX_LINES);
        let is_due = self.is_closed || self.due_at().is_some_and(|due| due <= now);
        let fits = self.bytes_under_way == 0 || self.bytes_under_way + bytes <= MAX_BYTES_UNDER_WAY;
        if num_lines == 0 || !fits || !(is_full || is_due) {
            return None;
        }
        let batch: Vec<Line> = self.ready.drain(..num_lines).collect();
        self.bytes_under_way += bytes;
        self.ready_since = (!self.ready.is_empty()).then_some(now);
        Some(batch)
    }

    /// When a batch that is not full may be sent.
    pub(crate) fn due_at(&self) -> Option<Instant> {
        self.ready_since.map(|since| since + LINGER)
    }

    /// Removes the settled lines with these keys and this much JSON.
    pub(crate) fn settled(&mut self, now: Instant, keys: &[Bytes], json_bytes: usize) {
        self.unsettled_lines -= keys.len();
        self.unsettled_bytes -= json_bytes;
        self.bytes_under_way -= json_bytes;
        for key in keys {
            let Entry::Occupied(mut waiting) = self.taken.entry(key.clone()) else {
                debug_assert!(false, "a key was settled that was not under way");
                continue;
            };
            match waiting.get_mut().pop_front() {
                Some(line) => self.ready(now, line),
                None => drop(waiting.remove()),
            }
        }
    }

    fn ready(&mut self, now: Instant, line: Line) {
        self.ready_since.get_or_insert(now);
        self.ready.push_back(line);
    }

    /// The number of ready lines in the next batch, and the bytes of their JSON.
    fn next(&self, limits: Limits) -> (usize, usize) {
        let (mut num_lines, mut bytes, mut units) = (0, 0, Units::ZERO);
        for line in self.ready.iter().take(limits.lines.min(MAX_LINES)) {
            units += line.units;
            let is_within =
                bytes + line.json.len() <= MAX_BYTES && limits.ratio.estimate(units) <= limits.units;
            if num_lines > 0 && !is_within {
                break;
            }
            num_lines += 1;
            bytes += line.json.len();
        }
        (num_lines, bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, sync::LazyLock};

    use job::split::Write;
    use proptest::prelude::*;

    use super::*;
    use engine::worker::line::Ticket;

    static BLANKS: LazyLock<Bytes> = LazyLock::new(|| vec![b' '; MAX_BYTES].into());

    fn line(number: u64, key: u64, json_bytes: usize, units: u64) -> Line {
        Line {
            ticket: Ticket { slot: 0, line: number },
            write: Write::Put,
            json: BLANKS.slice(..json_bytes),
            key: key.to_be_bytes().to_vec().into(),
            units: Units::from_units(units),
        }
    }

    fn limits(lines: usize, units: u64) -> Limits {
        Limits { lines, units: Units::from_units(units), ratio: Ratio::new() }
    }

    /// A queue with lines of these keys, each of one byte and one unit.
    fn queue(now: Instant, keys: impl IntoIterator<Item = u64>) -> Queue {
        let mut queue = Queue::default();
        for (number, key) in (0..).zip(keys) {
            queue.push(now, line(number, key, 1, 1));
        }
        queue
    }

    fn settle(queue: &mut Queue, now: Instant, batch: &[Line]) {
        let keys: Vec<Bytes> = batch.iter().map(|line| line.key.clone()).collect();
        queue.settled(now, &keys, batch.iter().map(|line| line.json.len()).sum());
    }

    fn numbers(batch: Option<Vec<Line>>) -> Option<Vec<u64>> {
        Some(batch?.iter().map(|line| line.ticket.line).collect())
    }

    #[test]
    fn a_full_batch_goes_at_once_and_a_part_of_one_when_it_has_waited_or_nothing_follows() {
        let now = Instant::now();
        let mut queue = queue(now, 0..27);
        assert_eq!(queue.take(now, limits(25, 100)).map(|batch| batch.len()), Some(25));
        assert_eq!(numbers(queue.take(now, limits(25, 100))), None);
        assert_eq!(queue.due_at(), Some(now + LINGER));
        assert_eq!(numbers(queue.take(now + LINGER, limits(25, 100))), Some(vec![25, 26]));
        assert_eq!(queue.due_at(), None);
        queue.push(now, line(27, 27, 1, 1));
        queue.close();
        assert_eq!(numbers(queue.take(now, limits(25, 100))), Some(vec![27]));
    }

    #[test]
    fn a_line_waits_until_the_one_before_with_the_same_key_is_settled() {
        let now = Instant::now();
        let mut queue = queue(now, [7, 8, 7, 7]);
        queue.close();
        let first = queue.take(now, limits(25, 100)).unwrap();
        assert_eq!(numbers(Some(first.clone())), Some(vec![0, 1]));
        assert_eq!(numbers(queue.take(now, limits(25, 100))), None);
        settle(&mut queue, now, &first);
        let second = queue.take(now, limits(25, 100)).unwrap();
        assert_eq!(numbers(Some(second.clone())), Some(vec![2]));
        assert_eq!(numbers(queue.take(now, limits(25, 100))), None);
        settle(&mut queue, now, &second);
        assert_eq!(numbers(queue.take(now, limits(25, 100))), Some(vec![3]));
    }

    #[test]
    fn a_small_budget_makes_small_batches_but_never_empty_ones() {
        let now = Instant::now();
        let mut queue = queue(now, 0..3);
        queue.push(now, line(3, 3, 1, 9));
        queue.close();
        assert_eq!(numbers(queue.take(now, limits(25, 2))), Some(vec![0, 1]));
        assert_eq!(numbers(queue.take(now, limits(25, 2))), Some(vec![2]));
        assert_eq!(numbers(queue.take(now, limits(25, 2))), Some(vec![3]));
        assert_eq!(numbers(queue.take(now, limits(25, 2))), None);
    }

    #[test]
    fn batches_under_way_are_bounded_by_their_bytes() {
        let now = Instant::now();
        let mut queue = Queue::default();
        for number in 0..8 {
            queue.push(now, line(number, number, 3 * 1024 * 1024 + 1, 1));
        }
        assert!(!queue.has_room());
        queue.close();
        let batches: Vec<_> = std::iter::from_fn(|| queue.take(now, limits(25, 100))).collect();
        assert!(batches.len() == 7 && batches.iter().all(|batch| batch.len() == 1));
        settle(&mut queue, now, &batches[0]);
        assert_eq!(numbers(queue.take(now, limits(25, 100))), Some(vec![7]));
    }

    proptest! {
        /// Lines of few keys, batches settled in any order.
        #[test]
        fn every_line_is_taken_once_and_those_of_one_key_one_after_the_other(
            lines in prop::collection::vec((0u64..12, 0usize..2_000_000, 0u64..9), 1..150),
            settled_next in prop::collection::vec(any::<prop::sample::Index>(), 400),
            cap in 0u64..30,
        ) {
            let mut now = Instant::now();
            let total = lines.len();
            let mut queue = Queue::default();
            let mut input = (0..).zip(lines);
            let (mut under_way, mut taken) = (Vec::<Vec<Line>>::new(), Vec::<(u64, Bytes)>::new());
            for next in settled_next {
                now += LINGER;
                while queue.has_room() && let Some((number, (key, bytes, units))) = input.next() {
                    queue.push(now, line(number, key, bytes, units));
                }
                while let Some(batch) = queue.take(now, limits(25, cap)) {
                    prop_assert!(!batch.is_empty() && batch.len() <= MAX_LINES);
                    let bytes: usize = batch.iter().map(|line| line.json.len()).sum();
                    let units: Units = batch.iter().map(|line| line.units).sum();
                    prop_assert!(batch.len() == 1 || bytes <= MAX_BYTES && units <= Units::from_units(cap));
                    taken.extend(batch.iter().map(|line| (line.ticket.line, line.key.clone())));
                    under_way.push(batch);
                }
                let keys: Vec<&Bytes> = under_way.iter().flatten().map(|line| &line.key).collect();
                prop_assert_eq!(keys.iter().collect::<HashSet<_>>().len(), keys.len());
                let bytes: usize = under_way.iter().flatten().map(|line| line.json.len()).sum();
                prop_assert!(bytes <= MAX_BYTES_UNDER_WAY);
                if !under_way.is_empty() {
                    let batch = under_way.swap_remove(next.index(under_way.len()));
                    settle(&mut queue, now, &batch);
                }
            }
            prop_assert!(queue.is_empty() && queue.taken.is_empty());
            prop_assert_eq!(taken.iter().map(|(number, _)| number).collect::<HashSet<_>>().len(), total);
            for (at, (number, key)) in taken.iter().enumerate() {
                prop_assert!(taken[at..].iter().all(|(later, other)| other != key || later >= number));
            }
        }
    }
}
