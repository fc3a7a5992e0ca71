//! The work of an export: segments that are leased, part files that are filled. A core.

use std::{collections::BTreeSet, time::Duration};

use job::{
    control::{FromWorker, Sealed, ToWorker},
    ids::{FileId, JobId, WorkerId},
    spec::ExportSettings,
    target::Target,
    task::Position,
};

use crate::{
    files::{PartFile, PartFiles},
    schedule::{Action, Heard, Work},
};

use super::segments::{Segments, Slowest};

/// The upload of a file is open, under this id.
#[derive(Debug)]
pub(crate) struct Opened(pub(crate) FileId, pub(crate) String);

/// What an export wants done.
#[derive(Debug, PartialEq)]
pub(crate) enum ExportAction {
    /// Open the upload of a file.
    OpenFile(FileId, String),
    /// Make sure that nothing a lost worker still does reaches this file.
    Fence(FileId),
}

/// Segments and part files.
pub(crate) struct ExportWork {
    settings: ExportSettings,
    segments: Segments,
    files: PartFiles,
    /// Files whose worker waits for them.
    opening: BTreeSet<FileId>,
}

impl ExportWork {
    pub(crate) fn new(job: JobId, settings: ExportSettings) -> Self {
        let on_file_system = matches!(settings.target, Target::File { .. });
        Self {
            segments: Segments::new(settings.total_segments),
            files: PartFiles::new(job, settings.compression, on_file_system),
            opening: BTreeSet::new(),
            settings,
        }
    }

    /// The part files so far.
    pub(crate) fn files(&self) -> &[PartFile] {
        self.files.all()
    }

    /// Items in sealed parts.
    pub(crate) fn sealed_items(&self) -> u64 {
        self.segments.items()
    }

    /// The segment that took longest.
    pub(crate) fn slowest(&self) -> Option<Slowest> {
        self.segments.slowest()
    }

    /// A part with all its steps is taken, or nothing of it.
    fn sealed(&mut self, now: Duration, id: WorkerId, sealed: Sealed) -> Result<Heard<ExportAction>, String> {
        let Sealed { part, steps } = sealed;
        let items = steps.iter().map(|step| step.items).sum::<u64>();
        match &part {
            Some(part) if part.items != items => {
                return Err("a part's items are not those of its steps".into());
            }
            None if items > 0 => return Err("items without a part".into()),
            Some(part) => self.files.check(id, part).map_err(|why| why.to_string())?,
            None => {}
        }
        self.segments.check(id, &steps).map_err(|why| why.to_string())?;
        if let Some(part) = part {
            self.files.apply(part);
        }
        let done = steps.iter().filter(|step| step.position == Position::Done).count() as u64;
        self.segments.apply(id, steps, now);
        Ok(Heard { done, progressed: true, actions: Vec::new() })
    }
}

impl Work for ExportWork {
    type Event = Opened;
    type Action = ExportAction;

    fn settings(&self) -> ToWorker {
        ToWorker::Export(Box::new(self.settings.clone()))
    }

    fn lease(&mut self, now: Duration, worker: WorkerId) -> Option<ToWorker> {
        self.segments.lease(worker, now).map(ToWorker::Lease)
    }

    fn said(
        &mut self,
        now: Duration,
        worker: WorkerId,
        message: FromWorker,
    ) -> Result<Heard<ExportAction>, String> {
        match message {
            FromWorker::WantFile => {
                let PartFile { id, name, .. } = self.files.assign(worker);
                self.opening.insert(*id);
                let open = ExportAction::OpenFile(*id, name.clone());
                Ok(Heard::actions(vec![Action::Work(open)]))
            }
            FromWorker::Sealed(sealed) => self.sealed(now, worker, sealed),
            _ => Err("said what has no place in an export".into()),
        }
    }

    fn happened(&mut self, Opened(file, upload_id): Opened) -> Vec<Action<ExportAction>> {
        let is_waited_for = self.opening.remove(&file);
        // One that was opened for nobody is known all the same, so that it is aborted.
        match self.files.opened(file, upload_id.clone()) {
            Some(opened) if is_waited_for => {
                let message = ToWorker::File { file, name: opened.name.clone(), upload_id };
                vec![Action::Send(opened.worker, message)]
            }
            _ => Vec::new(),
        }
    }

    fn release(&mut self, now: Duration, worker: WorkerId) -> Vec<ExportAction> {
        self.segments.release(worker, now);
        self.files.close_of(worker).into_iter().map(ExportAction::Fence).collect()
    }

    fn tasks(&self) -> (usize, usize) {
        self.segments.counts()
    }

    fn check_invariants(&self) {
        self.segments.check_invariants();
    }
}
