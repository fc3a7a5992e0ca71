//! The part files of a job: which worker fills which file, and which upload parts are sealed.

use job::{
    control::SealedPart,
    export_json::{self, UploadPart},
    ids::{FileId, JobId, UploadId, WorkerId},
    journal::OpenedFile,
    layout::{self, PartName},
    spec::{Compression, MAX_UPLOAD_PARTS, MIN_UPLOAD_PART_BYTES},
};

use crate::rejection::PartRejection;

/// File numbers are below this. A job aims at 20,000 files and a few for each worker; a forged journal must not make
/// the coordinator allocate billions.
const MAX_FILES: u32 = 1 << 22;
/// The largest upload part (Amazon S3 User Guide, "Amazon S3 multipart upload limits").
const MAX_PART_BYTES: u64 = 5 << 30;
/// More lines, or bytes of lines, than a part can hold. The bound keeps sums of them within their types.
const MAX_IN_PART: u64 = 1 << 40;

/// A part file, as far as it is known to be durable.
#[derive(Clone, Debug)]
pub struct PartFile {
    /// Its number.
    pub id: FileId,
    /// Its name in the folder.
    pub name: PartName,
    /// S3's id of the multipart upload, or a file system's equivalent. `None` until the file is opened.
    pub upload_id: Option<UploadId>,
    /// The worker that fills it.
    pub worker: WorkerId,
    /// The accepted parts, in order.
    pub parts: Vec<SealedPart>,
    /// Whether no more parts are accepted.
    closed: bool,
    /// Whether it is fenced: only its sealed parts can end up in it, whatever its worker still does.
    fenced: bool,
}

impl PartFile {
    fn new(id: FileId, name: PartName, worker: WorkerId) -> Self {
        Self { id, name, upload_id: None, worker, parts: Vec::new(), closed: false, fenced: false }
    }

    /// Whether no worker fills it any more, but the last one might still write to it.
    pub fn needs_fence(&self) -> bool {
        self.upload_id.is_some() && !self.fenced && !self.is_full()
    }

    /// Whether its last part is sealed, so that its worker writes nothing more to it.
    pub fn is_full(&self) -> bool {
        self.parts.last().is_some_and(|part| part.last)
    }

    /// Whether only its sealed parts can end up in it.
    pub fn is_fenced(&self) -> bool {
        self.fenced
    }

    /// Its size as stored.
    pub fn bytes(&self) -> u64 {
        self.parts.iter().map(|part| part.bytes).sum()
    }

    /// The size of its lines before compression.
    pub fn line_bytes(&self) -> u64 {
        self.parts.iter().map(|part| part.line_bytes).sum()
    }

    /// The items in all its parts.
    pub fn items(&self) -> u64 {
        self.parts.iter().map(|part| part.items).sum()
    }

    /// The CRC-32C of its sealed bytes.
    pub fn crc32c(&self) -> u32 {
        let combine = |crc, part: &SealedPart| {
            crc32c::crc32c_combine(crc, part.crc32c, usize::try_from(part.bytes).unwrap_or(usize::MAX))
        };
        self.parts.iter().fold(0, combine)
    }

    /// Its entry in export.json.
    pub fn recorded(&self) -> export_json::PartFile {
        let parts = self.parts.iter().map(|&SealedPart { bytes, line_bytes, items, crc32c, .. }| {
            UploadPart { bytes, line_bytes, items, crc32c: format!("{crc32c:08x}") }
        });
        export_json::PartFile {
            name: self.name.clone(),
            items: self.items(),
            bytes: self.bytes(),
            crc32c: format!("{:08x}", self.crc32c()),
            parts: parts.collect(),
        }
    }
}

/// All part files of a job, by number.
pub struct PartFiles {
    job: JobId,
    compression: Compression,
    /// Whether the files are on a file system. S3 refuses small parts except as the last of an upload; a file system
    /// does not. On a file system the upload id is part of a path.
    on_file_system: bool,
    files: Vec<PartFile>,
}

/// The placeholder owner for files of earlier runs.
const EARLIER_RUN: WorkerId = WorkerId(0);

impl PartFiles {
    /// No files yet.
    pub fn new(job: JobId, compression: Compression, on_file_system: bool) -> Self {
        Self { job, compression, on_file_system, files: Vec::new() }
    }

    /// All files, in the order of their numbers.
    pub fn all(&self) -> &[PartFile] {
        &self.files
    }

    /// A new file for `worker`. Workers never share a file, nor do attempts.
    pub fn assign(&mut self, worker: WorkerId) -> &PartFile {
        let id = self.next();
        let name = layout::part_file(&self.job, id, self.compression);
        self.files.push(PartFile::new(id, name, worker));
        &self.files[id.0 as usize]
    }

    fn next(&self) -> FileId {
        FileId(u32::try_from(self.files.len()).unwrap_or(u32::MAX))
    }

    /// Adds a file that the journal says was opened. Files with lower numbers that the journal omits got no part.
    pub(crate) fn replay(&mut self, opened: OpenedFile) -> Result<(), PartRejection> {
        if opened.file.0 >= MAX_FILES {
            return Err(PartRejection::TooMany(opened.file));
        }
        // A resumed run opens, renames and removes files by this name.
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

    /// Ends the replay. It closes all files: the workers that filled them can send nothing more.
    pub(crate) fn settle(&mut self) {
        self.files.iter_mut().for_each(|file| file.closed = true);
    }

    /// Marks a file as fenced: only its sealed parts can end up in it.
    pub(crate) fn fenced(&mut self, file: FileId) -> Result<(), PartRejection> {
        let file = self.files.get_mut(file.0 as usize).ok_or(PartRejection::NotYours(file))?;
        (file.closed, file.fenced) = (true, true);
        Ok(())
    }

    /// Records that the upload of a file is open. Returns the file, which says whose it is.
    pub fn opened(&mut self, file: FileId, upload_id: UploadId) -> Option<&PartFile> {
        let file = self.files.get_mut(file.0 as usize)?;
        file.upload_id = Some(upload_id);
        Some(file)
    }

    /// Checks that `part` is the next one of its file and that `worker` fills that file.
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

    /// Checks that `part` is the next one of an open file. Returns the worker that fills the file.
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
        if self.compression == Compression::None && part.bytes != part.line_bytes {
            let SealedPart { number, bytes, line_bytes, .. } = *part;
            return Err(PartRejection::OtherLength { file: id, number, bytes, line_bytes });
        }
        Ok(file.worker)
    }

    /// Adds a part that passed `check`.
    pub fn apply(&mut self, part: SealedPart) {
        let file = &mut self.files[part.file.0 as usize];
        file.closed = part.last;
        file.parts.push(part);
    }

    /// Closes the files of a lost worker: its sealed parts stay, and no more are accepted. Returns the files that were
    /// still being filled.
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
