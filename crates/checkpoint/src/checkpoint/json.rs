//! JSON read strictly: what two readers could understand differently is refused, not repaired.
//!
//! Refused are duplicate members (RFC 8259, section 4, leaves their meaning open), numbers beyond
//! 2^53-1 (section 6), and nesting so deep that some reader gives up.

use std::fmt;
use std::sync::Arc;

use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};

use super::fields::{FieldError, MAX_SAFE_INTEGER};
use super::tree::{JsonObject, JsonValue, Names};
use crate::fault::{FieldFault, excerpt};
use crate::lines::ByteOrderMark;

/// Largest JSON text in bytes: twice the largest payload, which leaves room for white space.
pub const MAX_JSON_BYTES: usize = 1024 * 1024;

/// Deepest nesting of objects and arrays below the top-level object. A level takes up to three levels of
/// protobuf messages, and protobuf readers stop at 100.
pub const MAX_NESTING: usize = 16;

/// Most values in a checkpoint: objects, arrays and what is in them. On average a value has eight bytes of the largest payload then; one
/// of an organisation's summary has twenty or so. In memory, each takes a hundred and more.
pub const MAX_VALUES: usize = 65_536;

/// The values of a published checkpoint beside those of its content: the object, its seven members, the signature.
pub(super) const FIXED_VALUES: usize = 9;

/// Reads a JSON object strictly.
///
/// # Errors
/// [`FieldFault`] with the path of the member that is wrong, or `json` when the text as a whole is.
pub fn parse_object(text: &[u8]) -> Result<JsonObject, FieldFault> {
    let refused = |problem: String| Err(FieldFault::new("json", problem));
    if text.len() > MAX_JSON_BYTES {
        // How much longer, nobody knows who reads no further.
        return refused(format!(
            "is longer than {MAX_JSON_BYTES} bytes; expected no more"
        ));
    }
    if let Err(mark) = ByteOrderMark::check(text) {
        return refused(mark.to_string());
    }
    if text.trim_ascii().is_empty() {
        return refused("is empty; expected an object".into());
    }
    let mut fault = None;
    let mut left = MAX_VALUES + FIXED_VALUES;
    let mut reader = serde_json::Deserializer::from_slice(text);
    let seed = Strict {
        depth: 0,
        fault: &mut fault,
        left: &mut left,
        names: &mut Names::default(),
    };
    let value = seed.deserialize(&mut reader);
    if let (Ok(_), Err(more)) = (&value, reader.end()) {
        let (line, column) = (more.line(), more.column());
        return refused(format!(
            "goes on behind its end, at line {line} column {column}; expected one object (several stand one on a line, or in an array)"
        ));
    }
    match value {
        Ok(JsonValue::Object(object)) => Ok(object),
        Ok(other) => refused(format!("{}; expected an object", describe(&other))),
        Err(error) => Err(fault.map_or_else(
            || FieldFault::new("json", no_json(text, &error)),
            Found::into_fault,
        )),
    }
}

/// Bytes that are no text have no character of which to speak.
fn no_json(text: &[u8], error: &serde_json::Error) -> String {
    match std::str::from_utf8(text) {
        Ok(_) => format!("is not JSON: {error}"),
        Err(wrong) => format!(
            "is not UTF-8, from byte {} on; expected JSON in UTF-8",
            wrong.valid_up_to() + 1
        ),
    }
}

/// The one form of a number: integers as integers, whatever notation they came in, none beyond 2^53-1.
///
/// # Errors
/// A sentence that says what is expected.
pub fn number(found: f64) -> Result<JsonValue, String> {
    // Beyond this, neighbouring integers share a double, so that a reader cannot tell which was meant.
    if found.is_nan() || found.abs() > MAX_SAFE_INTEGER as f64 {
        return Err(format!(
            "is {found}; expected a number of magnitude up to 9007199254740991 (2^53-1)"
        ));
    }
    if found.fract() == 0.0 {
        return Ok(JsonValue::Integer(found as i64));
    }
    Ok(JsonValue::Fraction(found))
}

/// What a JSON value is, for an error message.
pub(super) fn describe(value: &JsonValue) -> &'static str {
    match value {
        JsonValue::Null => "is null",
        JsonValue::Bool(_) => "is a boolean",
        JsonValue::Integer(_) | JsonValue::Fraction(_) => "is a number",
        JsonValue::String(_) => "is a string",
        JsonValue::Array(_) => "is an array",
        JsonValue::Object(_) => "is an object",
    }
}

fn unexpected(found: Option<&JsonValue>, expected: &'static str) -> FieldError {
    match found {
        None => FieldError::Missing(expected),
        Some(value) => FieldError::Type {
            found: describe(value),
            expected,
        },
    }
}

pub(super) fn string(member: Option<JsonValue>) -> Result<Box<str>, FieldError> {
    match member {
        Some(JsonValue::String(text)) => Ok(text),
        other => Err(unexpected(other.as_ref(), "a string")),
    }
}

pub(super) fn integer(member: Option<JsonValue>) -> Result<i128, FieldError> {
    match member {
        Some(JsonValue::Integer(number)) => Ok(i128::from(number)),
        Some(JsonValue::Fraction(number)) => Err(FieldError::Fraction(number.to_string())),
        other => Err(unexpected(other.as_ref(), "an integer")),
    }
}

pub(super) fn objects(member: Option<JsonValue>) -> Result<Vec<JsonObject>, FieldError> {
    const EXPECTED: &str = "an array of objects";
    match member {
        Some(JsonValue::Array(items)) => items
            .into_iter()
            .map(|item| match item {
                JsonValue::Object(object) => Ok(object),
                _ => Err(FieldError::Type {
                    found: "is an array with something else than objects in it",
                    expected: EXPECTED,
                }),
            })
            .collect(),
        other => Err(unexpected(other.as_ref(), EXPECTED)),
    }
}

/// A fault that was found, and where: each level that it is told to adds its step, so that a text without faults makes no path.
struct Found {
    problem: String,
    shown: PathShown,
    /// The innermost first.
    path: Vec<String>,
}

/// What of the path to a fault is told.
enum PathShown {
    All,
    /// The member of the top-level object: the depth of a path is not worth repeating.
    Outermost,
    /// It is of the text as a whole.
    None,
}

impl Found {
    fn into_fault(self) -> FieldFault {
        let steps = self.path.into_iter().rev();
        let path: String = match self.shown {
            PathShown::All => steps.collect(),
            PathShown::Outermost => steps.take(1).collect(),
            PathShown::None => String::new(),
        };
        let field = path.strip_prefix('.').unwrap_or(&path);
        let field = if field.is_empty() { "json" } else { field };
        FieldFault::new(field, self.problem)
    }
}

/// Reads one value. serde's errors carry text only, so that the fault itself is left in `fault` for the caller.
struct Strict<'a> {
    /// Objects and arrays around it.
    depth: usize,
    fault: &'a mut Option<Found>,
    /// Values that may still come.
    left: &'a mut usize,
    names: &'a mut Names,
}

impl Strict<'_> {
    fn inner(&mut self) -> Strict<'_> {
        Strict {
            depth: self.depth + 1,
            fault: self.fault,
            left: self.left,
            names: self.names,
        }
    }

    fn refuse<E: serde::de::Error>(&mut self, shown: PathShown, problem: impl Into<String>) -> E {
        let problem = problem.into();
        let error = E::custom(&problem);
        let path = Vec::new();
        *self.fault = Some(Found {
            problem,
            shown,
            path,
        });
        error
    }

    /// Notes that what was refused stands here.
    fn stands_in(&mut self, step: impl FnOnce() -> String) {
        if let Some(found) = self.fault.as_mut() {
            found.path.push(step());
        }
    }

    /// The top-level object is not counted: a member's value may nest [`MAX_NESTING`] deep.
    fn check_nesting<E: serde::de::Error>(&mut self) -> Result<(), E> {
        if self.depth > MAX_NESTING {
            let problem = format!(
                "nests deeper than {MAX_NESTING}; expected fewer objects and arrays in one another"
            );
            return Err(self.refuse(PathShown::Outermost, problem));
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = JsonValue;

    fn deserialize<D: serde::Deserializer<'de>>(
        mut self,
        reader: D,
    ) -> Result<JsonValue, D::Error> {
        match self.left.checked_sub(1) {
            Some(left) => *self.left = left,
            None => {
                let problem = format!("has more than {MAX_VALUES} values; expected fewer");
                return Err(self.refuse(PathShown::None, problem));
            }
        }
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = JsonValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<JsonValue, E> {
        Ok(JsonValue::Null)
    }

    fn visit_bool<E>(self, found: bool) -> Result<JsonValue, E> {
        Ok(JsonValue::Bool(found))
    }

    fn visit_str<E>(self, found: &str) -> Result<JsonValue, E> {
        Ok(JsonValue::String(found.into()))
    }

    fn visit_i64<E: serde::de::Error>(self, found: i64) -> Result<JsonValue, E> {
        self.visit_f64(found as f64)
    }

    fn visit_u64<E: serde::de::Error>(self, found: u64) -> Result<JsonValue, E> {
        self.visit_f64(found as f64)
    }

    /// Integers come here too: up to 2^53 a double holds each exactly, and the rest is refused.
    fn visit_f64<E: serde::de::Error>(mut self, found: f64) -> Result<JsonValue, E> {
        number(found).map_err(|problem| self.refuse(PathShown::All, problem))
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<JsonValue, A::Error> {
        self.check_nesting()?;
        let mut array = Vec::new();
        loop {
            match items.next_element_seed(self.inner()) {
                Ok(Some(item)) => array.push(item),
                Ok(None) => return Ok(JsonValue::Array(array.into())),
                Err(error) => {
                    self.stands_in(|| format!("[{}]", array.len()));
                    return Err(error);
                }
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<JsonValue, A::Error> {
        self.check_nesting()?;
        let mut object = Vec::new();
        while let Some(name) = members.next_key_seed(Name(object.len(), self.names))? {
            match members.next_value_seed(self.inner()) {
                Ok(value) => object.push((name, value)),
                Err(error) => {
                    self.stands_in(|| format!(".{}", plain_name(&name)));
                    return Err(error);
                }
            }
        }
        match JsonObject::new(object) {
            Ok(object) => Ok(JsonValue::Object(object)),
            Err(name) => {
                let problem = "stands there twice; expected each member once";
                let error = self.refuse(PathShown::All, problem);
                self.stands_in(|| format!(".{}", plain_name(&name)));
                Err(error)
            }
        }
    }
}

/// Reads the name of the member that is the nth of its object.
struct Name<'a>(usize, &'a mut Names);

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = Arc<str>;

    fn deserialize<D: serde::Deserializer<'de>>(self, reader: D) -> Result<Arc<str>, D::Error> {
        reader.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = Arc<str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member's name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Arc<str>, E> {
        Ok(self.1.nth(self.0, name))
    }
}

/// A member's name in a path: as it is when it has the form of an identifier, quoted and bounded otherwise.
pub fn plain_name(name: &str) -> String {
    if crate::identifier::check(name).is_ok() {
        name.into()
    } else {
        excerpt(name)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn fault(text: &str) -> FieldFault {
        parse_object(text.as_bytes()).unwrap_err()
    }

    #[test]
    fn notations_of_one_number_are_one_number() {
        for text in ["100", "100.0", "1e2", "1E+2", "1000e-1"] {
            let object = parse_object(format!(r#"{{"a":{text}}}"#).as_bytes()).unwrap();
            assert_eq!(object.to_map()["a"], Value::from(100), "{text}");
        }
        let object = parse_object(br#"{"a":-0.0,"b":0.1}"#).unwrap();
        assert_eq!(object.to_map()["a"], Value::from(0));
        assert_eq!(object.to_map()["b"], Value::from(0.1));
    }

    #[test]
    fn numbers_that_other_readers_would_round_are_refused() {
        for text in [
            "9007199254740992",
            "-9007199254740992",
            "9007199254740993",
            "18446744073709551616",
            "1e300",
        ] {
            let fault = fault(&format!(r#"{{"sums":[{{"x":{text}}}]}}"#));
            assert_eq!(fault.field, "sums[0].x", "{text}");
        }
        assert!(parse_object(br#"{"a":9007199254740991,"b":-9007199254740991}"#).is_ok());
    }

    #[test]
    fn a_member_that_stands_twice_is_named() {
        assert_eq!(fault(r#"{"a":1,"b":[{"c":1,"c":1}]}"#).field, "b[0].c");
        assert_eq!(fault(r#"{"a":1,"\u0061":1}"#).field, "a");
    }

    #[test]
    fn nesting_ends_at_the_bound() {
        let nested = |depth| format!(r#"{{"a":{}{}}}"#, "[".repeat(depth), "]".repeat(depth));
        assert!(parse_object(nested(MAX_NESTING).as_bytes()).is_ok());
        assert_eq!(fault(&nested(MAX_NESTING + 1)).field, "a");
        assert_eq!(fault(&nested(10_000)).field, "a");
    }

    #[test]
    fn values_have_a_bound_wherever_they_stand() {
        let within = MAX_VALUES + FIXED_VALUES - 2;
        for (item, values) in [("0", 1), ("[]", 1), ("{}", 1), (r#"{"":0}"#, 2)] {
            let text = |count: usize| format!(r#"{{"a":[{}]}}"#, vec![item; count].join(","));
            assert!(parse_object(text(within / values).as_bytes()).is_ok());
            let fault = fault(&text(within / values + 1));
            assert_eq!(fault.field, "json");
            assert!(fault.problem.contains("more than 65536 values"), "{fault}");
        }
    }

    #[test]
    fn what_is_not_one_object_is_refused() {
        for text in [
            "",
            "[]",
            "null",
            "{",
            "{} {}",
            r#"{"a":}"#,
            "{'a':1}",
            r#"{"a":"\ud800"}"#,
        ] {
            assert_eq!(fault(text).field, "json", "{text}");
        }
        assert_eq!(
            parse_object(&[b' '; MAX_JSON_BYTES + 1]).unwrap_err().field,
            "json"
        );
    }
}
