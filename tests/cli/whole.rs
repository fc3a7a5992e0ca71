//! An export is `complete` only if every file is there, by name and length. Missing files are named.

use super::{Place, export_json, files, forum, s3, says};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use tests_support::backup_writer::NativeFormat;
use tests_support::command::{Finished, Tablehaul};
use tests_support::{BackupWriter, backup};

fn status(folder: &Path) -> (Value, String) {
    let folder = folder.to_string_lossy().into_owned();
    let told = Tablehaul::new(["status", &folder]).run().succeeded().stdout;
    let json = Tablehaul::new(["status", &folder, "--json"]).run().succeeded().stdout;
    (serde_json::from_str(&json).expect("JSON"), told)
}

fn skip(place: &Place) -> Finished {
    place.export("Forum", forum()).args(["--if-complete", "skip"]).run()
}

/// A complete export, and its one part file.
fn exported() -> (Place, String) {
    let place = Place::new();
    place.export("Forum", forum()).args(["--workers", "1", "--segments", "1"]).run().succeeded();
    let export = export_json(&place.folder());
    let name = export["files"][0]["name"].as_str().expect("a part file").to_owned();
    (place, name)
}

#[test]
fn status_of_a_complete_export_says_what_was_checked() {
    let (place, _) = exported();
    let (json, told) = status(&place.folder());
    assert_eq!(
        (&json["state"], &json["files"], &json["items"]),
        (&json!("complete"), &json!(1), &json!(100))
    );
    for part in
        ["complete export of table Forum", "names and lengths of 1 file were checked", "`tablehaul verify`"]
    {
        assert!(told.contains(part), "no {part:?} in {told}");
    }
    skip(&place).succeeded();
}

#[test]
fn an_export_with_something_missing_is_damaged_and_never_skipped() {
    type Damage = fn(&Path, &str);
    let damages: [(Damage, &[&str], &[&str]); 10] = [
        (|folder, _| fs::remove_file(folder.join("manifest")).unwrap(), &["manifest is missing"], &[]),
        (|folder, _| fs::write(folder.join("manifest"), "").unwrap(), &["manifest: it is cut off"], &[]),
        (
            |folder, _| {
                fs::remove_file(folder.join("manifest")).unwrap();
                fs::remove_file(folder.join("_SUCCESS")).unwrap();
            },
            &["manifest is missing", "_SUCCESS is missing"],
            &[],
        ),
        (
            |folder, _| fs::write(folder.join("manifest"), r#"{"version":3,"entries":[]}"#).unwrap(),
            &["manifest does not list the files that _tablehaul/export.json records"],
            &[],
        ),
        (|folder, _| fs::remove_file(folder.join("_SUCCESS")).unwrap(), &["_SUCCESS is missing"], &[]),
        (|folder, name| fs::remove_file(folder.join(name)).unwrap(), &["NAME is missing"], &["NAME"]),
        (
            |folder, name| {
                let path = folder.join(name);
                let bytes = fs::read(&path).unwrap();
                fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
            },
            &["NAME has ", " bytes, not "],
            &[],
        ),
        (
            |folder, name| {
                let path = folder.join(name);
                fs::write(&path, [fs::read(&path).unwrap(), vec![b'\n']].concat()).unwrap();
            },
            &["NAME has ", " bytes, not "],
            &[],
        ),
        (
            |folder, _| fs::write(folder.join("_tablehaul/export.json"), "{\"x\":").unwrap(),
            &["_tablehaul/export.json is damaged"],
            &[],
        ),
        (
            |folder, _| {
                fs::remove_dir_all(folder).unwrap();
                fs::create_dir(folder).unwrap();
                fs::write(folder.join("_SUCCESS"), "").unwrap();
            },
            &["it has _SUCCESS but neither manifest nor _tablehaul/export.json"],
            &[],
        ),
    ];
    let (original, name) = exported();
    for (damage, words, missing) in damages {
        let place = Place::new();
        let copied =
            std::process::Command::new("cp").arg("-r").arg(original.folder()).arg(place.folder()).status();
        assert!(copied.unwrap().success());
        damage(&place.folder(), &name);
        let before = files(place.outer());
        let (json, told) = status(&place.folder());
        let of_file = |text: &&str| text.replace("NAME", &name);
        let missing: Vec<String> = missing.iter().map(of_file).collect();
        assert_eq!((&json["state"], &json["missing"]), (&json!("damaged"), &json!(missing)), "{json}");
        let defects = json["defects"].to_string();
        let refused = skip(&place);
        for word in words.iter().map(of_file) {
            assert!(told.contains(&word) && defects.contains(&word), "no {word:?} in {told} {defects}");
            says(&refused, 2, &[&word, "choose another destination"]);
        }
        assert!(!told.contains("complete export"), "{told}");
        if defects.contains("export.json is damaged") {
            assert!(told.contains("because _tablehaul/export.json is damaged; contents"), "{told}");
            assert!(told.contains("copy what is missing or damaged again; its report is "), "{told}");
        }
        assert_eq!(files(place.outer()), before, "nothing is touched");
        let folder = place.folder().to_string_lossy().into_owned();
        says(&Tablehaul::new(["clean", &folder, "--yes"]).run(), 2, &["damaged", "nothing is removed"]);
        assert_eq!(files(place.outer()), before, "nothing is removed");
    }
}

#[test]
fn an_export_json_that_records_less_than_there_is_is_damage_to_import_and_verify() {
    let (place, name) = exported();
    let (path, manifest) = (place.folder().join("_tablehaul/export.json"), place.folder().join("manifest"));
    let whole = export_json(&place.folder());
    let folder = place.folder().to_string_lossy().into_owned();
    let import = || {
        let import = Tablehaul::new(["import", &folder, "Forum", "--dynamodb-endpoint", forum()]);
        import.args(["--region", "us-east-1", "--dry-run"]).run()
    };
    let without_files = |totals: u64| {
        let mut export = whole.clone();
        export["files"] = json!([]);
        (export["items"], export["bytes"]) = (json!(totals), json!(totals));
        fs::write(&path, export.to_string()).unwrap();
        let verified = Tablehaul::new(["verify", &folder]).run();
        assert_eq!(verified.code, Some(1), "{}", verified.stderr);
        verified.stdout
    };
    let defects = without_files(100);
    assert!(defects.contains("its files have 0 items, its total is 100"), "{defects}");
    says(&import(), 2, &["export.json is damaged", "its files have 0 items", "copy it again"]);
    let defects = without_files(0);
    assert!(defects.contains(&format!("lists {name}, which is not a file of this export")), "{defects}");
    says(&import(), 2, &["manifest does not list the files that ", "export.json records", "copy both again"]);
    fs::write(&manifest, r#"{"version":3,"entries":[]}"#).unwrap();
    let defects = without_files(0);
    assert!(defects.contains("a foreign file, not part of the export"), "{defects}");
    says(&import(), 2, &[&name, "is a file of this export, but ", "does not record it"]);
}

#[test]
fn an_export_without_its_last_mark_is_imported_with_a_note_and_a_defect_to_verify() {
    let (place, _) = exported();
    fs::remove_file(place.folder().join("_SUCCESS")).unwrap();
    let folder = place.folder().to_string_lossy().into_owned();
    let import = Tablehaul::new(["import", &folder, "Forum", "--dynamodb-endpoint", forum()]);
    let imported = import.args(["--region", "us-east-1", "--dry-run"]).run().succeeded();
    let said = format!("{}{}", imported.stdout, imported.stderr);
    assert!(said.contains("has no _SUCCESS, but all files of the manifest are there"), "{said}");
    let verified = Tablehaul::new(["verify", &folder]).run();
    assert_eq!(verified.code, Some(1), "{}", verified.stderr);
    assert!(verified.stdout.contains("_SUCCESS: missing"), "{}", verified.stdout);
}

#[test]
fn an_export_of_a_later_version_cannot_be_judged() {
    let (place, _) = exported();
    fs::write(place.folder().join("_tablehaul/export.json"), r#"{"version":2}"#).unwrap();
    let folder = place.folder().to_string_lossy().into_owned();
    says(&Tablehaul::new(["status", &folder]).run(), 2, &["version 2", "only version 1"]);
    says(&skip(&place), 2, &["version 2"]);
}

#[test]
fn exports_of_the_java_tool_are_complete_if_what_their_manifest_lists_is_there() {
    let place = Place::new();
    let parts = BackupWriter::new(100).items_per_file(40).java_tool(&place.folder());
    let (json, told) = status(&place.folder());
    assert_eq!((&json["state"], &json["files"]), (&json!("complete"), &json!(parts.len())), "{json}");
    assert!(told.contains("complete export of another tool; names of "), "{told}");
    assert!(
        told.contains("there is no _tablehaul/export.json with their lengths; contents were not read"),
        "{told}"
    );
    fs::remove_file(&parts[1]).unwrap();
    let name = parts[1].file_name().unwrap().to_string_lossy().into_owned();
    let (json, told) = status(&place.folder());
    assert_eq!((&json["state"], &json["missing"]), (&json!("damaged"), &json!([name])), "{json}");
    assert!(told.contains(&format!("{name} is missing")), "{told}");
    says(&skip(&place), 2, &["is missing"]);
}

#[test]
fn exports_of_dynamodb_are_complete_if_what_their_manifest_lists_is_there() {
    for is_incremental in [false, true] {
        let place = Place::new();
        let backup = BackupWriter::new(100).items_per_file(40);
        let own = if is_incremental {
            backup.native_incremental(&place.folder(), NativeFormat::Json, 10..20)
        } else {
            backup.native(&place.folder(), NativeFormat::Json)
        };
        let (json, told) = status(&own);
        assert_eq!((&json["state"], &json["table"]), (&json!("complete"), &json!("Forum")), "{json}");
        assert!(told.contains("complete export of DynamoDB of table Forum: 100 items"), "{told}");
        let data = if is_incremental { own.parent().unwrap().join("data") } else { own.join("data") };
        let listed = fs::read_to_string(own.join("manifest-files.json")).unwrap();
        let mut names = fs::read_dir(data).unwrap().flatten().map(|entry| entry.path());
        let one = names.find(|path| listed.contains(&*path.file_name().unwrap().to_string_lossy())).unwrap();
        fs::remove_file(&one).unwrap();
        let name = one.file_name().unwrap().to_string_lossy().into_owned();
        let (json, _) = status(&own);
        assert_eq!((&json["state"], &json["missing"]), (&json!("damaged"), &json!([name])), "{json}");
        fs::remove_file(own.join("manifest-files.json")).unwrap();
        let (json, told) = status(&own);
        assert_eq!(json["state"], "damaged");
        assert!(told.contains("manifest-files.json is missing"), "{told}");
    }
}

#[test]
fn a_listing_of_many_pages_is_read_to_its_end() {
    const FILES: usize = 1_500;
    s3().create_bucket("many-files");
    let folder = tempfile::tempdir().unwrap();
    let names: Vec<String> = (0..FILES).map(|number| format!("part-{number:05}")).collect();
    for name in &names {
        fs::write(folder.path().join(name), "{\"pk\":{\"s\":\"x\"}}\n").unwrap();
    }
    let urls: Vec<Value> =
        names.iter().map(|name| json!({"url": format!("s3://elsewhere/x/{name}")})).collect();
    let manifest = json!({"name": "DynamoDB-export", "version": 3, "entries": urls});
    fs::write(folder.path().join("manifest"), manifest.to_string()).unwrap();
    fs::write(folder.path().join("_SUCCESS"), "").unwrap();
    s3().upload("many-files", "x/", folder.path());
    let status = || {
        let status = Tablehaul::new(["status", "s3://many-files/x", "--json", "--s3-endpoint"]);
        let told = status.arg(s3().endpoint()).run().succeeded().stdout;
        serde_json::from_str::<Value>(&told).expect("JSON")
    };
    let json = status();
    assert_eq!((&json["state"], &json["files"]), (&json!("complete"), &json!(FILES)), "{json}");
    let last = format!("part-{:05}", FILES - 1);
    s3().remove("many-files", &format!("x/{last}"));
    let json = status();
    assert_eq!((&json["state"], &json["missing"]), (&json!("damaged"), &json!([last])), "{json}");
}

#[test]
fn both_spellings_of_null_are_recorded_verified_and_kept_by_a_resumed_run() {
    let place = Place::new();
    let finished = place.export("Forum", forum()).args(["--null", "both"]).run().succeeded();
    assert!(finished.stderr.contains("NULL in both spellings"), "{}", finished.stderr);
    assert_eq!(export_json(&place.folder())["null"], "both");
    backup::holds_each_item_once(&place.folder(), 100);
    let lines = backup::lines(&place.folder());
    assert!(lines.iter().any(|line| line.contains(r#"{"nULL":true,"nULLValue":true}"#)), "{:.300}", lines[0]);
    let folder = place.folder().to_string_lossy().into_owned();
    Tablehaul::new(["verify", &folder]).run().succeeded();
    // A contradiction to the files is found.
    let json = place.folder().join("_tablehaul/export.json");
    let text = fs::read_to_string(&json).unwrap();
    fs::write(&json, text.replace(r#""null": "both""#, r#""null": "single""#)).unwrap();
    let verified = Tablehaul::new(["verify", &folder]).run();
    assert_eq!(verified.code, Some(1), "{}", verified.stdout);
    let single = Place::new();
    single.export("Forum", forum()).run().succeeded();
    assert_eq!(export_json(&single.folder())["null"], "single");
    assert!(backup::lines(&single.folder()).iter().all(|line| !line.contains("nULLValue")));
    says(&Place::new().export("Forum", forum()).args(["--null", "old"]).run(), 2, &["use single or both"]);
}
