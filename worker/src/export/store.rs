//! Makes upload parts durable, in a multipart upload in S3 or a hidden file in a folder.
//!
//! Nothing is completed here; only the coordinator makes files visible.

mod s3;

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use engine::worker::upload_sequencer::{AssignedFile, Stored};
use job::{fingerprint::Fingerprint, ids::FileId, target::Target};
use job_aws::{Clients, Fault};

use super::ExportError;
use crate::{breakdown::Breakdown, report::Report};
use s3::S3;

/// Parts in flight to S3 at once. In a folder, one part is written after the other.
const MAX_UPLOADS: usize = 3;

/// Where upload parts are stored.
pub(crate) enum Store {
    S3(Box<S3>),
    Folder(ExportFolder),
}

impl Store {
    pub(crate) fn of(target: &Target, clients: &Clients) -> Self {
        match target {
            Target::S3 { bucket, .. } => {
                let (bucket, target, clients) = (bucket.clone(), target.clone(), clients.clone());
                Self::S3(Box::new(S3::new(bucket, target, clients)))
            }
            Target::File { dir } => Self::Folder(ExportFolder { dir: dir.clone(), open: Arc::default() }),
        }
    }

    /// How many parts may be written at once.
    pub(crate) fn max_writing(&self) -> usize {
        match self {
            Self::S3(_) => MAX_UPLOADS,
            Self::Folder(_) => 1,
        }
    }

    /// Writes a part and returns its entity tag: on a file system, the [`Fingerprint`] of the file after the part.
    /// Transient faults are retried.
    pub(crate) async fn write(
        &self,
        file: &AssignedFile,
        number: u32,
        stored: Stored<Bytes>,
        report: &Report,
    ) -> Result<String, ExportError> {
        match self {
            Self::S3(s3) => s3.upload(file, number, &stored, report).await,
            Self::Folder(folder) => folder.append(file, number, stored.bytes).await,
        }
    }
}

/// A folder of a file system. Its files are hidden until the coordinator renames them.
pub(crate) struct ExportFolder {
    dir: PathBuf,
    open: Arc<Mutex<Option<OpenFile>>>,
}

/// The file that parts are appended to.
struct OpenFile {
    id: FileId,
    file: File,
    path: PathBuf,
    /// The bytes written so far.
    bytes: u64,
}

impl ExportFolder {
    async fn append(&self, file: &AssignedFile, number: u32, bytes: Bytes) -> Result<String, ExportError> {
        let hidden = job::layout::hidden(&file.name, &file.upload_id);
        let path = self.dir.join(hidden.ok_or_else(|| ExportError::NoHiddenName(file.name.clone()))?);
        let (open, id) = (self.open.clone(), file.file);
        let written = tokio::task::spawn_blocking(move || {
            let cannot = |action: &'static str| {
                let path = &path;
                move |error| Fault::of_file(action, path, error)
            };
            let mut open = open.lock().unwrap_or_else(PoisonError::into_inner);
            if number == 1 {
                // Never an existing file: what a lost worker left behind belongs to the coordinator, and a planted link
                // of that name is not followed (open(2), O_EXCL).
                let new = OpenOptions::new().append(true).create_new(true).open(&path);
                let new = new.map_err(cannot("create"))?;
                hold(&new).map_err(cannot("lock"))?;
                *open = Some(OpenFile { id, file: new, path: path.clone(), bytes: 0 });
                sync_folder_of(&path).map_err(cannot("create"))?;
            }
            let open = open.as_mut().filter(|open| open.id == id).ok_or(ExportError::NotOpen)?;
            Ok::<_, ExportError>(open.append(&bytes).map_err(cannot("write"))?)
        });
        Ok(written.await.map_err(Breakdown::of("a write"))??.to_string())
    }
}

impl OpenFile {
    /// Appends bytes. They are durable when this returns: what is reported is journaled, so it must survive the loss of
    /// the machine. Returns the fingerprint of the file with them.
    ///
    /// # Errors
    /// Fails if the bytes can't be written, and if another process has cut, extended or replaced the file.
    fn append(&mut self, bytes: &[u8]) -> io::Result<Fingerprint> {
        self.check()?;
        self.file.write_all(bytes)?;
        self.file.sync_data()?;
        self.bytes += bytes.len() as u64;
        // Bytes go to the end of the file, so a file that was cut since the last check has a wrong length now. It is
        // emptied: a coordinator that resumes the export must not take the bytes for those that were sealed.
        self.check().inspect_err(|_| self.empty_if_cut())
    }

    fn empty_if_cut(&self) {
        let is_cut = self.file.metadata().is_ok_and(|metadata| metadata.len() < self.bytes);
        // If that fails, the error of the check is reported all the same.
        if is_cut && self.file.set_len(0).is_ok() {
            let _ = self.file.sync_all();
        }
    }

    fn check(&self) -> io::Result<Fingerprint> {
        let open = self.file.metadata()?;
        if open.len() != self.bytes {
            return Err(io::Error::other(format!(
                "it has {} bytes, expected {}: another process changed it",
                open.len(),
                self.bytes
            )));
        }
        let there = fs::symlink_metadata(&self.path);
        if there.is_ok_and(|there| (there.dev(), there.ino()) == (open.dev(), open.ino())) {
            return Ok(Fingerprint::of(&open, true));
        }
        Err(io::Error::other("it is no longer the file that was created there: another process replaced it"))
    }
}

/// Locks a file while this worker has it open for filling. A coordinator that gets the lock knows that no worker writes
/// to the file any more. Where locks are not supported, the coordinator will not get one either.
fn hold(file: &File) -> io::Result<()> {
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Err(io::Error::other("another process has it")),
        Ok(()) | Err(TryLockError::Error(_)) => Ok(()),
    }
}

/// Syncs the folder of a file: the name of a file is durable once its folder is.
fn sync_folder_of(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

#[cfg(test)]
mod tests {
    use super::*;
    use job::{
        ids::JobId,
        layout::{hidden, part_file},
        spec::Compression,
    };

    #[tokio::test]
    async fn parts_are_appended_to_a_hidden_file_that_must_be_new() {
        let dir = tempfile::tempdir().unwrap();
        let folder = || ExportFolder { dir: dir.path().into(), open: Arc::default() };
        let file = a_file();
        let first = folder();
        first.append(&file, 1, Bytes::from("a\n")).await.unwrap();
        first.append(&file, 2, Bytes::from("b\n")).await.unwrap();
        let path = dir.path().join(hidden(&file.name, &file.upload_id).unwrap());
        assert_eq!(std::fs::read(&path).unwrap(), b"a\nb\n");
        let other = File::options().write(true).open(&path).unwrap();
        assert!(
            matches!(other.try_lock(), Err(TryLockError::WouldBlock)),
            "it is seen that it is being filled"
        );
        let refused = folder().append(&file, 1, Bytes::from("c\n")).await.unwrap_err();
        assert!(refused.to_string().contains(&*file.name), "{refused}");
        drop(first);
        other.try_lock().unwrap();
    }

    #[tokio::test]
    async fn a_file_that_another_process_cuts_or_extends_is_noticed_with_the_next_part() {
        for length in [0, 1, 3] {
            let dir = tempfile::tempdir().unwrap();
            let (folder, file) = (ExportFolder { dir: dir.path().into(), open: Arc::default() }, a_file());
            folder.append(&file, 1, Bytes::from("a\n")).await.unwrap();
            let path = dir.path().join(hidden(&file.name, &file.upload_id).unwrap());
            File::options().write(true).open(&path).unwrap().set_len(length).unwrap();
            let error = folder.append(&file, 2, Bytes::from("b\n")).await.unwrap_err().to_string();
            assert!(error.contains("expected 2: another process changed it"), "{error}");
            assert_eq!(std::fs::metadata(&path).unwrap().len(), length, "nothing is written to it");
        }
    }

    #[tokio::test]
    async fn a_file_that_another_process_replaces_is_noticed_with_the_next_part() {
        let dir = tempfile::tempdir().unwrap();
        let (folder, file) = (ExportFolder { dir: dir.path().into(), open: Arc::default() }, a_file());
        let path = dir.path().join(hidden(&file.name, &file.upload_id).unwrap());
        let first = folder.append(&file, 1, Bytes::from("a\n")).await.unwrap();
        assert_eq!(first, Fingerprint::of(&fs::metadata(&path).unwrap(), true).to_string());
        let other = dir.path().join("other");
        fs::write(&other, "x\n").unwrap();
        fs::rename(&other, &path).unwrap();
        for is_gone in [false, true] {
            let error = folder.append(&file, 2, Bytes::from("b\n")).await.unwrap_err().to_string();
            assert!(error.contains("another process replaced it"), "{error}");
            if !is_gone {
                assert_eq!(fs::read(&path).unwrap(), b"x\n", "nothing is written to it");
                fs::remove_file(&path).unwrap();
            }
        }
    }

    #[test]
    fn a_file_that_was_cut_while_it_grew_is_emptied_and_one_that_was_extended_is_left() {
        for (bytes, left) in [(5, 0), (3, 3), (1, 3)] {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(b"abc").unwrap();
            let file = OpenFile { id: FileId(0), file, path: PathBuf::new(), bytes };
            file.empty_if_cut();
            assert_eq!(file.file.metadata().unwrap().len(), left, "{bytes}");
        }
    }

    #[tokio::test]
    async fn a_link_in_the_place_of_the_hidden_file_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (file, victim) = (a_file(), dir.path().join("victim"));
        let path = dir.path().join(hidden(&file.name, &file.upload_id).unwrap());
        for text in [Some("precious"), None] {
            match text {
                Some(text) => std::fs::write(&victim, text).unwrap(),
                None => std::fs::remove_file(&victim).unwrap(),
            }
            std::os::unix::fs::symlink(&victim, &path).unwrap();
            let folder = ExportFolder { dir: dir.path().into(), open: Arc::default() };
            folder.append(&file, 1, Bytes::from("a\n")).await.unwrap_err();
            assert_eq!(std::fs::read_to_string(&victim).ok().as_deref(), text);
            std::fs::remove_file(&path).unwrap();
        }
    }

    fn a_file() -> AssignedFile {
        let name = part_file(&JobId::from_u128(7), FileId(3), Compression::None);
        AssignedFile { file: FileId(3), name, upload_id: "u".parse().unwrap() }
    }
}
