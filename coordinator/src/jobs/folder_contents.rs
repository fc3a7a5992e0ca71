//! What is in the folder that a job is to write to.
//!
//! ```text
//! journal? ── none ──────────────────→ marks? → complete, damaged, foreign or empty
//!    └─ of an unfinished job ─→ has that job put all its marks? → complete or damaged; or else unfinished
//! ```
//!
//! Anybody may put files with the names of the marks beside a journal, so they never hide it: only the marks of the
//! journal's own job say that it has ended.

use std::time::Duration;

use engine::replay::{Journaled, State};
use job::layout;
use job_aws::{Fault, Policy};

use crate::{
    failure::Failure,
    jobs::completeness::{self, Complete, Damaged, Whole},
    journal,
    store::Store,
};

/// What a folder holds.
pub(crate) enum FolderContents {
    /// Nothing, or only what an earlier job told people of itself.
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
/// How often a folder is looked at while its files change.
const LOOKS: usize = 4;
/// The pause between two looks.
const LOOK_PAUSE: Duration = Duration::from_millis(300);

impl FolderContents {
    /// Looks at a folder.
    ///
    /// # Errors
    /// Fails with `FailureKind::Refused` if it, or the journal in it, can't be read.
    pub(crate) async fn of(store: &Store) -> Result<Self, Failure> {
        let mut found = Self::at_once(store).await?;
        // Another command may begin or remove a job between the listing and the look at its journal. Then the names of
        // that job are not foreign.
        for _ in 1..LOOKS {
            let Self::Foreign(..) = &found else { break };
            tokio::time::sleep(LOOK_PAUSE).await;
            let again = Self::at_once(store).await?;
            if matches!((&found, &again), (Self::Foreign(before, _), Self::Foreign(now, _)) if before == now)
            {
                break;
            }
            found = again;
        }
        Ok(found)
    }

    async fn at_once(store: &Store) -> Result<Self, Failure> {
        let names = Policy::Brief.retry(|| store.list()).await.map_err(|fault| Failure::refused(&fault))?;
        // A coordinator that died between locking the folder and beginning a journal leaves only the lock. The last
        // status may arrive in S3 after the journal is gone. Of a complete import, only its history and report are
        // left.
        let is_nothing =
            |name: &String| name == layout::LOCK || layout::STATUS_FILES.contains(&name.as_str());
        if names.iter().all(is_nothing) {
            return Ok(Self::Empty);
        }
        match journal::read(store).await {
            Ok(None) => {}
            Ok(Some(journaled)) => {
                if is_published(store, &journaled).await? {
                    return completeness::inspect(store).await.map(Self::from);
                }
                return Ok(Self::Unfinished(Box::new(journaled)));
            }
            // What a complete export needs no more can't spoil it.
            Err(unusable) => {
                return match completeness::published_by(store).await? {
                    Some(_) => Ok(completeness::inspect(store).await?.into()),
                    None => Err(unusable),
                };
            }
        }
        if let Some(whole) = marked(store).await? {
            return Ok(whole.into());
        }
        let is_foreign = |name: &String| !is_nothing(name) && name != layout::JOURNAL;
        let mut foreign: Vec<String> = names.into_iter().filter(is_foreign).collect();
        if foreign.is_empty() {
            return Ok(Self::Empty);
        }
        let has_more = foreign.len() > SOME;
        foreign.truncate(SOME);
        Ok(Self::Foreign(foreign, has_more))
    }
}

impl From<Whole> for FolderContents {
    fn from(whole: Whole) -> Self {
        match whole {
            Whole::Complete(complete) => Self::Complete(complete),
            Whole::Damaged(damaged) => Self::Damaged(damaged),
        }
    }
}

/// What a folder is that has a mark of a complete export, whatever journal it holds. `None` if it has none.
///
/// # Errors
/// See [`completeness::inspect`].
pub(crate) async fn marked(store: &Store) -> Result<Option<Whole>, Failure> {
    let refused = |fault: Fault| Failure::refused(&fault);
    for mark in [layout::SUCCESS, layout::MANIFEST, layout::EXPORT_JSON] {
        if Policy::Brief.retry(|| store.look_up(mark)).await.map_err(refused)?.is_some() {
            return completeness::inspect(store).await.map(Some);
        }
    }
    Ok(None)
}

/// Whether the job of a journal is an export that has put all its marks in place, so that only the journal is left to
/// be removed.
///
/// # Errors
/// See [`completeness::published_by`].
pub(crate) async fn is_published(store: &Store, journaled: &Journaled) -> Result<bool, Failure> {
    let State::Export(state) = &journaled.state else { return Ok(false) };
    Ok(completeness::published_by(store).await?.as_ref() == Some(&state.begin.job))
}

/// The foreign names as text.
pub(crate) fn foreign_text(names: &[String], has_more: bool) -> String {
    format!("{}{}", names.join(", "), if has_more { ", …" } else { "" })
}

#[cfg(test)]
mod tests;
