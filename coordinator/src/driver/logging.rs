//! What the driver logs of its events and actions. Never marks of segments, because they contain keys.

use std::time::Duration;

use engine::schedule::{Action, Event, Schedule, Work};
use job::{
    control::{FromWorker, Sealed, ToWorker},
    ids::WorkerId,
    split::Advance,
    task::{Lease, Position},
    verify::{FileLease, FileVerified},
};
use tracing::{debug, info, trace};

/// Logs an event before the schedule handles it.
pub(super) fn event<W: Work>(event: &Event<W::Event>, schedule: &Schedule<W>) {
    match event {
        Event::Message(worker, message) => said(*worker, message),
        Event::Lost(worker, why) => {
            info!(%worker, why, returned_tasks = schedule.held_by(*worker), "worker lost");
        }
        Event::Limits(_) => debug!("the limits of the table were read"),
        Event::Connected(_) | Event::ClusterEnded(_) | Event::Work(_) | Event::Tick => {}
    }
}

fn said(worker: WorkerId, message: &FromWorker) {
    match message {
        FromWorker::Sealed(Sealed { part, steps }) => {
            if let Some(part) = part {
                let (file, number) = (part.file, part.number);
                debug!(%worker, %file, part = number, bytes = part.bytes, items = part.items, "part sealed");
            }
            for step in steps.iter().filter(|step| step.position == Position::Done) {
                debug!(%worker, segment = %step.segment, pages = step.to_page, "segment done");
            }
        }
        FromWorker::Advance(Advance { split, to, done, .. }) => {
            if *done {
                debug!(%worker, %split, "split done");
            } else {
                trace!(%worker, %split, offset = to, "split advanced");
            }
        }
        FromWorker::FileVerified(FileVerified { number, found, .. }) => {
            debug!(%worker, file = %number, items = found.items, defects = found.defects.len(), "file verified");
        }
        FromWorker::Throttled(requests) => debug!(%worker, requests, "requests were throttled"),
        FromWorker::Failed(_) => info!(%worker, "worker failed"),
        FromWorker::Hello { .. }
        | FromWorker::Need(_)
        | FromWorker::Want(_)
        | FromWorker::WantFile
        | FromWorker::Heartbeat(_)
        | FromWorker::Log(_) => {}
    }
}

/// Logs an action before it is performed.
pub(super) fn action<A>(action: &Action<A>) {
    match action {
        Action::Start(worker) => info!(%worker, "worker requested"),
        Action::Send(worker, message) => sent(*worker, message),
        Action::Disconnect(worker, why) => info!(%worker, why, "worker disconnected"),
        Action::Complete => info!("all tasks are done"),
        Action::Fail(_) => info!("the pass fails"),
        Action::Work(_) => {}
    }
}

fn sent(worker: WorkerId, message: &ToWorker) {
    match message {
        ToWorker::Lease(Lease { segment, attempt, mark }) => {
            debug!(%worker, %segment, %attempt, pages = mark.pages, "segment leased");
        }
        ToWorker::Split(lease) => {
            let (split, attempt) = (lease.split.split, lease.attempt);
            debug!(%worker, %split, %attempt, offset = lease.mark, "split leased");
        }
        ToWorker::VerifyFile(lease) => {
            let FileLease { number, attempt, .. } = &**lease;
            debug!(%worker, file = %number, %attempt, "file leased");
        }
        ToWorker::File { file, name, .. } => debug!(%worker, %file, %name, "part file assigned"),
        ToWorker::Grant { units, .. } => trace!(%worker, units = units.as_f64(), "units granted"),
        ToWorker::Drain => debug!(%worker, "no task is left to lease"),
        ToWorker::Pass(_)
        | ToWorker::Export(_)
        | ToWorker::Import(_)
        | ToWorker::Verify(_)
        | ToWorker::Finish
        | ToWorker::Keys(_)
        | ToWorker::SendLog => {}
    }
}

/// Logs the end of a pass.
pub(super) fn ended(elapsed: Duration, is_done: bool) {
    info!(elapsed_ms = elapsed.as_millis(), is_done, "the pass has ended");
}
