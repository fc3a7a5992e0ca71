//! One pass of workers over all tasks of a job.

use engine::{
    rate::Limits,
    schedule::{Pass, Schedule, Work},
};
use events::Phase;
use job_aws::Clients;
use tokio::task::JoinSet;

use super::status;
use crate::{
    aws::{identity::TableIdentity, table::TableFacts},
    cluster::{ClusterChoice, fleet::Fleet},
    driver::{Driver, Effects, LimitsOf},
    failure::Failure,
    journal::Journal,
    output::progress::Progress,
    stop::Stop,
};

/// What every step of a job needs.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    pub(crate) clients: &'a Clients,
    pub(crate) table: &'a TableIdentity,
    pub(crate) facts: &'a TableFacts,
    pub(crate) cluster: &'a ClusterChoice,
    pub(crate) progress: &'a Progress,
    pub(crate) stop: &'a Stop,
}

/// A pass that is about to run.
pub(crate) struct PassPlan<'a, H> {
    pub(crate) phase: Phase,
    /// How many items it has to process; `None` if unknown.
    pub(crate) expected_items: Option<u64>,
    /// How many items earlier runs have processed.
    pub(crate) earlier_items: u64,
    /// The journal that facts go to, if there is one.
    pub(crate) journal: Option<&'a mut Journal>,
    /// Performs the actions of the work.
    pub(crate) effects: H,
    /// The limits at the start.
    pub(crate) limits: Limits,
    /// `None` if the limits do not depend on the table's capacity.
    pub(crate) follow: Option<LimitsOf<'a>>,
    pub(crate) workers: u32,
}

impl Context<'_> {
    /// Starts to listen for the workers of a job. `verb` says what the job does, in its name on a cluster.
    ///
    /// # Errors
    /// Fails if this machine can't listen.
    pub(crate) async fn fleet(&self, verb: &str) -> Result<Fleet, Failure> {
        let Self { clients, facts, cluster, progress, .. } = *self;
        let lender = clients.access.lent.then(|| clients.clone());
        Fleet::open(cluster, format!("tablehaul {verb} {}", facts.name), lender, progress).await
    }

    /// Runs a pass. The returned schedule says what was done, whatever the outcome. The workers stay if it succeeds.
    pub(crate) async fn pass<W: Work, H: Effects<W>>(
        &self,
        fleet: &mut Fleet,
        plan: PassPlan<'_, H>,
        work: W,
    ) -> (Schedule<W>, Result<(), Failure>) {
        let Self { clients, table, progress, stop, .. } = *self;
        let PassPlan { phase, expected_items, earlier_items, journal, effects, limits, follow, workers } =
            plan;
        let name = self.facts.name.clone();
        let driver = Driver {
            fleet,
            effects,
            clients: Some(clients.clone()),
            table: Some(table.clone()),
            limits: follow,
            journal,
            note: progress.sink(),
            pass: Pass { table: name, phase, expected_items, earlier_items },
            stream: progress.stream().clone(),
        };
        match run_pass(driver, work, limits, workers, progress, stop).await {
            (schedule, Ok(())) => (schedule, Ok(())),
            (schedule, Err(failure)) => (schedule, Err(table.explain(clients, failure).await)),
        }
    }
}

/// Runs a pass, shows its progress, and writes the status to the folder of its journal, if there is one.
pub(crate) async fn run_pass<W: Work, H: Effects<W>>(
    driver: Driver<'_, H>,
    work: W,
    limits: Limits,
    workers: u32,
    progress: &Progress,
    stop: &Stop,
) -> (Schedule<W>, Result<(), Failure>) {
    let about = driver.pass.clone();
    let folder = driver.journal.as_ref().map(|journal| journal.folder().clone());
    // Boxed because the future of a pass is large.
    let pass = Box::pin(driver.run(work, limits, workers, stop));
    let mut keeping = JoinSet::new();
    if let Some(folder) = folder {
        keeping.spawn(status::keep(folder, progress.stream().clone()));
    }
    let ended = progress.show(&about, pass).await;
    keeping.shutdown().await;
    ended
}
