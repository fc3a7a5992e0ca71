//! What a folder holds, as listings and look-ups tell it.

use std::collections::BTreeMap;

/// A file in the folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Its name in the folder.
    pub(crate) name: String,
    /// Its length as stored.
    pub(crate) bytes: u64,
    /// What tells it from another one of that name: its entity tag, or the
    /// [`Fingerprint`](job::fingerprint::Fingerprint) of a file. Nothing of what is no regular file.
    pub(crate) etag: Option<String>,
}

/// What is in a folder itself, not in the folders in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Listing {
    pub(crate) files: Vec<Entry>,
    /// Names of the folders in it.
    pub(crate) folders: Vec<String>,
    /// By name, those of the files that can't be read before they are restored.
    pub(crate) archived: BTreeMap<String, Archived>,
}

/// What is known of a file that can't be read before it is restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Archived {
    /// Its storage class.
    pub(crate) class: String,
    /// Somebody has asked for it already.
    pub(crate) is_being_restored: bool,
}
