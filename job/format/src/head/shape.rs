//! Recognizes files that are not backups by how they begin: the kinds that users try most often.
//!
//! It is used only after a file has turned out to have none of the known formats, so it never keeps a backup from being
//! read. None of the messages quotes the file.

use crate::codec::BYTE_ORDER_MARK;

macro_rules! not_ours {
    ($what:literal) => {
        concat!("it is ", $what, ", which is not a backup format of tablehaul")
    };
    ($what:literal, $remedy:literal) => {
        concat!("it is ", $what, ", which is not a backup format of tablehaul: ", $remedy)
    };
}

const ARRAY: &str = not_ours!("a JSON array", "write each element on a line of its own, as jq -c '.[]' does");
const ITEMS: &str = not_ours!(
    "the reply of a Scan or Query ({\"Items\":[…]})",
    "write each item on a line of its own, as jq -c '.Items[]' does"
);
const REQUEST_ITEMS: &str = not_ours!(
    "the input of BatchWriteItem ({\"RequestItems\":…})",
    "write each item on a line of its own, as jq -c '.RequestItems[][].PutRequest.Item // empty' does"
);
const WRITE_REQUESTS: &str = not_ours!(
    "the input of BatchWriteItem ({\"Table\":[{\"PutRequest\":…}]})",
    "write each item on a line of its own, as jq -c '.[][].PutRequest.Item // empty' does"
);
const RESPONSES: &str = not_ours!(
    "the reply of BatchGetItem ({\"Responses\":…})",
    "write each item on a line of its own, as jq -c '.Responses[][]' does"
);
const TABLE: &str =
    not_ours!("the description of a table", "it holds no items; name the file or folder that does");
const STREAMS: &str = not_ours!("a record of DynamoDB Streams (eventName, dynamodb)");
const MANIFEST: &str = "it is the manifest of an export, not its data: name the folder that contains it";
const TERRAFORM: &str = not_ours!("a file of Terraform");
const PLAIN: &str = not_ours!(
    "plain JSON, without attribute types",
    "give each value its type, as in {\"name\":{\"S\":\"text\"},\"count\":{\"N\":\"1\"}}"
);
const PRETTY: &str =
    not_ours!("JSON spread over several lines", "write each item on a line of its own, as jq -c . does");
const COMMAS: &str =
    not_ours!("JSON with a comma after each line", "remove the commas, as sed 's/,$//' does");
const PYTHON: &str =
    not_ours!("a Python dict ({'id':…})", "write each item on a line of its own with json.dumps");
const MARKUP: &str = not_ours!(
    "XML or HTML",
    "if it is an error message that was saved instead of the file, download the file again"
);
const COLUMNS: &str = not_ours!(
    "CSV or other text in columns",
    "DynamoDB's own import from S3 reads CSV, into a table that it creates"
);
/// Text in UTF-16.
pub(crate) const UTF16: &str =
    not_ours!("text in UTF-16", "convert it to UTF-8, as iconv -f UTF-16 -t UTF-8 does");
const UTF32: &str = not_ours!("text in UTF-32", "convert it to UTF-8, as iconv -f UTF-32 -t UTF-8 does");
const PARQUET: &str = not_ours!("Apache Parquet", "convert it to DynamoDB JSON, one item a line");
const AVRO: &str = not_ours!("Apache Avro", "convert it to DynamoDB JSON, one item a line");
const ORC: &str = not_ours!("Apache ORC", "convert it to DynamoDB JSON, one item a line");
const ZIP: &str = not_ours!("a zip archive", "unpack it");
const TAR: &str = not_ours!("a tar archive", "unpack it");
const COMPRESSED: &str = not_ours!(
    "compressed in an unsupported way (xz, 7-Zip, compress, or LZ4 or Snappy outside of Hadoop)",
    "decompress it, or compress it with gzip or zstd"
);

/// The first bytes of binary formats.
const MAGICS: [(&[u8], &str); 15] = [
    (b"PAR1", PARQUET),
    (b"Obj\x01", AVRO),
    (b"ORC", ORC),
    (b"PK\x03\x04", ZIP),
    (b"PK\x05\x06", ZIP),
    // Before UTF-16, whose mark it begins with.
    (b"\xff\xfe\0\0", UTF32),
    (b"\0\0\xfe\xff", UTF32),
    (b"\xff\xfe", UTF16),
    (b"\xfe\xff", UTF16),
    (b"\xfd7zXZ\0", COMPRESSED),
    (b"7z\xbc\xaf\x27\x1c", COMPRESSED),
    (b"\x1f\x9d", COMPRESSED),
    (b"\x04\x22\x4d\x18", COMPRESSED),
    (b"\xff\x06\x00\x00sNaPpY", COMPRESSED),
    (b"\x1f\xa0", COMPRESSED),
];

/// The offset of the format's name in a tar archive.
const TAR_MAGIC_AT: usize = 257;

/// The number of bytes that are enough to recognize UTF-16 without a byte order mark.
const UTF16_BYTES: usize = 16;

/// Whether the file certainly contains items, but not one on each line.
pub(crate) fn holds_items(shape: &str) -> bool {
    [ARRAY, ITEMS, REQUEST_ITEMS, WRITE_REQUESTS, RESPONSES].contains(&shape)
}

/// Whether a line of the file may be more or less than one item. Otherwise a line is one bad line.
pub(crate) fn may_hold_many(shape: &str) -> bool {
    ![PLAIN, COLUMNS, COMMAS, MARKUP, PYTHON, STREAMS].contains(&shape)
}

/// Recognizes a file that is not text by its first bytes.
pub(crate) fn of_bytes(bytes: &[u8]) -> Option<&'static str> {
    if let Some((_, shape)) = MAGICS.iter().find(|(magic, _)| bytes.starts_with(magic)) {
        return Some(shape);
    }
    if bytes.get(TAR_MAGIC_AT..).is_some_and(|rest| rest.starts_with(b"ustar")) {
        return Some(TAR);
    }
    is_utf16(bytes).then_some(UTF16)
}

/// Whether every second byte is zero and the others are text.
pub(crate) fn is_utf16(bytes: &[u8]) -> bool {
    let bytes = &bytes[..bytes.len().min(UTF16_BYTES)];
    let is_text = |byte: u8| matches!(byte, b'\t' | b'\n' | b'\r' | b' '..=b'~');
    let is_of = |zero: usize| {
        let is_right = |(at, &byte): (usize, &u8)| if at % 2 == zero { byte == 0 } else { is_text(byte) };
        bytes.iter().enumerate().all(is_right)
    };
    bytes.len() >= 4 && (is_of(1) || is_of(0))
}

/// Recognizes a text by its start; 4 KiB are enough.
pub(crate) fn of_text(text: &[u8]) -> Option<&'static str> {
    if let Some(shape) = of_bytes(text) {
        return Some(shape);
    }
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text).trim_ascii_start();
    match text.first()? {
        b'[' | b'{' => of_json(text),
        b'<' => Some(MARKUP),
        _ => has_columns(text).then_some(COLUMNS),
    }
}

/// Recognizes JSON by its start. No continuation of what it recognizes is an item.
pub(crate) fn of_json(text: &[u8]) -> Option<&'static str> {
    // With a `^C` it may be a line of Hive whose first name is unusual.
    if text.contains(&3) {
        return None;
    }
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text).trim_ascii_start();
    match text.first()? {
        b'[' => Some(ARRAY),
        b'{' if text[1..].trim_ascii_start().starts_with(b"'") => Some(PYTHON),
        b'{' if ends_with_comma(text) => Some(COMMAS),
        b'{' => of_object(&fields(text)).or_else(|| is_spread(text).then_some(PRETTY)),
        _ => None,
    }
}

fn of_object(fields: &[Field<'_>]) -> Option<&'static str> {
    let find = |name: &str| fields.iter().find(|field| field.name == name.as_bytes());
    let is_array = |name: &str| find(name).is_some_and(|field| field.value.starts_with(b"["));
    let is_object = |name: &str| find(name).is_some_and(|field| field.value.starts_with(b"{"));
    let has_any = |names: &[&str]| names.iter().any(|name| find(name).is_some());
    if is_array("Items") {
        return Some(ITEMS);
    }
    if is_object("RequestItems") && !is_typed(find("RequestItems")?.value) {
        return Some(REQUEST_ITEMS);
    }
    if is_object("Responses") && !is_typed(find("Responses")?.value) {
        return Some(RESPONSES);
    }
    if fields.iter().any(|field| is_write_requests(field.value)) {
        return Some(WRITE_REQUESTS);
    }
    if is_array("Records") || has_any(&["eventID", "eventName"]) && is_object("dynamodb") {
        return Some(STREAMS);
    }
    if is_object("Table") && is_description(find("Table")?.value) {
        return Some(TABLE);
    }
    let is_plain = |name: &str| find(name).is_some_and(|field| is_scalar(field.value));
    if is_plain("dataFileS3Key") || is_plain("exportArn") || is_plain("version") && is_array("entries") {
        return Some(MANIFEST);
    }
    if is_plain("terraform_version") {
        return Some(TERRAFORM);
    }
    let is_export = ["Item", "Metadata", "Keys", "NewImage", "OldImage"].into_iter().any(is_object);
    let has_type = fields.iter().any(|field| is_typed(field.value));
    let is_untyped = |field: &Field<'_>| is_scalar(field.value) || field.value.starts_with(b"[");
    (!is_export && !has_type && fields.iter().any(is_untyped)).then_some(PLAIN)
}

/// A field of an object.
struct Field<'a> {
    /// The text between its quotes.
    name: &'a [u8],
    /// The text from its value on.
    value: &'a [u8],
}

/// The fields of the object at the start of the text, as far as the text goes.
fn fields(text: &[u8]) -> Vec<Field<'_>> {
    let mut fields = Vec::new();
    let mut rest = text.strip_prefix(b"{");
    while let Some(field) = rest.and_then(field) {
        rest = skip_value(field.value).and_then(|after| after.trim_ascii_start().strip_prefix(b","));
        fields.push(field);
    }
    fields
}

fn field(text: &[u8]) -> Option<Field<'_>> {
    let name = text.trim_ascii_start().strip_prefix(b"\"")?;
    let after = skip_string(name)?;
    let value = after.trim_ascii_start().strip_prefix(b":")?.trim_ascii_start();
    Some(Field { name: &name[..name.len() - after.len() - 1], value })
}

/// The text after a string; `text` starts after the opening quote.
fn skip_string(mut text: &[u8]) -> Option<&[u8]> {
    loop {
        let at = memchr::memchr2(b'"', b'\\', text)?;
        if text[at] == b'"' {
            return Some(&text[at + 1..]);
        }
        text = text.get(at + 2..)?;
    }
}

/// The text after a value.
fn skip_value(text: &[u8]) -> Option<&[u8]> {
    let (mut rest, mut depth) = (text, 0usize);
    loop {
        let (&byte, after) = rest.split_first()?;
        match byte {
            b'"' => rest = skip_string(after)?,
            b'{' | b'[' => (rest, depth) = (after, depth + 1),
            b'}' | b']' | b',' if depth == 0 => return Some(rest),
            b'}' | b']' => (rest, depth) = (after, depth - 1),
            _ => rest = after,
        }
        if depth == 0 && matches!(byte, b'"' | b'}' | b']') {
            return Some(rest);
        }
    }
}

fn is_scalar(value: &[u8]) -> bool {
    matches!(value.first(), Some(b'"' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n'))
}

/// Whether this is an attribute value: an object that begins with a type.
fn is_typed(value: &[u8]) -> bool {
    const TYPES: [&str; 11] = ["S", "N", "B", "BOOL", "NULL", "NULLVALUE", "SS", "NS", "BS", "L", "M"];
    let Some(first) = value.strip_prefix(b"{").and_then(field) else { return false };
    TYPES.iter().any(|kind| first.name.eq_ignore_ascii_case(kind.as_bytes()))
}

fn is_write_requests(value: &[u8]) -> bool {
    let first = value.strip_prefix(b"[").map(<[u8]>::trim_ascii_start);
    let first = first.and_then(|first| field(first.strip_prefix(b"{")?));
    first.is_some_and(|first| matches!(first.name, b"PutRequest" | b"DeleteRequest"))
}

fn is_description(value: &[u8]) -> bool {
    const FIELDS: [&[u8]; 4] = [b"AttributeDefinitions", b"TableName", b"KeySchema", b"TableStatus"];
    fields(value).iter().any(|field| FIELDS.contains(&field.name))
}

/// Whether the first line is an object followed by a comma.
fn ends_with_comma(text: &[u8]) -> bool {
    let line = text.split(|&byte| byte == b'\n').next().unwrap_or_default();
    skip_value(line).is_some_and(|rest| rest.trim_ascii() == b",")
}

/// Whether the first line ends within the JSON value that it begins.
fn is_spread(text: &[u8]) -> bool {
    let Some(end) = memchr::memchr(b'\n', text) else { return false };
    matches!(text[..end].trim_ascii_end().last(), Some(b'{' | b'[' | b','))
}

/// Whether the first line is text in columns, without braces.
fn has_columns(text: &[u8]) -> bool {
    let line = text.split(|&byte| byte == b'\n').next().unwrap_or_default().trim_ascii();
    let is_text = std::str::from_utf8(line).is_ok_and(|line| {
        !line.chars().any(|char| char.is_control() && char != '\t') && !line.contains(['{', '}'])
    });
    is_text && line.iter().any(|byte| matches!(byte, b',' | b';' | b'\t' | b'|'))
}

#[cfg(test)]
mod tests;
