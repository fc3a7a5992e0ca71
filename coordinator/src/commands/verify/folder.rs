//! Compares the files of the folder with what the backup says of itself.

use std::collections::{BTreeMap, HashMap, HashSet};

use job::{
    export_json::ExportJson,
    layout,
    manifest::{self, ManifestError},
    spec::Compression,
    target::Target,
};

use verify::Defects;

use crate::store::Entry;

/// The result of the checks that read no data.
#[derive(Debug, Default)]
pub(super) struct FolderFound {
    pub(super) defects: Vec<String>,
    /// Remarks that are not defects.
    pub(super) notes: Vec<String>,
}

/// Checks the names and totals. `manifest` is the content of the manifest, if it exists.
pub(super) fn check(
    target: &Target,
    export: &ExportJson,
    manifest: Option<&[u8]>,
    entries: &[Entry],
) -> FolderFound {
    let mut found = FolderFound::default();
    let there: HashSet<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
    let recorded: HashSet<&str> = export.files.iter().map(|file| &*file.name).collect();
    if !there.contains(layout::SUCCESS) {
        found.defects.push(format!("{}: missing", layout::SUCCESS));
    }
    let mut defects = Defects::of(layout::MANIFEST);
    let listed = check_manifest(target, manifest, &recorded, &mut defects, &mut found.notes);
    found.defects.extend(defects.into_lines());
    found.defects.extend(check_totals(export));
    for file in &export.files {
        let mut defects = Defects::of(&file.name);
        if !there.contains(&*file.name) {
            defects.whole("missing");
        }
        if let Err(defect) = file.parts(export.options.compression == Compression::None) {
            defects.whole(defect.to_string());
        }
        found.defects.extend(defects.into_lines());
    }
    found.defects.extend(check_foreign(target, entries, &recorded, &listed));
    found
}

/// Checks that the manifest lists exactly the files of export.json. Returns the file names in it.
fn check_manifest(
    target: &Target,
    manifest: Option<&[u8]>,
    recorded: &HashSet<&str>,
    defects: &mut Defects,
    notes: &mut Vec<String>,
) -> HashSet<String> {
    let urls = match manifest.map(manifest::read) {
        None => {
            defects.whole("missing");
            return HashSet::new();
        }
        Some(Err(ManifestError::Json(_))) => {
            defects.whole("not a complete manifest: cut off, or another file");
            return HashSet::new();
        }
        Some(Err(ManifestError::Version(version))) => {
            defects.whole(format_args!("version {version}, which is not supported"));
            return HashSet::new();
        }
        Some(Ok(urls)) => urls,
    };
    let mut listed: BTreeMap<&str, u64> = BTreeMap::new();
    for url in &urls {
        *listed.entry(url.rsplit('/').next().unwrap_or_default()).or_default() += 1;
    }
    for (name, times) in &listed {
        let shown = name.escape_debug();
        if !recorded.contains(name) {
            defects.one(format_args!("lists {shown}, which is not a file of this export"));
        }
        if *times > 1 {
            defects.one(format_args!("lists {shown} {times} times"));
        }
    }
    let mut unlisted: Vec<&&str> = recorded.iter().filter(|&name| !listed.contains_key(name)).collect();
    unlisted.sort_unstable();
    for name in unlisted {
        defects.one(format_args!("does not list {}", name.escape_debug()));
    }
    let elsewhere = urls.iter().find(|url| {
        let name = url.rsplit('/').next().unwrap_or_default();
        **url != target.url(name)
    });
    if let Some(url) = elsewhere {
        let folder = url.rsplit_once('/').map_or("", |(folder, _)| folder);
        notes.push(format!("the manifest names {}: the export was copied or moved", folder.escape_debug()));
    }
    listed.into_keys().map(str::to_owned).collect()
}

/// Checks that the totals of export.json are consistent.
fn check_totals(export: &ExportJson) -> Vec<String> {
    let mut defects = Defects::of(layout::EXPORT_JSON);
    let sum = |of: fn(&job::export_json::PartFile) -> u64| {
        export.files.iter().map(of).map(u128::from).sum::<u128>()
    };
    let (items, bytes) = (sum(|file| file.items), sum(|file| file.bytes));
    if items != u128::from(export.items) {
        defects.whole(format_args!("its files have {items} items, its total is {}", export.items));
    }
    if bytes != u128::from(export.bytes) {
        defects.whole(format_args!("its files have {bytes} bytes, its total is {}", export.bytes));
    }
    let mut times: HashMap<&str, u64> = HashMap::new();
    for file in &export.files {
        let times = times.entry(&file.name).or_default();
        *times += 1;
        if *times == 2 {
            defects.one(format_args!("has {} more than once", file.name.escape_debug()));
        }
    }
    defects.into_lines()
}

/// The files that an importer of the whole folder would take for data. Such importers skip names that begin with `_` or
/// `.`.
fn check_foreign(
    target: &Target,
    entries: &[Entry],
    recorded: &HashSet<&str>,
    listed: &HashSet<String>,
) -> Vec<String> {
    /// Any further ones are only counted, because the folder may contain anything.
    const SHOWN: usize = 100;
    let is_foreign = |name: &&str| {
        !name.starts_with(['_', '.'])
            && *name != layout::MANIFEST
            && !recorded.contains(name)
            && !listed.contains(*name)
    };
    let mut foreign: Vec<&str> = entries.iter().map(|entry| entry.name.as_str()).filter(is_foreign).collect();
    foreign.sort_unstable();
    let shown = foreign
        .iter()
        .take(SHOWN)
        .map(|name| format!("{}: a foreign file, not part of the export", name.escape_debug()));
    let hidden = foreign.len().saturating_sub(SHOWN);
    let more = (hidden > 0).then(|| format!("{target}: … and {hidden} more foreign files"));
    shown.chain(more).collect()
}
