//! The type keys of attribute values, in DynamoDB's spelling.

#![expect(clippy::inline_always, reason = "as in walk.rs")]

/// The ten types of attribute values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    S,
    N,
    B,
    Bool,
    Null,
    Ss,
    Ns,
    Bs,
    L,
    M,
}

const fn key<const N: usize>(text: &[u8; N]) -> u64 {
    let mut word = 0;
    let mut at = N;
    while at > 0 {
        at -= 1;
        word = word << 8 | text[at] as u64;
    }
    word
}

const FIVE_BYTES: u64 = u64::MAX >> 24;
const SIX_BYTES: u64 = u64::MAX >> 16;
const KEY_S: u64 = key(br#"{"S":"#);
const KEY_N: u64 = key(br#"{"N":"#);
const KEY_B: u64 = key(br#"{"B":"#);
const KEY_L: u64 = key(br#"{"L":"#);
const KEY_M: u64 = key(br#"{"M":"#);
const KEY_SS: u64 = key(br#"{"SS":"#);
const KEY_NS: u64 = key(br#"{"NS":"#);
const KEY_BS: u64 = key(br#"{"BS":"#);
const KEY_BOOL: u64 = key(br#"{"BOOL":"#);
const KEY_NULL: u64 = key(br#"{"NULL":"#);

impl Kind {
    /// The type with this name.
    pub(crate) fn from_name(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"S" => Self::S,
            b"N" => Self::N,
            b"B" => Self::B,
            b"BOOL" => Self::Bool,
            b"NULL" => Self::Null,
            b"SS" => Self::Ss,
            b"NS" => Self::Ns,
            b"BS" => Self::Bs,
            b"L" => Self::L,
            b"M" => Self::M,
            _ => return None,
        })
    }

    /// The type key at the start of a compact text, and its length including `{`, quotes and colon.
    #[inline(always)]
    pub(crate) fn from_compact(word: u64) -> Option<(Self, usize)> {
        Some(match word & FIVE_BYTES {
            KEY_S => (Self::S, 5),
            KEY_N => (Self::N, 5),
            KEY_M => (Self::M, 5),
            KEY_L => (Self::L, 5),
            KEY_B => (Self::B, 5),
            _ => match word & SIX_BYTES {
                KEY_SS => (Self::Ss, 6),
                KEY_NS => (Self::Ns, 6),
                KEY_BS => (Self::Bs, 6),
                _ => match word {
                    KEY_BOOL => (Self::Bool, 8),
                    KEY_NULL => (Self::Null, 8),
                    _ => return None,
                },
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_the_same_by_word_and_by_name() {
        for name in ["S", "N", "B", "BOOL", "NULL", "SS", "NS", "BS", "L", "M", "s", "X", "BOOK", "SSS"] {
            let text = format!("{{\"{name}\":\"\"}}");
            let word = u64::from_le_bytes(*text.as_bytes().first_chunk().unwrap());
            let kind = Kind::from_name(name.as_bytes());
            assert_eq!(Kind::from_compact(word), kind.map(|kind| (kind, name.len() + 4)), "{name}");
        }
    }
}
