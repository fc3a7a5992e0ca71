//! Exports of tablehaul.

use job::{
    export_json::{ExportJson, PartFile, Settings, UploadPart},
    ids::JobId,
    spec,
};

use super::*;

fn crc32c(bytes: &[u8]) -> String {
    format!("{:08x}", ::crc32c::crc32c(bytes))
}

/// The names of its two files.
const FIRST: &str = "00000000-0000-0000-0000-000000000001_000000.gz";
const SECOND: &str = "00000000-0000-0000-0000-000000000001_000001.gz";

/// An export of a file with two parts, and one without recorded parts.
fn exported() -> (Made, ExportJson) {
    let made = Made::new();
    let parts = [gzip(&LINE.repeat(3)), gzip(LINE)];
    let part = |(bytes, items): (&Vec<u8>, u64)| UploadPart {
        bytes: bytes.len() as u64,
        line_bytes: items * LINE.len() as u64,
        items,
        crc32c: crc32c(bytes),
    };
    let file = |name: &str, bytes: &[u8], items, parts| PartFile {
        name: name.parse().unwrap(),
        items,
        bytes: bytes.len() as u64,
        crc32c: crc32c(bytes),
        parts,
    };
    let recorded = parts.iter().zip([3, 1]).map(part).collect();
    let files = vec![file(FIRST, &parts.concat(), 4, recorded), file(SECOND, &parts[1], 1, Vec::new())];
    made.write(FIRST, &parts.concat());
    made.write(SECOND, &parts[1]);
    made.write("_SUCCESS", b"");
    made.manifest(&[&format!("s3://old/x/{FIRST}"), &format!("s3://old/x/{SECOND}")]);
    let export = ExportJson {
        version: 1,
        tool: "tablehaul".into(),
        job: JobId::from_u128(1),
        started_at: String::new(),
        finished_at: String::new(),
        keys: keys(),
        options: spec::FileOptions { compression: spec::Compression::Gzip, ..spec::FileOptions::default() },
        settings: Settings {
            consistent: false,
            segments: 1,
            workers: 1,
            read_units_per_second: 1.0,
            rate_source: String::new(),
        },
        account: None,
        caller: None,
        items: 5,
        bytes: files.iter().map(|file| file.bytes).sum(),
        line_bytes: 5 * LINE.len() as u64,
        read_units: 1.0,
        files,
        table: serde_json::json!({"TableName": "Forum"}),
        table_settings: None,
    };
    write(&made, &export);
    (made, export)
}

fn write(made: &Made, export: &ExportJson) {
    made.write("_tablehaul/export.json", &serde_json::to_vec(export).unwrap());
}

#[tokio::test]
async fn an_export_of_our_own_is_read_by_its_parts() {
    let (made, export) = exported();
    let backup = made.find().await;
    assert_eq!(
        (backup.kind, backup.items, backup.table.as_deref()),
        (Kind::Tablehaul, Some(5), Some("Forum"))
    );
    assert_eq!((backup.formats.as_str(), backup.notes.len()), ("EMR lines, gzip", 0));
    let splits = splits(&backup, 1);
    let first = export.files[0].parts[0].bytes;
    let places: Vec<_> = splits.iter().map(|split| (split.stored.clone(), split.text_start)).collect();
    let (second, line) = (export.files[1].bytes, LINE.len() as u64);
    assert_eq!(places, [(0..first, 0), (first..first + second, 3 * line), (0..second, 0)]);
    let stored = fs::read(made.0.path().join(FIRST)).unwrap();
    for split in &splits[..2] {
        let range = usize::try_from(split.stored.start).unwrap()..usize::try_from(split.stored.end).unwrap();
        assert_eq!(split.checksum, Some(Checksum::Crc32c(::crc32c::crc32c(&stored[range]))));
    }
}

#[tokio::test]
async fn a_file_that_is_missing_or_of_another_length_is_named() {
    let (made, _) = exported();
    made.write(SECOND, b"short");
    let why = made.refusal().await;
    assert!(
        why.starts_with(&made.target().url(SECOND)) && why.contains("has 5 bytes, but export.json records"),
        "{why}"
    );
    made.remove(SECOND);
    let why = made.refusal().await;
    assert!(
        why.contains(&format!("1 of the 2 files that export.json lists is missing (first: {SECOND})")),
        "{why}"
    );
}

#[tokio::test]
async fn the_table_must_have_the_keys_of_the_export() {
    let (made, mut export) = exported();
    export.keys.sort = None;
    write(&made, &export);
    let why = made.refusal().await;
    assert!(why.ends_with("the backup's key is pk (S); the table's is pk (S), sk (N)"), "{why}");
}

#[tokio::test]
async fn an_export_that_does_not_add_up_or_is_unknown_is_refused() {
    let (made, export) = exported();
    let mut gap = export.clone();
    gap.files[0].parts.pop();
    write(&made, &gap);
    assert!(made.refusal().await.contains(&format!("{FIRST}: its parts in export.json contradict it")));
    write(&made, &ExportJson { version: 2, ..export });
    assert!(made.refusal().await.contains("an export of version 2"));
    made.write("_tablehaul/export.json", b"{\"version\":1,");
    assert!(made.refusal().await.contains("export.json is damaged"));
}

#[tokio::test]
async fn an_export_json_that_records_fewer_files_than_there_are_is_damaged() {
    let (made, export) = exported();
    let without = |change: fn(&mut ExportJson)| {
        let mut changed = export.clone();
        change(&mut changed);
        write(&made, &changed);
    };
    without(|export| export.files.clear());
    let why = made.refusal().await;
    assert!(
        why.contains("export.json is damaged (its files have 0 items and 0 bytes, its totals are 5"),
        "{why}"
    );
    let nothing: fn(&mut ExportJson) = |export| {
        export.files.clear();
        (export.items, export.bytes) = (0, 0);
    };
    without(nothing);
    let why = made.refusal().await;
    assert!(
        why.contains("/manifest does not list the files that ") && why.ends_with("copy both again"),
        "{why}"
    );
    made.manifest(&[]);
    let why = made.refusal().await;
    assert!(why.contains(&format!("{FIRST} is a file of this export, but ")), "{why}");
    made.remove(FIRST);
    made.remove(SECOND);
    assert_eq!(made.find().await.items, Some(0), "of a table without items");
}

#[tokio::test]
async fn a_manifest_that_does_not_fit_export_json_is_damage() {
    let (made, _) = exported();
    let url = |name: &str| format!("s3://old/x/{name}");
    for urls in [vec![url(FIRST)], vec![url(FIRST); 2], vec![url(FIRST), url(SECOND), url("other")]] {
        made.manifest(&urls.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(made.refusal().await.contains("/manifest does not list the files that "), "{urls:?}");
    }
    made.write("manifest", b"{\"version\":3,");
    assert!(made.refusal().await.contains("/manifest is damaged (it is cut off"));
}

#[tokio::test]
async fn an_export_of_our_own_without_the_last_mark_is_whole_and_worth_a_note() {
    let (made, _) = exported();
    made.remove("_SUCCESS");
    let backup = made.find().await;
    assert!(
        matches!(backup.notes.as_slice(), [note] if note.contains("has no _SUCCESS")),
        "{:?}",
        backup.notes
    );
}

#[tokio::test]
async fn an_export_that_is_not_finished_is_named() {
    let (made, _) = exported();
    made.remove("manifest");
    assert!(made.refusal().await.contains("has _tablehaul/export.json but no manifest"));
    made.remove("_tablehaul/export.json");
    made.write("_tablehaul/journal/00000001.jsonl", &crate::journal::tests::begun());
    let why = made.refusal().await;
    assert!(why.contains("an unfinished export of table Forum, 0 % (0 items), started 2026-"), "{why}");
    assert!(why.contains("last run by process 7 on h until 2026-"), "{why}");
}
