//! The strict reader of backup lines, which accepts only what export writes.
//!
//! It is for `verify`, where another spelling of the same item means that something else has changed the file. Import
//! accepts far more.

use job::{
    schema::{KeyAttribute, KeyKind, KeySchema},
    spec::NullSpelling,
};

use crate::json::{
    Problem, binary,
    escape::{Spelling, check_utf8},
    kind::Kind,
    walk::{Attribute, Dialect, SECOND_NULL, Walk, between},
};

/// The names of a table's key attributes, as spelled in lines.
#[derive(Clone, Debug)]
pub struct KeyNames {
    partition: KeyName,
    sort: Option<KeyName>,
}

#[derive(Clone, Debug)]
struct KeyName {
    attribute: KeyAttribute,
    /// With the closing quote.
    spelling: Vec<u8>,
}

impl KeyName {
    fn is(&self, name: &[u8]) -> bool {
        self.spelling == name
    }
}

impl From<&KeySchema> for KeyNames {
    fn from(schema: &KeySchema) -> Self {
        let name = |attribute: &KeyAttribute| KeyName {
            attribute: attribute.clone(),
            spelling: attribute
                .name
                .chars()
                .flat_map(|char| Spelling::of(char).as_bytes().to_vec())
                .chain([b'"'])
                .collect(),
        };
        Self { partition: name(&schema.partition), sort: schema.sort.as_ref().map(name) }
    }
}

/// The key of a line's item, as spelled in the line, without quotes.
///
/// The spelling is canonical and DynamoDB normalizes numbers, so equal keys are equal bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LineKeys<'a> {
    /// The value of the partition key.
    pub partition: &'a [u8],
    /// The value of the sort key, if the table has one.
    pub sort: Option<&'a [u8]>,
}

/// Why a line is not an item of the table in canonical form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// It is not one item in canonical form.
    #[error("byte {at}: {problem}")]
    Malformed {
        /// The offset in the line, in bytes.
        at: usize,
        /// What is wrong there.
        problem: Problem,
    },
    /// The item lacks an attribute of the key.
    #[error("key attribute {name:?} is missing")]
    KeyMissing {
        /// The attribute's name.
        name: String,
    },
    /// A key attribute has another type than in the table's schema.
    #[error("key attribute {name:?} is not of type {expected:?}")]
    KeyType {
        /// The attribute's name.
        name: String,
        /// Its type in the schema.
        expected: KeyKind,
    },
    /// The item has a key attribute twice.
    #[error("key attribute {name:?} occurs twice")]
    KeyTwice {
        /// The attribute's name.
        name: String,
    },
}

/// Checks that `line`, without its `\n`, is exactly one item in canonical form, with the key of the table and this
/// spelling of every NULL.
///
/// It does not check that the names of other attributes differ, that the item is within DynamoDB's limits on sizes and
/// digits, or that sets are not empty.
///
/// # Errors
///
/// Fails with the first error that can be found in one pass over the line; with an error of the key only if all else is
/// right.
pub fn check_line<'a>(
    line: &'a [u8],
    keys: &KeyNames,
    null: NullSpelling,
) -> Result<LineKeys<'a>, LineError> {
    match null {
        NullSpelling::Single => check::<false>(line, keys),
        NullSpelling::Both => check::<true>(line, keys),
    }
}

fn check<'a, const BOTH_NULLS: bool>(line: &'a [u8], keys: &KeyNames) -> Result<LineKeys<'a>, LineError> {
    let malformed = |(at, problem)| LineError::Malformed { at, problem };
    let has_separators = check_utf8(line).map_err(malformed)?;
    let search = KeySearch::<BOTH_NULLS> { keys, partition: Found::Nothing, sort: Found::Nothing };
    let mut walk = Walk::new(line, has_separators, search);
    let Ok(rest) = walk.item(line) else { return Err(malformed(walk.failure())) };
    if !rest.is_empty() {
        return Err(malformed((line.len() - rest.len(), Problem::Trailing)));
    }
    let KeySearch { partition, sort, .. } = walk.dialect;
    Ok(LineKeys {
        partition: partition.value(&keys.partition)?,
        sort: keys.sort.as_ref().map(|key| sort.value(key)).transpose()?,
    })
}

/// Finds the key attributes during the walk through a line.
struct KeySearch<'a, 'k, const BOTH_NULLS: bool> {
    keys: &'k KeyNames,
    partition: Found<'a>,
    sort: Found<'a>,
}

#[derive(Clone, Copy)]
enum Found<'a> {
    Nothing,
    Value(&'a [u8]),
    WrongType,
    Twice,
}

impl<'a> Found<'a> {
    fn add(&mut self, key: &KeyName, attribute: &Attribute<'a>) {
        *self = match (*self, key.attribute.kind, attribute.kind) {
            (Self::Nothing, KeyKind::S, Kind::S)
            | (Self::Nothing, KeyKind::N, Kind::N)
            | (Self::Nothing, KeyKind::B, Kind::B) => {
                let value = between(attribute.value, attribute.after_value);
                Self::Value(&value[1..value.len() - 1])
            }
            (Self::Nothing, _, _) => Self::WrongType,
            _ => Self::Twice,
        }
    }

    fn value(self, key: &KeyName) -> Result<&'a [u8], LineError> {
        let KeyAttribute { name, kind } = &key.attribute;
        match self {
            Self::Value(value) => Ok(value),
            Self::Nothing => Err(LineError::KeyMissing { name: name.clone() }),
            Self::WrongType => Err(LineError::KeyType { name: name.clone(), expected: *kind }),
            Self::Twice => Err(LineError::KeyTwice { name: name.clone() }),
        }
    }
}

impl<'a, const BOTH_NULLS: bool> Dialect<'a> for KeySearch<'a, '_, BOTH_NULLS> {
    const FLIP: u8 = 0x20;
    const BOTH_NULLS: bool = BOTH_NULLS;

    #[inline]
    fn type_letter(&mut self, _at: usize, _letter: u8) {}

    fn respell(&mut self, _from: usize, _to: usize, _canonical: &[u8]) -> Result<(), Problem> {
        Err(Problem::NotCanonical)
    }

    fn after_null(&mut self, _at: usize, rest: &'a [u8]) -> Result<&'a [u8], Problem> {
        rest.strip_prefix(SECOND_NULL).ok_or(Problem::Expected("the second spelling of NULL"))
    }

    #[inline]
    fn scalar(&mut self, kind: Kind, text: &'a [u8], after: &'a [u8]) -> Result<(), Problem> {
        let text = || between(text, after).strip_suffix(b"\"").unwrap_or_default();
        match kind {
            Kind::N | Kind::Ns if !is_number(text()) => Err(Problem::NotANumber),
            Kind::B | Kind::Bs if binary::decoded_bytes(text()).is_none() => Err(Problem::NotBase64),
            _ => Ok(()),
        }
    }

    #[inline]
    fn attribute(&mut self, attribute: &Attribute<'a>) -> Result<(), Problem> {
        let KeyNames { partition, sort } = self.keys;
        let name = between(attribute.name, attribute.after_name);
        if partition.is(name) {
            self.partition.add(partition, attribute);
        } else if let Some(sort) = sort
            && sort.is(name)
        {
            self.sort.add(sort, attribute);
        }
        Ok(())
    }
}

/// Whether it is a decimal number as DynamoDB accepts it: sign, digits, point, exponent (`-1.5E+3`).
fn is_number(text: &[u8]) -> bool {
    let (mantissa, exponent) = match text.iter().position(|byte| matches!(byte, b'e' | b'E')) {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, b"0".as_slice()),
    };
    let mantissa = without_sign(mantissa);
    let (mut digits, mut points) = (0, 0);
    for byte in mantissa {
        match byte {
            b'0'..=b'9' => digits += 1,
            b'.' => points += 1,
            _ => return false,
        }
    }
    let exponent = without_sign(exponent);
    digits > 0 && points <= 1 && !exponent.is_empty() && exponent.iter().all(u8::is_ascii_digit)
}

fn without_sign(text: &[u8]) -> &[u8] {
    match text {
        [b'+' | b'-', digits @ ..] => digits,
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SINGLE: NullSpelling = NullSpelling::Single;

    fn names(partition: (&str, KeyKind), sort: Option<(&str, KeyKind)>) -> KeyNames {
        let attribute = |(name, kind): (&str, _)| KeyAttribute { name: name.into(), kind };
        KeyNames::from(&KeySchema { partition: attribute(partition), sort: sort.map(attribute) })
    }

    fn problem(line: &str) -> Option<Problem> {
        spelled(line, NullSpelling::Single)
    }

    fn spelled(line: &str, null: NullSpelling) -> Option<Problem> {
        match check_line(line.as_bytes(), &names(("k", KeyKind::S), None), null) {
            Err(LineError::Malformed { problem, .. }) => Some(problem),
            _ => None,
        }
    }

    #[test]
    fn keys_are_found_at_the_top_level_only() {
        let keys = names(("p\"k", KeyKind::S), Some(("sk", KeyKind::N)));
        let line = r#"{"m":{"m":{"sk":{"s":"no"}}},"sk":{"n":"-1.5E+3"},"p\"k":{"s":"a\"é"}}"#;
        let expected = LineKeys { partition: r#"a\"é"#.as_bytes(), sort: Some(b"-1.5E+3") };
        assert_eq!(check_line(line.as_bytes(), &keys, SINGLE), Ok(expected));

        let line = br#"{"p\"k":{"s":"a"},"m":{"m":{"sk":{"n":"1"}}}}"#;
        assert_eq!(check_line(line, &keys, SINGLE), Err(LineError::KeyMissing { name: "sk".into() }));
    }

    #[test]
    fn keys_of_the_wrong_type_and_double_keys_are_told() {
        let keys = names(("k", KeyKind::B), None);
        let wrong = LineError::KeyType { name: "k".into(), expected: KeyKind::B };
        assert_eq!(check_line(br#"{"k":{"s":"AA=="}}"#, &keys, SINGLE), Err(wrong));
        let twice = LineError::KeyTwice { name: "k".into() };
        assert_eq!(check_line(br#"{"k":{"b":"AA=="},"k":{"b":"AA=="}}"#, &keys, SINGLE), Err(twice));
    }

    #[test]
    fn only_the_canonical_spelling_passes() {
        assert_eq!(problem("{\"k\":{\"s\":\"/<é\u{7f}\\u001f\\u2028\\n\"},\"x\":{\"nULL\":true}}"), None);
        for line in [
            r#"{"k": {"s":"x"}}"#,
            r#"{"k":{"s":"x"}, "a":{"nULL":true}}"#,
            " {\"k\":{\"s\":\"x\"}}",
            r#"{"k":{"s":"\/"}}"#,
            r#"{"k":{"s":"\u003c"}}"#,
            r#"{"k":{"s":"\u001F"}}"#,
            "{\"k\":{\"s\":\"\u{2028}\"}}",
        ] {
            assert_eq!(problem(line), Some(Problem::NotCanonical), "{line}");
        }
        for line in [
            r#"{"k":{"S":"x"}}"#,
            r#"{"k":{"ss":["x"]}}"#,
            r#"{"k":{"bool":true}}"#,
            r#"{"k":{"null":true}}"#,
        ] {
            assert_eq!(problem(line), Some(Problem::UnknownType), "{line}");
        }
        assert_eq!(problem("{\"k\":{\"s\":\"x\"}}\n"), Some(Problem::Trailing));
        assert_eq!(problem(r#"{"k":{"s":"x"}}{}"#), Some(Problem::Trailing));
        assert_eq!(problem(""), Some(Problem::End));
    }

    #[test]
    fn null_has_the_spelling_that_was_recorded() {
        let line = |null: &str| format!(r#"{{"k":{{"s":"x"}},"a":{{"l":[{null}]}},"b":{null}}}"#);
        let (single, both) = (line(r#"{"nULL":true}"#), line(r#"{"nULL":true,"nULLValue":true}"#));
        assert_eq!((spelled(&single, SINGLE), spelled(&both, NullSpelling::Both)), (None, None));
        assert!(spelled(&both, SINGLE).is_some() && spelled(&single, NullSpelling::Both).is_some());
        for wrong in [
            r#"{"nULLValue":true,"nULL":true}"#,
            r#"{"nULL":true,"nULLValue":false}"#,
            r#"{"nULL":true,"nULLValue":true,"nULLValue":true}"#,
            r#"{"nULL":true, "nULLValue":true}"#,
            r#"{"bOOL":true,"nULLValue":true}"#,
        ] {
            assert!(spelled(&line(wrong), NullSpelling::Both).is_some(), "{wrong}");
        }
    }

    #[test]
    fn numbers_are_decimals() {
        for good in ["0", "-0", "+1", "1.5", ".5", "5.", "1e3", "1E+3", "1E-130"] {
            assert!(is_number(good.as_bytes()), "{good}");
        }
        for bad in ["", "-", ".", "e3", "1e", "1e+", "1.2.3", "--1", "0x1", "1e1.5", "NaN", "1 "] {
            assert!(!is_number(bad.as_bytes()), "{bad}");
        }
    }
}
