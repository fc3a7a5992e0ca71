//! Damaged, truncated and changed files. All are found before the first write.

use crate::run::{holds_all, import, refused, sink};
use std::fs;
use std::path::{Path, PathBuf};
use tests_support::backup_writer::{BackupCodec, NativeFormat};
use tests_support::command::Tablehaul;
use tests_support::{BackupWriter, Fake};

const ITEMS: u64 = 4_000;

fn flip_in_the_middle(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x55;
    fs::write(path, bytes).unwrap();
}

/// The other codecs have no checksums, or none in what Hadoop writes: for them the first bad line is named.
#[test]
fn corrupt_gzip_is_named_with_the_place() {
    for codec in [BackupCodec::Gzip, BackupCodec::Bzip2, BackupCodec::Deflate] {
        let (fake, folder) = (sink(), tempfile::tempdir().unwrap());
        // More than one block of bzip2, so that its head is complete.
        let file = BackupWriter::new(4 * ITEMS).codec(codec).java_tool(folder.path()).swap_remove(0);
        flip_in_the_middle(&file);
        refused(
            &fake,
            &import(&fake, folder.path(), ""),
            &[&file.display().to_string(), "corrupt", "at byte "],
        );
    }
}

#[test]
fn a_file_that_was_cut_off_is_found_in_every_codec() {
    for codec in BackupCodec::ALL.into_iter().filter(|&codec| codec != BackupCodec::Plain) {
        let (fake, folder) = (sink(), tempfile::tempdir().unwrap());
        let file = BackupWriter::new(ITEMS).codec(codec).java_tool(folder.path()).swap_remove(0);
        let bytes = fs::read(&file).unwrap();
        fs::write(&file, &bytes[..bytes.len() - 100]).unwrap();
        refused(
            &fake,
            &import(&fake, folder.path(), ""),
            &[&file.display().to_string(), "ends in the middle"],
        );
    }
}

#[test]
fn a_data_file_of_dynamodb_that_changed_is_found_by_its_checksum() {
    let (fake, folder) = (sink(), tempfile::tempdir().unwrap());
    let own = BackupWriter::new(ITEMS).native(folder.path(), NativeFormat::Json);
    let file = fs::read_dir(own.join("data")).unwrap().map(|entry| entry.unwrap().path());
    let file = file.max_by_key(|path| path.metadata().unwrap().len()).unwrap();
    // The same text, compressed in another way.
    let mut text = Vec::new();
    std::io::Read::read_to_end(
        &mut flate2::read::MultiGzDecoder::new(&fs::read(&file).unwrap()[..]),
        &mut text,
    )
    .unwrap();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
    std::io::Write::write_all(&mut gzip, &text).unwrap();
    fs::write(&file, gzip.finish().unwrap()).unwrap();
    refused(&fake, &import(&fake, &own, ""), &[&file.display().to_string(), "is damaged: it has MD5"]);
}

#[test]
fn a_manifest_of_dynamodb_that_changed_is_found_by_the_checksum_beside_it() {
    let (fake, folder) = (sink(), tempfile::tempdir().unwrap());
    let own = BackupWriter::new(10).native(folder.path(), NativeFormat::Json);
    let path = own.join("manifest-summary.json");
    fs::write(&path, fs::read_to_string(&path).unwrap().replace("\"itemCount\":10", "\"itemCount\":11"))
        .unwrap();
    refused(&fake, &import(&fake, &own, ""), &["does not match its checksum in"]);
}

/// An export of tablehaul, and its largest file.
fn exported(compression: &str) -> (Fake, tempfile::TempDir, PathBuf) {
    let fake = Fake::start(["--table", "Source:items=4000", "--table", "Forum:sink=1"]);
    let folder = tempfile::tempdir().unwrap();
    let args = ["--region", "us-east-1", "--read-percent", "100", "--compress", compression];
    Tablehaul::export("Source", &folder.path().join("b"), &fake.endpoint()).args(args).run().succeeded();
    let files = fs::read_dir(folder.path().join("b")).unwrap().map(|entry| entry.unwrap().path());
    let data =
        files.filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().contains("_0")));
    let file = data.max_by_key(|path| path.metadata().unwrap().len()).unwrap();
    (fake, folder, file)
}

#[test]
fn a_file_of_ours_that_changed_is_found_by_its_checksum_in_export_json() {
    let (fake, folder, file) = exported("none");
    let folder = folder.path().join("b");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replacen("customer number 1", "customer number 2", 1)).unwrap();
    refused(&fake, &import(&fake, &folder, ""), &[&file.display().to_string(), "is damaged: it has CRC-32C"]);
    fs::write(&file, &text[..text.len() - 1]).unwrap();
    refused(&fake, &import(&fake, &folder, ""), &["the copy is incomplete, or the file was changed"]);
    fs::write(&file, &text).unwrap();
    import(&fake, &folder, "").succeeded();
    holds_all(&fake, 4_000);
}

#[test]
fn an_unchecked_import_of_a_damaged_file_fails_and_says_what_was_done() {
    let (fake, folder, file) = exported("gzip");
    flip_in_the_middle(&file);
    let finished = import(&fake, &folder.path().join("b"), "--check first");
    assert_eq!(finished.code, Some(1), "{}", finished.stderr);
    let last = finished.stderr.lines().last().unwrap();
    assert!(last.contains(&file.display().to_string()), "{last}");
}
