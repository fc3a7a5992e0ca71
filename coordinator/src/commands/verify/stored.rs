//! The bytes of a stored file: counted, with checksums computed while they are read.

use std::{
    io::{self, BufRead, Read},
    vec,
};

use job::spec::Compression;

use crate::backup::Part;

/// Bytes passed on at once: few enough that they are still in the cache after the checksum.
pub(super) const WINDOW_BYTES: usize = 256 * 1024;

/// A reader that counts and checks the bytes that it passes on.
#[derive(Debug)]
pub(super) struct Stored<R> {
    source: R,
    /// Bytes that are in the checksum and not consumed yet.
    opened: usize,
    consumed: u64,
    crc32c: u32,
    parts: PartSums,
    failure: Option<io::Error>,
}

/// The totals of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Sum {
    pub(super) bytes: u64,
    pub(super) crc32c: u32,
    /// Numbers of the parts whose CRC-32C differs from the recorded one, counted from 1.
    pub(super) wrong_parts: Vec<usize>,
}

impl<R: BufRead> Stored<R> {
    /// `parts` are all parts of the file, or none.
    pub(super) fn new(source: R, parts: Vec<Part>) -> Self {
        Self { source, opened: 0, consumed: 0, crc32c: 0, parts: PartSums::new(parts), failure: None }
    }

    /// Bytes consumed so far.
    pub(super) fn offset(&self) -> u64 {
        self.consumed
    }

    /// The error of the source, as opposed to an error in its contents.
    pub(super) fn take_failure(&mut self) -> Option<io::Error> {
        self.failure.take()
    }

    /// The compression of the file by its first bytes, or `None` if they match no known format.
    pub(super) fn codec(&mut self) -> io::Result<Option<Compression>> {
        // Magic numbers: RFC 1952, section 2.3.1; RFC 8878, section 3.1.1.
        Ok(match self.fill_buf()? {
            [0x1f, 0x8b, ..] => Some(Compression::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Compression::Zstd),
            [b'{', ..] | [] => Some(Compression::None),
            _ => None,
        })
    }

    /// Reads the rest.
    pub(super) fn finish(mut self) -> io::Result<Sum> {
        loop {
            match self.fill_buf() {
                Ok([]) => {
                    let (bytes, crc32c, wrong_parts) = (self.consumed, self.crc32c, self.parts.wrong);
                    return Ok(Sum { bytes, crc32c, wrong_parts });
                }
                Ok(window) => {
                    let len = window.len();
                    self.consume(len);
                }
                Err(error) => return Err(self.take_failure().unwrap_or(error)),
            }
        }
    }

    /// Adds the next bytes to the checksum.
    fn open(&mut self) -> io::Result<()> {
        loop {
            match self.source.fill_buf() {
                Ok(window) => {
                    self.opened = window.len().min(WINDOW_BYTES);
                    self.crc32c = crc32c::crc32c_append(self.crc32c, &window[..self.opened]);
                    self.parts.add(&window[..self.opened]);
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    let copy = io::Error::new(error.kind(), error.to_string());
                    self.failure = Some(error);
                    return Err(copy);
                }
            }
        }
    }
}

/// Compares the bytes of each part with its recorded checksum.
#[derive(Debug)]
struct PartSums {
    left: vec::IntoIter<Part>,
    /// The current part and its number.
    part: Option<Part>,
    number: usize,
    bytes: u64,
    crc32c: u32,
    wrong: Vec<usize>,
}

impl PartSums {
    fn new(parts: Vec<Part>) -> Self {
        let mut left = parts.into_iter();
        let part = left.next();
        Self { left, part, number: 1, bytes: 0, crc32c: 0, wrong: Vec::new() }
    }

    fn add(&mut self, mut window: &[u8]) {
        while let Some(part) = self.part
            && !window.is_empty()
        {
            let missing = usize::try_from(part.bytes - self.bytes).unwrap_or(usize::MAX);
            let (of_part, rest) = window.split_at(missing.min(window.len()));
            window = rest;
            self.bytes += of_part.len() as u64;
            self.crc32c = crc32c::crc32c_append(self.crc32c, of_part);
            if self.bytes == part.bytes {
                if self.crc32c != part.crc32c {
                    self.wrong.push(self.number);
                }
                (self.part, self.bytes, self.crc32c) = (self.left.next(), 0, 0);
                self.number += 1;
            }
        }
    }
}

impl<R: BufRead> BufRead for Stored<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.opened == 0 {
            self.open()?;
        }
        Ok(&self.source.fill_buf()?[..self.opened])
    }

    fn consume(&mut self, len: usize) {
        let len = len.min(self.opened);
        self.source.consume(len);
        self.opened -= len;
        self.consumed += len as u64;
    }
}

impl<R: BufRead> Read for Stored<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.fill_buf()?.read(buffer)?;
        self.consume(len);
        Ok(len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_counted_and_summed_up_once_however_it_is_read() {
        let bytes: Vec<u8> = (0..WINDOW_BYTES * 3).map(|at| (at * at % 251).to_le_bytes()[0]).collect();
        let expected =
            Sum { bytes: bytes.len() as u64, crc32c: crc32c::crc32c(&bytes), wrong_parts: Vec::new() };
        for step in [1000, 100_000, usize::MAX] {
            let mut stored = Stored::new(bytes.as_slice(), Vec::new());
            for _ in 0..4 {
                let len = stored.fill_buf().unwrap().len();
                assert!(len <= WINDOW_BYTES);
                stored.consume(len.min(step));
            }
            stored.read_exact(&mut [0; 10]).unwrap_or_default();
            assert_eq!(stored.finish().unwrap(), expected);
        }
    }

    #[test]
    fn each_part_is_compared_with_what_was_recorded_of_it() {
        let bytes: Vec<u8> = (0..WINDOW_BYTES * 3).map(|at| (at * at % 251).to_le_bytes()[0]).collect();
        let ends = [1, 5, WINDOW_BYTES, WINDOW_BYTES + 1, bytes.len()];
        let mut from = 0;
        let mut parts = Vec::new();
        for end in ends {
            let part = &bytes[from..end];
            let length = part.len() as u64;
            parts.push(Part { bytes: length, line_bytes: length, crc32c: crc32c::crc32c(part) });
            from = end;
        }
        let wrong = |parts: &[Part]| Stored::new(&*bytes, parts.to_vec()).finish().unwrap().wrong_parts;
        assert_eq!(wrong(&parts), [0; 0]);
        for at in 0..parts.len() {
            let mut parts = parts.clone();
            parts[at].crc32c ^= 1;
            assert_eq!(wrong(&parts), [at + 1]);
        }
    }

    #[test]
    fn a_source_that_fails_is_told_from_one_that_ends() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("broken"))
            }
        }
        let mut stored = Stored::new(io::BufReader::new(Broken), Vec::new());
        assert!(stored.codec().is_err());
        assert_eq!(stored.take_failure().unwrap().to_string(), "broken");
    }
}
