//! A folder in a file system: its small files. `parts.rs` handles part files.

mod calls;
mod file_system;
mod found;
mod lock;
mod owner;
mod parts;
mod path;
mod thread;
mod written;

use std::{
    fs,
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use files::Unchanged;
use job::{layout, target::Target};
use job_aws::{Fault, FaultKind};

use super::{
    Entry, Listing, limits,
    lock::{Held, Lock},
};
use found::{found, has_lasting_inodes};
use path::{is_link, sync_directory, temporary};
use tempfile::NamedTempFile;
use thread::note_progress;
pub(crate) use thread::{NotesProgress, blocking};

/// The prefix of temporary files, which exist only for a moment, unless their process dies.
const TEMPORARY: &str = ".tablehaul-";

/// A directory.
#[derive(Clone, Debug)]
pub(crate) struct Directory {
    path: PathBuf,
    /// The folder that this process locked, and the lock. Nothing is written or removed unless the lock is in place.
    held: Option<(PathBuf, Arc<Held>)>,
    /// Whether this process has created the folder.
    is_made: Arc<AtomicBool>,
}

fn fault(action: &str, path: &Path, error: io::Error) -> Fault {
    Fault::of_file(action, path, error)
}

impl Directory {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, held: None, is_made: Arc::default() }
    }

    /// The same directory, which can be changed only while this lock is in place.
    pub(super) fn held_by(&self, lock: &Lock) -> Self {
        let held = match lock {
            Lock::Held(held) => Some((self.path.clone(), Arc::clone(held))),
            Lock::Busy | Lock::Free | Lock::None => None,
        };
        Self { path: self.path.clone(), held, is_made: Arc::clone(&self.is_made) }
    }

    pub(super) fn within(&self, folder: &str) -> Self {
        Self { path: self.path.join(folder), held: self.held.clone(), is_made: Arc::default() }
    }

    /// Makes sure that the path still leads to the folder that was locked, if one was. If the folder was replaced, or
    /// something was mounted over it, it belongs to another job.
    ///
    /// # Errors
    /// Fails with [`FaultKind::Moved`] if it does not.
    pub(super) fn check_place(&self) -> Result<(), Fault> {
        let Some((folder, held)) = &self.held else { return Ok(()) };
        match held.is_in_place() {
            // The lock could also be reached if a folder on its path has become a link, so that is checked as well.
            Ok(true) if Self::new(folder.clone()).check_own().is_ok() => Ok(()),
            Ok(_) => Err(Fault::new(
                FaultKind::Moved,
                format!(
                    "{0} is no longer the folder that this job locked: it was moved, removed or replaced, \
                     something was mounted or unmounted there, or {1} was removed; this job has stopped and \
                     changes nothing there; put the folder back and run the same command again",
                    folder.display(),
                    folder.join(layout::LOCK).display()
                ),
            )),
            Err(error) => Err(fault("look at the lock of", folder, error)),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn target(&self) -> Target {
        Target::File { dir: self.path.clone() }
    }

    /// The nearest existing ancestor must be a writable directory.
    pub(super) fn check(&self) -> Result<(), Fault> {
        let existing = self.path.ancestors().find(|path| path.symlink_metadata().is_ok());
        let existing = existing.unwrap_or(Path::new("/"));
        let metadata = fs::metadata(existing).map_err(|error| fault("look at", existing, error))?;
        if !metadata.is_dir() {
            let why = format!("{} is not a directory", existing.display());
            return Err(Fault::new(FaultKind::Refused, why));
        }
        let tried = temporary(existing, TEMPORARY).map(drop);
        tried.map_err(|error| fault("write to", existing, error))
    }

    /// The folders of tablehaul's own files must not be links: through a planted link it would write elsewhere.
    pub(super) fn check_own(&self) -> Result<(), Fault> {
        let link = [layout::OWN_FOLDER, layout::JOURNAL].map(|name| self.path.join(name));
        match link.iter().find(|path| is_link(path)) {
            None => Ok(()),
            Some(path) => Err(Fault::new(
                FaultKind::Refused,
                format!(
                    "{} is a symbolic link, and must be a real folder: remove the link, or choose another folder",
                    path.display()
                ),
            )),
        }
    }

    pub(super) fn list(&self) -> Result<Vec<String>, Fault> {
        self.check_own()?;
        let entries = match fs::read_dir(&self.path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(fault("list", &self.path, error)),
        };
        let mut names = Vec::new();
        for entry in entries.take(limits::NAMES) {
            let entry = entry.map_err(|error| fault("list", &self.path, error))?;
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

    /// Writes a new file atomically, whatever crashes meanwhile.
    pub(super) fn create(&self, name: &str, bytes: &[u8]) -> Result<(), Fault> {
        let path = self.path.join(name);
        self.check_place()?;
        let write = || -> io::Result<()> {
            let whole = self.temporary_with(bytes, &path)?;
            whole.as_file().sync_all()?;
            whole.persist_noclobber(&path).map_err(|error| error.error)?;
            sync_directory(&path)
        };
        write().map_err(|error| fault("write", &path, error))
    }

    /// Writes a file in place of whatever has that name. It is not forced to the disk.
    pub(super) fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), Fault> {
        let path = self.path.join(name);
        self.check_place()?;
        let write =
            || self.temporary_with(bytes, &path)?.persist(&path).map(drop).map_err(|error| error.error);
        write().map_err(|error| fault("write", &path, error))
    }

    /// A temporary file with these contents, which can take the place of `path`. Creates the folder of `path`.
    fn temporary_with(&self, bytes: &[u8], path: &Path) -> io::Result<NamedTempFile> {
        let folder = path.parent().unwrap_or(Path::new("/"));
        fs::create_dir_all(folder)?;
        let mut whole = temporary(&self.temporary_folder(folder), TEMPORARY)?;
        // Writes to the file, not to the `NamedTempFile`, whose errors would contain the temporary path.
        whole.as_file_mut().write_all(bytes)?;
        Ok(whole)
    }

    /// The folder of temporary files. While a job has the folder locked, that is its journal's folder, where leftovers
    /// of a crash are removed with the journal.
    fn temporary_folder(&self, beside: &Path) -> PathBuf {
        let journal = self.held.as_ref().map(|(folder, _)| folder.join(layout::JOURNAL));
        journal.filter(|journal| journal.is_dir()).unwrap_or_else(|| beside.to_owned())
    }

    pub(super) fn get(&self, name: &str) -> Result<Vec<u8>, Fault> {
        let path = self.path.join(name);
        let most = limits::most(name);
        let read = || -> io::Result<(Vec<u8>, u64)> {
            let file = files::open(&path)?;
            let length = file.metadata()?.len();
            let mut bytes = Vec::new();
            if length <= most {
                // Reads one byte more than allowed, because the file may grow meanwhile.
                NotesProgress(file.take(most + 1)).read_to_end(&mut bytes)?;
            }
            Ok((bytes, length))
        };
        let (bytes, length) = read().map_err(|error| fault("read", &path, error))?;
        if length.max(bytes.len() as u64) > most {
            return Err(limits::too_long(&self.target().url(name), name, Some(length.max(most + 1))));
        }
        Ok(bytes)
    }

    /// All files and directories of the directory itself.
    pub(super) fn listing(&self) -> Result<Listing, Fault> {
        let mut listing = Listing::default();
        let Listing { files, folders, .. } = &mut listing;
        self.each(&mut |entry| files.push(entry), &mut |name| folders.push(name))?;
        Ok(listing)
    }

    /// Passes on the files and directories of the directory itself, one after the other.
    pub(super) fn each(
        &self,
        file: &mut dyn FnMut(Entry),
        sub_folder: &mut dyn FnMut(String),
    ) -> Result<(), Fault> {
        let mut number = 0;
        let mut list = || -> io::Result<()> {
            let has_lasting_inodes = has_lasting_inodes(&self.path);
            let entries = match fs::read_dir(&self.path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                entries => entries?,
            };
            for entry in entries {
                let entry = entry?;
                note_progress();
                // A dangling link is listed here; reading it fails later.
                let metadata = fs::metadata(entry.path()).or_else(|_| entry.metadata())?;
                let name = entry.file_name().to_string_lossy().into_owned();
                if metadata.is_dir() {
                    sub_folder(name);
                } else {
                    file(found(name, &metadata, has_lasting_inodes));
                }
                number += 1;
                if number > limits::ENTRIES {
                    break;
                }
            }
            Ok(())
        };
        list().map_err(|error| fault("list", &self.path, error))?;
        limits::check_entries(&self.target().to_string(), number)
    }

    /// A file as a listing reports it. `None` if the name is not that of a regular file.
    pub(super) fn entry(&self, name: &str) -> Result<Option<Entry>, Fault> {
        let path = self.path.join(name);
        let metadata = fs::metadata(&path).map_err(|error| fault("look at", &path, error))?;
        let entry = || found(name.to_owned(), &metadata, has_lasting_inodes(&self.path));
        Ok(metadata.is_file().then(entry))
    }

    /// The first `bytes` of a listed file.
    pub(super) fn head(&self, object: &Entry, bytes: u64) -> Result<Bytes, Fault> {
        let mut head = Vec::new();
        let read = self.reader(object)?.take(bytes.min(object.bytes)).read_to_end(&mut head);
        read.map_err(|error| self.read_fault(&object.name, error))?;
        Ok(head.into())
    }

    /// Opens a listed file. Fails if another file has taken its place. Read errors are turned into faults by
    /// [`Directory::read_fault`].
    pub(super) fn reader(&self, object: &Entry) -> Result<Unchanged, Fault> {
        let path = self.path.join(&object.name);
        Unchanged::open_listed(&path, object.etag.as_deref()).map_err(|error| fault("read", &path, error))
    }

    pub(super) fn read_fault(&self, name: &str, error: io::Error) -> Fault {
        fault("read", &self.path.join(name), error)
    }

    pub(super) fn remove(&self, name: &str) -> Result<(), Fault> {
        self.check_place()?;
        remove(&self.path.join(name))
    }

    /// Whether the name belongs to a regular file or to nothing.
    pub(super) fn is_object(&self, name: &str) -> Result<bool, Fault> {
        let path = self.path.join(name);
        match fs::symlink_metadata(&path) {
            Ok(there) => Ok(there.is_file()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
            Err(error) => Err(fault("look at", &path, error)),
        }
    }

    /// Removes a file if it has exactly these contents. Returns whether no file of that name is left.
    pub(super) fn remove_same(&self, name: &str, bytes: &[u8]) -> Result<bool, Fault> {
        if !self.is_object(name)? {
            return Ok(false);
        }
        // A longer file is another one, and is not read.
        let there = fs::metadata(self.path.join(name));
        if there.is_ok_and(|there| there.len() > bytes.len() as u64) {
            return Ok(false);
        }
        match self.get(name) {
            Ok(there) if there == bytes => self.remove(name).map(|()| true),
            Ok(_) => Ok(false),
            Err(fault) if fault.kind == FaultKind::NotFound => Ok(true),
            Err(fault) => Err(fault),
        }
    }

    pub(super) fn remove_empty_folders(&self) {
        // This removes only empty directories. A folder that was there before this process stays: its owner may have
        // made it for the backup.
        let _ = fs::remove_dir(self.path.join(layout::JOURNAL));
        let _ = fs::remove_dir(self.path.join(layout::OWN_FOLDER));
        if self.is_made.load(Ordering::Relaxed) {
            let _ = fs::remove_dir(&self.path);
        }
    }
}

fn remove(path: &Path) -> Result<(), Fault> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(fault("remove", path, error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
