//! Why a text of JSON can't be used, in words for people.

use serde_json::error::Category;

/// Why a text is not JSON of the expected form. It never quotes the text, which may hold keys of items, and it has none
/// of the parser's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{flaw}")]
pub struct JsonError {
    flaw: Flaw,
    /// The line where the parser stopped, from 1.
    pub line: usize,
    /// The byte of that line, from 1.
    pub column: usize,
}

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum Flaw {
    #[error("it is cut off")]
    CutOff,
    #[error("it is not JSON")]
    NotJson,
    #[error("a field is missing, or has a value that it can't have")]
    Field,
    #[error("a name or an id in it is not {0}")]
    Name(&'static str),
}

/// What [`NotAName`](crate::ids::NotAName) can say. The parser passes on only its text.
const NAMES: [&str; 3] = ["the name of a part file", "the UUID of a job", "the id of a multipart upload"];

impl JsonError {
    /// What a name or an id should have been that is not one.
    pub fn name(&self) -> Option<&'static str> {
        match self.flaw {
            Flaw::Name(what) => Some(what),
            _ => None,
        }
    }

    /// Whether the text ends too early.
    pub fn is_cut_off(&self) -> bool {
        self.flaw == Flaw::CutOff
    }
}

impl From<serde_json::Error> for JsonError {
    fn from(error: serde_json::Error) -> Self {
        let flaw = match error.classify() {
            // All texts are in memory, so there are no errors of I/O.
            Category::Eof | Category::Io => Flaw::CutOff,
            Category::Syntax => Flaw::NotJson,
            Category::Data => {
                let said = error.to_string();
                NAMES.into_iter().find(|name| said.contains(name)).map_or(Flaw::Field, Flaw::Name)
            }
        };
        Self { flaw, line: error.line(), column: error.column() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_flaw_is_told_without_the_words_of_the_parser_or_of_the_text() {
        #[derive(Debug, serde::Deserialize)]
        #[expect(dead_code, reason = "it is never read")]
        struct Counted {
            items: u64,
        }
        for (text, said, place) in [
            ("", "it is cut off", (1, 0)),
            ("{\"items\":", "it is cut off", (1, 9)),
            ("{\n\"items\" 7}", "it is not JSON", (2, 9)),
            ("{\"items\":7} x", "it is not JSON", (1, 13)),
            ("{}", "a field is missing, or has a value that it can't have", (1, 2)),
            ("{\"items\":\"secret\"}", "a field is missing, or has a value that it can't have", (1, 17)),
        ] {
            let error = JsonError::from(serde_json::from_str::<Counted>(text).unwrap_err());
            assert_eq!((error.to_string().as_str(), (error.line, error.column)), (said, place), "{text}");
        }
        let forged =
            JsonError::from(serde_json::from_str::<crate::layout::PartName>("\"../x\"").unwrap_err());
        assert_eq!(forged.to_string(), "a name or an id in it is not the name of a part file");
        for (text, what) in [("../x", NAMES[0]), ("x", NAMES[0])] {
            assert!(text.parse::<crate::layout::PartName>().unwrap_err().to_string().contains(what));
        }
        assert!("x".parse::<crate::ids::JobId>().unwrap_err().to_string().contains(NAMES[1]));
        assert!("".parse::<crate::ids::UploadId>().unwrap_err().to_string().contains(NAMES[2]));
    }
}
