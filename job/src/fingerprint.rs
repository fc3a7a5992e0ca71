//! Detects changes of a file of a backup: for file systems what an entity tag is for S3.

use std::{
    fmt,
    fs::Metadata,
    os::unix::fs::MetadataExt,
    str::FromStr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// The length, modification time and inode number of a file. Its text form goes to workers as the entity tag of a
/// split.
///
/// It has no device number, since on a shared file system each node has another one. A file that is written twice
/// within a tick of the kernel's clock (a few milliseconds) to the same length keeps its fingerprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// Length in bytes.
    pub bytes: u64,
    /// When its content was last modified: seconds since 1970, and nanoseconds.
    modified: (i64, u32),
    /// `None` if the inode number of a file on this file system differs between nodes or changes over time.
    inode: Option<u64>,
}

/// A text that is not a fingerprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the fingerprint of a file")]
pub struct FingerprintError;

impl Fingerprint {
    /// The fingerprint of a file with this metadata.
    pub fn of(file: &Metadata, has_lasting_inode: bool) -> Self {
        Self {
            bytes: file.len(),
            modified: (file.mtime(), u32::try_from(file.mtime_nsec()).unwrap_or_default()),
            inode: has_lasting_inode.then(|| file.ino()),
        }
    }

    /// What differs in the same file `now`, as text; `None` if it has not changed.
    pub fn difference(&self, now: &Metadata) -> Option<&'static str> {
        let now = Self::of(now, self.inode.is_some());
        if self.bytes != now.bytes {
            Some("its length")
        } else if self.modified != now.modified {
            Some("the time of its last change")
        } else if self.inode != now.inode {
            Some("its inode number")
        } else {
            None
        }
    }

    /// Whether the file `now` has the same inode number, as far as it is known.
    pub fn is_same_inode(&self, now: &Metadata) -> bool {
        self.inode.is_none_or(|inode| inode == now.ino())
    }

    /// When the content of the file was last modified.
    pub fn modified(&self) -> Option<SystemTime> {
        let (seconds, nanoseconds) = self.modified;
        let whole = Duration::from_secs(seconds.unsigned_abs());
        let whole = if seconds < 0 { UNIX_EPOCH.checked_sub(whole) } else { UNIX_EPOCH.checked_add(whole) };
        whole?.checked_add(Duration::from_nanos(nanoseconds.into()))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bytes, modified: (seconds, nanoseconds), inode } = self;
        write!(out, "{bytes}:{seconds}.{nanoseconds:09}:")?;
        match inode {
            Some(inode) => write!(out, "{inode}"),
            None => Ok(()),
        }
    }
}

impl FromStr for Fingerprint {
    type Err = FingerprintError;

    fn from_str(text: &str) -> Result<Self, FingerprintError> {
        let read = || {
            let (bytes, rest) = text.split_once(':')?;
            let (modified, inode) = rest.split_once(':')?;
            let (seconds, nanoseconds) = modified.split_once('.')?;
            let inode = match inode {
                "" => None,
                inode => Some(inode.parse().ok()?),
            };
            let modified = (seconds.parse().ok()?, nanoseconds.parse().ok()?);
            Some(Self { bytes: bytes.parse().ok()?, modified, inode })
        };
        read().ok_or(FingerprintError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_read_back_as_itself() {
        for text in ["5:1700000000.000000007:42", "0:-3.999999999:1", "5:0.000000000:"] {
            assert_eq!(text.parse::<Fingerprint>().unwrap().to_string(), text);
        }
        for text in ["", "5", "5:1", "5:1:2", "x:1.0:2", "5:1.0:x", "\"d41d8cd98f00b204\""] {
            assert_eq!(text.parse::<Fingerprint>(), Err(FingerprintError), "{text}");
        }
    }

    #[test]
    fn each_kind_of_change_is_told() {
        let manifest = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
        let now = manifest.metadata().unwrap();
        let found = Fingerprint::of(&now, true);
        assert_eq!(found.difference(&now), None);
        assert_eq!(found.modified(), now.modified().ok());
        let bytes = found.bytes + 1;
        assert_eq!(Fingerprint { bytes, ..found }.difference(&now), Some("its length"));
        let modified = (found.modified.0, (found.modified.1 + 1) % 1_000_000_000);
        let touched = Fingerprint { modified, ..found };
        assert_eq!(touched.difference(&now), Some("the time of its last change"));
        let replaced = Fingerprint { inode: found.inode.map(|inode| inode + 1), ..found };
        assert_eq!(replaced.difference(&now), Some("its inode number"));
        assert_eq!(Fingerprint { inode: None, ..found }.difference(&now), None);
    }

    #[test]
    fn a_time_before_1970_is_a_time() {
        let found: Fingerprint = "5:-1.250000000:1".parse().unwrap();
        assert_eq!(found.modified(), UNIX_EPOCH.checked_sub(Duration::from_millis(750)));
    }
}
