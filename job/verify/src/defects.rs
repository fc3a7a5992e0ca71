//! The defects, as lines: the first ones of each place, then the number of the others. Never the contents of items.

use std::{error::Error, fmt::Display, io};

use format::emr::LineError;

/// The most defects listed for one place. A file that is damaged throughout needs no million lines.
const SHOWN: usize = 20;

/// The defects of one file, or of one aspect of the folder.
#[derive(Debug)]
pub struct Defects {
    place: String,
    of_the_whole: Vec<String>,
    shown: Vec<String>,
    hidden: u64,
}

impl Defects {
    /// `place` begins every line. It is escaped, because a name found in the folder may contain anything.
    pub fn of(place: &str) -> Self {
        let place = place.escape_debug().to_string();
        Self { place, of_the_whole: Vec::new(), shown: Vec::new(), hidden: 0 }
    }

    /// Adds a defect of the place as a whole. These are always listed, and come first.
    pub fn whole(&mut self, what: impl Display) {
        self.of_the_whole.push(format!("{}: {what}", self.place));
    }

    /// Adds one of possibly many defects.
    pub fn one(&mut self, what: impl Display) {
        if self.has_room() {
            self.shown.push(format!("{}: {what}", self.place));
        }
    }

    /// Adds a defect at an offset of the stored file from which on it can't be used. These are always listed as well.
    pub(crate) fn at_byte(&mut self, offset: u64, what: impl Display) {
        self.of_the_whole.push(format!("{} byte {offset}: {what}", self.place));
    }

    /// Adds the defect that the decompressor failed after this many bytes of the stored file. Its errors contain
    /// nothing of the data.
    pub(crate) fn broken(&mut self, offset: u64, error: &io::Error) {
        let what = if error.kind() == io::ErrorKind::UnexpectedEof {
            "the compressed data is cut off".to_owned()
        } else {
            let why = error.source().map_or_else(|| error.to_string(), ToString::to_string);
            format!("the compressed data is damaged ({why})")
        };
        self.at_byte(offset, format_args!("{what}; the rest of the file can't be read"));
    }

    /// Adds a defect of a line, counted from 1.
    pub(crate) fn at_line(&mut self, line: u64, what: impl Display) {
        if self.has_room() {
            self.shown.push(format!("{} line {line}: {what}", self.place));
        }
    }

    /// Adds the defect of a line that is not an item of the table.
    pub(crate) fn not_an_item(&mut self, line: u64, error: &LineError) {
        match error {
            LineError::Malformed { at, problem } => {
                self.at_line(line, format_args!("{problem} at byte {at} of the line"));
            }
            LineError::KeyMissing { .. } | LineError::KeyType { .. } | LineError::KeyTwice { .. } => {
                self.at_line(line, error);
            }
        }
    }

    /// All defects, a line each. Those of the whole come first.
    pub fn into_lines(self) -> Vec<String> {
        let more = (self.hidden > 0).then(|| format!("{}: … and {} more", self.place, self.hidden));
        self.of_the_whole.into_iter().chain(self.shown).chain(more).collect()
    }

    fn has_room(&mut self) -> bool {
        let has_room = self.shown.len() < SHOWN;
        self.hidden += u64::from(!has_room);
        has_room
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_twenty_lines_only_the_number_is_told_and_the_file_as_a_whole_first() {
        let mut defects = Defects::of("x_000000");
        (1..=25).for_each(|line| defects.at_line(line, "wrong"));
        defects.whole("too short");
        let lines = defects.into_lines();
        assert_eq!(lines.len(), 22);
        assert_eq!(lines[0], "x_000000: too short");
        assert_eq!(lines[1], "x_000000 line 1: wrong");
        assert_eq!(lines[21], "x_000000: … and 5 more");
    }

    #[test]
    fn a_name_of_several_lines_takes_one() {
        let mut defects = Defects::of("a\nb\u{1b}[1m");
        defects.whole("foreign");
        assert_eq!(defects.into_lines(), [r"a\nb\u{1b}[1m: foreign"]);
    }
}
