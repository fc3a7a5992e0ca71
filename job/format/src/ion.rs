//! Reads Amazon Ion with its own library: lines of DynamoDB's own exports (Developer Guide, "DynamoDB table export
//! output format"), `$ion_1_0 {Item:{…}}` or, in incremental ones, `$ion_1_0 {Keys:{…},NewImage:{…},…}`.
//!
//! Numbers are Ion decimals, sets are lists with an annotation, and the other types have the same name in Ion.

mod nesting;

use std::collections::BTreeMap;

use ion_rs::{Annotations, Decimal, Element, Sequence, Struct, Symbol, Value, decimal::Sign};

use crate::{
    dynamodb_json::{ExportField, ExportFields, ExportLine, WRITE_TIME, is_write_time},
    item::{AttributeValue, Item, ItemError},
    limits::MAX_NESTING,
    request::RequestError,
};

/// The most digits (after the point, if there are any) of a number that is written without an exponent: as many as
/// DynamoDB keeps.
const MAX_PLAIN_DIGITS: usize = 38;

/// The first bytes of binary Ion, which the library would read, too.
const BINARY_ION: &[u8] = &[0xe0, 0x01, 0x00, 0xea];

/// Reads a line.
///
/// # Errors
/// Fails with [`RequestError::Ion`], with [`RequestError::Item`] for duplicate names and too deep nesting, and if it is
/// not a line of an export.
pub(crate) fn read(line: &[u8]) -> Result<ExportLine, RequestError> {
    if line.starts_with(BINARY_ION) {
        return Err(RequestError::Ion("it is binary"));
    }
    nesting::check(line)?;
    // The cause is dropped because the library's messages may quote the text.
    let element = Element::read_one(line).map_err(|_| RequestError::Ion("it can't be parsed"))?;
    let (annotations, value) = element.into_parts();
    let (true, Value::Struct(all)) = (annotations.is_empty(), value) else {
        return Err(RequestError::Ion("it is not a struct"));
    };
    let mut fields = ExportFields::default();
    for (name, element) in all {
        let field = ExportField::of_name(name.text().ok_or(NAMELESS)?)?;
        match field {
            ExportField::Metadata => fields.set_metadata(is_dated(element)?)?,
            _ => fields.set(field, item(element)?)?,
        }
    }
    fields.into_line()
}

/// The error for a field whose name is a number in a missing symbol table.
const NAMELESS: RequestError = RequestError::Ion("a name without text");

/// Whether `Metadata`, which must be a struct, has the time of the write. Its other fields are ignored.
fn is_dated(metadata: Element) -> Result<bool, RequestError> {
    let (annotations, value) = metadata.into_parts();
    let (true, Value::Struct(fields)) = (annotations.is_empty(), value) else {
        return Err(RequestError::Ion("Metadata that is not a struct"));
    };
    let fields = fields_of(fields)?;
    Ok(match fields.get(WRITE_TIME).map(Element::value) {
        Some(Value::Int(_) | Value::Decimal(_)) => true,
        Some(Value::String(text)) => is_write_time(text.text()),
        _ => false,
    })
}

/// The fields of a struct.
fn fields_of(fields: Struct) -> Result<BTreeMap<String, Element>, RequestError> {
    let mut by_name = BTreeMap::new();
    for (name, element) in fields {
        let name = name.text().ok_or(NAMELESS)?.to_owned();
        if by_name.insert(name, element).is_some() {
            return Err(ItemError::DuplicateName.into());
        }
    }
    Ok(by_name)
}

fn item(element: Element) -> Result<Item, RequestError> {
    match value(element, 0)? {
        AttributeValue::M(attributes) => Ok(Item { attributes }),
        _ => Err(RequestError::Ion("an item that is not a struct")),
    }
}

/// Converts a value within `depth` lists and structs. The item itself counts as the first.
fn value(element: Element, depth: usize) -> Result<AttributeValue, RequestError> {
    use AttributeValue as V;
    let (annotations, value_of) = element.into_parts();
    if let Some(kind) = annotation(&annotations)? {
        return set(kind, value_of);
    }
    if matches!(value_of, Value::List(_) | Value::Struct(_)) && depth > MAX_NESTING {
        return Err(ItemError::TooDeep.into());
    }
    Ok(match value_of {
        Value::String(text) => V::S(text.into()),
        Value::Decimal(_) | Value::Int(_) => V::N(number(&value_of)?),
        Value::Blob(bytes) => V::B(bytes.into()),
        Value::Bool(bool) => V::Bool(bool),
        Value::Null(ion_rs::IonType::Null) => V::Null,
        Value::Null(_) => return Err(RequestError::Ion("a null of some type")),
        Value::List(elements) => {
            V::L(elements.into_iter().map(|element| value(element, depth + 1)).collect::<Result<_, _>>()?)
        }
        Value::Struct(fields) => {
            let named = |(name, element)| Ok((name, value(element, depth + 1)?));
            V::M(fields_of(fields)?.into_iter().map(named).collect::<Result<_, RequestError>>()?)
        }
        Value::Float(_) => return Err(RequestError::Ion("a float: numbers are decimals")),
        Value::Symbol(_) => return Err(RequestError::Ion("a symbol: texts are strings")),
        Value::Timestamp(_) | Value::Clob(_) | Value::SExp(_) => {
            return Err(RequestError::Ion("a value of a type that DynamoDB does not have"));
        }
    })
}

/// The annotation of a value, if it has one.
fn annotation(annotations: &Annotations) -> Result<Option<&str>, RequestError> {
    let mut all = annotations.iter().map(Symbol::text);
    match (all.next(), all.next()) {
        (None, _) => Ok(None),
        (Some(Some(one)), None) => Ok(Some(one)),
        _ => Err(RequestError::Ion("an unknown annotation")),
    }
}

fn set(kind: &str, value: Value) -> Result<AttributeValue, RequestError> {
    use AttributeValue as V;
    let Value::List(elements) = value else { return Err(RequestError::Ion("an annotation without a list")) };
    match kind {
        "$dynamodb_SS" => elements_of(elements, |value| match value {
            Value::String(text) => Ok(text.into()),
            _ => Err(RequestError::Ion("a string set with an element of another type")),
        })
        .map(V::Ss),
        "$dynamodb_NS" => elements_of(elements, |value| number(&value)).map(V::Ns),
        "$dynamodb_BS" => elements_of(elements, |value| match value {
            Value::Blob(bytes) => Ok(bytes.into()),
            _ => Err(RequestError::Ion("a binary set with an element of another type")),
        })
        .map(V::Bs),
        _ => Err(RequestError::Ion("an unknown annotation")),
    }
}

fn elements_of<T>(
    elements: Sequence,
    read: impl Fn(Value) -> Result<T, RequestError>,
) -> Result<Vec<T>, RequestError> {
    let read = |element: Element| {
        let (annotations, value) = element.into_parts();
        if annotations.is_empty() { read(value) } else { Err(RequestError::Ion("an unknown annotation")) }
    };
    elements.into_iter().map(read).collect()
}

fn number(value: &Value) -> Result<String, RequestError> {
    match value {
        Value::Int(int) => Ok(int.to_string()),
        Value::Decimal(decimal) => Ok(decimal_text(decimal)),
        _ => Err(RequestError::Ion("a number set with an element of another type")),
    }
}

/// The number with the same coefficient and exponent, except that trailing zeros may be written out.
fn decimal_text(decimal: &Decimal) -> String {
    let coefficient = decimal.coefficient();
    let sign = if coefficient.sign() == Sign::Negative { "-" } else { "" };
    let digits = coefficient.magnitude().to_string();
    let exponent = decimal.exponent();
    let places = usize::try_from(exponent.unsigned_abs()).unwrap_or(usize::MAX);
    let plain_digits = if exponent < 0 { places } else { digits.len().saturating_add(places) };
    if decimal.is_zero() && exponent >= 0 {
        format!("{sign}0")
    } else if exponent != 0 && plain_digits > MAX_PLAIN_DIGITS {
        format!("{sign}{digits}E{exponent:+}")
    } else if exponent >= 0 {
        format!("{sign}{digits}{}", "0".repeat(places))
    } else {
        // At least one digit before the point.
        let digits = format!("{digits:0>width$}", width = places + 1);
        let (whole, fraction) = digits.split_at(digits.len() - places);
        format!("{sign}{whole}.{fraction}")
    }
}

#[cfg(test)]
mod tests;
