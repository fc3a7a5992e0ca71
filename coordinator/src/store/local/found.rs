//! The entry of a file in a directory, with a fingerprint that identifies it later.

use std::{fs, path::Path};

use job::fingerprint::Fingerprint;
use nix::sys::statfs::{FUSE_SUPER_MAGIC, FsType, SMB_SUPER_MAGIC, statfs};

use crate::store::Entry;

/// The entry of a listing.
pub(super) fn found(name: String, metadata: &fs::Metadata, has_lasting_inodes: bool) -> Entry {
    let fingerprint = || Fingerprint::of(metadata, has_lasting_inodes).to_string();
    Entry { name, bytes: metadata.len(), etag: metadata.is_file().then(fingerprint) }
}

/// Whether files of this directory keep their inode numbers, and have the same ones on every node. File systems in user
/// space may make numbers up, and so may clients of Windows shares and of 9p.
pub(super) fn has_lasting_inodes(path: &Path) -> bool {
    // From linux/magic.h: CIFS, SMB2, 9p.
    let others = [0xff53_4d42, 0xfe53_4d42, 0x0102_1997].map(FsType);
    let made_up = |kind| kind == FUSE_SUPER_MAGIC || kind == SMB_SUPER_MAGIC || others.contains(&kind);
    statfs(path).is_ok_and(|file_system| !made_up(file_system.filesystem_type()))
}
