//! A keyring as a JWS, as `/.well-known/jwks.jwt` has it: its signature shows that it was not changed since one of its keys signed it,
//! and nothing of whom to believe.

use crate::jws::{EmbeddedJws, JwsError, JwsType};
use crate::keyring::{KeyringFile, KeyringFileError};
use crate::verdict::{VerdictKind, explain, judge_header};

/// Why a text is no signed keyring.
#[derive(Debug, thiserror::Error)]
pub enum SignedKeyringError {
    /// The JWS is wrong by itself.
    #[error("signed keyring: {0}")]
    Jws(#[from] JwsError),
    /// What it has inside is no keyring.
    #[error(transparent)]
    Keyring(#[from] KeyringFileError),
    /// None of its own keys signed it as it is.
    #[error(
        "signed keyring: is {kind} by the keys in it: {explanation}; expected it as it was published (get it again), or the JWK Set by \
         itself from whom you trust"
    )]
    NotByItsKeys {
        /// The verdict on its signature.
        kind: VerdictKind,
        /// Why.
        explanation: String,
    },
}

impl KeyringFile {
    /// Whether a text has the form of a JWS, which no JWK Set has.
    pub fn is_signed(text: &[u8]) -> bool {
        // A header is an object, and `{"` in base64url.
        text.starts_with(b"eyJ")
    }

    /// Reads a keyring that one of its keys signed (`typ: jwk-set+jwt`). Whoever reads it trusts where it came from, as with
    /// [`KeyringFile::read`].
    ///
    /// # Errors
    /// [`SignedKeyringError`] when it was changed since, or holds no keyring.
    pub fn read_signed(text: &[u8]) -> Result<Self, SignedKeyringError> {
        let compact = std::str::from_utf8(text.trim_ascii()).map_err(|_| JwsError::EmbeddedForm)?;
        let jws = EmbeddedJws::parse_as(JwsType::KeySet, compact)?;
        let file = Self::read(jws.payload().as_bytes())?;
        let header = jws.header();
        let kind = judge_header(&file.keyring, header, |key| {
            let input = jws.signing_input();
            let verified = key.verify(header.alg, input.as_bytes(), jws.signature());
            verified.is_ok()
        });
        match kind {
            VerdictKind::Valid => Ok(file),
            kind => Err(SignedKeyringError::NotByItsKeys {
                kind,
                explanation: explain(&file.keyring, kind, header),
            }),
        }
    }
}
