//! The lock by which a coordinator on a file system is known to live: an advisory lock of the whole file,
//! which ends with its process. On NFS it holds across hosts (flock(2), "NFS details").

use std::{
    fs::{self, File, TryLockError},
    io,
    os::unix::fs::MetadataExt,
    path::Path,
};

/// What came of trying.
#[derive(Debug)]
pub(crate) enum Lock {
    /// It is this process's until it is dropped.
    Held(File),
    /// Another's.
    Busy,
    /// Nobody's: there is no such file.
    Free,
    /// There are no locks here.
    None,
}

/// Tries to get a lock; makes the file if `create`, else one that is not there is nobody's.
pub(super) fn lock(path: &Path, create: bool) -> io::Result<Lock> {
    loop {
        if create && let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let opened = File::options().read(true).write(true).create(create).truncate(false).open(path);
        let file = match opened {
            Err(error) if error.kind() == io::ErrorKind::NotFound && !create => return Ok(Lock::Free),
            opened => opened?,
        };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(Lock::Busy),
            // Of a file that is open there is no other reason (flock(2), "Errors").
            Err(TryLockError::Error(_)) => return Ok(Lock::None),
        }
        // One that was removed meanwhile would keep nobody out.
        let there = fs::metadata(path).map(|there| (there.dev(), there.ino()));
        let ours = file.metadata().map(|ours| (ours.dev(), ours.ino()))?;
        if there.is_ok_and(|there| there == ours) {
            return Ok(Lock::Held(file));
        }
    }
}

/// Removes the file, and lets others have it.
pub(super) fn unlock(path: &Path, lock: Lock) {
    if let Lock::Held(file) = lock {
        // That it stays would do no harm.
        let _ = fs::remove_file(path);
        drop(file);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_had_by_one_at_a_time_and_again_when_that_one_is_through() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("own/lock");
        assert!(matches!(lock(&path, false).unwrap(), Lock::Free));
        assert!(!path.exists());
        let first = lock(&path, true).unwrap();
        assert!(matches!(first, Lock::Held(_)));
        assert!(matches!(lock(&path, true).unwrap(), Lock::Busy));
        assert!(matches!(lock(&path, false).unwrap(), Lock::Busy));
        unlock(&path, first);
        assert!(!path.exists());
        assert!(matches!(lock(&path, true).unwrap(), Lock::Held(_)));
    }
}
