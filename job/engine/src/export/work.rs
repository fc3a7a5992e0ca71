//! The work of an export: segments that are leased, part files that are filled.

use std::{collections::BTreeSet, time::Duration};

use job::{
    control::{FromWorker, Sealed, ToWorker},
    ids::{FileId, UploadId, WorkerId},
    journal::Fact,
    layout::PartName,
    spec::ExportSettings,
};

use super::{
    segments::Slowest,
    state::{ExportState, num_done, opened},
};
use crate::{
    part_files::PartFile,
    schedule::{Action, Reply, Work},
};

/// What happens to an export besides what workers say.
#[derive(Debug)]
pub enum ExportEvent {
    /// The upload of a file is open, under this id.
    Opened(FileId, UploadId),
    /// Nothing can reach a file any more but its parts.
    Fenced(FileId),
}

/// What an export wants done.
#[derive(Debug, PartialEq)]
pub enum ExportAction {
    /// Open the upload of a file.
    OpenFile(FileId, PartName),
    /// Make sure that nothing a lost worker still does reaches this file.
    Fence(FileId),
}

/// An export that is being worked on.
pub struct ExportWork {
    settings: ExportSettings,
    state: ExportState,
    /// Files whose worker waits for them.
    opening: BTreeSet<FileId>,
    /// What no journal has yet.
    facts: Vec<Fact>,
}

impl ExportWork {
    /// One at its beginning, or one that was [settled](ExportState::settle).
    pub fn new(state: ExportState, settings: ExportSettings) -> Self {
        Self { settings, state, opening: BTreeSet::new(), facts: Vec::new() }
    }

    /// What it has got to.
    pub fn state(&self) -> &ExportState {
        &self.state
    }

    /// The segment that took longest.
    pub fn slowest(&self) -> Option<Slowest> {
        self.state.segments.slowest()
    }

    /// A part with all its steps is taken, or nothing of it.
    fn sealed(&mut self, now: Duration, id: WorkerId, sealed: Sealed) -> Result<Reply<ExportAction>, String> {
        let Sealed { part, steps } = &sealed;
        let items = steps.iter().map(|step| step.items).sum::<u64>();
        let ExportState { segments, files, .. } = &mut self.state;
        match part {
            Some(part) if part.items != items => {
                return Err("a part's items are not those of its steps".into());
            }
            None if items > 0 => return Err("items without a part".into()),
            Some(part) => files.check(id, part).map_err(|why| why.to_string())?,
            None => {}
        }
        segments.check(id, steps).map_err(|why| why.to_string())?;
        let done = num_done(&sealed);
        self.facts.push(Fact::Sealed(sealed.clone()));
        if let Some(part) = sealed.part {
            files.apply(part);
        }
        segments.apply(id, sealed.steps, now);
        Ok(Reply { done, progressed: true, actions: Vec::new() })
    }

    fn opened(&mut self, file: FileId, upload_id: UploadId) -> Vec<Action<ExportAction>> {
        let is_waited_for = self.opening.remove(&file);
        // One that was opened for nobody is known all the same, so that it is aborted.
        let Some(file) = self.state.files.opened(file, upload_id.clone()) else { return Vec::new() };
        self.facts.extend(opened(file).map(Fact::File));
        if !is_waited_for {
            return Vec::new();
        }
        let message = ToWorker::File { file: file.id, name: file.name.clone(), upload_id };
        vec![Action::Send(file.worker, message)]
    }
}

impl Work for ExportWork {
    type Event = ExportEvent;
    type Action = ExportAction;

    fn settings(&self) -> ToWorker {
        ToWorker::Export(Box::new(self.settings.clone()))
    }

    fn lease(&mut self, now: Duration, worker: WorkerId) -> Option<ToWorker> {
        self.state.segments.lease(worker, now).map(ToWorker::Lease)
    }

    fn said(
        &mut self,
        now: Duration,
        worker: WorkerId,
        message: FromWorker,
    ) -> Result<Reply<ExportAction>, String> {
        match message {
            FromWorker::WantFile => {
                let PartFile { id, name, .. } = self.state.files.assign(worker);
                self.opening.insert(*id);
                let open = ExportAction::OpenFile(*id, name.clone());
                Ok(Reply::actions(vec![Action::Work(open)]))
            }
            FromWorker::Sealed(sealed) => self.sealed(now, worker, sealed),
            _ => Err("sent a message that does not belong to an export".into()),
        }
    }

    fn happened(&mut self, event: ExportEvent) -> Vec<Action<ExportAction>> {
        match event {
            ExportEvent::Opened(file, upload_id) => self.opened(file, upload_id),
            ExportEvent::Fenced(file) => {
                // Of one that was never opened there is nothing to be known.
                let is_open =
                    self.state.files().get(file.0 as usize).is_some_and(|file| file.upload_id.is_some());
                if is_open && self.state.files.fenced(file).is_ok() {
                    self.facts.push(Fact::Fenced(file));
                }
                Vec::new()
            }
        }
    }

    fn release(&mut self, now: Duration, worker: WorkerId) -> Vec<ExportAction> {
        self.state.segments.release(worker, now);
        self.state.files.close_of(worker).into_iter().map(ExportAction::Fence).collect()
    }

    fn tasks(&self) -> (usize, usize) {
        self.state.tasks()
    }

    fn take_facts(&mut self) -> Vec<Fact> {
        std::mem::take(&mut self.facts)
    }

    fn snapshot(&self) -> Vec<Fact> {
        self.state.facts()
    }

    fn check_invariants(&self) {
        self.state.segments.check_invariants();
    }
}
