//! Drives the schedule: waits for workers, processes, stores and the clock, tells the core, and does
//! what it says. It decides nothing about the job.

mod events;
mod journaling;

use std::{
    collections::{BTreeMap, VecDeque},
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};

use engine::{
    rate::Limits,
    schedule::{Action, Event, Schedule, TICK, Work, WorkerSupply},
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
    progress::{Progress, Snapshot},
    server::ControlPlane,
    stop::Stop,
    table::TableFacts,
};
use journaling::{heartbeat_until_error, journal_error};

/// How often the table is looked at again: its capacity, and whether it is still the same.
const LOOK_EVERY: Duration = Duration::from_mins(1);

/// Calls of the work that are under way at once; thousands of workers may want a file in one moment.
const CALLS_AT_ONCE: usize = 64;

/// How long a call under way may still take when the job has failed or was stopped.
const CALL_LIMIT: Duration = Duration::from_secs(1);

/// A call that the work wants made; it may come to an event.
pub(crate) type Call<E> = Pin<Box<dyn Future<Output = Result<Option<E>, Fault>> + Send>>;

/// Does what the work of a job wants done.
pub(crate) trait Effects<W: Work> {
    /// Begins to do it.
    fn perform(&mut self, work: &W, action: W::Action) -> Call<W::Event>;
}

/// What a job may use, of a table as it is now.
pub(crate) type LimitsOf<'a> = Box<dyn Fn(&TableFacts) -> Limits + 'a>;

/// What the driver works with.
pub(crate) struct Driver<'a, H> {
    pub(crate) plane: ControlPlane,
    pub(crate) cluster: Box<dyn Cluster>,
    pub(crate) effects: H,
    pub(crate) clients: Clients,
    pub(crate) table: TableIdentity,
    /// Nothing if the table's capacity need not be followed.
    pub(crate) limits: Option<LimitsOf<'a>>,
    /// Where what has come to be so is kept, if anywhere.
    pub(crate) journal: Option<&'a mut Journal>,
    pub(crate) progress: &'a Progress,
}

/// A call that was under way.
enum Done<E> {
    Performed(Result<Option<E>, Fault>),
    Described(Box<Result<TableFacts, Fault>>),
}

struct Running<'a, W: Work, H> {
    driver: Driver<'a, H>,
    schedule: Schedule<W>,
    outboxes: BTreeMap<WorkerId, mpsc::Sender<ToWorker>>,
    /// What to call workers that a cluster has names for.
    names: BTreeMap<WorkerId, String>,
    /// Why the streams of workers that are about to end have ended.
    left: BTreeMap<WorkerId, String>,
    calls: JoinSet<Done<W::Event>>,
    /// For what the work wants done.
    places: Arc<Semaphore>,
    /// Events that came of actions.
    echoes: VecDeque<Event<W::Event>>,
    started: Instant,
    outcome: Option<Result<(), Failure>>,
}

impl<H> Driver<'_, H> {
    /// Runs the job until every task is done, it fails, or it is to stop. Whatever the outcome,
    /// no worker is left running and the schedule says what was done.
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
            // A cluster may take its time, and others must know that this job lives.
            failure = heartbeat_until_error(&mut self.journal) => Err(failure),
        };
        let planned = *supply.as_ref().unwrap_or(&WorkerSupply::External(0));
        let (schedule, actions) = Schedule::new(work, limits, planned, Duration::ZERO);
        let mut running = Running {
            driver: self,
            schedule,
            outboxes: BTreeMap::new(),
            names: BTreeMap::new(),
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
            self.driver
                .progress
                .note(&format!("worker {} was lost ({how}); others take over its work", self.name(*worker)));
        }
        let is_tick = matches!(event, Event::Tick);
        let actions = self.schedule.handle(self.started.elapsed(), event);
        self.perform(actions);
        if is_tick {
            self.keep();
            self.driver.progress.show(|| self.snapshot());
        }
    }

    fn name(&self, worker: WorkerId) -> String {
        self.names.get(&worker).cloned().unwrap_or_else(|| worker.to_string())
    }

    fn perform(&mut self, actions: Vec<Action<W::Action>>) {
        for action in actions {
            match action {
                Action::Start(worker) => {
                    if let Err(why) = self.driver.cluster.spawn(worker) {
                        self.echoes.push_back(Event::Lost(worker, why));
                    }
                }
                Action::Send(worker, message) => self.send(worker, message),
                Action::Disconnect(worker, why) => {
                    self.driver
                        .progress
                        .note(&format!("worker {} was disconnected: {why}", self.name(worker)));
                    self.outboxes.remove(&worker);
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

    fn snapshot(&self) -> Snapshot {
        Snapshot {
            elapsed: self.started.elapsed(),
            stats: self.schedule.stats(),
            workers: self.schedule.num_workers(),
            tasks: self.schedule.tasks(),
            rate: self.schedule.rate(),
            saves_units: self.schedule.saves_units(),
            trouble: self
                .schedule
                .trouble(self.started.elapsed())
                .map(|(silent, why)| format!("no progress for {} s: {why}", silent.as_secs())),
        }
    }

    /// Ends workers and calls under way, whatever the outcome.
    async fn end(mut self, outcome: Result<(), Failure>) -> (Schedule<W>, Result<(), Failure>) {
        let used = self.used();
        let Driver { mut plane, cluster, journal, .. } = self.driver;
        // What is still in the outboxes is delivered; then the streams end.
        self.outboxes.clear();
        match outcome {
            Ok(()) => tokio::select! {
                () = cluster.stop(Shutdown::Graceful) => {}
                () = plane.dismiss() => {}
            },
            Err(_) => cluster.stop(Shutdown::Kill).await,
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
        if let Some(journal) = journal {
            journal.note(self.schedule.work_mut().take_facts());
            journal.count(&used);
        }
        (self.schedule, outcome)
    }
}
