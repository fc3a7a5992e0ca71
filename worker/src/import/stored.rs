//! The stored bytes of a split, from a file or an object in S3.

use std::{
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Take},
    ops::Range,
    path::{Path, PathBuf},
    pin::Pin,
    sync::Arc,
};

use files::Unchanged;
use job::{
    fingerprint::{Fingerprint, FingerprintError},
    object::Object,
    split::Split,
};
use job_aws::{Ahead, Clients, Policy, ranges, retry};

use crate::{
    report::Report,
    store_wait::{StoreWait, Timed},
};

/// For an object in S3: one range in hand, two in flight.
const IMPORT_AHEAD: Ahead = Ahead { range_bytes: 1024 * 1024, ranges: 2 };
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
///
/// # Errors
/// Fails if the split is of a file and has no fingerprint of it.
pub(crate) fn open(
    split: &Split,
    of: Range<u64>,
    clients: &Clients,
    report: &Arc<Report>,
) -> Result<Stored, FingerprintError> {
    match &split.object {
        Object::File { path } => {
            let found = split.etag.parse()?;
            Ok(Stored { bytes: Box::new(Later::new(path, of, found, report.store_wait())), fetching: None })
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
            let (range, fetching) = ranges(begin..end, IMPORT_AHEAD, move |range| object.clone().get(range));
            let (rest, fetching_rest) =
                ranges(end..of.end, AHEAD_OF_END, move |range| rest.clone().get(range));
            let fetching = async {
                fetching.await;
                fetching_rest.await;
            };
            let [range, rest] = [range, rest].map(|bytes| Timed::new(bytes, report.store_wait().clone()));
            Ok(Stored { bytes: Box::new(range.chain(rest)), fetching: Some(Box::pin(fetching)) })
        }
    }
}

/// Bytes of a file that is opened at the first read.
struct Later {
    path: PathBuf,
    of: Range<u64>,
    found: Fingerprint,
    opened: Option<BufReader<Timed<Take<Unchanged>>>>,
    wait: Arc<StoreWait>,
}

impl Later {
    fn new(path: &Path, of: Range<u64>, found: Fingerprint, wait: &Arc<StoreWait>) -> Self {
        Self { path: path.into(), of, found, opened: None, wait: wait.clone() }
    }

    fn opened(&mut self) -> io::Result<&mut BufReader<Timed<Take<Unchanged>>>> {
        let Self { path, of, found, opened, wait } = self;
        if let Some(reader) = opened {
            return Ok(reader);
        }
        let _wait = wait.wait();
        let mut file = Unchanged::open(path, *found)?;
        file.seek(SeekFrom::Start(of.start))?;
        let range = file.take(of.end.saturating_sub(of.start));
        let range = Timed::new(range, wait.clone());
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
    async fn get(self, range: Range<u64>) -> Result<bytes::Bytes, job_aws::Fault> {
        let Self { bucket, key, etag, clients, report } = self;
        let address = &clients.s3_address;
        let get = || job_aws::get_range(&clients.s3, address, &bucket, &key, etag.as_deref(), range.clone());
        retry(Policy::Endless, |fault| report.retry(fault), get).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_of_a_file_is_read_only_while_the_file_is_the_one_that_was_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        std::fs::write(&path, b"0123456789").unwrap();
        let found = Fingerprint::of(&path.metadata().unwrap(), true);
        let read = || io::read_to_string(Later::new(&path, 3..7, found, &Arc::default()));
        assert_eq!(read().unwrap(), "3456");
        std::fs::write(&path, b"012345678").unwrap();
        assert!(read().unwrap_err().to_string().contains("its length differs"));
        std::fs::remove_file(&path).unwrap();
        assert_eq!(read().unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
