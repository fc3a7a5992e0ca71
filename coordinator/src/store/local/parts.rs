//! Part files of a folder in a file system. Each has a hidden name until it is complete.
//!
//! Others who may write to the folder may have planted anything under these names, so links are not followed, and only
//! regular files are opened.

use std::{
    fs::{self, File},
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use engine::part_files::PartFile;
use job::{ids::UploadId, layout};
use job_aws::{Fault, FaultKind};
use nix::sys::statvfs::statvfs;

use super::{
    Directory, fault,
    file_system::{OF_ONE_MACHINE, SHARE_BLOCKS, is_one_of},
    path::{length, other_at, own, sync_directory, temporary},
    remove,
    thread::note_progress,
    written::{Reading, check_written},
};
use crate::{
    output::display,
    store::{Loss, LostFile, lock::is_at},
};

impl Directory {
    /// Creates the equivalent of an upload ID. It makes the hidden name unique among all coordinators.
    pub(super) fn open(&self) -> Result<UploadId, Fault> {
        self.check_place()?;
        fs::create_dir_all(self.path()).map_err(|error| fault("create", self.path(), error))?;
        Ok(UploadId::of_locked_file(uuid::Uuid::new_v4().as_u128()))
    }

    /// The path of a file while it is written. `None` if it was never opened.
    fn hidden(&self, file: &PartFile) -> Option<PathBuf> {
        let upload_id = file.upload_id.as_ref()?;
        Some(self.path().join(layout::hidden(&file.name, upload_id)?))
    }

    /// Makes sure that at the hidden names of these files are regular files, or nothing. Anything else was put there by
    /// others.
    pub(super) fn check_hidden(&self, files: &[PartFile]) -> Result<(), Fault> {
        for hidden in files.iter().filter_map(|file| self.hidden(file)) {
            check_file(&hidden)?;
        }
        Ok(())
    }

    /// The first file that does not have its sealed data any more, if there is one. If `may_be_complete`, a complete
    /// file of the right length has lost nothing.
    pub(super) fn lost(&self, files: &[PartFile], may_be_complete: bool) -> Result<Option<LostFile>, Fault> {
        for file in files.iter().filter(|file| !file.parts.is_empty()) {
            let Some(hidden) = self.hidden(file) else { continue };
            let lost = |how| Ok(Some(LostFile { name: file.name.clone(), how }));
            let has = |path: &Path| length(path).map_err(|error| fault("look at", path, error));
            let found = has(&hidden)?;
            let is_complete = may_be_complete && has(&self.path().join(&*file.name))? == Some(file.bytes());
            if is_complete {
                continue;
            }
            if found < Some(file.bytes()) {
                let other = other_at(&hidden).map_err(|error| fault("look at", &hidden, error))?;
                return lost(match other {
                    Some(what) => Loss::Displaced { path: hidden, what },
                    None => Loss::short(&hidden, found, file.bytes()),
                });
            }
            note_progress();
            match sealed(&hidden, file, false, Reading::IfReplaced) {
                Err(fault) if fault.kind == FaultKind::Lost => return lost(Loss::Altered(fault)),
                // A file of another user may still be completed.
                Err(fault) if fault.kind == FaultKind::Denied => {}
                opened => drop(opened?),
            }
        }
        Ok(None)
    }

    /// Fences a file: keeps a lost worker from changing it. If no process can write to it any more, it is truncated to
    /// its sealed bytes. Otherwise a copy of these bytes takes its place, so that the worker writes to a file without a
    /// name.
    pub(super) fn fence(&self, file: &PartFile) -> Result<(), Fault> {
        let Some(hidden) = self.hidden(file) else { return Ok(()) };
        self.check_place()?;
        check_file(&hidden)?;
        if file.parts.is_empty() {
            return remove(&hidden);
        }
        let (from, may_write) = match sealed(&hidden, file, true, Reading::IfUnsure) {
            // A file of another user can still be copied.
            Err(fault) if fault.kind == FaultKind::Denied => {
                (sealed(&hidden, file, false, Reading::IfUnsure)?, false)
            }
            from => (from?, true),
        };
        let is_local = may_write && is_one_of(&OF_ONE_MACHINE, &from);
        if is_local && is_nobodys(&from, &hidden, file).map_err(|error| fault("lock", &hidden, error))? {
            let cut = from.set_len(file.bytes()).and_then(|()| from.sync_all());
            return cut.map_err(|error| fault("cut", &hidden, error));
        }
        self.copy(&from, &hidden, file)
    }

    fn copy(&self, from: &File, hidden: &Path, file: &PartFile) -> Result<(), Fault> {
        self.check_room(from, hidden, file.bytes())?;
        let copied = || -> io::Result<u64> {
            // With this prefix, a leftover of a crash is removed with the files of the job.
            let prefix = format!(".{}.copy-", file.name);
            let mut copy = temporary(self.path(), &prefix)?;
            // The kernel copies, by sharing blocks if it can (`copy_file_range(2)`).
            let length = io::copy(&mut from.take(file.bytes()), copy.as_file_mut())?;
            copy.as_file().sync_all()?;
            if length == file.bytes() {
                copy.persist(hidden).map_err(|error| error.error)?;
                sync_directory(hidden)?;
            }
            Ok(length)
        };
        let length = copied().map_err(|error| fault("copy", hidden, error))?;
        if length == file.bytes() {
            return Ok(());
        }
        Err(Loss::short(hidden, Some(length), file.bytes()).into())
    }

    /// Refuses to copy if there is not enough space.
    fn check_room(&self, from: &File, hidden: &Path, needed: u64) -> Result<(), Fault> {
        // Does not refuse if the free space is unknown.
        let Ok(room) = statvfs(self.path()) else { return Ok(()) };
        let free = room.blocks_available().saturating_mul(room.fragment_size());
        if free >= needed || is_one_of(&SHARE_BLOCKS, from) {
            return Ok(());
        }
        Err(Fault::new(
            FaultKind::Refused,
            format!(
                "a worker may still write to {}, so it must be copied: needs {}, free {}; make room and run \
                 the same command again",
                hidden.display(),
                display::bytes(needed),
                display::bytes(free)
            ),
        ))
    }

    pub(super) fn complete(&self, file: &PartFile) -> Result<(), Fault> {
        let Some(hidden) = self.hidden(file) else {
            let why = format!("{} was never opened", file.name);
            return if file.parts.is_empty() { Ok(()) } else { Err(Fault::new(FaultKind::Lost, why)) };
        };
        self.check_place()?;
        check_file(&hidden)?;
        if file.parts.is_empty() {
            return remove(&hidden);
        }
        let path = self.path().join(&*file.name);
        let opened = match sealed(&hidden, file, false, Reading::IfReplaced) {
            // A coordinator that died soon afterwards may have completed it. The bytes decide.
            Err(fault) if fault.kind == FaultKind::Lost => {
                return if self.is_completed(file)? { Ok(()) } else { Err(fault) };
            }
            opened => opened?,
        };
        let length = opened.metadata().map_err(|error| fault("look at", &hidden, error))?.len();
        if length != file.bytes() {
            let (hidden, sealed) = (hidden.display(), file.bytes());
            let why = format!("{hidden} has {length} bytes, expected {sealed}");
            return Err(Fault::new(FaultKind::Lost, why));
        }
        if path.symlink_metadata().is_ok() {
            let path = path.display();
            let why = format!("{path} already exists, and this export did not write it: move it elsewhere");
            return Err(Fault::new(FaultKind::Refused, why));
        }
        opened.sync_all().map_err(|error| fault("complete", &path, error))?;
        self.check_place()?;
        if !is_at(&opened, &hidden).map_err(|error| fault("look at", &hidden, error))? {
            let why = format!("{} was replaced just now: run the same command again", hidden.display());
            return Err(Fault::new(FaultKind::Refused, why));
        }
        let publish = fs::rename(&hidden, &path).and_then(|()| sync_directory(&path));
        publish.map_err(|error| fault("complete", &path, error))
    }

    /// Removes a file of an export that is discarded. Removes the visible file only if it may have been completed.
    pub(super) fn abort(&self, file: &PartFile, may_be_complete: bool) -> Result<(), Fault> {
        self.check_place()?;
        if let Some(hidden) = self.hidden(file) {
            check_file(&hidden)?;
            remove(&hidden)?;
        }
        let is_ours = may_be_complete && !file.parts.is_empty() && self.is_completed(file)?;
        if is_ours { remove(&self.path().join(&*file.name)) } else { Ok(()) }
    }

    /// Whether the visible file of this name is the completed one.
    fn is_completed(&self, file: &PartFile) -> Result<bool, Fault> {
        let path = self.path().join(&*file.name);
        let there = length(&path).map_err(|error| fault("look at", &path, error))?;
        if there != Some(file.bytes()) {
            return Ok(false);
        }
        match sealed(&path, file, false, Reading::IfUnsure) {
            Err(fault) if matches!(fault.kind, FaultKind::Lost | FaultKind::Denied) => Ok(false),
            opened => opened.map(|_| true),
        }
    }
}

/// Opens the hidden file, which must have all of its sealed data.
fn sealed(hidden: &Path, file: &PartFile, write: bool, reading: Reading) -> Result<File, Fault> {
    let opened = match own(hidden, write) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(Loss::short(hidden, None, file.bytes()).into());
        }
        opened => opened.map_err(|error| fault("open", hidden, error))?,
    };
    let length = opened.metadata().map_err(|error| fault("look at", hidden, error))?.len();
    if length < file.bytes() {
        return Err(Loss::short(hidden, Some(length), file.bytes()).into());
    }
    check_written(&opened, hidden, file, reading)?;
    Ok(opened)
}

/// Whether the worker that wrote a file can't write to it any more. The worker held a lock while it had the file open;
/// this process now has that lock, for as long as it has the file open. Only its worker ever opens the file to write:
/// once, and only if no file of that name exists.
fn is_nobodys(opened: &File, hidden: &Path, file: &PartFile) -> io::Result<bool> {
    let is_locked = file.upload_id.as_ref().is_some_and(UploadId::is_of_locked_file);
    // With another hard link it may be something else as well.
    let is_alone = opened.metadata()?.nlink() == 1;
    Ok(is_locked && is_alone && opened.try_lock().is_ok() && is_at(opened, hidden)?)
}

/// Refuses anything but a regular file or nothing.
fn check_file(hidden: &Path) -> Result<(), Fault> {
    match other_at(hidden).map_err(|error| fault("look at", hidden, error))? {
        None => Ok(()),
        Some(what) => {
            let displaced = Loss::Displaced { path: hidden.to_path_buf(), what };
            Err(Fault::new(FaultKind::Refused, format!("{displaced}: move it elsewhere")))
        }
    }
}
