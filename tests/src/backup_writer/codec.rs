//! The codecs of backups, as Hadoop and others write them.

use bzip2::write::BzEncoder;
use flate2::write::{GzEncoder, ZlibEncoder};
use std::io::Write;

/// Text in a block of Hadoop's framing. Hadoop's own is about 256 KiB; this way small files have several.
const BLOCK_BYTES: usize = 100_000;

/// How the files of a backup are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BackupCodec {
    /// Not at all.
    #[default]
    Plain,
    /// gzip; two members, if there is more than one line.
    Gzip,
    /// bzip2; two streams, likewise.
    Bzip2,
    /// Zstandard; two frames, likewise.
    Zstd,
    /// zlib, which Hadoop calls deflate.
    Deflate,
    /// Snappy in Hadoop's block framing; each second block consists of two chunks.
    Snappy,
    /// LZ4 in Hadoop's block framing, likewise.
    Lz4,
}

impl BackupCodec {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Plain, Self::Gzip, Self::Bzip2, Self::Zstd, Self::Deflate, Self::Snappy, Self::Lz4];

    /// What the names of files end in.
    #[must_use]
    pub fn extension(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Gzip => ".gz",
            Self::Bzip2 => ".bz2",
            Self::Zstd => ".zst",
            Self::Deflate => ".deflate",
            Self::Snappy => ".snappy",
            Self::Lz4 => ".lz4",
        }
    }

    /// A whole file.
    ///
    /// # Panics
    /// Never: all of it is in memory.
    #[must_use]
    pub fn compressed(self, text: &[u8]) -> Vec<u8> {
        let (first, second) = text.split_at(end_of_line_in_the_middle(text));
        let both = |member: fn(&[u8]) -> std::io::Result<Vec<u8>>| {
            let members = [first, second].into_iter().filter(|half| !half.is_empty());
            let members: Vec<Vec<u8>> =
                members.map(|half| member(half).expect("a vector takes everything")).collect();
            if members.is_empty() {
                member(b"").expect("a vector takes everything")
            } else {
                members.concat()
            }
        };
        match self {
            Self::Plain => text.to_vec(),
            Self::Gzip => both(gzip),
            Self::Bzip2 => both(bzip2),
            Self::Zstd => both(|half| zstd::encode_all(half, 1)),
            Self::Deflate => zlib(text).expect("a vector takes everything"),
            Self::Snappy => hadoop_blocks(text, |chunk| {
                snap::raw::Encoder::new().compress_vec(chunk).expect("a chunk is not too long")
            }),
            Self::Lz4 => hadoop_blocks(text, lz4_flex::block::compress),
        }
    }
}

/// Behind the last line that ends in the first half; the whole text if none does.
fn end_of_line_in_the_middle(text: &[u8]) -> usize {
    memchr::memrchr(b'\n', &text[..text.len() / 2]).map_or(text.len(), |at| at + 1)
}

fn gzip(text: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text)?;
    encoder.finish()
}

fn zlib(text: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text)?;
    encoder.finish()
}

fn bzip2(text: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    encoder.write_all(text)?;
    encoder.finish()
}

/// As Hadoop's `BlockCompressorStream` writes: for each block the length of its text, then its chunks, each
/// with its length; all lengths are 4 bytes, big endian.
fn hadoop_blocks(text: &[u8], compress: impl Fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).expect("a block is not so long").to_be_bytes();
    let mut out = Vec::new();
    for (number, block) in text.chunks(BLOCK_BYTES).enumerate() {
        out.extend_from_slice(&length(block));
        let num_chunks = 1 + number % 2;
        for chunk in block.chunks(block.len().div_ceil(num_chunks)) {
            let chunk = compress(chunk);
            out.extend_from_slice(&length(&chunk));
            out.extend_from_slice(&chunk);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    /// What `hadoop_blocks` does, backwards.
    fn from_hadoop(mut bytes: &[u8], decompress: impl Fn(&[u8], usize) -> Vec<u8>) -> Vec<u8> {
        let length = |bytes: &mut &[u8]| {
            let (length, rest) = bytes.split_first_chunk::<4>().expect("a length");
            *bytes = rest;
            usize::try_from(u32::from_be_bytes(*length)).expect("it fits")
        };
        let mut text = Vec::new();
        while !bytes.is_empty() {
            let end = text.len() + length(&mut bytes);
            while text.len() < end {
                let chunk_bytes = length(&mut bytes);
                let (chunk, rest) = bytes.split_at(chunk_bytes);
                text.extend(decompress(chunk, end - text.len()));
                bytes = rest;
            }
            assert_eq!(text.len(), end);
        }
        text
    }

    fn decompressed(codec: BackupCodec, bytes: &[u8]) -> Vec<u8> {
        let snappy = |chunk: &[u8], _| snap::raw::Decoder::new().decompress_vec(chunk).expect("snappy");
        let lz4 = |chunk: &[u8], most| lz4_flex::block::decompress(chunk, most).expect("lz4");
        let mut text = Vec::new();
        let read = match codec {
            BackupCodec::Plain => return bytes.to_vec(),
            BackupCodec::Gzip => flate2::read::MultiGzDecoder::new(bytes).read_to_end(&mut text),
            BackupCodec::Bzip2 => bzip2::read::MultiBzDecoder::new(bytes).read_to_end(&mut text),
            BackupCodec::Zstd => zstd::Decoder::new(bytes).and_then(|mut from| from.read_to_end(&mut text)),
            BackupCodec::Deflate => flate2::read::ZlibDecoder::new(bytes).read_to_end(&mut text),
            BackupCodec::Snappy => return from_hadoop(bytes, snappy),
            BackupCodec::Lz4 => return from_hadoop(bytes, lz4),
        };
        read.expect("a whole file");
        text
    }

    #[test]
    fn every_codec_gives_back_the_text() {
        let lines: Vec<String> = (0..20_000).map(|number| format!("{{\"line\":{number}}}\n")).collect();
        let long = lines.concat();
        for codec in BackupCodec::ALL {
            for text in ["", "one line\n", "one\ntwo\n", "no end", &long] {
                let compressed = codec.compressed(text.as_bytes());
                assert_eq!(decompressed(codec, &compressed), text.as_bytes(), "{codec:?}");
            }
            let small = codec.compressed(long.as_bytes()).len() < long.len() / 2;
            assert_eq!(small, codec != BackupCodec::Plain, "{codec:?}");
        }
    }

    #[test]
    fn gzip_has_two_members() {
        let compressed = BackupCodec::Gzip.compressed(b"one\ntwo\n");
        let mut first = Vec::new();
        flate2::read::GzDecoder::new(compressed.as_slice()).read_to_end(&mut first).expect("a member");
        assert_eq!(first, b"one\n");
    }

    #[test]
    fn hadoops_own_snappy_is_read_by_the_same_rule() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/golden/edc-5.6.0-snappy");
        let mut files = std::fs::read_dir(folder).expect("a golden folder").flatten();
        let file = files.find(|file| file.path().extension().is_some_and(|end| end == "snappy"));
        let bytes = std::fs::read(file.expect("a file").path()).expect("its bytes");
        let text = String::from_utf8(decompressed(BackupCodec::Snappy, &bytes)).expect("text");
        assert_eq!(text.lines().count(), 60);
    }
}
