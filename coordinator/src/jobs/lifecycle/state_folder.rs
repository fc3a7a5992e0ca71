//! The state folder of a job that has no folder of its own to write to: an import, or a verification. Such a job keeps
//! its journal there.

use std::time::Duration;

use engine::replay::State;
use job::{
    ids::JobId,
    journal::{Fact, Stopped},
};

use super::{Ending, Kept, Start, kept_text};
use crate::{
    failure::{Failure, FailureKind},
    jobs::folder_contents::{FolderContents, foreign_text},
    journal::{Journal, wait_for_owner_to_stop},
    store::Store,
};

/// A state folder, and how the job starts there.
pub(crate) struct StateFolder {
    pub(crate) store: Store,
    pub(crate) start: Start,
}

impl StateFolder {
    /// What a state folder holds. Only a job of this [`kind`](State::kind) is resumed.
    ///
    /// # Errors
    /// Fails with `FailureKind::Refused` if the folder holds anything else, or can't be read.
    pub(crate) async fn inspect(store: Store, kind: &str, wants_restart: bool) -> Result<Self, Failure> {
        store.check().await.map_err(|fault| Failure::refused(&fault))?;
        let refused = |what: String| {
            let place = store.display();
            Failure::refused(format!(
                "--state {place}: holds {what}; give an empty folder, or the state folder of this {kind}"
            ))
        };
        let start = match FolderContents::of(&store).await? {
            FolderContents::Empty => Start::Fresh,
            FolderContents::Complete(complete) => return Err(refused(complete.text)),
            FolderContents::Damaged(damaged) => return Err(refused(damaged.text)),
            FolderContents::Foreign(names, has_more) => return Err(refused(foreign_text(&names, has_more))),
            FolderContents::Unfinished(journaled) if journaled.state.kind() != kind => {
                return Err(refused(journaled.text_as_found()));
            }
            FolderContents::Unfinished(journaled) => Start::after(journaled, wants_restart),
        };
        Ok(Self { store, start })
    }

    /// Waits until it is certain that no other process works on the job in the folder. Calls `note` if that takes time.
    ///
    /// # Errors
    /// Fails with `FailureKind::Refused` if one does.
    pub(crate) async fn wait_for_owner_to_stop(&self, note: &(dyn Fn(&str) + Sync)) -> Result<(), Failure> {
        match self.start.journaled() {
            Some(journaled) => wait_for_owner_to_stop(&self.store, journaled, note).await,
            None => Ok(()),
        }
    }
}

/// A job with a state folder that ends without success. What an import has written stays in the table.
pub(crate) struct InStateFolder<'a> {
    pub(crate) state: &'a State,
    /// What the user is to do next if the state is kept.
    pub(crate) next: &'a str,
}

impl Ending for InStateFolder<'_> {
    const LAST_FACT_LIMIT: Duration = Duration::from_secs(2);
    const REMOVAL_LIMIT: Duration = Duration::MAX;

    fn job(&self) -> &JobId {
        self.state.job()
    }

    fn begun(&self) -> Fact {
        self.state.begun()
    }

    fn has_anything(&self) -> bool {
        self.state.has_anything()
    }

    async fn keep(&self, journal: &mut Journal, failure: Failure) -> Kept {
        let stopped = Stopped { why: failure.to_string() };
        let written = journal.stop(stopped, || self.state.facts(), Self::LAST_FACT_LIMIT).await;
        Kept::Something(match written {
            Err(failure) if failure.is(FailureKind::Superseded) => failure,
            written => {
                let folder = journal.folder().display();
                failure.saying(&kept_text("its state", &folder, self.next, written.err().as_ref()))
            }
        })
    }

    /// Nothing: only the journal is in the folder.
    async fn discard(&self, _: &Store) -> Result<(), Failure> {
        Ok(())
    }

    fn left_text(&self, why: &str) -> String {
        why.to_owned()
    }
}
