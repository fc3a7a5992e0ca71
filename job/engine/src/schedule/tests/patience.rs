//! When a job fails because nothing progresses, and when it only waits for its own small budget.

use super::*;

/// A quarter of a unit per second, as for a table with one unit at the default share.
const SLOW: Rate = Rate::from_milli_per_second(250);
const SECOND: Duration = Duration::from_secs(1);

/// A job at this rate, with workers that each have a task and send a heartbeat every second.
struct Slow {
    schedule: Exporting,
    now: Duration,
    workers: Vec<Speaker>,
}

/// What a worker reports and has received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Speaker {
    requests: u64,
    waits_for_units: bool,
    granted: Units,
}

impl Slow {
    fn new(num_workers: u32) -> Self {
        let mut schedule = joined(num_workers, num_workers);
        schedule.handle(START, Event::Limits(Limits::table(SLOW)));
        for worker in 1..=num_workers {
            assert_eq!(leases_in(&say(&mut schedule, worker, FromWorker::Want(1))).len(), 1);
        }
        Self { schedule, now: START, workers: vec![Speaker::default(); num_workers as usize] }
    }

    fn need(&mut self, worker: usize, units: u64) {
        let need = FromWorker::Need(Units::from_units(units));
        self.tell(worker, need);
    }

    fn tell(&mut self, worker: usize, message: FromWorker) -> Option<String> {
        let id = WorkerId(u32::try_from(worker).unwrap() + 1);
        let actions = self.schedule.handle(self.now, Event::Message(id, message));
        self.apply(actions)
    }

    fn apply(&mut self, actions: Actions) -> Option<String> {
        let mut failure = None;
        for action in actions {
            match action {
                Action::Send(WorkerId(id), ToWorker::Grant { units, .. }) => {
                    self.workers[id as usize - 1].granted += units;
                }
                Action::Fail(why) => failure = Some(why),
                other => panic!("{other:?}"),
            }
        }
        failure
    }

    /// One second passes.
    fn second(&mut self) -> Option<String> {
        for worker in 0..self.workers.len() {
            let Speaker { requests, waits_for_units, .. } = self.workers[worker];
            let last_error = "it hangs".to_owned();
            let stats = Stats { requests, waits_for_units, last_error, ..Stats::default() };
            self.tell(worker, FromWorker::Heartbeat(stats));
        }
        for _ in 0..10 {
            self.now += TICK;
            let actions = self.schedule.handle(self.now, Event::Tick);
            if let Some(failure) = self.apply(actions) {
                return Some(failure);
            }
        }
        None
    }

    /// Runs until the job fails, or for this long.
    fn given_up_within(&mut self, limit: Duration) -> Option<(Duration, String)> {
        let since = self.now;
        while self.now < since + limit {
            if let Some(why) = self.second() {
                return Some((self.now.saturating_sub(since), why));
            }
        }
        None
    }
}

#[test]
fn saving_up_for_the_largest_item_is_no_lack_of_progress() {
    let mut job = Slow::new(1);
    job.need(0, 400);
    job.workers[0].waits_for_units = true;
    let mut waited = 0;
    while job.workers[0].granted < Units::from_units(400) {
        assert_eq!(job.second(), None, "after {waited} s");
        waited += 1;
        assert!(waited < 30 * 60, "400 units come in less than half an hour");
    }
    assert!(waited > 25 * 60, "{waited} s");
    job.workers[0] = Speaker { requests: 1, waits_for_units: false, ..job.workers[0] };
    assert_eq!(job.second(), None);
}

#[test]
fn what_is_paid_for_and_does_not_come_ends_the_job_after_ten_minutes() {
    let mut job = Slow::new(1);
    job.need(0, 200);
    job.workers[0].waits_for_units = true;
    while job.workers[0].granted < Units::from_units(200) {
        assert_eq!(job.second(), None);
    }
    job.workers[0].waits_for_units = false;
    let (after, why) = job.given_up_within(Duration::from_mins(20)).expect("it is given up");
    assert!(after + SECOND >= NO_PROGRESS && after < NO_PROGRESS + 3 * SECOND, "{after:?}");
    assert!(why.contains("10 minutes") && why.contains("it hangs"), "{why}");
}

#[test]
fn one_that_hangs_is_not_excused_by_another_that_waits_for_units() {
    let mut job = Slow::new(2);
    job.need(0, 400);
    job.need(1, 400);
    job.workers[0].waits_for_units = true;
    let (after, _) = job.given_up_within(Duration::from_mins(20)).expect("it is given up");
    assert!(after < NO_PROGRESS + 3 * SECOND, "{after:?}");
}

#[test]
fn time_in_which_nothing_comes_adds_up_between_waits_for_units() {
    let mut job = Slow::new(1);
    job.need(0, 100_000);
    let mut hung = 0;
    let why = (0..).find_map(|second| {
        assert!(second < 60 * 60, "it is given up");
        let waits = second % 3 != 0;
        job.workers[0].waits_for_units = waits;
        hung += u64::from(!waits);
        job.second()
    });
    assert!(why.is_some());
    assert!(hung.abs_diff(NO_PROGRESS.as_secs()) < 5, "{hung} s");
}

#[test]
fn workers_without_tasks_excuse_nobody_and_need_no_excuse() {
    let mut job = Slow::new(2);
    // The second worker has finished its tasks, and has no part in what the first waits for.
    let lease_of_second = FromWorker::Sealed(Sealed {
        part: None,
        steps: vec![Step {
            segment: Segment(1),
            attempt: Attempt(1),
            from_page: 0,
            to_page: 1,
            items: 0,
            position: Position::Done,
        }],
    });
    assert_eq!(job.tell(1, lease_of_second), None);
    job.need(0, 400);
    job.workers[0].waits_for_units = true;
    assert_eq!(job.given_up_within(Duration::from_mins(25)), None);
    (job.workers[0].waits_for_units, job.workers[1].waits_for_units) = (false, true);
    assert!(job.given_up_within(Duration::from_mins(11)).is_some());
}

#[test]
fn one_that_has_got_all_it_asked_for_waits_for_nothing() {
    let mut job = Slow::new(1);
    job.need(0, 1);
    job.workers[0].waits_for_units = true;
    let (after, _) = job.given_up_within(Duration::from_mins(20)).expect("it is given up");
    assert!(after < NO_PROGRESS + 10 * SECOND, "{after:?}");
}
