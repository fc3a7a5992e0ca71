//! Whether a hidden part file still holds what its worker wrote.
//!
//! With each part a worker reports the fingerprint of its file. As long as that fits, the file is not read again. If it
//! does not, or can't say anything, the checksum of the sealed bytes decides: folders may be copied between two runs.

use std::{
    fs::{File, Metadata},
    io::{self, Read, Seek},
    path::Path,
};

use engine::part_files::PartFile;
use job::fingerprint::Fingerprint;
use job_aws::{Fault, FaultKind};

use super::{
    fault,
    file_system::{OF_ONE_MACHINE, is_one_of},
    thread::NotesProgress,
};

/// Whether a file on a local file system is as its worker left it, by what the worker said of it. `true` if nothing is
/// known: earlier versions said nothing, and a fenced file was changed by its coordinator.
fn is_as_written(file: &PartFile, now: &Metadata) -> bool {
    let said = file.parts.last().filter(|_| !file.is_fenced()).map(|part| part.etag.parse::<Fingerprint>());
    let Some(Ok(left)) = said else { return true };
    // Its worker may have written more than it reported.
    if file.is_full() { left.difference(now).is_none() } else { left.is_same_inode(now) }
}

/// When the sealed bytes of a file are read to check them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// If the file is not the one that its worker left there, for example because the folder was copied.
    IfReplaced,
    /// Also if its fingerprint can't tell: its worker may have written more than it reported, or it was cut or copied
    /// since.
    IfUnsure,
}

/// Makes sure that a file begins with its sealed bytes.
///
/// # Errors
/// Fails with [`FaultKind::Lost`] if it does not.
pub(super) fn check_written(
    opened: &File,
    hidden: &Path,
    file: &PartFile,
    reading: Reading,
) -> Result<(), Fault> {
    let now = opened.metadata().map_err(|error| fault("look at", hidden, error))?;
    // Elsewhere inodes and times may change by themselves.
    let can_tell = is_one_of(&OF_ONE_MACHINE, opened);
    let is_trusted = match reading {
        Reading::IfReplaced => !can_tell || is_as_written(file, &now),
        Reading::IfUnsure => can_tell && file.is_full() && !file.is_fenced() && is_as_written(file, &now),
    };
    if is_trusted {
        return Ok(());
    }
    let crc32c = crc32c_of(opened, file.bytes()).map_err(|error| fault("read", hidden, error))?;
    if crc32c == file.crc32c() {
        return Ok(());
    }
    let why = format!(
        "{} no longer holds what its worker wrote: another process changed or replaced it",
        hidden.display()
    );
    Err(Fault::new(FaultKind::Lost, why))
}

/// The CRC-32C of the first bytes of a file.
fn crc32c_of(mut opened: &File, bytes: u64) -> io::Result<u32> {
    opened.rewind()?;
    let mut bytes = NotesProgress(opened.take(bytes));
    let (mut crc32c, mut buffer) = (0, vec![0; 1 << 20]);
    loop {
        let length = bytes.read(&mut buffer)?;
        if length == 0 {
            break;
        }
        crc32c = crc32c::crc32c_append(crc32c, &buffer[..length]);
    }
    opened.rewind()?;
    Ok(crc32c)
}
