//! Which segments are pending, leased or done, and how far each has got. A core.

use std::{collections::VecDeque, time::Duration};

use job::{
    ids::{Attempt, Segment, WorkerId},
    task::{Lease, Mark, Position, Step, TotalSegments},
};

/// Why a step is not accepted: an answer of the protocol, not a failure of the job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StepRejection {
    #[error("segment {0} does not exist")]
    UnknownSegment(Segment),
    #[error("segment {0} is not leased to this worker, or attempt {1} of it is over")]
    Stale(Segment, Attempt),
    #[error("segment {segment} stands at page {at}; a step from page {from} would lose or double items")]
    Gap { segment: Segment, at: u64, from: u64 },
}

/// `Pending → Leased → Done`, or `Leased → Pending` when the worker is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Pending,
    Leased { worker: WorkerId, since: Duration },
    Done,
}

#[derive(Clone, Debug)]
struct Task {
    state: State,
    attempt: Attempt,
    mark: Mark,
    /// Time under lease, all attempts.
    leased_for: Duration,
}

/// The segment that took longest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slowest {
    pub(crate) segment: Segment,
    pub(crate) took: Duration,
    pub(crate) items: u64,
}

/// All segments of a job.
pub(crate) struct Leases {
    tasks: Vec<Task>,
    pending: VecDeque<Segment>,
    num_done: usize,
    slowest: Option<Slowest>,
}

impl Leases {
    pub(crate) fn new(total: TotalSegments) -> Self {
        let task = Task {
            state: State::Pending,
            attempt: Attempt(0),
            mark: Mark::default(),
            leased_for: Duration::ZERO,
        };
        Self {
            tasks: vec![task; total.get() as usize],
            pending: scattered(total.get()).map(Segment).collect(),
            num_done: 0,
            slowest: None,
        }
    }

    pub(crate) fn num_done(&self) -> usize {
        self.num_done
    }

    pub(crate) fn total(&self) -> usize {
        self.tasks.len()
    }

    pub(crate) fn slowest(&self) -> Option<Slowest> {
        self.slowest
    }

    /// Items in sealed parts.
    pub(crate) fn items(&self) -> u64 {
        self.tasks.iter().map(|task| task.mark.items).sum()
    }

    /// Leases the next pending segment, from its mark on.
    pub(crate) fn lease(&mut self, worker: WorkerId, now: Duration) -> Option<Lease> {
        let segment = self.pending.pop_front()?;
        let task = &mut self.tasks[segment.0 as usize];
        debug_assert_eq!(task.state, State::Pending);
        task.attempt = task.attempt.next();
        task.state = State::Leased { worker, since: now };
        Some(Lease { segment, attempt: task.attempt, mark: task.mark.clone() })
    }

    /// Whether `steps` may be taken, each alone and all together.
    pub(crate) fn check(&self, worker: WorkerId, steps: &[Step]) -> Result<(), StepRejection> {
        for (index, step) in steps.iter().enumerate() {
            let segment = step.segment;
            let task = self.tasks.get(segment.0 as usize).ok_or(StepRejection::UnknownSegment(segment))?;
            let holder = matches!(task.state, State::Leased { worker: holder, .. } if holder == worker);
            if !holder || task.attempt != step.attempt {
                return Err(StepRejection::Stale(segment, step.attempt));
            }
            let twice = steps[..index].iter().any(|other| other.segment == segment);
            if step.from_page != task.mark.pages || twice {
                return Err(StepRejection::Gap { segment, at: task.mark.pages, from: step.from_page });
            }
        }
        Ok(())
    }

    /// Takes steps that [`check`](Self::check) let through.
    pub(crate) fn apply(&mut self, steps: Vec<Step>, now: Duration) {
        for step in steps {
            let task = &mut self.tasks[step.segment.0 as usize];
            task.mark =
                Mark { position: step.position, pages: step.to_page, items: task.mark.items + step.items };
            if task.mark.position == Position::Done {
                if let State::Leased { since, .. } = task.state {
                    task.leased_for += now.saturating_sub(since);
                }
                task.state = State::Done;
                self.num_done += 1;
                let done = Slowest { segment: step.segment, took: task.leased_for, items: task.mark.items };
                if self.slowest.is_none_or(|slowest| done.took > slowest.took) {
                    self.slowest = Some(done);
                }
            }
        }
    }

    /// Takes back what a lost worker held; it goes on from its marks, before anything else.
    pub(crate) fn release(&mut self, worker: WorkerId, now: Duration) -> usize {
        let mut released = 0;
        for (index, task) in self.tasks.iter_mut().enumerate() {
            if let State::Leased { worker: holder, since } = task.state
                && holder == worker
            {
                task.state = State::Pending;
                task.leased_for += now.saturating_sub(since);
                self.pending.push_front(Segment(u32::try_from(index).unwrap_or(u32::MAX)));
                released += 1;
            }
        }
        released
    }

    /// Each task is in exactly one state, and only pending ones are in the queue.
    pub(crate) fn check_invariants(&self) {
        let done = self.tasks.iter().filter(|task| task.state == State::Done).count();
        assert_eq!(done, self.num_done, "tasks counted as done are done");
        let pending = self.tasks.iter().filter(|task| task.state == State::Pending).count();
        assert_eq!(pending, self.pending.len(), "each pending task is in the queue once");
        for segment in &self.pending {
            assert_eq!(
                self.tasks[segment.0 as usize].state,
                State::Pending,
                "no leased task is in the queue"
            );
        }
    }
}

/// All numbers below `total`, neighbours far apart: neighbouring segments lie on one DynamoDB
/// partition, and reading them at once would ask it for more than its share.
fn scattered(total: u32) -> impl Iterator<Item = u32> {
    let total = u64::from(total);
    // The golden ratio's stride, moved on until it shares no factor with the total.
    let mut stride = total * 618 / 1000 + 1;
    while gcd(stride, total) != 1 {
        stride += 1;
    }
    (0..total).map(move |index| u32::try_from(index * stride % total).unwrap_or(u32::MAX))
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: WorkerId = WorkerId(1);
    const B: WorkerId = WorkerId(2);

    fn leases(total: u32) -> Leases {
        Leases::new(TotalSegments::try_from(total).unwrap())
    }

    fn step(lease: &Lease, from_page: u64, to_page: u64, position: Position) -> Step {
        let Lease { segment, attempt, .. } = *lease;
        Step { segment, attempt, from_page, to_page, items: 10, position }
    }

    #[test]
    fn every_segment_is_dealt_once_and_neighbours_are_apart() {
        for total in [1u32, 2, 3, 10, 64, 1000, 4096] {
            let order: Vec<u32> = scattered(total).collect();
            let mut sorted = order.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, (0..total).collect::<Vec<_>>());
            if total >= 64 {
                assert!(order.windows(2).all(|pair| pair[0].abs_diff(pair[1]) > 1));
            }
        }
    }

    #[test]
    fn a_lost_workers_segment_goes_on_from_its_mark_with_a_new_attempt() {
        let mut leases = leases(1);
        let lease = leases.lease(A, Duration::ZERO).unwrap();
        leases.apply(vec![step(&lease, 0, 3, Position::After("k".into()))], Duration::ZERO);
        assert_eq!(leases.release(A, Duration::ZERO), 1);
        let next = leases.lease(B, Duration::ZERO).unwrap();
        assert_eq!((next.attempt, next.mark.pages, next.mark.items), (Attempt(2), 3, 10));
        assert_eq!(next.mark.position, Position::After("k".into()));
        leases.check_invariants();
    }

    #[test]
    fn steps_of_a_stale_attempt_are_refused() {
        let mut leases = leases(1);
        let old = leases.lease(A, Duration::ZERO).unwrap();
        leases.release(A, Duration::ZERO);
        let new = leases.lease(B, Duration::ZERO).unwrap();
        let late = [step(&old, 0, 1, Position::Done)];
        assert!(matches!(leases.check(A, &late), Err(StepRejection::Stale(..))));
        assert!(matches!(leases.check(B, &late), Err(StepRejection::Stale(..))));
        assert_eq!(leases.check(B, &[step(&new, 0, 1, Position::Done)]), Ok(()));
    }

    #[test]
    fn steps_that_do_not_chain_are_refused() {
        let mut leases = leases(2);
        let lease = leases.lease(A, Duration::ZERO).unwrap();
        assert!(matches!(
            leases.check(A, &[step(&lease, 1, 2, Position::Done)]),
            Err(StepRejection::Gap { .. })
        ));
        let twice = [step(&lease, 0, 1, Position::Done), step(&lease, 0, 1, Position::Done)];
        assert!(matches!(leases.check(A, &twice), Err(StepRejection::Gap { .. })));
        leases.apply(vec![step(&lease, 0, 1, Position::Done)], Duration::ZERO);
        assert!(matches!(
            leases.check(A, &[step(&lease, 1, 2, Position::Done)]),
            Err(StepRejection::Stale(..))
        ));
        leases.check_invariants();
    }
}
