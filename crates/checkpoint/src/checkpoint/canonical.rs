//! The RFC 8785 form of JSON, written in one go into one buffer: members stand in its order already.

use std::ops::Range;

use super::tree::{JsonObject, JsonValue, order};

/// A member's value, as it is written.
pub(super) enum Part<'a> {
    Value(&'a JsonValue),
    Text(&'a str),
    Integer(i64),
    Objects(&'a [JsonObject]),
    /// It is canonical already.
    Written(&'a [u8]),
}

/// What an object begins with. Most are of an ordinary checkpoint, and fit.
const ORDINARY_BYTES: usize = 512;

/// An object that was written.
pub(super) struct Object {
    pub(super) text: Vec<u8>,
    /// Where the member would begin that was asked about, if one follows it.
    pub(super) place: usize,
    /// Of each fixed member, where its value stands.
    pub(super) values: Vec<Range<usize>>,
}

/// The RFC 8785 form of an object with these members, which stand in its order, some of them `fixed`; and where a member named `place`
/// would begin that comes before another one. The members that are large take `about` so many bytes.
pub(super) fn object<'a>(
    fixed: &[(&str, Part<'_>)],
    additional: impl Iterator<Item = (&'a str, Part<'a>)>,
    place: &str,
    about: usize,
) -> Object {
    let mut out = Vec::with_capacity(ORDINARY_BYTES + about);
    let mut found = None;
    let mut additional = additional.peekable();
    let mut member = |out: &mut Vec<u8>, name: &str, part: &Part<'_>| {
        out.push(if out.is_empty() { b'{' } else { b',' });
        if found.is_none() && order(place, name).is_lt() {
            found = Some(out.len());
        }
        string(out, name);
        out.push(b':');
        let begins = out.len();
        match part {
            Part::Value(found) => value(out, found),
            Part::Text(text) => string(out, text),
            Part::Integer(found) => integer(out, *found),
            Part::Objects(objects) => sequence(out, *b"[]", objects.iter(), members_of),
            Part::Written(text) => out.extend_from_slice(text),
        }
        begins..out.len()
    };
    let mut values = Vec::with_capacity(fixed.len());
    for (name, part) in fixed {
        while let Some((before, part)) = additional.next_if(|(other, _)| order(other, name).is_lt())
        {
            member(&mut out, before, &part);
        }
        values.push(member(&mut out, name, part));
    }
    for (name, part) in additional {
        member(&mut out, name, &part);
    }
    out.push(b'}');
    let place = found.unwrap_or(out.len());
    Object {
        text: out,
        place,
        values,
    }
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
        JsonValue::Integer(found) => integer(out, *found),
        JsonValue::Fraction(found) => fraction(out, *found),
        JsonValue::String(text) => string(out, text),
        JsonValue::Array(items) => sequence(out, *b"[]", items.iter(), value),
        JsonValue::Object(object) => members_of(out, object),
    }
}

pub(super) fn integer(out: &mut Vec<u8>, found: i64) {
    out.extend_from_slice(itoa::Buffer::new().format(found).as_bytes());
}

/// As ECMAScript writes it (RFC 8785, section 3.2.2.3).
pub(super) fn fraction(out: &mut Vec<u8>, found: f64) {
    match found.is_finite() {
        true => out.extend_from_slice(ryu_js::Buffer::new().format_finite(found).as_bytes()),
        // There is no other number that has no form.
        false => out.extend_from_slice(b"null"),
    }
}

/// With the escapes of RFC 8785, section 3.2.2.2, which are serde_json's.
pub(super) fn string(out: &mut Vec<u8>, text: &str) {
    // Without an early end, so that the compiler looks at many bytes at once.
    let escaped = text.bytes().fold(false, |escaped, byte| {
        escaped | (byte < 0x20) | (byte == b'"') | (byte == b'\\')
    });
    if escaped {
        let written = serde_json::to_writer(&mut *out, text);
        debug_assert!(written.is_ok(), "a string always has a form");
        return;
    }
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
}
