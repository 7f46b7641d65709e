//! The RFC 8785 form of JSON, written in one go: members stand in its order already.

use super::tree::{JsonObject, JsonValue, order};

/// A member's value, as it is written.
pub(super) enum Part<'a> {
    Value(&'a JsonValue),
    Text(&'a str),
    Integer(i64),
    Objects(&'a [JsonObject]),
}

/// The RFC 8785 form of an object with these members.
pub(super) fn object(mut members: Vec<(&str, Part<'_>)>) -> Vec<u8> {
    members.sort_by(|(one, _), (other, _)| order(one, other));
    let mut out = Vec::new();
    sequence(
        &mut out,
        *b"{}",
        members.into_iter(),
        |out, (name, part)| {
            string(out, name);
            out.push(b':');
            match part {
                Part::Value(found) => value(out, found),
                Part::Text(text) => string(out, text),
                Part::Integer(found) => out.extend_from_slice(found.to_string().as_bytes()),
                Part::Objects(objects) => sequence(out, *b"[]", objects.iter(), members_of),
            }
        },
    );
    out
}

fn sequence<T>(
    out: &mut Vec<u8>,
    [open, close]: [u8; 2],
    items: impl Iterator<Item = T>,
    mut write: impl FnMut(&mut Vec<u8>, T),
) {
    out.push(open);
    for (index, item) in items.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write(out, item);
    }
    out.push(close);
}

fn members_of(out: &mut Vec<u8>, object: &JsonObject) {
    sequence(out, *b"{}", object.members(), |out, (name, found)| {
        string(out, name);
        out.push(b':');
        value(out, found);
    });
}

fn value(out: &mut Vec<u8>, found: &JsonValue) {
    match found {
        JsonValue::Null => out.extend_from_slice(b"null"),
        JsonValue::Bool(true) => out.extend_from_slice(b"true"),
        JsonValue::Bool(false) => out.extend_from_slice(b"false"),
        JsonValue::Integer(found) => out.extend_from_slice(found.to_string().as_bytes()),
        JsonValue::Fraction(found) => fraction(out, *found),
        JsonValue::String(text) => string(out, text),
        JsonValue::Array(items) => sequence(out, *b"[]", items.iter(), value),
        JsonValue::Object(object) => members_of(out, object),
    }
}

/// As ECMAScript writes it (RFC 8785, section 3.2.2.3).
fn fraction(out: &mut Vec<u8>, found: f64) {
    match serde_json_canonicalizer::to_vec(&found) {
        Ok(text) => out.extend_from_slice(&text),
        // It is finite: there is no other number that has no form.
        Err(_) => out.extend_from_slice(b"null"),
    }
}

/// With the escapes of RFC 8785, section 3.2.2.2, which are serde_json's.
fn string(out: &mut Vec<u8>, text: &str) {
    let written = serde_json::to_writer(&mut *out, text);
    debug_assert!(written.is_ok(), "a string always has a form");
}
