//! What the record proves: heads, proofs, resumptions of its clock.

use super::{proto, timestamp};
use checkpoint::history::Resumption;
use checkpoint::log::PublishedHead;
use checkpoint::log::tree::TreeHash;

impl From<&Resumption> for proto::ClockResumption {
    fn from(resumption: &Resumption) -> Self {
        Self {
            after_rows: resumption.after_rows,
            newest_signed_at: Some(timestamp(resumption.newest_signed_at)),
            resumed_from: Some(timestamp(resumption.resumed_from)),
            by: resumption.by.clone(),
            reason: resumption.reason.clone(),
        }
    }
}

impl From<&PublishedHead> for proto::RecordHead {
    fn from(published: &PublishedHead) -> Self {
        let (head, jws) = (published.signed.head(), published.signed.jws());
        Self {
            log: head.log.to_string(),
            rows: head.tree.size,
            root: head.tree.root.as_bytes().to_vec(),
            timestamp: Some(timestamp(head.timestamp)),
            key_id: jws.header().kid.to_string(),
            jws: jws.compact(),
            note: published.note.clone(),
        }
    }
}

/// A proof that a row is in the tree of so many.
pub(crate) fn inclusion(tree_size: u64, hashes: &[TreeHash]) -> proto::InclusionProof {
    let hashes = proof(hashes);
    proto::InclusionProof { tree_size, hashes }
}

/// The hashes of a proof.
pub(crate) fn proof(hashes: &[TreeHash]) -> Vec<Vec<u8>> {
    hashes.iter().map(|hash| hash.as_bytes().to_vec()).collect()
}

/// None when one is not of 32 bytes.
pub(crate) fn read_proof(wire: Vec<Vec<u8>>) -> Option<Vec<TreeHash>> {
    let hash = |bytes: Vec<u8>| <[u8; 32]>::try_from(bytes).map(TreeHash::from).ok();
    wire.into_iter().map(hash).collect()
}
