//! The JWS protected header: `{"alg":...,"iat":...,"kid":...,"typ":...}`.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use crate::checkpoint::parse_object;
use crate::fault::{FieldFault, excerpt};
use crate::identifier::IdentifierError;
use crate::key::{Algorithm, KeyId, UnknownAlgorithm};

/// What a JWS says of itself: its `typ` (RFC 7515, section 4.1.9). A JWS of one kind is never taken for one of
/// another, though the same key signs all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JwsType {
    /// A checkpoint's signature.
    Checkpoint,
    /// An endorsement of a new key by the key in force.
    Endorsement,
    /// The head of the record.
    RecordHead,
    /// The published keyring, signed (OpenID Federation 1.0, section 8.7).
    KeySet,
}

impl JwsType {
    /// The value of `typ`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Checkpoint => "ledger-checkpoint+jws",
            Self::Endorsement => "key-endorsement+jws",
            Self::RecordHead => "record-head+jws",
            Self::KeySet => "jwk-set+jwt",
        }
    }
}

/// Why a protected header is refused.
#[derive(Debug, thiserror::Error)]
pub enum HeaderError {
    /// It is not a JSON object, or is not strict JSON.
    #[error("{0}")]
    Json(#[from] FieldFault),
    /// A parameter is missing or has the wrong type.
    #[error("{0} is missing or not {1}")]
    Parameter(&'static str, &'static str),
    /// The algorithm is not one of this service's.
    #[error("alg {0}")]
    Algorithm(#[from] UnknownAlgorithm),
    /// The kid has not the form of one.
    #[error("kid {0}")]
    KeyId(#[from] IdentifierError),
    /// It is the header of something else.
    #[error("typ is {found}; expected {expected}")]
    Type {
        /// What it says.
        found: String,
        /// What it should say.
        expected: &'static str,
    },
    /// It asks for an extension that must be understood (RFC 7515, section 4.1.11).
    #[error("crit asks for an extension; expected none")]
    Critical,
    /// It says how the payload is written into what is signed (RFC 7797), without which it may mean something else to other readers.
    #[error("b64 says how the payload is written (RFC 7797); expected none")]
    Unencoded,
}

/// The protected header of whatever a key of this service signs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProtectedHeader {
    /// The algorithm.
    pub alg: Algorithm,
    /// When it was signed, by the signer's clock. Whole seconds.
    pub iat: DateTime<Utc>,
    /// The key version.
    pub kid: KeyId,
    /// What it is the header of.
    pub typ: JwsType,
}

impl ProtectedHeader {
    /// The JSON text, in its JCS form.
    pub fn to_json(&self) -> String {
        // An algorithm's name and an identifier need no escaping.
        format!(
            r#"{{"alg":"{}","iat":{},"kid":"{}","typ":"{}"}}"#,
            self.alg,
            self.iat.timestamp(),
            self.kid,
            self.typ.as_str()
        )
    }

    /// Reads the JSON text of a header of the expected type. Parameters that are not known are ignored, as RFC 7515, section 4, wants it;
    /// `b64` is known, and refused.
    ///
    /// # Errors
    /// [`HeaderError`] says which parameter is wrong.
    pub fn from_json(text: &[u8], expected: JwsType) -> Result<Self, HeaderError> {
        if let Some(header) = Self::from_own_form(text, expected) {
            return Ok(header);
        }
        let parameters = parse_object(text)?.to_map();
        if parameters.contains_key("crit") {
            return Err(HeaderError::Critical);
        }
        if parameters.contains_key("b64") {
            return Err(HeaderError::Unencoded);
        }
        let typ = string(&parameters, "typ")?;
        if typ != expected.as_str() {
            return Err(HeaderError::Type {
                found: excerpt(typ),
                expected: expected.as_str(),
            });
        }
        let iat = parameters.get("iat").and_then(Value::as_i64);
        let iat = iat.and_then(|seconds| DateTime::from_timestamp(seconds, 0));
        Ok(Self {
            alg: string(&parameters, "alg")?.parse()?,
            iat: iat.ok_or(HeaderError::Parameter("iat", "a time in whole seconds"))?,
            kid: string(&parameters, "kid")?.parse()?,
            typ: expected,
        })
    }

    /// Reads what [`to_json`](Self::to_json) writes, fast; none for every other form.
    fn from_own_form(text: &[u8], expected: JwsType) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        let rest = text.strip_prefix(r#"{"alg":""#)?;
        let (alg, rest) = rest.split_once('"')?;
        let rest = rest.strip_prefix(r#","iat":"#)?;
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (iat, rest) = rest.split_at_checked(digits)?;
        let rest = rest.strip_prefix(r#","kid":""#)?;
        let (kid, rest) = rest.split_once('"')?;
        let typ = rest.strip_prefix(r#","typ":""#)?.strip_suffix(r#""}"#)?;
        // A number has one text; neither an algorithm's name nor an identifier has anything to escape.
        if iat.starts_with('0') || typ != expected.as_str() {
            return None;
        }
        Some(Self {
            alg: alg.parse().ok()?,
            iat: DateTime::from_timestamp(iat.parse().ok()?, 0)?,
            kid: kid.parse().ok()?,
            typ: expected,
        })
    }
}

fn string<'a>(
    parameters: &'a Map<String, Value>,
    name: &'static str,
) -> Result<&'a str, HeaderError> {
    parameters
        .get(name)
        .and_then(Value::as_str)
        .ok_or(HeaderError::Parameter(name, "a string"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_read_fast_is_what_is_written(
            alg in prop_oneof![Just(Algorithm::Ps256), Just(Algorithm::Rs256)],
            seconds in prop_oneof![-2_i64..3, 0..253_402_300_800_i64, any::<i64>()],
            kid in "[a-z][a-z0-9._:-]{0,8}",
            at in any::<prop::sample::Index>(),
            byte in proptest::option::of(prop_oneof![b' '..b'~', any::<u8>()]),
            insert in any::<bool>(),
        ) {
            let typ = JwsType::Checkpoint;
            let written = DateTime::from_timestamp(seconds, 0).zip(kid.parse().ok());
            prop_assume!(written.is_some());
            let (iat, kid) = written.unwrap();
            let header = ProtectedHeader { alg, iat, kid, typ };
            let mut text = header.to_json().into_bytes();
            if let Some(byte) = byte {
                let at = at.index(text.len());
                match insert {
                    true => text.insert(at, byte),
                    false => text[at] = byte,
                }
            } else {
                prop_assert_eq!(ProtectedHeader::from_json(&text, typ).unwrap(), header);
            }
            if let Some(read) = ProtectedHeader::from_own_form(&text, typ) {
                prop_assert_eq!(read.to_json().into_bytes(), text);
            }
        }
    }
}
