//! The record as a transparency log: a [`batch`] adds rows, [`tree`] hashes them, [`proof`] proves over them, [`head`] and [`note`]
//! are signed, and [`export`] is all of it as a file. What is checked offline: a head against a keyring, a published checkpoint against a head,
//! and a later head against an earlier one.

mod any_head;
pub mod batch;
mod bundle;
pub mod export;
pub mod head;
pub mod note;
pub mod proof;
#[cfg(feature = "aws-lc-rs")]
mod published;
pub mod tree;

use crate::jws::SignedCheckpoint;
use crate::key::PublicKey;
use crate::keyring::Keyring;
use crate::verdict::{Verdict, VerdictKind, explain, judge_header};
use head::{RecordHead, SignedHead};
use note::Note;
use proof::{ProofError, TreeHead, verify_consistency, verify_inclusion};
use tree::TreeHash;

pub use any_head::{AnyHead, AnyHeadError};
pub use bundle::{BundleError, InclusionBundle, MAX_BUNDLE_BYTES};
#[cfg(feature = "aws-lc-rs")]
pub use published::PublishedHead;

/// The verdict on a signed head. This is RSA: tens of microseconds of work.
pub fn verify_head(keyring: &Keyring, head: &SignedHead) -> Verdict {
    let (header, jws) = (head.jws().header(), head.jws());
    let made_by = |key: &PublicKey| {
        let input = jws.signing_input();
        let verified = key.verify(header.alg, input.as_bytes(), jws.signature());
        verified.is_ok()
    };
    let kind = judge_header(keyring, header, made_by);
    Verdict {
        kind,
        key_id: Some(header.kid.clone()),
        signed_at: Some(header.iat),
        explanation: explain(keyring, kind, header),
    }
}

/// The verdict on a note. It has no time, so that the key's window cannot be asked, and a key that is revoked is believed
/// nothing: the JWS of the same head tells more.
pub fn verify_note(keyring: &Keyring, note: &Note) -> Verdict {
    let mut known = keyring.published().into_iter().filter_map(|entry| {
        let key_id = note::key_id(&note.log, entry.version());
        let mut by_it = note.signatures.iter();
        let signature = by_it.find(|s| s.name == note.log.as_str() && s.key_id == key_id)?;
        Some((entry, signature))
    });
    let Some((entry, signature)) = known.next() else {
        return Verdict {
            kind: VerdictKind::UnknownKey,
            key_id: None,
            signed_at: None,
            explanation: "no signature of the note is by a trusted key of the keyring".into(),
        };
    };
    let version = entry.version();
    let key_id = &version.key_id;
    let verified = version.public_key.verify(
        version.algorithm,
        note.text.as_bytes(),
        &signature.signature,
    );
    let (kind, explanation) = match (verified, entry.revocation()) {
        (Err(_), _) => (
            VerdictKind::InvalidSignature,
            format!("{key_id} did not sign this note: it was changed"),
        ),
        (Ok(()), Some(_)) => (
            VerdictKind::KeyRevoked,
            format!("{key_id} is revoked, and a note does not say when it was signed"),
        ),
        (Ok(()), None) => (VerdictKind::Valid, format!("{key_id} signed this note")),
    };
    Verdict {
        kind,
        key_id: Some(key_id.clone()),
        signed_at: None,
        explanation,
    }
}

/// Checks that a published checkpoint is the row at this position, counted from 1, of the record that the head is of.
///
/// # Errors
/// [`ProofError`] says what does not hold.
pub fn verify_included(
    signed: &SignedCheckpoint,
    position: u64,
    proof: &[TreeHash],
    head: TreeHead,
) -> Result<(), ProofError> {
    let leaf = TreeHash::of(signed);
    verify_inclusion(leaf, position, head.size, proof, head.root)
}

/// Why two heads are not of one record that only grew.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotOneRecord {
    /// They are heads of different records.
    #[error("the heads are of two records, {0} and {1}")]
    OtherLog(String, String),
    /// The proof does not hold.
    #[error(transparent)]
    Proof(#[from] ProofError),
}

/// Checks that the record of the later head begins with all rows of the earlier one: none was changed, moved or taken away.
///
/// # Errors
/// [`NotOneRecord`] says what does not hold.
pub fn verify_grown(
    earlier: &RecordHead,
    later: &RecordHead,
    proof: &[TreeHash],
) -> Result<(), NotOneRecord> {
    if earlier.log != later.log {
        let (earlier, later) = (earlier.log.to_string(), later.log.to_string());
        return Err(NotOneRecord::OtherLog(earlier, later));
    }
    Ok(verify_consistency(earlier.tree, later.tree, proof)?)
}
