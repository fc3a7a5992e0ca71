use engine::part_files::PartFiles;
use job::{
    control::SealedPart,
    ids::{FileId, JobId, WorkerId},
    spec::Compression,
};

use super::*;

/// A file of two parts, of 5 and 3 bytes.
fn file() -> PartFile {
    let mut files = PartFiles::new(JobId::from_u128(7), Compression::None, true);
    files.assign(WorkerId(1));
    files.opened(FileId(0), "u".parse().unwrap());
    for (number, bytes) in [(1, &b"hello"[..]), (2, b"you")] {
        files.apply(SealedPart {
            file: FileId(0),
            number,
            etag: format!("e{number}"),
            crc32c: crc32c::crc32c(bytes),
            bytes: bytes.len() as u64,
            items: 1,
            line_bytes: bytes.len() as u64,
            last: false,
        });
    }
    files.all()[0].clone()
}

fn stored(bytes: u64, etag: &str, crc32c: Option<&str>) -> Stored {
    Stored { bytes, etag: Some(etag.to_owned()), crc32c: crc32c.map(str::to_owned) }
}

#[test]
fn the_checksum_of_an_upload_is_that_of_the_checksums_of_its_parts() {
    let all = [crc32c::crc32c(b"hello").to_be_bytes(), crc32c::crc32c(b"you").to_be_bytes()].concat();
    let expected = format!("{}-2", base64::encode(crc32c::crc32c(&all).to_be_bytes()));
    assert_eq!(checksum_of_checksums(&file()), expected);
    assert_eq!(checksum(&file()), base64::encode(crc32c::crc32c(b"helloyou").to_be_bytes()));
}

#[test]
fn an_object_is_ours_by_its_checksum_and_anothers_by_whatever_differs() {
    let file = file();
    let (ours, whole) = (checksum_of_checksums(&file), checksum(&file));
    for (stored, origin) in [
        (stored(8, "\"x-2\"", Some(&ours)), Origin::Ours),
        // Some keys of KMS change entity tags, not checksums.
        (stored(8, "\"x\"", Some(&ours)), Origin::Ours),
        (stored(8, "\"x\"", Some(&whole)), Origin::Ours),
        (stored(8, "\"x-2\"", Some("AAAAAA==-2")), Origin::Foreign),
        (stored(9, "\"x-2\"", Some(&ours)), Origin::Foreign),
        (stored(8, "\"x-2\"", None), Origin::Unknown),
        (stored(8, "\"x\"", None), Origin::Unknown),
        (stored(8, "\"x-3\"", None), Origin::Foreign),
        (stored(7, "\"x-2\"", None), Origin::Foreign),
        (Stored { bytes: 8, ..Stored::default() }, Origin::Unknown),
    ] {
        assert_eq!(stored.origin(&file), origin, "{stored:?}");
    }
}
