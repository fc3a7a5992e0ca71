//! A pass that begins with the workers of the one before.

use super::*;

fn next_pass(supply: WorkerSupply, workers: &[u32], last: u32) -> (Exporting, Actions) {
    let segments = TotalSegments::try_from(3).unwrap();
    let workers = workers.iter().copied().map(WorkerId).collect();
    let present = Present { workers, last: WorkerId(last) };
    begun_with(ExportState::new(begin(segments), true), supply, &present)
}

#[test]
fn workers_of_the_pass_before_stay_and_only_missing_ones_are_started_with_new_numbers() {
    let (mut schedule, actions) = next_pass(WorkerSupply::Spawn(3), &[1, 4], 6);
    assert_eq!(actions, [Action::Start(WorkerId(7))]);
    for worker in [1, 4, 7] {
        let actions = schedule.handle(START, Event::Connected(WorkerId(worker)));
        assert!(matches!(&actions[..], [Action::Send(WorkerId(id), ToWorker::Export(_))] if *id == worker));
        assert_eq!(leases_in(&say(&mut schedule, worker, FromWorker::Want(1))).len(), 1);
    }
    let actions = schedule.handle(START, Event::Lost(WorkerId(4), "gone".into()));
    assert_eq!(actions.first(), Some(&Action::Start(WorkerId(8))));
    assert_eq!(schedule.num_lost(), 1, "each pass counts its own");
}

#[test]
fn a_worker_that_was_started_in_the_pass_before_and_never_connects_is_lost_after_a_minute() {
    let (mut schedule, actions) = next_pass(WorkerSupply::Spawn(1), &[2], 2);
    assert_eq!(actions, []);
    let mut started = Vec::new();
    for second in 1..=62 {
        let actions = schedule.handle(Duration::from_secs(second), Event::Tick);
        started.extend(actions.into_iter().filter(|action| matches!(action, Action::Start(_))));
    }
    assert_eq!(started, [Action::Start(WorkerId(3))]);
}

#[test]
fn workers_that_a_cluster_starts_are_known_once_they_are_connected() {
    let (mut schedule, actions) = next_pass(WorkerSupply::External(2), &[], 5);
    assert_eq!((actions, schedule.num_workers()), (Vec::new(), 0));
    schedule.handle(START, Event::Connected(WorkerId(5)));
    assert_eq!(leases_in(&say(&mut schedule, 5, FromWorker::Want(1))).len(), 1);
}
