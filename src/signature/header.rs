//! The JWS protected header: `{"alg":...,"iat":...,"kid":...,"typ":...}`.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use super::{Algorithm, UnknownAlgorithm};
use crate::checkpoint::parse_object;
use crate::fault::{FieldFault, excerpt};
use crate::identifier::IdentifierError;
use crate::key::KeyId;

/// The `typ` of a checkpoint's signature (RFC 7515, section 4.1.9): no other JWS by the same key can be
/// taken for one.
pub const CHECKPOINT_TYP: &str = "ledger-checkpoint+jws";

/// Why a protected header is refused.
#[derive(Debug, thiserror::Error)]
pub enum HeaderError {
    /// It is not a JSON object, or is not strict JSON.
    #[error("{0}")]
    Json(#[from] FieldFault),
    /// A parameter is missing or has the wrong type.
    #[error("{0} is missing or not {1}")]
    Parameter(&'static str, &'static str),
    /// The algorithm is none of this service.
    #[error("alg {0}")]
    Algorithm(#[from] UnknownAlgorithm),
    /// The kid has not the form of one.
    #[error("kid {0}")]
    KeyId(#[from] IdentifierError),
    /// It is the header of something else than a checkpoint's signature.
    #[error("typ is {0}; expected {CHECKPOINT_TYP}")]
    Type(String),
    /// It asks for an extension that must be understood (RFC 7515, section 4.1.11).
    #[error("crit asks for an extension; expected none")]
    Critical,
}

/// The protected header of a checkpoint's signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProtectedHeader {
    /// The algorithm.
    pub alg: Algorithm,
    /// When it was signed, by the signer's clock. Whole seconds.
    pub iat: DateTime<Utc>,
    /// The key version.
    pub kid: KeyId,
}

impl ProtectedHeader {
    /// The JSON text, in its JCS form.
    pub fn to_json(&self) -> String {
        // An algorithm's name and an identifier need no escaping.
        format!(
            r#"{{"alg":"{}","iat":{},"kid":"{}","typ":"{CHECKPOINT_TYP}"}}"#,
            self.alg,
            self.iat.timestamp(),
            self.kid
        )
    }

    /// Reads the JSON text. Parameters that are not known are ignored, as RFC 7515, section 4, wants it.
    ///
    /// # Errors
    /// [`HeaderError`] says which parameter is wrong.
    pub fn from_json(text: &[u8]) -> Result<Self, HeaderError> {
        let parameters = parse_object(text)?.into_map();
        if parameters.contains_key("crit") {
            return Err(HeaderError::Critical);
        }
        let typ = string(&parameters, "typ")?;
        if typ != CHECKPOINT_TYP {
            return Err(HeaderError::Type(excerpt(typ)));
        }
        let iat = parameters.get("iat").and_then(Value::as_i64);
        let iat = iat.and_then(|seconds| DateTime::from_timestamp(seconds, 0));
        Ok(Self {
            alg: string(&parameters, "alg")?.parse()?,
            iat: iat.ok_or(HeaderError::Parameter("iat", "a time in whole seconds"))?,
            kid: string(&parameters, "kid")?.parse()?,
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
