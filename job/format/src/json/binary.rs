//! Base64 as in items: padded, of the standard alphabet (RFC 4648, section 4).

/// The number of bytes that `text` encodes, if it is padded base64 of the standard alphabet whose unused last bits are
/// zero. Such an encoding is unique, so equal bytes are equal texts.
#[inline]
pub(crate) fn decoded_bytes(text: &[u8]) -> Option<usize> {
    let (data, padding) = match text {
        [data @ .., b'=', b'='] if matches!(data.last(), Some(b'A' | b'Q' | b'g' | b'w')) => (data, 2),
        [data @ .., b'='] if data.last().is_some_and(|last| b"AEIMQUYcgkosw048".contains(last)) => (data, 1),
        [.., b'='] => return None,
        data => (data, 0),
    };
    // Each chunk is tested as a whole, so that the compiler can test many bytes at once.
    let is_data = |chunk: &[u8]| chunk.iter().fold(true, |all, &byte| all & is_base64(byte));
    let is_whole = text.len().is_multiple_of(4) && data.chunks(64).all(is_data);
    is_whole.then(|| text.len() / 4 * 3 - padding)
}

#[expect(clippy::needless_bitwise_bool, reason = "lazy operators would compile to jumps")]
#[inline]
fn is_base64(byte: u8) -> bool {
    ((byte | 0x20).wrapping_sub(b'a') < 26) | (byte.wrapping_sub(b'0') < 10) | (byte == b'+') | (byte == b'/')
}

#[cfg(test)]
mod tests {
    use base64::prelude::{BASE64_STANDARD, Engine};

    use super::*;

    #[test]
    fn base64_is_judged_as_a_decoder_would() {
        let letters = b"AQgwEc8/+=-";
        let mut texts = vec![Vec::new()];
        for _ in 0..4 {
            let longer = texts
                .iter()
                .flat_map(|text: &Vec<u8>| letters.map(|letter| [text.as_slice(), &[letter]].concat()));
            texts = texts.iter().cloned().chain(longer).collect();
            for text in &texts {
                for text in [text.clone(), [b"AAAA", text.as_slice()].concat()] {
                    let expected = BASE64_STANDARD.decode(&text).ok().map(|bytes| bytes.len());
                    assert_eq!(decoded_bytes(&text), expected, "{text:?}");
                }
            }
        }
        for byte in 0..=255u8 {
            let text = [b"AAA", [byte].as_slice()].concat();
            assert_eq!(decoded_bytes(&text).is_some(), BASE64_STANDARD.decode(&text).is_ok(), "{byte}");
        }
    }
}
