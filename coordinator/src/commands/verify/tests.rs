use std::{fs, path::PathBuf};

use job::{
    export_json::{ExportJson, PartFile, Settings, UploadPart},
    ids::{FileId, JobId},
    layout::{self, part_file},
    manifest,
    schema::{KeyAttribute, KeyKind, KeySchema},
    spec::{Compression, FileOptions},
};

use super::*;
use crate::failure::FailureKind;

/// A backup of two files in a directory that is removed afterwards.
struct Backup {
    dir: PathBuf,
    export: ExportJson,
}

impl Drop for Backup {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// The names of its two files.
const FIRST: &str = "00000000-0000-0000-0000-000000000001_000000";
const SECOND: &str = "00000000-0000-0000-0000-000000000001_000001";

impl Backup {
    fn new() -> Self {
        let dir = std::env::temp_dir().join(format!("tablehaul-verify-{}", uuid::Uuid::new_v4().simple()));
        fs::create_dir_all(dir.join(layout::OWN_FOLDER)).unwrap();
        let mut files = Vec::new();
        for (at, keys) in [0..50, 50..90].into_iter().enumerate() {
            let name = part_file(&JobId::from_u128(1), FileId(u32::try_from(at).unwrap()), Compression::None);
            let lines: Vec<String> =
                keys.clone().map(|key| format!("{{\"k\":{{\"s\":\"{key}\"}}}}\n")).collect();
            let lines = lines.concat();
            fs::write(dir.join(&*name), &lines).unwrap();
            let crc32c = format!("{:08x}", crc32c::crc32c(lines.as_bytes()));
            let (items, bytes, parts) = (keys.len() as u64, lines.len() as u64, Vec::new());
            files.push(PartFile { name, items, bytes, crc32c, parts });
        }
        let backup = Self { dir, export: export_json(files) };
        backup.write_export_json();
        backup.write_manifest(&[FIRST, SECOND]);
        backup.write(layout::SUCCESS, b"");
        backup
    }

    fn target(&self) -> Target {
        Target::File { dir: self.dir.clone() }
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.dir.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    fn remove(&self, name: &str) {
        fs::remove_file(self.dir.join(name)).unwrap();
    }

    fn write_export_json(&self) {
        self.write(layout::EXPORT_JSON, &serde_json::to_vec(&self.export).unwrap());
    }

    fn write_manifest(&self, names: &[&str]) {
        let urls: Vec<String> = names.iter().map(|name| self.target().url(name)).collect();
        self.write(layout::MANIFEST, manifest::write(&urls).as_bytes());
    }

    fn request(&self) -> VerifyRequest {
        let (cluster, aws) = (ClusterOptions::default(), AwsAccess::default());
        VerifyRequest { folder: self.target(), workers: None, state: None, restart: false, cluster, aws }
    }

    async fn verify_telling(&self, progress: &Progress) -> Result<Verified, Failure> {
        verify(&self.request(), progress, &CancellationToken::new(), |_| Ok(())).await
    }

    async fn verify(&self) -> Result<Verified, Failure> {
        self.verify_telling(&Progress::new(true)).await
    }

    async fn defects(&self) -> Vec<String> {
        self.verify().await.unwrap().defects
    }

    async fn refusal(&self) -> String {
        match self.verify().await {
            Err(failure) if failure.is(FailureKind::Refused) => failure.to_string(),
            other => panic!("{other:?}"),
        }
    }
}

fn export_json(files: Vec<PartFile>) -> ExportJson {
    let settings = Settings {
        consistent: false,
        segments: 1,
        workers: 1,
        read_units_per_second: 1.0,
        rate_source: String::new(),
    };
    ExportJson {
        version: job::export_json::VERSION,
        tool: String::new(),
        job: JobId::from_u128(1),
        started_at: String::new(),
        finished_at: String::new(),
        keys: KeySchema { partition: KeyAttribute { name: "k".into(), kind: KeyKind::S }, sort: None },
        options: FileOptions::default(),
        settings,
        account: None,
        caller: None,
        items: files.iter().map(|file| file.items).sum(),
        bytes: files.iter().map(|file| file.bytes).sum(),
        line_bytes: 0,
        read_units: 1.0,
        files,
        table: serde_json::json!({ "TableName": "Forum" }),
        table_settings: None,
    }
}

#[tokio::test]
async fn a_good_backup_has_no_defect() {
    let backup = Backup::new();
    // Names that every reader of such folders skips, and a subfolder that does not belong to the backup.
    backup.write(".hidden", b"x");
    backup.write("_logs", b"x");
    fs::create_dir(backup.dir.join("other")).unwrap();
    let verified = backup.verify().await.unwrap();
    assert_eq!(verified.defects, Vec::<String>::new());
    assert_eq!((verified.files, verified.items, verified.bytes), (2, 90, backup.export.bytes));
    let text = verified.to_string();
    assert!(text.starts_with("verified    Forum in file:///"), "{text}");
    assert!(text.contains("\ndefects     none\n") && text.lines().count() <= 6, "{text}");
    assert_eq!(serde_json::to_value(&verified).unwrap()["items"], 90);
}

#[tokio::test]
async fn parts_that_contradict_their_file_are_a_defect() {
    let mut backup = Backup::new();
    let file = &mut backup.export.files[1];
    let (bytes, items) = (file.bytes - 1, file.items);
    file.parts.push(UploadPart { bytes, line_bytes: bytes, items, crc32c: file.crc32c.clone() });
    backup.write_export_json();
    let defects = backup.verify().await.unwrap().defects;
    assert_eq!(
        defects,
        [format!("{SECOND}: its parts in export.json contradict it or each other: export.json is damaged")]
    );
}

#[tokio::test]
async fn what_marks_a_whole_backup_must_be_there() {
    let backup = Backup::new();
    backup.remove(layout::SUCCESS);
    backup.remove(layout::MANIFEST);
    assert_eq!(backup.defects().await, ["_SUCCESS: missing", "manifest: missing"]);
}

#[tokio::test]
async fn a_manifest_cut_off_or_of_another_version_is_a_defect() {
    let backup = Backup::new();
    backup.write(layout::MANIFEST, b"{\"name\":\"DynamoDB-export\",\"version\":3,\n\"entr");
    assert_eq!(backup.defects().await, ["manifest: not a complete manifest: cut off, or another file"]);
    backup.write(layout::MANIFEST, b"{\"version\":4,\"entries\":[]}");
    assert_eq!(backup.defects().await, ["manifest: version 4, which is not supported"]);
}

#[tokio::test]
async fn the_manifest_must_list_exactly_the_files_of_the_export() {
    let backup = Backup::new();
    backup.write_manifest(&[FIRST, FIRST, "job_000007"]);
    let expected = [
        format!("manifest: lists {FIRST} 2 times"),
        "manifest: lists job_000007, which is not a file of this export".to_owned(),
        format!("manifest: does not list {SECOND}"),
    ];
    assert_eq!(backup.defects().await, expected);
}

#[tokio::test]
async fn a_backup_that_was_moved_is_noted_and_no_defect() {
    let backup = Backup::new();
    let urls = [FIRST, SECOND].map(|name| format!("s3://old/place/{name}"));
    backup.write(layout::MANIFEST, manifest::write(&urls).as_bytes());
    let verified = backup.verify().await.unwrap();
    assert!(verified.defects.is_empty());
    assert_eq!(verified.notes, ["the manifest names s3://old/place: the export was copied or moved"]);
    assert_eq!(verified.to_string().lines().count(), 6);
}

#[tokio::test]
async fn a_missing_and_a_foreign_file_are_told() {
    let backup = Backup::new();
    fs::rename(backup.dir.join(SECOND), backup.dir.join("renamed")).unwrap();
    let expected =
        [format!("{SECOND}: missing"), "renamed: a foreign file, not part of the export".to_owned()];
    let verified = backup.verify().await.unwrap();
    assert_eq!(verified.defects, expected);
    assert_eq!((verified.files, verified.items), (1, 50));
}

#[tokio::test]
async fn damage_to_a_file_is_told_with_file_and_line() {
    let backup = Backup::new();
    let path = backup.dir.join(SECOND);
    let lines = fs::read_to_string(&path).unwrap().replacen("{\"s\":\"52\"}", "{\"S\":\"52\"}", 1);
    fs::write(&path, lines).unwrap();
    let defects = backup.defects().await;
    assert!(defects[0].starts_with(&format!("{SECOND}: CRC-32C is ")), "{defects:?}");
    assert_eq!(defects[1..], [format!("{SECOND} line 3: unknown attribute type at byte 7 of the line")]);
}

#[tokio::test]
async fn totals_must_add_up_and_each_file_be_recorded_once() {
    let mut backup = Backup::new();
    backup.export.items += 1;
    let again = backup.export.files[0].clone();
    backup.export.bytes += again.bytes + 1;
    backup.export.items += again.items;
    backup.export.files.push(again);
    backup.write_export_json();
    let expected = [
        "_tablehaul/export.json: its files have 140 items, its total is 141".to_owned(),
        format!(
            "_tablehaul/export.json: its files have {} bytes, its total is {}",
            backup.export.bytes - 1,
            backup.export.bytes
        ),
        format!("_tablehaul/export.json: has {FIRST} more than once"),
    ];
    assert_eq!(backup.defects().await, expected);
}

#[tokio::test]
async fn a_file_outside_of_the_folder_is_not_read() {
    let backup = Backup::new();
    let mut export = serde_json::to_value(&backup.export).unwrap();
    export["files"][0]["name"] = "../../etc/passwd".into();
    backup.write(layout::EXPORT_JSON, export.to_string().as_bytes());
    let defects = backup.defects().await;
    assert_eq!(defects.len(), 1);
    assert!(
        defects[0].starts_with("_tablehaul/export.json: damaged") && !defects[0].contains("passwd"),
        "{defects:?}"
    );
}

#[tokio::test]
async fn a_damaged_record_is_a_defect_and_one_of_another_version_refused() {
    let mut backup = Backup::new();
    backup.export.version = 2;
    backup.write_export_json();
    assert!(backup.refusal().await.ends_with("version 2: this program supports only version 1"));
    backup.write(layout::EXPORT_JSON, b"{\"version\":1,\"to");
    let defects = backup.defects().await;
    assert_eq!(defects.len(), 1);
    assert!(defects[0].starts_with("_tablehaul/export.json: damaged"), "{defects:?}");
}

#[tokio::test]
async fn what_is_no_backup_is_refused_in_one_line() {
    let backup = Backup::new();
    backup.remove(layout::EXPORT_JSON);
    backup.remove(layout::MANIFEST);
    for name in [FIRST, SECOND] {
        backup.remove(name);
    }
    assert!(backup.refusal().await.ends_with("holds no backup files"));
    let journal = format!("{}/{}", layout::JOURNAL, layout::journal_object(1));
    backup.write(&journal, &crate::journal::tests::begun());
    let why = backup.refusal().await;
    assert!(why.contains("an unfinished export of table Forum, 0 % (0 items), started 2026-"), "{why}");
    fs::remove_dir_all(&backup.dir).unwrap();
    let why = backup.refusal().await;
    assert!(why.contains("is empty or does not exist") && !why.contains('\n'), "{why}");
}

#[tokio::test]
async fn a_signal_stops_it() {
    let backup = Backup::new();
    let stop = CancellationToken::new();
    stop.cancel();
    let stopped = verify(&backup.request(), &Progress::new(true), &stop, |_| Ok(())).await;
    assert_eq!(stopped.unwrap_err().kind(), FailureKind::Stopped);
}

#[tokio::test]
async fn a_verification_tells_how_far_it_is() {
    let (backup, progress) = (Backup::new(), Progress::new(true));
    let verified = backup.verify_telling(&progress).await.unwrap();
    let status = progress.stream().state().status.unwrap();
    assert_eq!((&*status.table, status.phase), ("Forum", events::Phase::Checking));
    assert_eq!((status.tasks.kind, status.tasks.done, status.tasks.all), (events::TaskKind::Files, 2, 2));
    assert_eq!((status.items, status.bytes), (90, verified.bytes));
    assert_eq!(status.percent, Some(100.0));
}

/// The note about keys.
const KEYS: &str = "keys are not compared, because the backup does not say which attributes are the key: tablehaul \
                    import --dry-run checks it against a table";

#[tokio::test]
async fn an_export_without_its_record_is_one_of_the_java_tool() {
    let backup = Backup::new();
    backup.remove(layout::EXPORT_JSON);
    let verified = backup.verify().await.unwrap();
    assert_eq!((verified.files, verified.items, verified.bytes), (2, 90, backup.export.bytes));
    assert_eq!((verified.defects, verified.notes), (Vec::new(), vec![KEYS.to_owned()]));
    assert_eq!(verified.backup.unwrap(), "an export of emr-dynamodb-connector (EMR lines)");

    // What its manifest lists must be there, and be lines of the Java tool.
    backup.remove(SECOND);
    backup.write(FIRST, b"{\"k\":{\"s\":\"a\"}}\n{\"Item\":{}}\n");
    let defects = backup.defects().await;
    assert_eq!(defects.len(), 2, "{defects:?}");
    assert_eq!(defects[0], format!("{SECOND}: missing"));
    assert!(defects[1].starts_with(&format!("{FIRST} line 2: ")), "{defects:?}");
    backup.write(FIRST, b"{\"Item\":{\"k\":{\"S\":\"a\"}}}\n");
    let defects = backup.defects().await;
    assert_eq!(defects[1..], [format!("{FIRST}: contains DynamoDB JSON, expected EMR lines")]);
    backup.write(FIRST, &[0xff; 100]);
    let defects = backup.defects().await;
    assert!(defects.len() == 2 && defects[1].starts_with(&format!("{FIRST}: ")), "{defects:?}");
    // A damaged manifest does not tell which files belong to the backup.
    backup.write(layout::MANIFEST, b"{\"name\":\"DynamoDB-export\",\"version\":3,\n\"entr");
    assert!(backup.refusal().await.contains("/manifest: it is cut off; copy it again"));
}

#[tokio::test]
async fn a_folder_without_manifest_and_a_single_file_can_be_verified() {
    let backup = Backup::new();
    for name in [layout::EXPORT_JSON, layout::MANIFEST, layout::SUCCESS] {
        backup.remove(name);
    }
    let verified = backup.verify().await.unwrap();
    assert_eq!((verified.files, verified.items, verified.defects.len()), (2, 90, 0));
    assert_eq!(verified.backup.as_deref(), Some("a folder without manifest (EMR lines)"));
    // A file with a single line is read in the format of the others.
    backup.write("short", b"{\"k\":\n");
    let defects = backup.defects().await;
    assert!(defects.len() == 1 && defects[0].starts_with("short line 1: "), "{defects:?}");
    for name in [FIRST, SECOND] {
        backup.remove(name);
    }
    assert!(backup.refusal().await.contains(": short: its first line is not"));

    let file = Backup::new();
    let request = VerifyRequest { folder: file.target().folder(SECOND), ..file.request() };
    let verified =
        verify(&request, &Progress::new(true), &CancellationToken::new(), |_| Ok(())).await.unwrap();
    assert_eq!((verified.files, verified.items, verified.defects.len()), (1, 40, 0));
    assert_eq!(verified.backup.as_deref(), Some("a single file (EMR lines)"));
    assert!(verified.to_string().contains("\nbackup      a single file (EMR lines)\n"));
}

#[tokio::test]
async fn the_golden_backups_of_the_java_tool_have_no_defect() {
    let golden = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden");
    for name in ["all-types", "empty-list-map", "gz", "bz2", "deflate", "snappy"] {
        let folder = Target::File { dir: golden.join(format!("edc-5.6.0-{name}")) };
        let request = VerifyRequest { folder, ..Backup::new().request() };
        let verified =
            verify(&request, &Progress::new(true), &CancellationToken::new(), |_| Ok(())).await.unwrap();
        assert_eq!(verified.defects, Vec::<String>::new(), "{name}");
        assert!(verified.items > 0 && verified.backup.is_some(), "{name}");
    }
}
