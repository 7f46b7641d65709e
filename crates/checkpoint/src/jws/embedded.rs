//! A JWS with its payload inside: RFC 7515, section 7.1.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{DetachedJws, JwsError, JwsType, ProtectedHeader};

/// A JWS in the ordinary compact form, `header.payload.signature`, whose payload is text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmbeddedJws {
    jws: DetachedJws,
    payload: String,
}

impl EmbeddedJws {
    /// Puts a payload to the signature over it.
    #[cfg(feature = "aws-lc-rs")]
    pub(crate) fn new(jws: DetachedJws, payload: String) -> Self {
        Self { jws, payload }
    }

    /// Reads the compact form of a JWS of the expected type.
    ///
    /// # Errors
    /// [`JwsError`] says which part is wrong.
    pub fn parse_as(expected: JwsType, compact: &str) -> Result<Self, JwsError> {
        let mut parts = compact.split('.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(JwsError::EmbeddedForm);
        };
        let jws = DetachedJws::parse_as(expected, &format!("{header}..{signature}"))?;
        let payload = URL_SAFE_NO_PAD.decode(payload).ok();
        let payload = payload.and_then(|bytes| String::from_utf8(bytes).ok());
        let payload = payload.ok_or(JwsError::Base64("payload"))?;
        Ok(Self { jws, payload })
    }

    /// The compact form.
    pub fn compact(&self) -> String {
        let signature = URL_SAFE_NO_PAD.encode(self.jws.signature());
        format!("{}.{signature}", self.signing_input())
    }

    /// What the header says.
    pub fn header(&self) -> &ProtectedHeader {
        self.jws.header()
    }

    /// What was signed.
    pub fn payload(&self) -> &str {
        &self.payload
    }

    /// The raw RSA signature.
    pub fn signature(&self) -> &[u8] {
        self.jws.signature()
    }

    /// The ASCII text that is signed.
    pub fn signing_input(&self) -> String {
        self.jws.signing_input(self.payload.as_bytes())
    }
}
