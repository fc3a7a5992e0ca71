//! A journal on a store that fails at one of its calls, or whose process is killed there: whichever call that is, the
//! next process can read it, finds in it nothing that was not said, and can acquire the folder.

use super::*;
use crate::store::at_every_call;

const LIMIT: Duration = Duration::from_mins(1);

/// What is said of two parts of a file, in two entries.
fn news() -> [Fact; 3] {
    let after = Position::After("k".into());
    [opened(0), sealed(0, 1, 2, 0, after), sealed(0, 2, 2, 1, Position::Done)]
}

/// What the journal of the folder says, as its next reader finds it.
async fn found(store: &Store, at: &str) -> Option<Journaled> {
    read(store).await.unwrap_or_else(|failure| panic!("{at}: then {failure}"))
}

/// Acquires the folder after the process before, and removes the journal.
async fn end(store: &Store, at: &str) {
    let ended = async {
        let mut journal = match read(store).await? {
            Some(journaled) => Journal::acquire_to_remove(store, &journaled, Run::default()).await?,
            None => Journal::acquire(store, None, vec![begin()], Run::default()).await?,
        };
        journal.remove(&[begin(), Fact::Abandoned]).await
    };
    ended.await.unwrap_or_else(|failure| panic!("{at}: then {failure}"));
    assert!(found(store, at).await.is_none(), "{at}");
    assert_eq!(store.list().await.unwrap(), Vec::<String>::new(), "{at}");
}

/// Begins a job in an empty folder, and says everything.
async fn begin_and_say(store: &Store) -> Result<(), Failure> {
    let mut journal = Journal::acquire(store, None, vec![begin()], Run::default()).await?;
    for fact in news() {
        journal.append(fact, LIMIT).await?;
    }
    Ok(())
}

#[tokio::test]
async fn what_a_journal_took_is_in_it_whichever_call_fails() {
    let then = async |store: &Store, outcome: Option<Result<(), Failure>>, at: &str| {
        let items = found(store, at).await.map(|journaled| export(&journaled).sealed_items());
        assert!(matches!(items, None | Some(0 | 10 | 20)), "{at}: {items:?}");
        assert!(items == Some(20) || !matches!(outcome, Some(Ok(()))), "{at}: {items:?}");
        end(store, at).await;
    };
    at_every_call(async |_| (), begin_and_say, then).await;
}

#[tokio::test]
async fn a_journal_that_is_replaced_by_one_object_loses_nothing_whichever_call_fails() {
    let prepare = async |store: &Store| begin_and_say(store).await.unwrap();
    let replace = async |store: &Store| {
        let journaled = read(store).await?.expect("a journal");
        let mut writer = JournalWriter::after(store, &journaled).await?;
        writer.compact(&export(&journaled).facts(), LIMIT).await?;
        writer.append(&[Fact::Stopped(Stopped { why: "w".into() })], LIMIT).await
    };
    let then = async |store: &Store, outcome: Option<Result<(), Failure>>, at: &str| {
        let journaled = found(store, at).await.expect("a journal");
        assert_eq!(export(&journaled).sealed_items(), 20, "{at}");
        assert!(journaled.stopped.is_some() || !matches!(outcome, Some(Ok(()))), "{at}");
        end(store, at).await;
    };
    at_every_call(prepare, replace, then).await;
}

#[tokio::test]
async fn a_journal_that_is_removed_is_whole_void_or_gone_whichever_call_fails() {
    let prepare = async |store: &Store| begin_and_say(store).await.unwrap();
    let remove = async |store: &Store| {
        let journaled = read(store).await?.expect("a journal");
        let mut journal = Journal::acquire(store, Some(&journaled), Vec::new(), Run::default()).await?;
        journal.remove(&[begin(), Fact::Abandoned]).await
    };
    let then = async |store: &Store, outcome: Option<Result<(), Failure>>, at: &str| {
        let left = found(store, at).await;
        assert!(left.is_none() || !matches!(outcome, Some(Ok(()))), "{at}");
        if let Some(left) = left.filter(|left| !left.is_abandoned) {
            assert_eq!(export(&left).sealed_items(), 20, "{at}");
        }
        end(store, at).await;
    };
    at_every_call(prepare, remove, then).await;
}
