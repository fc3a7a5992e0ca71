//! Lines of the older backups that Hive wrote: `name^C{"s":"x"}^Bname2^C{"n":"1"}`, with `^B` (0x02) between attributes
//! and `^C` (0x03) after names, which have no quotes or escapes.
//!
//! Names may contain anything but these two characters. emr-dynamodb-connector fails at names with spaces and colons,
//! since it turns the line into JSON and parses that.

use crate::item::{Item, ItemError};

const BETWEEN_ATTRIBUTES: u8 = 0x02;
const AFTER_NAME: u8 = 0x03;

/// Whether it is a line of Hive: it does not begin with a brace, and contains a `^C`.
pub fn is_line(line: &[u8]) -> bool {
    line.trim_ascii_start().first() != Some(&b'{') && memchr::memchr(AFTER_NAME, line).is_some()
}

/// The item of a line.
///
/// # Errors
/// Fails if an attribute has no name or no value, if a name occurs twice, and if [`Item::from_emr_line`] refuses a
/// value.
pub fn item(line: &[u8]) -> Result<Item, ItemError> {
    let mut item = Item::default();
    for attribute in line.split(|&byte| byte == BETWEEN_ATTRIBUTES) {
        let at = memchr::memchr(AFTER_NAME, attribute).ok_or(ItemError::Json)?;
        let name = std::str::from_utf8(&attribute[..at]).map_err(|_| ItemError::Json)?;
        // Parsed as the only attribute of a line, under a name that needs no escapes.
        let line = [br#"{"v":"#, &attribute[at + 1..], b"}"].concat();
        let read = Item::from_emr_line(&line)?;
        let mut values = read.attributes.into_values();
        let (Some(value), None) = (values.next(), values.next()) else { return Err(ItemError::Json) };
        if item.attributes.insert(name.to_owned(), value).is_some() {
            return Err(ItemError::DuplicateName);
        }
    }
    Ok(item)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_may_hold_spaces_quotes_and_colons() {
        let line = b"a b:\"c\x03{\"s\":\"x, {y}\"}\x02n\x03{\"n\":\"1\"}";
        assert!(is_line(line));
        assert_eq!(item(line).unwrap().to_emr_line(), r#"{"a b:\"c":{"s":"x, {y}"},"n":{"n":"1"}}"#);
    }

    #[test]
    fn what_is_no_such_line_is_refused() {
        assert!(!is_line(br#"{"a":{"s":"x"}}"#));
        for line in [
            &b"a\x03"[..],
            b"a\x03{\"s\":\"x\"}\x02",
            b"a\x03{\"s\":\"x\"}\x02a\x03{\"s\":\"y\"}",
            b"\xff\x03{\"s\":\"x\"}",
            b"a\x03{\"s\":\"x\"},\"b\":{\"s\":\"y\"}",
        ] {
            assert!(item(line).is_err());
        }
    }
}
