//! The Merkle tree over the record's rows (RFC 6962, section 2.1), kept as its frontier: the roots of the perfect
//! subtrees that the rows so far make, the largest first. There is one for each 1 in the binary form of the
//! number of rows, so that a row costs O(log n) hashes and a head a few hundred bytes.
//!
//! A row's leaf is the published JSON: the JCS form of the signed checkpoint with its signature. Whoever has the
//! published file can compute it.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::signature::SignedCheckpoint;

/// A SHA-256 hash.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TreeHash([u8; 32]);

impl TreeHash {
    /// `SHA-256(0x00 || data)`: the hash of a leaf.
    pub fn leaf(data: &[u8]) -> Self {
        Self(
            Sha256::new()
                .chain_update([0])
                .chain_update(data)
                .finalize()
                .into(),
        )
    }

    /// The leaf of a row.
    pub fn of(signed: &SignedCheckpoint) -> Self {
        Self::leaf(signed.published_json().as_bytes())
    }

    /// `SHA-256(0x01 || left || right)`: the hash of a node.
    fn node(left: Self, right: Self) -> Self {
        let digest = Sha256::new().chain_update([1]);
        Self(
            digest
                .chain_update(left.0)
                .chain_update(right.0)
                .finalize()
                .into(),
        )
    }

    /// The hash of the tree without leaves: `SHA-256()`.
    fn empty() -> Self {
        Self(Sha256::digest([]).into())
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Lower-case hexadecimal.
impl fmt::Display for TreeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for TreeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The tree over the rows so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    peaks: Vec<TreeHash>,
}

impl Frontier {
    /// Reads what [`Frontier::to_bytes`] gave for a tree of `size` rows; none when the lengths do not fit.
    pub fn from_bytes(size: u64, bytes: &[u8]) -> Option<Self> {
        let (hashes, rest) = bytes.as_chunks::<32>();
        let fits = rest.is_empty() && hashes.len() == size.count_ones() as usize;
        fits.then(|| Self {
            size,
            peaks: hashes.iter().copied().map(TreeHash).collect(),
        })
    }

    /// The hashes one after the other, the largest subtree's first.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.peaks.iter().flat_map(|peak| peak.0).collect()
    }

    /// How many rows.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Adds a row.
    pub fn push(&mut self, leaf: TreeHash) {
        let mut node = leaf;
        // Each trailing 1 of the size is a subtree as large as the one that is to be added.
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                node = TreeHash::node(left, node);
            }
        }
        self.peaks.push(node);
        self.size += 1;
    }

    /// The Merkle tree hash.
    pub fn root(&self) -> TreeHash {
        let smallest_first = self.peaks.iter().rev().copied();
        let root = smallest_first.reduce(|right, left| TreeHash::node(left, right));
        root.unwrap_or_else(TreeHash::empty)
    }
}
