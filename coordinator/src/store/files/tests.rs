use super::*;
use crate::files::PartFiles;
use job::{
    control::SealedPart,
    ids::{FileId, JobId, WorkerId},
    spec::Compression,
};

const WORKER: WorkerId = WorkerId(1);

/// A file of which `sealed` is known to be durable.
fn sealed(sealed: &str) -> PartFile {
    let mut files = PartFiles::new(JobId("job".into()), Compression::None, true);
    files.assign(WORKER);
    files.opened(FileId(0), "u".into());
    if !sealed.is_empty() {
        let bytes = sealed.len() as u64;
        let etag = String::new();
        let (file, items, line_bytes) = (FileId(0), 1, bytes);
        files.apply(SealedPart { file, number: 1, etag, crc32c: 0, bytes, items, line_bytes, last: false });
    }
    files.all()[0].clone()
}

fn hidden(folder: &Path, file: &PartFile) -> PathBuf {
    folder.join(layout::hidden(&file.name, "u"))
}

#[tokio::test]
async fn what_a_paused_worker_writes_after_it_was_cut_off_reaches_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let (directory, file) = (Directory::new(folder.path().into()), sealed("sealed\n"));
    let mut of_worker = File::create_new(hidden(folder.path(), &file)).unwrap();
    of_worker.write_all(b"sealed\nnot sealed\n").unwrap();
    directory.fence(file.clone()).await.unwrap();
    of_worker.write_all(b"late\n").unwrap();
    directory.complete(file.clone()).await.unwrap();
    of_worker.write_all(b"later\n").unwrap();
    assert_eq!(fs::read(folder.path().join(&file.name)).unwrap(), b"sealed\n");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
}

#[tokio::test]
async fn a_file_without_a_sealed_part_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (directory, file) = (Directory::new(folder.path().into()), sealed(""));
    fs::write(hidden(folder.path(), &file), "not sealed\n").unwrap();
    directory.fence(file.clone()).await.unwrap();
    directory.complete(file).await.unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_file_that_lost_sealed_bytes_is_not_made_visible() {
    let folder = tempfile::tempdir().unwrap();
    let (directory, file) = (Directory::new(folder.path().into()), sealed("sealed\n"));
    fs::write(hidden(folder.path(), &file), "seal").unwrap();
    assert!(directory.complete(file.clone()).await.is_err());
    assert!(directory.fence(file.clone()).await.is_err());
    assert!(!folder.path().join(&file.name).exists());
}
