//! JSON in memory, small: a member takes some forty bytes beside its text, where a map of its own takes six hundred. What a
//! request may make of its bytes is bounded by that, and by the count of values.

use std::cmp::Ordering;
use std::sync::Arc;

use serde_json::{Map, Number, Value};

/// A JSON value as every reader understands it.
#[derive(Clone, Debug, PartialEq)]
pub enum JsonValue {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// Of a magnitude up to 2^53-1.
    Integer(i64),
    /// Finite, and no integer.
    Fraction(f64),
    /// Unicode text.
    String(Box<str>),
    /// In their order.
    Array(Box<[JsonValue]>),
    /// Without order.
    Object(JsonObject),
}

/// A JSON object of which every reader has the same understanding: each name once. Its members stand in the order of RFC 8785
/// (section 3.2.3), by the UTF-16 units of their names.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct JsonObject(Vec<(Arc<str>, JsonValue)>);

/// Names that are remembered: as many as an object has that is one of many.
const NAMES_KEPT: usize = 32;

/// Names of members while objects are read: those that follow one another mostly have the same ones, and share them.
#[derive(Default)]
pub(super) struct Names(Vec<Arc<str>>);

impl Names {
    /// A name, of the member that is the nth of its object.
    pub(super) fn nth(&mut self, n: usize, name: &str) -> Arc<str> {
        match self.0.get_mut(n) {
            Some(known) if **known == *name => Arc::clone(known),
            Some(known) => {
                *known = name.into();
                Arc::clone(known)
            }
            None => {
                let name: Arc<str> = name.into();
                if self.0.len() < NAMES_KEPT {
                    self.0.push(Arc::clone(&name));
                }
                name
            }
        }
    }
}

/// The order of RFC 8785. Of ASCII alone, bytes have the order of UTF-16 units.
pub(super) fn order(one: &str, other: &str) -> Ordering {
    match one.is_ascii() && other.is_ascii() {
        true => one.cmp(other),
        false => one.encode_utf16().cmp(other.encode_utf16()),
    }
}

impl JsonObject {
    /// Puts members together.
    ///
    /// # Errors
    /// The name that stands there twice.
    pub fn new(mut members: Vec<(Arc<str>, JsonValue)>) -> Result<Self, Arc<str>> {
        members.sort_by(|(one, _), (other, _)| order(one, other));
        let twice = members.windows(2).find_map(|pair| match pair {
            [(one, _), (other, _)] if one == other => Some(Arc::clone(one)),
            _ => None,
        });
        match twice {
            Some(name) => Err(name),
            None => {
                members.shrink_to_fit();
                Ok(Self(members))
            }
        }
    }

    /// The members.
    pub fn members(&self) -> impl ExactSizeIterator<Item = (&str, &JsonValue)> {
        self.0.iter().map(|(name, value)| (&**name, value))
    }

    /// Whether there is a member of this name.
    pub fn has(&self, name: &str) -> bool {
        self.place(name).is_some()
    }

    /// The member of this name, if there is one, which is then none any more.
    pub fn take(&mut self, name: &str) -> Option<JsonValue> {
        let place = self.place(name)?;
        Some(self.0.remove(place).1)
    }

    fn place(&self, name: &str) -> Option<usize> {
        self.0.binary_search_by(|(one, _)| order(one, name)).ok()
    }

    /// The members as serde_json has them, for what is small.
    pub fn to_map(&self) -> Map<String, Value> {
        let members = self.members();
        members
            .map(|(name, value)| (name.to_owned(), value.to_value()))
            .collect()
    }
}

impl JsonValue {
    fn to_value(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(found) => Value::Bool(*found),
            Self::Integer(found) => Value::from(*found),
            Self::Fraction(found) => Number::from_f64(*found).map_or(Value::Null, Value::Number),
            Self::String(found) => Value::from(&**found),
            Self::Array(items) => items.iter().map(Self::to_value).collect(),
            Self::Object(object) => Value::Object(object.to_map()),
        }
    }
}
