//! The text of a keyring, before anything of it has a meaning: what two readers could understand differently is refused. Members that are
//! not known may have any value all the same, so that a later keyring is read by earlier readers.

use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::fault::excerpt;

/// Deepest nesting of objects and arrays, the set among them. Readers' own limits lie above it.
const MAX_DEPTH: usize = 100;

/// Reads all of it, and keeps nothing.
///
/// # Errors
/// It is no JSON, has a member twice, half of a surrogate pair, a number that no double holds, or nests too deep.
pub(super) fn check(text: &[u8]) -> Result<(), serde_json::Error> {
    let mut reader = serde_json::Deserializer::from_slice(text);
    Any { depth: 0 }.deserialize(&mut reader)?;
    reader.end()
}

#[derive(Clone, Copy)]
struct Any {
    /// Objects and arrays around it.
    depth: usize,
}

impl Any {
    fn inner<E: Error>(self) -> Result<Self, E> {
        match self.depth < MAX_DEPTH {
            true => Ok(Self {
                depth: self.depth + 1,
            }),
            false => Err(E::custom(format!(
                "nests deeper than {MAX_DEPTH}; expected fewer objects and arrays in one another"
            ))),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Any {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Any {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let inner = self.inner()?;
        while items.next_element_seed(inner)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let inner = self.inner()?;
        let mut names = HashSet::new();
        while let Some(name) = members.next_key::<String>()? {
            if names.contains(&name) {
                let name = excerpt(&name);
                return Err(A::Error::custom(format!(
                    "the member {name} stands twice; expected each member once"
                )));
            }
            names.insert(name);
            members.next_value_seed(inner)?;
        }
        Ok(())
    }
}
