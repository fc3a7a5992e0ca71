//! The fast path from a line to a request: it copies the bytes of the line without reading them into values.
//!
//! It never rejects a line: any line that it can't handle takes the slow path.

use std::ops::Range;

use base64::prelude::{BASE64_STANDARD, Engine};
use job::{
    schema::{KeyAttribute, KeyKind, KeySchema},
    split::Write,
};

use super::{
    Checked, Encoded, Encoder, Wanted,
    decimal::Decimal,
    scan::{self, Facts, KeyText},
    text,
};
use crate::limits::{MAX_ITEM_BYTES, MAX_PARTITION_KEY_BYTES, MAX_SORT_KEY_BYTES};

/// The fields of a line of a DynamoDB export.
#[derive(Default)]
struct JsonFields<'a> {
    item: Option<Facts<'a>>,
    metadata: Option<Facts<'a>>,
    keys: Option<Facts<'a>>,
    new_image: Option<Facts<'a>>,
    old_image: Option<Facts<'a>>,
}

/// The start of `Metadata` as DynamoDB writes it. Nothing is deleted without the time of the write.
const DATED: &[u8] = br#"{"WriteTimestampMicros":{"N":"#;

impl Encoder {
    /// Like [`emr_line`](Self::emr_line); `None` if the line must take the slow path. `out` is then unchanged.
    pub(super) fn try_emr_line(&mut self, line: &[u8], out: &mut Vec<u8>) -> Option<Encoded> {
        let before = out.len();
        let encoded = self.attempt(line, |encoder, line| encoder.append_emr_line(line, out));
        if encoded.is_none() {
            out.truncate(before);
        }
        encoded
    }

    /// Like [`json_line`](Self::json_line); `None` if the line must take the slow path. `out` is then unchanged.
    pub(super) fn try_json_line(&mut self, line: &[u8], out: &mut Vec<u8>) -> Option<Encoded> {
        let before = out.len();
        let encoded = self.attempt(line, |encoder, line| encoder.append_json_line(line, out));
        if encoded.is_none() {
            out.truncate(before);
        }
        encoded
    }

    /// Like [`Checker::emr_line`](super::Checker::emr_line); `None` if the line must take the slow path.
    pub(super) fn try_check_emr_line(&mut self, line: &[u8]) -> Option<Checked> {
        self.attempt(line, |encoder, line| {
            let facts = scan::backup_item_uncopied(line, &encoder.table, &mut encoder.buffers)?;
            encoder.checked(Write::Put, &facts)
        })
    }

    /// Like [`Checker::json_line`](super::Checker::json_line); `None` if the line must take the slow path.
    pub(super) fn try_check_json_line(&mut self, line: &[u8]) -> Option<Checked> {
        self.attempt(line, |encoder, line| {
            let (facts, write) = encoder.json_write(line)?;
            encoder.checked(write, &facts)
        })
    }

    #[inline]
    fn attempt<T>(&mut self, line: &[u8], run: impl FnOnce(&mut Self, &[u8]) -> Option<T>) -> Option<T> {
        let line = without_end(line);
        if line.first() != Some(&b'{') || simdutf8::basic::from_utf8(line).is_err() {
            return None;
        }
        let done = run(self, line);
        self.buffers.clear();
        self.num_fast += u64::from(done.is_some());
        done
    }

    fn append_emr_line(&mut self, line: &[u8], out: &mut Vec<u8>) -> Option<Encoded> {
        let before = out.len();
        out.extend_from_slice(line);
        let facts = scan::backup_item(line, &mut out[before..], &self.table, &mut self.buffers)?;
        match self.wanted {
            Wanted::Items => {
                cut(&self.buffers.cuts, before, out);
                self.finish(before, Write::Put, facts.bytes, &facts, out)
            }
            Wanted::Keys => {
                out.truncate(before);
                self.append_delete(&facts, out)
            }
        }
    }

    fn append_json_line(&mut self, line: &[u8], out: &mut Vec<u8>) -> Option<Encoded> {
        let (facts, write) = self.json_write(line)?;
        if write == Write::Delete || self.wanted == Wanted::Keys {
            return self.append_delete(&facts, out);
        }
        let before = out.len();
        out.extend_from_slice(facts.json);
        self.finish(before, Write::Put, facts.bytes, &facts, out)
    }

    /// What a line of an export writes: an item or, to delete one, its key.
    #[inline]
    fn json_write<'a>(&mut self, line: &'a [u8]) -> Option<(Facts<'a>, Write)> {
        let JsonFields { item, metadata, keys, new_image, old_image } = self.json_fields(line)?;
        Some(match (item, keys) {
            (Some(item), None) if self.is_incremental != Some(true) => {
                if metadata.is_some() || new_image.is_some() || old_image.is_some() {
                    return None;
                }
                (item, Write::Put)
            }
            (None, Some(keys)) if self.is_incremental != Some(false) => {
                let is_key = self.is_exactly_key(&keys)?;
                let mut images = [&new_image, &old_image].into_iter().flatten();
                if !is_key || !images.all(|image| has_same_key(&keys, image)) {
                    return None;
                }
                match new_image {
                    Some(image) => (image, Write::Put),
                    None if metadata?.json.starts_with(DATED) => (keys, Write::Delete),
                    None => return None,
                }
            }
            _ => return None,
        })
    }

    fn json_fields<'a>(&mut self, line: &'a [u8]) -> Option<JsonFields<'a>> {
        let mut fields = JsonFields::default();
        let mut rest = line.strip_prefix(b"{")?;
        loop {
            let name = rest.strip_prefix(b"\"")?;
            let after_name = text::skip_plain(name)?;
            let value = after_name.strip_prefix(b":")?;
            // `Metadata`, too, has the form of an item.
            let (facts, after) = scan::dynamodb_item(value, &self.table, &mut self.buffers)?;
            let field = match &name[..name.len() - after_name.len() - 1] {
                b"Item" => &mut fields.item,
                b"Metadata" => &mut fields.metadata,
                b"Keys" => &mut fields.keys,
                b"NewImage" => &mut fields.new_image,
                b"OldImage" => &mut fields.old_image,
                _ => return None,
            };
            if field.replace(facts).is_some() {
                return None;
            }
            rest = match after {
                [b',', after @ ..] => after,
                b"}" => return Some(fields),
                _ => return None,
            };
        }
    }

    /// Whether an item is a key that the table can accept, and nothing else. Any other attribute would make it larger,
    /// since it has a name.
    fn is_exactly_key(&self, facts: &Facts<'_>) -> Option<bool> {
        let keys = self.table.likely_keys()?;
        Some(is_key(keys, facts)? && facts.bytes == key_bytes(keys, facts)?)
    }

    /// Checks what [`finish`](Self::finish) and [`append_delete`](Self::append_delete) check.
    #[inline]
    fn checked(&self, write: Write, facts: &Facts<'_>) -> Option<Checked> {
        let table = &self.table;
        let suits = match &table.keys {
            Some(keys) => is_key(keys, facts)?,
            // Each attribute has a name.
            None => facts.bytes > 0,
        };
        if !suits {
            return None;
        }
        let write = if self.wanted == Wanted::Keys { Write::Delete } else { write };
        let bytes = match write {
            Write::Put => facts.bytes,
            Write::Delete => key_bytes(table.likely_keys()?, facts)?,
        };
        let item_bytes = bytes as u64;
        (write == Write::Delete || item_bytes <= MAX_ITEM_BYTES).then_some(Checked { write, item_bytes })
    }

    /// Appends the key as an item of its own.
    fn append_delete(&self, facts: &Facts<'_>, out: &mut Vec<u8>) -> Option<Encoded> {
        let before = out.len();
        let mut bytes = 0;
        for (attribute, value) in self.table.key_attributes().zip([facts.partition, facts.sort]) {
            let value = value?;
            // The name has no escapes in the line, so it needs none here.
            let name = attribute.name.as_bytes();
            let kind: &[u8] = match attribute.kind {
                KeyKind::S => b"S",
                KeyKind::N => b"N",
                KeyKind::B => b"B",
            };
            out.extend_from_slice(if out.len() == before { b"{\"" } else { b",\"" });
            for piece in [name, b"\":{\"", kind, b"\":\"", value.spelling, b"\"}"] {
                out.extend_from_slice(piece);
            }
            bytes += name.len() + value.bytes;
        }
        out.push(b'}');
        self.finish(before, Write::Delete, bytes, facts, out)
    }

    /// Appends the identity of the key. The JSON begins at `before`.
    #[inline]
    fn finish(
        &self,
        before: usize,
        write: Write,
        bytes: usize,
        facts: &Facts<'_>,
        out: &mut Vec<u8>,
    ) -> Option<Encoded> {
        let item_bytes = bytes as u64;
        if write == Write::Put && item_bytes > MAX_ITEM_BYTES {
            return None;
        }
        let after_json = out.len();
        let KeySchema { partition, sort } = self.table.keys.as_ref()?;
        append_identity(partition, facts.partition?, MAX_PARTITION_KEY_BYTES, out)?;
        if let Some(sort) = sort {
            append_identity(sort, facts.sort?, MAX_SORT_KEY_BYTES, out)?;
        }
        let (json_bytes, key_bytes) = (after_json - before, out.len() - after_json);
        Some(Encoded { write, json_bytes, key_bytes, item_bytes })
    }
}

/// The size of the key, as an item of its own.
#[inline]
fn key_bytes(keys: &KeySchema, facts: &Facts<'_>) -> Option<usize> {
    let mut bytes = 0;
    for (attribute, value) in keys.attributes().zip([facts.partition, facts.sort]) {
        bytes += attribute.name.len() + value?.bytes;
    }
    Some(bytes)
}

/// Whether the values of the key have lengths that DynamoDB takes. The walk has checked all else.
#[inline]
fn is_key(KeySchema { partition, sort }: &KeySchema, facts: &Facts<'_>) -> Option<bool> {
    let is_sort = match sort {
        Some(sort) => is_taken(sort, facts.sort?, MAX_SORT_KEY_BYTES),
        None => true,
    };
    Some(is_taken(partition, facts.partition?, MAX_PARTITION_KEY_BYTES) && is_sort)
}

#[inline]
fn is_taken(key: &KeyAttribute, value: KeyText<'_>, max: usize) -> bool {
    key.kind == KeyKind::N || (1..=max).contains(&value.bytes)
}

/// Whether the keys have the same spelling. If they are the same in two spellings, the slow path compares them.
fn has_same_key<'a>(keys: &Facts<'a>, image: &Facts<'a>) -> bool {
    let spelling =
        |facts: &Facts<'a>| (facts.partition.map(KeyText::spelling), facts.sort.map(KeyText::spelling));
    spelling(keys) == spelling(image)
}

/// Appends the identity of one key attribute, preceded by its length.
#[inline]
fn append_identity(key: &KeyAttribute, value: KeyText<'_>, max: usize, out: &mut Vec<u8>) -> Option<()> {
    if !is_taken(key, value, max) {
        return None;
    }
    let at = out.len();
    out.extend_from_slice(&[0; size_of::<u32>()]);
    let start = out.len();
    match key.kind {
        KeyKind::S => text::unescape(value.spelling, out)?,
        KeyKind::N => Decimal::read(value.spelling)?.0.write_identity(out),
        KeyKind::B => BASE64_STANDARD.decode_vec(value.spelling, out).ok()?,
    }
    let len = u32::try_from(out.len() - start).ok()?;
    out[at..start].copy_from_slice(&len.to_be_bytes());
    Some(())
}

/// Removes these ranges from the copy of a line that begins at `before`.
fn cut(cuts: &[Range<usize>], before: usize, out: &mut Vec<u8>) {
    let Some(first) = cuts.first() else { return };
    let end = out.len();
    let mut to = before + first.start;
    for (index, cut) in cuts.iter().enumerate() {
        let from = before + cut.end;
        let until = cuts.get(index + 1).map_or(end, |next| before + next.start);
        out.copy_within(from..until, to);
        to += until - from;
    }
    out.truncate(to);
}

/// The line without the white space at its end.
#[inline]
fn without_end(mut line: &[u8]) -> &[u8] {
    while let [text @ .., b'\n' | b'\r' | b'\t' | b' '] = line {
        line = text;
    }
    line
}
