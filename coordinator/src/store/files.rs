//! A folder in a file system. A part file has a hidden name until it is complete.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use job::{layout, target::Target};
use job_aws::{Fault, FaultKind};
use source::file::Unchanged;

use super::{
    Entry, Listing,
    found::{found, has_lasting_inodes},
    limits,
    thread::{GoesOn, blocking, goes_on},
};
use crate::files::PartFile;

/// What the names of files begin with that are gone in a moment, unless their process dies.
pub(super) const TEMPORARY: &str = ".tablehaul-";

/// A directory.
#[derive(Clone, Debug)]
pub(crate) struct Directory {
    path: PathBuf,
}

pub(super) fn fault(action: &str, path: &Path, error: &io::Error) -> Fault {
    let kind = match error.kind() {
        io::ErrorKind::NotFound => FaultKind::NotFound,
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => FaultKind::Denied,
        io::ErrorKind::AlreadyExists => FaultKind::PreconditionFailed,
        _ => FaultKind::Refused,
    };
    Fault::new(kind, format!("cannot {action} {}: {error}", path.display()))
}

impl Directory {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn target(&self) -> Target {
        Target::File { dir: self.path.clone() }
    }

    /// The nearest ancestor that exists must be a directory one may write in.
    pub(super) fn check(&self) -> Result<(), Fault> {
        let existing = self.path.ancestors().find(|path| path.symlink_metadata().is_ok());
        let existing = existing.unwrap_or(Path::new("/"));
        let metadata = fs::metadata(existing).map_err(|error| fault("look at", existing, &error))?;
        if !metadata.is_dir() {
            let why = format!("{} is not a directory", existing.display());
            return Err(Fault::new(FaultKind::Refused, why));
        }
        tempfile_in(existing).map_err(|error| fault("write to", existing, &error))
    }

    pub(super) fn list(&self) -> Result<Vec<String>, Fault> {
        let entries = match fs::read_dir(&self.path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(fault("list", &self.path, &error)),
        };
        let mut names = Vec::new();
        for entry in entries.take(1000) {
            let entry = entry.map_err(|error| fault("list", &self.path, &error))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name == layout::OWN_FOLDER {
                let own = Self::new(entry.path());
                names.extend(own.list()?.into_iter().map(|inner| format!("{name}/{inner}")));
            } else {
                names.push(name);
            }
        }
        Ok(names)
    }

    pub(super) fn put(&self, name: &str, bytes: &[u8], create: bool) -> Result<(), Fault> {
        let path = self.path.join(name);
        let hidden = path.with_file_name(format!("{TEMPORARY}{}", file_name(&path)));
        let write = || -> io::Result<()> {
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent)?;
            }
            if create {
                return create_whole(&path, bytes);
            }
            fill(File::create(&hidden)?, &hidden, bytes)?;
            fs::rename(&hidden, &path)?;
            sync_directory(&path)
        };
        write().map_err(|error| fault("write", &path, &error))
    }

    pub(super) fn get(&self, name: &str) -> Result<Vec<u8>, Fault> {
        let path = self.path.join(name);
        let most = limits::most(name);
        let read = || -> io::Result<(Vec<u8>, u64)> {
            let file = source::file::open(&path)?;
            let length = file.metadata()?.len();
            let mut bytes = Vec::new();
            if length <= most {
                // It may become longer while it is read.
                GoesOn(file.take(most + 1)).read_to_end(&mut bytes)?;
            }
            Ok((bytes, length))
        };
        let (bytes, length) = read().map_err(|error| fault("read", &path, &error))?;
        if length.max(bytes.len() as u64) > most {
            return Err(limits::too_long(&self.target().url(name), name, Some(length.max(most + 1))));
        }
        Ok(bytes)
    }

    /// All files and directories of the directory itself.
    pub(super) fn listing(&self) -> Result<Listing, Fault> {
        let listed = || -> io::Result<Listing> {
            let mut listing = Listing::default();
            let has_lasting_inodes = has_lasting_inodes(&self.path);
            let entries = match fs::read_dir(&self.path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(listing),
                entries => entries?,
            };
            for entry in entries {
                let entry = entry?;
                goes_on();
                // Of a link that leads nowhere it is found out when it is read.
                let metadata = fs::metadata(entry.path()).or_else(|_| entry.metadata())?;
                let name = entry.file_name().to_string_lossy().into_owned();
                if metadata.is_dir() {
                    listing.folders.push(name);
                } else {
                    listing.files.push(found(name, &metadata, has_lasting_inodes));
                }
                if listing.files.len() + listing.folders.len() > limits::ENTRIES {
                    break;
                }
            }
            Ok(listing)
        };
        let listing = listed().map_err(|error| fault("list", &self.path, &error))?;
        limits::check_entries(&self.target().to_string(), listing.files.len() + listing.folders.len())?;
        Ok(listing)
    }

    /// A file as a listing would have it; nothing if what has that name is none.
    pub(super) fn entry(&self, name: &str) -> Result<Option<Entry>, Fault> {
        let path = self.path.join(name);
        let metadata = fs::metadata(&path).map_err(|error| fault("look at", &path, &error))?;
        let entry = || found(name.to_owned(), &metadata, has_lasting_inodes(&self.path));
        Ok(metadata.is_file().then(entry))
    }

    /// The first `bytes` of a file that was found.
    pub(super) fn head(&self, object: &Entry, bytes: u64) -> Result<Bytes, Fault> {
        let mut head = Vec::new();
        let read = self.reader(object)?.take(bytes.min(object.bytes)).read_to_end(&mut head);
        read.map_err(|error| self.read_fault(&object.name, &error))?;
        Ok(head.into())
    }

    /// Opens a file of the directory that was found; another one in its place is a fault. What goes wrong while it is
    /// read is told by [`Directory::read_fault`].
    pub(super) fn reader(&self, object: &Entry) -> Result<Unchanged, Fault> {
        let path = self.path.join(&object.name);
        let opened = match object.etag.as_deref().map(str::parse) {
            Some(Ok(found)) => Unchanged::open(&path, found),
            // What is no regular file is refused by what it is.
            None | Some(Err(_)) => source::file::open(&path)
                .and_then(|_| Err(io::Error::other("it was not there when its folder was listed"))),
        };
        opened.map_err(|error| fault("read", &path, &error))
    }

    pub(super) fn read_fault(&self, name: &str, error: &io::Error) -> Fault {
        fault("read", &self.path.join(name), error)
    }

    pub(super) fn remove(&self, name: &str) -> Result<(), Fault> {
        remove(&self.path.join(name))
    }

    /// What is given out in the place of an upload id makes the hidden name one that no other coordinator
    /// has given out.
    pub(super) fn open(&self) -> Result<String, Fault> {
        fs::create_dir_all(&self.path).map_err(|error| fault("create", &self.path, &error))?;
        Ok(uuid::Uuid::new_v4().simple().to_string())
    }

    /// The path under which a file is filled; nothing if nobody was told to.
    fn hidden(&self, file: &PartFile) -> Option<PathBuf> {
        let upload_id = file.upload_id.as_ref()?;
        Some(self.path.join(layout::hidden(&file.name, upload_id)))
    }

    pub(super) fn lost(&self, files: &[PartFile]) -> Option<String> {
        files.iter().filter(|file| !file.parts.is_empty()).find_map(|file| {
            let hidden = self.hidden(file)?;
            let length = hidden.metadata().map_or(0, |metadata| metadata.len());
            let (sealed, hidden) = (file.bytes(), hidden.display());
            (length < sealed)
                .then(|| format!("{hidden} has {length} bytes, not the {sealed} that were sealed"))
        })
    }

    /// Puts a copy of the sealed bytes in the place of the file: what the lost worker may still
    /// write goes into a file without a name.
    pub(super) async fn fence(&self, file: PartFile) -> Result<(), Fault> {
        let Some(hidden) = self.hidden(&file) else { return Ok(()) };
        blocking(&self.path, move || {
            if file.parts.is_empty() {
                return remove(&hidden);
            }
            let copy = hidden.with_extension("copy");
            let copied = || -> io::Result<u64> {
                let mut from = source::file::open(&hidden)?.take(file.bytes());
                let mut into = File::create(&copy)?;
                let length = io::copy(&mut from, &mut into)?;
                into.sync_all()?;
                fs::rename(&copy, &hidden)?;
                Ok(length)
            };
            let length = copied().map_err(|error| {
                let _ = fs::remove_file(&copy);
                fault("copy", &hidden, &error)
            })?;
            check_length(&hidden, length, file.bytes())
        })
        .await
    }

    pub(super) async fn complete(&self, file: PartFile) -> Result<(), Fault> {
        let Some(hidden) = self.hidden(&file) else { return Ok(()) };
        let path = self.path.join(&file.name);
        blocking(&self.path, move || {
            if file.parts.is_empty() {
                return remove(&hidden);
            }
            let opened = match File::options().write(true).open(&hidden) {
                // It has been completed by a coordinator that died soon after; the length then decides.
                Err(error) if error.kind() == io::ErrorKind::NotFound && path.exists() => {
                    let length = path.metadata().map_err(|error| fault("look at", &path, &error))?.len();
                    return check_length(&path, length, file.bytes());
                }
                opened => opened.map_err(|error| fault("open", &hidden, &error))?,
            };
            let length = opened.metadata().map_err(|error| fault("look at", &hidden, &error))?.len();
            check_length(&hidden, length, file.bytes())?;
            let publish = || -> io::Result<()> {
                opened.sync_all()?;
                fs::rename(&hidden, &path)?;
                sync_directory(&path)
            };
            publish().map_err(|error| fault("complete", &path, &error))
        })
        .await
    }

    pub(super) fn abort(&self, file: &PartFile) -> Result<(), Fault> {
        if let Some(hidden) = self.hidden(file) {
            remove(&hidden)?;
        }
        remove(&self.path.join(&file.name))
    }

    pub(super) fn tidy(&self) {
        // Only empty directories can be removed so; others are not ours to touch.
        let _ = fs::remove_dir(self.path.join(layout::JOURNAL));
        let _ = fs::remove_dir(self.path.join(layout::OWN_FOLDER));
        let _ = fs::remove_dir(&self.path);
    }
}

fn check_length(path: &Path, length: u64, expected: u64) -> Result<(), Fault> {
    if length == expected {
        return Ok(());
    }
    let path = path.display();
    Err(Fault::new(
        FaultKind::Refused,
        format!("{path} has {length} bytes, not the {expected} that were written"),
    ))
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// A name is durable when its directory is.
fn sync_directory(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())
}

/// Creates a file that must not be there yet, whole or not at all, whatever dies meanwhile.
fn create_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    let mut named = tempfile::Builder::new()
        .prefix(TEMPORARY)
        // What the user's umask leaves, as of any other file.
        .permissions(fs::Permissions::from_mode(0o666))
        .tempfile_in(folder)?;
    // Not through the name, which errors would then tell.
    named.as_file_mut().write_all(bytes)?;
    named.as_file().sync_all()?;
    named.persist_noclobber(path).map_err(|error| error.error)?;
    sync_directory(path)
}

/// Writes all of a new file, or leaves none: a full disk may take the name and not the bytes.
fn fill(mut file: File, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    written.inspect_err(|_| drop(fs::remove_file(path)))
}

fn remove(path: &Path) -> Result<(), Fault> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(fault("remove", path, &error)),
        _ => Ok(()),
    }
}

/// Tries to create a file, and leaves none.
fn tempfile_in(directory: &Path) -> io::Result<()> {
    let path = directory.join(format!("{TEMPORARY}{}", uuid::Uuid::new_v4().simple()));
    File::create_new(&path)?;
    fs::remove_file(&path)
}

#[cfg(test)]
mod tests;
