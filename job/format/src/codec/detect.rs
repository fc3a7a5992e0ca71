//! Detects the compression of a file by its first bytes.

use flate2::{Decompress, FlushDecompress};
use job::split::Codec;

use super::blocks::{self, Compression};

const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
/// After a byte of 0x50 to 0x5f: a frame without text.
const ZSTD_SKIPPABLE: &[u8] = &[0x2a, 0x4d, 0x18];
/// The bytes after `BZh` and a digit: a block (pi), or the end of an empty stream (the square root of pi).
const BZIP2: [&[u8]; 2] = [&[0x31, 0x41, 0x59, 0x26, 0x53, 0x59], &[0x17, 0x72, 0x45, 0x38, 0x50, 0x90]];
/// The second bytes of zlib streams, one for each level of compression. The first is `x`.
const ZLIB: [u8; 4] = [0x01, 0x5e, 0x9c, 0xda];
pub(crate) const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// Bytes that are neither text nor a known compression.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is neither text nor a known compression")]
pub struct UnknownCodec;

/// The compression of an object by its first bytes: 64 KiB, or all there are.
///
/// # Errors
/// Fails if it is neither text nor a known compression.
pub fn detect(first_bytes: &[u8]) -> Result<Codec, UnknownCodec> {
    match first_bytes {
        [0x50..=0x5f, rest @ ..] if rest.starts_with(ZSTD_SKIPPABLE) => return Ok(Codec::Zstd),
        [b'B', b'Z', b'h', b'1'..=b'9', rest @ ..]
            if BZIP2.iter().any(|magic| is_start(rest, magic)) && !is_text(first_bytes) =>
        {
            return Ok(Codec::Bzip2);
        }
        [b'x', grade, rest @ ..] if ZLIB.contains(grade) && !is_text(first_bytes) && inflates(rest) => {
            return Ok(Codec::Zlib);
        }
        _ if first_bytes.starts_with(GZIP) => return Ok(Codec::Gzip),
        _ if first_bytes.starts_with(ZSTD) => return Ok(Codec::Zstd),
        _ => {}
    }
    if begins_like_text(first_bytes) {
        return Ok(Codec::Plain);
    }
    match blocks::compression(first_bytes) {
        Some(Compression::Snappy) => Ok(Codec::Snappy),
        Some(Compression::Lz4) => Ok(Codec::Lz4),
        None => Err(UnknownCodec),
    }
}

/// Whether `bytes` begin with `magic`, or are a prefix of it.
fn is_start(bytes: &[u8], magic: &[u8]) -> bool {
    let len = bytes.len().min(magic.len());
    bytes[..len] == magic[..len]
}

/// Whether the bytes are valid raw deflate, as far as they go.
fn inflates(deflated: &[u8]) -> bool {
    let mut inflate = Decompress::new(false);
    let mut text = [0; 1024];
    inflate.decompress(deflated, &mut text, FlushDecompress::None).is_ok()
}

fn begins_like_text(first_bytes: &[u8]) -> bool {
    let text = first_bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(first_bytes).trim_ascii_start();
    let first_line = text.split(|&byte| byte == b'\n').next().unwrap_or_default();
    // The separators of Hive are never the first byte of a line, but may begin the length of a Hadoop block.
    text.starts_with(b"{")
        || is_text(first_line) && !first_line.starts_with(&[2]) && !first_line.starts_with(&[3])
        || begins_like_hive(first_line)
}

/// Whether a line begins with an attribute's name and value, as in older backups of Hive. A name may contain control
/// characters. Hadoop blocks, which may contain such lines, begin with a length and so with a zero.
fn begins_like_hive(line: &[u8]) -> bool {
    let Some(at) = memchr::memchr(3, line) else { return false };
    let (name, value) = line.split_at(at);
    let is_name = !name.is_empty() && !name.contains(&0) && std::str::from_utf8(name).is_ok();
    is_name && value[1..].trim_ascii_start().starts_with(b"{\"")
}

/// Whether the bytes are UTF-8, perhaps cut at the end, without control characters that lines never have. 0x02 and 0x03
/// occur in lines of Hive.
fn is_text(bytes: &[u8]) -> bool {
    let is_utf8 = match std::str::from_utf8(bytes) {
        Ok(_) => true,
        Err(error) => error.error_len().is_none(),
    };
    is_utf8
        && !bytes.iter().any(|byte| matches!(byte, 0..0x20) && !matches!(byte, b'\t' | b'\n' | b'\r' | 2 | 3))
}
