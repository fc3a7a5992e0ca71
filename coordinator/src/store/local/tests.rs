use std::{
    fs::File,
    os::unix::fs::{MetadataExt, symlink},
};

use super::*;
use engine::part_files::{PartFile, PartFiles};
use job::{
    control::SealedPart,
    ids::{FileId, JobId, UploadId, WorkerId},
    spec::Compression,
};

use crate::store::Loss;

const WORKER: WorkerId = WorkerId(1);

/// A file with `sealed` as its durable bytes. Its worker locks it.
fn sealed(sealed: &str) -> PartFile {
    sealed_as(sealed, UploadId::of_locked_file(7))
}

fn sealed_as(sealed: &str, upload_id: UploadId) -> PartFile {
    let mut files = PartFiles::new(JobId::from_u128(7), Compression::None, true);
    files.assign(WORKER);
    files.opened(FileId(0), upload_id);
    if !sealed.is_empty() {
        let bytes = sealed.len() as u64;
        let etag = String::new();
        let (file, items, line_bytes) = (FileId(0), 1, bytes);
        let crc32c = crc32c::crc32c(sealed.as_bytes());
        files.apply(SealedPart { file, number: 1, etag, crc32c, bytes, items, line_bytes, last: false });
    }
    files.all()[0].clone()
}

fn hidden(folder: &Path, file: &PartFile) -> PathBuf {
    folder.join(layout::hidden(&file.name, file.upload_id.as_ref().unwrap()).unwrap())
}

/// A file as its worker has it open and locked.
fn filled(path: &Path, text: &str) -> File {
    let mut file = File::create_new(path).unwrap();
    file.lock().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

fn names(folder: &Path) -> usize {
    fs::read_dir(folder).unwrap().count()
}

#[test]
fn what_a_paused_worker_writes_after_it_was_cut_off_reaches_no_file() {
    for upload_id in [UploadId::of_locked_file(7), "0123456789abcdef".parse().unwrap()] {
        let folder = tempfile::tempdir().unwrap();
        let is_locked = upload_id.is_of_locked_file();
        let (directory, file) = (Directory::new(folder.path().into()), sealed_as("sealed\n", upload_id));
        let path = hidden(folder.path(), &file);
        // Earlier versions lock nothing, so it is unknown whether their worker still writes.
        let mut of_worker = if is_locked { filled(&path, "") } else { File::create_new(&path).unwrap() };
        of_worker.write_all(b"sealed\nnot sealed\n").unwrap();
        directory.fence(&file).unwrap();
        of_worker.write_all(b"late\n").unwrap();
        directory.complete(&file).unwrap();
        of_worker.write_all(b"later\n").unwrap();
        assert_eq!(fs::read(folder.path().join(&*file.name)).unwrap(), b"sealed\n");
        assert_eq!(names(folder.path()), 1, "nothing else is left");
    }
}

#[test]
fn a_file_whose_worker_is_gone_is_cut_where_it_is_and_needs_no_room() {
    let folder = tempfile::tempdir().unwrap();
    let (directory, file) = (Directory::new(folder.path().into()), sealed("sealed\n"));
    let path = hidden(folder.path(), &file);
    drop(filled(&path, "sealed\nnot sealed\n"));
    let before = fs::metadata(&path).unwrap().ino();
    directory.fence(&file).unwrap();
    assert_eq!(
        (fs::metadata(&path).unwrap().ino(), fs::read(&path).unwrap()),
        (before, b"sealed\n".to_vec())
    );
    // Once more, as another coordinator does if this one has died.
    directory.fence(&file).unwrap();
    directory.complete(&file).unwrap();
}

#[test]
fn a_file_that_has_another_name_too_is_not_cut() {
    let folder = tempfile::tempdir().unwrap();
    let (directory, file) = (Directory::new(folder.path().into()), sealed("sealed\n"));
    let other = folder.path().join("other");
    fs::write(&other, "sealed\nprecious\n").unwrap();
    fs::hard_link(&other, hidden(folder.path(), &file)).unwrap();
    directory.fence(&file).unwrap();
    directory.complete(&file).unwrap();
    assert_eq!(fs::read(&other).unwrap(), b"sealed\nprecious\n");
    assert_eq!(fs::read(folder.path().join(&*file.name)).unwrap(), b"sealed\n");
}

#[test]
fn a_file_without_a_sealed_part_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (directory, file) = (Directory::new(folder.path().into()), sealed(""));
    fs::write(hidden(folder.path(), &file), "not sealed\n").unwrap();
    directory.fence(&file).unwrap();
    directory.complete(&file).unwrap();
    assert_eq!(names(folder.path()), 0);
}

#[test]
fn a_file_that_lost_sealed_bytes_is_not_made_visible() {
    let folder = tempfile::tempdir().unwrap();
    let (directory, file) = (Directory::new(folder.path().into()), sealed("sealed\n"));
    let path = hidden(folder.path(), &file);
    for there in [Some("seal"), None] {
        match there {
            Some(text) => fs::write(&path, text).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
        for may_be_complete in [false, true] {
            let lost = directory.lost(std::slice::from_ref(&file), may_be_complete).unwrap().unwrap();
            assert_eq!(lost.name, file.name);
            let how = if there.is_some() {
                "has 4 bytes, expected at least 7"
            } else {
                "is missing; it held 7 durable bytes"
            };
            assert_eq!(lost.to_string(), format!("{} {how}", path.display()));
        }
        for tried in [directory.complete(&file), directory.fence(&file)] {
            assert_eq!(tried.unwrap_err().kind, FaultKind::Lost);
        }
        assert!(!folder.path().join(&*file.name).exists());
    }
    // A file that was completed before has lost nothing.
    fs::write(folder.path().join(&*file.name), "sealed\n").unwrap();
    assert!(directory.lost(std::slice::from_ref(&file), true).unwrap().is_none());
    directory.complete(&file).unwrap();
}

/// A file that its worker has filled and said so.
fn reported(folder: &Path, text: &str, is_full: bool) -> PartFile {
    let mut file = sealed(text);
    let path = hidden(folder, &file);
    fs::write(&path, text).unwrap();
    let part = &mut file.parts[0];
    part.etag = job::fingerprint::Fingerprint::of(&fs::metadata(&path).unwrap(), true).to_string();
    (part.crc32c, part.last) = (crc32c::crc32c(text.as_bytes()), is_full);
    file
}

/// Puts another file in the place of one, with the same time of its last change.
fn replace(path: &Path, text: &str) {
    let other = path.with_extension("other");
    fs::write(&other, text).unwrap();
    let then = fs::metadata(path).unwrap().modified().unwrap();
    File::options().write(true).open(&other).unwrap().set_modified(then).unwrap();
    fs::rename(&other, path).unwrap();
}

fn write_into(path: &Path, text: &str) {
    std::thread::sleep(std::time::Duration::from_millis(20));
    File::options().write(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
}

#[test]
fn a_file_that_no_longer_holds_what_its_worker_wrote_is_not_made_visible() {
    for (change, is_full) in [(replace as fn(&Path, &str), true), (replace, false), (write_into, true)] {
        let folder = tempfile::tempdir().unwrap();
        let directory = Directory::new(folder.path().into());
        let file = reported(folder.path(), "sealed\n", is_full);
        assert!(directory.lost(std::slice::from_ref(&file), false).unwrap().is_none());
        change(&hidden(folder.path(), &file), "foreign");
        let lost = directory.lost(std::slice::from_ref(&file), false).unwrap().unwrap();
        assert!(matches!(lost.how, Loss::Altered(_)), "{lost:?}");
        assert!(lost.to_string().ends_with("another process changed or replaced it"), "{lost}");
        for tried in [directory.fence(&file), directory.complete(&file)] {
            assert_eq!(tried.unwrap_err().kind, FaultKind::Lost);
        }
        assert!(!folder.path().join(&*file.name).exists());
    }
}

#[test]
fn a_file_that_was_changed_in_its_place_is_not_taken_over_from_its_worker() {
    let folder = tempfile::tempdir().unwrap();
    let directory = Directory::new(folder.path().into());
    let file = reported(folder.path(), "sealed\n", false);
    write_into(&hidden(folder.path(), &file), "foreign, and more");
    let lost = directory.fence(&file).unwrap_err();
    assert!(lost.kind == FaultKind::Lost && lost.message.ends_with("changed or replaced it"), "{lost:?}");
}

#[test]
fn a_file_that_holds_what_its_worker_wrote_is_completed_also_if_it_is_a_copy_or_has_a_tail() {
    for (is_copied, is_full) in [(false, true), (true, true), (true, false), (false, false)] {
        let folder = tempfile::tempdir().unwrap();
        let directory = Directory::new(folder.path().into());
        let file = reported(folder.path(), "sealed\n", is_full);
        let path = hidden(folder.path(), &file);
        if is_copied {
            replace(&path, "sealed\n");
        }
        if !is_full {
            write_into(&path, "sealed\nmore\n");
            assert!(directory.lost(std::slice::from_ref(&file), false).unwrap().is_none());
            directory.fence(&file).unwrap();
        }
        directory.complete(&file).unwrap();
        assert_eq!(fs::read(folder.path().join(&*file.name)).unwrap(), b"sealed\n");
    }
}

#[test]
fn a_link_under_the_name_of_a_part_file_is_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    let (directory, file) = (Directory::new(folder.path().into()), sealed("sealed\n"));
    let (victim, path) = (folder.path().join("victim"), hidden(folder.path(), &file));
    fs::write(&victim, "sealed\n, and precious").unwrap();
    symlink(&victim, &path).unwrap();
    let lost = directory.lost(std::slice::from_ref(&file), false).unwrap().unwrap();
    let said = "is a symbolic link, and this export did not put it there";
    assert_eq!(lost.to_string(), format!("{} {said}", path.display()));
    for tried in [
        directory.fence(&file),
        directory.complete(&file),
        directory.abort(&file, true),
        directory.check_hidden(std::slice::from_ref(&file)),
    ] {
        let why = tried.unwrap_err().message;
        assert!(why.contains("symbolic link") && why.ends_with("move it elsewhere"), "{why}");
    }
    assert!(path.is_symlink());
    assert_eq!(fs::read(&victim).unwrap(), b"sealed\n, and precious");
}

#[test]
fn what_another_has_put_under_the_visible_name_is_neither_written_over_nor_removed() {
    let folder = tempfile::tempdir().unwrap();
    let (directory, file) = (Directory::new(folder.path().into()), sealed("sealed\n"));
    let visible = folder.path().join(&*file.name);
    fs::write(hidden(folder.path(), &file), "sealed\n").unwrap();
    fs::write(&visible, "another's").unwrap();
    let why = directory.complete(&file).unwrap_err().message;
    assert!(why.contains("already exists"), "{why}");
    directory.abort(&file, true).unwrap();
    assert_eq!(fs::read(&visible).unwrap(), b"another's");
    // Of the right length.
    fs::write(&visible, "foreign").unwrap();
    assert_eq!(directory.complete(&file).unwrap_err().kind, FaultKind::Lost);
    directory.abort(&file, true).unwrap();
    assert_eq!(fs::read(&visible).unwrap(), b"foreign");
    fs::write(&visible, "sealed\n").unwrap();
    directory.abort(&file, false).unwrap();
    assert!(visible.exists(), "it can't be this export's");
    directory.abort(&file, true).unwrap();
    assert!(!visible.exists());
}

#[test]
fn a_planted_link_is_not_written_through() {
    let folder = tempfile::tempdir().unwrap();
    let (directory, victim) = (Directory::new(folder.path().into()), folder.path().join("victim"));
    fs::write(&victim, "precious").unwrap();
    for name in ["manifest", ".tablehaul-manifest"] {
        symlink(&victim, folder.path().join(name)).unwrap();
    }
    let refused = directory.create("manifest", b"new").unwrap_err();
    assert_eq!(refused.kind, FaultKind::PreconditionFailed);
    assert_eq!(fs::read(&victim).unwrap(), b"precious");
}

#[tokio::test]
async fn a_link_as_a_folder_of_the_programs_own_is_refused() {
    for (link, inside) in [(layout::OWN_FOLDER, None), (layout::JOURNAL, Some(layout::OWN_FOLDER))] {
        let (folder, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        if let Some(inside) = inside {
            fs::create_dir(folder.path().join(inside)).unwrap();
        }
        symlink(elsewhere.path(), folder.path().join(link)).unwrap();
        let store = crate::store::Store::from(Directory::new(folder.path().into()));
        for refused in [store.lock().await.err(), store.probe_lock().await.err()] {
            let why = refused.unwrap().message;
            assert!(why.contains(link) && why.contains("is a symbolic link"), "{why}");
        }
        assert_eq!(names(elsewhere.path()), 0);
    }
}

#[test]
fn only_the_same_bytes_are_removed() {
    let folder = tempfile::tempdir().unwrap();
    let directory = Directory::new(folder.path().into());
    directory.create("manifest", b"another's").unwrap();
    assert!(!directory.remove_same("manifest", b"ours").unwrap());
    assert!(folder.path().join("manifest").exists());
    assert!(directory.remove_same("manifest", b"another's").unwrap());
    assert!(directory.remove_same("manifest", b"another's").unwrap(), "it is gone");
}

#[tokio::test]
async fn in_a_folder_that_is_no_longer_the_one_that_was_locked_nothing_is_changed() {
    let outer = tempfile::tempdir().unwrap();
    let (place, elsewhere) = (outer.path().join("backup"), outer.path().join("moved"));
    let unlocked = Directory::new(place.clone());
    let store = crate::store::Store::from(unlocked.clone());
    let directory = unlocked.held_by(&store.lock().await.unwrap());
    let file = sealed("sealed\n");
    fs::rename(&place, &elsewhere).unwrap();
    fs::create_dir(&place).unwrap();
    // The files that are there now belong to somebody else, whatever their names.
    let visible = place.join(&*file.name);
    for path in [&hidden(&place, &file), &visible, &place.join("manifest")] {
        fs::write(path, "sealed\n").unwrap();
    }
    for tried in [
        directory.create("manifest", b"new"),
        directory.remove("manifest"),
        directory.remove_same("manifest", b"sealed\n").map(drop),
        directory.open().map(drop),
        directory.fence(&file),
        directory.complete(&file),
        directory.abort(&file, true),
    ] {
        assert_eq!(tried.unwrap_err().kind, FaultKind::Moved);
    }
    assert_eq!(names(&place), 3);
}
