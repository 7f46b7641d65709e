//! Endorsements: the key in force signs the key that comes next.
//!
//! An endorsement is a JWS in the ordinary compact form (RFC 7515, section 7.1), `typ: key-endorsement+jws`, by
//! the old key's kid over the new key's JWK and window, in JCS form:
//!
//! ```json
//! {"alg":"PS256","e":"AQAB","exp":1798761600,"kid":"...","kty":"RSA","n":"...","nbf":1767225600,"use":"sig"}
//! ```
//!
//! Whoever trusts one key can so accept each later one, link by link, offline: see [`Keyring::trust_from`](super::Keyring::trust_from).

use chrono::{DateTime, Utc};

use crate::jws::{EmbeddedJws, JwsError, JwsType};
use crate::key::{KeyId, KeyVersion};

/// Why a text is no endorsement, or an endorsement does not hold.
#[derive(Debug, thiserror::Error)]
pub enum EndorsementError {
    /// The text is no JWS in compact form, or a part of it is wrong.
    #[error(transparent)]
    Jws(#[from] JwsError),
    /// It is by another key.
    #[error("is by {found}; expected {expected}")]
    OtherEndorser {
        /// The key that it names.
        found: KeyId,
        /// The key that was asked about.
        expected: KeyId,
    },
    /// It endorses another key, or another window or algorithm of it.
    #[error("endorses something else than {0} as it is known")]
    OtherKey(KeyId),
    /// The signature is wrong.
    #[error("was not made by {0}")]
    Signature(KeyId),
    /// It was made when the endorser might not sign.
    #[error("was made outside of the window of {0}")]
    OutsideValidity(KeyId),
    /// The endorser is revoked, from whatever instant on: what a leaked key signs has any date that a thief gives it, and nobody else
    /// vouches for the key that it names.
    #[error("is by {0}, which is revoked: whoever has that key gives what it signs any date")]
    Revoked(KeyId),
}

/// An endorsement whose form is right. Whether it holds: see [`Endorsement::check`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endorsement {
    jws: EmbeddedJws,
}

impl Endorsement {
    #[cfg(feature = "aws-lc-rs")]
    pub(crate) fn new(jws: crate::jws::DetachedJws, payload: String) -> Self {
        let jws = EmbeddedJws::new(jws, payload);
        Self { jws }
    }

    /// Reads the compact form.
    ///
    /// # Errors
    /// [`EndorsementError`] says what is wrong with its form.
    pub fn parse(compact: &str) -> Result<Self, EndorsementError> {
        let jws = EmbeddedJws::parse_as(JwsType::Endorsement, compact)?;
        Ok(Self { jws })
    }

    /// The compact form.
    pub fn compact(&self) -> String {
        self.jws.compact()
    }

    /// The key that made it, as it says.
    pub fn endorser(&self) -> &KeyId {
        &self.jws.header().kid
    }

    /// When it was made.
    pub fn iat(&self) -> DateTime<Utc> {
        self.jws.header().iat
    }

    /// Checks that `endorser` made it, inside of its window, over exactly `endorsed`.
    ///
    /// # Errors
    /// [`EndorsementError`] says what does not hold.
    pub fn check(
        &self,
        endorser: &KeyVersion,
        endorsed: &KeyVersion,
    ) -> Result<(), EndorsementError> {
        let (header, key_id) = (self.jws.header(), || endorser.key_id.clone());
        if header.kid != endorser.key_id {
            return Err(EndorsementError::OtherEndorser {
                found: header.kid.clone(),
                expected: key_id(),
            });
        }
        if self.jws.payload() != endorsed.endorsed_payload() {
            return Err(EndorsementError::OtherKey(endorsed.key_id.clone()));
        }
        let input = self.jws.signing_input();
        if header.alg != endorser.algorithm
            || endorser
                .public_key
                .verify(header.alg, input.as_bytes(), self.jws.signature())
                .is_err()
        {
            return Err(EndorsementError::Signature(key_id()));
        }
        if !endorser.window.contains(header.iat) {
            return Err(EndorsementError::OutsideValidity(key_id()));
        }
        Ok(())
    }
}
