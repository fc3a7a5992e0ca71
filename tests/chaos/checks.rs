//! What must hold after each run and in the end.

use crate::plan::Job;
use crate::world::{BUCKET, TABLE, World};
use serde_json::Value;
use tests_support::backup::{REPORT_FILES, holds_at_most_a_report_besides, holds_each_item_once};
use tests_support::command::{Finished, Tablehaul};
use tests_support::emr::with_sorted_sets;
use tests_support::items::{ItemShape, item_index};

/// The command was killed, or ended with a documented code, with a line that says why if it failed, and no panic.
#[track_caller]
pub(crate) fn assert_explains_its_end(finished: &Finished) {
    let Finished { code, stderr, .. } = finished;
    assert!(!stderr.contains("panicked") && !stderr.contains("internal error"), "{stderr}");
    assert!(matches!(code, None | Some(0..=3)), "exit code {code:?}: {stderr}");
    if matches!(code, Some(1..=3)) {
        let last = stderr.lines().last().unwrap_or_default();
        assert!(last.starts_with("tablehaul: "), "exit code {code:?}: {stderr}");
    }
}

/// A backup that looks complete is complete.
#[track_caller]
pub(crate) fn assert_not_falsely_complete(world: &World, job: Job) {
    if job == Job::Export {
        let folder = world.local_backup();
        if folder.join("_SUCCESS").exists() {
            holds_each_item_once(&folder, world.num_items());
        }
        assert!(
            folder.join("_SUCCESS").exists() <= folder.join("manifest").exists(),
            "there is a _SUCCESS without a manifest"
        );
    }
}

/// Every item is there exactly once, and nothing is left over.
#[track_caller]
pub(crate) fn assert_complete(world: &World, job: Job, done: &Finished, killed: u64) {
    world.stop_faults();
    match job {
        Job::Export => assert_export_complete(world),
        Job::Import(_) => assert_import_complete(world),
    }
    let uploads = world.s3().map(|s3| s3.uploads(BUCKET)).unwrap_or_default();
    assert!(uploads.is_empty(), "uploads are left: {uploads:?}");
    // There is no report of an export that an earlier run completed.
    let report: Option<Value> = serde_json::from_str(&done.stdout).ok();
    let report = report.map(|report| if report.is_array() { report[0].clone() } else { report });
    if let Some(report) = report.filter(|report| !report.is_null()) {
        // With put-if-absent, the next worker finds the items that a killed worker had written.
        let items =
            report["items"].as_u64().unwrap_or_default() + report["kept"].as_u64().unwrap_or_default();
        assert_eq!(items, world.num_items(), "{report}");
        let lost = report["workers_lost"].as_u64().unwrap_or_default();
        assert!(lost <= killed, "{lost} workers lost, {killed} killed: {}", done.stderr);
    }
}

#[track_caller]
fn assert_export_complete(world: &World) {
    let backup = world.backup();
    // A coordinator killed after its last message may have left its journal.
    let cleaned = world.at(Tablehaul::new(["clean", &backup, "--yes"])).run();
    let is_clean = cleaned.stderr.contains("nothing is removed");
    assert!(is_clean || cleaned.code == Some(0), "{}", cleaned.stderr);
    world.at(Tablehaul::new(["verify", &backup])).run().succeeded();
    let folder = world.local_backup();
    holds_each_item_once(&folder, world.num_items());
    holds_at_most_a_report_besides(&folder, world.num_items());
}

#[track_caller]
fn assert_import_complete(world: &World) {
    let num_items = world.num_items();
    let mut left = world.names_of_state();
    left.retain(|name| !REPORT_FILES.iter().any(|report| name.ends_with(report)));
    assert!(left.is_empty(), "state is left: {left:?}");
    if let Some(fake) = world.fake() {
        let writes = fake.table_stats(TABLE).writes;
        assert_eq!((writes.present, writes.distinct), (num_items, num_items), "{writes:?}");
        assert_eq!((writes.altered, writes.foreign, writes.deletes), (0, 0, 0), "{writes:?}");
        return;
    }
    let items = world.items();
    assert_eq!(items.len() as u64, num_items);
    let mut expected = Vec::new();
    for item in items {
        let (pk, sk) = (item["pk"]["S"].as_str().unwrap_or_default(), item["sk"]["N"].as_str());
        let index =
            item_index(pk, sk.unwrap_or_default()).unwrap_or_else(|| panic!("a foreign item: {item}"));
        expected.clear();
        ItemShape::default().write_json(index, &mut expected);
        let expected: Value = serde_json::from_slice(&expected).expect("an item of JSON");
        // Sets have no order.
        assert_eq!(with_sorted_sets(&item), with_sorted_sets(&expected), "an altered item");
    }
}
