//! `google.protobuf.Struct` written from a canonical text and read into one, without a message in between: that would take many times
//! the bytes, and each of them would be copied for it.
//!
//! What is written is, byte for byte, what prost would write. What is read is what certainly is right; all else is left to prost and to
//! whoever names its faults.

use std::borrow::Cow;

use bytes::BufMut;
use checkpoint::checkpoint::{Items, Members, Place, Text, Value, Written};
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

/// Writes a field whose length is known when it is written: it stands before it, and mostly takes the one byte that is left for it.
pub(super) fn delimited(out: &mut Vec<u8>, field: u8, write: impl FnOnce(&mut Vec<u8>)) {
    out.extend_from_slice(&[key(field), 0]);
    let begins = out.len();
    write(out);
    let length = out.len() - begins;
    let more = length_delimiter_len(length) - 1;
    if more > 0 {
        out.resize(out.len() + more, 0);
        out.copy_within(begins..begins + length, begins + more);
    }
    if let Some(mut place) = out.get_mut(begins - 1..) {
        // There is room: it was made.
        let _ = encode_length_delimiter(length, &mut place);
    }
}

/// Writes the members of a struct. Its text stands behind the beginning of an object, and then behind its end.
fn write_members(object: &mut Text<'_>, out: &mut Vec<u8>) {
    if object.is_in_order_of_bytes() {
        while object.has_more() {
            let name = object.name();
            write_member(&name, object, out);
        }
        return;
    }
    let mut members = Vec::new();
    while object.has_more() {
        members.push((object.name(), *object));
        object.skip();
    }
    write_in_order(members, out);
}

/// prost keeps members by the bytes of their names.
fn write_in_order(mut members: Vec<(Cow<'_, str>, Text<'_>)>, out: &mut Vec<u8>) {
    members.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
    for (name, mut value) in members {
        write_member(&name, &mut value, out);
    }
}

fn write_member(name: &str, value: &mut Text<'_>, out: &mut Vec<u8>) {
    delimited(out, 1, |out| {
        // A name that is empty is left out, as every field is that has its default.
        if !name.is_empty() {
            begin(out, 1, name.len());
            out.put_slice(name.as_bytes());
        }
        delimited(out, 2, |out| write_value(value, out));
    });
}

fn write_value(text: &mut Text<'_>, out: &mut Vec<u8>) {
    match text.value() {
        Value::Null => out.put_slice(&[1 << 3, 0]),
        Value::Number(found) => {
            out.put_u8(2 << 3 | 1);
            out.put_f64_le(found);
        }
        Value::String(text) => {
            begin(out, 3, text.len());
            out.put_slice(text.as_bytes());
        }
        Value::Bool(found) => out.put_slice(&[4 << 3, u8::from(found)]),
        Value::Object => delimited(out, 5, |out| write_members(text, out)),
        Value::Array => delimited(out, 6, |out| {
            while text.has_more() {
                delimited(out, 1, |out| write_value(text, out));
            }
        }),
    }
}

/// Writes each object of an array as this field.
pub(super) fn write_objects(mut array: Text<'_>, field: u8, out: &mut Vec<u8>) {
    array.value();
    while array.has_more() {
        delimited(out, field, |out| {
            array.value();
            write_members(&mut array, out);
        });
    }
}

/// Writes members as a struct in this field, if there are any.
pub(super) fn write_struct<'a>(
    members: impl Iterator<Item = (Cow<'a, str>, Text<'a>)>,
    field: u8,
    out: &mut Vec<u8>,
) {
    let members: Vec<_> = members.collect();
    if !members.is_empty() {
        delimited(out, field, |out| write_in_order(members, out));
    }
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
#[derive(Clone, Copy)]
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

/// Reads the members of a struct.
pub(super) fn read_members<'a>(message: &'a [u8], out: &mut Members<'_, 'a>) -> Option<()> {
    let mut fields = Fields(message);
    while fields.are_left() {
        let (1, Field::Bytes(entry)) = fields.next()? else {
            return None;
        };
        let (mut name, mut value) = (None, None);
        let mut fields = Fields(entry);
        while fields.are_left() {
            match fields.next()? {
                (1, found) if name.is_none() => name = Some(found.text()?),
                (2, Field::Bytes(found)) if value.is_none() => value = Some(found),
                _ => return None,
            }
        }
        let value = value?;
        out.member(name.unwrap_or_default(), |place| read_value(value, place))?;
    }
    Some(())
}

fn read_value<'a>(message: &'a [u8], place: Place<'_, 'a>) -> Option<Written> {
    let mut fields = Fields(message);
    let found = fields.next()?;
    if fields.are_left() {
        return None;
    }
    match found {
        (1, Field::Varint(_)) => Some(place.null()),
        (2, Field::Double(found)) => place.number(f64::from_le_bytes(found)),
        (3, found) => Some(place.string(found.text()?)),
        (4, Field::Varint(found)) => Some(place.bool(found != 0)),
        (5, Field::Bytes(found)) => place.object(|members| read_members(found, members)),
        (6, Field::Bytes(found)) => place.array(|items| read_items(found, items)),
        _ => None,
    }
}

fn read_items<'a>(message: &'a [u8], out: &mut Items<'_, 'a>) -> Option<()> {
    let mut fields = Fields(message);
    while fields.are_left() {
        let (1, Field::Bytes(value)) = fields.next()? else {
            return None;
        };
        out.item(|place| read_value(value, place))?;
    }
    Some(())
}
