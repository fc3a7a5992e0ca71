//! What a folder holds, as listings and look-ups report it.

use std::collections::BTreeMap;

/// A file in the folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Its name in the folder.
    pub(crate) name: String,
    /// Its length as stored.
    pub(crate) bytes: u64,
    /// Its version: the entity tag of an object, or the [`Fingerprint`](job::fingerprint::Fingerprint) of a file.
    /// `None` for anything but a regular file.
    pub(crate) etag: Option<String>,
}

/// What is in a folder itself, without its subfolders.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Listing {
    pub(crate) files: Vec<Entry>,
    /// Names of the subfolders.
    pub(crate) folders: Vec<String>,
    /// The files that can't be read before they are restored, by name.
    pub(crate) archived: BTreeMap<String, Archived>,
}

/// What is known of a file that can't be read before it is restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Archived {
    /// Its storage class.
    pub(crate) class: String,
    /// Whether its restoration was requested already.
    pub(crate) is_being_restored: bool,
}
