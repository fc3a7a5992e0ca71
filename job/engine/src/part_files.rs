//! The part files of a job: who fills which, and which upload parts of it are sealed.

use job::{
    control::SealedPart,
    export_json::{self, UploadPart},
    ids::{FileId, JobId, UploadId, WorkerId},
    journal::OpenedFile,
    layout::{self, PartName},
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
    #[error("file {0} has a name that this job gives no file")]
    Misnamed(FileId),
    #[error("file {0}: its upload id can't be part of a hidden name")]
    UploadId(FileId),
    #[error("file {0}: no job has that many files")]
    TooMany(FileId),
    #[error("file {file}: part {number} is larger than any part")]
    TooLarge { file: FileId, number: u32 },
}

/// A job's files are numbered below this. It aims at 20,000 and some for each worker; a forged journal shall not have
/// room made for billions.
const MAX_FILES: u32 = 1 << 22;
/// The longest upload part (Amazon S3 User Guide, "Amazon S3 multipart upload limits").
const MAX_PART_BYTES: u64 = 5 << 30;
/// More lines, or bytes of lines, than any part holds: so sums of them fit their types.
const MAX_IN_PART: u64 = 1 << 40;

/// A part file as far as it is known to be durable.
#[derive(Clone, Debug)]
pub struct PartFile {
    /// Its number.
    pub id: FileId,
    /// In the folder.
    pub name: PartName,
    /// S3's id of the multipart upload, or what a file system has in its place; absent until it is opened.
    pub upload_id: Option<UploadId>,
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
    fn new(id: FileId, name: PartName, worker: WorkerId) -> Self {
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
pub struct PartFiles {
    job: JobId,
    compression: Compression,
    /// S3 refuses small parts in the middle of an upload; a file system does not. There an upload id is part of a path.
    on_file_system: bool,
    files: Vec<PartFile>,
}

/// Who filled the files of an earlier run: nobody that there is.
const EARLIER_RUN: WorkerId = WorkerId(0);

impl PartFiles {
    /// None yet.
    pub fn new(job: JobId, compression: Compression, on_file_system: bool) -> Self {
        Self { job, compression, on_file_system, files: Vec::new() }
    }

    /// In the order of their numbers.
    pub fn all(&self) -> &[PartFile] {
        &self.files
    }

    /// A new file for `worker`; no two workers, and no two attempts, ever share one.
    pub fn assign(&mut self, worker: WorkerId) -> &PartFile {
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
        if opened.file.0 >= MAX_FILES {
            return Err(PartRejection::TooMany(opened.file));
        }
        // A run that resumes opens, renames and removes files of that name.
        if opened.name != layout::part_file(&self.job, opened.file, self.compression) {
            return Err(PartRejection::Misnamed(opened.file));
        }
        if self.on_file_system && layout::hidden(&opened.name, &opened.upload_id).is_none() {
            return Err(PartRejection::UploadId(opened.file));
        }
        while self.next() <= opened.file {
            let unknown = self.assign(EARLIER_RUN).id;
            self.files[unknown.0 as usize].closed = true;
        }
        let file = &mut self.files[opened.file.0 as usize];
        if file.upload_id.is_some() {
            return Err(PartRejection::Twice(opened.file));
        }
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
    pub fn opened(&mut self, file: FileId, upload_id: UploadId) -> Option<&PartFile> {
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
        if !part.last && part.bytes < MIN_UPLOAD_PART_BYTES && !self.on_file_system {
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
        if part.bytes > MAX_PART_BYTES || part.items.max(part.line_bytes) > MAX_IN_PART {
            return Err(PartRejection::TooLarge { file: id, number: part.number });
        }
        Ok(file.worker)
    }

    /// Takes a part that [`check`](Self::check) let through.
    pub fn apply(&mut self, part: SealedPart) {
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
mod tests;
