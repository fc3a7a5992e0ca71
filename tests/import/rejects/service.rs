//! Items that only the service refuses, and what an import says that fails because of them.

use super::{ITEMS, entries, insert};
use crate::run::{command, holds_all, import, report, sink, writes};
use serde_json::json;
use std::fs;
use std::time::Duration;
use tests_support::BackupWriter;
use tests_support::command::finish;

/// The fake refuses a whole batch for one item with the attribute `poison`.
#[test]
fn an_item_that_only_the_service_refuses_is_found_in_its_batch() {
    let (fake, folder) = (sink(), tempfile::tempdir().unwrap());
    let file = BackupWriter::new(ITEMS).java_tool(folder.path()).swap_remove(0);
    let poison = r#"{"pk":{"s":"x"},"sk":{"n":"1"},"poison":{"s":"y"}}"#;
    let at = insert(&file, &format!("{poison}\n"));
    let rejects = folder.path().join("_rejects");
    let args = format!("--max-rejects 1 --rejects {}", rejects.display());
    let report = report(&import(&fake, folder.path(), &args));
    assert_eq!((&report["items"], &report["rejected"]), (&ITEMS.into(), &1.into()));
    let writes = holds_all(&fake, ITEMS);
    assert_eq!(writes.total, ITEMS);
    let entries = entries(&rejects);
    assert_eq!((entries.len(), &entries[0]["offset"]), (1, &at.into()));
    assert!(entries[0]["reason"].as_str().unwrap().contains("ValidationException"), "{entries:?}");
}

#[test]
fn an_item_that_only_the_service_refuses_ends_an_import_that_allows_none() {
    let (fake, folder) = (sink(), tempfile::tempdir().unwrap());
    let file = BackupWriter::new(ITEMS).java_tool(folder.path()).swap_remove(0);
    let at = insert(&file, "{\"pk\":{\"s\":\"x\"},\"sk\":{\"n\":\"1\"},\"poison\":{\"s\":\"y\"}}\n");
    let finished = import(&fake, folder.path(), "");
    assert_eq!(finished.code, Some(1), "{}", finished.stderr);
    let last = finished.stderr.lines().last().unwrap();
    assert!(last.contains(&format!("byte {at} of the uncompressed text")), "{last}");
    does_not_overstate(last, writes(&fake).present);
}

/// Checks the line of a failure: it counts no more items than the table holds, and never says that none was written.
#[track_caller]
fn does_not_overstate(line: &str, present: u64) {
    assert!(!line.contains("nothing was written"), "{line}");
    match line.split_once("at least ") {
        Some((_, count)) => {
            let count: u64 = count.split(' ').next().unwrap().parse().unwrap();
            assert!((1..=present).contains(&count), "{present} are there: {line}");
            assert!(line.contains("written before that"), "{line}");
        }
        None => {
            assert!(line.contains("some items may have been written before that"), "{line}");
        }
    }
}

/// The worker that fails has written batches that it no longer reports.
#[test]
fn a_failure_in_the_first_batches_never_says_that_nothing_was_written() {
    for extra in ["", "--check first", "--workers 1"] {
        let (fake, folder) = (sink(), tempfile::tempdir().unwrap());
        let file = BackupWriter::new(200).java_tool(folder.path()).swap_remove(0);
        let text = fs::read_to_string(&file).unwrap();
        let poison = "{\"pk\":{\"s\":\"x\"},\"sk\":{\"n\":\"1\"},\"poison\":{\"s\":\"y\"}}\n";
        let at = text.match_indices('\n').nth(60).unwrap().0 + 1;
        fs::write(&file, [&text[..at], poison, &text[at..]].concat()).unwrap();
        let finished = import(&fake, folder.path(), extra);
        assert_eq!(finished.code, Some(1), "{}", finished.stderr);
        let present = writes(&fake).present;
        does_not_overstate(finished.stderr.lines().last().unwrap(), present);
    }
}

#[test]
fn a_permission_withdrawn_halfway_is_not_reported_as_a_refusal_before_the_first_write() {
    let (fake, folder) = (sink(), tempfile::tempdir().unwrap());
    BackupWriter::new(20_000).java_tool(folder.path());
    let child = command(&fake, folder.path(), "--check first --write-units 2000").start();
    while writes(&fake).present < 500 {
        std::thread::sleep(Duration::from_millis(20));
    }
    fake.faults(json!({"denied": "BatchWriteItem"}));
    let finished = finish(child);
    assert_eq!(finished.code, Some(1), "{}", finished.stderr);
    does_not_overstate(finished.stderr.lines().last().unwrap(), writes(&fake).present);
}
