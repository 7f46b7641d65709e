//! Of which kind a key of a JWK Set is, before anything else of it is read: readers skip kinds that they do not know (RFC 7517,
//! section 5), so that the first key of another kind stops no verifier. A key of a kind that is known is read as a whole or
//! refused, and so is one whose private half stands beside it.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::fault::{FieldFault, excerpt};
use crate::key::Algorithm;

/// The private members of each kind (RFC 7518, sections 6.2.2, 6.3.2 and 6.4.1; RFC 8037, section 2; RFC 9864).
const PRIVATE: [(&str, &[&str]); 4] = [
    ("RSA", &["d", "p", "q", "dp", "dq", "qi", "oth", "k"]),
    ("EC", &["d"]),
    ("OKP", &["d"]),
    ("AKP", &["priv"]),
];

/// A key of a keyring file that was not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkippedKey {
    /// Which of the set, from 0 on.
    pub index: usize,
    /// Its name, if it has one. It may be any text.
    pub key_id: Option<String>,
    /// Why its kind is not known here.
    pub why: String,
}

impl fmt::Display for SkippedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "keys[{}]", self.index)?;
        if let Some(key_id) = &self.key_id {
            write!(f, " {}", excerpt(key_id))?;
        }
        write!(f, ": {}", self.why)
    }
}

/// What is to be done with a key.
pub(super) enum Kind {
    /// Read it, or refuse it.
    Known,
    /// Leave it out, for this reason.
    Other(String),
}

/// The members of an object as they stand in the text.
pub(super) struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members: Vec<(String, &RawValue)> = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
                    if members.iter().any(|(known, _)| *known == name) {
                        let name = excerpt(&name);
                        return Err(A::Error::custom(format!("the member {name} stands twice")));
                    }
                    members.push((name, value));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

impl<'a> Members<'a> {
    /// Those of this text.
    ///
    /// # Errors
    /// It is no object.
    pub(super) fn of(text: &'a str) -> Result<Self, FieldFault> {
        if !text.trim_start().starts_with('{') {
            return Err(FieldFault::new("jwk", "is not an object; expected one"));
        }
        serde_json::from_str(text)
            .map_err(|error| FieldFault::new("jwk", format!("{error}; expected each member once")))
    }

    pub(super) fn get(&self, name: &str) -> Option<&RawValue> {
        let mut members = self.0.iter();
        members.find(|(known, _)| known == name).map(|(_, v)| *v)
    }

    /// A member that may be missing or null. What stands there is not repeated: nobody knows what it is.
    pub(super) fn read<'de, T: Deserialize<'de>>(
        &'de self,
        name: &str,
        expected: &str,
    ) -> Result<Option<T>, FieldFault> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        serde_json::from_str(value.get())
            .map_err(|_| FieldFault::new(name, format!("is something else; expected {expected}")))
    }

    /// A member that has to be there.
    pub(super) fn required<'de, T: Deserialize<'de>>(
        &'de self,
        name: &str,
        expected: &str,
    ) -> Result<T, FieldFault> {
        self.read(name, expected)?
            .ok_or_else(|| FieldFault::new(name, format!("is missing; expected {expected}")))
    }
}

/// Judges a key by its members.
///
/// # Errors
/// Its kind cannot be told, or it is private.
pub(super) fn of(members: &Members<'_>) -> Result<(Kind, Option<String>), FieldFault> {
    let kty: String = members.required("kty", "the type of the key")?;
    let private = PRIVATE.iter().find(|(kind, _)| *kind == kty);
    let private = private.map_or(&[][..], |(_, names)| names);
    if let Some(name) = private.iter().find(|name| members.get(name).is_some()) {
        let problem = "is a member of private keys; expected the public half alone. Whoever has this file may have the key: \
                       it must be taken for leaked, so if it signs anything, revoke it and roll it over, and delete the file \
                       wherever it is. The public halves of keyring.json: `jq '.keys[] |= del(.d, .p, .q, .dp, .dq, .qi, .oth, \
                       .k, .priv)' keyring.json > public.json`";
        return Err(FieldFault::new(*name, problem));
    }
    // What is no text is no name to show.
    let key_id = members.read::<String>("kid", "a text").unwrap_or_default();
    let other = |why: String| Ok((Kind::Other(why), key_id.clone()));
    match kty.as_str() {
        "RSA" => {}
        "oct" => {
            return other(
                "kty is \"oct\", a secret, which has no place in a keyring that is published"
                    .into(),
            );
        }
        _ => return other(format!("kty is {}", excerpt(&kty))),
    }
    if let Some(key_use) = members.read::<String>("use", "a text")?
        && key_use != "sig"
    {
        return other(format!("use is {}", excerpt(&key_use)));
    }
    if let Some(acts) = members.read::<Vec<String>>("key_ops", "an array of texts")?
        && !acts.iter().any(|act| act == "verify")
    {
        return other("key_ops has no \"verify\"".into());
    }
    match members.get("alg") {
        // That it is missing, or no text, is told by who reads the key.
        None => {}
        Some(alg) => match serde_json::from_str::<String>(alg.get()) {
            Ok(alg) if alg.parse::<Algorithm>().is_err() => {
                return other(format!("alg is {}", excerpt(&alg)));
            }
            _ => {}
        },
    }
    Ok((Kind::Known, key_id))
}
