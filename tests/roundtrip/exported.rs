//! One export by the real `tablehaul`, and everything that must be true of any backup.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;
use tempfile::TempDir;
use tests_support::command::Tablehaul;
use tests_support::{DynamoDb, S3, backup, emr};

/// The bucket of all exports, each in its own folder.
pub(crate) const BUCKET: &str = "backups";

/// One S3 for all tests of this binary; it ends with the process.
pub(crate) static STORE: LazyLock<S3> = LazyLock::new(|| {
    let store = S3::start();
    store.create_bucket(BUCKET);
    store
});

/// Where an export goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Folder,
    S3,
}

/// A complete backup. [`Exported::run`] has checked everything that doesn't need the items.
#[derive(Debug)]
pub(crate) struct Exported {
    pub(crate) folder: PathBuf,
    pub(crate) place: Place,
    /// `_tablehaul/export.json`.
    pub(crate) export: Value,
    prefix: String,
    _temp: TempDir,
}

impl Exported {
    /// Exports a table with these further arguments.
    #[track_caller]
    pub(crate) fn run(endpoint: &str, table: &str, place: Place, args: &[&str]) -> Self {
        let temp = tempfile::tempdir().unwrap();
        let folder = temp.path().join("backup");
        let prefix = temp.path().file_name().unwrap().to_string_lossy().into_owned();
        let url = match place {
            Place::Folder => format!("file://{}", folder.display()),
            Place::S3 => format!("s3://{BUCKET}/{prefix}"),
        };
        let tablehaul = |args: &[&str]| {
            let command = Tablehaul::new(args);
            if place == Place::S3 { command.args(["--s3-endpoint", &STORE.endpoint()]) } else { command }
        };
        let command = tablehaul(&["export", table, &url, "--dynamodb-endpoint", endpoint]).args(args);
        command.run().succeeded();
        let verified = tablehaul(&["verify", &url, "--json"]).run().succeeded();
        if place == Place::S3 {
            assert_eq!(STORE.uploads(BUCKET).iter().filter(|key| key.starts_with(&prefix)).count(), 0);
            STORE.download(BUCKET, &format!("{prefix}/"), &folder);
        }
        let export = fs::read(folder.join("_tablehaul/export.json")).unwrap();
        let export: Value = serde_json::from_slice(&export).unwrap();
        let exported = Self { folder, place, export, prefix, _temp: temp };
        exported.check(&url, args);
        assert_eq!(exported.export["table"], DynamoDb::at(endpoint).describe(table));
        let verified: Value = serde_json::from_str(&verified.stdout).unwrap();
        assert_eq!(verified["items"], exported.export["items"]);
        exported
    }

    /// Names of the part files, in the order of their numbers.
    pub(crate) fn names(&self) -> Vec<String> {
        let files = self.export["files"].as_array().unwrap();
        files.iter().map(|file| file["name"].as_str().unwrap().to_owned()).collect()
    }

    /// The number of upload parts of a part file.
    pub(crate) fn num_parts(&self, name: &str) -> u32 {
        assert_eq!(self.place, Place::S3);
        STORE.num_parts(BUCKET, &format!("{}/{name}", self.prefix))
    }

    /// The backup holds exactly these items, each once, value for value and byte for byte.
    #[track_caller]
    pub(crate) fn holds(&self, items: &[Value], key: &[(&str, &str)]) {
        let lines = backup::lines(&self.folder);
        assert_eq!(lines.len(), items.len());
        let by_key = |item: &Value| key.iter().map(|(name, _)| item[*name].to_string()).collect::<String>();
        let items: BTreeMap<String, &Value> = items.iter().map(|item| (by_key(item), item)).collect();
        let lines = lines.iter().map(|line| (emr::item(line), line));
        let lines: BTreeMap<String, (Value, &String)> =
            lines.map(|(item, line)| (by_key(&item), (item, line))).collect();
        assert!(lines.keys().eq(items.keys()), "keys differ");
        for (key, (item, line)) in &lines {
            assert!(item == items[key], "{key}: {item:.300} is not {:.300}", items[key]);
            assert!(emr::same_but_for_order(line, &emr::line(items[key])), "{key}: {line:.300}");
        }
    }

    fn check(&self, url: &str, args: &[&str]) {
        let export = &self.export;
        let option =
            |name: &str| args.iter().position(|arg| *arg == name).and_then(|at| args.get(at + 1)).copied();
        let compression = option("--compress").unwrap_or("none");
        assert_eq!(export["compression"], compression);
        assert_eq!(export["settings"]["consistent"], args.contains(&"--consistent"));
        if let Some(segments) = option("--segments") {
            assert_eq!(export["settings"]["segments"].to_string(), segments);
        }
        self.check_key();
        let names = self.names();
        self.check_folder(&names);
        let extension = BTreeMap::from([("none", ""), ("gzip", ".gz"), ("zstd", ".zst")])[compression];
        for name in &names {
            self.check_name(name, extension);
        }
        let mut sums = [0, 0, 0];
        for file in export["files"].as_array().unwrap() {
            let found = self.check_file(file);
            sums.iter_mut().zip(found).for_each(|(sum, found)| *sum += found);
        }
        assert_eq!(json!(sums), json!([export["items"], export["bytes"], export["line_bytes"]]));
        let manifest = fs::read_to_string(self.folder.join("manifest")).unwrap();
        assert_eq!(manifest, expected_manifest(url, &names));
        assert_eq!(fs::read(self.folder.join("_SUCCESS")).unwrap(), b"");
    }

    /// The recorded keys are those of the table's description.
    fn check_key(&self) {
        let (table, keys) = (&self.export["table"], &self.export["keys"]);
        let attributes = table["AttributeDefinitions"].as_array().unwrap();
        for (at, role) in ["partition", "sort"].iter().enumerate() {
            let name = &table["KeySchema"][at]["AttributeName"];
            let definition = attributes.iter().find(|attribute| attribute["AttributeName"] == *name);
            let expected = definition.map(|found| json!({"name": name, "type": found["AttributeType"]}));
            assert_eq!(keys.get(role), expected.as_ref());
        }
    }

    /// The folder holds only the files of a backup.
    fn check_folder(&self, names: &[String]) {
        let list = |folder: &Path| {
            let entries = fs::read_dir(folder).unwrap();
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect::<Vec<_>>()
        };
        let mut found = list(&self.folder);
        found.sort();
        let mut expected = [&["_SUCCESS", "_tablehaul", "manifest"].map(String::from), names].concat();
        expected.sort();
        assert_eq!(found, expected);
        let mut own = list(&self.folder.join("_tablehaul"));
        own.sort();
        assert_eq!(own, ["export.json", "history.json", "report.html"]);
    }

    /// `<job's uuid>_<six digits><extension>`.
    fn check_name(&self, name: &str, extension: &str) {
        let rest = name.strip_prefix(self.export["job"].as_str().unwrap()).unwrap();
        let number = rest.strip_prefix('_').and_then(|rest| rest.strip_suffix(extension)).unwrap();
        assert!(number.len() == 6 && number.bytes().all(|byte| byte.is_ascii_digit()), "{name}");
        let job: Vec<usize> = self.export["job"].as_str().unwrap().split('-').map(str::len).collect();
        assert_eq!(job, [8, 4, 4, 4, 12]);
    }

    /// Items, bytes and bytes of lines of a part file, counted; they and the checksum are as recorded.
    fn check_file(&self, file: &Value) -> [u64; 3] {
        let path = self.folder.join(file["name"].as_str().unwrap());
        let stored = fs::read(&path).unwrap();
        let pieces = pieces(&path);
        let lines = pieces.concat();
        let num_items = lines.split_inclusive(|byte| *byte == b'\n').count() as u64;
        assert!(pieces.iter().all(|piece| piece.ends_with(b"\n")), "parts end with a line");
        let found = json!({
            "name": file["name"],
            "items": num_items,
            "bytes": stored.len(),
            "crc32c": format!("{:08x}", crc32c::crc32c(&stored)),
            "parts": parts(&stored, file, path.extension().is_some()),
        });
        assert_eq!(*file, found);
        standard_tool_reads(&path);
        [num_items, stored.len() as u64, lines.len() as u64]
    }
}

/// The upload parts of a file, by their recorded lengths.
fn parts(stored: &[u8], file: &Value, is_compressed: bool) -> Value {
    let mut rest = stored;
    let parts = file["parts"].as_array().unwrap().iter().map(|part| {
        let (bytes, after) = rest.split_at(usize::try_from(part["bytes"].as_u64().unwrap()).unwrap());
        rest = after;
        let mut lines = Vec::new();
        match bytes {
            [0x1f, 0x8b, ..] if is_compressed => {
                flate2::bufread::GzDecoder::new(bytes).read_to_end(&mut lines).unwrap();
            }
            _ if is_compressed => {
                zstd::Decoder::new(bytes).unwrap().single_frame().read_to_end(&mut lines).unwrap();
            }
            _ => lines.extend_from_slice(bytes),
        }
        assert!(lines.ends_with(b"\n"), "a part ends with a line");
        let num_items = lines.split_inclusive(|byte| *byte == b'\n').count();
        let crc32c = format!("{:08x}", crc32c::crc32c(bytes));
        json!({"bytes": bytes.len(), "line_bytes": lines.len(), "items": num_items, "crc32c": crc32c})
    });
    let parts = parts.collect();
    assert!(rest.is_empty(), "the parts are all of the file");
    parts
}

/// What a part file decodes to, one piece for each gzip member or zstd frame.
pub(crate) fn pieces(path: &Path) -> Vec<Vec<u8>> {
    let stored = fs::read(path).unwrap();
    let extension = path.extension().map(|extension| extension.to_string_lossy().into_owned());
    let mut rest = stored.as_slice();
    let mut pieces = Vec::new();
    while !rest.is_empty() {
        let mut piece = Vec::new();
        match extension.as_deref() {
            Some("gz") => flate2::bufread::GzDecoder::new(&mut rest).read_to_end(&mut piece),
            Some("zst") => {
                let mut decoder = zstd::Decoder::with_buffer(&mut rest).unwrap().single_frame();
                decoder.read_to_end(&mut piece)
            }
            _ => rest.read_to_end(&mut piece),
        }
        .unwrap();
        pieces.push(piece);
    }
    pieces
}

/// The commands gzip and zstd accept the file, where they are installed.
fn standard_tool_reads(path: &Path) {
    let tool = match path.extension().and_then(|extension| extension.to_str()) {
        Some("gz") => "gzip",
        Some("zst") => "zstd",
        _ => return,
    };
    let outcome = Command::new(tool).arg("-tq").arg(path).stderr(Stdio::inherit()).status();
    assert!(outcome.map_or(true, |status| status.success()), "{tool} -t {}", path.display());
}

/// The manifest as the Java tool writes it: ordered by reversed name.
fn expected_manifest(url: &str, names: &[String]) -> String {
    let reversed = |name: &String| name.chars().rev().collect::<String>();
    let names: BTreeMap<String, &String> = names.iter().map(|name| (reversed(name), name)).collect();
    let entry = |name| format!("{{\"url\":\"{url}/{name}\",\"mandatory\":true}}");
    let entries: Vec<String> = names.into_values().map(entry).collect();
    format!("{{\"name\":\"DynamoDB-export\",\"version\":3,\n\"entries\": [\n{}\n]}}", entries.join(",\n"))
}
