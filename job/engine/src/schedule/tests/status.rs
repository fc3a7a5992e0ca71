use events::{LimitedBy, Phase};

use super::*;

fn pass(expected_items: u64) -> Pass {
    Pass { table: "t".into(), expected_items: Some(expected_items), ..Pass::default() }
}

const fn second(number: u64) -> Duration {
    Duration::from_secs(number)
}

fn beat(schedule: &mut Exporting, now: Duration, worker: u32, stats: Stats) {
    let message = FromWorker::Heartbeat(stats);
    schedule.handle(now, Event::Message(WorkerId(worker), message));
}

/// Statistics after this many seconds in which a worker read 100 items of 10 units.
fn steady(seconds: u64) -> Stats {
    Stats {
        items: 100 * seconds,
        bytes: 1000 * seconds,
        consumed: Units::from_units(10 * seconds),
        requests: seconds,
        streams: 1,
        ..Stats::default()
    }
}

#[test]
fn a_status_tells_what_each_worker_and_the_whole_job_do() {
    let mut schedule = joined(4, 2);
    let leases: Vec<Lease> =
        (1..=2).flat_map(|worker| leases_in(&say(&mut schedule, worker, FromWorker::Want(1)))).collect();
    let mut status = schedule.status(START, &pass(4000));
    for at in 1..=10 {
        schedule.handle(second(at), Event::Tick);
        beat(&mut schedule, second(at), 1, steady(at));
        beat(&mut schedule, second(at), 2, Stats { items: 50 * at, ..steady(at) });
        status = schedule.status(second(at), &pass(4000));
    }
    assert_eq!((status.items, status.percent, status.is_estimate), (1500, Some(37.5), true));
    assert!((status.items_per_second - 150.0).abs() < 1.0, "{status:?}");
    assert!((status.units_per_second - 20.0).abs() < 0.1, "{status:?}");
    assert!((status.budget_units_per_second - 1000.0).abs() < 0.1);
    assert!((status.seconds_left.unwrap() - 2500.0 / 150.0).abs() < 0.1, "{status:?}");
    assert_eq!(status.limit.as_ref().map(|limit| limit.by), Some(LimitedBy::Workers));
    let rates: Vec<(u32, String)> = status
        .workers
        .shown
        .iter()
        .map(|worker| (worker.worker, format!("{:.0}", worker.items_per_second.floor())))
        .collect();
    assert_eq!(rates, [(2, "50".to_owned()), (1, "100".to_owned())], "the slowest first");
    assert_eq!((status.workers.connected, status.workers.planned, status.workers.lost), (2, 2, 0));
    assert_eq!((status.tasks.done, status.tasks.running, status.tasks.all), (0, 2, 4));

    let file = open_file(&mut schedule, 1);
    let sealed = Sealed { part: Some(part(file, 700)), steps: vec![done(&leases[0], 700)] };
    say(&mut schedule, 1, FromWorker::Sealed(sealed));
    schedule.handle(second(11), Event::Lost(WorkerId(2), "killed".into()));
    let status = schedule.status(second(11), &pass(4000));
    assert_eq!((status.tasks.done, status.tasks.running, status.workers.lost), (1, 0, 1));
    assert_eq!(status.tasks.slowest[0].items, Some(700));
    assert_eq!(status.items, 1500, "what a lost worker read still counts");
}

#[test]
fn a_silent_worker_comes_first() {
    let mut schedule = joined(4, 3);
    for at in 1..=8 {
        schedule.handle(second(at), Event::Tick);
        for worker in 1..=3 {
            if worker != 3 || at < 3 {
                beat(&mut schedule, second(at), worker, steady(at));
            }
        }
        schedule.status(second(at), &pass(4000));
    }
    let status = schedule.status(second(8), &pass(4000));
    let silent = &status.workers.shown[0];
    assert_eq!((silent.worker, silent.last_heard_seconds), (3, 6.0));
}

#[test]
fn a_job_without_workers_waits_for_containers() {
    let (mut schedule, _) = hired(4, WorkerSupply::External(3));
    let status = schedule.status(second(1), &pass(4000));
    let limit = status.limit.unwrap();
    assert_eq!((limit.by, limit.text.as_str()), (LimitedBy::Containers, "0 of 3 workers connected"));
    assert_eq!(status.phase, Phase::Reading);
}

#[test]
fn the_status_of_the_largest_job_is_small() {
    // The size does not depend on the number of segments that nobody works on. A million would take minutes here,
    // because every step checks the invariants of all.
    let mut schedule = joined(40_000, 2_000);
    for worker in 1..=2000 {
        say(&mut schedule, worker, FromWorker::Want(16));
        beat(&mut schedule, second(1), worker, steady(u64::from(worker)));
    }
    let status = schedule.status(second(1), &pass(1 << 40));
    assert_eq!((status.tasks.running, status.workers.connected), (32_000, 2000));
    let bytes = serde_json::to_vec(&status).unwrap().len();
    assert!(bytes < 20_000, "{bytes}");
}
