//! Backups in a file system that somebody changes while they are imported: no item of the new content gets into the
//! table together with the old one, unless the command says so.

use crate::run::{command, holds_all, import, refused, sink, writes};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, SystemTime};
use tests_support::backup_writer::BackupCodec;
use tests_support::command::{Tablehaul, finish};
use tests_support::{BackupWriter, Fake};

const ITEMS: u64 = 40_000;

/// Another text of the same length, in which every item is altered.
fn altered(file: &Path) -> Vec<u8> {
    let text = fs::read_to_string(file).unwrap();
    let altered = text.replace("customer number 1", "customer number 2");
    assert!(altered.len() == text.len() && altered != text);
    altered.into_bytes()
}

#[track_caller]
fn fails_when_written_anew(anew: impl Fn(&Path, &[u8])) {
    let (fake, folder) = (sink(), tempfile::tempdir().unwrap());
    // More files than are open at once.
    let files = BackupWriter::new(ITEMS).items_per_file(1_000).java_tool(folder.path());
    let texts: Vec<Vec<u8>> = files.iter().map(|file| altered(file)).collect();
    let mut child = command(&fake, folder.path(), "--workers 1 --write-units 4000").start();
    while writes(&fake).total < ITEMS / 10 {
        assert!(child.try_wait().unwrap().is_none(), "it has ended");
        sleep(Duration::from_millis(5));
    }
    files.iter().zip(&texts).for_each(|(file, text)| anew(file, text));
    let finished = finish(child);
    assert_eq!(finished.code, Some(1), "{}", finished.stderr);
    let last = finished.stderr.lines().last().unwrap();
    assert!(
        last.contains("the file was changed after tablehaul listed it") && last.contains("file:///"),
        "{last}"
    );
    assert!(last.contains("run the same command again"), "{last}");
    let writes = writes(&fake);
    assert_eq!(writes.altered, 0, "nothing of the new content: {writes:?}");
    assert!(writes.total < ITEMS, "{writes:?}");
}

#[test]
fn a_file_that_is_rewritten_between_check_and_write_is_not_imported() {
    fails_when_written_anew(|file, text| fs::write(file, text).unwrap());
}

#[test]
fn a_file_that_is_replaced_by_one_of_the_same_length_and_time_is_not_imported() {
    fails_when_written_anew(|file, text| {
        let time = file.metadata().unwrap().modified().unwrap();
        let other = file.with_file_name(".other");
        fs::write(&other, text).unwrap();
        File::options().write(true).open(&other).unwrap().set_modified(time).unwrap();
        fs::rename(&other, file).unwrap();
    });
}

#[test]
fn a_file_that_changes_after_it_was_read_for_the_last_time_makes_no_difference() {
    let (fake, folder) = (sink(), tempfile::tempdir().unwrap());
    // So few that they are read at once, and so slow that most are still to be written then.
    let files = BackupWriter::new(200).java_tool(folder.path());
    let mut child = command(&fake, folder.path(), "--workers 1 --write-units 40").start();
    while writes(&fake).total < 50 {
        assert!(child.try_wait().unwrap().is_none(), "it has ended");
        sleep(Duration::from_millis(5));
    }
    for file in &files {
        fs::write(file, altered(file)).unwrap();
    }
    let imported = finish(child);
    assert_eq!(imported.code, Some(0), "{}", imported.stderr);
    holds_all(&fake, 200);
}

/// Changes the time of a file again and again, until it is dropped.
struct Restless {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Restless {
    fn new(path: PathBuf) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let ends = over.clone();
        let thread = std::thread::spawn(move || {
            let file = File::options().append(true).open(path).unwrap();
            while !ends.load(Relaxed) {
                file.set_modified(SystemTime::now()).unwrap();
                sleep(Duration::from_micros(200));
            }
        });
        Self { over, thread: Some(thread) }
    }
}

impl Drop for Restless {
    fn drop(&mut self) {
        self.over.store(true, Relaxed);
        self.thread.take().map(JoinHandle::join);
    }
}

#[test]
fn a_file_that_changes_while_the_backup_is_looked_at_or_checked_is_refused() {
    for codec in [BackupCodec::Plain, BackupCodec::Gzip] {
        let (fake, folder) = (sink(), tempfile::tempdir().unwrap());
        let file = BackupWriter::new(ITEMS).codec(codec).java_tool(folder.path()).swap_remove(0);
        let _restless = Restless::new(file.clone());
        let finished = import(&fake, folder.path(), "");
        refused(
            &fake,
            &finished,
            &[&file.display().to_string(), "the file was changed after tablehaul listed it"],
        );
    }
}

#[test]
fn a_file_that_changes_while_it_is_verified_is_reported() {
    let fake = Fake::start(["--table", "Source:items=40000"]);
    let folder = tempfile::tempdir().unwrap();
    let backup = folder.path().join("b");
    Tablehaul::export("Source", &backup, &fake.endpoint()).args(["--read-units", "40000"]).run().succeeded();
    let files = fs::read_dir(&backup).unwrap().map(|entry| entry.unwrap().path());
    let data =
        files.filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().contains("_0")));
    let file = data.max_by_key(|path| path.metadata().unwrap().len()).unwrap();
    let verify = || Tablehaul::new(["verify", &backup.display().to_string()]).run();
    verify().succeeded();
    let restless = Restless::new(file.clone());
    let finished = verify();
    assert_eq!(finished.code, Some(1), "{}", finished.stderr);
    assert!(
        finished.stdout.contains("the file was changed after tablehaul listed it"),
        "{}",
        finished.stdout
    );
    drop(restless);
    verify().succeeded();
}

#[test]
fn a_device_in_a_folder_without_manifest_is_refused() {
    let (fake, folder) = (sink(), tempfile::tempdir().unwrap());
    BackupWriter::new(10).without_manifest(folder.path());
    std::os::unix::fs::symlink("/dev/zero", folder.path().join("zero")).unwrap();
    refused(&fake, &import(&fake, folder.path(), ""), &["/zero: it is a device, not a regular file"]);
}
