//! What is in the folder that a job is to write to.

use engine::replay::Journaled;
use job::layout;
use job_aws::Fault;

use crate::{
    failure::Failure,
    journal,
    retry::retry_briefly,
    store::Store,
    whole::{self, Complete, Damaged, Whole},
};

/// What a folder holds.
pub(crate) enum FolderContents {
    /// Nothing.
    Empty,
    /// An export that is complete by the names and lengths of its files.
    Complete(Complete),
    /// An export that claims to be complete and is not.
    Damaged(Damaged),
    /// A job that is running, or whose coordinator has ended.
    Unfinished(Box<Journaled>),
    /// Something else: some of the names, and whether there are more.
    Foreign(Vec<String>, bool),
}

/// The most names shown of foreign files.
const SOME: usize = 3;

impl FolderContents {
    /// Looks at a folder.
    ///
    /// # Errors
    /// Fails with [`Failure::Refused`] if it, or the journal in it, can't be read.
    pub(crate) async fn of(store: &Store) -> Result<Self, Failure> {
        let refused = |fault: Fault| Failure::refused(&fault);
        let names = retry_briefly(|| store.list()).await.map_err(refused)?;
        // A coordinator that died between locking the folder and beginning a journal leaves only the lock.
        if names.iter().all(|name| name == layout::LOCK) {
            return Ok(Self::Empty);
        }
        if retry_briefly(|| store.look_up(layout::SUCCESS)).await.map_err(refused)?.is_some() {
            return Self::marked(store).await;
        }
        if let Some(journaled) = journal::read(store).await? {
            return Ok(Self::Unfinished(Box::new(journaled)));
        }
        for mark in [layout::MANIFEST, layout::EXPORT_JSON] {
            if retry_briefly(|| store.look_up(mark)).await.map_err(refused)?.is_some() {
                return Self::marked(store).await;
            }
        }
        let is_nothing = |name: &String| name == layout::LOCK || name == layout::JOURNAL;
        let mut foreign: Vec<String> = names.into_iter().filter(|name| !is_nothing(name)).collect();
        if foreign.is_empty() {
            return Ok(Self::Empty);
        }
        let has_more = foreign.len() > SOME;
        foreign.truncate(SOME);
        Ok(Self::Foreign(foreign, has_more))
    }

    /// Looks at a folder with one of the three marks of a complete export, which are written together at its end.
    async fn marked(store: &Store) -> Result<Self, Failure> {
        Ok(match whole::look(store).await? {
            Whole::Complete(complete) => Self::Complete(complete),
            Whole::Damaged(damaged) => Self::Damaged(damaged),
        })
    }
}

/// The foreign names as text.
pub(crate) fn foreign_text(names: &[String], has_more: bool) -> String {
    format!("{}{}", names.join(", "), if has_more { ", …" } else { "" })
}
