//! Reading a JSON body into a wire type, with every fault named at once.
//!
//! Good bodies take one pass through serde. Only when that fails is the body taken apart field by field, so that the answer
//! lists every unknown, missing, repeated and mistyped field and not merely the first.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{self, DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::problem::Violation;
use crate::base::text::escaped;

/// The JSON form of one field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Text,
    Integer,
    Boolean,
    TextList,
    TextMap,
    /// An object with these members.
    Object(&'static [FieldSpec]),
}

/// One field of a request body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldSpec {
    pub name: &'static str,
    pub kind: Kind,
    pub required: bool,
}

/// A type that a JSON object is read into.
pub trait Body: DeserializeOwned {
    /// Its fields, as its definition lists them.
    const FIELDS: &'static [FieldSpec];
}

/// A Rust type with one JSON form.
pub trait WireValue {
    const KIND: Kind;
    const REQUIRED: bool = true;
}

impl WireValue for String {
    const KIND: Kind = Kind::Text;
}
impl WireValue for u32 {
    const KIND: Kind = Kind::Integer;
}
impl WireValue for bool {
    const KIND: Kind = Kind::Boolean;
}
impl WireValue for Vec<String> {
    const KIND: Kind = Kind::TextList;
}
impl WireValue for BTreeMap<String, String> {
    const KIND: Kind = Kind::TextMap;
}
impl<T: WireValue> WireValue for Option<T> {
    const KIND: Kind = T::KIND;
    const REQUIRED: bool = false;
}

/// Defines a request body once: the struct, its serde form and its field list.
macro_rules! request_body {
    ($(#[$meta:meta])* pub struct $name:ident { $($(#[$field_meta:meta])* pub $field:ident: $type:ty,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub struct $name { $($(#[$field_meta])* pub $field: $type,)* }

        impl $crate::api::body::Body for $name {
            const FIELDS: &'static [$crate::api::body::FieldSpec] = &[$($crate::api::body::FieldSpec {
                name: stringify!($field),
                kind: <$type as $crate::api::body::WireValue>::KIND,
                required: <$type as $crate::api::body::WireValue>::REQUIRED,
            },)*];
        }

        impl $crate::api::body::WireValue for $name {
            const KIND: $crate::api::body::Kind = $crate::api::body::Kind::Object(<$name as $crate::api::body::Body>::FIELDS);
        }
    };
}
pub(crate) use request_body;

/// Reads a body, or says everything that is wrong with it.
pub fn read<T: Body>(bytes: &[u8]) -> Result<T, Vec<Violation>> {
    // serde would read an array into the fields by their order.
    if !bytes.trim_ascii_start().starts_with(b"{") {
        return Err(vec![Violation::new("", not_an_object(bytes))]);
    }
    let body = serde_json::from_slice(bytes).map_err(|error| diagnose(T::FIELDS, bytes, &error))?;
    // The same would happen to an array in the place of an object inside.
    let inside: Vec<_> = T::FIELDS.iter().filter(|field| matches!(field.kind, Kind::Object(_))).collect();
    if !inside.is_empty()
        && let Ok(Entries(entries)) = serde_json::from_slice(bytes)
    {
        let of = |(name, value): &(String, Value)| inside.iter().find(|field| field.name == name).map(|field| mismatch(field, value));
        let violations: Vec<_> = entries.iter().filter_map(of).flatten().collect();
        if !violations.is_empty() {
            return Err(violations);
        }
    }
    Ok(body)
}

fn diagnose(fields: &[FieldSpec], bytes: &[u8], error: &serde_json::Error) -> Vec<Violation> {
    let Entries(entries) = match serde_json::from_slice(bytes) {
        Ok(entries) => entries,
        Err(syntax) => return vec![Violation::new("", format!("a JSON object is wanted: {syntax}"))],
    };
    let mut violations = Vec::new();
    for (position, (name, value)) in entries.iter().enumerate() {
        match fields.iter().find(|f| f.name == name) {
            None => violations.push(Violation::new(&escaped(name), format!("unknown field; known are {}", names(fields)))),
            Some(_) if entries[..position].iter().any(|(earlier, _)| earlier == name) => {
                violations.push(Violation::new(name, "given twice".to_owned()));
            }
            Some(field) => violations.extend(mismatch(field, value)),
        }
    }
    for field in fields.iter().filter(|f| f.required && !entries.iter().any(|(name, _)| name == f.name)) {
        violations.push(Violation::new(field.name, format!("required; {}", field.kind)));
    }
    if violations.is_empty() {
        // What only the type itself refuses, such as text after the object.
        violations.push(Violation::new("", error.to_string()));
    }
    violations
}

fn mismatch(field: &FieldSpec, value: &Value) -> Vec<Violation> {
    let wrong =
        |name: &str, kind: &dyn fmt::Display, value: &Value| Violation::new(name, format!("{kind} is wanted, not {}", described(value)));
    match (field.kind, value) {
        (_, Value::Null) if !field.required => Vec::new(),
        (Kind::Text, Value::String(_)) | (Kind::Boolean, Value::Bool(_)) => Vec::new(),
        (Kind::Integer, Value::Number(number)) if number.as_u64().is_some_and(|n| u32::try_from(n).is_ok()) => Vec::new(),
        (Kind::TextList, Value::Array(items)) => {
            let bad = items.iter().enumerate().filter(|(_, item)| !item.is_string());
            bad.map(|(i, item)| wrong(&format!("{}[{i}]", field.name), &Kind::Text, item)).collect()
        }
        (Kind::TextMap, Value::Object(map)) => {
            let bad = map.iter().filter(|(_, item)| !item.is_string());
            bad.map(|(key, item)| wrong(&format!("{}.{}", field.name, escaped(key)), &Kind::Text, item)).collect()
        }
        (Kind::Object(members), Value::Object(map)) => within(field.name, members, map),
        _ => vec![wrong(field.name, &field.kind, value)],
    }
}

/// What is wrong inside an object that is a field, told with the names of both.
fn within(name: &str, members: &[FieldSpec], map: &serde_json::Map<String, Value>) -> Vec<Violation> {
    let path = |member: &str| format!("{name}.{}", escaped(member));
    let mut violations = Vec::new();
    for (member, value) in map {
        match members.iter().find(|known| known.name == member) {
            None => violations.push(Violation::new(&path(member), format!("unknown field; known are {}", names(members)))),
            Some(known) => {
                let found = mismatch(known, value).into_iter();
                violations.extend(found.map(|violation| Violation { field: path(&violation.field), ..violation }));
            }
        }
    }
    for missing in members.iter().filter(|known| known.required && !map.contains_key(known.name)) {
        violations.push(Violation::new(&path(missing.name), format!("required; {}", missing.kind)));
    }
    violations
}

fn not_an_object(bytes: &[u8]) -> String {
    let found = if bytes.is_empty() { "the body is empty" } else { "it is something else" };
    format!("a JSON object is wanted; {found}")
}

fn names(fields: &[FieldSpec]) -> String {
    fields.iter().map(|f| f.name).collect::<Vec<_>>().join(", ")
}

/// The JSON type of a value; the value itself is not repeated, for it may be a secret in the wrong place.
fn described(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "this number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "a text",
            Self::Integer => "a whole number from 0 to 4294967295",
            Self::Boolean => "true or false",
            Self::TextList => "a list of texts",
            Self::TextMap => "an object of texts",
            Self::Object(_) => "an object",
        })
    }
}

/// The members of an object in the order they came, repeated ones included.
struct Entries(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Entries;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    if entries.len() == 256 {
                        return Err(de::Error::custom("too many fields"));
                    }
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

#[cfg(test)]
mod tests;
