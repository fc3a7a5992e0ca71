//! The fields of a Scan reply other than its items. The reply is a JSON object whose fields come in any order.

use job::capacity::Units;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    item::Item,
    json::{Problem, escape::skip_plain, walk::skip_white_space},
};

/// The content of a Scan reply besides its items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScanPage<'a> {
    /// The number of items, and so of lines. It is `Count`, checked against `Items`.
    pub items: u64,
    /// The number of items that were read before any filter: `ScannedCount`.
    pub scanned: u64,
    /// The position after this page, as JSON for `ExclusiveStartKey`; `None` at the end of the segment.
    pub last_evaluated_key: Option<&'a [u8]>,
    /// The cost of the page: `ConsumedCapacity.CapacityUnits`, if the request asked for it.
    pub consumed: Option<Units>,
}

/// The fields of a reply that have been read.
#[derive(Default)]
pub(crate) struct ReplyFields<'a> {
    items: Option<u64>,
    count: Option<u64>,
    scanned: Option<u64>,
    last_evaluated_key: Option<&'a [u8]>,
    consumed: Option<Units>,
}

/// `rest` without its first byte, which must be `byte`.
pub(crate) fn expect<'a>(byte: u8, name: &'static str, rest: &'a [u8]) -> Result<&'a [u8], Problem> {
    match rest.split_first() {
        Some((&first, after)) if first == byte => Ok(after),
        Some(_) => Err(Problem::Expected(name)),
        None => Err(Problem::End),
    }
}

/// A field's name without quotes, and the text from its value on.
pub(crate) fn field_name(rest: &[u8]) -> Result<(&[u8], &[u8]), Problem> {
    let rest = expect(b'"', "a field name", rest)?;
    // No field of a reply needs an escape, and an escaped spelling of a known field must not be overlooked.
    let (name, rest) = rest.split_at(rest.len() - skip_plain(rest).len());
    let rest = skip_white_space(expect(b'"', "a field name without escapes", rest)?);
    Ok((name, skip_white_space(expect(b':', ":", rest)?)))
}

/// Any JSON value, and the text after it.
pub(crate) fn any_value(rest: &[u8]) -> Result<(&RawValue, &[u8]), Problem> {
    let mut values = serde_json::Deserializer::from_slice(rest).into_iter::<&RawValue>();
    match values.next() {
        Some(Ok(raw)) => Ok((raw, &rest[values.byte_offset()..])),
        Some(Err(error)) if error.is_eof() => Err(Problem::End),
        Some(Err(_)) => Err(Problem::Expected("a JSON value")),
        None => Err(Problem::End),
    }
}

impl<'a> ReplyFields<'a> {
    pub(crate) fn set_items(&mut self, items: u64) -> Result<(), Problem> {
        set(&mut self.items, "Items", Some(items))
    }

    /// Reads the value of any field but `Items`. A null counts as a missing field, as in all AWS JSON protocols.
    pub(crate) fn read(&mut self, name: &[u8], raw: &'a RawValue) -> Result<(), Problem> {
        if raw.get() == "null" {
            return Ok(());
        }
        match name {
            b"Count" => set(&mut self.count, "Count", raw.get().parse().ok()),
            b"ScannedCount" => set(&mut self.scanned, "ScannedCount", raw.get().parse().ok()),
            b"LastEvaluatedKey" => set(&mut self.last_evaluated_key, "LastEvaluatedKey", key(raw)),
            b"ConsumedCapacity" => set(&mut self.consumed, "ConsumedCapacity", capacity(raw)),
            _ => Ok(()),
        }
    }

    /// The page, at the end of the reply.
    pub(crate) fn finish(self) -> Result<ScanPage<'a>, Problem> {
        let found = self.items.ok_or(Problem::FieldMissing("Items"))?;
        let stated = self.count.ok_or(Problem::FieldMissing("Count"))?;
        if stated != found {
            return Err(Problem::Count { stated, found });
        }
        Ok(ScanPage {
            items: found,
            scanned: self.scanned.unwrap_or(found),
            last_evaluated_key: self.last_evaluated_key,
            consumed: self.consumed,
        })
    }
}

fn set<T>(field: &mut Option<T>, name: &'static str, value: Option<T>) -> Result<(), Problem> {
    if field.is_some() {
        return Err(Problem::FieldTwice(name));
    }
    *field = Some(value.ok_or(Problem::Field(name))?);
    Ok(())
}

/// A key has at least one attribute.
fn key(raw: &RawValue) -> Option<&[u8]> {
    let json = raw.get().as_bytes();
    let key = Item::from_dynamodb_json(json).ok()?;
    (!key.attributes.is_empty()).then_some(json)
}

fn capacity(raw: &RawValue) -> Option<Units> {
    #[derive(Deserialize)]
    struct ConsumedCapacity<'a> {
        #[serde(rename = "CapacityUnits", borrow)]
        units: &'a RawValue,
    }
    let consumed: ConsumedCapacity<'_> = serde_json::from_str(raw.get()).ok()?;
    Units::of_call(consumed.units.get())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::emr::{TranscodeError, scan_page};
    use job::spec::NullSpelling;

    fn page(body: &str) -> Result<ScanPage<'_>, Problem> {
        let page = scan_page(body.as_bytes(), NullSpelling::Single, &mut Vec::new());
        page.map_err(|error: TranscodeError| error.problem)
    }

    #[test]
    fn fields_are_read_in_any_order_and_unknown_ones_are_skipped() {
        let key = r#"{ "pk": {"S":"a\u0041"},"sk":{"N":"7"}}"#;
        let body = format!(
            r#" {{ "X":[1,{{"Items":[]}},null],"LastEvaluatedKey" : {key} ,"Items":[{{}}],
            "ConsumedCapacity":{{"TableName":"t","CapacityUnits":128.5}},"Count":1,"ScannedCount":3 }} "#
        );
        let expected = ScanPage {
            items: 1,
            scanned: 3,
            last_evaluated_key: Some(key.as_bytes()),
            consumed: Some(Units::from_milli(128_500)),
        };
        assert_eq!(page(&body), Ok(expected));
    }

    #[test]
    fn absent_and_null_fields_are_the_same() {
        let end = ScanPage { items: 0, scanned: 0, last_evaluated_key: None, consumed: None };
        assert_eq!(page(r#"{"Items":[],"Count":0}"#), Ok(end));
        assert_eq!(
            page(r#"{"Items":[ ],"Count":0,"ConsumedCapacity":null,"LastEvaluatedKey":null}"#),
            Ok(end)
        );
    }

    #[test]
    fn torn_replies_are_refused() {
        let whole = r#"{"Count":2,"Items":[{"a":{"S":"x"}},{"a":{"N":"1"}}],"ScannedCount":2,"LastEvaluatedKey":{"a":{"N":"1"}}}"#;
        assert!(page(whole).is_ok());
        for end in 0..whole.len() {
            assert!(page(&whole[..end]).is_err(), "{end}");
        }
        assert_eq!(page(r#"{"Items":[{}],"Count":2}"#), Err(Problem::Count { stated: 2, found: 1 }));
        assert_eq!(page(r#"{"Items":[{}]}"#), Err(Problem::FieldMissing("Count")));
        assert_eq!(page(r#"{"Count":0}"#), Err(Problem::FieldMissing("Items")));
        assert_eq!(page(r#"{"Items":[],"Count":0}x"#), Err(Problem::Trailing));
        assert_eq!(page(r#"{"Items":[],"Count":0,"Count":0}"#), Err(Problem::FieldTwice("Count")));
        assert_eq!(page(r#"{"Items":[],"Items":[],"Count":0}"#), Err(Problem::FieldTwice("Items")));
    }

    #[test]
    fn fields_of_the_wrong_kind_are_refused() {
        for (field, value) in [
            ("Count", "-1"),
            ("Count", "1.0"),
            ("Count", "\"0\""),
            ("ScannedCount", "[]"),
            ("LastEvaluatedKey", "{}"),
            ("LastEvaluatedKey", "[]"),
            ("LastEvaluatedKey", r#"{"pk":"x"}"#),
            ("ConsumedCapacity", "5"),
            ("ConsumedCapacity", r#"{"CapacityUnits":"5"}"#),
            ("ConsumedCapacity", r#"{"CapacityUnits":-5}"#),
            ("ConsumedCapacity", r#"{"CapacityUnits":1e-2147483648}"#),
            ("ConsumedCapacity", r#"{"CapacityUnits":1000000.001}"#),
            ("ConsumedCapacity", r#"{"CapacityUnits":9e15}"#),
        ] {
            let body = format!(r#"{{"Items":[],"{field}":{value}}}"#);
            assert!(matches!(page(&body), Err(Problem::Field(_))), "{field} {value}");
        }
    }
}
