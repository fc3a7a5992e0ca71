use std::io::Write;

use job::{
    export_json::UploadPart,
    schema::{KeyAttribute, KeyKind, KeySchema},
    spec::FileOptions,
};

use super::*;

fn expected(compression: Compression) -> Expected {
    let partition = KeyAttribute { name: "k".into(), kind: KeyKind::N };
    let options = FileOptions { compression, ..FileOptions::default() };
    let keys = KeySchema { partition, sort: None };
    Expected::new(&FileRules::Export { options, keys }, 3)
}

/// The file as it is in a folder, which is not compared.
fn stored(record: &PartFile) -> StoredFile {
    StoredFile { record: FileRecord::Part(record.clone()), bytes: 0, etag: None }
}

fn lines(keys: std::ops::Range<u32>) -> Vec<u8> {
    let line = |key| {
        format!("{{\"k\":{{\"n\":\"{key}\"}},\"text\":{{\"s\":\"{:032x}\"}}}}\n", u128::from(key).pow(3))
    };
    keys.map(line).collect::<String>().into_bytes()
}

/// The name of the file.
const NAME: &str = "00000000-0000-0000-0000-000000000001_000000";

/// Lines compressed as one unit of the codec.
fn packed(compression: Compression, lines: &[u8]) -> Vec<u8> {
    match compression {
        Compression::None => lines.to_vec(),
        Compression::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
            encoder.write_all(lines).unwrap();
            encoder.finish().unwrap()
        }
        Compression::Zstd => zstd::encode_all(lines, 3).unwrap(),
    }
}

/// A valid file of 3,000 lines in three units, and its record.
fn file(compression: Compression) -> (PartFile, Vec<u8>) {
    let units = [0..1000, 1000..2000, 2000..3000].map(|keys| packed(compression, &lines(keys)));
    let stored = units.concat();
    (record(&stored, 3000), stored)
}

fn record(stored: &[u8], items: u64) -> PartFile {
    let crc32c = format!("{:08x}", crc32c::crc32c(stored));
    PartFile { name: NAME.parse().unwrap(), items, bytes: stored.len() as u64, crc32c, parts: Vec::new() }
}

/// What is found, with the name of the file replaced by `f`.
fn check(compression: Compression, file: &PartFile, bytes: &[u8]) -> FileFound {
    let mut found = expected(compression).check(&stored(file), bytes).unwrap();
    for defect in &mut found.defects {
        *defect = defect.replacen(NAME, "f", 1);
    }
    found
}

/// Records the parts of a file of three units, as an export does.
fn with_parts(mut file: PartFile, compression: Compression) -> PartFile {
    let part = |keys: std::ops::Range<u32>| {
        let lines = lines(keys.clone());
        let stored = packed(compression, &lines);
        UploadPart {
            bytes: stored.len() as u64,
            line_bytes: lines.len() as u64,
            items: keys.len() as u64,
            crc32c: format!("{:08x}", crc32c::crc32c(&stored)),
        }
    };
    file.parts = [0..1000, 1000..2000, 2000..3000].map(part).into();
    file
}

#[test]
fn parts_are_compared_with_what_is_recorded_of_them() {
    for compression in ALL {
        let (file, stored) = file(compression);
        let file = with_parts(file, compression);
        assert_eq!(check(compression, &file, &stored).defects, [""; 0]);
        let mut wrong = file.clone();
        wrong.parts[1].crc32c = "00c0ffee".into();
        let defect = "f: the CRC-32C of upload part 2 of 3 differs from the recorded one";
        assert_eq!(check(compression, &wrong, &stored).defects, [defect]);
        if compression != Compression::None {
            let mut wrong = file;
            wrong.parts[2].line_bytes += 1;
            let defects = check(compression, &wrong, &stored).defects;
            assert!(defects[0].starts_with("f: lines have ") && defects.len() == 1, "{defects:?}");
        }
    }
}

const ALL: [Compression; 3] = [Compression::None, Compression::Gzip, Compression::Zstd];

#[test]
fn a_good_file_has_no_defect_in_any_codec_and_of_any_number_of_units() {
    for compression in ALL {
        let (file, stored) = file(compression);
        let good = FileFound { items: 3000, bytes: stored.len() as u64, defects: vec![] };
        assert_eq!(check(compression, &file, &stored), good);
        // The size of the reads makes no difference.
        let slowly = std::io::BufReader::with_capacity(61, stored.as_slice());
        assert_eq!(expected(compression).check(&self::stored(&file), slowly).unwrap(), good);
    }
}

#[test]
fn any_flipped_bit_is_found_by_the_checksum_at_least() {
    for compression in ALL {
        let (file, stored) = file(compression);
        for at in (0..stored.len()).step_by(stored.len() / 97) {
            let mut stored = stored.clone();
            stored[at] ^= 0x04;
            let found = check(compression, &file, &stored);
            let by_checksum = |defect: &String| defect.starts_with("f: CRC-32C is ");
            assert!(found.defects.iter().any(by_checksum), "{at}: {:?}", found.defects);
            assert_eq!(found.bytes, file.bytes);
        }
    }
}

#[test]
fn a_file_that_was_cut_is_too_short_and_ends_within_a_line_or_unit() {
    for (compression, end) in [
        (Compression::None, "no newline at its end"),
        (Compression::Gzip, "the compressed data is cut off; the rest of the file can't be read"),
        (Compression::Zstd, "the compressed data is cut off; the rest of the file can't be read"),
    ] {
        let (file, stored) = file(compression);
        let cut = &stored[..stored.len() / 2];
        let found = check(compression, &file, cut);
        assert_eq!(found.defects[0], format!("f: {} bytes instead of {}", cut.len(), stored.len()));
        assert!(found.defects.last().unwrap().ends_with(end), "{:?}", found.defects);
    }
}

#[test]
fn a_file_cut_between_two_units_lacks_lines() {
    for compression in ALL {
        let (file, stored) = file(compression);
        let unit = packed(compression, &lines(0..1000)).len();
        let found = check(compression, &file, &stored[..unit]);
        assert_eq!(found.defects.len(), 2, "{:?}", found.defects);
        assert_eq!(found.defects[1], "f: 1000 lines instead of 3000");
    }
}

#[test]
fn a_dropped_and_a_doubled_line_are_found_though_sizes_and_checksum_were_made_to_fit() {
    for compression in ALL {
        let dropped = packed(compression, &lines(0..10));
        let found = check(compression, &record(&dropped, 11), &dropped);
        assert_eq!(found.defects, ["f: 10 lines instead of 11"]);

        let doubled = packed(compression, &[lines(0..10), lines(4..5)].concat());
        let found = check(compression, &record(&doubled, 11), &doubled);
        assert_eq!(found.defects, ["f line 11: the same key as in line 5"]);
    }
}

#[test]
fn damage_within_compressed_data_is_told_with_its_place() {
    for (compression, unit) in [
        // A member with a wrong checksum, a frame of an unknown kind, bytes after the end.
        (Compression::Gzip, {
            let mut unit = packed(Compression::Gzip, &lines(0..9));
            let at = unit.len() - 5;
            unit[at] ^= 1;
            unit
        }),
        (Compression::Zstd, [[0x28, 0xb5, 0x2f, 0xfd, 0xff].as_slice(), &[0xff; 64]].concat()),
        (Compression::Gzip, b"garbage that is no member".to_vec()),
        (Compression::Zstd, b"garbage that is no frame".to_vec()),
    ] {
        let good = packed(compression, &lines(0..9));
        let stored = [good.as_slice(), &unit].concat();
        let found = check(compression, &record(&stored, 9), &stored);
        assert_eq!(found.defects.len(), 1, "{:?}", found.defects);
        assert!(found.defects[0].starts_with("f byte "), "{:?}", found.defects);
        assert!(found.defects[0].contains("the compressed data is damaged"), "{:?}", found.defects);
    }
}

#[test]
fn another_codec_than_recorded_is_a_defect_and_the_lines_are_checked_all_the_same() {
    let bad = [lines(0..3), b"{\"k\":{\"s\":\"x\"}}\n".to_vec()].concat();
    for (found, recorded) in [(0, 1), (1, 2), (2, 0)] {
        let (found, recorded) = (ALL[found], ALL[recorded]);
        let stored = packed(found, &bad);
        let defects = check(recorded, &record(&stored, 4), &stored).defects;
        let codec = format!("f: compression is {} instead of {}", found.name(), recorded.name());
        assert_eq!(defects, [codec.as_str(), "f line 4: key attribute \"k\" is not of type N"]);
    }
    let noise = [0xff; 100];
    let defects = check(Compression::Gzip, &record(&noise, 4), &noise).defects;
    assert_eq!(defects, ["f byte 0: not gzip, although export.json records it"]);
}

#[test]
fn a_file_without_a_byte_is_just_empty() {
    for compression in ALL {
        assert_eq!(check(compression, &record(b"", 0), b""), FileFound::default());
        let found = check(compression, &record(b"", 2), b"");
        assert_eq!(found.defects, ["f: 0 lines instead of 2"]);
    }
}

#[test]
fn a_source_that_cannot_be_read_is_no_defect_of_the_file() {
    struct Torn(usize);
    impl std::io::Read for Torn {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0 += 1;
            if self.0 > 2 {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "torn"));
            }
            let lines = lines(0..1);
            let lines = &lines[..lines.len().min(buffer.len())];
            buffer[..lines.len()].copy_from_slice(lines);
            Ok(lines.len())
        }
    }
    let file = record(b"", 2);
    let error = expected(Compression::None).check(&stored(&file), io::BufReader::new(Torn(0))).unwrap_err();
    assert_eq!(error.to_string(), "torn");
}

#[test]
fn a_record_of_another_kind_of_backup_is_an_error() {
    let listed = Expected::new(&FileRules::Listed { is_incremental: false }, 3);
    let why = listed.check(&stored(&record(b"", 0)), &b""[..]).unwrap_err().to_string();
    assert!(why.contains("another kind of backup"), "{why}");
}
