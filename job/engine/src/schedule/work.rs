//! The words between the schedule, the work of a job, and whoever drives them.

use std::time::Duration;

use job::{
    control::{FromWorker, ToWorker},
    ids::WorkerId,
    journal::Fact,
};

use crate::rate::Limits;

/// The tasks of a job, and what becomes of them.
pub trait Work {
    /// What happens to it besides what workers say.
    type Event: std::fmt::Debug + Send + 'static;
    /// What it wants done.
    type Action: std::fmt::Debug;

    /// What a worker is told first.
    fn settings(&self) -> ToWorker;

    /// Leases the next pending task to a worker.
    fn lease(&mut self, now: Duration, worker: WorkerId) -> Option<ToWorker>;

    /// Takes what a worker says of its tasks, or nothing of it.
    ///
    /// # Errors
    /// Why the worker must be cut off.
    fn said(
        &mut self,
        now: Duration,
        worker: WorkerId,
        message: FromWorker,
    ) -> Result<Reply<Self::Action>, String>;

    /// Takes note of what happened.
    fn happened(&mut self, event: Self::Event) -> Vec<Action<Self::Action>>;

    /// Takes back what a lost worker held.
    fn release(&mut self, now: Duration, worker: WorkerId) -> Vec<Self::Action>;

    /// Tasks done and in all.
    fn tasks(&self) -> (usize, usize);

    /// What has come to be so since this was last asked, for a journal.
    fn take_facts(&mut self) -> Vec<Fact>;

    /// Facts that say everything; the first is how it began.
    fn snapshot(&self) -> Vec<Fact>;

    /// Panics if the state contradicts itself.
    fn check_invariants(&self);
}

/// What came of something that a worker said.
#[derive(Debug)]
pub struct Reply<A> {
    /// So many of its tasks are done.
    pub done: u64,
    /// Something is durable that was not.
    pub progressed: bool,
    /// What is to be done.
    pub actions: Vec<Action<A>>,
}

impl<A> Reply<A> {
    /// Nothing is done yet.
    pub fn actions(actions: Vec<Action<A>>) -> Self {
        Self { done: 0, progressed: false, actions }
    }
}

/// What happened.
#[derive(Debug)]
pub enum Event<E> {
    /// A worker's stream is open.
    Connected(WorkerId),
    /// A worker said something.
    Message(WorkerId, FromWorker),
    /// A worker's stream or process has ended, or it could not be started.
    Lost(WorkerId, String),
    /// Workers that came by themselves come no more.
    ClusterEnded(String),
    /// Something happened to the work.
    Work(E),
    /// The table's capacity has been looked at again.
    Limits(Limits),
    /// Time passed.
    Tick,
}

/// What is to be done.
#[derive(Debug, PartialEq)]
pub enum Action<A> {
    /// Start a worker.
    Start(WorkerId),
    /// Tell a worker something.
    Send(WorkerId, ToWorker),
    /// End a worker's stream and process; its `Lost` need not be reported.
    Disconnect(WorkerId, String),
    /// What the work wants.
    Work(A),
    /// All tasks are done.
    Complete,
    /// The job cannot succeed.
    Fail(String),
}
