//! Checks one part file against what was recorded of it.

use std::io::{self, BufRead, Read};

use flate2::bufread::MultiGzDecoder;
use format::{emr::KeyNames, output::Output};
use job::{export_json::PartFile, spec::Compression};

use super::{
    defects::Defects,
    keys::SeenKeys,
    lines::LineCheck,
    stored::{Stored, Sum, WINDOW_BYTES},
};
use crate::backup::parts;

/// The largest window of a zstd frame, as a power of two: 8 MiB, which every decoder should support (RFC 8878, section
/// 3.1.1.1.2). An export needs 2 MiB.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

/// What all files of a backup have in common.
#[derive(Debug)]
pub(super) struct Expected {
    pub(super) compression: Compression,
    pub(super) output: Output,
    pub(super) keys: KeyNames,
    /// The seed of the hashes by which keys are compared.
    pub(super) seed: u64,
}

/// The result of checking a file.
#[derive(Debug, Default, PartialEq)]
pub(super) struct FileFound {
    /// Lines, as far as they could be read.
    pub(super) items: u64,
    /// Bytes as stored.
    pub(super) bytes: u64,
    pub(super) defects: Vec<String>,
}

impl Expected {
    /// Reads the file to its end.
    ///
    /// Memory: that of [`LineCheck`], one window, and for a compressed file the window and tables of the decompressor
    /// (9 MiB at most).
    ///
    /// # Errors
    /// Fails if `source` can't be read. Damaged contents are defects, not errors.
    pub(super) fn check(&self, file: &PartFile, source: impl BufRead) -> io::Result<FileFound> {
        let mut defects = Defects::of(&file.name);
        let mut lines = LineCheck::new(&self.keys, self.output, SeenKeys::new(self.seed, file.items));
        // If the recorded parts do not add up to the file, that is a defect of export.json, reported before any file is
        // read.
        let parts = parts(file, self.compression == Compression::None).unwrap_or_default();
        let line_bytes: u64 = parts.iter().map(|part| part.line_bytes).sum();
        let has_parts = !parts.is_empty();
        let mut stored = Stored::new(source, parts);
        let decoded = self.decode(&mut stored, &mut lines, &mut defects);
        if let Some(failure) = stored.take_failure() {
            return Err(failure);
        }
        let offset = stored.offset();
        let sum = stored.finish()?;
        let bytes = sum.bytes;
        compare(file, &sum, &mut defects);
        let is_whole = decoded.unwrap_or_else(|error| {
            defects.at_byte(offset, format_args!("{}; the rest of the file can't be read", broken(&error)));
            false
        });
        if is_whole && has_parts && lines.bytes() != line_bytes {
            let found = lines.bytes();
            defects.whole(format_args!("lines have {found} bytes instead of {line_bytes}"));
        }
        let items = if is_whole { lines.finish(&mut defects) } else { lines.abandon(&mut defects) };
        if is_whole && items != file.items {
            defects.whole(format_args!("{items} lines instead of {}", file.items));
        }
        Ok(FileFound { items, bytes, defects: defects.into_lines() })
    }

    /// Decodes the file and feeds all lines to `lines`. Returns `false`, without feeding any, if the compression is
    /// unknown.
    fn decode(
        &self,
        stored: &mut Stored<impl BufRead>,
        lines: &mut LineCheck<'_>,
        defects: &mut Defects,
    ) -> io::Result<bool> {
        let recorded = self.compression;
        let found = stored.codec()?;
        let is_empty = stored.fill_buf()?.is_empty();
        if found != Some(recorded) && !is_empty {
            match (found, recorded) {
                // Checks it as lines nevertheless: the first line will be invalid.
                (None, Compression::None) => {}
                (None, recorded) => {
                    defects
                        .at_byte(0, format_args!("not {}, although export.json records it", recorded.name()));
                    return Ok(false);
                }
                (Some(found), recorded) => {
                    let (found, recorded) = (found.name(), recorded.name());
                    defects.whole(format_args!("compression is {found} instead of {recorded}"));
                }
            }
        }
        match found.unwrap_or_default() {
            Compression::None => loop {
                let window = stored.fill_buf()?;
                if window.is_empty() {
                    break;
                }
                let len = window.len();
                lines.feed(window, defects);
                stored.consume(len);
            },
            Compression::Gzip => pump(MultiGzDecoder::new(stored), lines, defects)?,
            Compression::Zstd => {
                let mut decoder = zstd::Decoder::with_buffer(stored)?;
                decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
                pump(decoder, lines, defects)?;
            }
        }
        Ok(true)
    }
}

fn pump(mut decoder: impl Read, lines: &mut LineCheck<'_>, defects: &mut Defects) -> io::Result<()> {
    let mut window = vec![0; WINDOW_BYTES];
    loop {
        match decoder.read(&mut window)? {
            0 => return Ok(()),
            len => lines.feed(&window[..len], defects),
        }
    }
}

/// The message for an error of a decompressor. Such errors contain nothing of the data.
fn broken(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => "the compressed data is cut off".to_owned(),
        _ => format!("the compressed data is damaged ({error})"),
    }
}

fn compare(file: &PartFile, sum: &Sum, defects: &mut Defects) {
    let Sum { bytes, crc32c, wrong_parts } = sum;
    let crc32c = format!("{crc32c:08x}");
    if *bytes != file.bytes {
        defects.whole(format_args!("{bytes} bytes instead of {}", file.bytes));
        return;
    }
    if !crc32c.eq_ignore_ascii_case(&file.crc32c) {
        defects.whole(format_args!("CRC-32C is {crc32c} instead of {}", file.crc32c.escape_debug()));
    }
    for number in wrong_parts {
        let parts = file.parts.len();
        defects.one(format_args!(
            "the CRC-32C of upload part {number} of {parts} differs from the recorded one"
        ));
    }
}

#[cfg(test)]
mod tests;
