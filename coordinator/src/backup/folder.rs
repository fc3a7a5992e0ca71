//! A folder to look into, with its parent and subfolders.

use job::{object::Object, target::Target};
use job_aws::{Clients, Fault, Policy};

use crate::{
    failure::Failure,
    store::{Entry, Listing, Store},
};

/// A folder, which may not exist.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    pub(super) target: Target,
    pub(super) store: Store,
    clients: Option<Clients>,
}

impl Folder {
    pub(super) fn new(target: Target, clients: Option<&Clients>) -> Result<Self, Failure> {
        let store = Store::reading(&target, clients).map_err(refused)?;
        Ok(Self { target, store, clients: clients.cloned() })
    }

    /// A subfolder.
    pub(super) fn sub(&self, name: &str) -> Result<Self, Failure> {
        Self::new(self.target.folder(name), self.clients.as_ref())
    }

    /// The parent folder, and the name of this folder in it. `None` for the root of a file system or bucket.
    pub(super) fn parent(&self) -> Result<Option<(Self, String)>, Failure> {
        let Some((parent, name)) = parent(&self.target) else { return Ok(None) };
        Ok(Some((Self::new(parent, self.clients.as_ref())?, name)))
    }

    pub(super) fn object(&self, name: &str) -> Object {
        object(&self.target, name)
    }

    pub(super) async fn listing(&self) -> Result<Listing, Failure> {
        Policy::Patient.retry(|| self.store.listing()).await.map_err(refused)
    }

    /// Reads a small file, if it exists.
    pub(super) async fn find(&self, name: &str) -> Result<Option<Vec<u8>>, Failure> {
        self.store.find(name).await.map_err(refused)
    }

    /// A file as a listing reports it, if it exists.
    pub(super) async fn look_up(&self, name: &str) -> Result<Option<Entry>, Failure> {
        Policy::Patient.retry(|| self.store.look_up(name)).await.map_err(refused)
    }
}

fn refused(fault: Fault) -> Failure {
    Failure::refused(fault)
}

/// The object of that name in a folder.
pub(super) fn object(folder: &Target, name: &str) -> Object {
    match folder {
        Target::S3 { bucket, .. } => Object::S3 { bucket: bucket.clone(), key: folder.key(name) },
        Target::File { dir } => Object::File { path: dir.join(name) },
    }
}

/// A manifest without the byte order mark that some editors put before UTF-8.
pub(super) fn without_mark(manifest: &[u8]) -> &[u8] {
    manifest.strip_prefix("\u{feff}".as_bytes()).unwrap_or(manifest)
}

/// The parent of a folder, and the folder's name in it. `None` for the root of a file system or bucket.
pub(super) fn parent(folder: &Target) -> Option<(Target, String)> {
    match folder {
        Target::S3 { prefix, .. } if prefix.is_empty() => None,
        Target::S3 { bucket, prefix } => {
            let (parent, name) = prefix.rsplit_once('/').unwrap_or(("", prefix));
            Some((Target::S3 { bucket: bucket.clone(), prefix: parent.to_owned() }, name.to_owned()))
        }
        Target::File { dir } => {
            let name = dir.file_name()?.to_string_lossy().into_owned();
            Some((Target::File { dir: dir.parent()?.to_owned() }, name))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_folder_but_a_root_is_in_another() {
        for (folder, expected) in [
            ("s3://bucket/a/b", Some(("s3://bucket/a", "b"))),
            ("s3://bucket/a", Some(("s3://bucket", "a"))),
            ("s3://bucket", None),
            ("/a/b", Some(("file:///a", "b"))),
            ("/", None),
        ] {
            let found = parent(&folder.parse().unwrap()).map(|(parent, name)| (parent.to_string(), name));
            let expected = expected.map(|(parent, name)| (parent.to_owned(), name.to_owned()));
            assert_eq!(found, expected, "{folder}");
        }
    }

    #[test]
    fn objects_are_named_by_whole_keys_and_paths() {
        let of = |folder: &str| object(&folder.parse().unwrap(), "x").to_string();
        assert_eq!(of("s3://bucket/a"), "s3://bucket/a/x");
        assert_eq!(of("s3://bucket"), "s3://bucket/x");
        assert_eq!(of("/a"), "file:///a/x");
    }
}
