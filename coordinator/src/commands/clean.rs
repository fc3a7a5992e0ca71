//! The clean command: removes an unfinished export, or the state of an unfinished import or verification.

use engine::replay::{Journaled, State};
use job::{
    journal::{Fact, Run},
    layout,
    spec::AwsAccess,
    target::Target,
};
use job_aws::Fault;
use tokio_util::sync::CancellationToken;

use crate::{
    failure::Failure,
    jobs::{
        commit,
        folder_contents::{FolderContents, foreign_text, is_published},
        lifecycle::{acquire_to_discard, check_removable},
    },
    journal::{self, Journal, OwnerStatus},
    output::{display, progress::Progress, waits::unless_silent},
    store::Store,
};

/// Removes what an unfinished export has left in a folder, if `agree` confirms the description of it. Returns a
/// sentence about what was done.
///
/// # Errors
/// Fails with `FailureKind::Refused` if the folder holds something else, or the export is running. Fails also if
/// something could not be removed.
pub(crate) async fn clean(
    folder: &Target,
    access: &AwsAccess,
    agree: impl FnOnce(&str) -> Result<(), Failure> + Send + 'static,
    progress: &Progress,
    stop: &CancellationToken,
) -> Result<String, Failure> {
    let cleaning = async {
        let looking = async {
            let store = Store::to_read(folder, access).await.map_err(|fault| Failure::refused(&fault))?;
            FolderContents::of(&store).await.map(|folder_contents| (store, folder_contents))
        };
        let (store, folder_contents) = unless_silent(looking).await?;
        match folder_contents {
            FolderContents::Empty => Ok(format!("{folder} is empty")),
            FolderContents::Foreign(names, has_more) => Err(Failure::refused(format!(
                "{folder} holds no unfinished export ({}): nothing is removed",
                foreign_text(&names, has_more)
            ))),
            FolderContents::Damaged(damaged) => {
                Err(Failure::refused(format!("{folder} holds {}; nothing is removed", damaged.sentence())))
            }
            FolderContents::Complete(complete) => {
                if let Some(left) = left_over(&store).await? {
                    journal::wait_for_owner_to_stop(&store, &left, &|text| progress.note(text)).await?;
                    remove_left_over(&store, &left, progress).await?;
                    let (journal, folder) = (layout::JOURNAL, store.display());
                    return Ok(format!("removed {journal} from the complete export in {folder}"));
                }
                Err(Failure::refused(format!("{folder} holds {}: nothing is removed", complete.text)))
            }
            FolderContents::Unfinished(journaled) => remove(&store, &journaled, agree, progress).await,
        }
    };
    tokio::select! {
        cleaned = cleaning => cleaned,
        () = stop.cancelled() => {
            Err(Failure::stopped("stopped by a signal; run the same command again to continue"))
        }
    }
}

async fn remove(
    store: &Store,
    journaled: &Journaled,
    agree: impl FnOnce(&str) -> Result<(), Failure> + Send + 'static,
    progress: &Progress,
) -> Result<String, Failure> {
    let failed = |fault: Fault| Failure::failed(&fault);
    journal::wait_for_owner_to_stop(store, journaled, &|text| progress.note(text)).await?;
    check_removable(store, journaled).await?;
    let files = match &journaled.state {
        State::Export(state) => {
            let open = state.files().iter().filter(|file| file.upload_id.is_some()).count();
            let thing = if store.is_on_file_system() { "hidden file" } else { "multipart upload" };
            format!("{} and its journal", display::count(open, thing))
        }
        // The items that the import has written stay in the table.
        State::Import(_) | State::Verify(_) => "Its journal".to_owned(),
    };
    let (what, progress_made) = (journaled.text(), journaled.progress_text());
    let question = format!("{} holds {what}. {files} will be removed", store.display());
    // Waits on a blocking thread, because the user may take long to answer.
    let agreed = tokio::task::spawn_blocking(move || agree(&question)).await;
    agreed.map_err(Failure::internal)??;
    let mut journal = acquire_to_discard(store, journaled, Run::default(), progress).await?;
    journal.remove(&[journaled.state.begun(), Fact::Abandoned]).await?;
    for name in commit::in_the_way(store, None).await.map_err(failed)? {
        progress.note(&format!("note        {} was not removed: this job did not write it", store.url(name)));
    }
    store.remove_empty_folders().await;
    let (kind, table) = (journaled.state.kind(), journaled.state.table().escape_debug());
    let folder = store.display();
    Ok(format!("removed an unfinished {kind} of table {table} from {folder}: {progress_made}"))
}

/// Removes what the coordinator of a complete export has left if it died just before the end, unless it may still be
/// running. Errors are only noted: the export is complete without this.
pub(crate) async fn remove_leftovers(store: &Store, progress: &Progress) {
    let tidied = async {
        let Some(left) = left_over(store).await? else { return Ok(()) };
        match journal::owner_status(store, &left).await? {
            OwnerStatus::Alive | OwnerStatus::LastSeen(_) => Ok(()),
            OwnerStatus::Unseen(why) => Err(Failure::refused(why)),
            OwnerStatus::Gone | OwnerStatus::Killed => remove_left_over(store, &left, progress).await,
        }
    };
    if let Err::<(), Failure>(failure) = tidied.await {
        progress.note(&format!("note        the clean-up is incomplete, which does no harm: {failure}"));
    }
}

/// The journal of a complete export beside it, if it is still there. One of another job is none: what that job has left
/// is not the export's.
async fn left_over(store: &Store) -> Result<Option<Journaled>, Failure> {
    let complete = format!("the export is complete: only {} is of no use any more", layout::JOURNAL);
    if let Some(left) = journal::read(store).await.map_err(|failure| failure.saying(&complete))? {
        return Ok(is_published(store, &left).await?.then_some(left));
    }
    // Without a journal, only the coordinator's lock may be left.
    let lock = store.lock_existing().await.map_err(|fault| Failure::refused(&fault))?;
    store.release(lock).await;
    Ok(None)
}

async fn remove_left_over(store: &Store, left: &Journaled, progress: &Progress) -> Result<(), Failure> {
    let mut journal = Journal::acquire_to_remove(store, left, Run::default()).await?;
    if let State::Export(state) = &left.state {
        let strays = commit::abort_strays(journal.folder(), &state.begin.job, progress).await;
        strays.map_err(|fault| Failure::failed(&fault))?;
    }
    journal.remove(&[left.state.begun(), Fact::Abandoned]).await
}
