//! Checks lines while their bytes arrive, in pieces of any length.

use format::{emr::KeyNames, output::Output};

use super::{defects::Defects, keys::SeenKeys};

/// Longer than the line of any item. An item has at most 400 KB (`DynamoDB` API Reference, "Quotas"), and no attribute
/// takes twenty times its size as a line: the worst are lists of NULL in both spellings, where each takes 31 bytes
/// instead of 2.
const MAX_LINE_BYTES: usize = 8 * 1024 * 1024;

/// The check of the lines of one file.
///
/// Memory: an incomplete line, twice [`MAX_LINE_BYTES`] at most, and [`SeenKeys`].
#[derive(Debug)]
pub(super) struct LineCheck<'a> {
    keys: &'a KeyNames,
    output: Output,
    seen: SeenKeys,
    lines: u64,
    bytes: u64,
    /// The start of a line whose end has not arrived. If the line is too long, one byte more than allowed.
    begun: Vec<u8>,
}

impl<'a> LineCheck<'a> {
    pub(super) fn new(keys: &'a KeyNames, output: Output, seen: SeenKeys) -> Self {
        Self { keys, output, seen, lines: 0, bytes: 0, begun: Vec::new() }
    }

    /// Bytes fed so far.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn feed(&mut self, bytes: &[u8], defects: &mut Defects) {
        self.bytes += bytes.len() as u64;
        let mut from = 0;
        for end in memchr::memchr_iter(b'\n', bytes) {
            let line = &bytes[from..end];
            if self.begun.is_empty() {
                self.check(line, defects);
            } else {
                self.end(line, defects);
            }
            from = end + 1;
        }
        self.keep(&bytes[from..]);
    }

    /// Ends the check at the end of the file. Returns the number of lines.
    pub(super) fn finish(mut self, defects: &mut Defects) -> u64 {
        if !self.begun.is_empty() {
            self.lines += 1;
            defects.at_line(self.lines, "no newline at its end");
        }
        self.abandon(defects)
    }

    /// Ends the check where the rest can't be read. Returns the number of lines so far.
    pub(super) fn abandon(self, defects: &mut Defects) -> u64 {
        for (line, first) in self.seen.repeated() {
            defects.at_line(line, format_args!("the same key as in line {first}"));
        }
        self.lines
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = (MAX_LINE_BYTES + 1).saturating_sub(self.begun.len());
        self.begun.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn end(&mut self, rest: &[u8], defects: &mut Defects) {
        self.keep(rest);
        let mut line = std::mem::take(&mut self.begun);
        if line.len() > MAX_LINE_BYTES {
            self.lines += 1;
            defects.at_line(self.lines, format_args!("longer than {MAX_LINE_BYTES} bytes: not an item"));
        } else {
            self.check(&line, defects);
        }
        line.clear();
        self.begun = line;
    }

    #[inline]
    fn check(&mut self, line: &[u8], defects: &mut Defects) {
        self.lines += 1;
        match self.output.check_line(line, self.keys) {
            Ok(key) => self.seen.add(self.lines, &key),
            Err(error) => defects.not_an_item(self.lines, &error),
        }
    }
}

#[cfg(test)]
mod tests {
    use job::{
        schema::{KeyAttribute, KeyKind, KeySchema},
        spec::{NullSpelling, OutputFormat},
    };

    use super::*;

    fn check(pieces: &[&[u8]]) -> (u64, Vec<String>) {
        let attribute = |name: &str, kind| KeyAttribute { name: name.into(), kind };
        let schema =
            KeySchema { partition: attribute("k", KeyKind::S), sort: Some(attribute("r", KeyKind::N)) };
        let keys = KeyNames::from(&schema);
        let output = Output { format: OutputFormat::default(), null: NullSpelling::Single };
        let mut defects = Defects::of("f");
        let mut lines = LineCheck::new(&keys, output, SeenKeys::new(1, 100));
        for piece in pieces {
            lines.feed(piece, &mut defects);
        }
        (lines.finish(&mut defects), defects.into_lines())
    }

    fn line(key: &str, range: u32) -> String {
        format!("{{\"k\":{{\"s\":\"{key}\"}},\"r\":{{\"n\":\"{range}\"}}}}\n")
    }

    #[test]
    fn where_the_pieces_end_makes_no_difference() {
        let text = [line("a", 1), line("a", 2), line("b", 1), line("a", 2), "{}\n".into()].concat();
        let expected = vec![
            "f line 5: key attribute \"k\" is missing".to_owned(),
            "f line 4: the same key as in line 2".to_owned(),
        ];
        for size in 1..text.len() {
            let pieces: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
            assert_eq!(check(&pieces), (5, expected.clone()), "pieces of {size}");
        }
    }

    #[test]
    fn a_wrong_type_letter_or_key_type_is_told_with_its_line_and_without_the_item() {
        let swapped = line("secret", 2).replace("{\"n\":\"2\"}", "{\"N\":\"2\"}");
        let retyped = line("secret", 3).replace("{\"n\":\"3\"}", "{\"s\":\"3\"}");
        let text = [line("a", 1), swapped, retyped, "\n".into()].concat();
        let (lines, defects) = check(&[text.as_bytes()]);
        assert_eq!(lines, 4);
        assert_eq!(
            defects,
            [
                "f line 2: unknown attribute type at byte 26 of the line",
                "f line 3: key attribute \"r\" is not of type N",
                "f line 4: unexpected end of the text at byte 0 of the line",
            ]
        );
    }

    #[test]
    fn a_last_line_without_newline_is_counted_and_told() {
        let text = [line("a", 1), line("a", 2)].concat();
        let (lines, defects) = check(&[text.trim_end().as_bytes()]);
        assert_eq!((lines, defects), (2, vec!["f line 2: no newline at its end".to_owned()]));
        assert_eq!(check(&[]), (0, vec![]));
    }

    #[test]
    fn a_line_longer_than_any_item_is_told_once_and_not_kept() {
        let piece = vec![b'x'; MAX_LINE_BYTES / 3];
        let text = line("a", 1);
        let mut pieces = vec![piece.as_slice(); 9];
        pieces.extend([b"\n".as_slice(), text.as_bytes()]);
        let (lines, defects) = check(&pieces);
        assert_eq!((lines, defects.len()), (2, 1));
        assert!(defects[0].starts_with("f line 1: longer than"), "{defects:?}");
    }
}
