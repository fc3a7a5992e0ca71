//! A table that is deleted or recreated while a job reads or writes it.

use super::{Place, ends_saying, files, says, wait_until};
use serde_json::json;
use std::fs;
use tests_support::backup::holds_each_item_once;
use tests_support::command::{Tablehaul, finish};
use tests_support::{BackupWriter, Fake};

const ITEMS: u64 = 20_000;

/// Long enough to change the table while it is read.
fn read_slowly(place: &Place, fake: &Fake, units: &str) -> Tablehaul {
    place.export("Forum", &fake.endpoint()).args(["--workers", "1", "--segments", "4", "--read-units", units])
}

fn forum() -> Fake {
    Fake::start(["--table", &format!("Forum:items={ITEMS}")])
}

/// Makes sure that nothing in the folder looks like a backup.
#[track_caller]
fn looks_unfinished(place: &Place) {
    let visible = |name: &&String| !name.starts_with('.') && !name.starts_with("_tablehaul");
    assert_eq!(files(&place.folder()).iter().find(visible), None);
}

#[test]
fn an_export_of_a_table_that_was_recreated_is_not_completed_and_says_what_to_do() {
    let (fake, place) = (forum(), Place::new());
    let export = read_slowly(&place, &fake, "400").start();
    wait_until("a part is sealed", || {
        let journal = fs::read_dir(place.folder().join("_tablehaul/journal"));
        journal.into_iter().flatten().count() > 1 && fake.table_stats("Forum").items > ITEMS / 4
    });
    fake.change_table("Forum", json!({"table_id": "another"}));
    let parts =
        ["table Forum was deleted and recreated during this job (TableId was", "is another", "--restart"];
    ends_saying(&finish(export), 1, &parts);
    looks_unfinished(&place);
    let again = read_slowly(&place, &fake, "40000");
    says(
        &again.run(),
        2,
        &["an unfinished export of that table before it was deleted and recreated", "--restart"],
    );
    read_slowly(&place, &fake, "40000").arg("--restart").run().succeeded();
    holds_each_item_once(&place.folder(), ITEMS);
}

#[test]
fn an_export_of_a_table_that_is_deleted_meanwhile_says_so() {
    let (fake, place) = (forum(), Place::new());
    let export = read_slowly(&place, &fake, "300").start();
    wait_until("it reads", || fake.table_stats("Forum").items > ITEMS / 4);
    fake.change_table("Forum", json!({"status": "DELETED"}));
    let finished = finish(export);
    ends_saying(&finished, 1, &["table Forum does not exist in us-east-1", "it was deleted during this job"]);
    assert!(!finished.stderr.contains("run the same command again"), "{}", finished.stderr);
    looks_unfinished(&place);
}

#[test]
fn an_export_that_has_read_everything_completes_after_its_table_was_deleted_with_a_note() {
    let (fake, place) = (forum(), Place::new());
    let export = read_slowly(&place, &fake, "1000").start();
    wait_until("it reads", || fake.table_stats("Forum").items > 0);
    fake.faults(json!({"denied": "DescribeTable"}));
    let parts = ["everything was read, but the table's identity could not be checked", "no permission"];
    ends_saying(&finish(export), 1, &parts);
    looks_unfinished(&place);
    fake.faults(json!({"denied": null}));
    fake.change_table("Forum", json!({"status": "DELETED"}));
    let finished = read_slowly(&place, &fake, "1000").run().succeeded();
    let note = finished.stderr.lines().find(|line| line.starts_with("note ")).unwrap_or_default();
    assert!(note.contains("table Forum does not exist"), "{}", finished.stderr);
    assert!(note.contains("this backup may be the only copy"), "{}", finished.stderr);
    holds_each_item_once(&place.folder(), ITEMS);
    says(&place.export("Forum", &fake.endpoint()).run(), 2, &["table Forum does not exist"]);
}

/// A backup, and a table to import it into.
fn sink(place: &Place) -> Fake {
    BackupWriter::new(ITEMS).items_per_file(2_000).java_tool(&place.folder());
    Fake::start(["--table", "Forum:sink=1"])
}

fn import(place: &Place, fake: &Fake, args: &str) -> Tablehaul {
    Tablehaul::import(&place.folder(), "Forum", &fake.endpoint()).args(args.split_whitespace())
}

#[test]
fn an_import_into_a_table_that_is_recreated_during_the_check_writes_nothing() {
    for (change, said) in [
        (json!({"table_id": "another"}), "table Forum was deleted and recreated"),
        (json!({"status": "DELETED"}), "table Forum does not exist in us-east-1"),
    ] {
        let place = Place::new();
        let fake = sink(&place);
        let started = import(&place, &fake, "").start();
        // The permission to write is the last test before the check.
        wait_until("the table is looked at", || fake.stats().requests.contains_key("BatchWriteItem"));
        fake.change_table("Forum", change);
        ends_saying(&finish(started), 2, &[said, "during this job", "nothing was written"]);
        assert_eq!(fake.table_stats("Forum").writes.total, 0);
    }
}

#[test]
fn an_import_into_a_table_that_is_recreated_says_how_much_was_written_and_where_it_may_be() {
    let place = Place::new();
    let fake = sink(&place);
    let state = place.outer().join("state");
    let args = format!("--check first --write-units 8000 --state {}", state.display());
    let started = import(&place, &fake, &args).start();
    wait_until("it writes", || fake.table_stats("Forum").writes.total > ITEMS / 4);
    fake.change_table("Forum", json!({"table_id": "another"}));
    let parts = [
        "table Forum was deleted and recreated during this job",
        &format!("at least {ITEMS} items were written before that"),
        "some perhaps in the deleted table, some in the new one",
        "give --restart",
    ];
    ends_saying(&finish(started), 1, &parts);
    says(&import(&place, &fake, &args).run(), 2, &["an unfinished import into another table", "--restart"]);
    import(&place, &fake, &format!("{args} --restart")).run().succeeded();
}

#[test]
fn an_import_into_a_table_that_is_deleted_meanwhile_says_so() {
    let place = Place::new();
    let fake = sink(&place);
    let started = import(&place, &fake, "--check first --write-units 4000").start();
    wait_until("it writes", || fake.table_stats("Forum").writes.total > ITEMS / 4);
    fake.change_table("Forum", json!({"status": "DELETED"}));
    let parts =
        ["table Forum does not exist", "it was deleted during this job", "at least ", " items were written"];
    ends_saying(&finish(started), 1, &parts);
}

#[test]
fn a_table_that_is_recreated_is_noticed_while_a_job_runs() {
    let (exported, imported) = (Place::new(), Place::new());
    let (source, target) = (forum(), sink(&imported));
    // It is looked at every minute; here more often.
    let often = |command: Tablehaul| command.with_intervals("table=2000").start();
    let export = often(read_slowly(&exported, &source, "1"));
    let import = often(import(&imported, &target, "--check first --write-units 5"));
    wait_until("it reads", || source.table_stats("Forum").items > 0);
    wait_until("it writes", || target.table_stats("Forum").writes.total > 0);
    for fake in [&source, &target] {
        fake.change_table("Forum", json!({"table_id": "another"}));
    }
    for started in [export, import] {
        ends_saying(&finish(started), 1, &["table Forum was deleted and recreated during this job"]);
    }
    looks_unfinished(&exported);
}
