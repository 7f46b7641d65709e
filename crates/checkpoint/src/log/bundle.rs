//! A published checkpoint with all that proves it to be in the record, as one small JSON file.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::head::{HeadError, MAX_HEAD_BYTES, SignedHead};
use super::proof::{MAX_PROOF_HASHES, ProofError};
use super::tree::{NotAHash, TreeHash};
use super::verify_included;
use crate::checkpoint::{InvalidCheckpoint, MAX_JSON_BYTES};
use crate::jws::SignedCheckpoint;

/// The version of the format.
const VERSION: u32 = 1;

/// Largest bundle in bytes: a checkpoint, a head, and the hashes with their punctuation.
pub const MAX_BUNDLE_BYTES: usize = MAX_JSON_BYTES + MAX_HEAD_BYTES + MAX_PROOF_HASHES * 128 + 1024;

/// Why a text is no bundle.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// It is something else.
    #[error(
        "is not a proof of inclusion: {0}; expected a file of one JSON object, as a record gives it"
    )]
    Form(String),
    /// A later program wrote it.
    #[error("record_inclusion: is {0}; this program knows {VERSION}")]
    Version(u32),
    /// The checkpoint is not one.
    #[error("checkpoint: {0}")]
    Checkpoint(#[from] InvalidCheckpoint),
    /// The head is not one.
    #[error("head: {0}")]
    Head(#[from] HeadError),
    /// The proof has more hashes than any.
    #[error("proof: has {0} hashes; expected at most {MAX_PROOF_HASHES}")]
    TooLong(usize),
    /// One of its hashes is not one.
    #[error("proof: {0}")]
    Hash(#[from] NotAHash),
}

#[derive(Serialize, Deserialize)]
struct Wire {
    record_inclusion: u32,
    checkpoint: Box<RawValue>,
    position: u64,
    head: String,
    proof: Vec<String>,
}

/// A checkpoint, its place, and the proof. Nothing is said about whether it holds.
#[derive(Clone, Debug)]
pub struct InclusionBundle {
    /// The published checkpoint.
    pub signed: SignedCheckpoint,
    /// Its place in the record: 1 for the first.
    pub position: u64,
    /// A head that counts it.
    pub head: SignedHead,
    /// The hashes from it to the head's root.
    pub proof: Vec<TreeHash>,
}

impl InclusionBundle {
    /// Reads the JSON text.
    ///
    /// # Errors
    /// [`BundleError`] says which member is wrong.
    pub fn parse(text: &[u8]) -> Result<Self, BundleError> {
        let form = |error: &dyn std::fmt::Display| BundleError::Form(error.to_string());
        if text.len() > MAX_BUNDLE_BYTES {
            return Err(form(&format!("has more than {MAX_BUNDLE_BYTES} bytes")));
        }
        let wire: Wire = serde_json::from_slice(text).map_err(|error| form(&error))?;
        if wire.record_inclusion != VERSION {
            return Err(BundleError::Version(wire.record_inclusion));
        }
        if wire.proof.len() > MAX_PROOF_HASHES {
            return Err(BundleError::TooLong(wire.proof.len()));
        }
        let hashes = wire.proof.iter().map(|hash| hash.parse());
        Ok(Self {
            signed: SignedCheckpoint::from_published_json(wire.checkpoint.get().as_bytes())?,
            position: wire.position,
            head: SignedHead::parse(&wire.head)?,
            proof: hashes.collect::<Result<_, _>>()?,
        })
    }

    /// The JSON text, one line.
    ///
    /// # Errors
    /// When the checkpoint has no JSON form.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(&Wire {
            record_inclusion: VERSION,
            checkpoint: RawValue::from_string(self.signed.published_json())?,
            position: self.position,
            head: self.head.jws().compact(),
            proof: self.proof.iter().map(TreeHash::to_string).collect(),
        })
    }

    /// Checks the proof against the bundle's own head.
    ///
    /// # Errors
    /// [`ProofError`] says what does not hold.
    pub fn check(&self) -> Result<(), ProofError> {
        let head = self.head.head();
        verify_included(&self.signed, self.position, &self.proof, head.tree)
    }
}
