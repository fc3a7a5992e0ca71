//! Checks the lines of a file.

use std::io::{self, Read};

use format::{
    emr::KeyNames,
    lines::{Line, Lines},
    output::Output,
};
use job::split::MAX_LINE_BYTES;

use super::{defects::Defects, keys::SeenKeys};

/// The check of the lines of one file.
///
/// Memory: that of [`Lines`] and of [`SeenKeys`].
#[derive(Debug)]
pub(crate) struct LineCheck<'a> {
    keys: &'a KeyNames,
    output: Output,
    seen: SeenKeys,
    lines: u64,
    bytes: u64,
}

impl<'a> LineCheck<'a> {
    pub(crate) fn new(keys: &'a KeyNames, output: Output, seen: SeenKeys) -> Self {
        Self { keys, output, seen, lines: 0, bytes: 0 }
    }

    /// The bytes of the lines read so far, with their ends.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Reads a text to its end.
    ///
    /// # Errors
    /// Fails if the text can't be read. The lines before are checked.
    pub(crate) fn read(&mut self, text: impl Read, defects: &mut Defects) -> io::Result<()> {
        let mut lines = Lines::new(text, 0, None, false);
        while let Some(line) = lines.next()? {
            self.bytes = line.next;
            self.check(&line, defects);
        }
        Ok(())
    }

    /// Compares the keys of all lines so far. Returns the number of lines.
    pub(crate) fn finish(self, defects: &mut Defects) -> u64 {
        for (line, first) in self.seen.repeated() {
            defects.at_line(line, format_args!("the same key as in line {first}"));
        }
        self.lines
    }

    // It looks at the raw bytes: an export writes neither `\r` nor a byte order mark.
    #[inline]
    fn check(&mut self, line: &Line<'_>, defects: &mut Defects) {
        self.lines += 1;
        if !line.has_end {
            defects.at_line(self.lines, "no newline at its end");
            return;
        }
        if line.is_too_long || line.raw.len() > MAX_LINE_BYTES {
            defects.at_line(self.lines, format_args!("longer than {MAX_LINE_BYTES} bytes: not an item"));
            return;
        }
        match self.output.check_line(line.raw, self.keys) {
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

    /// A text that comes in these pieces.
    struct Pieces<'a>(Vec<&'a [u8]>);

    impl Read for Pieces<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0.retain(|piece| !piece.is_empty());
            self.0.first_mut().map_or(Ok(0), |piece| piece.read(buffer))
        }
    }

    fn check(pieces: &[&[u8]]) -> (u64, Vec<String>) {
        let attribute = |name: &str, kind| KeyAttribute { name: name.into(), kind };
        let schema =
            KeySchema { partition: attribute("k", KeyKind::S), sort: Some(attribute("r", KeyKind::N)) };
        let keys = KeyNames::from(&schema);
        let output = Output { format: OutputFormat::default(), null: NullSpelling::Single };
        let mut defects = Defects::of("f");
        let mut lines = LineCheck::new(&keys, output, SeenKeys::new(1, 100));
        lines.read(Pieces(pieces.to_vec()), &mut defects).unwrap();
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
    fn what_an_import_would_overlook_at_the_ends_of_a_line_is_a_defect() {
        for text in
            [format!("\u{feff}{}", line("a", 1)), line("a", 1).replace('\n', "\r\n"), line("a", 1) + "\n"]
        {
            let (_, defects) = check(&[text.as_bytes()]);
            assert_eq!(defects.len(), 1, "{text:?}: {defects:?}");
        }
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
