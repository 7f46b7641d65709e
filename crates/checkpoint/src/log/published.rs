//! The head of the record, signed and published.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::head::{LogName, RecordHead, SignedHead};
use super::note::key_id;
use super::proof::TreeHead;
use crate::jws::{EmbeddedJws, JwsType};
use crate::key::SignError;
use crate::signing::OpenKey;

impl SignedHead {
    /// Signs the head of a tree. This is RSA: milliseconds of work, never to be done on an async reactor.
    ///
    /// # Errors
    /// [`SignError`] when the RSA library fails.
    pub fn sign(key: &OpenKey<'_>, log: &LogName, tree: TreeHead) -> Result<Self, SignError> {
        let head = RecordHead {
            log: log.clone(),
            tree,
            timestamp: key.iat(),
        };
        let payload = head.payload();
        let jws = key.sign_as(JwsType::RecordHead, payload.as_bytes())?;
        let jws = EmbeddedJws::new(jws, payload);
        Ok(Self { head, jws })
    }
}

/// Signs the head of a tree. This is RSA.
fn note(key: &OpenKey<'_>, log: &LogName, tree: TreeHead) -> Result<String, SignError> {
    let root = STANDARD.encode(tree.root.as_bytes());
    let text = format!("{log}\n{}\n{root}\n", tree.size);
    let mut signature = key_id(log, key.version()).to_vec();
    signature.extend(key.sign_lines(&text)?);
    Ok(format!("{text}\n— {log} {}\n", STANDARD.encode(signature)))
}

/// A head in both of its forms.
#[derive(Clone, Debug)]
pub struct PublishedHead {
    /// The JWS.
    pub signed: SignedHead,
    /// The C2SP signed note.
    pub note: String,
}

impl PublishedHead {
    /// Signs the head of a tree in both forms: two RSA signatures.
    ///
    /// # Errors
    /// [`SignError`] when the RSA library fails.
    pub fn sign(key: &OpenKey<'_>, log: &LogName, tree: TreeHead) -> Result<Self, SignError> {
        let signed = SignedHead::sign(key, log, tree)?;
        let note = note(key, log, tree)?;
        Ok(Self { signed, note })
    }
}
