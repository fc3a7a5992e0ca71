//! Fourth stage of an export: makes upload parts durable, and reports them to the coordinator.

use std::{sync::Arc, time::Instant};

use bytes::Bytes;
use engine::worker::upload_sequencer::{AssignedFile, UploadAction, UploadEvent, UploadSequencer};
use tokio::{sync::mpsc, task::JoinSet};
use tracing::debug;

use super::{ExportError, store::Store};
use crate::{breakdown::Breakdown, report::Report};

/// No further parts or steps are accepted while this many are unreported.
const MAX_UNREPORTED: usize = 8;

/// The state of the stage.
pub(crate) struct Uploader {
    pub(crate) store: Arc<Store>,
    pub(crate) report: Arc<Report>,
    pub(crate) parts: mpsc::Receiver<UploadEvent<Bytes>>,
    pub(crate) files: mpsc::Receiver<AssignedFile>,
}

impl Uploader {
    /// Runs until the previous stage is gone, or a part can't be written.
    pub(crate) async fn run(mut self) -> Result<(), ExportError> {
        let mut order = UploadSequencer::new(self.store.max_writing());
        let mut writing = JoinSet::new();
        loop {
            let event = tokio::select! {
                event = self.parts.recv(), if order.num_unreported() < MAX_UNREPORTED => match event {
                    Some(event) => event,
                    None => return Ok(()),
                },
                Some(file) = self.files.recv() => UploadEvent::File(file),
                Some(written) = writing.join_next() => {
                    let (sequence, etag) = written.map_err(Breakdown::of("an upload"))??;
                    UploadEvent::Durable { sequence, etag }
                }
            };
            for action in order.handle(event) {
                self.perform(action, &mut writing).await;
            }
        }
    }

    async fn perform(
        &self,
        action: UploadAction<Bytes>,
        writing: &mut JoinSet<Result<(u64, String), ExportError>>,
    ) {
        match action {
            UploadAction::AskForFile => self.report.say(job::control::FromWorker::WantFile).await,
            UploadAction::Report(sealed) => self.report.sealed(sealed).await,
            UploadAction::Write { sequence, file, number, stored } => {
                let (store, report) = (self.store.clone(), self.report.clone());
                writing.spawn(async move {
                    let (since, bytes) = (Instant::now(), stored.length);
                    let etag = store.write(&file, number, stored, &report).await?;
                    let took_ms = since.elapsed().as_millis();
                    debug!(file = %file.name, part = number, bytes, took_ms, "part stored");
                    Ok((sequence, etag))
                });
            }
        }
    }
}
