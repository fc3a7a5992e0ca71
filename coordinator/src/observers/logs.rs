//! Logs of this command in a folder: its own, those of its workers, and its events. Each is written as
//! a whole, every minute and at the end.

use std::time::Duration;

use jiff::Timestamp;
use job::{spec::AwsAccess, target::Target, visible};
use job_aws::{Clients, Fault, FaultKind, Retries, connect_to_s3};
use tokio::{sync::watch, task::JoinSet, time::timeout};

use super::EndOfCommand;
use crate::{
    output::{display, kept, stderr},
    store::Store,
};

/// The time between two writes.
const WRITE_LOGS_EVERY: Duration = Duration::from_mins(1);
/// How long a write may take before the next one is tried.
const WRITE_LIMIT: Duration = Duration::from_secs(50);
/// How many logs are written at a time. Each takes up to 16 MiB of memory meanwhile.
const AT_A_TIME: usize = 4;
/// How many names of folders are tried before giving up. Names are random, so none is taken.
const FOLDER_TRIES: usize = 3;

/// Writes the logs until the command is over, and once more at its end. Only the first failure prints a warning.
pub(super) async fn write(folder: &Target, access: &AwsAccess, name: &str, mut over: watch::Receiver<bool>) {
    let mut logs = Logs { folder, access, name, opened: None, has_failed: false };
    loop {
        let is_over = *over.borrow();
        let written = timeout(WRITE_LIMIT, logs.write()).await;
        logs.note_failure(
            written.unwrap_or_else(|_| Err(Fault::new(FaultKind::Unreachable, "no answer in time"))),
        );
        if is_over {
            return;
        }
        over.pause(hooks::interval("logs", WRITE_LOGS_EVERY)).await;
    }
}

struct Logs<'a> {
    folder: &'a Target,
    access: &'a AwsAccess,
    name: &'a str,
    /// The folder of this run, which is new.
    opened: Option<Store>,
    has_failed: bool,
}

impl Logs<'_> {
    async fn write(&mut self) -> Result<(), Fault> {
        if self.opened.is_none() {
            let store = self.open().await?;
            stderr::line(&format!("logs        {}", store.display()));
            self.opened = Some(store);
        }
        let Some(store) = self.opened.clone() else { return Ok(()) };
        let names = kept::changed();
        let mut failed = None;
        for names in names.chunks(AT_A_TIME) {
            let mut writing = JoinSet::new();
            for name in names {
                let (store, name) = (store.clone(), name.clone());
                writing.spawn(async move {
                    let mut unless_written = PutBack(Some(&name));
                    let written = store.replace(&name, kept::take(&name).into_bytes()).await;
                    if written.is_ok() {
                        unless_written.0 = None;
                    }
                    written
                });
            }
            while let Some(written) = writing.join_next().await {
                failed = failed.or(written.ok().and_then(Result::err));
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// Makes a folder that no other run has, with the first log in it.
    async fn open(&self) -> Result<Store, Fault> {
        let clients = match self.folder {
            Target::File { .. } => None,
            Target::S3 { bucket, .. } => Some(self.connect(bucket).await?),
        };
        let mut tried = 0;
        loop {
            tried += 1;
            let time = Timestamp::now().strftime("%Y-%m-%dT%H-%M-%SZ");
            let number = uuid::Uuid::new_v4().simple().to_string();
            let folder = self.folder.folder(&format!("{}-{time}-{}", self.name, &number[..8]));
            let store = Store::reading(&folder, clients.as_ref())?;
            match store.create(kept::COORDINATOR, kept::take(kept::COORDINATOR).into_bytes()).await {
                Ok(()) => return Ok(store),
                Err(fault) => {
                    kept::put_back(kept::COORDINATOR);
                    if fault.kind != FaultKind::PreconditionFailed || tried >= FOLDER_TRIES {
                        return Err(fault);
                    }
                }
            }
        }
    }

    async fn connect(&self, bucket: &str) -> Result<Clients, Fault> {
        let clients = connect_to_s3(self.access, Retries::Sdk).await?;
        clients.locate(bucket).await?;
        Ok(clients)
    }

    /// Tells the first failure. Later writes may succeed.
    fn note_failure(&mut self, written: Result<(), Fault>) {
        if let Err(fault) = written
            && !std::mem::replace(&mut self.has_failed, true)
        {
            let why = visible::line(&fault.message).into_owned();
            display::complain(&format!(
                "warning: --logs {}: the logs could not be written, and the job goes on: {why}",
                self.folder
            ));
        }
    }
}

/// Lets the named log be written again when this is dropped: the write has failed, or took too long.
struct PutBack<'a>(Option<&'a str>);

impl Drop for PutBack<'_> {
    fn drop(&mut self) {
        if let Some(name) = self.0 {
            kept::put_back(name);
        }
    }
}
