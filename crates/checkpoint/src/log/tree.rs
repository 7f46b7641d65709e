//! The Merkle tree over the record's rows (RFC 6962, section 2.1), kept as its frontier: the roots of the perfect
//! subtrees that the rows so far make, the largest first. There is one for each 1 in the binary form of the
//! number of rows, so that a row costs O(log n) hashes and a head a few hundred bytes.
//!
//! Of the complete subtrees, those of every eighth level are kept for ever ([`Node`]): about one for 255 rows. A proof
//! then needs no more than 256 rows and 256 nodes of each kept level at either of its edges (see [`super::proof`]).
//!
//! A row's leaf is the published JSON: the JCS form of the signed checkpoint with its signature. Whoever has the
//! published file can compute it.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

use crate::checkpoint::Checkpoint;
use crate::hex::{self, Hex};
use crate::jws::SignedCheckpoint;

/// Nodes are kept at the levels that this divides. A larger number would keep fewer of them, and have a proof read
/// more.
pub const KEPT_EVERY: u8 = 8;

/// The highest level that is kept: 2^56 rows are more than a record ever has, as all numbers are below 2^53.
pub const HIGHEST_KEPT: u8 = 56;

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
        Self::of_compact(&signed.checkpoint, &signed.jws.compact())
    }

    /// The leaf of a row whose signature has its text already.
    pub(super) fn of_compact(checkpoint: &Checkpoint, signature: &str) -> Self {
        let (before, member, after) = checkpoint.published_parts(signature);
        let digest = Sha256::new().chain_update([0]).chain_update(before);
        Self(
            digest
                .chain_update(member)
                .chain_update(after)
                .finalize()
                .into(),
        )
    }

    /// `SHA-256(0x01 || left || right)`: the hash of a node.
    pub(super) fn node(left: Self, right: Self) -> Self {
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
    pub(super) fn empty() -> Self {
        Self(Sha256::digest([]).into())
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl From<[u8; 32]> for TreeHash {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

/// The text is not 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not a hash; expected 64 lower-case hexadecimal digits")]
pub struct NotAHash;

impl FromStr for TreeHash {
    type Err = NotAHash;

    fn from_str(text: &str) -> Result<Self, NotAHash> {
        hex::decode(text).map(Self).ok_or(NotAHash)
    }
}

/// Lower-case hexadecimal.
impl fmt::Display for TreeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Hex(&self.0).fmt(f)
    }
}

impl fmt::Debug for TreeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A complete subtree: the 2^`level` rows from `position` * 2^`level` on, both counted from 0. A level of 0 is a leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId {
    /// How high it stands: its rows are two to the power of this.
    pub level: u8,
    /// How many subtrees of its level are to the left of it.
    pub position: u64,
}

impl NodeId {
    /// The number of the rows up to its last one; more than any record has when it is not of a record.
    pub fn end(self) -> u64 {
        let end = self.position.saturating_add(1);
        end.saturating_mul(1 << self.level.min(63))
    }
}

/// A complete subtree and its root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Node {
    /// Which.
    pub id: NodeId,
    /// Its root.
    pub hash: TreeHash,
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
        self.push_keeping(leaf, |_| {});
    }

    /// Adds a row, and gives the nodes to keep that it completes.
    pub fn push_keeping(&mut self, leaf: TreeHash, mut keep: impl FnMut(Node)) {
        let (mut hash, mut level) = (leaf, 0);
        // Each trailing 1 of the size is a subtree as large as the one that is to be added.
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                hash = TreeHash::node(left, hash);
            }
            level += 1;
            if level % KEPT_EVERY == 0 {
                let position = self.size >> level;
                let id = NodeId { level, position };
                keep(Node { id, hash });
            }
        }
        self.peaks.push(hash);
        self.size += 1;
    }

    /// Adds the rows of a complete subtree by its root. False, and nothing is added, when it does not begin here: the
    /// rows so far must be a multiple of its own.
    pub fn push_subtree(&mut self, level: u8, root: TreeHash) -> bool {
        let Some(rows) = 1u64.checked_shl(level.into()) else {
            return false;
        };
        if !self.size.is_multiple_of(rows) {
            return false;
        }
        let mut hash = root;
        for _ in 0..(self.size / rows).trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                hash = TreeHash::node(left, hash);
            }
        }
        self.peaks.push(hash);
        self.size += rows;
        true
    }

    /// Whether this tree can be one that grew from the `earlier` one, as far as the frontiers tell: the subtrees that both
    /// have are the same. With as many rows, it is the same tree.
    pub fn may_extend(&self, earlier: &Self) -> bool {
        if self.size < earlier.size {
            return false;
        }
        // The subtrees before the first one by which the sizes differ.
        let differing = u64::BITS - (self.size ^ earlier.size).leading_zeros();
        let common = self.size.checked_shr(differing).unwrap_or(0).count_ones() as usize;
        self.peaks
            .iter()
            .take(common)
            .eq(earlier.peaks.iter().take(common))
    }

    /// The Merkle tree hash.
    pub fn root(&self) -> TreeHash {
        let smallest_first = self.peaks.iter().rev().copied();
        let root = smallest_first.reduce(|right, left| TreeHash::node(left, right));
        root.unwrap_or_else(TreeHash::empty)
    }
}
