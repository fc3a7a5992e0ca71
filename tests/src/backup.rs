//! Reading a backup folder independently of the code under test: by its manifest, with other
//! decoders, and value trees.

use job::layout;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read;
use std::path::Path;

/// The lines of all part files that the manifest of `folder` lists.
///
/// # Panics
/// When the folder isn't a whole backup.
#[track_caller]
pub fn lines(folder: &Path) -> Vec<String> {
    assert!(folder.join("_SUCCESS").is_file(), "{} has no _SUCCESS", folder.display());
    let manifest = fs::read(folder.join("manifest")).expect("a manifest");
    let manifest: Value = serde_json::from_slice(&manifest).expect("a manifest of JSON");
    let mut lines = Vec::new();
    for entry in manifest["entries"].as_array().expect("entries") {
        let url = entry["url"].as_str().expect("a url");
        let name = url.rsplit('/').next().unwrap_or_default();
        let text = decoded(&folder.join(name));
        assert!(text.is_empty() || text.ends_with('\n'), "{name} does not end with a newline");
        lines.extend(text.lines().map(str::to_owned));
    }
    lines
}

/// A part file as text, by the codec its name tells.
fn decoded(path: &Path) -> String {
    let bytes = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut text = Vec::new();
    let extension = path.extension().map(|extension| extension.to_string_lossy().into_owned());
    let read = match extension.as_deref() {
        Some("gz") => flate2::read::MultiGzDecoder::new(bytes.as_slice()).read_to_end(&mut text),
        Some("zst") => zstd::Decoder::new(bytes.as_slice()).and_then(|mut from| from.read_to_end(&mut text)),
        _ => bytes.as_slice().read_to_end(&mut text),
    };
    read.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    String::from_utf8(text).expect("a part file is UTF-8")
}

/// How often each item of the fake's exact table is in the backup, by its index.
///
/// # Panics
/// When a line isn't an item of the fake.
#[track_caller]
pub fn indexes(folder: &Path) -> BTreeMap<u64, u64> {
    let mut count = BTreeMap::new();
    for line in lines(folder) {
        let item: Value = serde_json::from_str(&line).expect("a line of JSON");
        let (pk, sk) = (item["pk"]["s"].as_str(), item["sk"]["n"].as_str());
        let index = crate::item_index(pk.unwrap_or_default(), sk.unwrap_or_default());
        *count.entry(index.unwrap_or_else(|| panic!("not an item of the fake: {line}"))).or_insert(0) += 1;
    }
    count
}

/// Makes sure that items `0` to `n - 1` of the fake are in the backup, each once.
///
/// # Panics
/// When one is missing or there twice; says which.
#[track_caller]
pub fn holds_each_item_once(folder: &Path, n: u64) {
    let count = indexes(folder);
    let doubled: Vec<u64> = count.iter().filter(|(_, times)| **times > 1).map(|(&index, _)| index).collect();
    let missing: Vec<u64> = (0..n).filter(|index| !count.contains_key(index)).collect();
    let first =
        |indexes: &[u64]| format!("{} ({:?} …)", indexes.len(), indexes.iter().take(5).collect::<Vec<_>>());
    assert!(doubled.is_empty(), "duplicated: {}", first(&doubled));
    assert!(missing.is_empty(), "missing: {}", first(&missing));
    assert_eq!(count.len() as u64, n, "items that the table does not have");
}

/// Names of files in `folder`, however deep.
pub fn names(folder: &Path) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.path().is_dir() {
            names.extend(self::names(&entry.path()).into_iter().map(|inner| format!("{name}/{inner}")));
        } else {
            names.insert(name);
        }
    }
    names
}

/// What tells people of a complete job, in its folder.
pub const REPORT_FILES: [&str; 2] = [layout::HISTORY, layout::REPORT];

/// Makes sure that nothing but a backup of `num_items` items is in the folder, with the history and the report of its
/// job, and that all that its `export.json` says of items and files is true.
///
/// # Panics
/// When that is not so.
#[track_caller]
pub fn holds_nothing_else(folder: &Path, num_items: u64) {
    let names = names(folder);
    let missing: Vec<&str> = REPORT_FILES.into_iter().filter(|name| !names.contains(*name)).collect();
    assert!(missing.is_empty(), "{missing:?} of {names:?}");
    holds_at_most_a_report_besides(folder, num_items);
}

/// The same if the coordinator may have been killed before it wrote history and report.
///
/// # Panics
/// When that is not so.
#[track_caller]
pub fn holds_at_most_a_report_besides(folder: &Path, num_items: u64) {
    let export = fs::read(folder.join("_tablehaul/export.json")).expect("an export.json");
    let export: Value = serde_json::from_slice(&export).expect("an export.json of JSON");
    assert_eq!(export["items"], num_items, "export.json");
    let files = export["files"].as_array().expect("files");
    let mut expected: BTreeSet<String> =
        files.iter().filter_map(|file| file["name"].as_str()).map(str::to_owned).collect();
    assert_eq!(expected.len(), files.len(), "each file once");
    for file in files {
        let path = folder.join(file["name"].as_str().unwrap_or_default());
        let bytes = path.metadata().map_or(0, |metadata| metadata.len());
        assert_eq!(file["bytes"], bytes, "{}", path.display());
    }
    expected.extend(["manifest", "_SUCCESS", "_tablehaul/export.json"].map(str::to_owned));
    let mut found = names(folder);
    found.retain(|name| !REPORT_FILES.contains(&name.as_str()));
    assert_eq!(found, expected, "nothing but the backup is in the folder");
}
