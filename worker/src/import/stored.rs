//! The stored bytes of a split, from a file or an object in S3.

use std::{
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Take},
    ops::Range,
    path::{Path, PathBuf},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
};

use files::Unchanged;
use job::{
    fingerprint::Fingerprint,
    object::Object,
    split::{Checksum, Split},
};
use job_aws::{Ahead, Clients, ranges};
use md5::{Digest, Md5};

use crate::{report::Report, retry::backoff};

/// For an object in S3: one range in hand, two in flight.
const AHEAD: Ahead = Ahead { range_bytes: 1024 * 1024, ranges: 2 };
/// For the bytes after the end of a cut range, where only the rest of a line is needed.
const AHEAD_OF_END: Ahead = Ahead { range_bytes: 64 * 1024, ranges: 2 };
/// The buffer of a file.
const BUFFER_BYTES: usize = 256 * 1024;

/// Stored bytes and, for those in S3, the future that fetches them. It must run beside the reading.
pub(crate) struct Stored {
    pub(crate) bytes: Box<dyn BufRead + Send>,
    pub(crate) fetching: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

/// Opens the bytes `of` the object of a split, as it was when it was found. A file is opened on the thread that reads
/// it, since its file system may block for any time.
pub(crate) fn open(
    split: &Split,
    of: Range<u64>,
    clients: &Clients,
    report: &Arc<Report>,
) -> io::Result<Stored> {
    match &split.object {
        Object::File { path } => {
            let found = split.etag.parse().map_err(io::Error::other)?;
            Ok(Stored { bytes: Box::new(Later::new(path, of, found)), fetching: None })
        }
        Object::S3 { bucket, key } => {
            let object = InS3 {
                bucket: bucket.clone(),
                key: key.clone(),
                etag: Some(split.etag.clone()).filter(|etag| !etag.is_empty()),
                clients: clients.clone(),
                report: report.clone(),
            };
            let (begin, end) = (of.start, split.stored.end.clamp(of.start, of.end));
            let rest = object.clone();
            let (range, fetching) = ranges(begin..end, AHEAD, move |range| object.clone().get(range));
            let (rest, fetching_rest) =
                ranges(end..of.end, AHEAD_OF_END, move |range| rest.clone().get(range));
            let fetching = async {
                fetching.await;
                fetching_rest.await;
            };
            Ok(Stored { bytes: Box::new(range.chain(rest)), fetching: Some(Box::pin(fetching)) })
        }
    }
}

/// Bytes of a file that is opened at the first read.
struct Later {
    path: PathBuf,
    of: Range<u64>,
    found: Fingerprint,
    opened: Option<BufReader<Take<Unchanged>>>,
}

impl Later {
    fn new(path: &Path, of: Range<u64>, found: Fingerprint) -> Self {
        Self { path: path.into(), of, found, opened: None }
    }

    fn opened(&mut self) -> io::Result<&mut BufReader<Take<Unchanged>>> {
        let Self { path, of, found, opened } = self;
        if let Some(reader) = opened {
            return Ok(reader);
        }
        let mut file = Unchanged::open(path, *found)?;
        file.seek(SeekFrom::Start(of.start))?;
        let range = file.take(of.end.saturating_sub(of.start));
        Ok(opened.insert(BufReader::with_capacity(BUFFER_BYTES, range)))
    }
}

impl Read for Later {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.opened()?.read(buffer)
    }
}

impl BufRead for Later {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.opened()?.fill_buf()
    }

    fn consume(&mut self, len: usize) {
        if let Some(reader) = &mut self.opened {
            reader.consume(len);
        }
    }
}

#[derive(Clone)]
struct InS3 {
    bucket: String,
    key: String,
    etag: Option<String>,
    clients: Clients,
    report: Arc<Report>,
}

impl InS3 {
    /// Retries as long as that may help: the coordinator decides when it has taken too long.
    async fn get(self, range: Range<u64>) -> Result<bytes::Bytes, job_aws::Fault> {
        let Self { bucket, key, etag, clients, report } = self;
        let address = &clients.s3_address;
        let mut failures = 0;
        loop {
            let got = job_aws::get_range(&clients.s3, address, &bucket, &key, etag.as_deref(), range.clone());
            match got.await {
                Err(fault) if fault.is_retryable() => {
                    failures += 1;
                    report.retry(&fault);
                    tokio::time::sleep(backoff(failures, rand::random())).await;
                }
                got => return got,
            }
        }
    }
}

/// Computes a checksum of the bytes of a source while they are read.
pub(crate) struct ChecksumReader<R> {
    source: R,
    sum: Arc<Mutex<Sum>>,
}

/// The checksum of what was read so far.
pub(crate) struct Sum {
    bytes: u64,
    hash: Hash,
}

enum Hash {
    None,
    Crc32c(u32),
    Md5(Md5),
}

impl<R: BufRead> ChecksumReader<R> {
    /// Reads `source` for comparison with `checksum`.
    pub(crate) fn new(source: R, checksum: Option<Checksum>) -> (Self, Arc<Mutex<Sum>>) {
        let hash = match checksum {
            None => Hash::None,
            Some(Checksum::Crc32c(_)) => Hash::Crc32c(0),
            Some(Checksum::Md5(_)) => Hash::Md5(Md5::new()),
        };
        let sum = Arc::new(Mutex::new(Sum { bytes: 0, hash }));
        (Self { source, sum: sum.clone() }, sum)
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
        self.source.fill_buf()
    }

    fn consume(&mut self, len: usize) {
        if len == 0 {
            return;
        }
        let mut sum = self.sum.lock().unwrap_or_else(PoisonError::into_inner);
        sum.bytes += len as u64;
        if !matches!(sum.hash, Hash::None)
            && let Ok(buffer) = self.source.fill_buf()
        {
            sum.hash.update(&buffer[..len.min(buffer.len())]);
        }
        self.source.consume(len);
    }
}

impl Hash {
    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::None => {}
            Self::Crc32c(crc) => *crc = crc32c::crc32c_append(*crc, bytes),
            Self::Md5(md5) => md5.update(bytes),
        }
    }
}

impl Sum {
    /// Checks that `expected` bytes with this checksum have been read.
    ///
    /// # Errors
    /// Fails if that is not so; the error says what is wrong.
    pub(crate) fn check(&mut self, expected: u64, checksum: Option<Checksum>) -> Result<(), String> {
        if self.bytes != expected {
            return Err(format!("only {} of {expected} bytes could be read", self.bytes));
        }
        let (is, recorded) = match (&self.hash, checksum) {
            (Hash::Crc32c(is), Some(Checksum::Crc32c(recorded))) => {
                (format!("CRC-32C {is:08x}"), format!("{recorded:08x}"))
            }
            (Hash::Md5(is), Some(Checksum::Md5(recorded))) => {
                (format!("MD5 {}", hex(&is.clone().finalize().into())), hex(&recorded))
            }
            _ => return Ok(()),
        };
        if is.ends_with(&recorded) {
            return Ok(());
        }
        Err(format!("is damaged: it has {is}, but {recorded} is recorded"))
    }
}

fn hex(md5: &[u8; 16]) -> String {
    format!("{:032x}", u128::from_be_bytes(*md5))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summed(checksum: Checksum) -> Result<(), String> {
        let (mut source, sum) = ChecksumReader::new(&b"123456789"[..], Some(checksum));
        let mut first = [0; 4];
        source.read_exact(&mut first).unwrap();
        io::copy(&mut source, &mut io::sink()).unwrap();
        sum.lock().unwrap().check(9, Some(checksum))
    }

    /// With the check values of both algorithms.
    #[test]
    fn what_is_read_in_pieces_is_summed_up_whole() {
        let md5 =
            [0x25, 0xf9, 0xe7, 0x94, 0x32, 0x3b, 0x45, 0x38, 0x85, 0xf5, 0x18, 0x1f, 0x1b, 0x62, 0x4d, 0x0b];
        assert_eq!(summed(Checksum::Crc32c(0xe306_9283)), Ok(()));
        assert_eq!(summed(Checksum::Md5(md5)), Ok(()));
        let wrong = summed(Checksum::Crc32c(1)).unwrap_err();
        assert_eq!(wrong, "is damaged: it has CRC-32C e3069283, but 00000001 is recorded");
        assert!(summed(Checksum::Md5([0; 16])).is_err());
    }

    #[test]
    fn what_is_not_read_to_its_end_is_no_whole() {
        let (mut source, sum) = ChecksumReader::new(&b"123456789"[..], None);
        source.consume(8);
        assert!(sum.lock().unwrap().check(9, None).is_err());
    }

    #[test]
    fn a_range_of_a_file_is_read_only_while_the_file_is_the_one_that_was_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        std::fs::write(&path, b"0123456789").unwrap();
        let found = Fingerprint::of(&path.metadata().unwrap(), true);
        let read = || io::read_to_string(Later::new(&path, 3..7, found));
        assert_eq!(read().unwrap(), "3456");
        std::fs::write(&path, b"012345678").unwrap();
        assert!(read().unwrap_err().to_string().contains("its length differs"));
        std::fs::remove_file(&path).unwrap();
        assert_eq!(read().unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
