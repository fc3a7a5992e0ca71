//! Who has a folder: its lock, the age of its journal, and what a coordinator that died left there.

use std::{fs, io, sync::atomic::Ordering, time::Duration};

use job::{ids::JobId, layout};
use job_aws::Fault;

use super::{Directory, TEMPORARY, fault, lock, path::is_temporary};

use crate::store::lock::Lock;

impl Directory {
    pub(super) fn age(&self, name: &str) -> Result<Option<Duration>, Fault> {
        let path = self.path().join(name);
        let modified = fs::metadata(&path).and_then(|metadata| metadata.modified());
        let modified = modified.map_err(|error| fault("look at", &path, error))?;
        Ok(modified.elapsed().ok())
    }

    pub(super) fn lock(&self, create: bool) -> Result<Lock, Fault> {
        let path = self.path().join(layout::LOCK);
        self.check_own()?;
        let is_new = create && self.path().symlink_metadata().is_err();
        let locked = lock::lock(&path, create).map_err(|error| fault("lock", &path, error))?;
        if is_new {
            self.is_made.store(true, Ordering::Relaxed);
        }
        // Checked again, now that the folders exist.
        self.check_own().map(|()| locked)
    }

    pub(super) fn probe_lock(&self) -> Result<Lock, Fault> {
        let path = self.path().join(layout::LOCK);
        self.check_own()?;
        lock::probe(&path).map_err(|error| fault("open", &path, error))
    }

    pub(super) fn release(&self, lock: &Lock) {
        if matches!(lock, Lock::Busy) || self.held_by(lock).check_place().is_err() {
            return;
        }
        let journal = self.path().join(layout::JOURNAL);
        for entry in fs::read_dir(&journal).into_iter().flatten().flatten() {
            if is_temporary(&entry.file_name().to_string_lossy(), TEMPORARY) {
                // The process that wrote it is dead. If the file can't be removed, only it and its folder stay.
                let _ = fs::remove_file(entry.path());
            }
        }
        let _ = fs::remove_dir(journal);
        if let Lock::Held(held) = lock {
            lock::unlock(held);
        }
    }

    pub(super) fn remove_hidden(&self, job: &JobId) -> Result<usize, Fault> {
        self.check_place()?;
        let prefix = layout::hidden_prefix(job);
        let remove = || -> io::Result<usize> {
            let entries = match fs::read_dir(self.path()) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
                entries => entries?,
            };
            let mut removed = 0;
            for entry in entries {
                let entry = entry?;
                let is_ours = entry.file_name().to_string_lossy().starts_with(&prefix);
                // The job makes nothing but regular files.
                if is_ours && entry.file_type()?.is_file() {
                    fs::remove_file(entry.path())?;
                    removed += 1;
                }
            }
            Ok(removed)
        };
        remove().map_err(|error| fault("remove unfinished files from", self.path(), error))
    }
}
