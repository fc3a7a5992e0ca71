//! What is in a folder that a job is to write to.

use job::{
    export_json::{self, ExportJson},
    layout,
};
use job_aws::Fault;

use crate::{
    failure::Failure,
    journal::{self, Journaled},
    retry::briefly,
    store::Store,
};

/// Who has a folder.
pub(crate) enum Occupant {
    /// Nobody: nothing is there.
    Nobody,
    /// A whole export. What it is, if this program made it.
    Complete(Option<Box<ExportJson>>),
    /// A job that is under way, or was when its coordinator ended.
    Unfinished(Box<Journaled>),
    /// Something else; some names, and whether there are more.
    Foreign(Vec<String>, bool),
}

/// Names that are told of what is foreign.
const SOME: usize = 3;

impl Occupant {
    /// Looks at a folder.
    ///
    /// # Errors
    /// [`Failure::Refused`] if it, or the journal in it, can't be read.
    pub(crate) async fn of(store: &Store) -> Result<Self, Failure> {
        let refused = |fault: Fault| Failure::refused(&fault);
        let names = briefly(|| store.list()).await.map_err(refused)?;
        // Left by one who died between locking the folder and beginning a journal.
        if names.iter().all(|name| name == layout::LOCK) {
            return Ok(Self::Nobody);
        }
        if briefly(|| store.look_up(layout::SUCCESS)).await.map_err(refused)?.is_some() {
            return Self::complete(store).await;
        }
        if let Some(journaled) = journal::read(store).await? {
            return Ok(Self::Unfinished(Box::new(journaled)));
        }
        if briefly(|| store.look_up(layout::MANIFEST)).await.map_err(refused)?.is_some() {
            return Self::complete(store).await;
        }
        let is_nothing = |name: &String| name == layout::LOCK || name == layout::JOURNAL;
        let mut foreign: Vec<String> = names.into_iter().filter(|name| !is_nothing(name)).collect();
        if foreign.is_empty() {
            return Ok(Self::Nobody);
        }
        let has_more = foreign.len() > SOME;
        foreign.truncate(SOME);
        Ok(Self::Foreign(foreign, has_more))
    }

    async fn complete(store: &Store) -> Result<Self, Failure> {
        let found = store.find(layout::EXPORT_JSON).await.map_err(|fault| Failure::refused(&fault))?;
        let export = found.and_then(|bytes| export_json::read(&bytes).ok());
        Ok(Self::Complete(export.map(Box::new)))
    }
}

/// A complete export, in words.
pub(crate) fn complete_text(export: Option<&ExportJson>) -> String {
    match export {
        Some(export) => {
            let table = export.table["TableName"].as_str().unwrap_or("unknown").escape_debug();
            format!("a complete export of table {table} of {}", export.finished_at.escape_debug())
        }
        None => "a complete export of another tool".to_owned(),
    }
}

/// What is foreign, in words.
pub(crate) fn foreign_text(names: &[String], has_more: bool) -> String {
    format!("{}{}", names.join(", "), if has_more { ", …" } else { "" })
}
