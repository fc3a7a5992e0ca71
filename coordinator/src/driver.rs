//! Drives the schedule: passes it the events of workers, processes, stores and the clock, and performs its actions. It
//! decides nothing about the job.

mod ending;
mod events;
mod journaling;
mod logging;
mod reporting;

use std::{
    collections::VecDeque,
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
use tokio::{sync::Semaphore, task::JoinSet, time::MissedTickBehavior};

use crate::{
    aws::{dynamodb, identity::TableIdentity, table::TableFacts},
    cluster::fleet::Fleet,
    failure::Failure,
    journal::Journal,
    output::stream::Stream,
    stop::Stop,
};
use journaling::{heartbeat_until_error, journal_error};
use reporting::ReportedProgress;

/// How often the table is checked: its capacity, and whether it is still the same table.
const CHECK_TABLE_EVERY: Duration = Duration::from_mins(1);

/// The most calls in flight at once. Thousands of workers may need a file at the same moment.
const CALLS_AT_ONCE: usize = 64;

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
    pub(crate) fleet: &'a mut Fleet,
    pub(crate) effects: H,
    /// `None` if nothing of AWS is used.
    pub(crate) clients: Option<Clients>,
    /// The table that is looked at, if there is one.
    pub(crate) table: Option<TableIdentity>,
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
enum CallResult<E> {
    Performed(Result<Option<E>, Fault>),
    Described(Box<Result<TableFacts, Fault>>),
}

struct Running<'a, W: Work, H> {
    driver: Driver<'a, H>,
    schedule: Schedule<W>,
    /// What the events say of the pass.
    reported: ReportedProgress,
    calls: JoinSet<CallResult<W::Event>>,
    /// Permits for the calls of the work.
    places: Arc<Semaphore>,
    /// Events that resulted from actions.
    echoes: VecDeque<Event<W::Event>>,
    started: Instant,
    outcome: Option<Result<(), Failure>>,
}

impl<H> Driver<'_, H> {
    /// Runs the pass until every task is done, it fails, or it must stop. The returned schedule says what was done. If
    /// the pass fails or must stop, no worker is left running.
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
        let begun = tokio::select! {
            begun = self.fleet.begin(workers) => begun,
            // A cluster may take long to start, and heartbeats must tell others meanwhile that this job is alive.
            failure = heartbeat_until_error(&mut self.journal) => Err(failure),
        };
        let planned = begun.as_ref().map_or(WorkerSupply::External(0), |supply| *supply);
        let (schedule, actions) =
            Schedule::with(work, limits, planned, &self.fleet.present(), Duration::ZERO);
        let mut running = Running {
            driver: self,
            schedule,
            reported: ReportedProgress::default(),
            calls: JoinSet::new(),
            places: Arc::new(Semaphore::new(CALLS_AT_ONCE)),
            echoes: VecDeque::new(),
            started: Instant::now(),
            outcome: None,
        };
        let outcome = match begun {
            Ok(_) => {
                running.perform(actions);
                running.greet();
                running.drive(stop).await
            }
            Err(failure) => Err(failure),
        };
        running.end(outcome, stop).await
    }
}

impl<W: Work, H: Effects<W>> Running<'_, W, H> {
    /// Tells the schedule of the workers of the pass before, or that there are none any more.
    fn greet(&mut self) {
        let connected = self.driver.fleet.connected().into_iter().map(Event::Connected);
        let over = self.driver.fleet.over().map(|why| Event::ClusterEnded(why.to_owned()));
        self.echoes.extend(connected.chain(over));
    }

    async fn drive(&mut self, stop: &Stop) -> Result<(), Failure> {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let check_every = hooks::interval("table", CHECK_TABLE_EVERY);
        let mut table_check =
            tokio::time::interval_at(tokio::time::Instant::now() + check_every, check_every);
        loop {
            if let Some(outcome) = self.outcome.take() {
                return outcome;
            }
            let event = if let Some(event) = self.echoes.pop_front() {
                Some(event)
            } else {
                tokio::select! {
                    event = self.driver.fleet.next() => Some(event.into()),
                    Some(done) = self.calls.join_next() => self.done(done),
                    _ = tick.tick() => Some(Event::Tick),
                    _ = table_check.tick() => { self.check_table_soon(); None }
                    failure = journal_error(&mut self.driver.journal) => return Err(failure),
                    why = stop.requested() => return Err(Failure::stopped(why)),
                }
            };
            if let Some(event) = event {
                self.handle(event);
            }
        }
    }

    fn handle(&mut self, event: Event<W::Event>) {
        if let Event::Lost(worker, how) = &event {
            let returned_tasks = self.schedule.held_by(*worker);
            self.driver.fleet.lose(*worker, how, "; others take over its work", returned_tasks);
        }
        let is_tick = matches!(event, Event::Tick);
        logging::event(&event, &self.schedule);
        let budget = matches!(event, Event::Limits(_)).then(|| self.schedule.rate());
        let actions = self.schedule.handle(self.started.elapsed(), event);
        self.perform(actions);
        if let Some(budget) = budget {
            self.publish_budget_change(budget);
        }
        if is_tick {
            let totals = self.schedule.stats();
            self.keep(&totals);
            self.publish_status(false);
        }
    }

    fn perform(&mut self, actions: Vec<Action<W::Action>>) {
        for action in actions {
            logging::action(&action);
            match action {
                Action::Start(worker) => {
                    if let Err(why) = self.driver.fleet.spawn(worker) {
                        self.echoes.push_back(Event::Lost(worker, why.to_string()));
                    }
                }
                Action::Send(worker, message) => self.send(worker, message),
                // The schedule has already given its tasks to others.
                Action::Disconnect(worker, why) => self.driver.fleet.disconnect(worker, &why),
                Action::Work(action) => {
                    let call = self.driver.effects.perform(self.schedule.work(), action);
                    let places = self.places.clone();
                    self.calls.spawn(async move {
                        let _place = places.acquire().await;
                        CallResult::Performed(call.await)
                    });
                }
                Action::Complete => self.outcome = Some(Ok(())),
                Action::Fail(why) => self.outcome = Some(Err(Failure::failed(why))),
            }
        }
    }

    fn send(&mut self, worker: WorkerId, message: ToWorker) {
        if !self.driver.fleet.send(worker, message) {
            self.echoes.push_back(Event::Lost(worker, "it does not read its messages".into()));
        }
    }

    fn check_table_soon(&mut self) {
        let Driver { clients: Some(clients), table: Some(table), .. } = &self.driver else { return };
        let (clients, table) = (clients.clone(), table.asked.clone());
        self.calls.spawn(async move {
            CallResult::Described(Box::new(dynamodb::describe(&clients, &table).await))
        });
    }
}
