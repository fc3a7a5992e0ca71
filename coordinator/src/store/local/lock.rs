//! The lock that shows that a coordinator on a file system is alive: an advisory lock of the whole file, which ends
//! with its process. On NFS it works across hosts (flock(2), "NFS details").
//!
//! It also shows whether a path still leads to the folder that was locked: folders can be moved, and file systems
//! mounted over them, while a job runs.

use std::{
    fs::{self, TryLockError},
    io,
    path::Path,
    sync::Arc,
};

use super::path::{new_or_own, own};
use crate::store::lock::{Held, Lock, is_at};

/// Tries to lock a file. Creates the file if `create`; otherwise a missing file counts as free. Does not follow links.
pub(super) fn lock(path: &Path, create: bool) -> io::Result<Lock> {
    loop {
        if create && let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let opened = if create { new_or_own(path) } else { own(path, true) };
        let file = match opened {
            Err(error) if error.kind() == io::ErrorKind::NotFound && !create => return Ok(Lock::Free),
            opened => opened?,
        };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(Lock::Busy),
            // For an open file there is no other reason (flock(2), "Errors").
            Err(TryLockError::Error(_)) => return Ok(Lock::None),
        }
        let bytes = file.metadata()?.len();
        if bytes > 0 {
            let why = format!("it has {bytes} bytes, and the lock of a job has none: move it elsewhere");
            return Err(io::Error::other(why));
        }
        // A lock file that was removed meanwhile would keep nobody out.
        if is_at(&file, path)? {
            return Ok(Lock::Held(Arc::new(Held { file, path: path.to_owned() })));
        }
    }
}

/// Whether a process holds the lock. Needs only permission to read the file: on NFS, too, where a shared lock needs no
/// more (flock(2), "NFS details").
pub(super) fn probe(path: &Path) -> io::Result<Lock> {
    let file = match own(path, false) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Lock::Free),
        opened => opened?,
    };
    Ok(match file.try_lock_shared() {
        Ok(()) => Lock::Free,
        Err(TryLockError::WouldBlock) => Lock::Busy,
        Err(TryLockError::Error(_)) => Lock::None,
    })
}

/// Removes the lock file, if it is still the one that is held and nobody has written to it, and releases the lock.
pub(super) fn unlock(held: &Held) {
    let is_empty = held.file.metadata().is_ok_and(|metadata| metadata.len() == 0);
    if is_empty && held.is_in_place().is_ok_and(|is_in_place| is_in_place) {
        // A lock file that stays does no harm.
        let _ = fs::remove_file(&held.path);
    }
    let _ = held.file.unlock();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(lock: Lock) -> Arc<Held> {
        let Lock::Held(held) = lock else { panic!("{lock:?}") };
        held
    }

    #[test]
    fn a_lock_is_had_by_one_at_a_time_and_again_when_that_one_is_through() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("own/lock");
        assert!(matches!(lock(&path, false).unwrap(), Lock::Free));
        assert!(!path.exists());
        let first = held(lock(&path, true).unwrap());
        assert!(matches!(lock(&path, true).unwrap(), Lock::Busy));
        assert!(matches!(lock(&path, false).unwrap(), Lock::Busy));
        assert!(matches!(probe(&path).unwrap(), Lock::Busy));
        unlock(&first);
        assert!(!path.exists());
        assert!(matches!(probe(&path).unwrap(), Lock::Free));
        assert!(!path.exists(), "looking creates nothing");
        fs::write(&path, "").unwrap();
        let other_look = own(&path, false).unwrap();
        other_look.lock_shared().unwrap();
        assert!(matches!(probe(&path).unwrap(), Lock::Free), "others that only look are no job");
        drop(other_look);
        held(lock(&path, true).unwrap());
    }

    #[test]
    fn it_is_seen_that_the_path_leads_to_another_lock_and_that_one_is_not_removed() {
        let folder = tempfile::tempdir().unwrap();
        let (own, moved) = (folder.path().join("own"), folder.path().join("moved"));
        let first = held(lock(&own.join("lock"), true).unwrap());
        assert!(first.is_in_place().unwrap());
        fs::rename(&own, &moved).unwrap();
        assert!(!first.is_in_place().unwrap());
        let second = held(lock(&own.join("lock"), true).unwrap());
        assert!(!first.is_in_place().unwrap() && second.is_in_place().unwrap());
        unlock(&first);
        assert!(own.join("lock").exists() && moved.join("lock").exists());
        assert!(matches!(lock(&moved.join("lock"), true).unwrap(), Lock::Held(_)), "it is free nevertheless");
    }

    #[test]
    fn what_others_have_written_to_a_lock_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let first = held(lock(&path, true).unwrap());
        fs::write(&path, "text").unwrap();
        assert!(matches!(lock(&path, true).unwrap(), Lock::Busy));
        unlock(&first);
        for create in [true, false] {
            let why = lock(&path, create).unwrap_err().to_string();
            assert_eq!(why, "it has 4 bytes, and the lock of a job has none: move it elsewhere");
        }
        assert!(matches!(probe(&path).unwrap(), Lock::Free));
        assert_eq!(fs::read(&path).unwrap(), b"text");
    }

    #[test]
    fn a_link_is_not_taken_for_a_lock() {
        let folder = tempfile::tempdir().unwrap();
        let (path, victim) = (folder.path().join("lock"), folder.path().join("victim"));
        std::os::unix::fs::symlink(&victim, &path).unwrap();
        for create in [true, false] {
            let why = lock(&path, create).unwrap_err().to_string();
            assert!(why.contains("symbolic link"), "{why}");
        }
        assert!(!victim.exists());
    }
}
