//! The job as a whole: leases, part files and budget composed. A core: `handle(now, event)` returns
//! what is to be done; it waits for nothing and does nothing itself.

mod workers;

use std::{collections::BTreeSet, time::Duration};

use job::{
    capacity::{ReadRate, ReadUnits},
    control::{FromWorker, Sealed, Stats, ToWorker},
    ids::{FileId, JobId, WorkerId},
    spec::ExportSettings,
    target::Target,
    task::Position,
};

use crate::{
    budget::{Budget, divide},
    files::{PartFile, PartFiles},
    lease::{Leases, Slowest},
};
use workers::{Worker, Workers};

/// A worker not heard of for so long is lost. Workers speak every second.
const SILENCE: Duration = Duration::from_secs(10);
/// A job in which not one page was read for so long fails.
const NO_PROGRESS: Duration = Duration::from_mins(10);
/// Between two ticks; a gap far above it means that this process itself stood still.
pub(crate) const TICK: Duration = Duration::from_millis(100);
const STOOD_STILL: Duration = Duration::from_secs(2);

/// What happened.
#[derive(Debug)]
pub(crate) enum Event {
    /// A worker's stream is open.
    Joined(WorkerId),
    /// A worker said something.
    Said(WorkerId, FromWorker),
    /// A worker's stream or process has ended, or it could not be started.
    Lost(WorkerId, String),
    /// The upload of a file is open.
    FileOpened(FileId, String),
    /// The table's capacity has been looked at again.
    Rate(ReadRate),
    /// Time passed.
    Tick,
}

/// What is to be done.
#[derive(Debug, PartialEq)]
pub(crate) enum Action {
    /// Start a worker.
    Start(WorkerId),
    /// Tell a worker something.
    Send(WorkerId, ToWorker),
    /// End a worker's stream and process; its `Lost` need not be reported.
    Disconnect(WorkerId, String),
    /// Open the upload of a file.
    OpenFile(FileId, String),
    /// Make sure that nothing a lost worker still does reaches this file.
    Fence(FileId),
    /// All segments are in sealed parts.
    Complete,
    /// The job cannot succeed.
    Fail(String),
}

/// How a job is set up.
pub(crate) struct Setup {
    pub(crate) job: JobId,
    pub(crate) settings: ExportSettings,
    pub(crate) rate: ReadRate,
    pub(crate) num_workers: u32,
}

/// The state of the job.
pub(crate) struct Schedule {
    settings: ExportSettings,
    leases: Leases,
    files: PartFiles,
    budget: Budget,
    workers: Workers,
    /// Files whose worker waits for them.
    opening: BTreeSet<FileId>,
    turn: usize,
    ticked_at: Duration,
    progress_at: Duration,
    last_error: String,
    over: bool,
}

impl Schedule {
    /// The state at the start, and the first actions.
    pub(crate) fn new(setup: Setup, now: Duration) -> (Self, Vec<Action>) {
        let Setup { job, settings, rate, num_workers } = setup;
        let on_file_system = matches!(settings.target, Target::File { .. });
        let mut schedule = Self {
            leases: Leases::new(settings.total_segments),
            files: PartFiles::new(job, settings.compression, on_file_system),
            budget: Budget::new(rate, now),
            workers: Workers::new(num_workers),
            opening: BTreeSet::new(),
            settings,
            turn: 0,
            ticked_at: now,
            progress_at: now,
            last_error: String::new(),
            over: false,
        };
        let actions = (0..num_workers).map(|_| Action::Start(schedule.workers.start(now))).collect();
        (schedule, actions)
    }

    /// Takes note of `event` and says what is to be done.
    pub(crate) fn handle(&mut self, now: Duration, event: Event) -> Vec<Action> {
        let mut actions = Vec::new();
        if self.over {
            return actions;
        }
        match event {
            Event::Joined(worker) => self.joined(now, worker, &mut actions),
            Event::Said(worker, message) => self.said(now, worker, message, &mut actions),
            Event::Lost(worker, why) => self.lost(now, worker, &why, &mut actions),
            Event::FileOpened(file, upload_id) => self.file_opened(file, upload_id, &mut actions),
            Event::Rate(rate) => self.budget.set_rate(now, rate),
            Event::Tick => self.tick(now, &mut actions),
        }
        if self.leases.all_done() && !self.over {
            self.over = true;
            actions.extend(self.workers.joined().map(|worker| Action::Send(worker, ToWorker::Finish)));
            actions.push(Action::Complete);
        }
        debug_assert!({
            self.check_invariants();
            true
        });
        actions
    }

    fn joined(&mut self, now: Duration, id: WorkerId, actions: &mut Vec<Action>) {
        match self.workers.get_mut(id) {
            Some(worker) => {
                worker.joined(now);
                actions.push(Action::Send(id, ToWorker::Export(Box::new(self.settings.clone()))));
            }
            None => actions.push(Action::Disconnect(id, "not a worker of this job".into())),
        }
    }

    fn said(&mut self, now: Duration, id: WorkerId, message: FromWorker, actions: &mut Vec<Action>) {
        let Some(worker) = self.workers.get_mut(id) else { return };
        worker.heard_at = now;
        match message {
            FromWorker::Hello { .. } => self.expel(now, id, "said hello twice", actions),
            FromWorker::Need(total) => {
                worker.needed = worker.needed.max(total);
                self.grant(now, actions);
            }
            FromWorker::Want(total) => {
                worker.wanted = worker.wanted.max(total);
                self.deal(now, actions);
            }
            FromWorker::WantFile => {
                let PartFile { id, name, .. } = self.files.assign(id);
                self.opening.insert(*id);
                actions.push(Action::OpenFile(*id, name.clone()));
            }
            FromWorker::Sealed(sealed) => self.sealed(now, id, sealed, actions),
            FromWorker::Heartbeat(stats) => {
                if stats.pages > worker.stats.pages {
                    self.progress_at = now;
                } else if !stats.last_error.is_empty() {
                    self.last_error.clone_from(&stats.last_error);
                }
                if let Some(worker) = self.workers.get_mut(id) {
                    worker.stats = stats;
                }
            }
            FromWorker::Throttled(_) => self.budget.throttled(now),
            FromWorker::Failed(why) => {
                self.over = true;
                actions.push(Action::Fail(why));
            }
        }
    }

    /// A part with all its steps is taken, or nothing of it.
    fn sealed(&mut self, now: Duration, id: WorkerId, sealed: Sealed, actions: &mut Vec<Action>) {
        let Sealed { part, steps } = sealed;
        let items = steps.iter().map(|step| step.items).sum::<u64>();
        let refused = match &part {
            Some(part) if part.items != items => Some("a part's items are not those of its steps".into()),
            None if items > 0 => Some("items without a part".into()),
            Some(part) => self.files.check(id, part).err().map(|why| why.to_string()),
            None => None,
        };
        let refused = refused.or_else(|| self.leases.check(id, &steps).err().map(|why| why.to_string()));
        if let Some(why) = refused {
            return self.expel(now, id, &why, actions);
        }
        if let Some(part) = part {
            self.files.apply(part);
        }
        let num_done = steps.iter().filter(|step| step.position == Position::Done).count() as u64;
        self.leases.apply(steps, now);
        self.workers.progressed();
        if let Some(worker) = self.workers.get_mut(id) {
            worker.held -= num_done;
        }
    }

    fn file_opened(&mut self, file: FileId, upload_id: String, actions: &mut Vec<Action>) {
        if self.opening.remove(&file)
            && let Some(opened) = self.files.opened(file, upload_id.clone())
        {
            let message = ToWorker::File { file, name: opened.name.clone(), upload_id };
            actions.push(Action::Send(opened.worker, message));
        }
    }

    fn expel(&mut self, now: Duration, id: WorkerId, why: &str, actions: &mut Vec<Action>) {
        actions.push(Action::Disconnect(id, why.to_owned()));
        self.lost(now, id, why, actions);
    }

    fn lost(&mut self, now: Duration, id: WorkerId, why: &str, actions: &mut Vec<Action>) {
        if !self.workers.remove(id) {
            return;
        }
        self.leases.release(id, now);
        actions.extend(self.files.close_of(id).into_iter().map(Action::Fence));
        if self.workers.may_restart() {
            actions.push(Action::Start(self.workers.start(now)));
        } else if self.workers.is_empty() {
            self.over = true;
            actions.push(Action::Fail(format!("no worker is left; the last one: {why}")));
            return;
        }
        self.deal(now, actions);
    }

    fn tick(&mut self, now: Duration, actions: &mut Vec<Action>) {
        let gap = now.saturating_sub(self.ticked_at);
        self.ticked_at = now;
        if gap > STOOD_STILL {
            // What workers said meanwhile is still in the inbox.
            self.workers.forgive(gap);
            self.progress_at += gap;
        }
        for id in self.workers.silent(now, SILENCE) {
            self.expel(now, id, &format!("not heard of for {} s", SILENCE.as_secs()), actions);
        }
        self.budget.recover(now);
        self.grant(now, actions);
        if now.saturating_sub(self.progress_at) > NO_PROGRESS && !self.over {
            self.over = true;
            let minutes = NO_PROGRESS.as_secs() / 60;
            let last = if self.last_error.is_empty() { "no error was reported" } else { &self.last_error };
            actions.push(Action::Fail(format!("nothing was read for {minutes} minutes; last error: {last}")));
        }
    }

    /// Leases pending segments to whoever asked for more; tells them when there is none.
    fn deal(&mut self, now: Duration, actions: &mut Vec<Action>) {
        for (id, worker) in self.workers.iter_mut() {
            while worker.dealt < worker.wanted {
                if let Some(lease) = self.leases.lease(id, now) {
                    worker.dealt += 1;
                    worker.held += 1;
                    actions.push(Action::Send(id, ToWorker::Lease(lease)));
                } else {
                    if !std::mem::replace(&mut worker.draining, true) {
                        actions.push(Action::Send(id, ToWorker::Drain));
                    }
                    break;
                }
            }
        }
    }

    /// Hands out what the bucket holds, max-min fair.
    fn grant(&mut self, now: Duration, actions: &mut Vec<Action>) {
        let needs: Vec<u64> = self.workers.iter().map(|(_, worker)| worker.outstanding().milli()).collect();
        let total: u64 = needs.iter().sum();
        if total == 0 {
            return;
        }
        let taken = self.budget.take(now, ReadUnits::from_milli(total));
        self.turn += 1;
        let shares = divide(taken.milli(), &needs, self.turn);
        let page = self.budget.page_cap();
        for ((id, worker), share) in self.workers.iter_mut().zip(shares) {
            if share > 0 {
                let units = ReadUnits::from_milli(share);
                worker.granted += units;
                actions.push(Action::Send(id, ToWorker::Grant { units, page }));
            }
        }
    }

    /// Nothing is granted beyond the budget; leases are consistent.
    pub(crate) fn check_invariants(&self) {
        self.leases.check_invariants();
        let granted: ReadUnits = self.workers.granted_ever();
        assert!(granted <= self.budget.granted(), "workers hold only what the bucket gave");
    }

    /// An upload was opened for nobody: it is known, so that it is aborted.
    pub(crate) fn opened_late(&mut self, file: FileId, upload_id: String) {
        self.files.opened(file, upload_id);
    }

    /// The part files so far.
    pub(crate) fn files(&self) -> &[PartFile] {
        self.files.all()
    }

    /// Totals of all workers, lost ones included.
    pub(crate) fn stats(&self) -> Stats {
        self.workers.stats()
    }

    /// Workers at work now.
    pub(crate) fn num_workers(&self) -> usize {
        self.workers.joined().count()
    }

    /// Segments done and in all.
    pub(crate) fn segments(&self) -> (usize, usize) {
        (self.leases.num_done(), self.leases.total())
    }

    /// Items in sealed parts.
    pub(crate) fn sealed_items(&self) -> u64 {
        self.leases.items()
    }

    /// The segment that took longest.
    pub(crate) fn slowest(&self) -> Option<Slowest> {
        self.leases.slowest()
    }

    /// The rate now.
    pub(crate) fn rate(&self) -> ReadRate {
        self.budget.rate()
    }

    /// How many workers were lost.
    pub(crate) fn num_lost(&self) -> u32 {
        self.workers.num_lost()
    }
}

impl Worker {
    /// What it asked for and has not got. One that has read all it was given needs nothing more.
    fn outstanding(&self) -> ReadUnits {
        if self.draining && self.held == 0 {
            return ReadUnits::ZERO;
        }
        self.needed.saturating_sub(self.granted)
    }
}

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
