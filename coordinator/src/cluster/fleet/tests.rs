//! Real streams of workers on a cluster that starts nothing.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use job::control::{Boot, PROTOCOL, wire};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::server::tests::{Caller, call, hello, plane};

const PATIENCE: Duration = Duration::from_secs(20);
/// Long enough that a message would have arrived.
const A_WHILE: Duration = Duration::from_millis(300);

/// How its workers were ended, in order.
type Stops = Arc<Mutex<Vec<Shutdown>>>;

struct Recorded {
    is_watched: bool,
    stops: Stops,
}

#[tonic::async_trait]
impl Cluster for Recorded {
    async fn start(&mut self, workers: u32, _: &Boot) -> Result<WorkerSupply, Failure> {
        Ok(WorkerSupply::External(workers))
    }

    fn spawn(&mut self, _: WorkerId) -> Result<(), SpawnError> {
        Err(SpawnError::ByItself)
    }

    fn release(&mut self, _: WorkerId) -> bool {
        false
    }

    fn is_watched(&self) -> bool {
        self.is_watched
    }

    async fn poll(&mut self) -> ClusterEvent {
        std::future::pending().await
    }

    async fn stop(&mut self, ending: Shutdown) {
        self.stops.lock().unwrap_or_else(PoisonError::into_inner).push(ending);
    }
}

struct Test {
    fleet: Fleet,
    boot: Boot,
    stops: Stops,
    notes: Arc<Mutex<Vec<String>>>,
    stop: Stop,
}

async fn fleet(is_watched: bool) -> Test {
    let plane = plane().await;
    let (stops, notes) = (Stops::default(), Arc::<Mutex<Vec<String>>>::default());
    let heard = notes.clone();
    let note = Arc::new(move |line| heard.lock().unwrap().push(line));
    let cluster = Recorded { is_watched, stops: stops.clone() };
    let boot = plane.boot().clone();
    let fleet = Fleet::new(plane, Box::new(cluster), None, note, Stream::new());
    Test { fleet, boot, stops, notes, stop: Stop::new(&CancellationToken::new(), None) }
}

impl Test {
    async fn joined(&mut self) -> (Caller, WorkerId) {
        let caller = call(&self.boot, hello(PROTOCOL, None)).await.unwrap();
        match self.next().await {
            FleetEvent::Connected(worker) => (caller, worker),
            _ => panic!("it has not joined"),
        }
    }

    async fn next(&mut self) -> FleetEvent {
        tokio::time::timeout(PATIENCE, self.fleet.next()).await.unwrap()
    }

    fn stops(&self) -> Vec<Shutdown> {
        self.stops.lock().unwrap().clone()
    }
}

/// The next message to a worker; `None` if its stream ends.
async fn told(caller: &mut Caller) -> Option<ToWorker> {
    let message = tokio::time::timeout(PATIENCE, caller.hears.message()).await.unwrap();
    message.ok().flatten().map(|message| message.try_into().unwrap())
}

async fn say(caller: &Caller, pass: u32, message: FromWorker) {
    caller.says.send(wire::FromWorker::in_pass(PassNumber(pass), message)).await.unwrap();
}

#[tokio::test]
async fn what_a_worker_says_of_an_earlier_pass_is_not_heard_in_the_next() {
    let mut test = fleet(true).await;
    assert_eq!(test.fleet.begin(3).await.unwrap(), WorkerSupply::External(3));
    let (mut caller, worker) = test.joined().await;
    assert_eq!(told(&mut caller).await, Some(ToWorker::Pass(PassNumber(1))));
    say(&caller, 1, FromWorker::Want(1)).await;
    assert!(matches!(test.next().await, FleetEvent::Message(who, FromWorker::Want(1)) if who == worker));

    say(&caller, 1, FromWorker::Want(2)).await;
    assert_eq!(test.fleet.begin(3).await.unwrap(), WorkerSupply::External(3));
    assert_eq!(test.fleet.connected(), [worker]);
    assert_eq!(told(&mut caller).await, Some(ToWorker::Pass(PassNumber(2))));
    say(&caller, 1, FromWorker::Want(3)).await;
    say(&caller, 2, FromWorker::Want(4)).await;
    assert!(matches!(test.next().await, FleetEvent::Message(who, FromWorker::Want(4)) if who == worker));
}

#[tokio::test]
async fn a_worker_that_comes_or_goes_while_there_is_no_work_is_noted_and_takes_part_in_the_next_pass() {
    let mut test = fleet(true).await;
    test.fleet.begin(2).await.unwrap();
    let (leaving, first) = test.joined().await;
    let idle = async {
        drop(leaving);
        let coming = call(&test.boot, hello(PROTOCOL, None)).await.unwrap();
        tokio::time::sleep(A_WHILE).await;
        coming
    };
    let mut coming = test.fleet.during(idle).await;
    assert_eq!(test.fleet.connected(), [first.next()]);
    assert_eq!(*test.notes.lock().unwrap(), ["worker 1 was lost (closed its stream); it had no work"]);
    assert_eq!(told(&mut coming).await, Some(ToWorker::Pass(PassNumber(1))));
    test.fleet.begin(2).await.unwrap();
    assert_eq!(told(&mut coming).await, Some(ToWorker::Pass(PassNumber(2))));
    assert_eq!(test.fleet.present().last, first.next());
}

#[tokio::test]
async fn only_workers_of_a_job_that_is_done_are_told_to_finish() {
    for (ending, farewell) in [(Shutdown::Graceful, Some(ToWorker::Finish)), (Shutdown::Kill, None)] {
        let mut test = fleet(true).await;
        test.fleet.begin(1).await.unwrap();
        let (mut caller, _) = test.joined().await;
        told(&mut caller).await;
        test.fleet.end_unless_watched(&test.stop).await;
        assert_eq!(test.stops(), [], "others judge by them");
        test.fleet.end(ending, &test.stop).await;
        assert_eq!(told(&mut caller).await, farewell);
        assert_eq!(told(&mut caller).await, None);
        assert_eq!(test.stops(), [ending]);
    }
}

#[tokio::test]
async fn workers_that_nobody_watches_end_with_the_last_pass() {
    let mut test = fleet(false).await;
    test.fleet.begin(1).await.unwrap();
    let (mut caller, _) = test.joined().await;
    told(&mut caller).await;
    test.fleet.end_unless_watched(&test.stop).await;
    assert_eq!(test.stops(), [Shutdown::Graceful]);
    assert_eq!(told(&mut caller).await, Some(ToWorker::Finish));
    assert_eq!(test.fleet.during(async { 7 }).await, 7);
}
