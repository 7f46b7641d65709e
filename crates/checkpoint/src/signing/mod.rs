//! A key version with its private half, and the only way to use it; and the document that it comes in.
//!
//! A [`SigningKey`] cannot be cloned or printed, and signs only through an [`OpenKey`], which exists only for an instant inside of
//! the key's window. An expired key has no `sign`.

mod armor;
mod envelope;
mod error;
mod json;
mod missing;
mod oddity;
mod secret;
mod unicode;

use chrono::{DateTime, SubsecRound, Utc};

use crate::checkpoint::Payload;
use crate::jws::{DetachedJws, EmbeddedJws, JwsType, ProtectedHeader};
use crate::key::{KeyId, KeyVersion, PrivateKey, SignError, ValidityWindow};
use crate::keyring::{Endorsement, Keyring};

pub use error::SecretError;
pub use oddity::{Oddities, Oddity};
pub use secret::{KeySecret, MAX_SECRET_BYTES, VersionSecret};

/// Why a key cannot be opened at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotOpen {
    /// The window begins later.
    NotYet,
    /// The window has ended.
    Expired,
}

impl ValidityWindow {
    /// Whether a key with this window may sign at `now`, and if not, on which side of it `now` lies.
    ///
    /// # Errors
    /// [`NotOpen`] when `now` lies outside.
    pub fn check(&self, now: DateTime<Utc>) -> Result<(), NotOpen> {
        if now < self.from() {
            Err(NotOpen::NotYet)
        } else if now >= self.until() {
            Err(NotOpen::Expired)
        } else {
            Ok(())
        }
    }
}

/// A loaded key version. It has no `sign`: see [`SigningKey::open_at`].
pub struct SigningKey {
    version: KeyVersion,
    private: PrivateKey,
}

impl SigningKey {
    fn new(version: KeyVersion, private: PrivateKey) -> Self {
        Self { version, private }
    }

    /// The public half.
    pub fn version(&self) -> &KeyVersion {
        &self.version
    }

    /// The key for one instant, which becomes the `iat` of what it signs.
    ///
    /// # Errors
    /// [`NotOpen`] when the instant is outside of the key's window.
    pub fn open_at(&self, now: DateTime<Utc>) -> Result<OpenKey<'_>, NotOpen> {
        self.version.window.check(now)?;
        Ok(OpenKey {
            key: self,
            iat: now.trunc_subsecs(0),
        })
    }
}

/// A key at an instant inside of its window: the proof that it may sign.
pub struct OpenKey<'a> {
    key: &'a SigningKey,
    iat: DateTime<Utc>,
}

impl<'a> OpenKey<'a> {
    /// The key version.
    pub fn key_id(&self) -> &'a KeyId {
        &self.key.version.key_id
    }

    /// Signs a payload. This is RSA: milliseconds of work, never to be done on an async reactor.
    ///
    /// # Errors
    /// [`SignError`] when the RSA library fails.
    pub fn sign(&self, payload: &Payload) -> Result<DetachedJws, SignError> {
        self.sign_as(JwsType::Checkpoint, payload.as_bytes())
    }

    /// Endorses the key that is to come after this one: whoever trusts this key may trust that one.
    ///
    /// # Errors
    /// [`SignError`] when the RSA library fails.
    pub fn endorse(&self, version: &KeyVersion) -> Result<Endorsement, SignError> {
        let payload = version.endorsed_payload();
        let jws = self.sign_as(JwsType::Endorsement, payload.as_bytes())?;
        Ok(Endorsement::new(jws, payload))
    }

    /// The instant for which the key was opened: the `iat` of what it signs.
    pub fn iat(&self) -> DateTime<Utc> {
        self.iat
    }

    /// The key version.
    pub fn version(&self) -> &'a KeyVersion {
        &self.key.version
    }

    /// Signs text that has its own form for that, and can never be taken for the signing input of a JWS, which is one
    /// line: this has several.
    pub(crate) fn sign_lines(&self, text: &str) -> Result<Vec<u8>, SignError> {
        let version = &self.key.version;
        let signature = self.key.private.sign(version.algorithm, text.as_bytes());
        let bits = version.public_key.bits();
        signature.ok_or(SignError { bits })
    }

    /// The published keyring as a JWS in the compact form, `typ: jwk-set+jwt` (OpenID Federation 1.0, section
    /// 8.7.2), so that a mirror of it can be believed by whoever trusts this key. `issuer` is the URL that
    /// publishes it.
    ///
    /// # Errors
    /// [`SignError`] when the RSA library fails.
    pub fn sign_keyring(
        &self,
        keyring: &Keyring,
        issuer: Option<&str>,
    ) -> Result<String, SignError> {
        let claims = keyring.to_claims(self.iat, issuer);
        let jws = self.sign_as(JwsType::KeySet, claims.as_bytes())?;
        Ok(EmbeddedJws::new(jws, claims).compact())
    }

    pub(crate) fn sign_as(&self, typ: JwsType, payload: &[u8]) -> Result<DetachedJws, SignError> {
        let version = &self.key.version;
        let header = ProtectedHeader {
            alg: version.algorithm,
            iat: self.iat,
            kid: version.key_id.clone(),
            typ,
        };
        DetachedJws::create(header, payload, |input| {
            self.key
                .private
                .sign(version.algorithm, input)
                .ok_or(SignError {
                    bits: version.public_key.bits(),
                })
        })
    }
}
