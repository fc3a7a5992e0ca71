//! The content of strings: length, characters, hash.

use crate::json::escape::{self, Escape, first_word};

/// Skips a string; `text` starts after its opening quote. Returns the text after the closing quote, and how many bytes
/// shorter the string is than its spelling. `None` if it is not a string.
#[inline]
pub(super) fn skip(text: &[u8]) -> Option<(&[u8], usize)> {
    let mut rest = text;
    let mut saved = 0;
    loop {
        rest = match escape::skip_plain(rest) {
            [b'"', after @ ..] => return Some((after, saved)),
            [b'\\', b'"' | b'\\' | b'n', after @ ..] => {
                saved += 1;
                after
            }
            rest => {
                let (char, after) = escaped_char(rest)?;
                saved += rest.len() - after.len() - char.len_utf8();
                after
            }
        };
    }
}

/// Skips a string without escapes, like [`skip`].
#[inline]
pub(super) fn skip_plain(text: &[u8]) -> Option<&[u8]> {
    escape::skip_plain(text).strip_prefix(b"\"")
}

/// The character of the escape at the start of `text`, and the text after it.
#[cold]
#[inline(never)]
fn escaped_char(text: &[u8]) -> Option<(char, &[u8])> {
    let (b'\\', letter) = (*text.first()?, *text.get(1)?) else { return None };
    let char = match letter {
        b'"' | b'\\' | b'/' => char::from(letter),
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => return unicode_escape(text),
        _ => return None,
    };
    Some((char, &text[2..]))
}

fn unicode_escape(text: &[u8]) -> Option<(char, &[u8])> {
    match escape::read_escape(text).ok()? {
        Escape::Other { len, char } => Some((char, &text[len..])),
        // One UTF-16 unit: escapes of two units are never canonical.
        Escape::Canonical { len } => {
            let digits = std::str::from_utf8(&text[2..len]).ok()?;
            let char = char::from_u32(u32::from_str_radix(digits, 16).ok()?)?;
            Some((char, &text[len..]))
        }
    }
}

/// Appends the characters of a string that [`skip`] has accepted, given without its quotes.
pub(super) fn unescape(mut text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    while let Some(at) = memchr::memchr(b'\\', text) {
        out.extend_from_slice(&text[..at]);
        let (char, after) = escaped_char(&text[at..])?;
        out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
        text = after;
    }
    out.extend_from_slice(text);
    Some(())
}

/// A hash of the first `len` bytes of `text`. It is faster if more bytes follow, with the same result.
#[inline]
pub(super) fn hash(text: &[u8], len: usize) -> u64 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut rest = &text[..len];
    let mut hash = len as u64;
    while let Some(word) = first_word(rest) {
        hash = (hash ^ word).wrapping_mul(FACTOR).rotate_left(29);
        rest = &rest[size_of::<u64>()..];
    }
    if rest.is_empty() {
        return hash;
    }
    let tail = match first_word(&text[len - rest.len()..]) {
        Some(word) => word & (u64::MAX >> (64 - 8 * rest.len())),
        None => rest.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte)),
    };
    (hash ^ tail).wrapping_mul(FACTOR).rotate_left(29)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The characters of a string between quotes, with a check of the length that [`skip`] returns.
    fn read(text: &str) -> Option<String> {
        let quoted = format!("{text}\"after");
        let (after, saved) = skip(quoted.as_bytes())?;
        assert_eq!(after, b"after");
        let mut out = Vec::new();
        unescape(text.as_bytes(), &mut out)?;
        assert_eq!(out.len(), text.len() - saved);
        Some(String::from_utf8(out).unwrap())
    }

    #[test]
    fn strings_are_read_as_serde_json_reads_them() {
        for text in [
            "",
            "plain",
            r#"\"\\\/\b\f\n\r\t"#,
            r"\u0041\u00e9\u20AC",
            r"\u0000\u001f\u001F\u2028\u2029",
            r"\ud83d\ude00x",
            "é€😀\u{2028}\u{7f}",
            r"\ud83d",
            r"\ud83dx",
            r"\ude00",
            r"\ud83d\u0041",
            r"\x",
            r"\u12g4",
            r"\u+123",
            r"\U0041",
            "a\tb",
            "\0",
        ] {
            let expected: Option<String> = serde_json::from_str(&format!("\"{text}\"")).ok();
            assert_eq!(read(text), expected, "{text:?}");
        }
        for text in ["", "x", r"x\", r"\u", r"\u004", r"\ud83d\u"] {
            assert_eq!(skip(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn hashes_depend_on_every_byte_and_on_nothing_behind() {
        let text: Vec<u8> = (b'a'..=b'z').collect();
        let mut all = Vec::new();
        for len in 0..=text.len() {
            let alone = hash(&text[..len], len);
            assert_eq!(hash(&text, len), alone, "{len}");
            all.push(alone);
            for at in 0..len {
                let mut other = text.clone();
                other[at] ^= 1;
                all.push(hash(&other, len));
            }
        }
        let num = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), num);
    }
}
