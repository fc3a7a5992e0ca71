//! The content of JSON strings: special characters, escapes, and the canonical spelling.

use super::Problem;

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH_BITS: u64 = 0x8080_8080_8080_8080;
const WORD: usize = size_of::<u64>();

/// The longest canonical spelling of a character, in bytes: `\u2028`.
const MAX_SPELLING: usize = 6;

/// The first eight bytes as a little-endian number.
#[inline]
pub(crate) fn first_word(text: &[u8]) -> Option<u64> {
    text.first_chunk::<WORD>().map(|bytes| u64::from_le_bytes(*bytes))
}

/// Sets the high bit of the first byte that is `"`, `\` or below 0x20. Bits above the lowest one set have no meaning,
/// since borrows reach into them.
#[inline]
fn mark_special(word: u64) -> u64 {
    // Flipping this bit turns the quote into 0x20 and permutes the control characters.
    let control_or_quote = (word ^ (ONES * 0x02)).wrapping_sub(ONES * 0x21);
    let backslash = (word ^ (ONES * u64::from(b'\\'))).wrapping_sub(ONES);
    (control_or_quote | backslash) & !word & HIGH_BITS
}

/// The text from its first `"`, `\` or control character on; empty if it has none.
#[inline]
pub(crate) fn skip_plain(text: &[u8]) -> &[u8] {
    let mut tail = text;
    while let Some(word) = first_word(tail) {
        let marks = mark_special(word);
        if marks != 0 {
            return &tail[marks.trailing_zeros() as usize / 8..];
        }
        tail = &tail[WORD..];
    }
    skip_plain_bytes(tail)
}

#[cold]
#[inline(never)]
fn skip_plain_bytes(text: &[u8]) -> &[u8] {
    let len = text.iter().take_while(|byte| !matches!(byte, b'"' | b'\\' | 0..0x20)).count();
    &text[len..]
}

/// An escape sequence.
pub(crate) enum Escape {
    /// `len` bytes in canonical spelling.
    Canonical { len: usize },
    /// `len` bytes that encode `char` and have another canonical spelling.
    Other { len: usize, char: char },
}

/// Reads the escape at the start of `text`; `text[0]` is the backslash.
pub(crate) fn read_escape(text: &[u8]) -> Result<Escape, Problem> {
    match text.get(1) {
        Some(b'"' | b'\\' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(Escape::Canonical { len: 2 }),
        Some(b'/') => Ok(Escape::Other { len: 2, char: '/' }),
        Some(b'u') => read_unicode_escape(text),
        Some(_) => Err(Problem::Escape),
        None => Err(Problem::End),
    }
}

fn read_unicode_escape(text: &[u8]) -> Result<Escape, Problem> {
    let unit = u32::from(read_unit(text)?);
    let (len, code) = match unit {
        0xd800..0xdc00 => {
            let rest = &text[6..];
            if !rest.starts_with(b"\\u") {
                return Err(Problem::LoneSurrogate);
            }
            let low = u32::from(read_unit(rest)?);
            if !(0xdc00..0xe000).contains(&low) {
                return Err(Problem::LoneSurrogate);
            }
            (12, 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00))
        }
        _ => (6, unit),
    };
    let char = char::from_u32(code).ok_or(Problem::LoneSurrogate)?;
    let canonical = Spelling::of(char).as_bytes() == &text[..len];
    Ok(if canonical { Escape::Canonical { len } } else { Escape::Other { len, char } })
}

/// The UTF-16 unit of the `\uXXXX` at the start of `text`.
fn read_unit(text: &[u8]) -> Result<u16, Problem> {
    let digits = text.get(2..6).ok_or(Problem::End)?;
    digits.iter().try_fold(0u16, |unit, &digit| {
        let value = char::from(digit).to_digit(16).ok_or(Problem::Escape)?;
        Ok(unit << 4 | u16::try_from(value).map_err(|_| Problem::Escape)?)
    })
}

/// The canonical spelling of a character in a string.
pub(crate) struct Spelling {
    bytes: [u8; MAX_SPELLING],
    len: usize,
}

impl Spelling {
    pub(crate) fn of(char: char) -> Self {
        let mut bytes = [0; MAX_SPELLING];
        let short = match char {
            '"' | '\\' => Some(char),
            '\u{8}' => Some('b'),
            '\t' => Some('t'),
            '\n' => Some('n'),
            '\u{c}' => Some('f'),
            '\r' => Some('r'),
            _ => None,
        };
        let len = if let Some(letter) = short {
            bytes[0] = b'\\';
            1 + letter.encode_utf8(&mut bytes[1..]).len()
        } else if matches!(char, '\0'..' ' | '\u{2028}' | '\u{2029}') {
            bytes[..2].copy_from_slice(b"\\u");
            let code = u32::from(char);
            for (place, shift) in bytes[2..].iter_mut().zip([12, 8, 4, 0]) {
                *place = b"0123456789abcdef"[(code >> shift & 0xf) as usize];
            }
            MAX_SPELLING
        } else {
            char.encode_utf8(&mut bytes).len()
        };
        Self { bytes, len }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// Whether an escape encodes half of a surrogate pair, which is not Unicode.
pub(crate) fn has_lone_surrogate(json: &[u8]) -> bool {
    let mut rest = json;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        rest = match read_escape(&rest[at..]) {
            Ok(Escape::Canonical { len } | Escape::Other { len, .. }) => &rest[at + len..],
            Err(Problem::LoneSurrogate) => return true,
            Err(_) => &rest[at + 1..],
        };
    }
    false
}

/// The offset of the first raw U+2028 or U+2029: valid JSON, but Gson escapes them.
pub(crate) fn find_line_separator(text: &[u8]) -> Option<usize> {
    memchr::memmem::find_iter(text, b"\xe2\x80").find(|&at| matches!(text.get(at + 2), Some(0xa8 | 0xa9)))
}

/// Checks that `text` is UTF-8. Returns whether it contains a raw U+2028 or U+2029.
///
/// It runs once for a whole page, so that strings need no check of their own.
pub(crate) fn check_utf8(text: &[u8]) -> Result<bool, (usize, Problem)> {
    // ASCII pages, the usual ones, need this one pass instead of two.
    if text.is_ascii() {
        return Ok(false);
    }
    match simdutf8::compat::from_utf8(text) {
        Ok(_) => Ok(find_line_separator(text).is_some()),
        Err(error) => Err((error.valid_up_to(), Problem::NotUtf8)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_at_every_place_is_judged_alike_by_words_and_by_bytes() {
        for byte in 0..=255u8 {
            for place in 0..24 {
                for filler in [b'a', b'!', b'#', b'[', b']', b' ', 0x7f, 0x80, 0xff] {
                    let mut text = [filler; 24];
                    text[place] = byte;
                    let special = matches!(byte, b'"' | b'\\' | 0..0x20);
                    assert_eq!(
                        skip_plain(&text).len(),
                        if special { 24 - place } else { 0 },
                        "{byte} at {place}"
                    );
                }
            }
        }
    }

    #[test]
    fn escapes_are_canonical_only_in_the_spelling_of_gson() {
        for canonical in [r#"\""#, r"\\", r"\b", r"\t", r"\n", r"\f", r"\r", r"\u0000", r"\u001f", r"\u2028"]
        {
            assert!(
                matches!(read_escape(canonical.as_bytes()), Ok(Escape::Canonical { len }) if len == canonical.len()),
                "{canonical}"
            );
        }
        for (other, expected) in [
            (r"\/", '/'),
            (r"\u001F", '\u{1f}'),
            (r"\u0009", '\t'),
            (r"\u0022", '"'),
            (r"\u003c", '<'),
            (r"\u00E9", 'é'),
            (r"\ud83d\ude00", '😀'),
            (r"\uDBFF\uDFFF", '\u{10ffff}'),
        ] {
            assert!(
                matches!(read_escape(other.as_bytes()), Ok(Escape::Other { len, char }) if len == other.len() && char == expected),
                "{other}"
            );
        }
    }

    #[test]
    fn broken_escapes_are_refused() {
        for (text, problem) in [
            (r"\", Problem::End),
            (r"\u12", Problem::End),
            (r"\x", Problem::Escape),
            (r"\u12g4", Problem::Escape),
            (r"\u+123", Problem::Escape),
            (r"\ud83d", Problem::LoneSurrogate),
            (r"\ud83dx", Problem::LoneSurrogate),
            (r"\ud83d\u0041", Problem::LoneSurrogate),
            (r"\ude00\ud83d", Problem::LoneSurrogate),
        ] {
            assert_eq!(read_escape(text.as_bytes()).err(), Some(problem), "{text}");
        }
    }
}
