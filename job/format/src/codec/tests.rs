use std::io::{BufReader, Cursor, Write};

use flate2::{Compression as Grade, write};
use proptest::prelude::*;

use super::{blocks::MAX_BLOCK_BYTES, *};

const COMPRESSED: [Codec; 6] =
    [Codec::Gzip, Codec::Zlib, Codec::Bzip2, Codec::Zstd, Codec::Snappy, Codec::Lz4];

fn finished<W: Write>(mut encoder: W, text: &[u8], finish: impl Fn(W) -> io::Result<Vec<u8>>) -> Vec<u8> {
    encoder.write_all(text).unwrap();
    finish(encoder).unwrap()
}

/// One member, stream, frame or block.
fn compress(codec: Codec, text: &[u8]) -> Vec<u8> {
    let out = Vec::new;
    match codec {
        Codec::Plain => text.to_vec(),
        Codec::Gzip => {
            finished(write::GzEncoder::new(out(), Grade::default()), text, write::GzEncoder::finish)
        }
        Codec::Zlib => {
            finished(write::ZlibEncoder::new(out(), Grade::default()), text, write::ZlibEncoder::finish)
        }
        Codec::Bzip2 => {
            let encoder = bzip2::write::BzEncoder::new(out(), bzip2::Compression::fast());
            finished(encoder, text, bzip2::write::BzEncoder::finish)
        }
        Codec::Zstd => {
            let mut encoder = zstd::Encoder::new(out(), 3).unwrap();
            encoder.include_checksum(true).unwrap();
            finished(encoder, text, zstd::Encoder::finish)
        }
        Codec::Snappy | Codec::Lz4 => block(codec, text, text.len().max(1)),
    }
}

/// A Hadoop block with chunks that each have this much text.
fn block(codec: Codec, text: &[u8], chunk_bytes: usize) -> Vec<u8> {
    let length = |bytes: usize| u32::try_from(bytes).unwrap().to_be_bytes();
    let mut out = length(text.len()).to_vec();
    for text in text.chunks(chunk_bytes) {
        let chunk = match codec {
            Codec::Snappy => snap::raw::Encoder::new().compress_vec(text).unwrap(),
            _ => lz4_flex::block::compress(text),
        };
        out.extend_from_slice(&length(chunk.len()));
        out.extend_from_slice(&chunk);
    }
    out
}

fn text_of(codec: Codec, stored: &[u8]) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    // A small buffer, so that everything is cut somewhere.
    let stored = BufReader::with_capacity(7, Cursor::new(stored.to_vec()));
    decompress(codec, stored)?.read_to_end(&mut text)?;
    Ok(text)
}

fn lines(number: usize) -> Vec<u8> {
    (0..number).flat_map(|n| format!("{{\"pk\":{{\"n\":\"{}\"}}}}\n", n * n * 7919).into_bytes()).collect()
}

#[test]
fn a_text_comes_back_from_any_codec_in_any_number_of_pieces() {
    for codec in COMPRESSED {
        for number in [0, 1, 2, 1000] {
            let text = lines(number);
            let one = compress(codec, &text);
            let first_bytes = &one[..one.len().min(64 * 1024)];
            let expected = if number == 0 && codec == Codec::Lz4 { Codec::Snappy } else { codec };
            assert_eq!(detect(first_bytes), Ok(expected), "{codec:?} {number}");
            assert_eq!(text_of(codec, &one).unwrap(), text);
            if codec != Codec::Zlib && number > 0 {
                assert_eq!(text_of(codec, &[one.as_slice(), &one].concat()).unwrap(), text.repeat(2));
            }
        }
    }
}

#[test]
fn every_truncation_is_an_error() {
    for codec in COMPRESSED {
        let stored = compress(codec, &lines(40));
        for end in 0..stored.len() {
            match text_of(codec, &stored[..end]) {
                // Hadoop's framing has no end mark, so a file without blocks is an empty text.
                Ok(text) => assert!(end == 0 && text.is_empty() && codec != Codec::Zlib, "{codec:?} {end}"),
                Err(error) => assert_eq!(error.kind(), ErrorKind::UnexpectedEof, "{codec:?} {end} {error}"),
            }
        }
        let two = [stored.as_slice(), &stored].concat();
        for end in (stored.len() + 1..two.len()).step_by(3) {
            assert!(text_of(codec, &two[..end]).is_err(), "{codec:?} {end}");
        }
    }
}

#[test]
fn what_follows_the_end_is_an_error_but_for_the_zeros_of_gzip() {
    for codec in COMPRESSED {
        let text = lines(3);
        let with = |trailing: &[u8]| text_of(codec, &[&compress(codec, &text), trailing].concat());
        for trailing in [&b"garbage"[..], b"\n", b"\0\0\0\0\0\0\0\0\0\0x", b"{}"] {
            assert!(with(trailing).is_err(), "{codec:?} {trailing:?}");
        }
        assert_eq!(with(&[0; 1000]).is_ok(), codec == Codec::Gzip, "{codec:?}");
    }
    assert!(text_of(Codec::Zlib, &compress(Codec::Zlib, b"x").repeat(2)).is_err());
}

#[test]
fn blocks_have_any_number_of_chunks_and_may_be_empty_at_the_end() {
    for codec in [Codec::Snappy, Codec::Lz4] {
        let text = lines(500);
        let mut stored = block(codec, &text, 100);
        stored.extend_from_slice(&[0; 4]);
        assert_eq!(text_of(codec, &stored).unwrap(), text);
        assert_eq!(detect(&stored), Ok(codec));
        stored.extend_from_slice(&block(codec, &text, 10_000));
        assert_eq!(text_of(codec, &stored).unwrap(), text.repeat(2));
        assert!(text_of(codec, &[0; 8]).is_err(), "a file of zeros is not an empty one");
    }
}

#[test]
fn a_part_of_the_first_chunk_tells_the_codec() {
    for codec in [Codec::Snappy, Codec::Lz4] {
        let stored = compress(codec, &lines(10_000));
        for end in [100, 1000, 10_000] {
            assert_eq!(detect(&stored[..end]), Ok(codec), "{codec:?} {end}");
        }
    }
}

#[test]
fn blocks_that_would_take_too_much_memory_are_refused() {
    let length = u32::try_from(MAX_BLOCK_BYTES + 1).unwrap().to_be_bytes();
    let stored = [&length[..], &compress(Codec::Snappy, b"x")[4..]].concat();
    let error = text_of(Codec::Snappy, &stored).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    assert!(error.to_string().starts_with("corrupt snappy: a block of 67108865 bytes"), "{error}");
    assert!(detect(&stored).is_err());
}

#[test]
fn texts_are_plain_even_if_they_begin_like_a_codec() {
    for text in [
        "",
        "\n",
        " {\"a\":",
        "\u{feff}{}",
        "$ion_1_0 {Item:{}}",
        "x^y\u{3}{\"s\":\"x\"}\u{2}z\u{3}{\"n\":\"1\"}\n",
        "x\u{1}",
        "x^",
        "BZh9\u{3}{\"s\":\"x\"}",
        "BZh91AY\u{3}{\"s\":\"x\"}",
        "Pé\u{3}{}",
        "(\u{3}{}",
    ] {
        let expected = if text == "x\u{1}" { Ok(Codec::Zlib) } else { Ok(Codec::Plain) };
        assert_eq!(detect(text.as_bytes()), expected, "{text:?}");
    }
    // Cut within a character.
    assert_eq!(detect(&"né".as_bytes()[..2]), Ok(Codec::Plain));
}

#[test]
fn what_is_neither_text_nor_compressed_says_so() {
    for bytes in
        [&[0; 100][..], b"PAR1\x15\x04", b"\xff\xfe{\0", b"\x7fELF\x02\x01", b"\0\0\0\x05\0\0\0\x05hello"]
    {
        assert_eq!(detect(bytes), Err(UnknownCodec), "{bytes:?}");
    }
}

#[test]
fn zstd_may_begin_with_a_frame_without_text() {
    let stored = [&b"\x50\x2a\x4d\x18\x02\0\0\0xy"[..], &compress(Codec::Zstd, b"text")].concat();
    assert_eq!(detect(&stored), Ok(Codec::Zstd));
    assert_eq!(text_of(Codec::Zstd, &stored).unwrap(), b"text");
}

/// Is interrupted before each read, and fails at the end of its data.
struct Failing(Cursor<Vec<u8>>, bool);

impl Read for Failing {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.1 = !self.1;
        if self.1 {
            return Err(ErrorKind::Interrupted.into());
        }
        match self.0.read(out)? {
            0 => Err(io::Error::new(ErrorKind::ConnectionReset, "from below")),
            read => Ok(read),
        }
    }
}

#[test]
fn errors_from_below_come_through_and_stay() {
    for codec in COMPRESSED {
        let stored = compress(codec, &lines(100));
        for end in [0, 1, 5, stored.len() / 2, stored.len()] {
            let below = Failing(Cursor::new(stored[..end].to_vec()), false);
            let mut text = decompress(codec, BufReader::with_capacity(50, below)).unwrap();
            for _ in 0..2 {
                let error = text.read_to_end(&mut Vec::new()).unwrap_err();
                let found = (error.kind(), error.to_string());
                assert_eq!(found, (ErrorKind::ConnectionReset, "from below".to_owned()), "{codec:?} {end}");
            }
        }
    }
}

#[test]
fn a_flipped_bit_is_found_by_checksums_and_never_panics() {
    for codec in COMPRESSED {
        let text = lines(20);
        let stored = compress(codec, &text);
        for bit in 0..stored.len() * 8 {
            let mut flipped = stored.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let _ = detect(&flipped);
            let read = text_of(codec, &flipped);
            // Hadoop's framing has no checksums, and some bits of the other codecs have no meaning.
            let has_checksum = !matches!(codec, Codec::Snappy | Codec::Lz4);
            let may_pass = !has_checksum || read.as_ref().is_ok_and(|read| *read == text);
            assert!(read.is_err() || may_pass, "{codec:?} {bit}");
        }
    }
}

proptest! {
    // These codecs are slow without optimization.
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), small in any::<bool>()) {
        let mut bytes = bytes;
        if small {
            // Valid lengths of blocks.
            for at in [0, 1, 2, 4, 5, 6] {
                bytes.get_mut(at).into_iter().for_each(|byte| *byte = 0);
            }
        }
        let _ = detect(&bytes);
        for codec in COMPRESSED {
            let _ = text_of(codec, &bytes);
        }
    }

    #[test]
    fn any_text_comes_back(text in prop::collection::vec(any::<u8>(), 1..3000), repeats in 1usize..20) {
        let text = text.repeat(repeats);
        for codec in COMPRESSED {
            let stored = compress(codec, &text);
            prop_assert_eq!(detect(&stored), Ok(codec));
            prop_assert!(text_of(codec, &stored).unwrap() == text);
        }
    }
}

#[test]
fn a_part_file_may_need_a_window_of_eight_mebibytes_and_no_more() {
    for (log, is_read) in [(23, true), (24, false)] {
        let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(log).unwrap();
        encoder.write_all(b"line\n").unwrap();
        let stored = encoder.finish().unwrap();
        let read = |text: io::Result<Box<dyn Read + Send + '_>>| io::read_to_string(text.unwrap());
        assert_eq!(read(decompress(Codec::Zstd, &*stored)).unwrap(), "line\n");
        let part_file = read(decompress_part_file(Codec::Zstd, &*stored));
        assert_eq!(part_file.is_ok(), is_read, "{log}: {part_file:?}");
    }
}
