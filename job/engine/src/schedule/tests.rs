use super::*;
use crate::export::{ExportAction, ExportEvent, ExportState, ExportWork};
use job::{
    control::{Sealed, SealedPart},
    ids::{Attempt, FileId, JobId, Segment},
    journal::Begin,
    schema::{KeyAttribute, KeyKind, KeySchema},
    spec::{AwsAccess, ExportSettings, FileOptions, FixedOptions},
    target::Target,
    task::{Lease, Position, Step, TotalSegments},
};

const START: Duration = Duration::ZERO;

pub(super) type Exporting = Schedule<ExportWork>;
type Actions = Vec<Action<ExportAction>>;

pub(super) fn started(segments: u32, num_workers: u32) -> (Exporting, Actions) {
    hired(segments, WorkerSupply::Spawn(num_workers))
}

fn hired(segments: u32, supply: WorkerSupply) -> (Exporting, Actions) {
    let segments = TotalSegments::try_from(segments).unwrap();
    begun(ExportState::new(begin(segments), true), supply)
}

/// The fact that an export of this many segments begins with.
pub(super) fn begin(segments: TotalSegments) -> Begin {
    let partition = KeyAttribute { name: "id".into(), kind: KeyKind::S };
    Begin {
        job: JobId::from_u128(7),
        table: "t".into(),
        arn: None,
        table_id: None,
        keys: KeySchema { partition, sort: None },
        options: FixedOptions { files: FileOptions::default(), consistent: false, segments },
        started_at: String::new(),
        expected_items: 0,
        description: serde_json::Value::Null,
        table_settings: None,
    }
}

/// A job that resumes from a state.
pub(super) fn begun(state: ExportState, supply: WorkerSupply) -> (Exporting, Actions) {
    begun_with(state, supply, &Present::default())
}

fn begun_with(state: ExportState, supply: WorkerSupply, present: &Present) -> (Exporting, Actions) {
    let settings = ExportSettings {
        table: "t".into(),
        options: state.begin.options,
        target: Target::File { dir: "/tmp/x".into() },
        upload_part_bytes: 1,
        part_file_bytes: 1,
        mean_item_bytes: 0,
        aws: AwsAccess::default(),
    };
    let work = ExportWork::new(state, settings);
    let limits = Limits::table(Rate::from_units_per_second(1000));
    Schedule::with(work, limits, supply, present, START)
}

mod patience;
mod present;
mod status;

fn joined(segments: u32, num_workers: u32) -> Exporting {
    let (mut schedule, actions) = started(segments, num_workers);
    for action in actions {
        let Action::Start(worker) = action else { panic!("{action:?}") };
        schedule.handle(START, Event::Connected(worker));
    }
    schedule
}

fn say(schedule: &mut Exporting, worker: u32, message: FromWorker) -> Actions {
    schedule.handle(START, Event::Message(WorkerId(worker), message))
}

fn leases_in(actions: &[Action<ExportAction>]) -> Vec<Lease> {
    let lease = |action: &Action<ExportAction>| match action {
        Action::Send(_, ToWorker::Lease(lease)) => Some(lease.clone()),
        _ => None,
    };
    actions.iter().filter_map(lease).collect()
}

fn open_file(schedule: &mut Exporting, worker: u32) -> FileId {
    let actions = say(schedule, worker, FromWorker::WantFile);
    let [Action::Work(ExportAction::OpenFile(file, _))] = actions[..] else { panic!("{actions:?}") };
    schedule.handle(START, Event::Work(ExportEvent::Opened(file, "upload".parse().unwrap())));
    file
}

fn done(lease: &Lease, items: u64) -> Step {
    Step {
        segment: lease.segment,
        attempt: lease.attempt,
        from_page: lease.mark.pages,
        to_page: lease.mark.pages + 1,
        items,
        position: Position::Done,
    }
}

fn part(file: FileId, items: u64) -> SealedPart {
    SealedPart {
        file,
        number: 1,
        etag: String::new(),
        crc32c: 0,
        bytes: 10,
        items,
        line_bytes: 10,
        last: true,
    }
}

#[test]
fn a_job_is_complete_when_every_segment_is_sealed() {
    let mut schedule = joined(2, 1);
    let leases = leases_in(&say(&mut schedule, 1, FromWorker::Want(3)));
    assert_eq!(leases.len(), 2);
    let file = open_file(&mut schedule, 1);
    let steps = vec![done(&leases[0], 5)];
    say(&mut schedule, 1, FromWorker::Sealed(Sealed { part: Some(part(file, 5)), steps }));
    let steps = vec![done(&leases[1], 0)];
    let actions = say(&mut schedule, 1, FromWorker::Sealed(Sealed { part: None, steps }));
    assert_eq!(actions, [Action::Complete]);
    assert_eq!(schedule.work().state().sealed_items(), 5);
}

#[test]
fn who_asks_when_no_segment_is_left_is_told_to_drain_once() {
    let mut schedule = joined(1, 2);
    say(&mut schedule, 1, FromWorker::Want(1));
    assert_eq!(say(&mut schedule, 2, FromWorker::Want(1)), [Action::Send(WorkerId(2), ToWorker::Drain)]);
    assert_eq!(say(&mut schedule, 2, FromWorker::Want(2)), []);
}

#[test]
fn a_lost_workers_segment_goes_to_one_that_waits() {
    let mut schedule = joined(1, 2);
    let first = leases_in(&say(&mut schedule, 1, FromWorker::Want(1))).remove(0);
    say(&mut schedule, 2, FromWorker::Want(1));
    let file = open_file(&mut schedule, 1);
    let actions = schedule.handle(START, Event::Lost(WorkerId(1), "killed".into()));
    assert_eq!(actions[0], Action::Work(ExportAction::Fence(file)));
    assert_eq!(actions[1], Action::Start(WorkerId(3)));
    let again = leases_in(&actions).remove(0);
    assert_eq!((again.segment, again.attempt), (first.segment, first.attempt.next()));
    // Later messages of the lost worker have no effect, and the part that it sealed late is not accepted.
    let late = Sealed { part: Some(part(file, 1)), steps: vec![done(&first, 1)] };
    assert_eq!(say(&mut schedule, 1, FromWorker::Sealed(late)), []);
    assert_eq!(schedule.work().state().sealed_items(), 0);
}

#[test]
fn a_part_is_taken_with_all_its_steps_or_not_at_all() {
    let mut schedule = joined(2, 1);
    let leases = leases_in(&say(&mut schedule, 1, FromWorker::Want(2)));
    let file = open_file(&mut schedule, 1);
    let mut stale = done(&leases[1], 2);
    stale.attempt = Attempt(9);
    let steps = vec![done(&leases[0], 3), stale];
    let actions = say(&mut schedule, 1, FromWorker::Sealed(Sealed { part: Some(part(file, 5)), steps }));
    assert!(matches!(&actions[0], Action::Disconnect(WorkerId(1), _)), "{actions:?}");
    assert_eq!((schedule.work().state().sealed_items(), schedule.work().state().files()[0].items()), (0, 0));
    assert_eq!(schedule.tasks(), (0, 2));
}

#[test]
fn items_that_no_part_holds_are_refused() {
    let mut schedule = joined(1, 1);
    let lease = leases_in(&say(&mut schedule, 1, FromWorker::Want(1))).remove(0);
    let sealed = Sealed { part: None, steps: vec![done(&lease, 1)] };
    let actions = say(&mut schedule, 1, FromWorker::Sealed(sealed));
    assert!(matches!(&actions[0], Action::Disconnect(..)), "{actions:?}");
}

#[test]
fn grants_are_shared_fairly_and_never_exceed_the_bucket() {
    let mut schedule = joined(4, 2);
    let need = |units| FromWorker::Need(Units::from_units(units));
    let granted = |actions: &[Action<ExportAction>]| -> Vec<u64> {
        let units = |action: &Action<ExportAction>| match action {
            Action::Send(_, ToWorker::Grant { units, .. }) => Some(units.milli()),
            _ => None,
        };
        actions.iter().filter_map(units).collect()
    };
    assert!(granted(&say(&mut schedule, 1, need(1_000_000))).is_empty(), "the bucket starts empty");
    say(&mut schedule, 2, need(1_000_000));
    schedule.handle(Duration::from_millis(100), Event::Tick);
    let shares = granted(&schedule.handle(Duration::from_millis(200), Event::Tick));
    assert!(shares.len() == 2 && shares[0].abs_diff(shares[1]) <= 1, "{shares:?}");
    assert!((95_000..=100_000).contains(&shares.iter().sum::<u64>()), "{shares:?}");
}

#[test]
fn who_has_read_everything_is_granted_nothing_more() {
    let mut schedule = joined(1, 2);
    let lease = leases_in(&say(&mut schedule, 1, FromWorker::Want(1))).remove(0);
    say(&mut schedule, 2, FromWorker::Want(1));
    let need = FromWorker::Need(Units::from_units(10));
    say(&mut schedule, 2, need.clone());
    say(&mut schedule, 1, need);
    let granted = |actions: &Actions, to: u32| {
        let units = Units::from_units(10);
        matches!(actions[..], [Action::Send(WorkerId(id), ToWorker::Grant { units: got, .. })] if (id, got) == (to, units))
    };
    let actions = schedule.handle(TICK, Event::Tick);
    assert!(granted(&actions, 1), "the other has nothing to read: {actions:?}");
    // The tasks of the first worker go to it: now it needs units, and what it asked for counts.
    let actions = schedule.handle(TICK, Event::Lost(WorkerId(1), "killed".into()));
    assert_eq!(leases_in(&actions)[0].segment, lease.segment);
    let actions = schedule.handle(2 * TICK, Event::Tick);
    assert!(granted(&actions, 2), "{actions:?}");
}

fn ticks_until(schedule: &mut Exporting, seconds: u64) -> Actions {
    let mut actions = Vec::new();
    let mut now = START;
    while now < Duration::from_secs(seconds) {
        now += TICK;
        actions.extend(schedule.handle(now, Event::Tick));
    }
    actions
}

#[test]
fn a_silent_worker_is_cut_off_and_replaced() {
    let mut schedule = joined(1, 1);
    let actions = ticks_until(&mut schedule, 11);
    assert!(
        matches!(actions[..], [Action::Disconnect(WorkerId(1), _), Action::Start(WorkerId(2))]),
        "{actions:?}"
    );
}

#[test]
fn nobody_is_silent_while_the_coordinator_itself_stood_still() {
    let mut schedule = joined(1, 1);
    assert_eq!(ticks_until(&mut schedule, 5), []);
    assert_eq!(schedule.handle(Duration::from_secs(25), Event::Tick), []);
}

#[test]
fn workers_that_die_at_once_are_not_started_for_ever() {
    let (mut schedule, _) = started(1, 1);
    let mut worker = WorkerId(1);
    for started in 1.. {
        assert!(started < 20, "started {started} times");
        match &schedule.handle(START, Event::Lost(worker, "exit code 1".into()))[..] {
            [Action::Start(next)] => worker = *next,
            [Action::Fail(why)] => {
                assert!(why.contains("exit code 1"));
                break;
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_job_that_reads_nothing_for_ten_minutes_fails_and_says_why() {
    let mut schedule = joined(1, 1);
    let mut now = START;
    let failed = (0..).find_map(|_| {
        now += Duration::from_secs(1);
        let stats = Stats { last_error: "throttled".into(), ..Stats::default() };
        schedule.handle(now, Event::Message(WorkerId(1), FromWorker::Heartbeat(stats)));
        let mut actions = schedule.handle(now, Event::Tick);
        assert!(now < Duration::from_secs(1000));
        match actions.pop() {
            Some(Action::Fail(why)) => Some(why),
            _ => None,
        }
    });
    assert!(failed.unwrap().contains("throttled"));
    assert!(now > NO_PROGRESS);
}

#[test]
fn a_segment_that_does_not_exist_ends_the_connection() {
    let mut schedule = joined(1, 1);
    let lease = leases_in(&say(&mut schedule, 1, FromWorker::Want(1))).remove(0);
    let step = Step { segment: Segment(7), ..done(&lease, 0) };
    let actions = say(&mut schedule, 1, FromWorker::Sealed(Sealed { part: None, steps: vec![step] }));
    assert!(matches!(&actions[0], Action::Disconnect(..)), "{actions:?}");
}

fn awaiting(most: u32) -> Exporting {
    let (schedule, actions) = hired(2, WorkerSupply::External(most));
    assert_eq!(actions, []);
    schedule
}

#[test]
fn workers_that_come_by_themselves_are_taken_on_whenever_they_come() {
    let mut schedule = awaiting(1);
    let mut told = schedule.handle(START, Event::Connected(WorkerId(7)));
    assert!(matches!(told.remove(0), Action::Send(WorkerId(7), ToWorker::Export(_))));
    assert_eq!(leases_in(&say(&mut schedule, 7, FromWorker::Want(1))).len(), 1);
    let lost = schedule.handle(START, Event::Lost(WorkerId(7), "preempted".into()));
    assert_eq!(lost, [], "somebody else sees to it that another comes");
    schedule.handle(START, Event::Connected(WorkerId(8)));
    assert_eq!(leases_in(&say(&mut schedule, 8, FromWorker::Want(2))).len(), 2);
}

#[test]
fn a_cluster_may_take_its_time_to_find_room() {
    let mut schedule = awaiting(1);
    assert_eq!(ticks_until(&mut schedule, 3 * NO_PROGRESS.as_secs()), []);
}

#[test]
fn the_job_fails_when_no_worker_will_come_any_more() {
    let mut schedule = awaiting(3);
    let failed = schedule.handle(START, Event::ClusterEnded("the application was killed".into()));
    assert_eq!(failed, [Action::Fail("the application was killed".into())]);
}

#[test]
fn workers_that_come_only_to_die_are_not_awaited_for_ever() {
    let mut schedule = awaiting(1);
    let failed = (1..20).find_map(|number| {
        schedule.handle(START, Event::Connected(WorkerId(number)));
        match &schedule.handle(START, Event::Lost(WorkerId(number), "exit code 1".into()))[..] {
            [] => None,
            [Action::Fail(why)] => Some((number, why.clone())),
            other => panic!("{other:?}"),
        }
    });
    assert!(matches!(failed, Some((6, why)) if why.contains("exit code 1")));
}

#[test]
fn only_all_of_it_is_100_percent() {
    assert_eq!(percent(50, 100, (1, 4)), 50);
    assert_eq!(percent(0, 0, (1, 4)), 25, "of a table that was not counted");
    assert_eq!(percent(500, 100, (1, 4)), 99, "a table may have grown");
    assert_eq!(percent(5, 100, (4, 4)), 100, "or shrunk");
}
