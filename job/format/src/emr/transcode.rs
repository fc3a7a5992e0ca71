//! Converts Scan replies to backup lines: the hot path of export, without intermediate values.
//!
//! A compact reply and its lines have the same length: a type key changes the case of one letter, and the comma after
//! an item becomes the end of a line. So runs of the reply are copied unchanged, and single bytes are patched in the
//! copy. Where the reply is not canonical, in white space or in the spelling of a string, a new copy starts after the
//! replacement.

use job::spec::NullSpelling;

use crate::{
    json::{
        Problem,
        escape::check_utf8,
        walk::{Dialect, SECOND_NULL, Step, Stopped, Walk, skip_white_space},
    },
    scan_reply::{ReplyFields, ScanPage, any_value, expect, field_name},
};

/// Why the bytes are not a Scan reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("scan reply, byte {at}: {problem}")]
pub struct TranscodeError {
    /// The offset in the reply, in bytes.
    pub at: usize,
    /// What is wrong there.
    pub problem: Problem,
}

/// Appends one canonical line for each item of the Scan reply `body` to `lines`.
///
/// The attributes of an item keep their order. Fields of the reply may come in any order; unknown ones only have to be
/// JSON. Two things are not checked: the strings of numbers and binaries, and that names within one item differ.
///
/// It adds at most `body.len()` bytes of capacity to `lines`, unless raw U+2028 or U+2029 grow to their escapes, or
/// each NULL gets its second spelling.
///
/// # Errors
///
/// Fails if `body` is not exactly one complete reply with as many items as it states. `lines` is then unchanged.
pub fn scan_page<'a>(
    body: &'a [u8],
    null: NullSpelling,
    lines: &mut Vec<u8>,
) -> Result<ScanPage<'a>, TranscodeError> {
    let before = lines.len();
    // Two copies of the code, so that the usual spelling does not pay for the other.
    let read = match null {
        NullSpelling::Single => read_reply::<false>,
        NullSpelling::Both => read_reply::<true>,
    };
    read(body, lines).map_err(|(at, problem)| {
        lines.truncate(before);
        TranscodeError { at, problem }
    })
}

fn read_reply<'a, const BOTH_NULLS: bool>(
    body: &'a [u8],
    lines: &mut Vec<u8>,
) -> Result<ScanPage<'a>, (usize, Problem)> {
    let has_separators = check_utf8(body)?;
    let at = |rest: &[u8]| body.len() - rest.len();
    let mut fields = ReplyFields::default();
    let mut rest = expect(b'{', "{", skip_white_space(body)).map_err(|problem| (0, problem))?;
    loop {
        rest = skip_white_space(rest);
        let (name, value) = field_name(rest).map_err(|problem| (at(rest), problem))?;
        rest = if name == b"Items" {
            let (items, after) = read_items::<BOTH_NULLS>(body, value, has_separators, lines)?;
            fields.set_items(items).map_err(|problem| (at(rest), problem))?;
            after
        } else {
            let (raw, after) = any_value(value).map_err(|problem| (at(value), problem))?;
            fields.read(name, raw).map_err(|problem| (at(value), problem))?;
            after
        };
        rest = skip_white_space(rest);
        match rest.split_first() {
            Some((b',', after)) => rest = after,
            Some((b'}', after)) => break rest = skip_white_space(after),
            Some(_) => return Err((at(rest), Problem::Expected(", or }"))),
            None => return Err((body.len(), Problem::End)),
        }
    }
    if !rest.is_empty() {
        return Err((at(rest), Problem::Trailing));
    }
    fields.finish().map_err(|problem| (body.len(), problem))
}

/// Reads the array of items. Returns their number, and the text after the array.
fn read_items<'a, const BOTH_NULLS: bool>(
    body: &'a [u8],
    array: &'a [u8],
    has_separators: bool,
    lines: &mut Vec<u8>,
) -> Result<(u64, &'a [u8]), (usize, Problem)> {
    let from = body.len() - array.len();
    let mut rest = skip_white_space(expect(b'[', "[", array).map_err(|problem| (from, problem))?);
    if let Some((b']', after)) = rest.split_first() {
        return Ok((0, after));
    }
    let copy = Copy::<BOTH_NULLS>::new(body, body.len() - rest.len(), lines);
    let mut walk = Walk::new(body, has_separators, copy);
    let mut items = 0;
    loop {
        items += 1;
        match read_item(&mut walk, rest) {
            Ok((b',', after)) => rest = after,
            Ok((_, after)) => {
                let end = walk.at(after);
                walk.dialect.finish(end);
                return Ok((items, after));
            }
            Err(Stopped) => return Err(walk.failure()),
        }
    }
}

/// Reads one item and the `,` or `]` after it, which becomes the end of its line.
#[inline]
fn read_item<'a, const BOTH_NULLS: bool>(
    walk: &mut Walk<'a, Copy<'a, '_, BOTH_NULLS>>,
    rest: &'a [u8],
) -> Result<(u8, &'a [u8]), Stopped> {
    let after: Step<'a> = walk.item(rest);
    let after = after?;
    let (byte, next) = walk.token(after)?;
    if !matches!(byte, b',' | b']') {
        return walk.stop(after, Problem::Expected(", or ]"));
    }
    walk.dialect.patch(walk.at(next) - 1, b'\n');
    Ok((byte, next))
}

/// The fewest bytes that are copied ahead of the walk.
const COPY_MIN_BYTES: usize = 64;

/// The most bytes that are copied ahead: they are patched while they are in the first-level cache.
const COPY_MAX_BYTES: usize = 8 * 1024;

/// The copy of the reply in `lines`, mostly somewhat ahead of the walk.
///
/// What `lines` holds after the last replacement is at an offset that is `shift` less in `body`. `shift` wraps, since
/// replies get both shorter and longer.
struct Copy<'a, 'l, const BOTH_NULLS: bool> {
    body: &'a [u8],
    lines: &'l mut Vec<u8>,
    shift: usize,
    ahead_bytes: usize,
}

impl<'a, 'l, const BOTH_NULLS: bool> Copy<'a, 'l, BOTH_NULLS> {
    /// Starts at the offset `from`.
    fn new(body: &'a [u8], from: usize, lines: &'l mut Vec<u8>) -> Self {
        lines.reserve(body.len() - from);
        let shift = lines.len().wrapping_sub(from);
        Self { body, lines, shift, ahead_bytes: COPY_MIN_BYTES }
    }

    /// Replaces the byte at the offset `at` of the reply by `byte`.
    #[inline]
    fn patch(&mut self, at: usize, byte: u8) {
        match self.lines.get_mut(at.wrapping_add(self.shift)) {
            Some(place) => *place = byte,
            None => self.copy_and_patch(at, byte),
        }
    }

    #[inline(never)]
    fn copy_and_patch(&mut self, at: usize, byte: u8) {
        self.ahead_bytes = (self.ahead_bytes * 2).min(COPY_MAX_BYTES);
        let end = (at + self.ahead_bytes).min(self.body.len());
        let copied = self.lines.len().wrapping_sub(self.shift);
        self.lines.extend_from_slice(&self.body[copied..end]);
        self.lines[at.wrapping_add(self.shift)] = byte;
    }

    /// Makes the copy end exactly at the offset `to` of the reply.
    fn finish(&mut self, to: usize) {
        let end = to.wrapping_add(self.shift);
        if let Some(missing) = end.checked_sub(self.lines.len()) {
            self.lines.extend_from_slice(&self.body[to - missing..to]);
        } else {
            self.lines.truncate(end);
        }
    }
}

impl<'a, const BOTH_NULLS: bool> Dialect<'a> for Copy<'a, '_, BOTH_NULLS> {
    const FLIP: u8 = 0;
    const BOTH_NULLS: bool = BOTH_NULLS;

    #[inline]
    fn type_letter(&mut self, at: usize, letter: u8) {
        self.patch(at, letter | 0x20);
    }

    fn respell(&mut self, from: usize, to: usize, canonical: &[u8]) -> Result<(), Problem> {
        self.finish(from);
        self.lines.extend_from_slice(canonical);
        self.shift = self.lines.len().wrapping_sub(to);
        self.ahead_bytes = COPY_MIN_BYTES;
        Ok(())
    }

    fn after_null(&mut self, at: usize, rest: &'a [u8]) -> Result<&'a [u8], Problem> {
        self.respell(at, at, SECOND_NULL)?;
        Ok(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines_of(items: &str, count: usize) -> Result<String, Problem> {
        spelled(items, count, NullSpelling::Single)
    }

    fn spelled(items: &str, count: usize, null: NullSpelling) -> Result<String, Problem> {
        let body = format!(r#"{{"Items":{items},"Count":{count}}}"#);
        let mut lines = b"before\n".to_vec();
        let page = scan_page(body.as_bytes(), null, &mut lines).map_err(|error| {
            assert_eq!(lines, b"before\n");
            error.problem
        })?;
        assert_eq!(page.items, count as u64);
        Ok(String::from_utf8(lines).unwrap().strip_prefix("before\n").unwrap().to_owned())
    }

    #[test]
    fn type_keys_are_renamed_and_nothing_else() {
        let items = r#"[{"S":{"S":"S"},"N":{"N":"1E+3"},"B":{"B":"AA=="},"x":{"BOOL":true},"y":{"BOOL":false},"z":{"NULL":true},
            "ss":{"SS":["S","{\"S\":"]},"ns":{"NS":["1"]},"bs":{"BS":[]},"l":{"L":[{"L":[]},{"M":{}},{"S":""}]},"M":{"M":{"M":{"S":"M"}}}},{}]"#;
        let expected = r#"{"S":{"s":"S"},"N":{"n":"1E+3"},"B":{"b":"AA=="},"x":{"bOOL":true},"y":{"bOOL":false},"z":{"nULL":true},"ss":{"sS":["S","{\"S\":"]},"ns":{"nS":["1"]},"bs":{"bS":[]},"l":{"l":[{"l":[]},{"m":{}},{"s":""}]},"M":{"m":{"M":{"s":"M"}}}}
{}
"#;
        assert_eq!(lines_of(items, 2).unwrap(), expected);
    }

    #[test]
    fn null_gets_its_second_spelling_wherever_it_stands_if_asked() {
        let items = r#"[{"z":{"NULL":true},"s":{"S":"{\"NULL\":true}"},"NULL":{"L":[{"NULL": true },{"BOOL":true},{"M":{"x":{"NULL":true}}}]}},{"y":{"NULL":true}}]"#;
        let single = lines_of(items, 2).unwrap();
        let both = spelled(items, 2, NullSpelling::Both).unwrap();
        assert_eq!(both, single.replace(r#""nULL":true"#, r#""nULL":true,"nULLValue":true"#));
        assert_eq!(both.matches("nULLValue").count(), 4);
        for wrong in [r#"[{"z":{"NULL":false}}]"#, r#"[{"z":{"NULL":tru}}]"#] {
            assert!(spelled(wrong, 1, NullSpelling::Both).is_err(), "{wrong}");
        }
    }

    #[test]
    fn strings_are_respelled_as_gson_would() {
        let items = "[{\"\\u00e9\\/\":{\"S\":\"\\u003c\\ud83d\\ude00\\u001F\\u2028\u{2028}\u{2029}\\n\\u000a\u{7f}é\"}}]";
        let expected = "{\"é/\":{\"s\":\"<😀\\u001f\\u2028\\u2028\\u2029\\n\\n\u{7f}é\"}}\n";
        assert_eq!(lines_of(items, 1).unwrap(), expected);
    }

    #[test]
    fn white_space_between_any_tokens_is_dropped() {
        let items = "[ { \"a\" : { \"L\" : [ { \"BOOL\" : true } , { \"NS\" : [ \"1\" , \"2\" ] } ] } , \"b\"\t:\r\n{ \"M\" : { } } } , { } ]";
        let expected = "{\"a\":{\"l\":[{\"bOOL\":true},{\"nS\":[\"1\",\"2\"]}]},\"b\":{\"m\":{}}}\n{}\n";
        assert_eq!(lines_of(items, 2).unwrap(), expected);
    }

    #[test]
    fn values_of_the_wrong_kind_are_refused() {
        for value in [
            r#"{"N":1}"#,
            r#"{"S":null}"#,
            r#"{"BOOL":"true"}"#,
            r#"{"BOOL":truex}"#,
            r#"{"NULL":false}"#,
            r#"{"s":""}"#,
            r#"{"X":""}"#,
            r#"{"":""}"#,
            r#"{"BOOLE":true}"#,
            r#"{"\u0053":""}"#,
            r#"{"S":"","N":"1"}"#,
            r#"{"SS":"x"}"#,
            r#"{"NS":[1]}"#,
            r#"{"SS":["x",]}"#,
            r#"{"L":{}}"#,
            r#"{"L":[1]}"#,
            r#"{"L":[{"S":""},]}"#,
            r#"{"M":[]}"#,
            r#"{"M":{"a":1}}"#,
            r#"{"M":{"a":{"S":""},}}"#,
            "{}",
            "[]",
            "\"S\"",
            "null",
            "{\"S\":\"\n\"}",
            r#"{"S":"\ud800"}"#,
        ] {
            let items = format!(r#"[{{"a":{value}}}]"#);
            assert!(lines_of(&items, 1).is_err(), "{value}");
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let nested =
            |levels| format!(r#"[{{"a":{}{{"S":""}}{}}}]"#, r#"{"L":["#.repeat(levels), "]}".repeat(levels));
        assert!(lines_of(&nested(crate::limits::MAX_NESTING), 1).is_ok());
        assert_eq!(lines_of(&nested(crate::limits::MAX_NESTING + 1), 1), Err(Problem::TooDeep));
        assert_eq!(lines_of(&nested(1_000_000), 1), Err(Problem::TooDeep));
    }

    #[test]
    fn the_copy_survives_replacements_near_and_far_from_each_other() {
        for gap in [0, 1, 50, 100, 1000, 100_000] {
            let plain = "x".repeat(gap);
            let value = format!(r#"{{"a":{{"S":"{plain}\/{plain}\/\/{plain}"}},"{plain}":{{"NULL":true}}}}"#);
            let line = value.replace(r"\/", "/").replace("\"S\"", "\"s\"").replace("NULL", "nULL");
            let items = format!("[{}]", vec![value.as_str(); 30].join(","));
            assert_eq!(lines_of(&items, 30).unwrap(), format!("{line}\n").repeat(30));
        }
    }
}
