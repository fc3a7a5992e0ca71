//! The part files of a job: who fills which, and which upload parts of it are sealed. A core.

use job::{
    control::SealedPart,
    export_json::{self, UploadPart},
    ids::{FileId, JobId, WorkerId},
    journal::OpenedFile,
    layout,
    spec::{Compression, MAX_UPLOAD_PARTS, MIN_UPLOAD_PART_BYTES},
};

/// Why a sealed part is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PartRejection {
    #[error("file {0} is not this worker's")]
    NotYours(FileId),
    #[error("file {0} is opened twice")]
    Twice(FileId),
    #[error("file {0} is closed")]
    Closed(FileId),
    #[error("file {file}: part {number} where part {expected} is due")]
    OutOfOrder { file: FileId, number: u32, expected: u32 },
    #[error("file {file}: part {number} of {bytes} bytes is too small to be followed by another")]
    TooSmall { file: FileId, number: u32, bytes: u64 },
}

/// A part file as far as it is known to be durable.
#[derive(Clone, Debug)]
pub struct PartFile {
    /// Its number.
    pub id: FileId,
    /// In the folder.
    pub name: String,
    /// S3's id of the multipart upload; empty on a file system; absent until it is opened.
    pub upload_id: Option<String>,
    /// Who fills it.
    pub worker: WorkerId,
    /// Accepted, in order.
    pub parts: Vec<SealedPart>,
    /// No part is taken any more.
    closed: bool,
    /// Nothing but its parts can reach it any more, whatever its worker still does.
    fenced: bool,
}

impl PartFile {
    fn new(id: FileId, name: String, worker: WorkerId) -> Self {
        Self { id, name, upload_id: None, worker, parts: Vec::new(), closed: false, fenced: false }
    }

    /// Nobody fills it any more, but whoever did might still write to it.
    pub fn needs_fence(&self) -> bool {
        let is_full = self.parts.last().is_some_and(|part| part.last);
        self.upload_id.is_some() && !self.fenced && !is_full
    }

    /// Nothing but its parts can reach it any more.
    pub fn is_fenced(&self) -> bool {
        self.fenced
    }

    /// As stored.
    pub fn bytes(&self) -> u64 {
        self.parts.iter().map(|part| part.bytes).sum()
    }

    /// Before compression.
    pub fn line_bytes(&self) -> u64 {
        self.parts.iter().map(|part| part.line_bytes).sum()
    }

    /// In all its parts.
    pub fn items(&self) -> u64 {
        self.parts.iter().map(|part| part.items).sum()
    }

    /// As export.json records it.
    pub fn recorded(&self) -> export_json::PartFile {
        let combine = |crc, part: &SealedPart| {
            crc32c::crc32c_combine(crc, part.crc32c, usize::try_from(part.bytes).unwrap_or(usize::MAX))
        };
        let parts = self.parts.iter().map(|&SealedPart { bytes, line_bytes, items, crc32c, .. }| {
            UploadPart { bytes, line_bytes, items, crc32c: format!("{crc32c:08x}") }
        });
        export_json::PartFile {
            name: self.name.clone(),
            items: self.items(),
            bytes: self.bytes(),
            crc32c: format!("{:08x}", self.parts.iter().fold(0, combine)),
            parts: parts.collect(),
        }
    }
}

/// All part files of a job, by number.
pub(crate) struct PartFiles {
    job: JobId,
    compression: Compression,
    /// S3 refuses small parts in the middle of an upload; a file system does not.
    small_parts_allowed: bool,
    files: Vec<PartFile>,
}

/// Who filled the files of an earlier run: nobody that there is.
const NOBODY: WorkerId = WorkerId(0);

impl PartFiles {
    pub(crate) fn new(job: JobId, compression: Compression, small_parts_allowed: bool) -> Self {
        Self { job, compression, small_parts_allowed, files: Vec::new() }
    }

    pub(crate) fn all(&self) -> &[PartFile] {
        &self.files
    }

    /// A new file for `worker`; no two workers, and no two attempts, ever share one.
    pub(crate) fn assign(&mut self, worker: WorkerId) -> &PartFile {
        let id = self.next();
        let name = layout::part_file(&self.job, id, self.compression);
        self.files.push(PartFile::new(id, name, worker));
        &self.files[id.0 as usize]
    }

    fn next(&self) -> FileId {
        FileId(u32::try_from(self.files.len()).unwrap_or(u32::MAX))
    }

    /// A file that was opened before, by a journal. Those before it that it does not know got no part.
    pub(crate) fn replay(&mut self, opened: OpenedFile) -> Result<(), PartRejection> {
        while self.next() <= opened.file {
            let unknown = self.assign(NOBODY).id;
            self.files[unknown.0 as usize].closed = true;
        }
        let file = &mut self.files[opened.file.0 as usize];
        if file.upload_id.is_some() {
            return Err(PartRejection::Twice(opened.file));
        }
        file.name = opened.name;
        file.upload_id = Some(opened.upload_id);
        file.closed = false;
        Ok(())
    }

    /// Everything of a journal has been replayed: who filled these files then is not heard any more.
    pub(crate) fn settle(&mut self) {
        self.files.iter_mut().for_each(|file| file.closed = true);
    }

    /// Nothing can reach a file any more but its parts.
    pub(crate) fn fenced(&mut self, file: FileId) -> Result<(), PartRejection> {
        let file = self.files.get_mut(file.0 as usize).ok_or(PartRejection::NotYours(file))?;
        (file.closed, file.fenced) = (true, true);
        Ok(())
    }

    /// Its upload is open. Returns whose it is.
    pub(crate) fn opened(&mut self, file: FileId, upload_id: String) -> Option<&PartFile> {
        let file = self.files.get_mut(file.0 as usize)?;
        file.upload_id = Some(upload_id);
        Some(file)
    }

    /// Whether `part` is the one that is due.
    pub(crate) fn check(&self, worker: WorkerId, part: &SealedPart) -> Result<(), PartRejection> {
        let id = part.file;
        if self.check_number(part)? != worker {
            return Err(PartRejection::NotYours(id));
        }
        if !part.last && part.bytes < MIN_UPLOAD_PART_BYTES && !self.small_parts_allowed {
            return Err(PartRejection::TooSmall { file: id, number: part.number, bytes: part.bytes });
        }
        Ok(())
    }

    /// Whether `part` is the next one of a file that is open; gives whose that is.
    pub(crate) fn check_number(&self, part: &SealedPart) -> Result<WorkerId, PartRejection> {
        let id = part.file;
        let file = self.files.get(id.0 as usize).filter(|file| file.upload_id.is_some());
        let file = file.ok_or(PartRejection::NotYours(id))?;
        if file.closed {
            return Err(PartRejection::Closed(id));
        }
        let expected = u32::try_from(file.parts.len()).unwrap_or(u32::MAX).saturating_add(1);
        if part.number != expected || expected > MAX_UPLOAD_PARTS {
            return Err(PartRejection::OutOfOrder { file: id, number: part.number, expected });
        }
        Ok(file.worker)
    }

    /// Takes a part that [`check`](Self::check) let through.
    pub(crate) fn apply(&mut self, part: SealedPart) {
        let file = &mut self.files[part.file.0 as usize];
        file.closed = part.last;
        file.parts.push(part);
    }

    /// Closes the files of a lost worker: what it had sealed stays, nothing more is taken. Returns
    /// those that were still being filled.
    pub(crate) fn close_of(&mut self, worker: WorkerId) -> Vec<FileId> {
        let open = self.files.iter_mut().filter(|file| file.worker == worker && !file.closed);
        open.map(|file| {
            file.closed = true;
            file.id
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: WorkerId = WorkerId(1);

    fn part(number: u32, bytes: u64, last: bool) -> SealedPart {
        SealedPart {
            file: FileId(0),
            number,
            etag: String::new(),
            crc32c: 0,
            bytes,
            items: 1,
            line_bytes: bytes,
            last,
        }
    }

    fn one_open_file() -> PartFiles {
        let mut files = PartFiles::new(JobId("job".into()), Compression::None, false);
        files.assign(A);
        files.opened(FileId(0), "upload".into());
        files
    }

    #[test]
    fn parts_come_in_order_from_their_worker_only() {
        let mut files = one_open_file();
        let big = MIN_UPLOAD_PART_BYTES;
        assert!(matches!(files.check(WorkerId(2), &part(1, big, false)), Err(PartRejection::NotYours(_))));
        assert!(files.all()[0].needs_fence(), "until its last part it can be written to");
        assert!(matches!(files.check(A, &part(2, big, false)), Err(PartRejection::OutOfOrder { .. })));
        assert!(matches!(files.check(A, &part(1, big - 1, false)), Err(PartRejection::TooSmall { .. })));
        assert_eq!(files.check(A, &part(1, big, false)), Ok(()));
        files.apply(part(1, big, false));
        assert_eq!(files.check(A, &part(2, 1, true)), Ok(()), "the last part may be small");
        files.apply(part(2, 1, true));
        assert!(!files.all()[0].needs_fence());
        assert!(matches!(files.check(A, &part(3, big, true)), Err(PartRejection::Closed(_))));
        assert_eq!((files.all()[0].bytes(), files.all()[0].items()), (big + 1, 2));
    }

    #[test]
    fn nothing_is_taken_into_the_files_of_a_lost_worker() {
        let mut files = one_open_file();
        files.apply(part(1, MIN_UPLOAD_PART_BYTES, false));
        assert_eq!(files.close_of(A), [FileId(0)]);
        assert!(matches!(files.check(A, &part(2, 1, true)), Err(PartRejection::Closed(_))));
        assert_eq!(files.all()[0].parts.len(), 1);
        assert!(files.close_of(A).is_empty());
    }

    #[test]
    fn files_of_an_earlier_run_keep_their_parts_and_take_no_more() {
        let mut files = PartFiles::new(JobId("job".into()), Compression::None, false);
        let opened = |file, upload_id: &str| OpenedFile {
            file: FileId(file),
            name: format!("job_{file:06}"),
            upload_id: upload_id.into(),
        };
        files.replay(opened(1, "b")).unwrap();
        files.replay(opened(0, "a")).unwrap();
        assert!(matches!(files.replay(opened(0, "c")), Err(PartRejection::Twice(_))));
        files.check_number(&part(1, 9, false)).unwrap();
        files.apply(part(1, 9, false));
        files.settle();
        assert!(matches!(files.check(NOBODY, &part(2, 9, true)), Err(PartRejection::Closed(_))));
        assert!(files.all()[0].needs_fence());
        files.fenced(FileId(0)).unwrap();
        assert!(!files.all()[0].needs_fence());
        assert_eq!(files.assign(A).id, FileId(2), "numbers go on");
    }

    #[test]
    fn a_file_is_recorded_with_its_parts_and_their_checksums() {
        let mut files = one_open_file();
        let (first, second) = (b"{}\n{}\n".as_slice(), b"{}\n".as_slice());
        for (number, bytes) in [(1, first), (2, second)] {
            let crc32c = crc32c::crc32c(bytes);
            files.apply(SealedPart { crc32c, ..part(number, bytes.len() as u64, number == 2) });
        }
        let file = files.all()[0].recorded();
        assert_eq!(file.crc32c, format!("{:08x}", crc32c::crc32c(&[first, second].concat())));
        let parts: Vec<_> = file.parts.iter().map(|part| (part.bytes, part.crc32c.as_str())).collect();
        let crc32c = |bytes| format!("{:08x}", crc32c::crc32c(bytes));
        assert_eq!(parts, [(6, crc32c(first).as_str()), (3, crc32c(second).as_str())]);
    }
}
