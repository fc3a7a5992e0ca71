//! The formats that an import reads: decodes lines of any of them into request bytes, or only checks them.

use job::split::InputFormat;

use crate::{
    ion,
    request::{Checked, Checker, Encoded, Encoder, RequestError},
};

/// Decodes the lines of one object.
#[derive(Debug)]
pub struct Decoder {
    format: InputFormat,
    encoder: Encoder,
}

impl Decoder {
    /// A decoder for lines of `format`.
    pub fn new(format: InputFormat, encoder: Encoder) -> Self {
        Self { format, encoder }
    }

    /// Appends to `out` the DynamoDB JSON of the line's item (or key), and then the identity of its key.
    ///
    /// # Errors
    /// Fails if the line is not an item that the table can accept. `out` is then unchanged.
    pub fn decode(&mut self, line: &[u8], out: &mut Vec<u8>) -> Result<Encoded, RequestError> {
        match self.format {
            InputFormat::Emr => self.encoder.emr_line(line, out),
            InputFormat::Json => self.encoder.json_line(line, out),
            InputFormat::Ion => self.encoder.export_line(&ion::read(line)?, out),
        }
    }
}

/// Checks the lines of one object.
#[derive(Debug)]
pub struct LineChecker {
    format: InputFormat,
    checker: Checker,
}

impl LineChecker {
    /// A checker for lines of `format`.
    pub fn new(format: InputFormat, checker: Checker) -> Self {
        Self { format, checker }
    }

    /// What a line does, without building a request. It takes the lines that a [`Decoder`] takes.
    ///
    /// # Errors
    /// Fails if the line is not an item that the table (or, if it is unknown, DynamoDB) can accept.
    pub fn check(&mut self, line: &[u8]) -> Result<Checked, RequestError> {
        match self.format {
            InputFormat::Emr => self.checker.emr_line(line),
            InputFormat::Json => self.checker.json_line(line),
            InputFormat::Ion => self.checker.export_line(&ion::read(line)?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::Wanted;
    use job::{
        schema::{KeyAttribute, KeyKind, KeySchema},
        split::Write,
    };

    #[test]
    fn the_same_item_is_the_same_request_in_every_format() {
        let key = |name: &str, kind| KeyAttribute { name: name.into(), kind };
        let keys = KeySchema { partition: key("pk", KeyKind::S), sort: Some(key("sk", KeyKind::N)) };
        let decode = |format, line: &str, wanted| {
            let mut out = Vec::new();
            let mut decoder = Decoder::new(format, Encoder::new(&keys, wanted));
            let encoded = decoder.decode(line.as_bytes(), &mut out).unwrap();
            (encoded, out)
        };
        let emr = r#"{"pk":{"s":"a"},"sk":{"n":"7"},"x":{"l":[{"bOOL":true}]}}"#;
        let json = r#"{"Item":{"pk":{"S":"a"},"sk":{"N":"7"},"x":{"L":[{"BOOL":true}]}}}"#;
        let ion = r#"$ion_1_0 {Item:{pk:"a",sk:7.,x:[true]}}"#;
        let hive = "pk\x03{\"s\":\"a\"}\x02sk\x03{\"n\":\"7\"}\x02x\x03{\"l\":[{\"bOOL\":true}]}";
        let expected = decode(InputFormat::Emr, emr, Wanted::Items);
        assert_eq!(expected.0.write, Write::Put);
        for (format, line) in [(InputFormat::Json, json), (InputFormat::Ion, ion), (InputFormat::Emr, hive)] {
            assert_eq!(decode(format, line, Wanted::Items), expected, "{line}");
        }
        let deleted = r#"$ion_1_0 {Metadata:{WriteTimestampMicros:1.},Keys:{pk:"a",sk:7.},OldImage:{pk:"a",sk:7.,x:1.}}"#;
        let expected = decode(InputFormat::Emr, emr, Wanted::Keys);
        assert_eq!(expected.0.write, Write::Delete);
        assert_eq!(decode(InputFormat::Ion, deleted, Wanted::Items), expected);
    }

    #[test]
    fn nothing_is_appended_for_a_line_that_is_refused() {
        let partition = KeyAttribute { name: "pk".into(), kind: KeyKind::S };
        let keys = KeySchema { partition, sort: None };
        for format in [InputFormat::Emr, InputFormat::Json, InputFormat::Ion] {
            for line in ["", "{}", "$ion_1_0 {Item:{pk:1.}}", "$ion_1_0 {Item:{pk:\"a\",x:1e126}}", "\u{3}"] {
                let mut out = b"before".to_vec();
                let mut decoder = Decoder::new(format, Encoder::new(&keys, Wanted::Items));
                let refused = decoder.decode(line.as_bytes(), &mut out);
                assert!(refused.is_err(), "{format:?} {line}");
                assert_eq!(out, b"before");
            }
        }
    }

    /// Checks the result of each line of an incremental export, in DynamoDB JSON and in Amazon Ion.
    fn changes(lines: &[(&str, Result<Write, RequestError>)], is_incremental: bool) {
        let key = |name: &str, kind| KeyAttribute { name: name.into(), kind };
        let keys = KeySchema { partition: key("pk", KeyKind::S), sort: Some(key("sk", KeyKind::N)) };
        let keys_json = r#"{"pk":{"S":"a"},"sk":{"N":"7"}}"#;
        let item_json = r#"{"pk":{"S":"a"},"sk":{"N":"7.0"},"x":{"S":"y"}}"#;
        for (line, expected) in lines {
            let metadata = r#""Metadata":{"WriteTimestampMicros":{"N":"1680109764000000"}}"#;
            let json =
                line.replace("METADATA", metadata).replace("KEYS", keys_json).replace("ITEM", item_json);
            let ion = line
                .replace("METADATA", "Metadata:{WriteTimestampMicros:1680109764000000.}")
                .replace("KEYS", r#"{pk:"a",sk:7.}"#)
                .replace("ITEM", r#"{pk:"a",sk:7.0,x:"y"}"#)
                .replace(r#"{"S":"b"}"#, "\"b\"")
                .replace(r#"{"N":"8"}"#, "8.")
                .replace(r#"{"S":"8"}"#, "\"8\"");
            // Quoted names are names in Ion, too.
            let ion = format!("$ion_1_0 {ion}");
            for (format, line) in [(InputFormat::Json, json), (InputFormat::Ion, ion)] {
                let encoder = Encoder::new(&keys, Wanted::Items).of_export(is_incremental);
                let mut out = Vec::new();
                let decoded = Decoder::new(format, encoder).decode(line.as_bytes(), &mut out);
                let decoded = decoded.map(|encoded| encoded.write);
                assert_eq!(&decoded, expected, "{line}");
                assert_eq!(out.is_empty(), expected.is_err());
                let checker = Checker::new(Some(&keys)).of_export(is_incremental);
                let found = LineChecker::new(format, checker).check(line.as_bytes());
                assert_eq!(found.map(|checked| checked.write), decoded, "{line}");
                of_any_table(format, &line, is_incremental, &decoded);
            }
        }
    }

    /// Without the table's key, only a key that is complete in itself is taken, too.
    fn of_any_table(
        format: InputFormat,
        line: &str,
        is_incremental: bool,
        of_table: &Result<Write, RequestError>,
    ) {
        let checker = Checker::new(None).of_export(is_incremental);
        let found = LineChecker::new(format, checker).check(line.as_bytes()).map(|checked| checked.write);
        match of_table {
            Err(RequestError::KeysNotExact) => assert_eq!(found, Err(RequestError::NoKey), "{line}"),
            Err(RequestError::KeyType { .. }) => assert!(found.is_ok(), "{line}"),
            Err(RequestError::KeyMissing(_)) => match found {
                // `Keys` alone, with another number of attributes than the table's key.
                Ok(Write::Delete) => assert!(!line.contains("Image"), "{line}"),
                other => assert!(
                    matches!(other, Err(RequestError::KeyMissing(_) | RequestError::NoKey)),
                    "{other:?} {line}"
                ),
            },
            of_table => assert_eq!(&found, of_table, "{line}"),
        }
    }

    #[test]
    fn a_deletion_is_told_by_a_line_that_holds_nothing_unknown() {
        let foreign = |hint| Err(RequestError::ForeignField(hint));
        let (almost_new, almost_old) = (": it resembles NewImage", ": it resembles OldImage");
        let of_streams = ": it belongs to a record of DynamoDB Streams, not to an export";
        changes(
            &[
                (r#"{METADATA,"Keys":KEYS}"#, Ok(Write::Delete)),
                (r#"{"Keys":KEYS,"OldImage":ITEM,METADATA}"#, Ok(Write::Delete)),
                (r#"{METADATA,"Keys":KEYS,"NewImage":ITEM}"#, Ok(Write::Put)),
                (r#"{METADATA,"Keys":KEYS,"NewImage":ITEM,"OldImage":KEYS}"#, Ok(Write::Put)),
                (r#"{"Keys":KEYS,"NewImage":ITEM}"#, Ok(Write::Put)),
                (r#"{METADATA,"Keys":KEYS,"newImage":ITEM}"#, foreign(almost_new)),
                (r#"{METADATA,"Keys":KEYS,"NewImages":ITEM}"#, foreign(almost_new)),
                (r#"{METADATA,"Keys":KEYS,"NewImage ":ITEM}"#, foreign(almost_new)),
                (r#"{METADATA,"Keys":KEYS," New_Image":ITEM}"#, foreign(almost_new)),
                (r#"{METADATA,"Keys":KEYS,"oldImage":ITEM}"#, foreign(almost_old)),
                (r#"{METADATA,"Keys":KEYS,"eventName":"REMOVE"}"#, foreign(of_streams)),
                (r#"{METADATA,"Keys":KEYS,"dynamodb":{}}"#, foreign(of_streams)),
                (r#"{METADATA,"Keys":KEYS,"Image":ITEM}"#, foreign("")),
                (r#"{METADATA,"Keys":KEYS,"":ITEM}"#, foreign("")),
                (r#"{METADATA,"key":KEYS}"#, foreign(": it resembles Keys")),
                (r#"{METADATA,METADATA,"Keys":KEYS}"#, Err(RequestError::FieldTwice("Metadata"))),
                (r#"{METADATA,"Keys":KEYS,"Keys":KEYS}"#, Err(RequestError::FieldTwice("Keys"))),
                (
                    r#"{METADATA,"Keys":KEYS,"OldImage":ITEM,"OldImage":ITEM}"#,
                    Err(RequestError::FieldTwice("OldImage")),
                ),
                (r#"{METADATA,"Keys":KEYS,"Item":ITEM}"#, Err(RequestError::ItemAndChange)),
                (r#"{METADATA,"Item":ITEM}"#, Err(RequestError::ItemAndChange)),
                (r#"{METADATA,"NewImage":ITEM}"#, Err(RequestError::NeitherItemNorKeys)),
                ("{METADATA}", Err(RequestError::NeitherItemNorKeys)),
                (r#"{"Item":ITEM}"#, Err(RequestError::ItemInIncremental)),
            ],
            true,
        );
    }

    #[test]
    fn nothing_is_deleted_that_is_not_dated() {
        let not_dated = || Err(RequestError::NotDated);
        changes(
            &[
                (r#"{"Keys":KEYS}"#, not_dated()),
                (r#"{"Keys":KEYS,"OldImage":ITEM}"#, not_dated()),
                (r#"{"Metadata":{},"Keys":KEYS}"#, not_dated()),
                (r#"{"Metadata":{"WriteTimestampMicros":{}},"Keys":KEYS}"#, not_dated()),
                (r#"{"Metadata":{"WriteTimestampMicros":null},"Keys":KEYS,"OldImage":ITEM}"#, not_dated()),
                (r#"{"Metadata":{"WriteTimestampMicros":"1"},"Keys":KEYS}"#, Ok(Write::Delete)),
                (r#"{"Metadata":{"WriteTimestampMicros":1},"Keys":KEYS}"#, Ok(Write::Delete)),
                (r#"{"Metadata":{},"Keys":KEYS,"NewImage":ITEM}"#, Ok(Write::Put)),
            ],
            true,
        );
    }

    #[test]
    fn a_change_that_contradicts_itself_is_refused() {
        let other = |field| Err(RequestError::OtherKey(field));
        let missing = |name: &str| Err(RequestError::KeyMissing(name.into()));
        let kind = || Err(RequestError::KeyType { name: "sk".into(), expected: KeyKind::N });
        let b = r#"{"pk":{"S":"b"},"sk":{"N":"8"}}"#;
        let line = |text: &str| text.replace("OTHER", b);
        changes(
            &[
                (&line(r#"{METADATA,"Keys":KEYS,"NewImage":OTHER}"#), other("NewImage")),
                (&line(r#"{METADATA,"Keys":OTHER,"NewImage":ITEM,"OldImage":OTHER}"#), other("NewImage")),
                (&line(r#"{METADATA,"Keys":KEYS,"NewImage":ITEM,"OldImage":OTHER}"#), other("OldImage")),
                (&line(r#"{METADATA,"Keys":KEYS,"OldImage":OTHER}"#), other("OldImage")),
                (r#"{METADATA,"Keys":ITEM}"#, Err(RequestError::KeysNotExact)),
                (r#"{METADATA,"Keys":ITEM,"NewImage":ITEM}"#, Err(RequestError::KeysNotExact)),
                (r#"{METADATA,"Keys":{"pk":{"S":"b"}}}"#, missing("sk")),
                (r#"{METADATA,"Keys":{}}"#, missing("pk")),
                (r#"{METADATA,"Keys":KEYS,"OldImage":{}}"#, missing("pk")),
                (r#"{METADATA,"Keys":KEYS,"NewImage":{"pk":{"S":"b"}}}"#, missing("sk")),
                (r#"{METADATA,"Keys":{"pk":{"S":"b"},"sk":{"S":"8"}}}"#, kind()),
            ],
            true,
        );
    }

    #[test]
    fn a_full_export_deletes_nothing_and_its_lines_hold_an_item_alone() {
        changes(
            &[
                (r#"{"Item":ITEM}"#, Ok(Write::Put)),
                (r#"{METADATA,"Keys":KEYS}"#, Err(RequestError::ChangeInFull)),
                (r#"{METADATA,"Keys":KEYS,"NewImage":ITEM}"#, Err(RequestError::ChangeInFull)),
                (r#"{"Item":ITEM,"Item":ITEM}"#, Err(RequestError::FieldTwice("Item"))),
                (r#"{"Item":ITEM,"OldImage":ITEM}"#, Err(RequestError::ItemAndChange)),
                (r#"{"Item":ITEM,"Deleted":true}"#, Err(RequestError::ForeignField(""))),
                (r#"{"item":ITEM}"#, Err(RequestError::ForeignField(": it resembles Item"))),
            ],
            false,
        );
    }
}
