//! Opens each leased split, reads it on a thread of its own, and asks for as many leases as splits may be open at once.

use std::{io::BufRead, sync::Arc};

use engine::worker::streams::LeaseDemand;
use format::{
    input::{Decoder, LineChecker},
    request::{self, Encoder, Wanted},
};
use job::{
    control::FromWorker,
    fingerprint::FingerprintError,
    object::Object,
    spec::{ImportSettings, WriteMode},
    split::SplitLease,
};
use job_aws::Clients;
use tokio::{runtime::Handle, task::JoinSet};
use tracing::debug;

use super::{
    ImportError, blocks,
    check::Checker,
    read::{self, ReadError},
    stored,
    tracker::Tracker,
};
use crate::{
    breakdown::Breakdown,
    report::Report,
    task_channel::{TaskCommand, TaskReceiver},
};

/// What happens to the lines.
pub(crate) enum Purpose {
    /// They are counted.
    Check,
    /// They go to the interleaver.
    Write { tracker: Arc<Tracker>, outgoing: blocks::Outgoing },
}

/// The state that the readers of all splits share.
pub(crate) struct Readers {
    pub(crate) settings: Arc<ImportSettings>,
    pub(crate) clients: Clients,
    pub(crate) report: Arc<Report>,
    pub(crate) purpose: Purpose,
}

/// Runs until the agent is gone, or a split can't be read.
pub(crate) async fn run(
    readers: Arc<Readers>,
    mut commands: TaskReceiver<Box<SplitLease>>,
) -> Result<(), ImportError> {
    let mut reading = JoinSet::new();
    let mut fetching = JoinSet::new();
    let mut leases = LeaseDemand::default();
    loop {
        let open = u32::try_from(reading.len()).unwrap_or(u32::MAX);
        if matches!(readers.purpose, Purpose::Check) {
            readers.report.streams(open);
        }
        if let Some(total) = leases.want(open, readers.settings.open_splits) {
            readers.report.say(FromWorker::Want(total)).await;
        }
        tokio::select! {
            command = commands.recv() => match command {
                None => return Ok(()),
                Some(TaskCommand::Drain) => leases.drain(),
                Some(TaskCommand::Work(lease)) => {
                    leases.read();
                    debug!(split = %lease.split.split, attempt = %lease.attempt, "split begun");
                    let opened = readers.open(&lease).map_err(|source| ImportError::Lease {
                        object: lease.split.object.clone(),
                        source,
                    })?;
                    if let Some(fetch) = opened.fetching {
                        fetching.spawn(fetch);
                    }
                    let (readers, runtime) = (readers.clone(), Handle::current());
                    reading.spawn_blocking(move || readers.read(&lease, opened.bytes, runtime));
                }
            },
            Some(ended) = reading.join_next() => ended.map_err(Breakdown::of("a reader"))??,
            Some(_) = fetching.join_next() => {}
        }
    }
}

impl Readers {
    fn open(&self, lease: &SplitLease) -> Result<stored::Stored, FingerprintError> {
        stored::open(&lease.split, read::stored_range(lease), &self.clients, &self.report)
    }

    /// Reads a split, on a blocking thread.
    fn read(
        &self,
        lease: &SplitLease,
        bytes: Box<dyn BufRead + Send>,
        runtime: Handle,
    ) -> Result<(), ImportError> {
        let ImportSettings { mode, keys, indexes, is_incremental, .. } = &*self.settings;
        let format = lease.split.format;
        let failed = |source| ImportError::Read { object: lease.split.object.clone(), source };
        let _stage = self.report.store_wait().stage();
        match &self.purpose {
            Purpose::Check => {
                let lines = request::Checker::new(Some(keys)).with_indexes(indexes);
                let lines = LineChecker::new(format, lines.of_export(*is_incremental));
                let mut checker = Checker::new(lease, lines, self.report.clone(), runtime);
                let end = read::read(lease, bytes, &mut checker).map_err(failed)?;
                checker.finish(end);
            }
            Purpose::Write { tracker, outgoing } => {
                let wanted = if *mode == WriteMode::Delete { Wanted::Keys } else { Wanted::Items };
                let encoder = Encoder::new(keys, wanted).with_indexes(indexes).of_export(*is_incremental);
                let decoder = Decoder::new(format, encoder);
                let mut filler = blocks::Filler::new(tracker.open(lease), decoder, outgoing.clone());
                let end = read::read(lease, bytes, &mut filler).map_err(failed)?;
                filler.finish(end).map_err(|error| failed(ReadError::Io(error)))?;
            }
        }
        debug!(split = %lease.split.split, attempt = %lease.attempt, "split read");
        Ok(())
    }
}

/// Why an object can't be read, with its name once: most faults of S3 name it already.
pub(super) fn of_object(object: &Object, why: &ReadError) -> String {
    let (object, why) = (object.to_string(), why.to_string());
    if why.contains(&object) { why } else { format!("{object}: {why}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_named_once() {
        let object: Object = "s3://b/k".parse().unwrap();
        let said = |why: &str| of_object(&object, &ReadError::Io(std::io::Error::other(why)));
        assert_eq!(said("is damaged"), "s3://b/k: is damaged");
        assert_eq!(said("s3://b/k was changed"), "s3://b/k was changed");
    }
}
