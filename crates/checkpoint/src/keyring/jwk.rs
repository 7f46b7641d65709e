//! The keyring as a JWK Set (RFC 7517), with the member names of OpenID Federation's historical keys
//! (OpenID Federation 1.0, section 8.7): `nbf`, `exp` and `revoked` stand beside each key.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use serde::de::Error as _;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::kind::{self, Kind, Members, SkippedKey};
use super::text;
use super::{Endorsement, KeyConflict, Keyring, KeyringEntry, Revocation};
use crate::fault::{self, Faults, FieldFault};
use crate::key::{KeyId, KeyVersion, PublicKey, PublicKeyError, ValidityWindow, instant_of};
use crate::lines::ByteOrderMark;

/// Largest keyring file in bytes: about 10,000 keys.
pub const MAX_KEYRING_BYTES: usize = 16 * 1024 * 1024;

/// Why a file is no keyring.
#[derive(Debug, thiserror::Error)]
pub enum KeyringFileError {
    /// The file is larger than [`MAX_KEYRING_BYTES`].
    #[error("keyring: is longer than {MAX_KEYRING_BYTES} bytes; expected no more")]
    TooLarge,
    /// The file is in another coding, or was written anew.
    #[error("keyring: {0}")]
    Mark(#[from] ByteOrderMark),
    /// The file is not a JWK Set of keys with windows.
    #[error("keyring: is not a JWK Set: {0}")]
    Json(#[from] serde_json::Error),
    /// A key in it is wrong.
    #[error("keyring: keys[{index}]: {}", fault::list(.faults))]
    Key {
        /// Which of the set.
        index: usize,
        /// What is wrong with it.
        faults: Vec<FieldFault>,
    },
    /// Two keys in it have one name: whoever reads it must not choose.
    #[error("keyring: keys[{index}]: kid: {key_id} stands there twice; expected each key once")]
    Twice {
        /// Which of the set.
        index: usize,
        /// The name.
        key_id: KeyId,
    },
    /// Two keys in it contradict each other.
    #[error("keyring: keys[{index}]: {conflict}")]
    Conflict {
        /// Which of the set.
        index: usize,
        /// With what it is in conflict.
        conflict: KeyConflict,
    },
}

#[derive(Serialize)]
struct JwkSet {
    keys: Vec<Jwk>,
}

/// A set whose keys were not looked at.
#[derive(Deserialize)]
struct RawSet<'a> {
    /// Told apart by itself: a message of serde about a wrong type would repeat what stands there.
    #[serde(borrow)]
    keys: &'a RawValue,
}

/// A keyring file as it was read.
#[derive(Clone, Debug, Default)]
pub struct KeyringFile {
    /// The keys.
    pub keyring: Keyring,
    /// Those of kinds that are not known here, which do not belong to the keyring.
    pub skipped: Vec<SkippedKey>,
}

/// What a signed keyring says.
#[cfg(feature = "aws-lc-rs")]
#[derive(Serialize)]
struct Claims<'a> {
    iat: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    iss: Option<&'a str>,
    keys: Vec<Jwk>,
}

/// Members in alphabetical order, so that the text is in JCS order too.
#[derive(Serialize)]
struct Jwk {
    alg: String,
    e: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    endorsement: Option<String>,
    exp: i64,
    kid: String,
    kty: String,
    n: String,
    nbf: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked: Option<Revoked>,
    #[serde(rename = "use", skip_serializing_if = "Option::is_none")]
    key_use: Option<String>,
}

#[derive(Serialize)]
struct Revoked {
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    revoked_at: i64,
}

impl KeyringEntry {
    /// The JWK of this version.
    pub fn to_jwk(&self) -> String {
        json(&self.jwk())
    }

    fn jwk(&self) -> Jwk {
        Jwk {
            endorsement: self.endorsement().map(Endorsement::compact),
            revoked: self.revocation().map(|revocation| Revoked {
                reason: Some(revocation.reason.clone()),
                revoked_at: revocation.distrust_after.timestamp(),
            }),
            ..self.version().jwk()
        }
    }
}

impl KeyVersion {
    fn jwk(&self) -> Jwk {
        Jwk {
            alg: self.algorithm.to_string(),
            e: self.public_key.exponent(),
            endorsement: None,
            exp: self.window.until().timestamp(),
            kid: self.key_id.to_string(),
            kty: "RSA".into(),
            n: self.public_key.modulus(),
            nbf: self.window.from().timestamp(),
            revoked: None,
            key_use: Some("sig".into()),
        }
    }
}

impl Keyring {
    /// The JWK Set of all versions but those that are only staged, the latest window first.
    pub fn to_jwks(&self) -> String {
        json(&JwkSet {
            keys: self.published_jwks(),
        })
    }

    /// The same keys as the claims of a signed JWK Set, members in alphabetical order.
    #[cfg(feature = "aws-lc-rs")]
    pub(crate) fn to_claims(&self, iat: DateTime<Utc>, iss: Option<&str>) -> String {
        json(&Claims {
            iat: iat.timestamp(),
            iss,
            keys: self.published_jwks(),
        })
    }

    fn published_jwks(&self) -> Vec<Jwk> {
        let published = self.published().into_iter();
        published.map(KeyringEntry::jwk).collect()
    }

    /// Reads a JWK Set as [`KeyringFile::read`], without telling what was skipped.
    ///
    /// # Errors
    /// As [`KeyringFile::read`].
    pub fn from_jwks(text: &[u8]) -> Result<Self, KeyringFileError> {
        KeyringFile::read(text).map(|file| file.keyring)
    }
}

impl KeyringFile {
    /// Reads a JWK Set. Every key in it is believed: whoever reads it trusts where it came from. A key of a kind that is not
    /// known here is skipped, and told. One wrong key of a kind that is known makes it no keyring, so that no key is believed or
    /// left out in silence.
    ///
    /// # Errors
    /// [`KeyringFileError`] names the key and the member that is wrong.
    pub fn read(text: &[u8]) -> Result<Self, KeyringFileError> {
        if text.len() > MAX_KEYRING_BYTES {
            return Err(KeyringFileError::TooLarge);
        }
        ByteOrderMark::check(text)?;
        if !text.trim_ascii_start().starts_with(b"{") {
            let problem = "is not an object with keys; expected the JSON of a JWK Set";
            return Err(serde_json::Error::custom(problem).into());
        }
        text::check(text)?;
        let set: RawSet = serde_json::from_slice(text)?;
        if !set.keys.get().starts_with('[') {
            return Err(serde_json::Error::custom("keys: is not an array; expected one").into());
        }
        let keys: Vec<&RawValue> = serde_json::from_str(set.keys.get())?;
        let mut file = Self::default();
        for (index, jwk) in keys.into_iter().enumerate() {
            let wrong = |fault| KeyringFileError::Key {
                index,
                faults: vec![fault],
            };
            let members = Members::of(jwk.get()).map_err(wrong)?;
            let (kind, key_id) = kind::of(&members).map_err(wrong)?;
            match kind {
                Kind::Other(why) => file.skipped.push(SkippedKey { index, key_id, why }),
                Kind::Known => file.keyring.take(index, &members)?,
            }
        }
        Ok(file)
    }
}

impl Keyring {
    /// Takes a key from a set that it alone has come from.
    fn take(&mut self, index: usize, jwk: &Members<'_>) -> Result<(), KeyringFileError> {
        let wrong = |faults| KeyringFileError::Key { index, faults };
        let Read {
            version,
            revocation,
            endorsement,
        } = read(jwk).map_err(wrong)?;
        let key_id = version.key_id.clone();
        if self.get(&key_id).is_some() {
            return Err(KeyringFileError::Twice { index, key_id });
        }
        self.insert(version).map_err(|conflict| match conflict {
            KeyConflict::SameKey(other) => {
                let problem =
                    format!("is the key of {other} already; expected one name for one key");
                wrong(vec![FieldFault::new("n", problem)])
            }
            conflict => KeyringFileError::Conflict { index, conflict },
        })?;
        if let Some(revocation) = revocation {
            self.revoke(&key_id, revocation);
        }
        if let Some(endorsement) = endorsement {
            self.endorse(&key_id, endorsement);
        }
        Ok(())
    }
}

/// What a key of a set says.
struct Read {
    version: KeyVersion,
    revocation: Option<Revocation>,
    endorsement: Option<Endorsement>,
}

fn read(jwk: &Members<'_>) -> Result<Read, Vec<FieldFault>> {
    let mut faults = Faults::default();
    let key_id = text_of(jwk, "kid", &mut faults, |kid| kid.parse());
    let algorithm = text_of(jwk, "alg", &mut faults, |alg| alg.parse());
    let n = text_of(jwk, "n", &mut faults, number);
    let e = text_of(jwk, "e", &mut faults, number);
    let public_key = match (n, e) {
        (Some(n), Some(e)) => {
            let key = PublicKey::from_components(&n, &e);
            let small = matches!(key, Err(PublicKeyError::SmallExponent(_)));
            faults.take(if small { "e" } else { "n" }, key)
        }
        _ => None,
    };
    let from = instant(jwk, "nbf", "nbf", &mut faults);
    let until = instant(jwk, "exp", "exp", &mut faults);
    let window = match (from, until) {
        (Some(from), Some(until)) => faults.take("exp", ValidityWindow::new(from, until)),
        _ => None,
    };
    let revocation = revocation(jwk, &mut faults);
    let endorsement = match jwk.read::<String>("endorsement", "a JWS") {
        Ok(found) => found.and_then(|text| faults.take("endorsement", Endorsement::parse(&text))),
        Err(fault) => {
            faults.push(fault);
            None
        }
    };
    let (Some(key_id), Some(algorithm), Some(public_key), Some(window)) =
        (key_id, algorithm, public_key, window)
    else {
        return Err(faults.into_vec());
    };
    let faults = faults.into_vec();
    if !faults.is_empty() {
        return Err(faults);
    }
    let version = KeyVersion {
        key_id,
        window,
        algorithm,
        public_key,
    };
    Ok(Read {
        version,
        revocation,
        endorsement,
    })
}

fn revocation(jwk: &Members<'_>, faults: &mut Faults) -> Option<Revocation> {
    let text = jwk.get("revoked").map(RawValue::get);
    let text = text.filter(|text| *text != "null")?;
    let revoked = match Members::of(text) {
        Ok(revoked) => revoked,
        Err(FieldFault { problem, .. }) => {
            faults.push(FieldFault::new("revoked", problem));
            return None;
        }
    };
    let distrust_after = instant(&revoked, "revoked_at", "revoked.revoked_at", faults)?;
    let reason = match revoked.read::<String>("reason", "a text") {
        Ok(reason) => reason.unwrap_or_default(),
        Err(FieldFault { problem, .. }) => {
            faults.push(FieldFault::new("revoked.reason", problem));
            return None;
        }
    };
    Some(Revocation {
        distrust_after,
        reason,
        revoked_at: distrust_after,
    })
}

/// A member that is a text, and has to be there.
fn text_of<T, E: fmt::Display>(
    jwk: &Members<'_>,
    name: &str,
    faults: &mut Faults,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Option<T> {
    match jwk.required::<String>(name, "a text") {
        Ok(text) => faults.take(name, parse(&text)),
        Err(fault) => {
            faults.push(fault);
            None
        }
    }
}

fn number(text: &str) -> Result<Vec<u8>, &'static str> {
    URL_SAFE_NO_PAD
        .decode(text)
        .map_err(|_| "is not base64url; expected it without padding (RFC 7518, section 6.3.1)")
}

/// A member that is a time in whole seconds, however the number is written, and has to be there.
fn instant(
    members: &Members<'_>,
    name: &str,
    path: &str,
    faults: &mut Faults,
) -> Option<DateTime<Utc>> {
    let expected = "whole seconds since 1970, up to the year 9999";
    let seconds = match members.required::<f64>(name, expected) {
        Ok(seconds) => seconds,
        Err(FieldFault { problem, .. }) => {
            faults.push(FieldFault::new(path, problem));
            return None;
        }
    };
    let whole = (seconds.fract() == 0.0).then_some(seconds as i64);
    let instant = whole.and_then(instant_of);
    faults.take(
        path,
        instant.ok_or_else(|| format!("is {seconds}; expected {expected}")),
    )
}

fn json(value: &impl Serialize) -> String {
    // Structures of strings and integers always have a JSON form.
    serde_json::to_string(value).unwrap_or_default()
}
