//! An export of tablehaul: what export.json records of it.

use std::collections::HashMap;

use job::{
    export_json::{self, ExportJson, ExportJsonError, PartFile},
    layout,
    target::Target,
    verify::{FileRecord, FileRules, StoredFile},
};
use job_aws::Policy;

use super::{Found, folder};
use crate::{
    backup::{archived, unreadable_export},
    failure::Failure,
    journal,
    store::{Entry, Listing, Store},
};

/// What the folder holds, as far as its listing, the content of export.json, and the manifest tell.
pub(super) async fn inspect_folder(
    target: &Target,
    store: Store,
    export_json: &[u8],
) -> Result<Found, Failure> {
    let refused = |fault| Failure::refused(&fault);
    let Listing { files: entries, archived, .. } =
        Policy::Patient.retry(|| store.listing()).await.map_err(refused)?;
    let manifest = store.find(layout::MANIFEST).await.map_err(refused)?;
    if manifest.is_none()
        && let Some(journaled) = journal::read(&store).await?
    {
        let unfinished = journaled.text_as_found();
        let why = format!("{target} holds {unfinished}: there is nothing to verify yet");
        return Err(Failure::refused(why));
    }
    let found = |table, rules, files, defects, notes| {
        let folder = target.clone();
        Found { table, backup: None, store, folder, rules, files, defects, notes }
    };
    let export = match export_json::read(export_json) {
        Ok(export) => export,
        Err(ExportJsonError::Version(version)) => return Err(other_version(target, version)),
        Err(why) => return Ok(found(None, None, Vec::new(), vec![damage(why)], Vec::new())),
    };
    let files = export.files.iter().map(|file| &*file.name);
    if let Some(why) = archived::refusal(&target.to_string(), files, &archived) {
        return Err(Failure::refused(why));
    }
    let folder::FolderFound { defects, notes } =
        folder::check(target, &export, manifest.as_deref(), &entries);
    let files = existing(&export, entries);
    let table = export.table["TableName"].as_str().map(str::to_owned);
    let rules = FileRules::Export { options: export.options, keys: export.keys };
    Ok(found(table, Some(rules), files, defects, notes))
}

fn other_version(target: &Target, version: u64) -> Failure {
    Failure::refused(format!(
        "{target} holds an export of version {version}: this program supports only version {}",
        export_json::VERSION
    ))
}

/// The defect that nothing is recorded to compare the files with.
fn damage(why: ExportJsonError) -> String {
    let (name, why) = (layout::EXPORT_JSON, unreadable_export(why));
    format!("{name}: damaged, nothing else can be checked ({why})")
}

/// The recorded files that exist. A file that is recorded twice is checked once.
fn existing(export: &ExportJson, entries: Vec<Entry>) -> Vec<StoredFile> {
    let mut entries: HashMap<String, Entry> =
        entries.into_iter().map(|entry| (entry.name.clone(), entry)).collect();
    let present = |record: &PartFile| {
        let Entry { bytes, etag, .. } = entries.remove(&*record.name)?;
        Some(StoredFile { record: FileRecord::Part(record.clone()), bytes, etag })
    };
    export.files.iter().filter_map(present).collect()
}
