//! Checks a file of a backup that tablehaul has not made. It takes the lines that an import takes.

use std::io::{self, BufRead};

use format::{
    checksum::{ChecksumError, ChecksumReader},
    codec,
    input::LineChecker,
    lines::{Line, Lines},
    request::{Checker, RequestError},
};
use job::verify::{FileFound, ListedFile};

use super::defects::Defects;

/// Reads a file of `bytes` bytes to its end.
///
/// # Errors
/// Fails if `source` can't be read.
pub(crate) fn check(
    file: &ListedFile,
    bytes: u64,
    is_incremental: bool,
    source: impl BufRead + Send,
) -> io::Result<FileFound> {
    let mut defects = Defects::of(&file.name);
    let checker =
        file.format.map(|format| LineChecker::new(format, Checker::new(None).of_export(is_incremental)));
    let mut lines = ListedLineCheck { checker, number: 0, items: 0 };
    let mut stored = ChecksumReader::new(source, file.checksum);
    let decoded = lines.read(file, &mut stored, &mut defects);
    if let Some(failure) = stored.take_failure() {
        return Err(failure);
    }
    let offset = stored.bytes_read();
    stored.read_rest()?;
    if bytes == 0 && is_compressed(&file.name) {
        defects.whole("empty, but its name is that of a compressed file, which never is");
    }
    match stored.check(bytes) {
        Ok(()) => {}
        Err(ChecksumError::Short { read, expected }) => {
            defects.whole(format_args!("{read} bytes instead of {expected}"));
        }
        Err(ChecksumError::Damaged { found, recorded }) => {
            defects.whole(format_args!("{found} instead of {recorded}"));
        }
    }
    match (decoded, file.items) {
        (Err(error), _) => defects.broken(offset, &error),
        (Ok(()), Some(items)) if items != lines.items => {
            defects.whole(format_args!("{} lines instead of {items}", lines.items));
        }
        (Ok(()), _) => {}
    }
    Ok(FileFound { items: lines.items, bytes: stored.bytes_read(), defects: defects.into_lines() })
}

/// Whether a file with this name is compressed. Hadoop's codecs and those of DynamoDB write at least a header, also for
/// no line.
fn is_compressed(name: &str) -> bool {
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    ["gz", "bz2", "deflate", "snappy", "lz4", "zst"].contains(&extension)
}

/// The check of the lines of one file.
struct ListedLineCheck {
    /// `None` if the file had no line when its format was detected.
    checker: Option<LineChecker>,
    /// The lines so far,
    number: u64,
    /// and how many of them were not blank.
    items: u64,
}

impl ListedLineCheck {
    fn read(
        &mut self,
        file: &ListedFile,
        stored: &mut (impl BufRead + Send),
        defects: &mut Defects,
    ) -> io::Result<()> {
        let mut lines = Lines::new(codec::decompress(file.codec, stored)?, 0, None, false);
        while let Some(line) = lines.next()? {
            self.check(&line, defects);
        }
        Ok(())
    }

    #[inline]
    fn check(&mut self, line: &Line<'_>, defects: &mut Defects) {
        self.number += 1;
        if line.bytes.trim_ascii().is_empty() && !line.is_too_long {
            return;
        }
        self.items += 1;
        let checked = match &mut self.checker {
            _ if line.is_too_long => Err(RequestError::TooLong),
            Some(checker) => checker.check(line.bytes).map(drop),
            None => {
                defects.at_line(self.number, "a line in a file that seemed to have none");
                return;
            }
        };
        if let Err(error) = checked {
            defects.at_line(self.number, error);
        }
    }
}

#[cfg(test)]
mod tests;
