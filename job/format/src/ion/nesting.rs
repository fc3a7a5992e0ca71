//! Checks how deep an Ion text is nested before it is parsed.
//!
//! The library parses recursively without a limit: a line of brackets would overflow the stack and end the process. So
//! this looks for brackets outside of strings and comments, and for nothing else. What it takes for a string must be a
//! string for the library, too. Hence it refuses s-expressions, which may contain almost anything.

use crate::{item::ItemError, limits::MAX_NESTING, request::RequestError};

/// The most nested brackets: those of the deepest item, and of the line, the item itself and a set.
const MAX_BRACKETS: usize = MAX_NESTING + 3;

const OPEN: RequestError = RequestError::Ion("something in it is not closed");

/// Checks whether the text may be parsed.
///
/// # Errors
/// Fails with [`ItemError::TooDeep`], or with [`RequestError::Ion`] if it can't be an item.
pub(super) fn check(line: &[u8]) -> Result<(), RequestError> {
    let (mut rest, mut depth) = (line, 0usize);
    while let Some((&byte, after)) = rest.split_first() {
        rest = match (byte, after) {
            (b'"', _) => skip_quoted(after, b"\"")?,
            (b'\'', [b'\'', b'\'', after @ ..]) => skip_quoted(after, b"'''")?,
            (b'\'', _) => skip_quoted(after, b"'")?,
            (b'/', [b'/', after @ ..]) => {
                &after[memchr::memchr2(b'\n', b'\r', after).unwrap_or(after.len())..]
            }
            (b'/', [b'*', after @ ..]) => &after[memchr::memmem::find(after, b"*/").ok_or(OPEN)? + 2..],
            (b'{', [b'{', after @ ..]) => skip_blob(after)?,
            (b'{' | b'[', _) if depth == MAX_BRACKETS => return Err(ItemError::TooDeep.into()),
            (b'{' | b'[', _) => {
                depth += 1;
                after
            }
            // The parser checks whether they match.
            (b'}' | b']', _) => {
                depth = depth.saturating_sub(1);
                after
            }
            (b'(', _) => return Err(RequestError::Ion("an s-expression, which DynamoDB does not have")),
            _ => after,
        };
    }
    Ok(())
}

/// The text after the next `quote` that is not escaped.
fn skip_quoted<'a>(mut rest: &'a [u8], quote: &[u8]) -> Result<&'a [u8], RequestError> {
    loop {
        let at = memchr::memchr2(quote[0], b'\\', rest).ok_or(OPEN)?;
        rest = &rest[at..];
        if let Some(after) = rest.strip_prefix(quote) {
            return Ok(after);
        }
        let skipped = if rest[0] == b'\\' { 2 } else { 1 };
        rest = rest.get(skipped..).ok_or(OPEN)?;
    }
}

/// The text after a blob, in which slashes do not begin comments.
fn skip_blob(rest: &[u8]) -> Result<&[u8], RequestError> {
    let at = memchr::memchr3(b'}', b'"', b'\'', rest).ok_or(OPEN)?;
    rest[at..].strip_prefix(b"}}").ok_or(RequestError::Ion("a binary that is not a blob"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOO_DEEP: Result<(), RequestError> = Err(RequestError::Item(ItemError::TooDeep));

    #[test]
    fn only_brackets_outside_of_strings_comments_and_blobs_count() {
        let many = "[{".repeat(100);
        for text in [
            format!(r#"["{many}"]"#),
            format!(r#"["\"{many}"]"#),
            format!(r"['''{many}' '' \''' {many}''']"),
            format!("[{{'{many}':1}}]"),
            format!("[ // {many}"),
            format!("[ /* {many} // */ ]"),
            "[{{a//b}}, {}]".repeat(100),
        ] {
            assert_eq!(check(text.as_bytes()), Ok(()), "{text}");
            let deeper = format!("{text}\n[{{{many}");
            assert_eq!(check(deeper.as_bytes()), TOO_DEEP, "{text}");
        }
    }

    #[test]
    fn what_does_not_end_is_refused() {
        for text in [r#"""#, r#""\""#, "'", "''''", "'''''", "/*", "{{", "{{a", r#""\"#] {
            assert_eq!(check(text.as_bytes()), Err(OPEN), "{text}");
        }
        for text in ["{{a}", r#"{{"a"}}"#, "("] {
            assert!(matches!(check(text.as_bytes()), Err(RequestError::Ion(_))), "{text}");
        }
    }
}
