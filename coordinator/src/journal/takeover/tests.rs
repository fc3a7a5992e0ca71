use std::path::Path;

use job::layout::journal_object;

use super::*;
use crate::journal::{
    read,
    tests::{begun, store},
};

const PATIENCE: Duration = Duration::from_millis(1500);

/// Watches a journal of one object while `happens` runs. Returns the result of the watch.
async fn watched(happens: impl FnOnce(&Path)) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join(layout::JOURNAL);
    std::fs::create_dir_all(&journal).unwrap();
    std::fs::write(journal.join(journal_object(1)), begun()).unwrap();
    let store = store(folder.path());
    let journaled = read(&store).await.unwrap().unwrap();
    happens(&journal);
    watch(&store, &journaled, PATIENCE).await.map_err(|failure| failure.to_string())
}

#[tokio::test]
async fn an_owner_that_does_nothing_is_taken_for_dead() {
    watched(|_| ()).await.unwrap();
}

#[tokio::test]
async fn an_owner_that_writes_is_at_work_also_if_it_removes_what_was_before() {
    let writes = |journal: &Path| std::fs::write(journal.join(journal_object(2)), "").unwrap();
    let replaces = |journal: &Path| {
        std::fs::rename(journal.join(journal_object(1)), journal.join(journal_object(2))).unwrap();
    };
    for said in [watched(writes).await, watched(replaces).await] {
        assert!(said.as_ref().is_err_and(|why| why.ends_with("which is running")), "{said:?}");
    }
}

#[tokio::test]
async fn an_owner_that_ends_its_job_while_it_is_watched_is_no_dead_one() {
    let ends = |journal: &Path| std::fs::remove_dir_all(journal).unwrap();
    let why = watched(ends).await.unwrap_err();
    assert!(why.ends_with("the job there has just ended or continued; run the command again"), "{why}");
}
