//! The keyring as a JWK Set (RFC 7517), with the member names of OpenID Federation's historical keys
//! (OpenID Federation 1.0, section 8.7): `nbf`, `exp` and `revoked` stand beside each key.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use serde::de::Error as _;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::kind::{self, Kind, SkippedKey};
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
    /// A key in it has not the members of one.
    #[error(
        "keyring: keys[{index}]: {error}; expected kid, kty, n, e, alg, nbf and exp, as in RFC 7517"
    )]
    Members {
        /// Which of the set.
        index: usize,
        /// What is wrong with them.
        error: serde_json::Error,
    },
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
#[derive(Serialize, Deserialize)]
struct Jwk {
    alg: String,
    e: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    endorsement: Option<String>,
    exp: i64,
    kid: String,
    kty: String,
    n: String,
    nbf: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    revoked: Option<Revoked>,
    #[serde(rename = "use", default, skip_serializing_if = "Option::is_none")]
    key_use: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Revoked {
    #[serde(default, skip_serializing_if = "Option::is_none")]
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
            let (kind, key_id) = kind::of(jwk.get()).map_err(wrong)?;
            match kind {
                Kind::Other(why) => file.skipped.push(SkippedKey { index, key_id, why }),
                Kind::Known => {
                    let jwk = serde_json::from_str(jwk.get());
                    let jwk = jwk.map_err(|error| KeyringFileError::Members { index, error })?;
                    file.keyring.take(index, jwk)?;
                }
            }
        }
        Ok(file)
    }
}

impl Keyring {
    /// Takes a key from a set that it alone has come from.
    fn take(&mut self, index: usize, jwk: Jwk) -> Result<(), KeyringFileError> {
        let wrong = |faults| KeyringFileError::Key { index, faults };
        let endorsement = match jwk.endorsement.as_deref().map(Endorsement::parse) {
            None => None,
            Some(Ok(endorsement)) => Some(endorsement),
            Some(Err(error)) => {
                let fault = FieldFault::new("endorsement", error.to_string());
                return Err(wrong(vec![fault]));
            }
        };
        let (version, revocation) = read(jwk).map_err(wrong)?;
        let key_id = version.key_id.clone();
        if self.get(&key_id).is_some() {
            return Err(KeyringFileError::Twice { index, key_id });
        }
        self.insert(version)
            .map_err(|conflict| KeyringFileError::Conflict { index, conflict })?;
        if let Some(revocation) = revocation {
            self.revoke(&key_id, revocation);
        }
        if let Some(endorsement) = endorsement {
            self.endorse(&key_id, endorsement);
        }
        Ok(())
    }
}

fn read(jwk: Jwk) -> Result<(KeyVersion, Option<Revocation>), Vec<FieldFault>> {
    let mut faults = Faults::default();
    let key_id = faults.take("kid", jwk.kid.parse());
    let algorithm = faults.take("alg", jwk.alg.parse());
    let (n, e) = (number(&jwk.n), number(&jwk.e));
    let public_key = match (faults.take("n", n), faults.take("e", e)) {
        (Some(n), Some(e)) => {
            let key = PublicKey::from_components(&n, &e);
            let small = matches!(key, Err(PublicKeyError::SmallExponent(_)));
            faults.take(if small { "e" } else { "n" }, key)
        }
        _ => None,
    };
    let from = faults.take("nbf", instant(jwk.nbf));
    let until = faults.take("exp", instant(jwk.exp));
    let window = match (from, until) {
        (Some(from), Some(until)) => faults.take("exp", ValidityWindow::new(from, until)),
        _ => None,
    };
    let revocation = jwk.revoked.and_then(|revoked| {
        let distrust_after = faults.take("revoked.revoked_at", instant(revoked.revoked_at))?;
        Some(Revocation {
            distrust_after,
            reason: revoked.reason.unwrap_or_default(),
            revoked_at: distrust_after,
        })
    });
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
    Ok((version, revocation))
}

fn number(text: &str) -> Result<Vec<u8>, &'static str> {
    URL_SAFE_NO_PAD
        .decode(text)
        .map_err(|_| "is not base64url; expected it without padding (RFC 7518, section 6.3.1)")
}

fn instant(seconds: i64) -> Result<DateTime<Utc>, String> {
    instant_of(seconds)
        .ok_or_else(|| format!("is {seconds}; expected seconds since 1970, up to the year 9999"))
}

fn json(value: &impl Serialize) -> String {
    // Structures of strings and integers always have a JSON form.
    serde_json::to_string(value).unwrap_or_default()
}
