//! How an export ends on a store that fails at one of its calls, or whose process is killed there: whichever call that
//! is, nothing is visible that is not whole, files of others stay, and the next run ends with the same backup.

mod fixture;

use std::time::Duration;

use job::layout;

use super::*;
use crate::{
    jobs::folder_contents::FolderContents,
    journal,
    store::{Fails, Faults, at_every_call},
};
use fixture::{
    Table, everything, export_json, foreign, is_whole, left, opened, parts, without_times, write_hidden,
};

/// What a command finds in the folder and does there, for an export whose segments were all read or that has failed.
async fn run(store: &Store, table: &Table, outcome: Result<(), Failure>) -> Result<(), Failure> {
    let progress = Progress::new(true);
    progress.stream().publish(fixture::plan());
    let journaled = match FolderContents::of(store).await? {
        FolderContents::Unfinished(journaled) => journaled,
        FolderContents::Complete(_) => {
            clean::remove_leftovers(store, &progress).await;
            return Ok(());
        }
        _ => panic!("the folder holds something else"),
    };
    journal::wait_for_owner_to_stop(store, &journaled, &|_| ()).await?;
    let start = Start::after(journaled, false);
    let opened = acquire(store, start, Run::default(), || panic!("it is resumed"), &progress).await?;
    let OpenedJob { mut journal, state: State::Export(mut state), earlier: Some(earlier) } = opened else {
        panic!("an export that is resumed");
    };
    if earlier.committed_at.is_none() {
        let fenced = fence(journal.folder(), &mut state).await;
        journal.note(fenced.map_err(|fault| Failure::failed(&fault))?);
    }
    let (target, stop, run) = (store.target(), Stop::new(&CancellationToken::new(), None), Run::default());
    let Table { clients, facts, identity, cluster, .. } = table;
    let context = Context { clients, table: identity, facts, cluster, progress: &progress, stop: &stop };
    let finish = Finish { target: &target, context, started: Instant::now(), state: &state };
    match outcome {
        Ok(()) => {
            finish.finish(&mut journal, earlier.committed_at, &run, None, run.rate, None).await.map(drop)
        }
        Err(failure) => Err(give_up(&finish, &mut journal, &progress, failure).await),
    }
}

/// What the clean command does, once the user has agreed.
async fn discard(store: &Store) -> Result<(), Failure> {
    let FolderContents::Unfinished(journaled) = FolderContents::of(store).await? else { return Ok(()) };
    journal::wait_for_owner_to_stop(store, &journaled, &|_| ()).await?;
    lifecycle::check_removable(store, &journaled).await?;
    let (this_run, progress) = (Run::default(), Progress::new(true));
    let mut journal = lifecycle::acquire_to_discard(store, &journaled, this_run, &progress).await?;
    journal.remove(&[journaled.state.begun(), Fact::Abandoned]).await?;
    store.remove_empty_folders().await;
    Ok(())
}

/// A folder with files of others, and these facts of an export whose coordinator was killed.
async fn interrupted(store: &Store, facts: Vec<Fact>) {
    let begin = crate::journal::tests::begin();
    foreign::write(store);
    let first = vec![begin, Fact::Run(Run::default())];
    let mut journal = Journal::acquire(store, None, first, Run::default()).await.unwrap();
    write_hidden(store);
    journal.note(facts);
    journal.beat().await.unwrap();
    let totals = Fact::Totals(*journal.totals());
    journal.append(totals, Duration::from_mins(1)).await.unwrap();
}

/// The facts of an export that has read everything.
fn all_read() -> Vec<Fact> {
    [opened(), parts()].concat()
}

#[tokio::test]
async fn an_export_is_whole_or_invisible_wherever_it_fails_and_the_next_run_completes_it() {
    let table = Table::start().await;
    let whole = tempfile::tempdir().unwrap();
    let whole = fixture::store(&whole);
    interrupted(&whole, all_read()).await;
    run(&whole, &table, Ok(())).await.unwrap();
    assert!(is_whole(&whole) && fixture::has_report(&whole));
    let whole = without_times(everything(&whole));
    let then = async |store: &Store, outcome: Option<Result<(), Failure>>, at: &str| {
        foreign::check(store, at);
        let seen = is_whole(store);
        assert!(seen || !matches!(outcome, Some(Ok(()))), "{at}: a success that left no backup");
        let published = export_json(store);
        // Only a fault at the report itself, or a kill just before it, leaves a backup without one.
        let is_of_report = ["entry", "create", "check_place"].iter().any(|call| at.contains(call));
        let is_told = fixture::has_report(store) || is_of_report;
        assert!(is_told || !matches!(outcome, Some(Ok(()))), "{at}: nothing tells of the job");
        run(store, &table, Ok(())).await.unwrap_or_else(|failure| panic!("{at}: then {failure}"));
        assert!(published.is_none() || published == export_json(store), "{at}: other export.json");
        assert_eq!(without_times(everything(store)), whole, "{at}");
    };
    at_every_call(
        async |store| interrupted(store, all_read()).await,
        async |store| run(store, &table, Ok(())).await,
        then,
    )
    .await;
}

#[tokio::test]
async fn a_report_that_cannot_be_written_fails_no_export() {
    let table = Table::start().await;
    for name in [layout::HISTORY, layout::REPORT] {
        for fails in [Fails::Unmade, Fails::Unanswered] {
            let folder = tempfile::tempdir().unwrap();
            let store = fixture::store(&folder);
            interrupted(&store, all_read()).await;
            // Three journal objects, three marks, then the history and the report.
            let at = if name == layout::HISTORY { 6 } else { 7 };
            let faults = Faults::of_calls("create", at, fails);
            run(&faults.of(store.clone()), &table, Ok(())).await.unwrap();
            assert_eq!(faults.hit(), Some("create"));
            assert!(is_whole(&store));
            let is_there = everything(&store).contains_key(name);
            assert_eq!(is_there, fails == Fails::Unanswered, "{name}: {:?}", everything(&store).keys());
            assert!(matches!(FolderContents::of(&store).await, Ok(FolderContents::Complete(_))));
        }
    }
}

#[tokio::test]
async fn a_failed_export_tells_why_and_the_run_that_completes_it_tells_of_both() {
    let table = Table::start().await;
    let folder = tempfile::tempdir().unwrap();
    let store = fixture::store(&folder);
    interrupted(&store, all_read()).await;
    run(&store, &table, Err(Failure::failed("the table fails"))).await.unwrap_err();
    let told = history::newest(&store).await.unwrap();
    assert!(told.error.is_some_and(|error| error.message.contains("the table fails")));
    let report = String::from_utf8(everything(&store)[layout::REPORT].clone()).unwrap();
    assert!(report.contains("the table fails") && !everything(&store).contains_key(layout::HISTORY));
    run(&store, &table, Ok(())).await.unwrap();
    let told = history::newest(&store).await.unwrap();
    assert!(told.completed.is_some() && told.error.is_none());
    let events: Vec<&str> = told.events.iter().map(|line| line.event.name()).collect();
    assert_eq!(events, ["takeover", "resumed", "error", "resumed"]);
    let report = String::from_utf8(everything(&store)[layout::REPORT].clone()).unwrap();
    assert!(report.contains("the table fails") && report == ::page::report(&told), "{report}");
}

#[tokio::test]
async fn an_export_that_failed_shows_nothing_wherever_keeping_it_fails_and_is_completed_by_the_next_run() {
    let table = Table::start().await;
    let then = async |store: &Store, outcome: Option<Result<(), Failure>>, at: &str| {
        assert!(!matches!(outcome, Some(Ok(()))), "{at}");
        foreign::check(store, at);
        assert!(!is_whole(store) && fixture::visible(store).is_empty(), "{at}");
        run(store, &table, Ok(())).await.unwrap_or_else(|failure| panic!("{at}: then {failure}"));
        assert!(is_whole(store), "{at}");
        foreign::check(store, at);
    };
    let fails = async |store: &Store| run(store, &table, Err(Failure::failed("the table fails"))).await;
    at_every_call(async |store| interrupted(store, all_read()).await, fails, then).await;
}

#[tokio::test]
async fn an_export_that_has_nothing_is_removed_wherever_removing_it_fails_at_last_by_clean() {
    let table = Table::start().await;
    let then = async |store: &Store, outcome: Option<Result<(), Failure>>, at: &str| {
        assert!(!matches!(outcome, Some(Ok(()))), "{at}");
        foreign::check(store, at);
        assert!(!is_whole(store) && fixture::visible(store).is_empty(), "{at}");
        discard(store).await.unwrap_or_else(|failure| panic!("{at}: then {failure}"));
        assert_eq!(left(store), foreign::all(), "{at}");
    };
    let fails = async |store: &Store| run(store, &table, Err(Failure::failed("the table fails"))).await;
    at_every_call(async |store| interrupted(store, opened()).await, fails, then).await;
}

#[tokio::test]
async fn an_export_that_was_being_completed_is_removed_wherever_removing_it_fails_at_last_by_the_next_try() {
    let table = Table::start().await;
    // Its files and two of its three marks are visible: it created two objects of its journal before the marks.
    let prepare = async |store: &Store| {
        interrupted(store, all_read()).await;
        let faults = Faults::of_calls("create", 5, Fails::Unmade);
        run(&faults.of(store.clone()), &table, Ok(())).await.unwrap_err();
        assert_eq!(fixture::visible(store).len(), 5);
    };
    let then = async |store: &Store, outcome: Option<Result<(), Failure>>, at: &str| {
        foreign::check(store, at);
        discard(store).await.unwrap_or_else(|failure| panic!("{at}: then {failure}"));
        assert_eq!(left(store), foreign::all(), "{at}: {outcome:?}");
    };
    at_every_call(prepare, async |store| discard(store).await, then).await;
}
