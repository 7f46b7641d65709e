//! The detached JWS: RFC 7515, compact serialization, with the payload part left empty (appendix F).
//!
//! ```text
//! BASE64URL(protected header) . . BASE64URL(signature)
//! ```
//!
//! What is signed is `BASE64URL(header) . BASE64URL(payload)`; whoever has the payload puts it back
//! between the dots and has an ordinary JWS, which any JOSE library verifies. Whether a signature is
//! *right* is the verifier's question; this module only takes it apart and puts it together.

mod embedded;
mod header;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::checkpoint::{Checkpoint, InvalidCheckpoint};
use crate::fault::FieldFault;
use crate::key::{PublicKey, PublicKeyError};

pub use embedded::EmbeddedJws;
pub use header::{HeaderError, JwsType, ProtectedHeader};

/// Longest compact form in characters: a signature by an 8192 bit key, and a header with the longest kid.
pub const MAX_JWS_BYTES: usize = 4096;

/// Why a text is no detached JWS of this service.
#[derive(Debug, thiserror::Error)]
pub enum JwsError {
    /// It is longer than [`MAX_JWS_BYTES`].
    #[error("is longer than {MAX_JWS_BYTES} bytes; expected no more")]
    TooLong,
    /// It has not the form `header..signature`.
    #[error("is not a detached JWS; expected header..signature with an empty payload part")]
    Form,
    /// It has not the form `header.payload.signature`.
    #[error("is not a JWS of three parts; expected header.payload.signature")]
    EmbeddedForm,
    /// A part is not base64url without padding.
    #[error("has a {0} part that is not base64url without padding (RFC 7515, section 2)")]
    Base64(&'static str),
    /// The protected header is not as the contract says.
    #[error("has a protected header that is refused: {0}")]
    Header(#[from] HeaderError),
}

/// A detached JWS whose header was understood. It may be right or wrong: see the verifier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DetachedJws {
    /// The header as it was signed: its bytes may differ from how this service would write it.
    encoded_header: String,
    header: ProtectedHeader,
    signature: Vec<u8>,
}

impl DetachedJws {
    /// Makes a JWS: `sign` gets the signing input.
    ///
    /// # Errors
    /// Whatever `sign` returns.
    pub fn create<E>(
        header: ProtectedHeader,
        payload: &[u8],
        sign: impl FnOnce(&[u8]) -> Result<Vec<u8>, E>,
    ) -> Result<Self, E> {
        let encoded_header = URL_SAFE_NO_PAD.encode(header.to_json());
        let signature = sign(signing_input(&encoded_header, payload).as_bytes())?;
        Ok(Self {
            encoded_header,
            header,
            signature,
        })
    }

    /// Reads the compact form of a checkpoint's signature.
    ///
    /// # Errors
    /// [`JwsError`] says which part is wrong.
    pub fn parse(compact: &str) -> Result<Self, JwsError> {
        Self::parse_as(JwsType::Checkpoint, compact)
    }

    /// Reads the compact form of a JWS of the expected type.
    ///
    /// # Errors
    /// [`JwsError`] says which part is wrong.
    pub fn parse_as(expected: JwsType, compact: &str) -> Result<Self, JwsError> {
        if compact.len() > MAX_JWS_BYTES {
            return Err(JwsError::TooLong);
        }
        let parts = compact.split_once('.');
        let parts = parts.and_then(|(header, rest)| Some((header, rest.strip_prefix('.')?)));
        let (encoded_header, signature) = parts.ok_or(JwsError::Form)?;
        if signature.contains('.') || signature.is_empty() {
            return Err(JwsError::Form);
        }
        let decode = |part: &str, name| {
            URL_SAFE_NO_PAD
                .decode(part)
                .map_err(|_| JwsError::Base64(name))
        };
        Ok(Self {
            header: ProtectedHeader::from_json(&decode(encoded_header, "header")?, expected)?,
            signature: decode(signature, "signature")?,
            encoded_header: encoded_header.into(),
        })
    }

    /// The compact form with an empty payload part.
    pub fn compact(&self) -> String {
        let signature = URL_SAFE_NO_PAD.encode(&self.signature);
        format!("{}..{signature}", self.encoded_header)
    }

    /// What the header says.
    pub fn header(&self) -> &ProtectedHeader {
        &self.header
    }

    /// The raw RSA signature.
    pub fn signature(&self) -> &[u8] {
        &self.signature
    }

    /// Checks the signature over a payload with `key`, by aws-lc-rs.
    ///
    /// # Errors
    /// [`PublicKeyError::Signature`] when the key did not make it over this content.
    pub fn check(&self, payload: &[u8], key: &PublicKey) -> Result<(), PublicKeyError> {
        let input = self.signing_input(payload);
        key.verify(self.header.alg, input.as_bytes(), &self.signature)
    }

    /// The ASCII text that is signed, with the payload put back (RFC 7515, section 5.1, step 5).
    pub fn signing_input(&self, payload: &[u8]) -> String {
        signing_input(&self.encoded_header, payload)
    }
}

fn signing_input(encoded_header: &str, payload: &[u8]) -> String {
    let mut input = String::with_capacity(encoded_header.len() + 1 + payload.len().div_ceil(3) * 4);
    input.push_str(encoded_header);
    input.push('.');
    URL_SAFE_NO_PAD.encode_string(payload, &mut input);
    input
}

/// A checkpoint and a signature that came with it. Nothing is said about whether they belong together.
#[derive(Clone, Debug)]
pub struct SignedCheckpoint {
    /// The content.
    pub checkpoint: Checkpoint,
    /// The signature.
    pub jws: DetachedJws,
}

impl SignedCheckpoint {
    /// Reads the published JSON.
    ///
    /// # Errors
    /// [`InvalidCheckpoint`] names every member that is missing or wrong.
    pub fn from_published_json(text: &[u8]) -> Result<Self, InvalidCheckpoint> {
        let (checkpoint, signature) = Checkpoint::from_published_json(text)?;
        let jws = DetachedJws::parse(&signature)
            .map_err(|error| FieldFault::new("signature", error.to_string()))?;
        Ok(Self { checkpoint, jws })
    }

    /// The object to publish, JCS form.
    pub fn published_json(&self) -> String {
        self.checkpoint.published_json(&self.jws.compact())
    }

    /// Checks the signature with `key`, by aws-lc-rs.
    ///
    /// # Errors
    /// [`PublicKeyError::Signature`] when the key did not make it over this content.
    pub fn check(&self, key: &PublicKey) -> Result<(), PublicKeyError> {
        self.jws.check(self.checkpoint.payload().as_bytes(), key)
    }
}
