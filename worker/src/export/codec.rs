//! Encodes lines to the bytes of an upload part. Each part is complete by itself: plain lines, one gzip member, or one
//! zstd frame.

use std::io::{self, Write};

use flate2::{Compression as Level, write::GzEncoder};
use job::spec::Compression;

const GZIP_LEVEL: u32 = 6;
const ZSTD_LEVEL: i32 = 3;

/// The encoder of a part.
pub(crate) enum Codec {
    Plain(Vec<u8>),
    Gzip(Box<GzEncoder<Vec<u8>>>),
    Zstd(Box<zstd::Encoder<'static, Vec<u8>>>),
}

impl Codec {
    /// Writes into `buffer`, which must be empty.
    pub(crate) fn new(compression: Compression, buffer: Vec<u8>) -> io::Result<Self> {
        Ok(match compression {
            Compression::None => Self::Plain(buffer),
            Compression::Gzip => Self::Gzip(Box::new(GzEncoder::new(buffer, Level::new(GZIP_LEVEL)))),
            Compression::Zstd => Self::Zstd(Box::new(zstd::Encoder::new(buffer, ZSTD_LEVEL)?)),
        })
    }

    pub(crate) fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(buffer) => {
                buffer.extend_from_slice(lines);
                Ok(())
            }
            Self::Gzip(encoder) => encoder.write_all(lines),
            Self::Zstd(encoder) => encoder.write_all(lines),
        }
    }

    /// The bytes so far; a compressor holds back some more.
    pub(crate) fn stored_bytes(&self) -> u64 {
        let buffer = match self {
            Self::Plain(buffer) => buffer,
            Self::Gzip(encoder) => encoder.get_ref(),
            Self::Zstd(encoder) => encoder.get_ref(),
        };
        buffer.len() as u64
    }

    pub(crate) fn finish(self) -> io::Result<Vec<u8>> {
        match self {
            Self::Plain(buffer) => Ok(buffer),
            Self::Gzip(encoder) => encoder.finish(),
            Self::Zstd(encoder) => encoder.finish(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn part(compression: Compression) -> Vec<u8> {
        let mut codec = Codec::new(compression, Vec::new()).unwrap();
        codec.write(b"{}\n").unwrap();
        codec.write(b"{\"a\":1}\n").unwrap();
        codec.finish().unwrap()
    }

    #[test]
    fn parts_in_a_row_are_one_readable_file() {
        let twice = [part(Compression::Gzip), part(Compression::Gzip)].concat();
        let mut lines = String::new();
        flate2::read::MultiGzDecoder::new(&twice[..]).read_to_string(&mut lines).unwrap();
        assert_eq!(lines, "{}\n{\"a\":1}\n{}\n{\"a\":1}\n");
        let twice = [part(Compression::Zstd), part(Compression::Zstd)].concat();
        assert_eq!(zstd::decode_all(&twice[..]).unwrap(), lines.as_bytes());
        assert_eq!(part(Compression::None), b"{}\n{\"a\":1}\n");
    }
}
