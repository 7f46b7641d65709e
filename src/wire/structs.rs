//! `google.protobuf.Struct` written from the core's objects and read into them, without a message in between: that would take many times
//! the bytes, and each of them would be copied for it.
//!
//! What is written is, byte for byte, what prost would write. What is read is what certainly is right; all else is left to prost and to
//! whoever names its faults.

use std::sync::Arc;

use bytes::BufMut;
use checkpoint::checkpoint::{JsonObject, JsonValue, MAX_NESTING, MAX_VALUES, Names, number};
use prost::{encode_length_delimiter, length_delimiter_len};

/// The key of a field that has a length (protobuf, "Encoding", "Message Structure").
pub(super) const fn key(field: u8) -> u8 {
    field << 3 | 2
}

/// What a field takes that has a length.
pub(super) fn delimited_len(length: usize) -> usize {
    1 + length_delimiter_len(length) + length
}

/// Begins a field that has a length.
pub(super) fn begin(out: &mut impl BufMut, field: u8, length: usize) {
    match u8::try_from(length) {
        // Most have one byte.
        Ok(short) if short < 0x80 => out.put_slice(&[key(field), short]),
        _ => {
            out.put_u8(key(field));
            // There is room: it was reserved.
            let _ = encode_length_delimiter(length, out);
        }
    }
}

/// How long an object is, and all structs and lists in it: their lengths stand before them, and are noted in that order.
pub(super) fn measure(object: &JsonObject, lengths: &mut Vec<usize>) -> usize {
    measured(lengths, |lengths| {
        let mut length = 0;
        in_order(object, |name, value| {
            let value = measure_value(value, lengths);
            length += delimited_len(entry_len(name, value));
        });
        length
    })
}

fn measured(lengths: &mut Vec<usize>, measure: impl FnOnce(&mut Vec<usize>) -> usize) -> usize {
    let place = lengths.len();
    lengths.push(0);
    let length = measure(lengths);
    if let Some(place) = lengths.get_mut(place) {
        *place = length;
    }
    length
}

fn measure_value(value: &JsonValue, lengths: &mut Vec<usize>) -> usize {
    let inner = match value {
        JsonValue::Array(items) => measured(lengths, |lengths| {
            let items = items.iter();
            items
                .map(|item| delimited_len(measure_value(item, lengths)))
                .sum()
        }),
        JsonValue::Object(object) => measure(object, lengths),
        _ => 0,
    };
    value_len(value, inner)
}

/// `inner` is the length of a struct or list.
fn value_len(value: &JsonValue, inner: usize) -> usize {
    match value {
        JsonValue::Null | JsonValue::Bool(_) => 2,
        JsonValue::Integer(_) | JsonValue::Fraction(_) => 9,
        JsonValue::String(text) => delimited_len(text.len()),
        JsonValue::Array(_) | JsonValue::Object(_) => delimited_len(inner),
    }
}

/// A name that is empty is left out, as every field is that has its default.
fn entry_len(name: &str, value: usize) -> usize {
    let name = match name.len() {
        0 => 0,
        length => delimited_len(length),
    };
    name + delimited_len(value)
}

/// Writes what was measured: `lengths` are those of what is in it.
pub(super) fn write(
    object: &JsonObject,
    lengths: &mut std::slice::Iter<'_, usize>,
    out: &mut impl BufMut,
) {
    in_order(object, |name, value| {
        let inner = lengths.as_slice().first().copied().unwrap_or_default();
        let length = value_len(value, inner);
        begin(out, 1, entry_len(name, length));
        if !name.is_empty() {
            begin(out, 1, name.len());
            out.put_slice(name.as_bytes());
        }
        begin(out, 2, length);
        write_value(value, lengths, out);
    });
}

fn write_value(
    value: &JsonValue,
    lengths: &mut std::slice::Iter<'_, usize>,
    out: &mut impl BufMut,
) {
    match value {
        JsonValue::Null => out.put_slice(&[1 << 3, 0]),
        // Never beyond 2^53-1, so that a double holds it exactly.
        JsonValue::Integer(found) => write_number(*found as f64, out),
        JsonValue::Fraction(found) => write_number(*found, out),
        JsonValue::String(text) => {
            begin(out, 3, text.len());
            out.put_slice(text.as_bytes());
        }
        JsonValue::Bool(found) => out.put_slice(&[4 << 3, u8::from(*found)]),
        JsonValue::Object(object) => {
            begin(out, 5, lengths.next().copied().unwrap_or_default());
            write(object, lengths, out);
        }
        JsonValue::Array(items) => {
            begin(out, 6, lengths.next().copied().unwrap_or_default());
            for item in items {
                let inner = lengths.as_slice().first().copied().unwrap_or_default();
                begin(out, 1, value_len(item, inner));
                write_value(item, lengths, out);
            }
        }
    }
}

fn write_number(found: f64, out: &mut impl BufMut) {
    out.put_u8(2 << 3 | 1);
    out.put_f64_le(found);
}

/// prost keeps members by the bytes of their names. Names without characters from U+E000 on have that order in UTF-16 as well.
fn in_order(object: &JsonObject, mut each: impl FnMut(&str, &JsonValue)) {
    let plain = |name: &str| name.bytes().all(|byte| byte < 0xee);
    if object.members().all(|(name, _)| plain(name)) {
        return object.members().for_each(|(name, value)| each(name, value));
    }
    let mut members: Vec<_> = object.members().collect();
    members.sort_unstable_by_key(|(name, _)| *name);
    members
        .into_iter()
        .for_each(|(name, value)| each(name, value));
}

/// One field of a message.
#[derive(Clone, Copy)]
pub(super) enum Field<'a> {
    Varint(u64),
    Double([u8; 8]),
    Bytes(&'a [u8]),
}

impl<'a> Field<'a> {
    /// The text, when it is one.
    pub(super) fn text(self) -> Option<&'a str> {
        match self {
            Self::Bytes(bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }
}

/// The fields of a message that are not read yet.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    /// The next field and its number; none within when it is not one of those that are read here.
    #[inline]
    pub(super) fn next(&mut self) -> Option<(u64, Field<'a>)> {
        let key = self.varint()?;
        let field = match key & 7 {
            0 => Field::Varint(self.varint()?),
            1 => {
                let (double, rest) = self.0.split_first_chunk()?;
                self.0 = rest;
                Field::Double(*double)
            }
            2 => {
                let length = usize::try_from(self.varint()?).ok()?;
                let (bytes, rest) = self.0.split_at_checked(length)?;
                self.0 = rest;
                Field::Bytes(bytes)
            }
            _ => return None,
        };
        Some((key >> 3, field))
    }

    /// Whether there are further ones.
    pub(super) fn are_left(&self) -> bool {
        !self.0.is_empty()
    }

    #[inline]
    fn varint(&mut self) -> Option<u64> {
        // Most have one byte.
        match self.0.split_first()? {
            (byte, rest) if *byte < 0x80 => {
                self.0 = rest;
                Some(u64::from(*byte))
            }
            _ => self.long_varint(),
        }
    }

    fn long_varint(&mut self) -> Option<u64> {
        let mut number = 0;
        // Nine bytes have 63 bits; a tenth would have the last one.
        for index in 0..10 {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            if index == 9 && *byte > 1 {
                return None;
            }
            number |= u64::from(byte & 0x7f) << (7 * index);
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }
}

/// What is known while the structs of one checkpoint are read.
pub(super) struct Reading {
    /// Values that there may still be.
    left: usize,
    names: Names,
}

impl Reading {
    pub(super) fn begin() -> Self {
        Self {
            left: MAX_VALUES,
            names: Names::default(),
        }
    }

    /// Counts a value; none when there may be no more.
    pub(super) fn count(&mut self) -> Option<()> {
        self.left = self.left.checked_sub(1)?;
        Some(())
    }

    /// Reads an object. `depth` counts the levels from the top-level member on.
    pub(super) fn object(&mut self, message: &[u8], depth: usize) -> Option<JsonObject> {
        let mut members = Vec::with_capacity(self.entries(message, depth)?);
        let mut fields = Fields(message);
        while fields.are_left() {
            let (1, Field::Bytes(entry)) = fields.next()? else {
                return None;
            };
            self.count()?;
            members.push(self.entry(entry, members.len(), depth)?);
        }
        JsonObject::new(members).ok()
    }

    /// How many there are, so that room is made for them once; none when there may not be so many.
    fn entries(&self, message: &[u8], depth: usize) -> Option<usize> {
        if depth > MAX_NESTING {
            return None;
        }
        let (mut fields, mut count) = (Fields(message), 0);
        while fields.are_left() {
            fields.next()?;
            count += 1;
        }
        (count <= self.left).then_some(count)
    }

    fn entry(&mut self, message: &[u8], n: usize, depth: usize) -> Option<(Arc<str>, JsonValue)> {
        let (mut name, mut value) = (None, None);
        let mut fields = Fields(message);
        while fields.are_left() {
            match fields.next()? {
                (1, found) if name.is_none() => name = Some(found.text()?),
                (2, Field::Bytes(found)) if value.is_none() => {
                    value = Some(self.value(found, depth + 1)?);
                }
                _ => return None,
            }
        }
        Some((self.names.nth(n, name.unwrap_or_default()), value?))
    }

    fn value(&mut self, message: &[u8], depth: usize) -> Option<JsonValue> {
        let mut fields = Fields(message);
        let value = match fields.next()? {
            (1, Field::Varint(_)) => JsonValue::Null,
            (2, Field::Double(found)) => number(f64::from_le_bytes(found)).ok()?,
            (3, found) => JsonValue::String(found.text()?.into()),
            (4, Field::Varint(found)) => JsonValue::Bool(found != 0),
            (5, Field::Bytes(found)) => JsonValue::Object(self.object(found, depth)?),
            (6, Field::Bytes(found)) => JsonValue::Array(self.list(found, depth)?),
            _ => return None,
        };
        (!fields.are_left()).then_some(value)
    }

    fn list(&mut self, message: &[u8], depth: usize) -> Option<Box<[JsonValue]>> {
        let mut values = Vec::with_capacity(self.entries(message, depth)?);
        let mut fields = Fields(message);
        while fields.are_left() {
            let (1, Field::Bytes(value)) = fields.next()? else {
                return None;
            };
            self.count()?;
            values.push(self.value(value, depth + 1)?);
        }
        Some(values.into())
    }
}
