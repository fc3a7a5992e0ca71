//! Lines of any format to request bytes.

use job::{
    format::request::{Encoded, Encoder, RequestError, Wanted},
    schema::KeySchema,
    split::Format,
};

use crate::ion;

/// Decodes the lines of one object.
#[derive(Debug)]
pub struct Decoder {
    format: Format,
    encoder: Encoder,
}

impl Decoder {
    /// For lines of `format` into a table with `keys`.
    pub fn new(format: Format, keys: &KeySchema, wanted: Wanted) -> Self {
        Self { format, encoder: Encoder::new(keys, wanted) }
    }

    /// Appends to `out` the DynamoDB JSON of the line's item (or key), and then the identity of its key.
    ///
    /// # Errors
    /// The line is no item that the table can take. `out` is then as it was.
    pub fn decode(&mut self, line: &[u8], out: &mut Vec<u8>) -> Result<Encoded, RequestError> {
        match self.format {
            Format::Emr => self.encoder.emr_line(line, out),
            Format::Json => self.encoder.json_line(line, out),
            Format::Ion => {
                let (item, write) = ion::read(line)?.into_write();
                self.encoder.item(&item, write, out)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use job::{
        format::request::Write,
        schema::{KeyAttribute, KeyKind},
    };

    #[test]
    fn the_same_item_is_the_same_request_in_every_format() {
        let key = |name: &str, kind| KeyAttribute { name: name.into(), kind };
        let keys = KeySchema { partition: key("pk", KeyKind::S), sort: Some(key("sk", KeyKind::N)) };
        let decode = |format, line: &str, wanted| {
            let mut out = Vec::new();
            let encoded = Decoder::new(format, &keys, wanted).decode(line.as_bytes(), &mut out).unwrap();
            (encoded, out)
        };
        let emr = r#"{"pk":{"s":"a"},"sk":{"n":"7"},"x":{"l":[{"bOOL":true}]}}"#;
        let json = r#"{"Item":{"pk":{"S":"a"},"sk":{"N":"7"},"x":{"L":[{"BOOL":true}]}}}"#;
        let ion = r#"$ion_1_0 {Item:{pk:"a",sk:7.,x:[true]}}"#;
        let hive = "pk\x03{\"s\":\"a\"}\x02sk\x03{\"n\":\"7\"}\x02x\x03{\"l\":[{\"bOOL\":true}]}";
        let expected = decode(Format::Emr, emr, Wanted::Items);
        assert_eq!(expected.0.write, Write::Put);
        for (format, line) in [(Format::Json, json), (Format::Ion, ion), (Format::Emr, hive)] {
            assert_eq!(decode(format, line, Wanted::Items), expected, "{line}");
        }
        let deleted = r#"$ion_1_0 {Metadata:{},Keys:{pk:"a",sk:7.},OldImage:{pk:"a",sk:7.,x:1.}}"#;
        let expected = decode(Format::Emr, emr, Wanted::Keys);
        assert_eq!(expected.0.write, Write::Delete);
        assert_eq!(decode(Format::Ion, deleted, Wanted::Items), expected);
    }

    #[test]
    fn nothing_is_appended_for_a_line_that_is_refused() {
        let partition = KeyAttribute { name: "pk".into(), kind: KeyKind::S };
        let keys = KeySchema { partition, sort: None };
        for format in [Format::Emr, Format::Json, Format::Ion] {
            for line in ["", "{}", "$ion_1_0 {Item:{pk:1.}}", "$ion_1_0 {Item:{pk:\"a\",x:1e126}}", "\u{3}"] {
                let mut out = b"before".to_vec();
                let decoded = Decoder::new(format, &keys, Wanted::Items).decode(line.as_bytes(), &mut out);
                assert!(decoded.is_err(), "{format:?} {line}");
                assert_eq!(out, b"before");
            }
        }
    }
}
