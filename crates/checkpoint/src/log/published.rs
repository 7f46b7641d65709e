//! The head of the record as it is published.

use super::head::{LogName, SignedHead};
use super::note;
use super::proof::TreeHead;
use crate::key::SignError;
use crate::signing::OpenKey;

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
        let note = note::sign(key, log, tree)?;
        Ok(Self { signed, note })
    }
}
