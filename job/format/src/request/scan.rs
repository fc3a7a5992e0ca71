//! One walk over the bytes of an item, without values. It finds whether DynamoDB accepts the item, the item's size, and
//! its key.
//!
//! It handles only what is cheap and certain to decide: compact text, and names without escapes. At anything else it
//! gives up without a reason, and the slow path decides.

#![expect(clippy::inline_always, reason = "as in walk.rs")]

use std::ops::Range;

use job::schema::{KeyAttribute, KeyKind, KeySchema};

use super::{
    Table,
    check::{Watched, is_name},
    decimal::Decimal,
    text,
    unique::Hashes,
};
use crate::{
    item::{COLLECTION_BYTES, ELEMENT_BYTES},
    json::{
        binary,
        escape::first_word,
        kind::Kind,
        walk::{SECOND_NULL, between},
    },
    limits::MAX_LEVELS,
};

/// The `VALUE` of `{"nULLValue":true}`, which DynamoDB calls `NULL`. The range counts from the brace.
const OLD_NULL_EXCESS: Range<usize> = 6..11;

/// Buffers that are reused from line to line.
#[derive(Clone, Debug, Default)]
pub(super) struct Buffers {
    hashes: Hashes,
    /// The unescaped text of strings with escapes.
    unescaped: Vec<u8>,
    /// The ranges, in order, where the spelling of NULL is longer than DynamoDB's.
    pub(super) cuts: Vec<Range<usize>>,
}

impl Buffers {
    /// The most elements that a buffer keeps room for between lines.
    const MAX_IDLE: usize = 16 * 1024;

    /// Removes the content of all buffers.
    pub(super) fn clear(&mut self) {
        self.hashes.clear();
        self.unescaped.clear();
        self.unescaped.shrink_to(Self::MAX_IDLE);
        self.cuts.clear();
        self.cuts.shrink_to(Self::MAX_IDLE);
    }
}

/// The results of the walk.
#[derive(Clone, Copy)]
pub(super) struct Facts<'a> {
    /// The item's text, from brace to brace.
    pub(super) json: &'a [u8],
    /// The size by the rule of [`Item::size_bytes`](crate::item::Item::size_bytes).
    pub(super) bytes: usize,
    pub(super) partition: Option<KeyText<'a>>,
    pub(super) sort: Option<KeyText<'a>>,
}

/// The value of a key attribute; it has the type of the table's schema.
#[derive(Clone, Copy)]
pub(super) struct KeyText<'a> {
    /// The text between its quotes.
    pub(super) spelling: &'a [u8],
    /// The size as in [`Facts::bytes`], without the name.
    pub(super) bytes: usize,
}

impl<'a> KeyText<'a> {
    pub(super) fn spelling(self) -> &'a [u8] {
        self.spelling
    }
}

/// The state of a walk. With `ANY_CASE`, type keys may have letters of any case, as in backup lines. With `COPY`, they
/// become upper case in a copy of the text.
pub(super) struct Scan<'a, 'e, const ANY_CASE: bool, const COPY: bool> {
    text: &'a [u8],
    /// A copy of the same length as the text; empty unless `COPY`.
    copy: &'e mut [u8],
    /// The key whose attributes are looked for, if it is known.
    keys: Option<&'e KeySchema>,
    watched: &'e Watched,
    buffers: &'e mut Buffers,
    bytes: usize,
    partition: Option<KeyText<'a>>,
    sort: Option<KeyText<'a>>,
}

/// The item in DynamoDB's own spelling at the start of `text`, and the text after it. `text` must be UTF-8.
pub(super) fn dynamodb_item<'a>(
    text: &'a [u8],
    table: &Table,
    buffers: &mut Buffers,
) -> Option<(Facts<'a>, &'a [u8])> {
    Scan::<false, false>::item(text, &mut [], table, buffers)
}

/// The item of a backup line. `line` must be UTF-8, and `copy` must be a copy of it. Type keys in the copy get
/// DynamoDB's spelling, except for the [cuts](Buffers::cuts).
pub(super) fn backup_item<'a>(
    line: &'a [u8],
    copy: &mut [u8],
    table: &Table,
    buffers: &mut Buffers,
) -> Option<Facts<'a>> {
    let (facts, after) = Scan::<true, true>::item(line, copy, table, buffers)?;
    after.is_empty().then_some(facts)
}

/// The same without a copy: [`Buffers::cuts`] stay empty.
pub(super) fn backup_item_uncopied<'a>(
    line: &'a [u8],
    table: &Table,
    buffers: &mut Buffers,
) -> Option<Facts<'a>> {
    let (facts, after) = Scan::<true, false>::item(line, &mut [], table, buffers)?;
    after.is_empty().then_some(facts)
}

impl<'a, 'e, const ANY_CASE: bool, const COPY: bool> Scan<'a, 'e, ANY_CASE, COPY> {
    fn item(
        text: &'a [u8],
        copy: &'e mut [u8],
        table: &'e Table,
        buffers: &'e mut Buffers,
    ) -> Option<(Facts<'a>, &'a [u8])> {
        let (keys, watched) = (table.likely_keys(), &table.watched);
        let mut scan = Self { text, copy, keys, watched, buffers, bytes: 0, partition: None, sort: None };
        let after = scan.attributes(text.strip_prefix(b"{")?, 0)?;
        let Self { bytes, partition, sort, .. } = scan;
        Some((Facts { json: between(text, after), bytes, partition, sort }, after))
    }

    /// Attributes of the item or of a map, up to and including the closing brace.
    fn attributes(&mut self, rest: &'a [u8], depth: usize) -> Option<&'a [u8]> {
        if let [b'}', after @ ..] = rest {
            return Some(after);
        }
        let group = self.buffers.hashes.begin();
        let element_bytes = if depth == 0 { 0 } else { ELEMENT_BYTES };
        let mut rest = rest;
        loop {
            let name = rest.strip_prefix(b"\"")?;
            let after_name = text::skip_plain(name)?;
            let name_bytes = name.len() - after_name.len() - 1;
            if !is_name(name_bytes) {
                return None;
            }
            self.buffers.hashes.push(text::hash(name, name_bytes));
            let (kind, value) = self.type_key(after_name.strip_prefix(b":")?)?;
            let bytes_before = self.bytes;
            let end = self.content(kind, value, depth)?;
            if depth == 0 {
                let bytes = self.bytes - bytes_before;
                self.find_key(&name[..name_bytes], kind, between(value, end), bytes)?;
            }
            self.bytes += name_bytes + element_bytes;
            rest = match end {
                [b'}', b',', after @ ..] => after,
                [b'}', b'}', after @ ..] => {
                    return self.buffers.hashes.end(group).then_some(after);
                }
                _ => return None,
            };
        }
    }

    /// Keeps the value if it belongs to the key. Gives up if an index may not accept it.
    #[inline(always)]
    fn find_key(&mut self, name: &[u8], kind: Kind, content: &'a [u8], bytes: usize) -> Option<()> {
        if let Some(KeySchema { partition, sort }) = self.keys {
            if name == partition.name.as_bytes() {
                self.partition = Some(key_text(partition, kind, content, bytes)?);
            } else if let Some(sort) = sort
                && name == sort.name.as_bytes()
            {
                self.sort = Some(key_text(sort, kind, content, bytes)?);
            }
        }
        self.watched.take(name, kind, bytes).then_some(())
    }

    /// Reads a value's opening brace and type key. The rest starts with the content.
    #[inline(always)]
    fn type_key(&mut self, rest: &'a [u8]) -> Option<(Kind, &'a [u8])> {
        let word = first_word(rest)?;
        let upper = if ANY_CASE { word & !lower_case_bits(word) } else { word };
        match Kind::from_compact(upper) {
            Some((kind, len)) => {
                self.respell(rest, upper)?;
                Some((kind, &rest[len..]))
            }
            None if ANY_CASE => self.old_null(rest, upper),
            None => None,
        }
    }

    /// Replaces the first bytes of `rest` by `word` in the copy.
    #[inline(always)]
    fn respell(&mut self, rest: &[u8], word: u64) -> Option<()> {
        if COPY {
            let at = self.text.len() - rest.len();
            *self.copy.get_mut(at..)?.first_chunk_mut()? = word.to_le_bytes();
        }
        Some(())
    }

    /// `{"nULLValue":true`, as older versions of the Java tool wrote it. `upper` is its first word with the letters of
    /// `NULL` in upper case.
    #[cold]
    #[inline(never)]
    fn old_null(&mut self, rest: &'a [u8], upper: u64) -> Option<(Kind, &'a [u8])> {
        let key = rest.get(..br#"{"nULLValue":"#.len())?;
        if !key.eq_ignore_ascii_case(br#"{"NULLVALUE":"#) {
            return None;
        }
        self.respell(rest, upper)?;
        let at = self.text.len() - rest.len();
        self.cut(at + OLD_NULL_EXCESS.start..at + OLD_NULL_EXCESS.end);
        Some((Kind::Null, &rest[key.len()..]))
    }

    /// The second spelling of NULL, after `{"nULL":true`.
    #[cold]
    #[inline(never)]
    fn second_null(&mut self, rest: &'a [u8]) -> Option<&'a [u8]> {
        let at = self.text.len() - rest.len();
        let first = br#"{"NULL":true"#;
        let is_first = self.text[..at].len().checked_sub(first.len());
        let is_first = is_first.is_some_and(|from| self.text[from..at].eq_ignore_ascii_case(first));
        let after = rest.strip_prefix(SECOND_NULL).filter(|_| is_first)?;
        self.cut(at..at + SECOND_NULL.len());
        Some(after)
    }

    /// Leaves this range out of the copy.
    fn cut(&mut self, range: Range<usize>) {
        if COPY {
            self.buffers.cuts.push(range);
        }
    }

    /// Reads the content after a type key.
    #[inline(always)]
    fn content(&mut self, kind: Kind, rest: &'a [u8], depth: usize) -> Option<&'a [u8]> {
        match kind {
            Kind::S => {
                let text = rest.strip_prefix(b"\"")?;
                let (after, saved) = text::skip(text)?;
                self.bytes += text.len() - after.len() - 1 - saved;
                Some(after)
            }
            Kind::N => {
                let (number, after) = Decimal::read(rest.strip_prefix(b"\"")?)?;
                self.bytes += number.size_bytes();
                after.strip_prefix(b"\"")
            }
            Kind::B => {
                let text = rest.strip_prefix(b"\"")?;
                let after = text::skip_plain(text)?;
                self.bytes += binary::decoded_bytes(&text[..text.len() - after.len() - 1])?;
                Some(after)
            }
            Kind::Bool | Kind::Null => {
                self.bytes += 1;
                match rest {
                    [b't', b'r', b'u', b'e', after @ ..] => match after {
                        [b',', ..] if ANY_CASE && kind == Kind::Null => self.second_null(after),
                        _ => Some(after),
                    },
                    [b'f', b'a', b'l', b's', b'e', after @ ..] if kind == Kind::Bool => Some(after),
                    _ => None,
                }
            }
            Kind::Ss | Kind::Ns | Kind::Bs => self.set(kind, rest.strip_prefix(b"[\"")?),
            // A list or map on the last level must be empty: the slow path decides.
            Kind::L | Kind::M if depth + 1 == MAX_LEVELS => None,
            Kind::L => self.values(rest.strip_prefix(b"[")?, depth + 1),
            Kind::M => {
                self.bytes += COLLECTION_BYTES;
                self.attributes(rest.strip_prefix(b"{")?, depth + 1)
            }
        }
    }

    /// Values of a list, up to and including the closing bracket.
    fn values(&mut self, rest: &'a [u8], depth: usize) -> Option<&'a [u8]> {
        self.bytes += COLLECTION_BYTES;
        if let [b']', after @ ..] = rest {
            return Some(after);
        }
        let mut rest = rest;
        loop {
            let (kind, value) = self.type_key(rest)?;
            self.bytes += ELEMENT_BYTES;
            rest = match self.content(kind, value, depth)? {
                [b'}', b',', after @ ..] => after,
                [b'}', b']', after @ ..] => return Some(after),
                _ => return None,
            };
        }
    }

    /// The elements of a set, at least one. `rest` starts after the first one's opening quote.
    fn set(&mut self, kind: Kind, mut rest: &'a [u8]) -> Option<&'a [u8]> {
        let group = self.buffers.hashes.begin();
        loop {
            let (hash, bytes, after) = match kind {
                Kind::Ns => {
                    let (number, after) = Decimal::read(rest)?;
                    (number.hash(), number.size_bytes(), after.strip_prefix(b"\"")?)
                }
                Kind::Bs => {
                    let after = text::skip_plain(rest)?;
                    let len = rest.len() - after.len() - 1;
                    (text::hash(rest, len), binary::decoded_bytes(&rest[..len])?, after)
                }
                _ => self.string_of_set(rest)?,
            };
            self.buffers.hashes.push(hash);
            self.bytes += bytes;
            rest = match after {
                [b',', b'"', after @ ..] => after,
                [b']', after @ ..] => return self.buffers.hashes.end(group).then_some(after),
                _ => return None,
            };
        }
    }

    /// The hash and length of a string, independent of its spelling, and the text after it.
    #[inline]
    fn string_of_set(&mut self, rest: &'a [u8]) -> Option<(u64, usize, &'a [u8])> {
        let (after, saved) = text::skip(rest)?;
        let len = rest.len() - after.len() - 1;
        if saved == 0 {
            return Some((text::hash(rest, len), len, after));
        }
        let unescaped = &mut self.buffers.unescaped;
        unescaped.clear();
        text::unescape(&rest[..len], unescaped)?;
        Some((text::hash(unescaped, unescaped.len()), unescaped.len(), after))
    }
}

/// The bits that make the letters of a type key lower case, in the word that begins with `{"` and the type key.
#[inline(always)]
fn lower_case_bits(word: u64) -> u64 {
    const QUOTE: u64 = b'"' as u64;
    if word >> 24 & 0xff == QUOTE {
        0x20 << 16
    } else if word >> 32 & 0xff == QUOTE {
        0x2020 << 16
    } else {
        0x2020_2020 << 16
    }
}

/// The value of this key attribute, if it has the type of the schema. `content` includes its quotes.
#[inline]
fn key_text<'a>(key: &KeyAttribute, kind: Kind, content: &'a [u8], bytes: usize) -> Option<KeyText<'a>> {
    match (key.kind, kind) {
        (KeyKind::S, Kind::S) | (KeyKind::N, Kind::N) | (KeyKind::B, Kind::B) => {
            let spelling = content.get(1..content.len() - 1)?;
            Some(KeyText { spelling, bytes })
        }
        _ => None,
    }
}
