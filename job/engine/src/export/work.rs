//! The work of an export: it leases segments and assigns part files.

use std::{collections::BTreeSet, time::Duration};

use events::TaskKind;
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
    lease::SlowTasks,
    part_files::PartFile,
    rejection::Rejection,
    schedule::{Action, Reply, Work},
};

/// Events of an export other than messages from workers.
#[derive(Debug)]
pub enum ExportEvent {
    /// The upload of a file is open, under this id.
    Opened(FileId, UploadId),
    /// A file is fenced: only its sealed parts can end up in it.
    Fenced(FileId),
}

/// Actions that an export asks for.
#[derive(Debug, PartialEq)]
pub enum ExportAction {
    /// Open the upload of a file.
    OpenFile(FileId, PartName),
    /// Fence a file of a lost worker, so that nothing the worker still does reaches it.
    Fence(FileId),
}

/// A running export.
pub struct ExportWork {
    settings: ExportSettings,
    state: ExportState,
    /// Files that their workers wait for.
    opening: BTreeSet<FileId>,
    /// Facts that are not in the journal yet.
    facts: Vec<Fact>,
}

impl ExportWork {
    /// The work of an export at its start, or of a replayed one that was [settled](ExportState::settle).
    pub fn new(state: ExportState, settings: ExportSettings) -> Self {
        Self { settings, state, opening: BTreeSet::new(), facts: Vec::new() }
    }

    /// The state of the export.
    pub fn state(&self) -> &ExportState {
        &self.state
    }

    /// The segment that took longest.
    pub fn slowest(&self) -> Option<Slowest> {
        self.state.segments.slowest()
    }

    /// Accepts a part with all its steps, or nothing of it.
    fn sealed(
        &mut self,
        now: Duration,
        id: WorkerId,
        sealed: Sealed,
    ) -> Result<Reply<ExportAction>, Rejection> {
        let Sealed { part, steps } = &sealed;
        let items = steps.iter().map(|step| step.items).sum::<u64>();
        let ExportState { segments, files, .. } = &mut self.state;
        match part {
            Some(part) if part.items != items => return Err(Rejection::OtherItems),
            None if items > 0 => return Err(Rejection::NoPart),
            Some(part) => files.check(id, part)?,
            None => {}
        }
        segments.check(id, steps)?;
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
        // A file whose worker is gone is recorded as well, so that its upload is aborted.
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
    ) -> Result<Reply<ExportAction>, Rejection> {
        match message {
            FromWorker::WantFile => {
                let PartFile { id, name, .. } = self.state.files.assign(worker);
                self.opening.insert(*id);
                let open = ExportAction::OpenFile(*id, name.clone());
                Ok(Reply::actions(vec![Action::Work(open)]))
            }
            FromWorker::Sealed(sealed) => self.sealed(now, worker, sealed),
            _ => Err(Rejection::OtherJob("export")),
        }
    }

    fn handle(&mut self, event: ExportEvent) -> Vec<Action<ExportAction>> {
        match event {
            ExportEvent::Opened(file, upload_id) => self.opened(file, upload_id),
            ExportEvent::Fenced(file) => {
                // A file whose upload was never opened needs no fact.
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

    fn task_kind(&self) -> TaskKind {
        TaskKind::Segments
    }

    fn slow_tasks(&self, now: Duration) -> SlowTasks {
        self.state.segments.slow(now)
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
