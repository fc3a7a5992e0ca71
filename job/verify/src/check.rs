//! Checks one file against what was recorded of it.

use std::io::{self, BufRead};

use format::{
    checksum::{ChecksumReader, Part},
    codec,
    emr::KeyNames,
    output::Output,
};
use job::{
    export_json::PartFile,
    spec::Compression,
    split::Codec,
    verify::{FileFound, FileRecord, FileRules, StoredFile},
};

use super::{defects::Defects, keys::SeenKeys, lines::LineCheck, listed};

/// What all files of a backup have in common.
#[derive(Debug)]
pub struct Expected(Kind);

#[derive(Debug)]
enum Kind {
    Export(Export),
    /// Of another backup; whether it is an incremental export of DynamoDB.
    Listed {
        is_incremental: bool,
    },
}

/// What the files of an export of tablehaul have in common.
#[derive(Debug)]
struct Export {
    compression: Compression,
    output: Output,
    keys: KeyNames,
    /// The seed of the hashes by which keys are compared.
    seed: u64,
}

impl Expected {
    /// Of a backup whose files comply with these rules. The seed should be random.
    pub fn new(rules: &FileRules, seed: u64) -> Self {
        Self(match rules {
            FileRules::Export { options, keys } => Kind::Export(Export {
                compression: options.compression,
                output: Output { format: options.format, null: options.null },
                keys: KeyNames::from(keys),
                seed,
            }),
            FileRules::Listed { is_incremental } => Kind::Listed { is_incremental: *is_incremental },
        })
    }

    /// Reads the file to its end.
    ///
    /// Memory: that of a line and of the keys, and for a compressed file that of the decompressor: 9 MiB at most for a
    /// file of an export, else that of [`codec::decompress`].
    ///
    /// # Errors
    /// Fails if `source` can't be read, or the record is not of such a backup. Damaged contents are defects, not
    /// errors.
    pub(crate) fn check(&self, file: &StoredFile, source: impl BufRead + Send) -> io::Result<FileFound> {
        match (&self.0, &file.record) {
            (Kind::Export(export), FileRecord::Part(part)) => export.check(part, source),
            (Kind::Listed { is_incremental }, FileRecord::Listed(listed)) => {
                listed::check(listed, file.bytes, *is_incremental, source)
            }
            _ => Err(io::Error::other("the record of the file is one of another kind of backup")),
        }
    }
}

impl Export {
    fn check(&self, file: &PartFile, source: impl BufRead + Send) -> io::Result<FileFound> {
        let mut defects = Defects::of(&file.name);
        let mut lines = LineCheck::new(&self.keys, self.output, SeenKeys::new(self.seed, file.items));
        // If the recorded parts do not add up to the file, that is a defect of export.json, reported before any file is
        // read.
        let parts = file.parts(self.compression == Compression::None).unwrap_or_default();
        let line_bytes: u64 = parts.iter().map(|part| part.line_bytes).sum();
        let has_parts = !parts.is_empty();
        let parts: Vec<Part> = parts.iter().map(|part| (part.bytes, part.crc32c)).collect();
        let mut stored = ChecksumReader::of_part_file(source, parts);
        let decoded = self.decode(&mut stored, &mut lines, &mut defects);
        if let Some(failure) = stored.take_failure() {
            return Err(failure);
        }
        let offset = stored.bytes_read();
        stored.read_rest()?;
        compare(file, &stored, &mut defects);
        let is_whole = decoded.unwrap_or_else(|error| {
            defects.broken(offset, &error);
            false
        });
        if is_whole && has_parts && lines.bytes() != line_bytes {
            let found = lines.bytes();
            defects.whole(format_args!("lines have {found} bytes instead of {line_bytes}"));
        }
        let items = lines.finish(&mut defects);
        if is_whole && items != file.items {
            defects.whole(format_args!("{items} lines instead of {}", file.items));
        }
        Ok(FileFound { items, bytes: stored.bytes_read(), defects: defects.into_lines() })
    }

    /// Decodes the file and checks its lines. Returns `false`, without reading any, if the compression is unknown.
    fn decode(
        &self,
        stored: &mut ChecksumReader<impl BufRead + Send>,
        lines: &mut LineCheck<'_>,
        defects: &mut Defects,
    ) -> io::Result<bool> {
        let recorded = self.compression;
        let first_bytes = stored.fill_buf()?;
        let (found, is_empty) = (compression_of(first_bytes), first_bytes.is_empty());
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
        let codec = match found.unwrap_or_default() {
            Compression::None => Codec::Plain,
            Compression::Gzip => Codec::Gzip,
            Compression::Zstd => Codec::Zstd,
        };
        lines.read(codec::decompress_part_file(codec, stored)?, defects)?;
        Ok(true)
    }
}

/// The compression of an export by the first bytes of a file; `None` if it is not one that an export has.
fn compression_of(first_bytes: &[u8]) -> Option<Compression> {
    match codec::detect(first_bytes).ok()? {
        Codec::Plain => first_bytes.starts_with(b"{").then_some(Compression::None),
        Codec::Gzip => Some(Compression::Gzip),
        Codec::Zstd => Some(Compression::Zstd),
        Codec::Zlib | Codec::Bzip2 | Codec::Snappy | Codec::Lz4 => None,
    }
}

fn compare<R: BufRead>(file: &PartFile, stored: &ChecksumReader<R>, defects: &mut Defects) {
    let bytes = stored.bytes_read();
    let crc32c = format!("{:08x}", stored.crc32c().unwrap_or_default());
    if bytes != file.bytes {
        defects.whole(format_args!("{bytes} bytes instead of {}", file.bytes));
        return;
    }
    if !crc32c.eq_ignore_ascii_case(&file.crc32c) {
        defects.whole(format_args!("CRC-32C is {crc32c} instead of {}", file.crc32c.escape_debug()));
    }
    for number in stored.wrong_parts() {
        let parts = file.parts.len();
        defects.one(format_args!(
            "the CRC-32C of upload part {number} of {parts} differs from the recorded one"
        ));
    }
}

#[cfg(test)]
mod tests;
