//! An export of tablehaul: export.json describes every file, and the manifest lists them.

use std::collections::HashSet;

use format::output::input_of;
use job::{
    export_json::{ExportJson, PartFile},
    layout::{self, PartName},
    spec::Compression,
    split::Checksum,
    target::Target,
};

use super::{
    Kind,
    defect::Defect,
    listing::{BackupEntry, BackupListing, ListingError, pick, without_success},
    manifests,
};
use crate::store::Entry;

/// The recorded files. All must exist with their recorded lengths.
pub(super) fn list(
    folder: &Target,
    export: ExportJson,
    manifest: &[u8],
    entries: Vec<Entry>,
) -> Result<BackupListing, ListingError> {
    agrees(folder, &export, manifest, &entries)?;
    // The manifest was written after all files, so they are whole.
    let notes = without_success(folder, &entries).into_iter().collect();
    let names: Vec<&str> = export.files.iter().map(|file| &*file.name).collect();
    let (entries, missing) = pick(folder, "export.json", &names, entries)?;
    if let Some(missing) = missing {
        return Err(ListingError::Missing(missing));
    }
    let is_plain = export.options.compression == Compression::None;
    let file = |(file, entry): (&PartFile, Entry)| {
        let at = |defect: Defect| defect.of(folder.url(&file.name));
        if entry.bytes != file.bytes {
            return Err(at(Defect::Length { bytes: entry.bytes, recorded: file.bytes }));
        }
        let at_record = |error| at(Defect::Recorded(error));
        let parts = file.parts(is_plain).map_err(at_record)?;
        let checksum = Some(Checksum::Crc32c(file.checksum().map_err(at_record)?));
        Ok(BackupEntry { entry, parts, items: Some(file.items), checksum, is_listed: true })
    };
    let files = export.files.iter().zip(entries).map(file).collect::<Result<Vec<_>, Defect>>()?;
    Ok(BackupListing {
        table: export.table["TableName"].as_str().map(str::to_owned),
        keys: Some(export.keys),
        items: Some(export.items),
        notes,
        format: Some(input_of(export.options.format)),
        ..BackupListing::new(Kind::Tablehaul, files)
    })
}

/// Checks that export.json agrees with itself, with the manifest, and with the part files in the folder: if it listed
/// too few, an import would write too few items and not notice.
fn agrees(folder: &Target, export: &ExportJson, manifest: &[u8], entries: &[Entry]) -> Result<(), Defect> {
    let (own, manifest_url) = (folder.url(layout::EXPORT_JSON), folder.url(layout::MANIFEST));
    let sum = |of: fn(&PartFile) -> u64| export.files.iter().map(of).map(u128::from).sum::<u128>();
    let (items, bytes) = (sum(|file| file.items), sum(|file| file.bytes));
    if (items, bytes) != (export.items.into(), export.bytes.into()) {
        let (total_items, total_bytes) = (export.items, export.bytes);
        return Err(Defect::Totals { file: own, items, bytes, total_items, total_bytes });
    }
    let listed = manifests::java_tool(manifest)
        .map_err(|defect| Defect::Damaged { file: manifest_url.clone(), source: defect.into() })?;
    if !manifests::is_of(&listed, export) {
        return Err(Defect::OtherFiles { manifest: manifest_url, own });
    }
    let recorded: HashSet<&str> = export.files.iter().map(|file| &*file.name).collect();
    let is_left_out = |entry: &&Entry| {
        let name = entry.name.parse::<PartName>();
        name.is_ok_and(|name| {
            name.is_of(&export.job, export.options.compression) && !recorded.contains(entry.name.as_str())
        })
    };
    match entries.iter().filter(is_left_out).min_by_key(|entry| &entry.name) {
        Some(entry) => Err(Defect::LeftOut { file: folder.url(&entry.name), own }),
        None => Ok(()),
    }
}
