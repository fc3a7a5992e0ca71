//! Finds out what kind of backup a folder holds, and has the module of that kind list its files.

use std::collections::BTreeMap;

use job::{
    export_json::{self, ExportJsonError},
    layout,
    target::Target,
};
use job_aws::{Clients, FaultKind, Policy};

use super::{
    Kind, archived,
    defect::{Defect, unreadable_export},
    folder::{Folder, without_mark},
    java_tool,
    listing::{BackupListing, ListingError, Missing},
    native::{self, DataFolder, Files, Summary},
    plain, tablehaul,
};
use crate::{
    failure::Failure,
    journal,
    store::{Archived, Listing},
};

/// The most exports of DynamoDB that are named if there are several to choose from.
const MOST_NAMED: usize = 5;

/// The most folders in which a missing file is searched for.
const MOST_SEARCHED: usize = 20;

/// What a backup is wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    /// It must be whole.
    Import,
    /// Files may be missing.
    Verify,
}

impl Purpose {
    fn name(self) -> &'static str {
        match self {
            Self::Import => "import",
            Self::Verify => "verify",
        }
    }

    fn take(self, listed: BackupListing) -> Result<BackupListing, ListingError> {
        match self {
            Self::Import => listed.whole(),
            Self::Verify => Ok(listed),
        }
    }
}

/// The backup, and the folder that contains its files.
pub(super) async fn find(
    target: &Target,
    clients: Option<&Clients>,
) -> Result<(Folder, BackupListing), Failure> {
    let folder = Folder::new(target.clone(), clients)?;
    match file(&folder).await? {
        Some(single) => Ok(single),
        // Boxed, here and below, because the future is large.
        None => Box::pin(in_folder(folder, Purpose::Import)).await,
    }
}

/// A backup to verify.
pub(super) enum ToVerify {
    /// An export of tablehaul, whole or not: the content of its export.json.
    Tablehaul(Vec<u8>),
    /// Any other backup, and the folder that contains its files. Files that its manifest lists may be missing.
    Foreign(Box<(Folder, BackupListing)>),
}

/// The backup to verify.
pub(super) async fn find_to_verify(target: &Target, clients: Option<&Clients>) -> Result<ToVerify, Failure> {
    let folder = Folder::new(target.clone(), clients)?;
    let found = match file(&folder).await? {
        Some(single) => single,
        None => match folder.find(layout::EXPORT_JSON).await? {
            Some(export_json) => return Ok(ToVerify::Tablehaul(export_json)),
            None => Box::pin(in_folder(folder, Purpose::Verify)).await?,
        },
    };
    Ok(ToVerify::Foreign(Box::new(found)))
}

/// The backup, if the path is certain to be that of a file. S3 does not tell folders from objects, so there a path is
/// first tried as a folder.
async fn file(folder: &Folder) -> Result<Option<(Folder, BackupListing)>, Failure> {
    match folder.target {
        Target::File { .. } => single(folder).await,
        Target::S3 { .. } => Ok(None),
    }
}

async fn in_folder(folder: Folder, purpose: Purpose) -> Result<(Folder, BackupListing), Failure> {
    let target = &folder.target.clone();
    let mut listing = folder.listing().await?;
    if listing == Listing::default() {
        let empty = || Failure::refused(format!("{target} is empty or does not exist"));
        return single(&folder).await?.ok_or_else(empty);
    }
    // Without these files the kind of the backup is unknown.
    let is_needed = |name: &str| matches!(name, layout::MANIFEST | native::SUMMARY | native::FILES);
    if listing.archived.keys().any(|name| is_needed(name)) {
        readable(target, listing.files.iter().map(|entry| &entry.name), &listing.archived)?;
    }
    let archived = std::mem::take(&mut listing.archived);
    match by_manifest(&folder, &listing, purpose).await? {
        Some(export) => {
            let folders = listing.folders.clone();
            let listed = match listed(&folder, &export, listing).and_then(|listed| purpose.take(listed)) {
                Ok(listed) => listed,
                Err(error) => return Err(explained(error, &folder, &folder, &folders).await),
            };
            readable(target, listed.files.iter().map(|file| &file.entry.name), &archived)?;
            Ok((folder, listed))
        }
        None => match native_state(&folder, &listing)? {
            NativeState::Whole => native(folder, &listing, purpose).await,
            NativeState::No if listing.files.iter().any(|entry| plain::is_data(&entry.name)) => {
                let note = match export_of_data(&folder, purpose).await? {
                    OfData::Export(export) => return Ok(*export),
                    OfData::NotPermitted(note) => Some(note),
                    OfData::NoExport => None,
                };
                let (folder, mut listed) = plain(folder, listing)?;
                listed.notes.extend(note);
                readable(target, listed.files.iter().map(|file| &file.entry.name), &archived)?;
                Ok((folder, listed))
            }
            state => below(folder, listing, state == NativeState::Started, purpose).await,
        },
    }
}

/// The export of DynamoDB in a subfolder, or else whatever this folder holds. If `is_started`, the folder has the mark
/// of an export but no manifest: the export is incomplete, unless an export in a subfolder left the mark.
async fn below(
    folder: Folder,
    listing: Listing,
    is_started: bool,
    purpose: Purpose,
) -> Result<(Folder, BackupListing), Failure> {
    let target = &folder.target;
    match exports_below(&folder, &listing).await?.as_slice() {
        [] if is_started => Err(Failure::refused(unfinished(&folder))),
        [] => plain(folder, listing),
        [one] => {
            let (below, mut listed) = one_below(&folder, one, purpose).await?;
            let (what, removes) = match listed.kind {
                Kind::Incremental => (
                    "the incremental export of DynamoDB",
                    "; its lines state which items to put and which to remove",
                ),
                _ => ("the export of DynamoDB", ""),
            };
            listed.notes.insert(0, format!("{target}: reading {what} in its folder {one}{removes}"));
            Ok((below, listed))
        }
        several => {
            let more = if several.len() > MOST_NAMED { ", …" } else { "" };
            let some = several[..several.len().min(MOST_NAMED)].join(", ");
            Err(Failure::refused(format!(
                "{target} holds {} exports of DynamoDB: name the folder of one ({some}{more})",
                several.len()
            )))
        }
    }
}

/// What a folder named `data` is to an export of DynamoDB.
enum OfData {
    /// The folder of its files, and what its manifest lists of them.
    Export(Box<(Folder, BackupListing)>),
    /// The folder above must not be looked at: in words.
    NotPermitted(String),
    /// Nothing.
    NoExport,
}

/// The export of DynamoDB whose data folder this is: the manifest beside the folder says which files must be there.
async fn export_of_data(folder: &Folder, purpose: Purpose) -> Result<OfData, Failure> {
    let target = &folder.target;
    let Some((parent, name)) = folder.parent()? else { return Ok(OfData::NoExport) };
    if name != native::DATA {
        return Ok(OfData::NoExport);
    }
    let listing = match Policy::Patient.retry(|| parent.store.listing()).await {
        Ok(listing) => listing,
        Err(fault) if fault.kind == FaultKind::Denied => {
            let why = fault.message;
            return Ok(OfData::NotPermitted(format!(
                "{target}: cannot look for a manifest beside it ({why})"
            )));
        }
        Err(fault) => return Err(Failure::refused(&fault)),
    };
    if listing.folders.iter().any(|name| native::is_export_id(name)) {
        return Err(Failure::refused(format!(
            "{target} holds the files of all incremental exports in {}: name the folder of one export",
            parent.target
        )));
    }
    match native_state(&parent, &listing)? {
        NativeState::Whole => {}
        NativeState::Started => return Err(Failure::refused(unfinished(&parent))),
        NativeState::No => return Ok(OfData::NoExport),
    }
    let of = parent.target.clone();
    let (data, mut listed) = native(parent, &listing, purpose).await?;
    if data.target != *target {
        return Ok(OfData::NoExport);
    }
    let note = format!("{target} belongs to the export of DynamoDB in {of}: reading that export");
    listed.notes.insert(0, note);
    Ok(OfData::Export(Box::new((data, listed))))
}

/// Refuses archived files, all at once and before any file is read.
fn readable<'a>(
    folder: &Target,
    files: impl Iterator<Item = &'a String>,
    archived: &BTreeMap<String, Archived>,
) -> Result<(), Failure> {
    match archived::refusal(&folder.to_string(), files.map(String::as_str), archived) {
        Some(why) => Err(Failure::refused(why)),
        None => Ok(()),
    }
}

/// The backup, if the path is that of a file.
async fn single(folder: &Folder) -> Result<Option<(Folder, BackupListing)>, Failure> {
    let Some((parent, name)) = folder.parent()? else { return Ok(None) };
    let Some(entry) = parent.look_up(&name).await? else { return Ok(None) };
    Ok(Some((parent, plain::single(entry))))
}

fn plain(folder: Folder, listing: Listing) -> Result<(Folder, BackupListing), Failure> {
    let listed =
        plain::list(&folder.target, listing).map_err(|defect| Failure::refused(defect.to_string()))?;
    Ok((folder, listed))
}

/// What describes an export: its manifest, and tablehaul's export.json beside it.
struct Export {
    manifest: Vec<u8>,
    own: Option<Vec<u8>>,
}

/// An export of tablehaul or of the Java tool. Refuses an incomplete export of tablehaul.
async fn by_manifest(
    folder: &Folder,
    listing: &Listing,
    purpose: Purpose,
) -> Result<Option<Export>, Failure> {
    let target = &folder.target;
    let is_there = |name: &str| listing.files.iter().any(|entry| entry.name == name);
    let export = folder.find(layout::EXPORT_JSON).await?;
    if is_there(layout::MANIFEST) {
        let gone = || Failure::refused(format!("{} is gone", target.url(layout::MANIFEST)));
        let manifest = folder.find(layout::MANIFEST).await?.ok_or_else(gone)?;
        return Ok(Some(Export { manifest, own: export }));
    }
    if let Some(journaled) = journal::read(&folder.store).await? {
        let unfinished = journaled.text_as_found();
        let why = format!("{target} holds {unfinished}: there is nothing to {} yet", purpose.name());
        return Err(Failure::refused(why));
    }
    match export {
        None => Ok(None),
        Some(_) => Err(Failure::refused(format!(
            "{target} has {} but no {lacks}: the copy is incomplete; copy {lacks} as well",
            layout::EXPORT_JSON,
            lacks = layout::MANIFEST
        ))),
    }
}

fn listed(folder: &Folder, export: &Export, listing: Listing) -> Result<BackupListing, ListingError> {
    let target = &folder.target;
    let manifest = without_mark(&export.manifest);
    match &export.own {
        None => java_tool::list(target, manifest, listing.files),
        Some(own) => match export_json::read(without_mark(own)) {
            Ok(export) => tablehaul::list(target, export, manifest, listing.files),
            Err(ExportJsonError::Version(version)) => {
                Err(Defect::ExportVersion { folder: target.to_string(), version }.into())
            }
            Err(error) => {
                let file = target.url(layout::EXPORT_JSON);
                Err(Defect::Damaged { file, source: unreadable_export(error).into() }.into())
            }
        },
    }
}

/// Explains why files can't be named. If one is missing in `searched`, looks for it in the manifest's folder, in its
/// subfolders `folders`, and in the folder beside it for the files of incremental exports.
async fn explained(error: ListingError, folder: &Folder, searched: &Folder, folders: &[String]) -> Failure {
    let ListingError::Missing(Missing { names, .. }) = &error else {
        return Failure::refused(error.text(None));
    };
    let Some(first) = names.first() else { return Failure::refused(error.text(None)) };
    let beside = folder.parent().ok().flatten().and_then(|(parent, _)| parent.sub(native::DATA).ok());
    let inside = folders.iter().take(MOST_SEARCHED).filter_map(|name| folder.sub(name).ok());
    let places = [folder.clone()].into_iter().chain(inside).chain(beside);
    for place in places.filter(|place| place.target != searched.target) {
        // If a folder can't be searched, the file is just missing.
        if let Ok(Some(_)) = place.look_up(first).await {
            return Failure::refused(error.text(Some(&place.target)));
        }
    }
    Failure::refused(error.text(None))
}

/// What a folder is to an export of DynamoDB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NativeState {
    /// It is the folder of an export.
    Whole,
    /// It has the mark of an export that began, but no manifest.
    Started,
    /// It has nothing to do with one.
    No,
}

/// What the folder is to an export. Refuses a folder with only one of the two manifests.
fn native_state(folder: &Folder, listing: &Listing) -> Result<NativeState, Failure> {
    let is_there = |name: &str| listing.files.iter().any(|entry| entry.name == name);
    let (target, summary, files) = (&folder.target, native::SUMMARY, native::FILES);
    let lacks = |has: &str, lacks: &str| {
        let why = format!("{target} has {has} but no {lacks}: the copy is incomplete; copy {lacks} as well");
        Err(Failure::refused(why))
    };
    match (is_there(summary), is_there(files)) {
        (true, true) => Ok(NativeState::Whole),
        (true, false) => lacks(summary, files),
        (false, true) => lacks(files, summary),
        (false, false) if is_there(native::STARTED) => Ok(NativeState::Started),
        (false, false) => Ok(NativeState::No),
    }
}

/// Paths of the folders of DynamoDB exports below this one, relative to it.
async fn exports_below(folder: &Folder, listing: &Listing) -> Result<Vec<String>, Failure> {
    let ids = |listing: &Listing| -> Vec<String> {
        listing.folders.iter().filter(|name| native::is_export_id(name)).cloned().collect()
    };
    let mut below = ids(listing);
    if listing.folders.iter().any(|name| name == native::ROOT) {
        let inside = ids(&folder.sub(native::ROOT)?.listing().await?);
        below.extend(inside.iter().map(|id| format!("{}/{id}", native::ROOT)));
    }
    below.sort();
    Ok(below)
}

fn unfinished(folder: &Folder) -> String {
    format!(
        "{} holds an unfinished export of DynamoDB: there is no {}; wait until it exists, or copy it as well",
        folder.target,
        native::SUMMARY
    )
}

async fn one_below(
    folder: &Folder,
    name: &str,
    purpose: Purpose,
) -> Result<(Folder, BackupListing), Failure> {
    let below = folder.sub(name)?;
    let listing = below.listing().await?;
    let why = match native_state(&below, &listing)? {
        NativeState::Whole => return native(below, &listing, purpose).await,
        NativeState::Started => unfinished(&below),
        NativeState::No => {
            format!("{} holds no export of DynamoDB: there is no {}", below.target, native::SUMMARY)
        }
    };
    Err(Failure::refused(why))
}

async fn native(
    folder: Folder,
    listing: &Listing,
    purpose: Purpose,
) -> Result<(Folder, BackupListing), Failure> {
    let summary = native_manifest(&folder, listing, native::SUMMARY).await?;
    let files = native_manifest(&folder, listing, native::FILES).await?;
    let of = |name: &str| {
        let url = folder.target.url(name);
        move |defect: Defect| Failure::refused(defect.of(url).to_string())
    };
    let summary = Summary::read(&summary).map_err(of(native::SUMMARY))?;
    let files = Files::read(&files).map_err(of(native::FILES))?;
    let data = match files.place {
        Some(DataFolder::Shared) => {
            let (parent, _) = folder.parent()?.ok_or_else(|| {
                let why = "its files are expected in the folder beside it, but a whole bucket has no folder \
                           beside it";
                Failure::refused(format!("{}: {why}", folder.target))
            })?;
            parent.sub(native::DATA)?
        }
        Some(DataFolder::Own) | None => folder.sub(native::DATA)?,
    };
    let beside = if files.place.is_some() { data.listing().await? } else { Listing::default() };
    let listed = native::list(&data.target, &summary, &files, beside.files);
    match listed.and_then(|listed| purpose.take(listed)) {
        Ok(listed) => {
            readable(&data.target, listed.files.iter().map(|file| &file.entry.name), &beside.archived)?;
            Ok((data, listed))
        }
        Err(ListingError::Other(why)) => Err(Failure::refused(format!("{}: {why}", folder.target))),
        Err(missing) => Err(explained(missing, &folder, &data, &listing.folders).await),
    }
}

/// Reads a manifest, and checks it against the checksum files beside it that exist.
async fn native_manifest(folder: &Folder, listing: &Listing, name: &str) -> Result<Vec<u8>, Failure> {
    let url = folder.target.url(name);
    let gone = || Failure::refused(format!("{url} is gone"));
    let manifest = folder.find(name).await?.ok_or_else(gone)?;
    for end in native::CHECKSUMS {
        let beside = name.replace(".json", end);
        if listing.files.iter().any(|entry| entry.name == beside)
            && let Some(md5) = folder.find(&beside).await?
            && !native::check_md5(&manifest, &md5)
        {
            return Err(Failure::refused(format!(
                "{url} does not match its checksum in {beside}: it was changed, or the copy is incomplete"
            )));
        }
    }
    Ok(without_mark(&manifest).to_vec())
}
