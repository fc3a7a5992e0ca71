//! Which tasks are pending, leased or done, and how far each has got.
//!
//! A task is a number from 0. Only the work that owns the task knows what its mark means.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use job::ids::{Attempt, WorkerId};

/// The number of slow tasks in a status.
pub(crate) const MOST_SLOW: usize = 10;

/// Why a message about a task is refused: an answer of the protocol, not a failure of the job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotHeld {
    /// There is no such task.
    Unknown,
    /// It is not leased to this worker, or the attempt is over.
    Stale,
}

/// `Pending → Leased → Done`, or `Leased → Pending` when the worker is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TaskState {
    Pending,
    Leased { worker: WorkerId, since: Duration },
    Done,
}

#[derive(Clone, Debug)]
struct Task<M> {
    state: TaskState,
    attempt: Attempt,
    mark: M,
    /// The time under lease, over all attempts.
    leased_for: Duration,
}

/// All tasks of a job, each with a mark `M`.
pub(crate) struct Leases<M> {
    tasks: Vec<Task<M>>,
    pending: VecDeque<usize>,
    held: BTreeMap<WorkerId, BTreeSet<usize>>,
    num_done: usize,
    /// The done tasks that were leased longest, longest first.
    slowest: Vec<(Duration, usize)>,
    /// How many tasks this run has done, and for how long they were leased together.
    timed: (u32, Duration),
}

/// A task that takes long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlowTask {
    /// Its number.
    pub number: usize,
    /// How long it was leased, over all attempts of this run.
    pub took: Duration,
    /// The worker that holds it. `None` if it is done.
    pub worker: Option<WorkerId>,
    /// Its items so far, if its work knows.
    pub items: Option<u64>,
}

/// The tasks that take longest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SlowTasks {
    /// How many are leased now.
    pub leased: usize,
    /// The mean time under lease of those that this run has done.
    pub mean: Option<Duration>,
    /// Longest first.
    pub tasks: Vec<SlowTask>,
}

impl<M> Leases<M> {
    /// Pending tasks that begin at these marks. They are assigned in an order that keeps neighbours far apart:
    /// neighbouring tasks lie on the same DynamoDB partition, and working on them at once would ask more of it than its
    /// share of the throughput.
    pub(crate) fn new(marks: impl IntoIterator<Item = M>) -> Self {
        let task =
            |mark| Task { state: TaskState::Pending, attempt: Attempt(0), mark, leased_for: Duration::ZERO };
        let tasks: Vec<_> = marks.into_iter().map(task).collect();
        Self {
            pending: scattered(tasks.len()).collect(),
            held: BTreeMap::new(),
            tasks,
            num_done: 0,
            slowest: Vec::new(),
            timed: (0, Duration::ZERO),
        }
    }

    pub(crate) fn num_done(&self) -> usize {
        self.num_done
    }

    pub(crate) fn total(&self) -> usize {
        self.tasks.len()
    }

    /// The task that was leased longest, and for how long.
    pub(crate) fn slowest(&self) -> Option<(usize, Duration)> {
        self.slowest.first().map(|&(took, number)| (number, took))
    }

    /// The tasks, done or leased, that have been leased longest: at most [`MOST_SLOW`].
    pub(crate) fn slow(&self, now: Duration) -> SlowTasks {
        let done = self.slowest.iter().map(|&(took, number)| (took, number, None));
        let leased = self.held.iter().flat_map(|(&worker, numbers)| {
            numbers.iter().map(move |&number| (self.leased_for(number, now), number, Some(worker)))
        });
        let mut all: Vec<_> = done.chain(leased).collect();
        all.sort_unstable_by_key(|&(took, number, _)| (Reverse(took), number));
        all.truncate(MOST_SLOW);
        let task = |(took, number, worker)| SlowTask { number, took, worker, items: None };
        let (number, total) = self.timed;
        SlowTasks {
            leased: self.held.values().map(BTreeSet::len).sum(),
            mean: total.checked_div(number),
            tasks: all.into_iter().map(task).collect(),
        }
    }

    fn leased_for(&self, number: usize, now: Duration) -> Duration {
        let task = &self.tasks[number];
        match task.state {
            TaskState::Leased { since, .. } => task.leased_for + now.saturating_sub(since),
            TaskState::Pending | TaskState::Done => task.leased_for,
        }
    }

    /// The marks of all tasks.
    pub(crate) fn marks(&self) -> impl Iterator<Item = &M> {
        self.tasks.iter().map(|task| &task.mark)
    }

    /// The mark of a task, whichever worker holds it, and whether the task is done.
    pub(crate) fn mark(&self, number: usize) -> Option<(&M, bool)> {
        self.tasks.get(number).map(|task| (&task.mark, task.state == TaskState::Done))
    }

    /// Sets the mark of a task from a journal. [`settle`](Self::settle) must follow before anything is leased.
    pub(crate) fn replay(&mut self, number: usize, mark: M, is_done: bool) {
        let task = &mut self.tasks[number];
        task.mark = mark;
        if is_done && task.state != TaskState::Done {
            task.state = TaskState::Done;
            self.num_done += 1;
        }
    }

    /// Removes the tasks that the journal says are done from the pending ones.
    pub(crate) fn settle(&mut self) {
        let tasks = &self.tasks;
        self.pending.retain(|&number| tasks[number].state == TaskState::Pending);
    }

    /// Leases the next pending task as a new attempt. It starts at the task's mark.
    pub(crate) fn lease(&mut self, worker: WorkerId, now: Duration) -> Option<(usize, Attempt, &M)> {
        let number = self.pending.pop_front()?;
        let task = &mut self.tasks[number];
        debug_assert_eq!(task.state, TaskState::Pending);
        task.attempt = task.attempt.next();
        task.state = TaskState::Leased { worker, since: now };
        self.held.entry(worker).or_default().insert(number);
        Some((number, task.attempt, &task.mark))
    }

    /// The mark of a task that is leased to `worker` for this attempt.
    ///
    /// # Errors
    /// Fails if there is no such task or it is not leased to `worker` for this attempt.
    pub(crate) fn held(&self, worker: WorkerId, number: usize, attempt: Attempt) -> Result<&M, NotHeld> {
        let task = self.tasks.get(number).ok_or(NotHeld::Unknown)?;
        match task.state {
            TaskState::Leased { worker: holder, .. } if holder == worker && task.attempt == attempt => {
                Ok(&task.mark)
            }
            _ => Err(NotHeld::Stale),
        }
    }

    /// Moves the mark of a task that is [`held`](Self::held).
    pub(crate) fn advance(&mut self, number: usize, mark: M, is_done: bool, now: Duration) {
        let task = &mut self.tasks[number];
        task.mark = mark;
        if !is_done {
            return;
        }
        if let TaskState::Leased { worker, since } = task.state {
            self.held.entry(worker).or_default().remove(&number);
            task.leased_for += now.saturating_sub(since);
        }
        task.state = TaskState::Done;
        self.num_done += 1;
        let took = task.leased_for;
        self.timed = (self.timed.0 + 1, self.timed.1 + took);
        let place = self.slowest.partition_point(|&(longer, _)| longer >= took);
        if place < MOST_SLOW {
            self.slowest.insert(place, (took, number));
            self.slowest.truncate(MOST_SLOW);
        }
    }

    /// Releases the tasks of a lost worker, and returns how many. They resume at their marks, before any other task.
    pub(crate) fn release(&mut self, worker: WorkerId, now: Duration) -> usize {
        let held = self.held.remove(&worker).unwrap_or_default();
        for &number in &held {
            let task = &mut self.tasks[number];
            if let TaskState::Leased { since, .. } = task.state {
                task.leased_for += now.saturating_sub(since);
            }
            task.state = TaskState::Pending;
            self.pending.push_front(number);
        }
        held.len()
    }

    /// Panics unless each task is in exactly one state and only pending ones are in the queue.
    pub(crate) fn check_invariants(&self) {
        let done = self.tasks.iter().filter(|task| task.state == TaskState::Done).count();
        assert_eq!(done, self.num_done, "tasks counted as done are done");
        let pending = self.tasks.iter().filter(|task| task.state == TaskState::Pending).count();
        assert_eq!(pending, self.pending.len(), "each pending task is in the queue once");
        for (&worker, numbers) in &self.held {
            let is_held = |&number: &usize| matches!(self.tasks[number].state, TaskState::Leased { worker: holder, .. } if holder == worker);
            assert!(numbers.iter().all(is_held), "what a worker holds is leased to it");
        }
        let leased = self.tasks.len() - done - pending;
        assert_eq!(self.held.values().map(BTreeSet::len).sum::<usize>(), leased, "each lease is held once");
        for &number in &self.pending {
            assert_eq!(self.tasks[number].state, TaskState::Pending, "no leased task is in the queue");
        }
    }
}

/// All numbers below `total`, in an order that keeps neighbours far apart.
fn scattered(total: usize) -> impl Iterator<Item = usize> {
    let total = total as u64;
    // A stride near the golden ratio of the total, increased until it shares no factor with the total.
    let mut stride = total * 618 / 1000 + 1;
    while gcd(stride, total) > 1 {
        stride += 1;
    }
    (0..total).map(move |index| usize::try_from(index * stride % total).unwrap_or(usize::MAX))
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: WorkerId = WorkerId(1);
    const B: WorkerId = WorkerId(2);
    const NOW: Duration = Duration::ZERO;

    #[test]
    fn every_task_is_dealt_once_and_neighbours_are_apart() {
        for total in [0, 1, 2, 3, 10, 64, 1000, 4096] {
            let order: Vec<usize> = scattered(total).collect();
            let mut sorted = order.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, (0..total).collect::<Vec<_>>());
            if total >= 64 {
                assert!(order.windows(2).all(|pair| pair[0].abs_diff(pair[1]) > 1));
            }
        }
    }

    #[test]
    fn a_lost_workers_task_goes_on_from_its_mark_with_a_new_attempt() {
        let mut leases = Leases::new([0]);
        let (task, first, _) = leases.lease(A, NOW).unwrap();
        leases.advance(task, 3, false, NOW);
        assert_eq!(leases.release(A, NOW), 1);
        assert_eq!(leases.lease(B, NOW), Some((task, first.next(), &3)));
        leases.check_invariants();
    }

    #[test]
    fn a_stale_attempt_holds_nothing() {
        let mut leases = Leases::new([0]);
        let (task, old, _) = leases.lease(A, NOW).unwrap();
        leases.release(A, NOW);
        let (_, new, _) = leases.lease(B, NOW).unwrap();
        assert_eq!(leases.held(A, task, old), Err(NotHeld::Stale));
        assert_eq!(leases.held(B, task, old), Err(NotHeld::Stale));
        assert_eq!(leases.held(B, task, new), Ok(&0));
        assert_eq!(leases.held(B, task + 1, new), Err(NotHeld::Unknown));
        leases.advance(task, 1, true, NOW);
        assert_eq!(leases.held(B, task, new), Err(NotHeld::Stale), "what is done is held by nobody");
        leases.check_invariants();
    }

    #[test]
    fn a_task_that_a_journal_knows_goes_on_from_there_and_one_that_is_done_is_not_dealt() {
        let mut leases = Leases::new([0, 0, 0]);
        leases.replay(0, 9, true);
        leases.replay(1, 4, false);
        leases.replay(1, 5, false);
        leases.settle();
        leases.check_invariants();
        assert_eq!((leases.num_done(), leases.mark(1)), (1, Some((&5, false))));
        let mut assigned: Vec<_> =
            std::iter::from_fn(|| leases.lease(A, NOW).map(|(task, ..)| task)).collect();
        assigned.sort_unstable();
        assert_eq!(assigned, [1, 2]);
    }

    #[test]
    fn the_slowest_task_is_the_one_leased_longest_in_all_attempts() {
        let mut leases = Leases::new([0, 0]);
        let second = Duration::from_secs(1);
        let (slow, ..) = leases.lease(A, NOW).unwrap();
        leases.release(A, 3 * second);
        let (again, ..) = leases.lease(B, 3 * second).unwrap();
        assert_eq!(again, slow);
        let (quick, ..) = leases.lease(B, 3 * second).unwrap();
        leases.advance(quick, 0, true, 5 * second);
        leases.advance(slow, 0, true, 5 * second);
        assert_eq!(leases.slowest(), Some((slow, 5 * second)));
    }

    #[test]
    fn slow_tasks_are_those_that_were_leased_longest_done_or_not() {
        let mut leases = Leases::new([0; 30]);
        let second = Duration::from_secs(1);
        assert_eq!(leases.slow(second), SlowTasks::default());
        for at in 0..20 {
            let (task, ..) = leases.lease(A, Duration::ZERO).unwrap();
            leases.advance(task, 0, true, at * second);
        }
        let (running, ..) = leases.lease(B, 100 * second).unwrap();
        let slow = leases.slow(115 * second);
        assert_eq!((slow.leased, slow.mean), (1, Some(Duration::from_millis(9500))));
        let seconds: Vec<u64> = slow.tasks.iter().map(|task| task.took.as_secs()).collect();
        assert_eq!(seconds, [19, 18, 17, 16, 15, 15, 14, 13, 12, 11]);
        let worked_on: Vec<_> = slow.tasks.iter().filter(|task| task.worker == Some(B)).collect();
        assert_eq!(worked_on.iter().map(|task| task.number).collect::<Vec<_>>(), [running]);
    }
}
