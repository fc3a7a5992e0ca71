//! Every kind of backup is recognised by its contents, and all its items arrive.

use crate::run::{command, holds_all, import, report, sink, writes};
use std::path::Path;
use tests_support::BackupWriter;
use tests_support::backup_writer::{BackupCodec, NativeFormat};

const ITEMS: u64 = 5_000;

fn backup() -> BackupWriter {
    BackupWriter::new(ITEMS).items_per_file(1_700)
}

#[track_caller]
fn arrives(folder: &Path, described: &str) {
    let fake = sink();
    let finished = import(&fake, folder, "");
    let report = report(&finished);
    assert_eq!((&report["items"], &report["rejected"]), (&ITEMS.into(), &0.into()));
    assert!(finished.stderr.contains(described), "{described:?} is missing: {}", finished.stderr);
    let writes = holds_all(&fake, ITEMS);
    assert_eq!(writes.total, ITEMS, "each is written once");
}

#[test]
fn a_backup_of_the_java_tool_arrives_in_every_codec_of_hadoop() {
    for codec in BackupCodec::ALL {
        let folder = tempfile::tempdir().unwrap();
        backup().codec(codec).java_tool(folder.path());
        arrives(folder.path(), "an export of emr-dynamodb-connector");
    }
}

#[test]
fn a_manifest_of_elsewhere_is_noted_and_its_files_are_taken_from_the_folder_given() {
    let folder = tempfile::tempdir().unwrap();
    backup().java_tool(folder.path());
    let stderr = import(&sink(), folder.path(), "").succeeded().stderr;
    let notes: Vec<&str> = stderr.lines().filter(|line| line.contains("reading its files from")).collect();
    assert_eq!(notes.len(), 1, "{stderr}");
    assert!(notes[0].contains("s3://elsewhere/exports/forum"), "{stderr}");
}

#[test]
fn a_folder_without_manifest_arrives() {
    let folder = tempfile::tempdir().unwrap();
    backup().codec(BackupCodec::Gzip).without_manifest(folder.path());
    arrives(folder.path(), "a folder without manifest");
}

#[test]
fn a_file_is_a_backup_too() {
    let folder = tempfile::tempdir().unwrap();
    let files = BackupWriter::new(ITEMS).without_manifest(folder.path());
    arrives(&files[0], "a single file");
}

#[test]
fn lines_of_hive_arrive() {
    let folder = tempfile::tempdir().unwrap();
    backup().hive(folder.path());
    arrives(folder.path(), "Hive lines");
}

#[test]
fn full_exports_of_dynamodb_arrive_from_any_folder_above_them() {
    for (format, described) in [(NativeFormat::Json, "DynamoDB JSON"), (NativeFormat::Ion, "Amazon Ion")] {
        let folder = tempfile::tempdir().unwrap();
        let own = backup().native(folder.path(), format);
        arrives(&own, described);
        arrives(folder.path(), "an export of DynamoDB");
        arrives(&own.join("data"), described);
    }
}

#[test]
fn an_incremental_export_is_applied() {
    for format in [NativeFormat::Json, NativeFormat::Ion] {
        let (fake, before, after) = (sink(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        BackupWriter::new(1_000).java_tool(before.path());
        import(&fake, before.path(), "").succeeded();
        let own = backup().native_incremental(after.path(), format, 100..600);
        let finished = import(&fake, &own, "");
        let report = report(&finished);
        assert_eq!((&report["items"], &report["removed"]), (&(ITEMS - 500).into(), &500.into()));
        let (to_put, written) = (ITEMS - 500, ITEMS - 500);
        for told in [
            "an incremental export of DynamoDB",
            "(items are put and removed as the export says)",
            &format!("checked     {ITEMS} items: {to_put} to put, 500 to remove"),
            &format!("items       {written} written, 500 removed"),
        ] {
            assert!(finished.stderr.contains(told), "no {told:?} in\n{}", finished.stderr);
        }
        let writes = writes(&fake);
        assert_eq!((writes.present, writes.deletes), (ITEMS - 500, 500), "{writes:?}");
        assert_eq!((writes.altered, writes.foreign), (0, 0), "{writes:?}");
    }
}

#[test]
fn a_plan_mentions_removals_even_if_a_folder_above_the_export_is_given() {
    let (fake, folder) = (sink(), tempfile::tempdir().unwrap());
    backup().native_incremental(folder.path(), NativeFormat::Json, 100..600);
    let plan = command(&fake, folder.path(), "--dry-run").run().succeeded();
    for told in ["(items are put and removed as the export says)", "500 to remove", "cost        at least "] {
        assert!(plan.stdout.contains(told), "no {told:?} in\n{}", plan.stdout);
    }
    let note = "the incremental export of DynamoDB in its folder";
    assert!(plan.stderr.contains(note) && plan.stderr.contains("which to remove"), "{}", plan.stderr);
    let writes = writes(&fake);
    assert_eq!((writes.total, writes.deletes), (0, 0));
}
