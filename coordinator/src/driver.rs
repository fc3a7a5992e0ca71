//! Drives the schedule: passes it the events of workers, processes, stores and the clock, and performs its actions. It
//! decides nothing about the job.

mod events;
mod journaling;
mod logging;
mod telling;

use std::{
    collections::{BTreeMap, VecDeque},
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};

use engine::{
    rate::Limits,
    schedule::{Action, Event, Pass, Schedule, TICK, Work, WorkerSupply},
};
use job::{control::ToWorker, ids::WorkerId};
use job_aws::{Clients, Fault};
use tokio::{
    sync::{Semaphore, mpsc},
    task::JoinSet,
    time::MissedTickBehavior,
};

use crate::{
    cluster::{Cluster, Shutdown},
    dynamodb,
    failure::Failure,
    identity::TableIdentity,
    journal::Journal,
    server::ControlPlane,
    stop::Stop,
    stream::Stream,
    table::TableFacts,
};
use journaling::{heartbeat_until_error, journal_error};
use telling::Told;

/// How often the table is checked: its capacity, and whether it is still the same table.
const LOOK_EVERY: Duration = Duration::from_mins(1);

/// The most calls in flight at once. Thousands of workers may need a file at the same moment.
const CALLS_AT_ONCE: usize = 64;

/// How long a call in flight may still take after the job has failed or was stopped.
const CALL_LIMIT: Duration = Duration::from_secs(1);

/// A call that the work requests. It may yield an event.
pub(crate) type Call<E> = Pin<Box<dyn Future<Output = Result<Option<E>, Fault>> + Send>>;

/// Performs the actions of a job's work.
pub(crate) trait Effects<W: Work> {
    /// Starts to perform an action.
    fn perform(&mut self, work: &W, action: W::Action) -> Call<W::Event>;
}

/// The limits of a job, from the table's current facts.
pub(crate) type LimitsOf<'a> = Box<dyn Fn(&TableFacts) -> Limits + 'a>;

/// What the driver works with.
pub(crate) struct Driver<'a, H> {
    pub(crate) plane: ControlPlane,
    pub(crate) cluster: Box<dyn Cluster>,
    pub(crate) effects: H,
    pub(crate) clients: Clients,
    pub(crate) table: TableIdentity,
    /// `None` if the limits do not depend on the table's capacity.
    pub(crate) limits: Option<LimitsOf<'a>>,
    /// The journal that facts go to, if there is one.
    pub(crate) journal: Option<&'a mut Journal>,
    /// Takes messages for the user.
    pub(crate) note: Arc<dyn Fn(String) + Send + Sync>,
    /// What the pass is about.
    pub(crate) pass: Pass,
    /// Takes the events of the pass, and its status once a second.
    pub(crate) stream: Stream,
}

/// The result of a call.
enum Done<E> {
    Performed(Result<Option<E>, Fault>),
    Described(Box<Result<TableFacts, Fault>>),
}

struct Running<'a, W: Work, H> {
    driver: Driver<'a, H>,
    schedule: Schedule<W>,
    outboxes: BTreeMap<WorkerId, mpsc::Sender<ToWorker>>,
    /// What is told of the pass.
    told: Told,
    /// Why the streams of ending workers ended.
    left: BTreeMap<WorkerId, String>,
    calls: JoinSet<Done<W::Event>>,
    /// Permits for the calls of the work.
    places: Arc<Semaphore>,
    /// Events that resulted from actions.
    echoes: VecDeque<Event<W::Event>>,
    started: Instant,
    outcome: Option<Result<(), Failure>>,
}

impl<H> Driver<'_, H> {
    /// Runs the job until every task is done, it fails, or it must stop. Whatever the outcome, no worker is left
    /// running, and the returned schedule says what was done.
    pub(crate) async fn run<W: Work>(
        mut self,
        work: W,
        limits: Limits,
        workers: u32,
        stop: &Stop,
    ) -> (Schedule<W>, Result<(), Failure>)
    where
        H: Effects<W>,
    {
        let supply = tokio::select! {
            supply = self.cluster.start(workers, self.plane.boot()) => supply,
            // A cluster may take long to start, and heartbeats must tell others meanwhile that this job is alive.
            failure = heartbeat_until_error(&mut self.journal) => Err(failure),
        };
        let planned = *supply.as_ref().unwrap_or(&WorkerSupply::External(0));
        let (schedule, actions) = Schedule::new(work, limits, planned, Duration::ZERO);
        let mut running = Running {
            driver: self,
            schedule,
            outboxes: BTreeMap::new(),
            told: Told::default(),
            left: BTreeMap::new(),
            calls: JoinSet::new(),
            places: Arc::new(Semaphore::new(CALLS_AT_ONCE)),
            echoes: VecDeque::new(),
            started: Instant::now(),
            outcome: None,
        };
        let outcome = match supply {
            Ok(_) => {
                running.perform(actions);
                running.drive(stop).await
            }
            Err(failure) => Err(failure),
        };
        running.end(outcome).await
    }
}

impl<W: Work, H: Effects<W>> Running<'_, W, H> {
    async fn drive(&mut self, stop: &Stop) -> Result<(), Failure> {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut look = tokio::time::interval_at(tokio::time::Instant::now() + LOOK_EVERY, LOOK_EVERY);
        loop {
            if let Some(outcome) = self.outcome.take() {
                return outcome;
            }
            let event = if let Some(event) = self.echoes.pop_front() {
                Some(event)
            } else {
                tokio::select! {
                    incoming = self.driver.plane.inbox.recv() => incoming.and_then(|incoming| self.incoming(incoming)),
                    happened = self.driver.cluster.poll() => Some(self.happened(happened)),
                    Some(done) = self.calls.join_next() => self.done(done),
                    _ = tick.tick() => Some(Event::Tick),
                    _ = look.tick() => { self.look_at_table(); None }
                    failure = journal_error(&mut self.driver.journal) => return Err(failure),
                    why = stop.requested() => return Err(Failure::Stopped(why.into())),
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
            (self.driver.note)(format!(
                "worker {} was lost ({how}); others take over its work",
                self.told.name(*worker)
            ));
            self.tell_lost(*worker, how, Some(self.schedule.held_by(*worker)));
        }
        let is_tick = matches!(event, Event::Tick);
        logging::event(&event, &self.schedule);
        self.tell_throttled(&event);
        let budget = matches!(event, Event::Limits(_)).then(|| self.schedule.rate());
        let actions = self.schedule.handle(self.started.elapsed(), event);
        self.perform(actions);
        if let Some(budget) = budget {
            self.tell_changed(budget);
        }
        if is_tick {
            let totals = self.schedule.stats();
            self.keep(&totals);
            self.tell_status(false);
        }
    }

    fn perform(&mut self, actions: Vec<Action<W::Action>>) {
        for action in actions {
            logging::action(&action);
            match action {
                Action::Start(worker) => {
                    if let Err(why) = self.driver.cluster.spawn(worker) {
                        self.echoes.push_back(Event::Lost(worker, why.to_string()));
                    }
                }
                Action::Send(worker, message) => self.send(worker, message),
                Action::Disconnect(worker, why) => {
                    (self.driver.note)(format!("worker {} was disconnected: {why}", self.told.name(worker)));
                    self.outboxes.remove(&worker);
                    // The schedule has already given its tasks to others.
                    self.tell_lost(worker, &why, None);
                    self.driver.cluster.release(worker);
                }
                Action::Work(action) => {
                    let call = self.driver.effects.perform(self.schedule.work(), action);
                    let places = self.places.clone();
                    self.calls.spawn(async move {
                        let _place = places.acquire().await;
                        Done::Performed(call.await)
                    });
                }
                Action::Complete => self.outcome = Some(Ok(())),
                Action::Fail(why) => self.outcome = Some(Err(Failure::Failed(why))),
            }
        }
    }

    fn send(&mut self, worker: WorkerId, message: ToWorker) {
        let sent = self.outboxes.get(&worker).map(|outbox| outbox.try_send(message));
        if let Some(Err(_)) = sent {
            self.driver.cluster.release(worker);
            self.echoes.push_back(Event::Lost(worker, "it does not read its messages".into()));
        }
    }

    fn look_at_table(&mut self) {
        let (clients, table) = (self.driver.clients.clone(), self.driver.table.asked.clone());
        self.calls
            .spawn(async move { Done::Described(Box::new(dynamodb::describe(&clients, &table).await)) });
    }

    /// Ends workers and calls in flight, whatever the outcome.
    async fn end(mut self, outcome: Result<(), Failure>) -> (Schedule<W>, Result<(), Failure>) {
        logging::ended(self.started.elapsed(), outcome.is_ok());
        self.tell_status(true);
        let used = self.used(&self.schedule.stats());
        let Driver { mut plane, cluster, journal, .. } = self.driver;
        match outcome {
            Ok(()) => {
                // Messages still in the outboxes are delivered before the streams end.
                self.outboxes.clear();
                tokio::select! {
                    () = cluster.stop(Shutdown::Graceful) => {}
                    () = plane.dismiss() => {}
                }
            }
            // Before their streams end: that is no news to anybody.
            Err(_) => cluster.stop(Shutdown::Kill).await,
        }
        self.outboxes.clear();
        plane.stop().await;
        let mut outcome = outcome;
        // A job that failed or was stopped ends within seconds, even if a store does not answer.
        let limit = if outcome.is_ok() { Duration::MAX } else { CALL_LIMIT };
        while let Ok(Some(done)) = tokio::time::timeout(limit, self.calls.join_next()).await {
            match done {
                Ok(Done::Performed(Err(fault))) if outcome.is_ok() => outcome = Err(Failure::failed(&fault)),
                // The upload was opened too late for its worker, and must still be aborted.
                Ok(Done::Performed(Ok(Some(event)))) => drop(self.schedule.work_mut().happened(event)),
                _ => {}
            }
        }
        if let Some(journal) = journal {
            journal.note(self.schedule.work_mut().take_facts());
            journal.count(&used);
        }
        (self.schedule, outcome)
    }
}
