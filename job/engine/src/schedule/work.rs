//! The types that the schedule, the work of a job, and the driver exchange.

use std::time::Duration;

use events::TaskKind;
use job::{
    control::{FromWorker, ToWorker},
    ids::WorkerId,
    journal::Fact,
};

use crate::{lease::SlowTasks, rate::Limits, rejection::Rejection};

/// The tasks of a job and their progress.
pub trait Work {
    /// Events of the work other than messages from workers.
    type Event: std::fmt::Debug + Send + 'static;
    /// Actions that the work asks for.
    type Action: std::fmt::Debug;

    /// The first message to a worker.
    fn settings(&self) -> ToWorker;

    /// Leases the next pending task to a worker.
    fn lease(&mut self, now: Duration, worker: WorkerId) -> Option<ToWorker>;

    /// Handles a message from a worker about its tasks. A message that fails has no effect.
    ///
    /// # Errors
    /// Fails if the worker must be disconnected.
    fn said(
        &mut self,
        now: Duration,
        worker: WorkerId,
        message: FromWorker,
    ) -> Result<Reply<Self::Action>, Rejection>;

    /// Handles an event.
    fn handle(&mut self, event: Self::Event) -> Vec<Action<Self::Action>>;

    /// Releases the tasks of a lost worker.
    fn release(&mut self, now: Duration, worker: WorkerId) -> Vec<Self::Action>;

    /// How many tasks are done, and how many there are.
    fn tasks(&self) -> (usize, usize);

    /// What the tasks are.
    fn task_kind(&self) -> TaskKind;

    /// The tasks that take longest.
    fn slow_tasks(&self, now: Duration) -> SlowTasks;

    /// The number of lines rejected in this pass and, if it was resumed, before.
    fn rejected(&self) -> u64 {
        0
    }

    /// The facts since the last call, for the journal.
    fn take_facts(&mut self) -> Vec<Fact>;

    /// The facts that restore the whole state. The first is the one that the job began with.
    fn snapshot(&self) -> Vec<Fact>;

    /// Panics if the state contradicts itself.
    fn check_invariants(&self);
}

/// The result of a worker's message.
#[derive(Debug)]
pub struct Reply<A> {
    /// The number of the worker's tasks that are now done.
    pub done: u64,
    /// Whether something has become durable.
    pub progressed: bool,
    /// The actions to take.
    pub actions: Vec<Action<A>>,
}

impl<A> Reply<A> {
    /// A reply with these actions, and no progress.
    pub fn actions(actions: Vec<Action<A>>) -> Self {
        Self { done: 0, progressed: false, actions }
    }
}

/// An event of the job.
#[derive(Debug)]
pub enum Event<E> {
    /// A worker's stream is open.
    Connected(WorkerId),
    /// A worker sent a message.
    Message(WorkerId, FromWorker),
    /// A worker's stream or process ended, or the worker could not be started.
    Lost(WorkerId, String),
    /// The cluster that supplies the workers has ended: no more will connect.
    ClusterEnded(String),
    /// An event of the work.
    Work(E),
    /// The capacity of the table has been read again.
    Limits(Limits),
    /// Time passed.
    Tick,
}

/// An action to take.
#[derive(Debug, PartialEq)]
pub enum Action<A> {
    /// Start a worker.
    Start(WorkerId),
    /// Send a message to a worker.
    Send(WorkerId, ToWorker),
    /// End a worker's stream and process. Its `Lost` event need not be reported.
    Disconnect(WorkerId, String),
    /// An action of the work.
    Work(A),
    /// All tasks are done. The workers stay: another pass may follow.
    Complete,
    /// The job cannot succeed.
    Fail(String),
}
