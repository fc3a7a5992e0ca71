//! The segments of an export, and the checks on each step.

use std::{collections::HashSet, time::Duration};

use job::{
    ids::{Segment, WorkerId},
    task::{Lease, Mark, Position, Step, TotalSegments},
};

use crate::{
    lease::{Leases, NotHeld, SlowTasks},
    rejection::StepRejection,
};

/// More items than a segment can have. The bound keeps the sum over all segments within its type.
const MAX_ITEMS: u64 = 1 << 40;

/// The segment that took longest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slowest {
    /// The segment.
    pub segment: Segment,
    /// How long it was leased, over all attempts.
    pub took: Duration,
    /// The number of its items.
    pub items: u64,
}

/// All segments of an export.
pub(crate) struct Segments(Leases<Mark>);

impl Segments {
    pub(crate) fn new(total: TotalSegments) -> Self {
        Self(Leases::new((0..total.get()).map(|_| Mark::default())))
    }

    /// The number of segments done, and of all segments.
    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.0.num_done(), self.0.total())
    }

    /// The number of items in sealed parts.
    pub(crate) fn items(&self) -> u64 {
        self.0.marks().map(|mark| mark.items).sum()
    }

    pub(crate) fn slowest(&self) -> Option<Slowest> {
        let (number, took) = self.0.slowest()?;
        let items = self.0.mark(number)?.0.items;
        Some(Slowest { segment: segment(number), took, items })
    }

    /// The segments that take longest, with the items of their sealed parts.
    pub(crate) fn slow(&self, now: Duration) -> SlowTasks {
        let mut slow = self.0.slow(now);
        for task in &mut slow.tasks {
            task.items = self.0.mark(task.number).map(|(mark, _)| mark.items);
        }
        slow
    }

    pub(crate) fn lease(&mut self, worker: WorkerId, now: Duration) -> Option<Lease> {
        let (number, attempt, mark) = self.0.lease(worker, now)?;
        Some(Lease { segment: segment(number), attempt, mark: mark.clone() })
    }

    /// Checks that `steps` can be applied together.
    pub(crate) fn check(&self, worker: WorkerId, steps: &[Step]) -> Result<(), StepRejection> {
        // A message may hold thousands of steps, of nearly empty segments.
        let mut seen = HashSet::with_capacity(steps.len());
        for step in steps {
            let segment = step.segment;
            let held = self.0.held(worker, segment.0 as usize, step.attempt);
            let mark = held.map_err(|why| match why {
                NotHeld::Unknown => StepRejection::UnknownSegment(segment),
                NotHeld::Stale => StepRejection::Stale(segment, step.attempt),
            })?;
            if step.from_page != mark.pages || !seen.insert(segment) {
                return Err(StepRejection::Gap { segment, at: mark.pages, from: step.from_page });
            }
        }
        Ok(())
    }

    /// Applies steps that passed [`check`](Self::check).
    pub(crate) fn apply(&mut self, worker: WorkerId, steps: Vec<Step>, now: Duration) {
        for step in steps {
            let number = step.segment.0 as usize;
            let Ok(mark) = self.0.held(worker, number, step.attempt) else { continue };
            let (mark, is_done) = after(mark, step);
            self.0.advance(number, mark, is_done, now);
        }
    }

    /// Applies steps from a journal. They must chain as they did in the earlier run.
    pub(crate) fn replay(&mut self, steps: Vec<Step>) -> Result<(), StepRejection> {
        for step in steps {
            let (segment, from) = (step.segment, step.from_page);
            let known = self.0.mark(segment.0 as usize).ok_or(StepRejection::UnknownSegment(segment))?;
            let (mark, is_done) = match known {
                (_, true) => return Err(StepRejection::Done(segment)),
                (mark, _) if from != mark.pages => {
                    return Err(StepRejection::Gap { segment, at: mark.pages, from });
                }
                (mark, false) if is_possible(mark, &step) => after(mark, step),
                (_, false) => return Err(StepRejection::Impossible(segment)),
            };
            self.0.replay(segment.0 as usize, mark, is_done);
        }
        Ok(())
    }

    /// Sets the mark of a segment from a journal.
    pub(crate) fn replay_mark(&mut self, segment: Segment, mark: Mark) -> Result<(), StepRejection> {
        self.0.mark(segment.0 as usize).ok_or(StepRejection::UnknownSegment(segment))?;
        if mark.position == Position::Start || mark.items > MAX_ITEMS {
            return Err(StepRejection::Impossible(segment));
        }
        let is_done = mark.position == Position::Done;
        self.0.replay(segment.0 as usize, mark, is_done);
        Ok(())
    }

    /// Ends the replay of a journal.
    pub(crate) fn settle(&mut self) {
        self.0.settle();
    }

    /// The marks of the segments that have begun.
    pub(crate) fn begun(&self) -> impl Iterator<Item = (Segment, &Mark)> {
        let all = self.0.marks().enumerate().map(|(number, mark)| (segment(number), mark));
        all.filter(|(_, mark)| mark.position != Position::Start)
    }

    pub(crate) fn release(&mut self, worker: WorkerId, now: Duration) -> usize {
        self.0.release(worker, now)
    }

    pub(crate) fn check_invariants(&self) {
        self.0.check_invariants();
    }
}

/// Whether a segment can take this step from this mark.
fn is_possible(mark: &Mark, step: &Step) -> bool {
    let items = mark.items.checked_add(step.items);
    let goes_on =
        step.to_page > step.from_page || step.to_page == step.from_page && step.position == Position::Done;
    goes_on && step.position != Position::Start && items.is_some_and(|items| items <= MAX_ITEMS)
}

/// The mark after a step, and whether the step ends the segment.
fn after(mark: &Mark, step: Step) -> (Mark, bool) {
    let is_done = step.position == Position::Done;
    (Mark { position: step.position, pages: step.to_page, items: mark.items + step.items }, is_done)
}

fn segment(number: usize) -> Segment {
    Segment(u32::try_from(number).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: WorkerId = WorkerId(1);
    const B: WorkerId = WorkerId(2);
    const NOW: Duration = Duration::ZERO;

    fn segments(total: u32) -> Segments {
        Segments::new(TotalSegments::try_from(total).unwrap())
    }

    fn step(lease: &Lease, from_page: u64, to_page: u64, position: Position) -> Step {
        let Lease { segment, attempt, .. } = *lease;
        Step { segment, attempt, from_page, to_page, items: 10, position }
    }

    #[test]
    fn a_lost_workers_segment_goes_on_from_its_mark() {
        let mut segments = segments(1);
        let lease = segments.lease(A, NOW).unwrap();
        segments.apply(A, vec![step(&lease, 0, 3, Position::After("k".into()))], NOW);
        assert_eq!(segments.release(A, NOW), 1);
        let next = segments.lease(B, NOW).unwrap();
        assert_eq!((next.mark.pages, next.mark.items), (3, 10));
        assert_eq!(next.mark.position, Position::After("k".into()));
        segments.check_invariants();
    }

    #[test]
    fn steps_of_a_stale_attempt_are_refused() {
        let mut segments = segments(1);
        let old = segments.lease(A, NOW).unwrap();
        segments.release(A, NOW);
        let new = segments.lease(B, NOW).unwrap();
        let late = [step(&old, 0, 1, Position::Done)];
        assert!(matches!(segments.check(A, &late), Err(StepRejection::Stale(..))));
        assert!(matches!(segments.check(B, &late), Err(StepRejection::Stale(..))));
        assert_eq!(segments.check(B, &[step(&new, 0, 1, Position::Done)]), Ok(()));
    }

    #[test]
    fn steps_that_do_not_chain_are_refused() {
        let mut segments = segments(2);
        let lease = segments.lease(A, NOW).unwrap();
        let gap = [step(&lease, 1, 2, Position::Done)];
        assert!(matches!(segments.check(A, &gap), Err(StepRejection::Gap { .. })));
        let twice = [step(&lease, 0, 1, Position::Done), step(&lease, 0, 1, Position::Done)];
        assert!(matches!(segments.check(A, &twice), Err(StepRejection::Gap { .. })));
        segments.apply(A, vec![step(&lease, 0, 1, Position::Done)], NOW);
        assert!(matches!(segments.check(A, &gap), Err(StepRejection::Stale(..))));
        assert_eq!(segments.counts(), (1, 2));
        segments.check_invariants();
    }
}
