//! The files that manifests list, for callers that need only names.

use std::collections::HashSet;

use job::{export_json::ExportJson, manifest, target::Target};

pub(crate) use super::{FILES, SUMMARY};
use super::{
    defect::{Defect, of_manifest},
    folder::parent,
    java_tool::file_name,
    native,
};

/// The names of the files that a manifest lists, as the Java tool and tablehaul write it.
///
/// # Errors
/// Fails if it is not a manifest, or has an unknown version.
pub(crate) fn java_tool(bytes: &[u8]) -> Result<Vec<String>, Defect> {
    let urls = manifest::read(bytes).map_err(|error| of_manifest(error, false))?;
    urls.iter().map(|url| file_name(url).map(str::to_owned)).collect()
}

/// Whether a manifest lists the files of export.json, each once.
pub(crate) fn is_of(listed: &[String], export: &ExportJson) -> bool {
    let recorded: HashSet<&str> = export.files.iter().map(|file| &*file.name).collect();
    let names: HashSet<&str> = listed.iter().map(String::as_str).collect();
    recorded == names && listed.len() == names.len()
}

/// An export of DynamoDB itself.
#[derive(Debug)]
pub(crate) struct Native {
    /// Its table, if it says so.
    pub(crate) table: Option<String>,
    /// The number of its items.
    pub(crate) items: u64,
    /// The names of its data files.
    pub(crate) names: Vec<String>,
    /// The folder of the data files. `None` if there are none.
    pub(crate) data: Option<Target>,
}

/// What the two manifests in a folder say.
///
/// # Errors
/// Fails if one of them is damaged.
pub(crate) fn native(folder: &Target, summary: &[u8], files: &[u8]) -> Result<Native, Defect> {
    let of = |name: &'static str| move |defect: Defect| defect.of(name);
    let summary = native::Summary::read(summary).map_err(of(SUMMARY))?;
    let files = native::Files::read(files).map_err(of(FILES))?;
    let (table, items) = summary.facts(&files)?;
    let data = match files.place {
        None => None,
        Some(native::DataFolder::Own) => Some(folder.folder(native::DATA)),
        Some(native::DataFolder::Shared) => {
            let (parent, _) = parent(folder).ok_or(Defect::NothingBeside)?;
            Some(parent.folder(native::DATA))
        }
    };
    Ok(Native { table, items, names: files.names().map(str::to_owned).collect(), data })
}
