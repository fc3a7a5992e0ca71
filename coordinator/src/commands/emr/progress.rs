//! The progress of a job on a cluster, from its journal in S3. No port and no log of EMR is needed.

use std::{
    io::IsTerminal,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use emr::{
    launch::Launch,
    view::{ClusterState, StepState},
};
use job::target::Target;
use job_aws::{Clients, Policy};
use tokio::{sync::watch, task::JoinSet};

use super::LaunchRequest;
use crate::{
    commands::status::{FolderState, Unfinished, status_of},
    output::{bar::Bar, display, progress::LINE_EVERY, stderr},
    store::Store,
};

/// How often the journal is read. The coordinator writes to it as often.
const READ_JOURNAL_EVERY: Duration = Duration::from_secs(5);

/// What the journal says of the current job.
#[derive(Clone, Debug, Default)]
enum JournalView {
    #[default]
    Nothing,
    Running(Box<Unfinished>),
    /// It ran, and does not any more.
    Ended,
}

/// The progress as the user sees it.
pub(super) struct Shown {
    is_quiet: bool,
    is_terminal: bool,
    seen: watch::Receiver<JournalView>,
    /// The number of the step that runs.
    current: Arc<AtomicUsize>,
    line_at: Option<Instant>,
    has_bar: bool,
    began: Instant,
    _reader: JoinSet<()>,
}

impl Shown {
    pub(super) fn new(request: &LaunchRequest, clients: &Clients) -> Self {
        let (sender, seen) = watch::channel(JournalView::Nothing);
        // Past the last job, so that nothing is read before a step runs.
        let current = Arc::new(AtomicUsize::new(usize::MAX));
        let folders: Vec<Option<Target>> = request.steps.iter().map(|step| step.state.clone()).collect();
        let mut reader = JoinSet::new();
        reader.spawn(read(folders, current.clone(), clients.clone(), sender));
        Self {
            is_quiet: request.quiet,
            is_terminal: std::io::stderr().is_terminal(),
            seen,
            current,
            line_at: None,
            has_bar: false,
            began: Instant::now(),
            _reader: reader,
        }
    }

    /// Waits for news of the journal. Returns whether the job has ended by its own word.
    pub(super) async fn changed(&mut self) -> bool {
        if self.seen.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
        matches!(&*self.seen.borrow_and_update(), JournalView::Ended)
    }

    /// Shows where the launch is now.
    pub(super) fn show(&mut self, launch: &Launch) {
        let running = launch.steps().iter().position(|step| step.state == StepState::Running);
        self.current.store(running.unwrap_or(usize::MAX), Ordering::SeqCst);
        if self.is_quiet || launch.cluster().is_none() || launch.outcome().is_some() {
            return self.hide();
        }
        let seen = self.seen.borrow().clone();
        let (percent, message, name) = match (&seen, running) {
            (JournalView::Running(job), Some(_)) => (Some(job.percent), describe(job), job.table.clone()),
            _ => match coming_up(launch) {
                Some(text) => (None, text, launch.cluster().unwrap_or_default().to_owned()),
                None => return self.hide(),
            },
        };
        let message = match percent {
            Some(_) => message,
            None => format!("{message} ({})", display::duration(self.began.elapsed())),
        };
        if self.is_terminal {
            self.has_bar = true;
            stderr::show(Some(Bar {
                template: if percent.is_some() {
                    "{prefix} {wide_bar} {percent:>3} %\n{msg}"
                } else {
                    "{prefix} {spinner} {msg}"
                },
                prefix: name,
                length: if percent.is_some() { 100 } else { 0 },
                position: percent.unwrap_or_default(),
                message,
            }));
        } else if percent.is_some() && self.line_at.is_none_or(|at| at.elapsed() >= LINE_EVERY) {
            self.line_at = Some(Instant::now());
            stderr::progress(&format!("{name}: {} %, {message}", percent.unwrap_or_default()));
        }
    }

    fn hide(&mut self) {
        if std::mem::take(&mut self.has_bar) {
            stderr::show(None);
        }
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.hide();
    }
}

fn describe(job: &Unfinished) -> String {
    let age = match job.last_word_seconds_ago {
        Some(age) if age > 15 => format!(", last update {age} s ago"),
        _ => String::new(),
    };
    let completing = if job.completing { ", files are being completed" } else { "" };
    let things = if job.kind == "export" { "segments" } else { "splits" };
    format!(
        "{}, {} items/s on average, {}/{} {things}{completing}{age}",
        display::count_of(job.items, "item"),
        display::rate(job.items_per_second),
        job.tasks_done,
        job.tasks,
    )
}

/// What a cluster does that has no job yet, for the line of progress.
fn coming_up(launch: &Launch) -> Option<String> {
    let view = launch.view()?;
    let text = match view.state {
        ClusterState::Starting => "instances are being started",
        ClusterState::Bootstrapping => "tablehaul and Hadoop are being installed",
        ClusterState::Running => "the job is about to begin",
        ClusterState::Terminating => "the cluster is ending",
        _ => return None,
    };
    Some(text.to_owned())
}

/// Reads the journal of the current job for ever. What cannot be read now may be readable later.
async fn read(
    folders: Vec<Option<Target>>,
    current: Arc<AtomicUsize>,
    clients: Clients,
    sender: watch::Sender<JournalView>,
) {
    let mut before = usize::MAX;
    loop {
        tokio::time::sleep(READ_JOURNAL_EVERY).await;
        let number = current.load(Ordering::SeqCst);
        if number != before {
            before = number;
            sender.send_replace(JournalView::Nothing);
        }
        let Some(Some(folder)) = folders.get(number) else { continue };
        let Target::S3 { bucket, .. } = folder else { continue };
        if Policy::Brief.retry(|| clients.locate(bucket)).await.is_err() {
            continue;
        }
        let Ok(status) = status_of(folder, &Store::new(folder, &clients)).await else { continue };
        let ran = matches!(&*sender.borrow(), JournalView::Running(_));
        match status.state {
            FolderState::Running(job) | FolderState::Unfinished(job) => {
                sender.send_replace(JournalView::Running(Box::new(job)));
            }
            _ if ran => {
                sender.send_replace(JournalView::Ended);
            }
            // The export may be shorter than the time between two looks.
            FolderState::Complete { .. } if !matches!(&*sender.borrow(), JournalView::Ended) => {
                sender.send_replace(JournalView::Ended);
            }
            _ => {}
        }
    }
}
