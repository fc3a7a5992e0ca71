//! The workers of a job: from the start of their cluster to its end, through all passes.
//!
//! They stay connected between passes, so the next one begins at once. On YARN they stay until the job is done: how
//! their application ends tells others how the job ended, and nobody can take that back.

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    pin::pin,
    sync::Arc,
};

use engine::schedule::{Present, WorkerSupply};
use events::{Event, WorkerJoined, WorkerLost};
use job::{
    control::{FromWorker, LentKeys, ToWorker},
    ids::{PassNumber, WorkerId},
};
use job_aws::{Clients, Lending};
use tokio::sync::mpsc;
use tracing::{debug, info};

use crate::{
    cluster::{Cluster, ClusterChoice, ClusterEvent, Shutdown, SpawnError},
    failure::{Failure, Why},
    output::{kept, progress::Progress, stream::Stream},
    server::{ControlPlane, HelloInfo, Incoming},
    stop::Stop,
};

/// The workers of a job.
pub(crate) struct Fleet {
    plane: ControlPlane,
    cluster: Box<dyn Cluster>,
    /// Whose credentials the workers get, if they have none of their own.
    lender: Option<Clients>,
    /// Takes messages for the user.
    note: Arc<dyn Fn(String) + Send + Sync>,
    /// Takes the events of workers.
    stream: Stream,
    /// `None` before the first pass.
    supply: Option<WorkerSupply>,
    /// The credentials that they get.
    lending: Option<Lending>,
    pass: PassNumber,
    /// Where messages to connected workers go.
    outboxes: BTreeMap<WorkerId, mpsc::Sender<ToWorker>>,
    /// The machine of each worker there was, and the cluster's name for the worker.
    places: BTreeMap<WorkerId, (String, String)>,
    /// Workers that were started here and may still live.
    spawned: BTreeSet<WorkerId>,
    /// The highest number that a worker has had.
    last: WorkerId,
    /// Why the streams of ending workers ended.
    left: BTreeMap<WorkerId, String>,
    /// Why there are no workers any more, and none will come.
    over: Option<String>,
}

/// An event of the workers.
pub(crate) enum FleetEvent {
    /// One has connected.
    Connected(WorkerId),
    /// One has sent a message of the present pass.
    Message(WorkerId, FromWorker),
    /// The stream or process of one has ended.
    Lost(WorkerId, String),
    /// There are no workers, and none will come.
    Ended(String),
}

impl Fleet {
    /// Starts to listen for workers of a job with this name on a cluster. They get the credentials of `lender`, if
    /// there is one.
    ///
    /// # Errors
    /// Fails if this machine can't listen.
    pub(crate) async fn open(
        cluster: &ClusterChoice,
        title: String,
        lender: Option<Clients>,
        progress: &Progress,
    ) -> Result<Self, Failure> {
        let plane = ControlPlane::start(cluster.listen()).await;
        let plane = plane.map_err(|error| Failure::failed(Why::of(error)))?;
        let cluster = cluster.cluster(title, progress.sink());
        Ok(Self::new(plane, cluster, lender, progress.sink(), progress.stream().clone()))
    }

    /// A fleet without workers, which will connect to `plane` and run on `cluster`. They get the credentials of
    /// `lender`, if there is one.
    fn new(
        plane: ControlPlane,
        cluster: Box<dyn Cluster>,
        lender: Option<Clients>,
        note: Arc<dyn Fn(String) + Send + Sync>,
        stream: Stream,
    ) -> Self {
        Self {
            plane,
            cluster,
            lender,
            note,
            stream,
            supply: None,
            lending: None,
            pass: PassNumber::default(),
            outboxes: BTreeMap::new(),
            places: BTreeMap::new(),
            spawned: BTreeSet::new(),
            last: WorkerId::default(),
            left: BTreeMap::new(),
            over: None,
        }
    }

    /// Begins a pass. Before the first one, the cluster is started with this many workers.
    ///
    /// # Errors
    /// Fails if the cluster can't be started, or the credentials of workers are not known.
    pub(crate) async fn begin(&mut self, workers: u32) -> Result<WorkerSupply, Failure> {
        let supply = match self.supply {
            Some(supply) => supply,
            None => self.start(workers).await?,
        };
        self.pass = self.pass.next();
        for worker in self.connected() {
            // The stream of a worker that does not read its messages ends.
            let _ = self.send(worker, ToWorker::Pass(self.pass));
        }
        Ok(supply)
    }

    /// Starts the cluster. If workers get their credentials from here, these are ready before.
    async fn start(&mut self, workers: u32) -> Result<WorkerSupply, Failure> {
        if let Some(lender) = &self.lender {
            let lending = Lending::start(lender).await;
            self.lending = Some(lending.map_err(|fault| Failure::failed(&fault))?);
        }
        let supply = self.cluster.start(workers, self.plane.boot()).await?;
        self.supply = Some(supply);
        Ok(supply)
    }

    /// The workers that live now.
    pub(crate) fn present(&self) -> Present {
        Present { workers: self.spawned.iter().copied().collect(), last: self.last }
    }

    /// The workers that are connected now.
    pub(crate) fn connected(&self) -> Vec<WorkerId> {
        self.outboxes.keys().copied().collect()
    }

    /// Why there are no workers any more.
    pub(crate) fn over(&self) -> Option<&str> {
        self.over.as_deref()
    }

    /// Starts a worker.
    ///
    /// # Errors
    /// See [`SpawnError`].
    pub(crate) fn spawn(&mut self, worker: WorkerId) -> Result<(), SpawnError> {
        self.last = self.last.max(worker);
        self.cluster.spawn(worker)?;
        self.spawned.insert(worker);
        Ok(())
    }

    /// Sends a message to a worker, unless it has gone. Returns whether the worker reads its messages. If not, it is
    /// ended.
    pub(crate) fn send(&mut self, worker: WorkerId, message: ToWorker) -> bool {
        let reads = self.outboxes.get(&worker).is_none_or(|outbox| outbox.try_send(message).is_ok());
        if !reads {
            self.cluster.release(worker);
        }
        reads
    }

    /// Waits until something happens. Safe to drop at any time.
    pub(crate) async fn next(&mut self) -> FleetEvent {
        loop {
            tokio::select! {
                Some(incoming) = self.plane.inbox.recv() => if let Some(event) = self.incoming(incoming) {
                    return event;
                },
                event = self.cluster.poll() => return self.cluster_event(event),
                keys = renewed(&mut self.lending) => self.lend(&keys),
            }
        }
    }

    fn incoming(&mut self, incoming: Incoming) -> Option<FleetEvent> {
        match incoming {
            Incoming::Connected(hello, outbox) => {
                let HelloInfo { worker, host, attempt } = hello;
                info!(%worker, host, attempt, "worker connected");
                // A new outbox has room.
                if let Some(lending) = &self.lending {
                    let _ = outbox.try_send(ToWorker::Keys(lending.keys()));
                }
                let _ = outbox.try_send(ToWorker::Pass(self.pass));
                if !self.cluster.reads_logs() && kept::wants_log_of(worker.0) {
                    let _ = outbox.try_send(ToWorker::SendLog);
                }
                self.outboxes.insert(worker, outbox);
                self.last = self.last.max(worker);
                self.places.insert(worker, (host.clone(), attempt.clone()));
                let workers = self.outboxes.len() as u64;
                self.stream.publish(Event::WorkerJoined(WorkerJoined {
                    worker: worker.0,
                    host,
                    place: attempt,
                    workers,
                }));
                Some(FleetEvent::Connected(worker))
            }
            // What a worker says of an earlier pass means nothing any more: it could be taken for the same task of this
            // one.
            Incoming::Message(worker, pass, message) => {
                (pass == self.pass).then_some(FleetEvent::Message(worker, message))
            }
            Incoming::Lost(worker, why) => {
                if self.cluster.release(worker) {
                    self.left.insert(worker, why);
                    return None;
                }
                Some(FleetEvent::Lost(worker, why))
            }
        }
    }

    fn cluster_event(&mut self, event: ClusterEvent) -> FleetEvent {
        match event {
            ClusterEvent::WorkerEnded(worker, how) => {
                self.spawned.remove(&worker);
                let why = self.left.remove(&worker);
                FleetEvent::Lost(worker, how.or(why).unwrap_or_else(|| "killed".into()))
            }
            ClusterEvent::ClusterEnded(why) => {
                info!(why, "the cluster has ended the workers");
                self.over = Some(why.clone());
                FleetEvent::Ended(why)
            }
        }
    }

    /// Passes on new credentials before the old ones expire.
    fn lend(&mut self, keys: &LentKeys) {
        debug!("workers get new credentials");
        for worker in self.connected() {
            let _ = self.send(worker, ToWorker::Keys(keys.clone()));
        }
    }

    /// A worker was lost. Tells the user what that means, unless it was known. `returned_tasks` is the number of its
    /// tasks that others must do again.
    pub(crate) fn lose(&mut self, worker: WorkerId, how: &str, meaning: &str, returned_tasks: u64) {
        if self.outboxes.remove(&worker).is_some() {
            (self.note)(format!("worker {} was lost ({how}){meaning}", self.name(worker)));
            self.publish_lost(worker, how, Some(returned_tasks));
        }
    }

    /// Ends the stream and process of a worker. Its tasks already belong to others.
    pub(crate) fn disconnect(&mut self, worker: WorkerId, why: &str) {
        (self.note)(format!("worker {} was disconnected: {why}", self.name(worker)));
        self.outboxes.remove(&worker);
        self.spawned.remove(&worker);
        self.publish_lost(worker, why, None);
        self.cluster.release(worker);
    }

    fn publish_lost(&self, worker: WorkerId, why: &str, returned_tasks: Option<u64>) {
        let host = self.place(worker).map(|(host, _)| host.clone()).unwrap_or_default();
        let workers = self.outboxes.len() as u64;
        let lost = WorkerLost { worker: worker.0, host, why: why.to_owned(), returned_tasks, workers };
        self.stream.publish(Event::WorkerLost(lost));
    }

    /// The machine of a worker, and the cluster's name for the worker.
    pub(crate) fn place(&self, worker: WorkerId) -> Option<&(String, String)> {
        self.places.get(&worker)
    }

    /// The name of a worker, for messages.
    fn name(&self, worker: WorkerId) -> String {
        match self.place(worker) {
            Some((host, attempt)) if !attempt.is_empty() => format!("{worker} ({attempt} on {host})"),
            _ => worker.to_string(),
        }
    }

    /// Waits for `work`, in which the workers have no part, and attends to them meanwhile.
    pub(crate) async fn during<T>(&mut self, work: impl Future<Output = T>) -> T {
        tokio::select! {
            done = work => done,
            never = self.attend() => match never {},
        }
    }

    /// Keeps workers that have nothing to do. A lost one does no harm, whatever else happens.
    async fn attend(&mut self) -> Infallible {
        loop {
            if let FleetEvent::Lost(worker, how) = self.next().await {
                self.lose(worker, &how, "; it had no work", 0);
            }
        }
    }

    /// No pass follows. Workers on this machine end, so that none is left while the job is completed. Those of YARN
    /// stay until [`end`](Self::end), because their application must not succeed before the job has.
    pub(crate) async fn end_unless_watched(&mut self, stop: &Stop) {
        if !self.cluster.is_watched() {
            self.end(Shutdown::Graceful, stop).await;
        }
    }

    /// Ends all workers: in order only if the job is done, because their application then succeeds. On a full cluster
    /// that may take minutes: workers that have not started yet must do so first. After a request to stop they are
    /// killed. Repeating this does no harm.
    pub(crate) async fn end(&mut self, ending: Shutdown, stop: &Stop) {
        if ending == Shutdown::Graceful {
            for worker in self.connected() {
                let _ = self.send(worker, ToWorker::Finish);
            }
            // Messages still in the outboxes are delivered before the streams end.
            self.outboxes.clear();
            let Self { plane, cluster, .. } = self;
            let is_stopped = {
                let (mut ended, mut dismissing) =
                    (pin!(cluster.stop(Shutdown::Graceful)), pin!(plane.dismiss()));
                tokio::select! {
                    () = &mut ended => false,
                    never = &mut dismissing => match never {},
                    _ = stop.requested() => true,
                }
            };
            if is_stopped {
                self.cluster.stop(Shutdown::Kill).await;
            }
        } else {
            // Before their streams end, which is expected.
            self.cluster.stop(Shutdown::Kill).await;
            self.outboxes.clear();
        }
        self.plane.stop().await;
    }
}

/// Waits for `work`, and attends to the workers meanwhile, if there are any.
pub(crate) async fn during<T>(fleet: Option<&mut Fleet>, work: impl Future<Output = T>) -> T {
    match fleet {
        Some(fleet) => fleet.during(work).await,
        None => work.await,
    }
}

/// Waits for new credentials to lend.
async fn renewed(lending: &mut Option<Lending>) -> LentKeys {
    match lending {
        Some(lending) => lending.renewed().await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
