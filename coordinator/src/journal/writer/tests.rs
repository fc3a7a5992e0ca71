use std::{fs, path::Path};

use super::*;
use crate::failure::FailureKind;
use crate::{
    journal::{
        read,
        tests::{begin, object, store},
    },
    store::Store,
};

const LIMIT: Duration = Duration::from_secs(1);

/// A writer that has begun a journal and holds no lock, as in S3.
async fn begun(store: &Store) -> JournalWriter {
    let mut writer = JournalWriter::first(store).await.unwrap();
    writer.release().await;
    writer.append(&[begin()], LIMIT).await.unwrap();
    writer
}

async fn successor(store: &Store) -> JournalWriter {
    let journaled = read::read(store).await.unwrap().unwrap();
    let mut writer = JournalWriter::after(store, &journaled).await.unwrap();
    writer.release().await;
    writer.append(&[], LIMIT).await.unwrap();
    writer
}

fn superseded(written: Result<(), Failure>) -> String {
    let why = written.expect_err("another has written");
    assert_eq!(why.kind(), FailureKind::Superseded);
    why.to_string()
}

fn objects(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder.join(layout::JOURNAL)).into_iter().flatten().flatten();
    let mut names: Vec<_> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn whoever_finds_the_next_number_taken_stops_and_says_by_whom() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let mut first = begun(&store).await;
    let mut second = successor(&store).await;
    assert!(first.check_ours().await.is_err());
    let why = superseded(first.append(&[], LIMIT).await);
    assert!(why.contains(&format!("taken over by process {} on ", std::process::id())), "{why}");
    second.check_ours().await.unwrap();
    second.append(&[], LIMIT).await.unwrap();
    assert_eq!(objects(folder.path()).len(), 3);
}

#[tokio::test]
async fn a_snapshot_with_a_high_number_is_continued_and_what_was_before_it_is_removed_by_what_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    begun(&store).await;
    let planted = 999_999_999_990;
    let name = layout::journal_object(planted);
    fs::write(folder.path().join(layout::JOURNAL).join(&name), object(planted, &[begin()])).unwrap();
    let mut next = successor(&store).await;
    assert_eq!(objects(folder.path()), ["00000001.jsonl", &name, &layout::journal_object(planted + 1)]);
    // Counting up to the last number would take hours.
    next.compact(&[begin()], LIMIT).await.unwrap();
    assert_eq!(objects(folder.path()), [layout::journal_object(planted + 2)]);
    assert!(!next.has_several());
}

#[tokio::test]
async fn whoever_sleeps_until_another_has_removed_the_journal_notices_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let mut first = begun(&store).await;
    let mut second = successor(&store).await;
    second.remove().await.unwrap();
    let why = superseded(first.append(&[], LIMIT).await);
    assert!(why.contains("the journal of this job is gone"), "{why}");
    assert!(
        why.contains("another coordinator has taken over and ended the job, or somebody has removed"),
        "{why}"
    );
    assert!(objects(folder.path()).is_empty());
}

#[tokio::test]
async fn whose_journal_is_removed_while_it_holds_the_lock_knows_that_nobody_has_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let mut writer = JournalWriter::first(&store).await.unwrap();
    writer.append(&[begin()], LIMIT).await.unwrap();
    fs::remove_file(folder.path().join(layout::JOURNAL).join("00000001.jsonl")).unwrap();
    let why = superseded(writer.append(&[], LIMIT).await);
    assert!(
        why.contains("is gone or damaged: somebody has removed or changed it") && !why.contains("taken"),
        "{why}"
    );
    assert!(objects(folder.path()).is_empty());
}

#[tokio::test]
async fn whoever_sleeps_until_another_job_has_begun_in_the_same_place_notices() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let mut first = begun(&store).await;
    successor(&store).await.remove().await.unwrap();
    let _other = begun(&store).await;
    assert!(superseded(first.append(&[], LIMIT).await).contains("taken over by process "));
    assert_eq!(objects(folder.path()), ["00000001.jsonl"], "that of the other");
}

#[tokio::test]
async fn whoever_begins_where_the_first_object_of_another_is_no_longer_there_steps_back() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let mut late = JournalWriter::first(&store).await.unwrap();
    late.release().await;
    let mut other = begun(&store).await;
    other.compact(&[begin()], LIMIT).await.unwrap();
    let why = late.begin(&[begin()], LIMIT).await.expect_err("it has begun");
    assert_eq!(why.kind(), FailureKind::Refused);
    let why = why.to_string();
    assert!(why.contains(&format!("is in use by process {} on ", std::process::id())), "{why}");
    assert_eq!(objects(folder.path()), ["00000002.jsonl"]);
    other.append(&[], LIMIT).await.unwrap();
}

#[tokio::test]
async fn whoever_takes_over_from_one_that_has_ended_the_job_meanwhile_is_told_to_look_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let mut first = begun(&store).await;
    let journaled = read::read(&store).await.unwrap().unwrap();
    let mut second = JournalWriter::after(&store, &journaled).await.unwrap();
    second.release().await;
    first.remove().await.unwrap();
    let why = superseded(second.append(&[], LIMIT).await);
    assert!(why.ends_with("the job there has just ended or continued; run the command again"), "{why}");
    assert!(objects(folder.path()).is_empty());
}

#[tokio::test]
async fn an_object_whose_reply_was_lost_is_no_other_coordinators() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let mut writer = begun(&store).await;
    // The next object exists, but its writer does not know.
    writer.append(&[Fact::Abandoned], LIMIT).await.unwrap();
    writer.me.number -= 1;
    writer.append(&[], LIMIT).await.unwrap();
    assert_eq!(writer.me.number, 3);
    assert!(read::read(&store).await.unwrap().unwrap().is_abandoned, "what it said holds");
}

#[tokio::test]
async fn an_object_that_says_everything_replaces_those_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let mut writer = begun(&store).await;
    writer.append(&[], LIMIT).await.unwrap();
    writer.compact(&[begin()], LIMIT).await.unwrap();
    writer.append(&[], LIMIT).await.unwrap();
    assert_eq!(objects(folder.path()), ["00000003.jsonl", "00000004.jsonl"]);
    assert_eq!(read::read(&store).await.unwrap().unwrap().last.number, 4);
}

#[tokio::test]
async fn a_folder_that_is_no_longer_the_one_that_was_locked_is_left_alone() {
    let outer = tempfile::tempdir().unwrap();
    let (place, elsewhere) = (outer.path().join("backup"), outer.path().join("moved"));
    let mut writer = JournalWriter::first(&store(&place)).await.unwrap();
    writer.append(&[begin()], LIMIT).await.unwrap();
    fs::rename(&place, &elsewhere).unwrap();
    // The folder is missing; then another job's folder is in its place.
    for number_there in [0, 1] {
        if number_there == 1 {
            let mut other = JournalWriter::first(&store(&place)).await.unwrap();
            other.append(&[begin()], LIMIT).await.unwrap();
        }
        for tried in [
            writer.append(&[], LIMIT).await,
            writer.compact(&[begin()], LIMIT).await,
            writer.check_ours().await,
            writer.remove().await.map_err(|fault| Failure::failed(&fault)),
        ] {
            let why = superseded(tried);
            assert!(why.contains("no longer the folder that this job locked"), "{why}");
        }
        assert_eq!(objects(&place).len(), number_there);
    }
    assert_eq!(objects(&elsewhere), ["00000001.jsonl"]);
    // The folder is put back.
    fs::rename(&place, outer.path().join("other")).unwrap();
    fs::rename(&elsewhere, &place).unwrap();
    writer.append(&[], LIMIT).await.unwrap();
    writer.remove().await.unwrap();
    assert!(objects(&place).is_empty());
}

#[tokio::test]
async fn an_object_that_says_everything_is_not_written_if_it_could_not_be_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let mut writer = begun(&store).await;
    writer.longest = 1_500;
    let everything = |facts: usize| [vec![begin()], vec![Fact::Abandoned; facts]].concat();
    writer.size = Size { objects: 70, bytes: 1_000, snapshot_bytes: 0 };
    writer.compact_or_append(&everything(100), &[Fact::Abandoned], LIMIT).await.unwrap();
    assert_eq!(objects(folder.path()), ["00000001.jsonl", "00000002.jsonl"], "the news are appended");
    assert!(!writer.size().wants_snapshot(), "it is not tried again at once");
    writer.size = Size { objects: 70, bytes: 1_000, snapshot_bytes: 0 };
    writer.compact_or_append(&everything(1), &[Fact::Abandoned], LIMIT).await.unwrap();
    assert_eq!(objects(folder.path()), ["00000003.jsonl"]);
    assert!(read::read(&store).await.unwrap().unwrap().is_abandoned);
}
