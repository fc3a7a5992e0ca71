//! The modes: put, put if absent, delete, and check only.

use crate::run::{command, holds_all, import, refused, report, sink, sink_with, writes};
use serde_json::json;
use tests_support::BackupWriter;
use tests_support::backup_writer::NativeFormat;
use tests_support::items::ItemShape;

#[test]
fn items_with_the_same_key_are_replaced_and_others_stay() {
    let (fake, folder) = (sink(), tempfile::tempdir().unwrap());
    let old = json!({"pk": {"S": "customer#00000007"}, "sk": {"N": "49"}, "old": {"BOOL": true}});
    let other = json!({"pk": {"S": "nobody"}, "sk": {"N": "1"}});
    for item in [old, other] {
        let request = json!({"RequestItems": {"Forum": [{"PutRequest": {"Item": item}}]}});
        assert_eq!(fake.call("BatchWriteItem", request).status, 200);
    }
    BackupWriter::new(100).java_tool(folder.path());
    assert_eq!(report(&import(&fake, folder.path(), ""))["items"], 100);
    let writes = writes(&fake);
    assert_eq!((writes.present, writes.distinct, writes.foreign), (101, 100, 1), "{writes:?}");
    assert_eq!((writes.total, writes.altered), (102, 1), "only the old one differs: {writes:?}");
}

#[test]
fn put_if_absent_keeps_existing_items() {
    let (fake, some, all) = (sink(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    BackupWriter::new(300).java_tool(some.path());
    BackupWriter::new(1_000).java_tool(all.path());
    import(&fake, some.path(), "").succeeded();
    let finished = import(&fake, all.path(), "--mode put-if-absent");
    let report = report(&finished);
    assert_eq!((&report["items"], &report["kept"]), (&700.into(), &300.into()));
    assert!(finished.stderr.contains("700 written, 300 kept"), "{}", finished.stderr);
    let writes = holds_all(&fake, 1_000);
    assert_eq!((writes.total, writes.kept), (1_000, 300));
}

#[test]
fn delete_removes_the_keys_of_the_backup_and_no_others() {
    let (fake, some, all) = (sink(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    BackupWriter::new(1_000).java_tool(all.path());
    BackupWriter::new(300).java_tool(some.path());
    import(&fake, all.path(), "").succeeded();
    let finished = import(&fake, some.path(), "--mode delete");
    let report = report(&finished);
    assert_eq!((&report["items"], &report["removed"]), (&0.into(), &300.into()));
    assert!(finished.stderr.contains("checked     300 items to remove"), "{}", finished.stderr);
    assert!(finished.stderr.contains("items       300 removed"), "{}", finished.stderr);
    let writes = writes(&fake);
    assert_eq!((writes.present, writes.deletes), (700, 300), "{writes:?}");
}

#[test]
fn a_mode_has_no_meaning_for_an_incremental_export() {
    let (fake, folder) = (sink(), tempfile::tempdir().unwrap());
    BackupWriter::new(10).native_incremental(folder.path(), NativeFormat::Json, 0..1);
    for mode in ["delete", "put-if-absent", "put"] {
        let named = format!("--mode {mode}");
        refused(&fake, &import(&fake, folder.path(), &named), &["incremental", &named]);
    }
}

#[test]
fn a_table_whose_index_is_being_built_takes_items() {
    let fake = sink_with(",wcu=1000,gsi=by-name/400,status=UPDATING");
    let folder = tempfile::tempdir().unwrap();
    BackupWriter::new(200).java_tool(folder.path());
    let finished = import(&fake, folder.path(), "--write-percent 100").succeeded();
    assert!(finished.stderr.contains("UPDATING: index by-name is being built"), "{}", finished.stderr);
    holds_all(&fake, 200);
}

#[test]
fn a_dry_run_says_what_it_would_do_and_does_nothing() {
    let fake = sink_with(",wcu=1000,gsi=by-name/400");
    let (folder, outer) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    BackupWriter::new(2_000).items_per_file(500).java_tool(folder.path());
    let rejects = outer.path().join("rejects.jsonl");
    let args = format!("--dry-run --write-percent 50 --rejects {}", rejects.display());
    let finished = import(&fake, folder.path(), &args).succeeded();
    for words in [
        "an export of emr-dynamodb-connector: EMR lines",
        "4 files",
        "500 write units/s (50 % of 1000 provisioned write units/s)",
        "by-name: 200 write units/s",
        "checked     2000 items",
        "time        about 10",
        "cost        2000 write units, and up to as many on the index",
    ] {
        assert!(finished.stdout.contains(words), "{words:?} is missing: {}", finished.stdout);
    }
    assert!(!rejects.exists());
    assert_eq!(writes(&fake).total, 0);
}

#[test]
fn the_report_tells_units_of_the_table_and_of_each_index() {
    let fake = sink_with(",wcu=5000,gsi=a,gsi=b");
    let folder = tempfile::tempdir().unwrap();
    BackupWriter::new(2_000).java_tool(folder.path());
    let report = report(&import(&fake, folder.path(), "--write-percent 100"));
    assert_eq!(report["write_units"], 2_000.0);
    assert_eq!(report["index_write_units"], json!({"a": 2_000.0, "b": 2_000.0}));
    let sizes: u64 = (0..2_000).map(|index| ItemShape::default().size_bytes(index)).sum();
    // The generator counts a byte for the sign of each longitude and one for the digit of a zero, of which
    // DynamoDB's documentation says nothing.
    assert_eq!(report["item_bytes"], sizes - 2_001);
    let writes = holds_all(&fake, 2_000);
    assert_eq!(writes.table.units, 2_000);
}

#[test]
fn variables_stand_for_flags_and_typed_flags_override_them() {
    let fake = sink_with(",wcu=1000");
    let folder = tempfile::tempdir().unwrap();
    BackupWriter::new(10).java_tool(folder.path());
    let planned = |variables: &[(&str, &str)], args: &str| {
        let command = command(&fake, folder.path(), args).arg("--dry-run");
        let command = variables.iter().fold(command, |command, (name, value)| command.env(name, value));
        command.run().succeeded().stdout
    };
    let percent = ("TABLEHAUL_WRITE_PERCENT", "10");
    let units = ("TABLEHAUL_WRITE_UNITS", "70");
    for (variables, args, part) in [
        (&[percent][..], "", "rate        100 "),
        (&[percent], "--write-units 30", "rate        30 "),
        (&[units], "", "rate        70 "),
        (&[units], "--write-percent 20", "rate        200 "),
        (&[("TABLEHAUL_MODE", "delete")], "", "are removed"),
        (&[("TABLEHAUL_MODE", "delete")], "--mode put-if-absent", "are kept"),
        (
            &[("TABLEHAUL_MODE", ""), ("TABLEHAUL_WRITE_UNITS", ""), ("TABLEHAUL_REJECTS", "")],
            "",
            "are replaced",
        ),
    ] {
        let plan = planned(variables, args);
        assert!(plan.contains(part), "{variables:?} {args:?}: no {part:?} in\n{plan}");
    }
}
