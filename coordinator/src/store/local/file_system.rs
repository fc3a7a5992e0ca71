//! What kind of file system a file is on.

use std::fs::File;

use nix::sys::statfs::{self, FsType, fstatfs};

/// File systems of a single machine. If a lock is free there, the process that held it no longer has the file open. On
/// a network file system that is not certain.
pub(super) const OF_ONE_MACHINE: [FsType; 6] = [
    statfs::EXT4_SUPER_MAGIC,
    statfs::XFS_SUPER_MAGIC,
    statfs::BTRFS_SUPER_MAGIC,
    statfs::F2FS_SUPER_MAGIC,
    statfs::TMPFS_MAGIC,
    statfs::OVERLAYFS_SUPER_MAGIC,
];
/// File systems on which a copy can share the blocks of the original (`copy_file_range(2)`) and then needs no space.
pub(super) const SHARE_BLOCKS: [FsType; 2] = [statfs::XFS_SUPER_MAGIC, statfs::BTRFS_SUPER_MAGIC];

/// Whether an open file is on a file system of one of these types. `false` if that is unknown.
pub(super) fn is_one_of(types: &[FsType], opened: &File) -> bool {
    fstatfs(opened).is_ok_and(|known| types.contains(&known.filesystem_type()))
}
