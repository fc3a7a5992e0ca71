use proptest::prelude::*;

use super::*;

/// Returns a text in pieces of these lengths.
struct Pieces<'a> {
    text: &'a [u8],
    lengths: std::iter::Cycle<std::iter::Copied<std::slice::Iter<'a, usize>>>,
}

impl<'a> Pieces<'a> {
    fn of(text: &'a [u8], lengths: &'a [usize]) -> Self {
        Self { text, lengths: lengths.iter().copied().cycle() }
    }
}

impl Read for Pieces<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let length = self.lengths.next().unwrap_or(usize::MAX).min(out.len());
        self.text.read(&mut out[..length])
    }
}

/// The offset, the next offset, the bytes, and whether the line is too long.
type Owned = (u64, u64, Vec<u8>, bool);

fn all<R: Read>(mut lines: Lines<R>) -> Vec<Owned> {
    let mut found = Vec::new();
    while let Some(line) = lines.next().unwrap() {
        found.push((line.offset, line.next, line.bytes.to_vec(), line.is_too_long));
    }
    assert_eq!(lines.next().unwrap(), None);
    found
}

/// The lines of a text, found in a simple way.
fn expected(text: &[u8]) -> Vec<Owned> {
    let mut offset = 0;
    text.split_inclusive(|&byte| byte == b'\n')
        .map(|line| {
            let (from, next) = (offset, offset + line.len() as u64);
            offset = next;
            let bytes = match line {
                [bytes @ .., b'\r', b'\n'] | [bytes @ .., b'\n'] | bytes => bytes,
            };
            (from, next, bytes.to_vec(), false)
        })
        .collect()
}

#[test]
fn lines_end_in_a_newline_or_with_the_text() {
    for (text, lines) in [
        ("", &[][..]),
        ("\n", &[(0, 1, "")]),
        ("a", &[(0, 1, "a")]),
        ("a\n", &[(0, 2, "a")]),
        ("a\r\n\r\nb\r", &[(0, 3, "a"), (3, 5, ""), (5, 7, "b\r")]),
        ("\u{feff}a\n\u{feff}b", &[(0, 5, "a"), (5, 9, "\u{feff}b")]),
    ] {
        let found = all(Lines::new(text.as_bytes(), 0, None, false));
        let expected: Vec<Owned> =
            lines.iter().map(|&(from, next, line)| (from, next, line.into(), false)).collect();
        assert_eq!(found, expected, "{text:?}");
    }
}

#[test]
fn of_a_line_that_is_too_long_the_rest_is_skipped() {
    for (length, end, is_too_long) in [
        (MAX_LINE_BYTES, "\n", false),
        (MAX_LINE_BYTES, "\r\n", false),
        (MAX_LINE_BYTES, "", false),
        (MAX_LINE_BYTES + 1, "\n", true),
        (MAX_LINE_BYTES + 1, "\r\n", true),
        (MAX_LINE_BYTES + 1, "", true),
        (MAX_LINE_BYTES + 2, "\n", true),
        (MAX_LINE_BYTES + READ_BYTES, "\n", true),
        (3 * MAX_LINE_BYTES, "\n", true),
        (3 * MAX_LINE_BYTES, "", true),
    ] {
        let long = "x".repeat(length);
        let text = format!("before\n{long}{end}{}", if end.is_empty() { "" } else { "after\n" });
        for pieces in [&[usize::MAX], &[100_003]] {
            let mut lines = Lines::new(Pieces::of(text.as_bytes(), pieces), 0, None, false);
            assert_eq!(lines.next().unwrap().unwrap().bytes, b"before");
            let next = 7 + (length + end.len()) as u64;
            let line = lines.next().unwrap().unwrap();
            assert_eq!(
                (line.offset, line.next, line.is_too_long),
                (7, next, is_too_long),
                "{length} {end:?}"
            );
            assert!(line.bytes == &long.as_bytes()[..MAX_LINE_BYTES]);
            if !end.is_empty() {
                let line = lines.next().unwrap().unwrap();
                assert_eq!((line.offset, line.next, line.bytes), (next, next + 6, &b"after"[..]));
            }
            assert_eq!(lines.next().unwrap(), None);
            assert!(lines.buffer.len() <= MAX_BUFFER_BYTES);
        }
    }
}

#[test]
fn what_is_skipped_first_may_be_long() {
    let text = format!("{}\nb\n", "x".repeat(2 * MAX_LINE_BYTES));
    let mut lines = Lines::new(text.as_bytes(), 100, None, true);
    let offset = 101 + 2 * MAX_LINE_BYTES as u64;
    assert_eq!(lines.next().unwrap().unwrap().offset, offset);
    assert!(lines.buffer.len() <= READ_BYTES);
    assert_eq!(all(Lines::new(&b"no end"[..], 0, None, true)), []);
}

#[test]
fn after_an_error_no_rest_of_a_line_passes_for_one() {
    struct Once<'a>(&'a [u8], bool);
    impl Read for Once<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            if self.0.is_empty() && !self.1 {
                self.1 = true;
                return Err(ErrorKind::ConnectionReset.into());
            }
            self.0.read(out)
        }
    }
    let mut lines = Lines::new(Once(b"a\nb", false), 0, None, false);
    assert_eq!(lines.next().unwrap().unwrap().bytes, b"a");
    assert_eq!(lines.next().unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert!(lines.next().is_err());
}

#[test]
fn debug_shows_nothing_of_the_text() {
    let mut lines = Lines::new(&b"secret\nsecret\n"[..], 0, None, false);
    lines.next().unwrap();
    assert!(!format!("{lines:?}").contains("secret") && !format!("{lines:?}").contains("115"));
}

fn texts() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => Just(b"\n".to_vec()),
        1 => Just(b"\r\n".to_vec()),
        1 => Just(b"\r".to_vec()),
        6 => prop::collection::vec(b'a'..=b'z', 0..20),
        1 => (0usize..600_000).prop_map(|bytes| vec![b'x'; bytes]),
    ];
    prop::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn each_line_is_in_exactly_one_range_wherever_a_text_is_cut(
        text in texts(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        near in prop::collection::vec(0usize..60, 0..4),
        lengths in prop::collection::vec(1usize..100_000, 1..5),
    ) {
        let len = text.len();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(len + 1)).collect();
        cuts.extend(near.iter().map(|&cut| cut.min(len)));
        cuts.extend([0, len]);
        cuts.sort_unstable();
        let mut found = Vec::new();
        for range in cuts.windows(2) {
            let (start, end) = (range[0], range[1]);
            // As the reader of a cut split does it.
            let from = start.saturating_sub(1);
            let pieces = Pieces::of(&text[from..], &lengths);
            found.extend(all(Lines::new(pieces, from as u64, Some(end as u64), start > 0)));
        }
        prop_assert!(found == expected(&text));
    }
}
