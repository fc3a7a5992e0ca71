//! The fast way from a line to a request: its bytes are copied, not read into values.
//!
//! It never judges a line to be wrong: what it does not make something of is for the slow path.

use std::ops::Range;

use base64::prelude::{BASE64_STANDARD, Engine};

use super::{
    Encoded, Encoder, MAX_ITEM_BYTES, MAX_PARTITION_KEY_BYTES, MAX_SORT_KEY_BYTES, Wanted, Write,
    decimal::Decimal,
    scan::{self, Facts, KeyText},
    text,
};
use crate::schema::{KeyAttribute, KeyKind};

/// The fields of a line of DynamoDB's own export that decide what it asks for.
#[derive(Default)]
struct JsonFields<'a> {
    item: Option<Facts<'a>>,
    keys: Option<Facts<'a>>,
    new_image: Option<Facts<'a>>,
}

impl Encoder {
    /// As [`emr_line`](Self::emr_line); `None` if the line is for the slow path. `out` is then as it was.
    pub(super) fn try_emr_line(&mut self, line: &[u8], out: &mut Vec<u8>) -> Option<Encoded> {
        self.attempt(line, out, Self::append_emr_line)
    }

    /// As [`json_line`](Self::json_line); `None` if the line is for the slow path. `out` is then as it was.
    pub(super) fn try_json_line(&mut self, line: &[u8], out: &mut Vec<u8>) -> Option<Encoded> {
        self.attempt(line, out, Self::append_json_line)
    }

    fn attempt(
        &mut self,
        line: &[u8],
        out: &mut Vec<u8>,
        append: fn(&mut Self, &[u8], &mut Vec<u8>) -> Option<Encoded>,
    ) -> Option<Encoded> {
        let line = without_end(line);
        if line.first() != Some(&b'{') || simdutf8::basic::from_utf8(line).is_err() {
            return None;
        }
        let before = out.len();
        let encoded = append(self, line, out);
        self.buffers.clear();
        match encoded {
            Some(_) => self.num_fast += 1,
            None => out.truncate(before),
        }
        encoded
    }

    fn append_emr_line(&mut self, line: &[u8], out: &mut Vec<u8>) -> Option<Encoded> {
        let before = out.len();
        out.extend_from_slice(line);
        let facts = scan::backup_item(line, &mut out[before..], &self.keys, &mut self.buffers)?;
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
        let (facts, write) = match self.json_fields(line)? {
            JsonFields { item: Some(facts), keys: None, new_image: None }
            | JsonFields { item: None, keys: Some(_), new_image: Some(facts) } => (facts, Write::Put),
            JsonFields { item: None, keys: Some(facts), new_image: None } => (facts, Write::Delete),
            _ => return None,
        };
        if write == Write::Delete || self.wanted == Wanted::Keys {
            return self.append_delete(&facts, out);
        }
        let before = out.len();
        out.extend_from_slice(facts.json);
        self.finish(before, Write::Put, facts.bytes, &facts, out)
    }

    fn json_fields<'a>(&mut self, line: &'a [u8]) -> Option<JsonFields<'a>> {
        let mut fields = JsonFields::default();
        let mut rest = line.strip_prefix(b"{")?;
        loop {
            let name = rest.strip_prefix(b"\"")?;
            let after_name = text::skip_plain(name)?;
            let value = after_name.strip_prefix(b":")?;
            // What only has to be JSON has the form of an item, too.
            let (facts, after) = scan::dynamodb_item(value, &self.keys, &mut self.buffers)?;
            let replaced = match &name[..name.len() - after_name.len() - 1] {
                b"Item" => fields.item.replace(facts),
                b"Keys" => fields.keys.replace(facts),
                b"NewImage" => fields.new_image.replace(facts),
                b"OldImage" | b"Metadata" => None,
                _ => return None,
            };
            if replaced.is_some() {
                return None;
            }
            rest = match after {
                [b',', after @ ..] => after,
                b"}" => return Some(fields),
                _ => return None,
            };
        }
    }

    /// Appends the key as an item of its own.
    fn append_delete(&self, facts: &Facts<'_>, out: &mut Vec<u8>) -> Option<Encoded> {
        let before = out.len();
        let mut bytes = 0;
        for (attribute, value) in self.keys.attributes().zip([facts.partition, facts.sort]) {
            let value = value?;
            // It stands in the line without escapes, so it needs none.
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

    /// Appends the identity of the key; the JSON begins at `before`.
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
        append_identity(&self.keys.partition, facts.partition?, MAX_PARTITION_KEY_BYTES, out)?;
        if let Some(sort) = &self.keys.sort {
            append_identity(sort, facts.sort?, MAX_SORT_KEY_BYTES, out)?;
        }
        let (json_bytes, key_bytes) = (after_json - before, out.len() - after_json);
        Some(Encoded { write, json_bytes, key_bytes, item_bytes })
    }
}

/// Appends the identity of one attribute of the key, its length first.
#[inline]
fn append_identity(key: &KeyAttribute, value: KeyText<'_>, max: usize, out: &mut Vec<u8>) -> Option<()> {
    if key.kind != KeyKind::N && !(1..=max).contains(&value.bytes) {
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

/// Takes these ranges out of the copy of a line that begins at `before`.
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

/// The line without the line feed, or whatever white space there is, at its end.
#[inline]
fn without_end(mut line: &[u8]) -> &[u8] {
    while let [text @ .., b'\n' | b'\r' | b'\t' | b' '] = line {
        line = text;
    }
    line
}
