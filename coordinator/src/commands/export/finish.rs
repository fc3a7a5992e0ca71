//! How an export ends: its files are completed, or it is kept for the next run, or it is removed.

use std::{
    pin::pin,
    time::{Duration, Instant},
};

use engine::{
    export::{ExportState, Slowest},
    rejection::ItemsDiffer,
    replay::State,
};
use events::Event;
use jiff::Timestamp;
use job::{
    capacity::Rate,
    export_json::ExportJson,
    ids::JobId,
    journal::{Fact, Run, Stopped},
    target::Target,
};
use job_aws::Policy;

use super::report::{Report, Times};
use super::resume::{advised, kept_text};
use crate::{
    aws::identity::TableCheck,
    cluster::{
        Shutdown,
        fleet::{Fleet, during},
    },
    failure::{Failure, FailureKind, Why},
    jobs::{
        commit::{self, Marks},
        history,
        lifecycle::{Context, Ending, Kept, give_up},
    },
    journal::{self, Journal},
    output::display,
    store::{Loss, LostFile, Store},
};

/// How long the last fact of a stopped export may take to be journaled. Together with [`EXPORT_REMOVAL_LIMIT`] and
/// three times [`CUT_LIMIT`] it is less than the 5 seconds within which a stopped command ends.
const EXPORT_LAST_FACT_LIMIT: Duration = Duration::from_millis(1500);
/// How long the removal of a stopped export that has nothing to keep may take; see [`EXPORT_LAST_FACT_LIMIT`].
const EXPORT_REMOVAL_LIMIT: Duration = Duration::from_millis(1500);
/// How long cutting files, to make room, may take, and each step after that.
const CUT_LIMIT: Duration = Duration::from_millis(500);
/// How long publishing the backup, and the clean-up after it, may each still take after a request to stop.
const STOP_GRACE: Duration = Duration::from_secs(2);
/// How long the fact that the commit has begun may take to be journaled. Everything is read by then, so it is worth
/// waiting for S3 to come back.
const COMMIT_LIMIT: Duration = Duration::from_mins(10);

/// An export that ends.
pub(super) struct Finish<'a> {
    pub(super) target: &'a Target,
    pub(super) context: Context<'a>,
    pub(super) state: &'a ExportState,
    /// When this command began to work on the export.
    pub(super) started: Instant,
}

impl Finish<'_> {
    /// Completes an export whose table was read completely, or gives it up if that fails. Then ends its workers, if it
    /// has any, accordingly. `committed_at` is the time at which the commit began (RFC 3339), if it has; `run` is how
    /// the table was read; `slowest` and `rate` are for the report.
    ///
    /// # Errors
    /// Fails if the files could not be completed.
    pub(super) async fn finish(
        &self,
        journal: &mut Journal,
        committed_at: Option<String>,
        run: &Run,
        slowest: Option<Slowest>,
        rate: Rate,
        mut fleet: Option<&mut Fleet>,
    ) -> Result<Report, Failure> {
        let Context { progress, stop, .. } = self.context;
        let completing = self.complete(journal, committed_at, run);
        let (export, at) = match during(fleet.as_deref_mut(), completing).await {
            Ok(completed) => completed,
            Err(failure) => {
                if let Some(fleet) = fleet {
                    fleet.end(Shutdown::Kill, stop).await;
                }
                return Err(give_up(self, journal, progress, failure).await);
            }
        };
        let totals = journal.totals();
        let read_for = Duration::from_millis(totals.elapsed_ms);
        let times = Times { read: read_for, total: read_for.max(self.started.elapsed()) };
        let report = Report::new(&export, slowest, totals, rate, self.target.to_string(), times);
        progress.stream().publish(Event::Completed(Box::new(report.event(&export))));
        // The export is complete, so its application may succeed.
        let ending = async {
            if let Some(fleet) = fleet {
                fleet.end(Shutdown::Graceful, stop).await;
            }
        };
        let (removed, ()) = tokio::join!(stop.grant(STOP_GRACE, self.remove_leftovers(journal, at)), ending);
        if removed.is_err() {
            progress.note("note        the clean-up is incomplete, which does no harm: it took too long");
        }
        Ok(report)
    }

    /// Makes the export visible. Returns its description, and the time at which the commit began.
    async fn complete(
        &self,
        journal: &mut Journal,
        committed_at: Option<String>,
        run: &Run,
    ) -> Result<(ExportJson, String), Failure> {
        let state = self.state;
        self.context.progress.stream().completing(&self.context.facts.name);
        let failed = |fault| Failure::failed(&fault);
        let store = journal.folder().clone();
        let has_begun = committed_at.is_some();
        if !has_begun {
            self.check_table().await?;
        }
        let at = committed_at.unwrap_or_else(|| Timestamp::now().to_string());
        let export = state.export_json(run, journal.totals(), &at).map_err(miscounted)?;
        let marks = Marks::of(self.target, &export);
        let announce = async {
            check(journal, state, has_begun.then_some(&marks)).await?;
            // A superseded coordinator stops here, before anything becomes visible.
            if has_begun {
                Ok(())
            } else {
                journal.append(Fact::Commit { at: at.clone() }, COMMIT_LIMIT).await
            }
        };
        self.context.stop.unless_requested(announce).await.map_err(Failure::stopped)??;
        {
            let mut completing = pin!(commit::complete_files(&store, state.files()));
            loop {
                tokio::select! {
                    completed = &mut completing => break completed.map_err(failed)?,
                    // Heartbeats keep other coordinators from taking over meanwhile.
                    () = tokio::time::sleep(journal::HEARTBEAT_INTERVAL) => journal.beat().await?,
                    why = self.context.stop.requested() => return Err(Failure::stopped(why)),
                }
            }
        }
        // From here on a request to stop comes too late, because the backup is complete. It only takes effect if the
        // store does not answer.
        let publishing = async {
            journal.check_ours().await?;
            commit::publish(&store, &marks).await.map_err(failed)
        };
        self.context.stop.grant(STOP_GRACE, publishing).await.map_err(Failure::stopped)??;
        Ok((export, at))
    }

    /// Makes sure that everything was read from the same table. A table that is deleted by now is only noted, because
    /// this export may be its only copy.
    async fn check_table(&self) -> Result<(), Failure> {
        let Context { table, clients, stop, .. } = self.context;
        match table.check(clients, stop, "everything was read, but ").await? {
            TableCheck::Same => Ok(()),
            TableCheck::Another(why) => Err(Failure::other_table(format!(
                "{why}; the items may come from both tables, so this is not a backup"
            ))),
            TableCheck::Gone(why) => {
                let left = "all of it had been read, and this backup may be the only copy";
                self.context.progress.note(&format!("note        {why}; {left}"));
                Ok(())
            }
        }
    }

    /// Writes the history and the report, and removes what does not belong to the backup. The backup is complete even
    /// if that fails.
    async fn remove_leftovers(&self, journal: &mut Journal, at: String) {
        let (job, progress) = (&self.state.begin.job, self.context.progress);
        let removed = async {
            journal.check_ours().await?;
            history::write(journal.folder(), job, progress, history::REPORT_LIMIT).await;
            let strays = commit::abort_strays(journal.folder(), job, progress).await;
            strays.map_err(|fault| Failure::failed(&fault))?;
            journal.remove(&[self.state.begun(), Fact::Commit { at }]).await
        };
        if let Err(failure) = removed.await {
            progress.note(&format!("note        the clean-up is incomplete, which does no harm: {failure}"));
        }
    }
}

impl Ending for Finish<'_> {
    const LAST_FACT_LIMIT: Duration = EXPORT_LAST_FACT_LIMIT;
    const REMOVAL_LIMIT: Duration = EXPORT_REMOVAL_LIMIT;

    fn job(&self) -> &JobId {
        &self.state.begin.job
    }

    fn begun(&self) -> Fact {
        self.state.begun()
    }

    fn has_anything(&self) -> bool {
        self.state.has_anything()
    }

    async fn keep(&self, journal: &mut Journal, failure: Failure) -> Kept {
        let state = self.state;
        let failure = or_lost(journal, state, failure).await;
        let written = journal_end(journal, state, &failure).await;
        if written.as_ref().is_err_and(|failure| failure.is(FailureKind::Failed))
            && is_nothing_journaled(journal).await
        {
            return Kept::Nothing(failure);
        }
        let folder = self.target.to_string();
        let can_resume = !failure.is(FailureKind::OtherTable);
        Kept::Something(match written {
            Err(failure) if failure.is(FailureKind::Superseded) => failure,
            _ if failure.is(FailureKind::Lost) => advised(failure, &folder),
            written => failure.saying(&kept_text(state, &folder, can_resume, written.err().as_ref())),
        })
    }

    async fn discard(&self, folder: &Store) -> Result<(), Failure> {
        // No file of this export can be visible yet.
        let discarded = commit::discard(folder, self.state, None, self.context.progress).await;
        discarded.map_err(|fault| Failure::failed(&fault))
    }

    fn left_text(&self, why: &str) -> String {
        format!("{} could not be cleaned up: {why}", self.target)
    }
}

/// Not reached: a state whose counts differ is refused when it is replayed, and parts come with their steps.
fn miscounted(ItemsDiffer { files, segments }: ItemsDiffer) -> Failure {
    Failure::internal(format_args!("files hold {files} items, segments gave {segments}"))
}

/// Journals why the export stops. If that fails, because the disk is full for example, cuts off what workers have
/// written beyond their sealed parts and tries once more.
async fn journal_end(journal: &mut Journal, state: &ExportState, failure: &Failure) -> Result<(), Failure> {
    let stopped = Stopped { why: failure.to_string() };
    let written = journal.stop(stopped.clone(), || state.facts(), EXPORT_LAST_FACT_LIMIT).await;
    let is_read = state.tasks().0 == state.tasks().1;
    if !written.as_ref().is_err_and(|failure| failure.is(FailureKind::Failed))
        || !journal.is_locked()
        || is_read
    {
        return written;
    }
    let files = state.files().iter().filter(|file| file.needs_fence());
    // If it fails, the journal may still be written now.
    let _ = tokio::time::timeout(CUT_LIMIT, commit::fence(journal.folder(), files)).await;
    journal.stop(stopped, || state.facts(), CUT_LIMIT).await
}

/// Whether a locked folder's journal has no progress to resume from.
async fn is_nothing_journaled(journal: &Journal) -> bool {
    let read = tokio::time::timeout(CUT_LIMIT, journal::read(journal.folder()));
    let Ok(Ok(Some(journaled))) = read.await else { return false };
    let is_nothing = matches!(&journaled.state, State::Export(state) if !state.has_anything());
    is_nothing && journaled.committed_at.is_none() && journal.is_locked()
}

/// Checks, before any file becomes visible, that the export can be completed: everything stored still exists, and no
/// other program has put a backup in the folder. `marks` is set if an earlier run began the commit.
async fn check(journal: &Journal, state: &ExportState, marks: Option<&Marks>) -> Result<(), Failure> {
    let failed = |fault| Failure::failed(&fault);
    let store = journal.folder();
    let foreign = commit::in_the_way(store, marks).await.map_err(failed)?;
    if !foreign.is_empty() {
        let urls: Vec<String> = foreign.iter().map(|name| store.url(name)).collect();
        return Err(Failure::failed(format!(
            "another program wrote {} during the export: move that elsewhere",
            display::and(&urls)
        )));
    }
    match Policy::Patient
        .retry(|| store.lost(&state.begin.job, state.files(), marks.is_some()))
        .await
        .map_err(failed)?
    {
        Some(lost) => Err(Failure::lost(Why::of(lost))),
        None => Ok(()),
    }
}

/// The failure, or `FailureKind::Lost` if the export failed because stored data is gone.
async fn or_lost(journal: &Journal, state: &ExportState, failure: Failure) -> Failure {
    if !failure.is(FailureKind::Failed) {
        return failure;
    }
    let lost = journal.folder().lost(&state.begin.job, state.files(), true);
    match tokio::time::timeout(EXPORT_LAST_FACT_LIMIT, lost).await {
        Ok(Ok(Some(lost))) => and_lost(failure, &lost).instead(FailureKind::Failed, FailureKind::Lost),
        _ => failure,
    }
}

/// Why an export failed, and what is lost, unless a worker has told that its file was cut.
fn and_lost(failure: Failure, lost: &LostFile) -> Failure {
    match &lost.how {
        // Workers say why they fail as text only, and name the file.
        Loss::Cut { path, .. } if failure.to_string().contains(&*path.display().to_string()) => failure,
        _ if failure.to_string().contains(&lost.to_string()) => failure,
        _ => failure.saying(&lost.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use job::{ids::FileId, layout::part_file, spec::Compression};

    use super::*;

    #[test]
    fn a_file_that_was_cut_is_told_once() {
        let and = |why: &str, how| {
            let name = part_file(&JobId::from_u128(7), FileId(3), Compression::Gzip);
            and_lost(Failure::failed(why), &LostFile { name, how }).to_string()
        };
        let cut = || Loss::Cut { path: "/x/.a.gz.u".into(), bytes: 3, sealed: 9 };
        let why = "cannot write /x/.a.gz.u: it has 3 bytes, expected 9: another process changed it";
        assert_eq!(and(why, cut()), why);
        let other = "cannot write /x/.b.gz.u: No space left on device";
        assert_eq!(and(other, cut()), format!("{other}; /x/.a.gz.u has 3 bytes, expected at least 9"));
        let gone = || Loss::Aborted { url: "s3://b/k".into() };
        let said = "the multipart upload of s3://b/k is gone: it was aborted, perhaps by a lifecycle rule";
        let why = "s3:PutObject on s3://b/k: HTTP status 404";
        assert_eq!(and(why, gone()), format!("{why}; {said}"), "the upload says more than that it failed");
        assert_eq!(and(said, gone()), said);
    }
}
