use std::io::{Read, Write};

use format::{
    input::LineChecker,
    request::{Checked, Checker},
};
use job::{
    ids::{Attempt, SplitId},
    object::Object,
    schema::{KeyAttribute, KeyKind, KeySchema},
    split::{Checksum, InputFormat},
};

use super::*;

/// Records what a reader passes on: text offsets of items and of rejected lines.
struct Seen {
    lines: LineChecker,
    items: Vec<u64>,
    rejected: Vec<(u64, String)>,
    passed: usize,
}

impl Sink for Seen {
    type Item = Checked;
    fn line(&mut self, line: &[u8]) -> Result<Checked, RequestError> {
        self.lines.check(line)
    }
    fn item(&mut self, at: Range<u64>, _: Checked) -> io::Result<()> {
        self.items.push(at.start);
        Ok(())
    }
    fn reject(&mut self, at: Range<u64>, reject: Reject) -> io::Result<()> {
        assert_eq!(at.start, reject.offset);
        self.rejected.push((reject.offset, reject.reason));
        Ok(())
    }
    fn passed(&mut self, _: u64) -> io::Result<()> {
        self.passed += 1;
        Ok(())
    }
}

/// `number` lines of different lengths, and the offset of each.
fn text(number: u64) -> (Vec<u8>, Vec<u64>) {
    let (mut text, mut offsets) = (Vec::new(), Vec::new());
    for line in 0..number {
        offsets.push(text.len() as u64);
        let padding = "x".repeat(usize::try_from(line * 7 % 40).unwrap());
        writeln!(text, r#"{{"id":{{"s":"{line}"}},"x":{{"s":"{padding}"}}}}"#).unwrap();
    }
    (text, offsets)
}

fn lease(object_bytes: usize, stored: Range<u64>, codec: Codec) -> SplitLease {
    let split = Split {
        split: SplitId(0),
        object: Object::File { path: "/backup/x".into() },
        etag: String::new(),
        object_bytes: object_bytes as u64,
        text_start: if codec == Codec::Plain { stored.start } else { 0 },
        stored,
        cut: false,
        codec,
        format: InputFormat::Emr,
        checksum: None,
    };
    SplitLease { mark: split.text_start, split, attempt: Attempt(1) }
}

fn read_of(lease: &SplitLease, object: &[u8]) -> (Result<u64, String>, Seen) {
    let partition = KeyAttribute { name: "id".into(), kind: KeyKind::S };
    let keys = KeySchema { partition, sort: None };
    let lines = LineChecker::new(lease.split.format, Checker::new(Some(&keys)));
    let range = stored_range(lease);
    let range = usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap();
    let mut seen = Seen { lines, items: Vec::new(), rejected: Vec::new(), passed: 0 };
    let bytes = Box::new(io::Cursor::new(object[range].to_vec()));
    let end = read(lease, bytes, &mut seen).map_err(|error| error.to_string());
    (end, seen)
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(text).unwrap();
    gzip.finish().unwrap()
}

#[test]
fn every_line_belongs_to_one_of_the_cut_splits_wherever_they_are_cut() {
    let (text, offsets) = text(20);
    let whole = text.len() as u64;
    for first in 0..=whole {
        let cuts = [0, first, (first + 37).min(whole), whole];
        let mut found = Vec::new();
        for pair in cuts.windows(2) {
            let mut lease = lease(text.len(), pair[0]..pair[1], Codec::Plain);
            lease.split.cut = true;
            let (end, seen) = read_of(&lease, &text);
            assert!(end.unwrap() >= lease.mark);
            found.extend(seen.items);
        }
        assert_eq!(found, offsets, "cut at {cuts:?}");
    }
}

#[test]
fn a_split_goes_on_from_any_mark() {
    let (text, offsets) = text(20);
    let compressed = gzip(&text);
    for (number, &mark) in offsets.iter().enumerate() {
        let mut plain = lease(text.len(), 0..text.len() as u64, Codec::Plain);
        plain.mark = mark;
        assert_eq!(read_of(&plain, &text).1.items, offsets[number..]);
        plain.split.cut = true;
        plain.split.stored.end = 500;
        let in_range = offsets[number..].iter().copied().filter(|offset| *offset < 500).collect::<Vec<_>>();
        assert_eq!(read_of(&plain, &text).1.items, in_range);
        let mut gzip = lease(compressed.len(), 0..compressed.len() as u64, Codec::Gzip);
        gzip.mark = mark;
        let (end, seen) = read_of(&gzip, &compressed);
        assert_eq!((end, seen.items.as_slice()), (Ok(text.len() as u64), &offsets[number..]));
        assert_eq!(seen.passed, number);
    }
}

#[test]
fn blank_lines_are_skipped_and_bad_ones_are_rejected_where_they_begin() {
    let text = b"\n{\"id\":{\"s\":\"1\"}}\r\n  \nnonsense\n{\"id\":{\"n\":\"1\"}}";
    let (end, seen) = read_of(&lease(text.len(), 0..text.len() as u64, Codec::Plain), text);
    assert_eq!((end, seen.items), (Ok(text.len() as u64), vec![1]));
    let offsets: Vec<u64> = seen.rejected.iter().map(|(offset, _)| *offset).collect();
    assert_eq!(offsets, [22, 31]);
    assert!(seen.rejected[1].1.contains("\"id\" is not of type S"), "{:?}", seen.rejected);
}

#[test]
fn a_split_that_is_not_what_is_recorded_is_an_error() {
    let (text, _) = text(20);
    let compressed = gzip(&text);
    let mut lease = lease(compressed.len(), 0..compressed.len() as u64, Codec::Gzip);
    lease.split.checksum = Some(Checksum::Crc32c(crc32c::crc32c(&compressed)));
    assert!(read_of(&lease, &compressed).0.is_ok());
    lease.split.checksum = Some(Checksum::Crc32c(1));
    let why = read_of(&lease, &compressed).0.unwrap_err();
    assert!(why.contains("is damaged: it has CRC-32C"), "{why}");
}

#[test]
fn corrupt_compression_is_an_error_that_says_where() {
    let (text, _) = text(2000);
    let mut compressed = gzip(&text);
    let middle = compressed.len() / 2;
    compressed[middle] ^= 0xff;
    let (end, seen) = read_of(&lease(compressed.len(), 0..compressed.len() as u64, Codec::Gzip), &compressed);
    assert!(end.unwrap_err().contains("at byte "));
    assert!(seen.items.len() < 2000);
    let cut = &gzip(&text)[..middle];
    assert!(read_of(&lease(cut.len(), 0..cut.len() as u64, Codec::Gzip), cut).0.is_err());
}

#[test]
fn a_member_of_a_gzip_file_is_a_split_by_itself() {
    let (first, _) = text(20);
    let (second, offsets) = text(10);
    let mut object = gzip(&first);
    let begin = object.len() as u64;
    object.extend(gzip(&second));
    let mut lease = lease(object.len(), begin..object.len() as u64, Codec::Gzip);
    lease.split.text_start = first.len() as u64;
    lease.mark = lease.split.text_start;
    let (end, seen) = read_of(&lease, &object);
    assert_eq!(end, Ok((first.len() + second.len()) as u64));
    let expected: Vec<u64> = offsets.iter().map(|offset| offset + first.len() as u64).collect();
    assert_eq!(seen.items, expected);
    let mut text = String::new();
    flate2::read::MultiGzDecoder::new(&object[..]).read_to_string(&mut text).unwrap();
    assert_eq!(text.len(), first.len() + second.len());
}
