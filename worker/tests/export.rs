//! The worker as a process, with a coordinator played by the test and a small table.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod stub;

use std::{sync::atomic::Ordering::SeqCst, time::Duration};

use job::{
    capacity::Units,
    control::{Sealed, ToWorker},
    ids::FileId,
    task::{Mark, Position},
};
use stub::{
    coordinator::Played,
    dynamodb::{StubFault, serve},
    export::{lease, serve_until_sealed, settings},
};

#[tokio::test]
async fn leased_segments_are_read_sealed_in_one_part_and_reported_with_their_steps() {
    let (table, dir) = (serve(StubFault::Throttled).await, tempfile::tempdir().unwrap());
    let mut played = Played::start().await;
    played.tell(ToWorker::Export(Box::new(settings(&table, dir.path())))).await;
    let mark = Mark { position: Position::After(r#"{"k":{"N":"2"}}"#.into()), pages: 2, items: 2 };
    played.tell(lease(4, mark)).await;
    played.tell(lease(0, Mark::default())).await;
    played.tell(ToWorker::Drain).await;
    let received = serve_until_sealed(&mut played.coordinator).await;
    let Sealed { part, mut steps } = received.sealed.unwrap();
    let part = part.unwrap();
    let written: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(written.len(), 1, "{written:?}");
    let text = std::fs::read_to_string(&written[0]).unwrap();
    assert_eq!(
        text,
        "{\"k\":{\"n\":\"3\"},\"segment\":{\"n\":\"4\"}}\n{\"k\":{\"n\":\"4\"},\"segment\":{\"n\":\"4\"}}\n"
    );
    assert_eq!((part.file, part.number, part.items, part.last), (FileId(8), 1, 2, true));
    assert_eq!((part.bytes, part.crc32c), (text.len() as u64, crc32c::crc32c(text.as_bytes())));
    steps.sort_by_key(|step| step.segment);
    let pages: Vec<_> = steps.iter().map(|step| (step.from_page, step.to_page, step.items)).collect();
    assert_eq!(pages, [(0, 1, 0), (2, 4, 2)]);
    assert!(steps.iter().all(|step| step.position == Position::Done));
    assert_eq!(received.asked_for_files, 1);
    assert!(received.throttled > 0);

    // A lost worker's segment, while draining: nothing to write, so no part.
    played.tell(lease(0, Mark::default())).await;
    let received = serve_until_sealed(&mut played.coordinator).await;
    assert_eq!(received.sealed.map(|sealed| (sealed.part, sealed.steps.len())), Some((None, 1)));

    played.tell(ToWorker::Finish).await;
    played.hang_up();
    assert_eq!(played.exit_code().await, Some(0));
}

#[tokio::test]
async fn no_page_is_asked_for_without_units() {
    let (table, dir) = (serve(StubFault::None).await, tempfile::tempdir().unwrap());
    let played = Played::start().await;
    played.tell(ToWorker::Export(Box::new(settings(&table, dir.path())))).await;
    played.tell(lease(9, Mark::default())).await;
    let grant = |units| ToWorker::Grant { units, page: Units::from_units(200) };
    played.tell(grant(Units::from_units(15))).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(table.requests.load(SeqCst), 0);
    played.tell(grant(Units::from_units(1))).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    // The first page is estimated to cost 16 units, each further one as much as the last.
    assert_eq!(table.requests.load(SeqCst), 9);
}

#[tokio::test]
async fn what_no_worker_can_do_is_said_and_the_worker_waits_for_the_end() {
    for (fault, words) in [
        (StubFault::Denied, "no permission for dynamodb:Scan on table t"),
        (StubFault::Malformed, "segment 3"),
    ] {
        let (table, dir) = (serve(fault).await, tempfile::tempdir().unwrap());
        let mut played = Played::start().await;
        played.tell(ToWorker::Export(Box::new(settings(&table, dir.path())))).await;
        played.tell(lease(3, Mark::default())).await;
        let received = serve_until_sealed(&mut played.coordinator).await;
        let why = received.failed.unwrap();
        assert!(why.contains(words) && !why.contains('\n'), "{why}");
        played.tell(ToWorker::Finish).await;
        // If both sides waited for the other to close the stream, each job would end late.
        assert!(played.coordinator.is_closed_by_worker().await);
        played.hang_up();
        assert_eq!(played.exit_code().await, Some(0));
    }
}

#[tokio::test]
async fn a_worker_ends_with_its_coordinator() {
    let mut played = Played::start().await;
    drop(played.stdin.take());
    assert_eq!(played.exit_code().await, Some(1));
    let mut played = Played::start().await;
    played.hang_up();
    assert_eq!(played.exit_code().await, Some(1));
}
