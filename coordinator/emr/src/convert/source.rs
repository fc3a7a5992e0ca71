//! A definition as it is written: its objects and fields, and where each value stands in the text.

use std::{
    collections::{BTreeMap, HashSet},
    fmt,
    ops::Range,
};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

use super::refusal::{Refusal, Why};

/// The object from which every other inherits its fields (Data Pipeline Developer Guide, dp-object-default).
const DEFAULT: &str = "Default";

/// The members of a JSON object in their order. A key may occur several times.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Vec<(String, &'de RawValue)>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(members)
            }
        }
        deserializer.deserialize_map(Reader).map(Members)
    }
}

/// A value of a field.
#[derive(Debug)]
pub(super) struct Value<'a> {
    /// The JSON of the value.
    pub(super) json: &'a str,
    /// Where it stands in the definition.
    pub(super) at: Range<usize>,
    pub(super) meaning: Meaning,
}

/// What a value says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    Text(String),
    /// The id of another object.
    Ref(String),
    Bool(bool),
    Other,
}

impl<'a> Value<'a> {
    fn new(text: &str, raw: &'a RawValue) -> Self {
        let json = raw.get();
        let start = json.as_ptr().addr() - text.as_ptr().addr();
        let meaning = match serde_json::from_str(json) {
            Ok(serde_json::Value::String(text)) => Meaning::Text(text),
            Ok(serde_json::Value::Bool(value)) => Meaning::Bool(value),
            Ok(serde_json::Value::Object(members)) => match members.get("ref").and_then(|id| id.as_str()) {
                Some(id) if members.len() == 1 => Meaning::Ref(id.to_owned()),
                _ => Meaning::Other,
            },
            _ => Meaning::Other,
        };
        Self { json, at: start..start + json.len(), meaning }
    }

    pub(super) fn text(&self) -> Option<&str> {
        match &self.meaning {
            Meaning::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A text as it is written: with the escapes of JSON, without the quotes.
    pub(super) fn written(&self) -> Option<&'a str> {
        self.text().and_then(|_| self.json.strip_prefix('"')?.strip_suffix('"'))
    }
}

/// A field of an object.
#[derive(Debug)]
pub(super) struct Field<'a> {
    pub(super) name: String,
    /// Where its value stands in the definition: one value or a list.
    pub(super) at: Range<usize>,
    pub(super) is_list: bool,
    pub(super) values: Vec<Value<'a>>,
}

/// An object of the definition.
#[derive(Debug)]
pub(super) struct Object<'a> {
    pub(super) id: String,
    pub(super) fields: Vec<Field<'a>>,
}

impl<'a> Object<'a> {
    fn new(text: &str, raw: &'a RawValue, number: usize) -> Result<Self, Refusal> {
        let members: Members<'a> =
            serde_json::from_str(raw.get()).map_err(|_| Refusal::NotAnObject { number })?;
        let fields = members.0.into_iter().map(|(name, raw)| field(text, name, raw)).collect();
        let mut object = Self { id: format!("number {number}"), fields };
        let id = object.one("id")?.and_then(Value::text).map(str::to_owned);
        object.id = id.ok_or_else(|| object.refusal("id", Why::Missing))?;
        Ok(object)
    }

    pub(super) fn refusal(&self, field: &str, why: Why) -> Refusal {
        Refusal::Field { object: self.id.clone(), field: field.to_owned(), why }
    }

    /// The values of a field. A definition repeats the field or gives a list if there are several (Data Pipeline
    /// Developer Guide, dp-object-emractivity).
    pub(super) fn values(&self, name: &str) -> Vec<&Value<'a>> {
        self.fields.iter().filter(|field| field.name == name).flat_map(|field| &field.values).collect()
    }

    /// The value of a field that has one value.
    pub(super) fn one(&self, name: &str) -> Result<Option<&Value<'a>>, Refusal> {
        match self.values(name).as_slice() {
            [] => Ok(None),
            [one] => Ok(Some(one)),
            _ => Err(self.refusal(name, Why::Several)),
        }
    }

    pub(super) fn has(&self, name: &str) -> bool {
        !self.values(name).is_empty()
    }

    /// The id of the object that a field names.
    pub(super) fn named(&self, name: &str) -> Option<&str> {
        self.values(name).into_iter().find_map(|value| match &value.meaning {
            Meaning::Ref(id) => Some(id.as_str()),
            _ => None,
        })
    }

    pub(super) fn is(&self, kind: &str) -> bool {
        self.values("type").iter().any(|value| value.text() == Some(kind))
    }
}

fn field<'a>(text: &str, name: String, raw: &'a RawValue) -> Field<'a> {
    let at = Value::new(text, raw).at;
    match serde_json::from_str::<Vec<&'a RawValue>>(raw.get()) {
        Ok(list) => {
            let values = list.into_iter().map(|raw| Value::new(text, raw)).collect();
            Field { name, at, is_list: true, values }
        }
        Err(_) => Field { name, at, is_list: false, values: vec![Value::new(text, raw)] },
    }
}

/// A definition of a pipeline.
#[derive(Debug)]
pub(super) struct Definition<'a> {
    pub(super) text: &'a str,
    pub(super) objects: Vec<Object<'a>>,
    /// The parameters whose value is known: from `values`, or else their default.
    parameters: BTreeMap<String, String>,
}

impl<'a> Definition<'a> {
    pub(super) fn read(text: &'a str) -> Result<Self, Refusal> {
        serde_json::from_str::<&RawValue>(text).map_err(|error| Refusal::NotJson { error: error.into() })?;
        let members: Members<'a> =
            serde_json::from_str(text).map_err(|_| Refusal::NotADefinition { hint: "" })?;
        let get = |name: &str| members.0.iter().rfind(|(key, _)| key == name).map(|(_, raw)| *raw);
        let has = |names: &[&str]| names.iter().any(|name| get(name).is_some());
        let hint = if has(&["pipelineObjects", "PipelineObjects"]) {
            ": it has the form of the API; get it with `aws datapipeline get-pipeline-definition`"
        } else if has(&["Resources", "AWSTemplateFormatVersion"]) {
            ": it is a template of CloudFormation; get the definition of the pipeline with \
             `aws datapipeline get-pipeline-definition`"
        } else {
            ""
        };
        let list = get("objects").and_then(|raw| serde_json::from_str::<Vec<&'a RawValue>>(raw.get()).ok());
        let objects = list.ok_or(Refusal::NotADefinition { hint })?;
        let objects: Result<Vec<_>, _> =
            (1..).zip(objects).map(|(number, raw)| Object::new(text, raw, number)).collect();
        let definition =
            Self { text, objects: objects?, parameters: parameters(get("parameters"), get("values")) };
        let mut ids = HashSet::new();
        if let Some(object) = definition.objects.iter().find(|object| !ids.insert(&object.id)) {
            return Err(object.refusal("id", Why::IdTwice));
        }
        Ok(definition)
    }

    pub(super) fn object(&self, id: &str) -> Option<&Object<'a>> {
        self.objects.iter().find(|object| object.id == id)
    }

    /// The object from which an object has a field: itself, a parent, or `Default`.
    pub(super) fn owner<'s>(&'s self, object: &'s Object<'a>, field: &str) -> Option<&'s Object<'a>> {
        let mut next = Some(object);
        // Parents could refer to each other.
        for _ in 0..=self.objects.len() {
            let Some(owner) = next else { break };
            if owner.has(field) {
                return Some(owner);
            }
            next = owner.named("parent").and_then(|id| self.object(id));
        }
        self.object(DEFAULT).filter(|default| default.has(field))
    }

    /// The one value of a field that the object has or inherits.
    pub(super) fn inherited<'s>(
        &'s self,
        object: &'s Object<'a>,
        field: &str,
    ) -> Result<Option<&'s Value<'a>>, Refusal> {
        self.owner(object, field).map_or(Ok(None), |owner| owner.one(field))
    }

    /// The text with an expression that is nothing but a parameter replaced by the value of the parameter.
    ///
    /// # Errors
    /// Fails if it is another expression, or if the definition has no value for the parameter.
    pub(super) fn followed(&self, text: &str) -> Result<String, Why> {
        let Some(expression) = text.strip_prefix("#{").and_then(|rest| rest.strip_suffix('}')) else {
            return Ok(text.to_owned());
        };
        let value = self.parameters.get(expression.trim().trim_start_matches('*'));
        value.cloned().ok_or_else(|| Why::NoValue { expression: text.to_owned() })
    }
}

fn parameters(declared: Option<&RawValue>, values: Option<&RawValue>) -> BTreeMap<String, String> {
    let json = |raw: Option<&RawValue>| raw.and_then(|raw| serde_json::from_str(raw.get()).ok());
    let (declared, values): (serde_json::Value, serde_json::Value) =
        (json(declared).unwrap_or_default(), json(values).unwrap_or_default());
    let default = |one: &serde_json::Value| {
        Some((one.get("id")?.as_str()?.to_owned(), one.get("default")?.as_str()?.to_owned()))
    };
    let defaults = declared.as_array().into_iter().flatten().filter_map(default);
    let given = values.as_object().into_iter().flatten();
    let given = given.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())));
    defaults.chain(given).collect()
}
