//! DynamoDB's own exports with something that DynamoDB does not write: no item is deleted for what is missing,
//! and files that are elsewhere are reported.

use crate::run::{import, refused, report, sink, writes};
use std::fs;
use std::path::{Path, PathBuf};
use tests_support::BackupWriter;
use tests_support::backup_writer::NativeFormat;

const METADATA: &str = r#""Metadata":{"WriteTimestampMicros":{"N":"1680109764000000"}}"#;
const KEYS: &str = r#""Keys":{"pk":{"S":"secret"},"sk":{"N":"1"}}"#;

/// A file of two changes; this is the second one.
fn changes(folder: &Path, second: &str) -> (PathBuf, usize) {
    let first = format!(r#"{{{METADATA},{KEYS},"NewImage":{{"pk":{{"S":"secret"}},"sk":{{"N":"1.0"}}}}}}"#);
    let file = folder.join("data");
    fs::write(&file, format!("{first}\n{second}\n")).unwrap();
    (file, first.len() + 1)
}

#[test]
fn nothing_is_deleted_for_a_line_with_something_unknown() {
    let image = r#"{"pk":{"S":"secret"},"sk":{"N":"1"}}"#;
    let other = r#"{"pk":{"S":"another secret"},"sk":{"N":"1"}}"#;
    for (rest, reason) in [
        (
            format!(r#","newImage":{image}"#),
            "a field other than Item, or Metadata, Keys, NewImage and OldImage",
        ),
        (format!(r#","NewImages":{image}"#), "it resembles NewImage"),
        (format!(r#","NewImage ":{image}"#), "it resembles NewImage"),
        (r#","eventName":"INSERT""#.into(), "DynamoDB Streams"),
        (r#","NewImage":null"#.into(), "NewImage: not the JSON of an item"),
        (format!(r#","Item":{image}"#), "Item together with a field of an incremental export"),
        (format!(r#","NewImage":{other}"#), "NewImage belongs to another item than Keys"),
        (format!(r#","OldImage":{other}"#), "OldImage belongs to another item than Keys"),
    ] {
        let (fake, folder) = (sink(), tempfile::tempdir().unwrap());
        let (file, at) = changes(folder.path(), &format!("{{{METADATA},{KEYS}{rest}}}"));
        let place = format!("{}: invalid line at byte {at} of the uncompressed text: ", file.display());
        let finished = import(&fake, folder.path(), "");
        refused(&fake, &finished, &[&place, reason]);
        assert!(!finished.stderr.contains("secret"), "{}", finished.stderr);
    }
    let (fake, folder) = (sink(), tempfile::tempdir().unwrap());
    changes(folder.path(), &format!("{{{KEYS}}}"));
    refused(&fake, &import(&fake, folder.path(), ""), &["Keys without NewImage", "nothing is deleted"]);
    changes(folder.path(), &format!("{{{METADATA},{KEYS}}}"));
    assert_eq!(report(&import(&fake, folder.path(), ""))["rejected"], 0);
    assert_eq!(writes(&fake).deletes, 1);
}

#[test]
fn a_full_export_deletes_nothing() {
    let (fake, folder) = (sink(), tempfile::tempdir().unwrap());
    let item = r#"{"Item":{"pk":{"S":"a"},"sk":{"N":"1"}}}"#;
    fs::write(folder.path().join("data"), format!("{item}\n{{{METADATA},{KEYS}}}\n")).unwrap();
    for mode in ["", "--mode put-if-absent", "--mode delete"] {
        let finished = import(&fake, folder.path(), mode);
        refused(&fake, &finished, &["a line of an incremental export in a full one"]);
    }
}

/// The export and its folder; a manifest's checksums are in files with this ending.
fn exported(folder: &Path, checksums: &str) -> PathBuf {
    let own = BackupWriter::new(100).native(folder, NativeFormat::Json);
    for name in ["manifest-files", "manifest-summary"] {
        fs::rename(own.join(format!("{name}.md5")), own.join(format!("{name}{checksums}"))).unwrap();
    }
    own
}

#[test]
fn a_manifest_is_checked_against_each_checksum_beside_it() {
    for (checksums, name) in [(".checksum", "manifest-files"), (".md5", "manifest-summary")] {
        let (fake, folder) = (sink(), tempfile::tempdir().unwrap());
        let own = exported(folder.path(), checksums);
        assert_eq!(report(&import(&fake, &own, ""))["items"], 100);
        let (fake, sum) = (sink(), own.join(format!("{name}{checksums}")));
        let json = own.join(format!("{name}.json"));
        let whole = fs::read_to_string(&json).unwrap();
        fs::write(&json, format!("{whole}\n")).unwrap();
        let words = [&format!("{name}.json does not match its checksum in")[..], checksums];
        refused(&fake, &import(&fake, &own, ""), &words);
        // One matching checksum does not help.
        let other = if checksums == ".md5" { ".checksum" } else { ".md5" };
        fs::write(own.join(format!("{name}{other}")), fs::read(&sum).unwrap()).unwrap();
        fs::write(&json, &whole).unwrap();
        fs::write(&sum, "1B2M2Y8AsgTpgAmY7PhCfg==").unwrap();
        refused(&fake, &import(&fake, &own, ""), &words);
    }
}

#[test]
fn a_byte_order_mark_in_a_manifest_is_skipped() {
    let (fake, folder) = (sink(), tempfile::tempdir().unwrap());
    let own = exported(folder.path(), ".md5");
    let marked = |path: &Path| {
        let text = fs::read(path).unwrap();
        fs::write(path, [&b"\xef\xbb\xbf"[..], &text].concat()).unwrap();
    };
    marked(&own.join("manifest-files.json"));
    marked(&own.join("manifest-summary.json"));
    assert_eq!(report(&import(&fake, &own, ""))["items"], 100);
    let java_tool = tempfile::tempdir().unwrap();
    let files = BackupWriter::new(100).java_tool(java_tool.path());
    marked(&java_tool.path().join("manifest"));
    marked(&files[0]);
    assert_eq!(report(&import(&fake, java_tool.path(), ""))["items"], 100);
}

#[test]
fn a_mark_above_an_export_does_not_hide_it() {
    let (fake, folder) = (sink(), tempfile::tempdir().unwrap());
    let own = exported(folder.path(), ".md5");
    let above = own.parent().unwrap();
    fs::write(above.join("_started"), "").unwrap();
    fs::write(folder.path().join("_started"), "").unwrap();
    for given in [own.as_path(), above, folder.path()] {
        assert_eq!(report(&import(&fake, given, ""))["items"], 100, "{}", given.display());
    }
    // Without an export below it means what it says.
    let fake = sink();
    fs::remove_dir_all(&own).unwrap();
    refused(&fake, &import(&fake, above, ""), &["an unfinished export of DynamoDB"]);
    fs::create_dir(&own).unwrap();
    fs::write(own.join("_started"), "").unwrap();
    refused(&fake, &import(&fake, above, ""), &["an unfinished export of DynamoDB"]);
}

#[test]
fn files_that_are_elsewhere_are_found() {
    let fake = sink();
    let folder = tempfile::tempdir().unwrap();
    let own = exported(folder.path(), ".md5");
    let data = own.join("data");
    let says = |place: &Path| {
        let words = ["missing", &format!("a file of that name is in file://{}", place.display())];
        refused(&fake, &import(&fake, &own, ""), &words);
    };
    let sub = own.join("part-1");
    fs::rename(&data, &sub).unwrap();
    says(&sub);
    // All flat, beside the manifest.
    for file in fs::read_dir(&sub).unwrap() {
        let file = file.unwrap();
        fs::rename(file.path(), own.join(file.file_name())).unwrap();
    }
    says(&own);

    let java_tool = tempfile::tempdir().unwrap();
    let files = BackupWriter::new(100).items_per_file(50).java_tool(java_tool.path());
    let sub = java_tool.path().join("2026-01-01");
    fs::create_dir(&sub).unwrap();
    fs::rename(&files[1], sub.join(files[1].file_name().unwrap())).unwrap();
    let words =
        ["1 of the 2 files that the manifest lists is missing", "a file of that name is in", "2026-01-01"];
    refused(&fake, &import(&fake, java_tool.path(), ""), &words);
}
