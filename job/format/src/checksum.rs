//! Compares the bytes of a file with recorded checksums while they are read.

use std::{
    io::{self, BufRead, ErrorKind, Read},
    vec,
};

use job::split::Checksum;
use md5::{Digest, Md5};

/// Counts the bytes of a source and computes their checksums while they are read.
#[derive(Debug)]
pub struct ChecksumReader<R> {
    source: R,
    bytes: u64,
    hash: Hash,
    recorded: Option<Checksum>,
    parts: Parts,
    failure: Option<io::Error>,
}

/// A file whose bytes are not those that are recorded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChecksumError {
    /// It ends too early.
    #[error("only {read} of {expected} bytes could be read")]
    Short {
        /// The bytes that were read.
        read: u64,
        /// The bytes that were to be read.
        expected: u64,
    },
    /// It has another checksum.
    #[error("is damaged: it has {found}, but {recorded} is recorded")]
    Damaged {
        /// Its checksum, with the name of the algorithm.
        found: String,
        /// The recorded one.
        recorded: String,
    },
}

/// What is recorded of a part of a file: its length in bytes, and their CRC-32C.
pub type Part = (u64, u32);

#[derive(Debug)]
enum Hash {
    None,
    Crc32c(u32),
    Md5(Box<Md5>),
}

impl<R: BufRead> ChecksumReader<R> {
    /// Reads `source` for comparison with `recorded`.
    pub fn new(source: R, recorded: Option<Checksum>) -> Self {
        let hash = match recorded {
            None => Hash::None,
            Some(Checksum::Crc32c(_)) => Hash::Crc32c(0),
            Some(Checksum::Md5(_)) => Hash::Md5(Box::default()),
        };
        Self { source, bytes: 0, hash, recorded, parts: Parts::new(Vec::new()), failure: None }
    }

    /// Reads a part file of an export for its CRC-32C. Its upload parts are compared with `parts`, which are all parts
    /// of the file or none.
    pub fn of_part_file(source: R, parts: Vec<Part>) -> Self {
        let (hash, parts) = (Hash::Crc32c(0), Parts::new(parts));
        Self { source, bytes: 0, hash, recorded: None, parts, failure: None }
    }

    /// Bytes read so far.
    pub fn bytes_read(&self) -> u64 {
        self.bytes
    }

    /// The CRC-32C of the bytes read so far, if that is what is computed.
    pub fn crc32c(&self) -> Option<u32> {
        match self.hash {
            Hash::Crc32c(is) => Some(is),
            Hash::None | Hash::Md5(_) => None,
        }
    }

    /// The numbers of the parts, counted from 1, that were read and whose CRC-32C differs from the recorded one.
    pub fn wrong_parts(&self) -> &[usize] {
        &self.parts.wrong
    }

    /// The error of the source, as opposed to an error in its contents. Its readers got a copy.
    pub fn take_failure(&mut self) -> Option<io::Error> {
        self.failure.take()
    }

    /// Reads the source to its end.
    ///
    /// # Errors
    /// Fails with the error of the source.
    pub fn read_rest(&mut self) -> io::Result<()> {
        loop {
            match self.fill_buf() {
                Ok([]) => return Ok(()),
                Ok(held) => {
                    let len = held.len();
                    self.consume(len);
                }
                Err(error) => return Err(self.take_failure().unwrap_or(error)),
            }
        }
    }

    /// Checks that `expected` bytes with the recorded checksum have been read.
    ///
    /// # Errors
    /// Fails if that is not so.
    pub fn check(&self, expected: u64) -> Result<(), ChecksumError> {
        if self.bytes != expected {
            return Err(ChecksumError::Short { read: self.bytes, expected });
        }
        let (found, recorded) = match (&self.hash, self.recorded) {
            (Hash::Crc32c(is), Some(Checksum::Crc32c(recorded))) => {
                (format!("CRC-32C {is:08x}"), format!("{recorded:08x}"))
            }
            (Hash::Md5(is), Some(Checksum::Md5(recorded))) => {
                (format!("MD5 {}", hex(&is.as_ref().clone().finalize().into())), hex(&recorded))
            }
            _ => return Ok(()),
        };
        if found.ends_with(&recorded) {
            return Ok(());
        }
        Err(ChecksumError::Damaged { found, recorded })
    }
}

impl<R: BufRead> Read for ChecksumReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.fill_buf()?.read(buffer)?;
        self.consume(len);
        Ok(len)
    }
}

impl<R: BufRead> BufRead for ChecksumReader<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        loop {
            match self.source.fill_buf() {
                Ok([]) => return Ok(&[]),
                Ok(_) => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    let copy = io::Error::new(error.kind(), error.to_string());
                    self.failure = Some(error);
                    return Err(copy);
                }
            }
        }
        // Called again, since the borrow checker does not let the loop return the buffer. Now it does not read.
        self.source.fill_buf()
    }

    // The bytes are added to the checksums when they have just been read: then they are still in the cache.
    fn consume(&mut self, len: usize) {
        if len == 0 {
            return;
        }
        self.bytes += len as u64;
        if let Ok(held) = self.source.fill_buf() {
            let read = &held[..len.min(held.len())];
            self.hash.update(read);
            self.parts.update(read);
        }
        self.source.consume(len);
    }
}

impl Hash {
    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::None => {}
            Self::Crc32c(is) => *is = crc32c::crc32c_append(*is, bytes),
            Self::Md5(is) => is.update(bytes),
        }
    }
}

fn hex(md5: &[u8; 16]) -> String {
    format!("{:032x}", u128::from_be_bytes(*md5))
}

/// Compares the bytes of each part with its recorded checksum.
#[derive(Debug)]
struct Parts {
    left: vec::IntoIter<Part>,
    /// The current part and its number.
    part: Option<Part>,
    number: usize,
    bytes: u64,
    crc32c: u32,
    wrong: Vec<usize>,
}

impl Parts {
    fn new(parts: Vec<Part>) -> Self {
        let mut left = parts.into_iter();
        let part = left.next();
        Self { left, part, number: 1, bytes: 0, crc32c: 0, wrong: Vec::new() }
    }

    fn update(&mut self, mut read: &[u8]) {
        while let Some((bytes, crc32c)) = self.part
            && !read.is_empty()
        {
            let missing = usize::try_from(bytes - self.bytes).unwrap_or(usize::MAX);
            let (of_part, rest) = read.split_at(missing.min(read.len()));
            read = rest;
            self.bytes += of_part.len() as u64;
            self.crc32c = crc32c::crc32c_append(self.crc32c, of_part);
            if self.bytes == bytes {
                if self.crc32c != crc32c {
                    self.wrong.push(self.number);
                }
                (self.part, self.bytes, self.crc32c) = (self.left.next(), 0, 0);
                self.number += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    fn summed(checksum: Checksum) -> Result<(), ChecksumError> {
        let mut source = ChecksumReader::new(&b"123456789"[..], Some(checksum));
        let mut first = [0; 4];
        source.read_exact(&mut first).unwrap();
        io::copy(&mut source, &mut io::sink()).unwrap();
        source.check(9)
    }

    /// With the check values of both algorithms.
    #[test]
    fn what_is_read_in_pieces_is_summed_up_whole() {
        let md5 =
            [0x25, 0xf9, 0xe7, 0x94, 0x32, 0x3b, 0x45, 0x38, 0x85, 0xf5, 0x18, 0x1f, 0x1b, 0x62, 0x4d, 0x0b];
        assert_eq!(summed(Checksum::Crc32c(0xe306_9283)), Ok(()));
        assert_eq!(summed(Checksum::Md5(md5)), Ok(()));
        let wrong = summed(Checksum::Crc32c(1)).unwrap_err().to_string();
        assert_eq!(wrong, "is damaged: it has CRC-32C e3069283, but 00000001 is recorded");
        assert!(summed(Checksum::Md5([0; 16])).is_err());
    }

    #[test]
    fn what_is_not_read_to_its_end_is_no_whole() {
        let mut source = ChecksumReader::new(&b"123456789"[..], None);
        source.consume(8);
        assert!(source.check(9).is_err());
        source.read_rest().unwrap();
        assert_eq!(source.check(9), Ok(()));
    }

    #[test]
    fn each_part_is_compared_with_what_was_recorded_of_it() {
        let bytes: Vec<u8> = (0..300_000_usize).map(|at| (at * at % 251).to_le_bytes()[0]).collect();
        let mut from = 0;
        let mut parts = Vec::new();
        for end in [1, 5, 65_536, 65_537, bytes.len()] {
            parts.push(((end - from) as u64, crc32c::crc32c(&bytes[from..end])));
            from = end;
        }
        let wrong = |parts: &[Part]| {
            let source = BufReader::with_capacity(7_000, &*bytes);
            let mut source = ChecksumReader::of_part_file(source, parts.to_vec());
            source.read_rest().unwrap();
            assert_eq!(
                (source.bytes_read(), source.crc32c()),
                (bytes.len() as u64, Some(crc32c::crc32c(&bytes)))
            );
            source.wrong_parts().to_vec()
        };
        assert_eq!(wrong(&parts), [0; 0]);
        for at in 0..parts.len() {
            let mut parts = parts.clone();
            parts[at].1 ^= 1;
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
        let mut broken = ChecksumReader::new(BufReader::new(Broken), None);
        assert_eq!(broken.read(&mut [0]).unwrap_err().to_string(), "broken");
        assert!(broken.take_failure().is_some());
        let mut empty = ChecksumReader::new(&b""[..], None);
        assert_eq!(empty.read(&mut [0]).unwrap(), 0);
        assert!(empty.take_failure().is_none());
    }
}
