//! Finds out what kind of backup a folder holds, and has the core of that kind name its files. A shell.

use std::collections::BTreeMap;

use job::{
    export_json::{self, ExportJsonError},
    layout,
    target::Target,
};
use job_aws::Clients;

use super::{
    archived, edc,
    folder::Folder,
    named::Named,
    native::{self, Files, Place, Summary},
    own, plain,
};
use crate::{
    failure::Failure,
    journal,
    store::{Archived, Listing},
};

/// Exports of DynamoDB that are named when there are several to choose from.
const MOST_NAMED: usize = 5;

/// The backup, and the folder in which its files lie.
pub(super) async fn find(target: &Target, clients: Option<&Clients>) -> Result<(Folder, Named), Failure> {
    let folder = Folder::new(target.clone(), clients)?;
    // S3 has no folders to be told from objects: first of all a path is that of a folder.
    if let Target::File { .. } = target
        && let Some(single) = single(&folder).await?
    {
        return Ok(single);
    }
    let mut listing = folder.listing().await?;
    if listing == Listing::default() {
        let empty = || Failure::Refused(format!("{target} is empty or does not exist"));
        return single(&folder).await?.ok_or_else(empty);
    }
    // Without these it can't even be told what there is.
    let is_needed = |name: &str| matches!(name, layout::MANIFEST | native::SUMMARY | native::FILES);
    if listing.archived.keys().any(|name| is_needed(name)) {
        readable(target, listing.files.iter().map(|entry| &entry.name), &listing.archived)?;
    }
    let archived = std::mem::take(&mut listing.archived);
    match by_manifest(&folder, &listing).await? {
        Some(export) => {
            let named = named(&folder, export, listing)?;
            readable(target, named.files.iter().map(|file| &file.entry.name), &archived)?;
            Ok((folder, named))
        }
        None if is_native(&folder, &listing)? => native(folder, &listing).await,
        None if listing.files.iter().any(|entry| plain::is_data(&entry.name)) => {
            let (folder, named) = plain(folder, listing)?;
            readable(target, named.files.iter().map(|file| &file.entry.name), &archived)?;
            Ok((folder, named))
        }
        None => match exports_below(&folder, &listing).await?.as_slice() {
            [] => plain(folder, listing),
            [one] => {
                let (below, mut named) = one_below(&folder, one).await?;
                named
                    .notes
                    .insert(0, format!("{target}: the export of DynamoDB in its folder {one} is taken"));
                Ok((below, named))
            }
            several => {
                let more = if several.len() > MOST_NAMED { ", …" } else { "" };
                let some = several[..several.len().min(MOST_NAMED)].join(", ");
                Err(Failure::Refused(format!(
                    "{target} holds {} exports of DynamoDB: name the folder of one ({some}{more})",
                    several.len()
                )))
            }
        },
    }
}

/// Refuses files that are archived, all at once and before any is read.
fn readable<'a>(
    folder: &Target,
    files: impl Iterator<Item = &'a String>,
    archived: &BTreeMap<String, Archived>,
) -> Result<(), Failure> {
    match archived::refusal(&folder.to_string(), files.map(String::as_str), archived) {
        Some(why) => Err(Failure::Refused(why)),
        None => Ok(()),
    }
}

/// What was given may be a file.
async fn single(folder: &Folder) -> Result<Option<(Folder, Named)>, Failure> {
    let Some((parent, name)) = folder.parent()? else { return Ok(None) };
    let Some(entry) = parent.look_up(&name).await? else { return Ok(None) };
    Ok(Some((parent, plain::single(entry))))
}

fn plain(folder: Folder, listing: Listing) -> Result<(Folder, Named), Failure> {
    let named = plain::name(&folder.target, listing).map_err(Failure::Refused)?;
    Ok((folder, named))
}

/// What a file `manifest` and ours beside it say.
enum Export {
    Own(Vec<u8>),
    Edc(Vec<u8>),
}

/// An export of this program or of the Java tool. One of ours that is not whole is refused.
async fn by_manifest(folder: &Folder, listing: &Listing) -> Result<Option<Export>, Failure> {
    let target = &folder.target;
    let is_there = |name: &str| listing.files.iter().any(|entry| entry.name == name);
    let export = folder.find(layout::EXPORT_JSON).await?;
    if is_there(layout::MANIFEST) {
        if let Some(export) = export {
            return Ok(Some(Export::Own(export)));
        }
        let gone = || Failure::Refused(format!("{} is gone", target.url(layout::MANIFEST)));
        return folder.find(layout::MANIFEST).await?.ok_or_else(gone).map(|bytes| Some(Export::Edc(bytes)));
    }
    if let Some(journaled) = journal::read(&folder.store).await? {
        let unfinished = journaled.text();
        return Err(Failure::Refused(format!("{target} holds {unfinished}: there is nothing to import yet")));
    }
    match export {
        None => Ok(None),
        Some(_) => Err(Failure::Refused(format!(
            "{target} has {} but no {}: it was not copied whole; copy that, too",
            layout::EXPORT_JSON,
            layout::MANIFEST
        ))),
    }
}

fn named(folder: &Folder, export: Export, listing: Listing) -> Result<Named, Failure> {
    let target = &folder.target;
    let named = match export {
        Export::Edc(manifest) => edc::name(target, &manifest, listing.files),
        Export::Own(bytes) => match export_json::read(&bytes) {
            Ok(export) => own::name(target, export, listing.files),
            Err(ExportJsonError::Version(version)) => Err(format!(
                "{target} holds an export of version {version}: this program knows only version {}",
                export_json::VERSION
            )),
            Err(ExportJsonError::Damaged(why)) => {
                Err(format!("{} is damaged ({why}); copy it again", target.url(layout::EXPORT_JSON)))
            }
        },
    };
    named.map_err(Failure::Refused)
}

/// Whether the folder is that of an export of DynamoDB; one that is not whole is refused.
fn is_native(folder: &Folder, listing: &Listing) -> Result<bool, Failure> {
    let is_there = |name: &str| listing.files.iter().any(|entry| entry.name == name);
    let (target, summary) = (&folder.target, native::SUMMARY);
    match (is_there(summary), is_there(native::FILES), is_there(native::STARTED)) {
        (true, true, _) => Ok(true),
        (true, false, _) => Err(Failure::Refused(format!(
            "{target} has {summary} but no {}: it was not copied whole; copy that, too",
            native::FILES
        ))),
        (false, true, _) => Err(Failure::Refused(format!(
            "{target} has {} but no {summary}: it was not copied whole; copy that, too",
            native::FILES
        ))),
        (false, false, true) => Err(Failure::Refused(format!(
            "{target} holds an unfinished export of DynamoDB: there is no {summary}; wait until it is \
             complete, or copy that, too"
        ))),
        (false, false, false) => Ok(false),
    }
}

/// Folders of exports of DynamoDB in this one, relative to it.
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

async fn one_below(folder: &Folder, name: &str) -> Result<(Folder, Named), Failure> {
    let below = folder.sub(name)?;
    let listing = below.listing().await?;
    if is_native(&below, &listing)? {
        return native(below, &listing).await;
    }
    let why = format!("{} holds no export of DynamoDB: there is no {}", below.target, native::SUMMARY);
    Err(Failure::Refused(why))
}

async fn native(folder: Folder, listing: &Listing) -> Result<(Folder, Named), Failure> {
    let summary = native_manifest(&folder, listing, native::SUMMARY).await?;
    let files = native_manifest(&folder, listing, native::FILES).await?;
    let of = |name: &str| {
        let url = folder.target.url(name);
        move |why: String| Failure::Refused(format!("{url}: {why}"))
    };
    let summary = Summary::read(&summary).map_err(of(native::SUMMARY))?;
    let files = Files::read(&files).map_err(of(native::FILES))?;
    let data = match files.place {
        Some(Place::Shared) => {
            let (parent, _) = folder.parent()?.ok_or_else(|| {
                let why = "its files are in the folder beside it, and there is none beside a whole bucket";
                Failure::Refused(format!("{}: {why}", folder.target))
            })?;
            parent.sub("data")?
        }
        Some(Place::Own) | None => folder.sub("data")?,
    };
    let listing = if files.place.is_some() { data.listing().await? } else { Listing::default() };
    let named = native::name(&data.target, &summary, &files, listing.files);
    let named = named.map_err(|why| Failure::Refused(format!("{}: {why}", folder.target)))?;
    readable(&data.target, named.files.iter().map(|file| &file.entry.name), &listing.archived)?;
    Ok((data, named))
}

/// A manifest, checked against the checksum beside it if that is there.
async fn native_manifest(folder: &Folder, listing: &Listing, name: &str) -> Result<Vec<u8>, Failure> {
    let url = folder.target.url(name);
    let gone = || Failure::Refused(format!("{url} is gone"));
    let manifest = folder.find(name).await?.ok_or_else(gone)?;
    let checksum = name.replace(".json", ".md5");
    if listing.files.iter().any(|entry| entry.name == checksum)
        && let Some(md5) = folder.find(&checksum).await?
    {
        native::check_md5(&manifest, &md5).map_err(|why| Failure::Refused(format!("{url} {why}")))?;
    }
    Ok(manifest)
}
