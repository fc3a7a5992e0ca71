//! Drives the schedule: waits for workers, processes, stores and the clock, tells the core, and does
//! what it says. A shell: it decides nothing about the job.

use std::{
    collections::{BTreeMap, VecDeque},
    pin::Pin,
    time::{Duration, Instant},
};

use job::{
    control::{Boot, ToWorker},
    ids::WorkerId,
};
use job_aws::{Clients, Fault};
use tokio::{sync::mpsc, task::JoinSet, time::MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::{
    cluster::local::LocalCluster,
    dynamodb,
    failure::Failure,
    pace::Limits,
    progress::{Progress, Snapshot},
    schedule::{Action, Event, Schedule, TICK, Work},
    server::{ControlPlane, Incoming},
    table::TableFacts,
};

/// How often the table's capacity is looked at again.
const RATE_REFRESH: Duration = Duration::from_mins(1);

/// How long a call under way may still take when the job has failed or was stopped.
const CALL_LIMIT: Duration = Duration::from_secs(1);

/// A call that the work wants made; it may come to an event.
pub(crate) type Call<E> = Pin<Box<dyn Future<Output = Result<Option<E>, Fault>> + Send>>;

/// Does what the work of a job wants done.
pub(crate) trait Hands<W: Work> {
    /// Begins to do it.
    fn perform(&mut self, work: &W, action: W::Action) -> Call<W::Event>;
}

/// What a job may use, of a table as it is now.
pub(crate) type LimitsOf<'a> = Box<dyn Fn(&TableFacts) -> Limits + 'a>;

/// What the driver works with.
pub(crate) struct Driver<'a, H> {
    pub(crate) plane: ControlPlane,
    pub(crate) cluster: LocalCluster,
    pub(crate) hands: H,
    pub(crate) clients: Clients,
    pub(crate) table: String,
    /// Nothing if the table's capacity need not be followed.
    pub(crate) limits: Option<LimitsOf<'a>>,
    pub(crate) progress: &'a Progress,
}

/// A call that was under way.
enum Done<E> {
    Performed(Result<Option<E>, Fault>),
    Described(Result<TableFacts, Fault>),
}

struct Running<'a, W: Work, H> {
    driver: Driver<'a, H>,
    schedule: Schedule<W>,
    outboxes: BTreeMap<WorkerId, mpsc::Sender<ToWorker>>,
    /// Why the streams of workers that are about to end have ended.
    left: BTreeMap<WorkerId, String>,
    calls: JoinSet<Done<W::Event>>,
    /// Events that came of actions.
    echoes: VecDeque<Event<W::Event>>,
    started: Instant,
    outcome: Option<Result<(), Failure>>,
}

impl<H> Driver<'_, H> {
    /// Runs the job until every task is done, it fails, or `stop` is cancelled. Whatever the outcome,
    /// no worker is left running and the schedule says what was done.
    pub(crate) async fn run<W: Work>(
        self,
        work: W,
        limits: Limits,
        num_workers: u32,
        stop: &CancellationToken,
    ) -> (Schedule<W>, Result<(), Failure>)
    where
        H: Hands<W>,
    {
        let (schedule, actions) = Schedule::new(work, limits, num_workers, Duration::ZERO);
        let mut running = Running {
            driver: self,
            schedule,
            outboxes: BTreeMap::new(),
            left: BTreeMap::new(),
            calls: JoinSet::new(),
            echoes: VecDeque::new(),
            started: Instant::now(),
            outcome: None,
        };
        running.perform(actions);
        let outcome = running.drive(stop).await;
        running.end(outcome).await
    }
}

impl<W: Work, H: Hands<W>> Running<'_, W, H> {
    async fn drive(&mut self, stop: &CancellationToken) -> Result<(), Failure> {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut refresh = tokio::time::interval_at(tokio::time::Instant::now() + RATE_REFRESH, RATE_REFRESH);
        loop {
            if let Some(outcome) = self.outcome.take() {
                return outcome;
            }
            let event = if let Some(event) = self.echoes.pop_front() {
                Some(event)
            } else {
                tokio::select! {
                    incoming = self.driver.plane.inbox.recv() => incoming.and_then(|incoming| self.incoming(incoming)),
                    (worker, how) = self.driver.cluster.ended() => Some(self.ended(worker, how)),
                    Some(done) = self.calls.join_next() => self.done(done),
                    _ = tick.tick() => Some(Event::Tick),
                    _ = refresh.tick() => { self.look_at_table(); None }
                    () = stop.cancelled() => return Err(Failure::Stopped("stopped by a signal".into())),
                }
            };
            if let Some(event) = event {
                self.handle(event);
            }
        }
    }

    fn handle(&mut self, event: Event<W::Event>) {
        if let Event::Lost(worker, how) = &event
            && self.outboxes.remove(worker).is_some()
        {
            self.driver
                .progress
                .note(&format!("worker {worker} was lost ({how}); others take over its work"));
        }
        let is_tick = matches!(event, Event::Tick);
        let actions = self.schedule.handle(self.started.elapsed(), event);
        self.perform(actions);
        if is_tick {
            self.driver.progress.show(|| self.snapshot());
        }
    }

    fn incoming(&mut self, incoming: Incoming) -> Option<Event<W::Event>> {
        Some(match incoming {
            Incoming::Joined(newcomer, outbox) => {
                self.outboxes.insert(newcomer.worker, outbox);
                Event::Joined(newcomer.worker)
            }
            Incoming::Said(worker, message) => Event::Said(worker, message),
            Incoming::Left(worker, why) => {
                if self.driver.cluster.kill(worker) {
                    self.left.insert(worker, why);
                    return None;
                }
                Event::Lost(worker, why)
            }
        })
    }

    fn ended(&mut self, worker: WorkerId, how: Option<String>) -> Event<W::Event> {
        let why = self.left.remove(&worker);
        Event::Lost(worker, how.or(why).unwrap_or_else(|| "killed".into()))
    }

    fn done(&mut self, done: Result<Done<W::Event>, tokio::task::JoinError>) -> Option<Event<W::Event>> {
        match done {
            Ok(Done::Performed(Ok(event))) => event.map(Event::Work),
            Ok(Done::Described(Ok(facts))) => {
                self.driver.limits.as_ref().map(|limits| Event::Limits(limits(&facts)))
            }
            Ok(Done::Described(Err(fault))) => {
                self.driver
                    .progress
                    .note(&format!("the table's capacity could not be looked at again: {fault}"));
                None
            }
            Ok(Done::Performed(Err(fault))) => {
                self.outcome = Some(Err(Failure::failed(&fault)));
                None
            }
            Err(error) => {
                self.outcome = Some(Err(Failure::Failed(format!("internal error: {error}"))));
                None
            }
        }
    }

    fn perform(&mut self, actions: Vec<Action<W::Action>>) {
        for action in actions {
            match action {
                Action::Start(worker) => {
                    let boot = Boot { worker: Some(worker), ..self.driver.plane.boot().clone() };
                    if let Err(why) = self.driver.cluster.start(&boot) {
                        self.echoes.push_back(Event::Lost(worker, why));
                    }
                }
                Action::Send(worker, message) => self.send(worker, message),
                Action::Disconnect(worker, why) => {
                    self.driver.progress.note(&format!("worker {worker} is cut off: {why}"));
                    self.outboxes.remove(&worker);
                    self.driver.cluster.kill(worker);
                }
                Action::Work(action) => {
                    let call = self.driver.hands.perform(self.schedule.work(), action);
                    self.calls.spawn(async move { Done::Performed(call.await) });
                }
                Action::Complete => self.outcome = Some(Ok(())),
                Action::Fail(why) => self.outcome = Some(Err(Failure::Failed(why))),
            }
        }
    }

    fn send(&mut self, worker: WorkerId, message: ToWorker) {
        let sent = self.outboxes.get(&worker).map(|outbox| outbox.try_send(message));
        if let Some(Err(_)) = sent {
            self.driver.cluster.kill(worker);
            self.echoes.push_back(Event::Lost(worker, "it does not read what it is told".into()));
        }
    }

    fn look_at_table(&mut self) {
        if self.driver.limits.is_some() {
            let (clients, table) = (self.driver.clients.clone(), self.driver.table.clone());
            self.calls.spawn(async move { Done::Described(dynamodb::describe(&clients, &table).await) });
        }
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot {
            elapsed: self.started.elapsed(),
            stats: self.schedule.stats(),
            workers: self.schedule.num_workers(),
            tasks: self.schedule.tasks(),
            rate: self.schedule.rate(),
        }
    }

    /// Ends workers and calls under way, whatever the outcome.
    async fn end(mut self, outcome: Result<(), Failure>) -> (Schedule<W>, Result<(), Failure>) {
        let Driver { plane, cluster, .. } = self.driver;
        // What is still in the outboxes is delivered; then the streams end.
        self.outboxes.clear();
        match outcome {
            Ok(()) => cluster.finish().await,
            Err(_) => cluster.stop().await,
        }
        plane.stop().await;
        let mut outcome = outcome;
        // A job that failed or was stopped ends within seconds, whatever a store does.
        let limit = if outcome.is_ok() { Duration::MAX } else { CALL_LIMIT };
        while let Ok(Some(done)) = tokio::time::timeout(limit, self.calls.join_next()).await {
            match done {
                Ok(Done::Performed(Err(fault))) if outcome.is_ok() => outcome = Err(Failure::failed(&fault)),
                // An upload that was opened too late for its worker is still to be aborted.
                Ok(Done::Performed(Ok(Some(event)))) => drop(self.schedule.work_mut().happened(event)),
                _ => {}
            }
        }
        (self.schedule, outcome)
    }
}
