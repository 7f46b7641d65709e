//! Proofs over the record's tree: that a row is in it (RFC 6962, section 2.1.1), and that a larger tree begins with a
//! smaller one (section 2.1.2). Pure: a [`ProofPlan`] says which nodes it needs, and makes the proof once it has them.
//!
//! A proof that verifies against two signed heads is all that an auditor needs. Nothing in it is secret, and a wrong one
//! never verifies.

use crate::counted::counted;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::tree::{KEPT_EVERY, Node, NodeId, TreeHash};

/// Longest proof in hashes: a tree of 2^63 rows has no longer one, and no record has as many.
pub const MAX_PROOF_HASHES: usize = 64;

/// Why there is no such proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoSuchProof {
    /// The tree has no such row.
    #[error("row {position} is not among the first {size}; expected 1 to {size}")]
    Row {
        /// The row, counted from 1.
        position: u64,
        /// The rows of the tree.
        size: u64,
    },
    /// The smaller tree is the larger one.
    #[error("{} not come before {to}; expected no more than {to}", counted(.from, "row does", "rows do"))]
    Order {
        /// The rows of the earlier tree.
        from: u64,
        /// The rows of the later tree.
        to: u64,
    },
}

/// Why a proof proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// No such proof can be.
    #[error(transparent)]
    NoSuchProof(#[from] NoSuchProof),
    /// It is shorter or longer than any right one.
    #[error("the proof has {}; expected {expected}", counted(.found, "hash", "hashes"))]
    Length {
        /// How many it has.
        found: usize,
        /// How many it should have.
        expected: usize,
    },
    /// It leads to the later head, and to another root than that of the earlier one: whoever made it, the later tree begins with
    /// other rows than the earlier head counts.
    #[error(
        "the later head's record begins with rows of the root {found}, and those of the earlier head have the root {expected}"
    )]
    OtherEarlierRoot {
        /// Where it leads.
        found: TreeHash,
        /// Where it should lead.
        expected: TreeHash,
    },
    /// It leads to another root.
    #[error("the proof leads to {found}, but the head's root is {expected}")]
    OtherRoot {
        /// Where it leads.
        found: TreeHash,
        /// Where it should lead.
        expected: TreeHash,
    },
}

/// What to hash, in the order of the proof: each the rows of one subtree, counted from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProofPlan(Vec<Range<u64>>);

/// Neighbouring nodes of one level: leaves, or kept ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeRun {
    /// The first of them.
    pub first: NodeId,
    /// How many.
    pub count: u64,
}

/// The nodes that a plan needs, as far as they were found.
#[derive(Debug, Default)]
pub struct FoundNodes(BTreeMap<NodeId, TreeHash>);

impl FoundNodes {
    /// Adds one.
    pub fn add(&mut self, Node { id, hash }: Node) {
        self.0.insert(id, hash);
    }

    fn of_rows(&self, rows: &Range<u64>) -> Option<TreeHash> {
        let mut smallest_first = complete_subtrees(rows).into_iter().rev();
        let last = self.of_node(smallest_first.next()?)?;
        smallest_first.try_fold(last, |right, left| {
            Some(TreeHash::node(self.of_node(left)?, right))
        })
    }

    fn of_node(&self, node: NodeId) -> Option<TreeHash> {
        let mut hashes = base(node)
            .map(|id| self.0.get(&id).copied())
            .collect::<Option<Vec<_>>>()?;
        while hashes.len() > 1 {
            let pairs = hashes.as_chunks::<2>().0.iter();
            hashes = pairs
                .map(|[left, right]| TreeHash::node(*left, *right))
                .collect();
        }
        hashes.first().copied()
    }
}

impl ProofPlan {
    /// The proof that a row, counted from 1, is in the tree over the first `size` rows: RFC 6962's PATH.
    ///
    /// # Errors
    /// [`NoSuchProof::Row`] when it is not among these.
    pub fn inclusion(position: u64, size: u64) -> Result<Self, NoSuchProof> {
        if !(1..=size).contains(&position) {
            return Err(NoSuchProof::Row { position, size });
        }
        let row = position - 1;
        let mut siblings = Vec::new();
        let mut rows = 0..size;
        while rows.end - rows.start > 1 {
            let middle = rows.start + split(rows.end - rows.start);
            let (left, right) = (rows.start..middle, middle..rows.end);
            let (inside, sibling) = match row < middle {
                true => (left, right),
                false => (right, left),
            };
            siblings.push(sibling);
            rows = inside;
        }
        siblings.reverse();
        Ok(Self(siblings))
    }

    /// The proof that the tree over the first `to` rows begins with that over the first `from`: RFC 6962's PROOF. It is
    /// empty when `from` is 0 or `to`.
    ///
    /// # Errors
    /// [`NoSuchProof::Order`] when `from` is larger than `to`.
    pub fn consistency(from: u64, to: u64) -> Result<Self, NoSuchProof> {
        if from > to {
            return Err(NoSuchProof::Order { from, to });
        }
        let mut hashed = Vec::new();
        if from == 0 {
            return Ok(Self(hashed));
        }
        let mut rows = 0..to;
        // SUBPROOF: `rows` always begins at or before the end of the smaller tree.
        while rows.end != from {
            let middle = rows.start + split(rows.end - rows.start);
            let (left, right) = (rows.start..middle, middle..rows.end);
            if from <= middle {
                hashed.push(right);
                rows = left;
            } else {
                hashed.push(left);
                rows = right;
            }
        }
        // The auditor knows the root of the smaller tree, unless it is only a part of it that is left.
        if rows.start > 0 {
            hashed.push(rows);
        }
        hashed.reverse();
        Ok(Self(hashed))
    }

    /// How many hashes the proof has.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the proof has no hashes: there is nothing to prove.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The nodes that it takes: of level 0 and of each kept level at most 511, 256 at the inner edge of
    /// the tree and 255 at the outer.
    pub fn needs(&self) -> Vec<NodeRun> {
        let subtrees = self.0.iter().flat_map(complete_subtrees);
        let needed: BTreeSet<NodeId> = subtrees.flat_map(base).collect();
        let mut runs: Vec<NodeRun> = Vec::new();
        for id in needed {
            match runs.last_mut() {
                Some(NodeRun { first, count })
                    if first.level == id.level && first.position + *count == id.position =>
                {
                    *count += 1;
                }
                _ => runs.push(NodeRun {
                    first: id,
                    count: 1,
                }),
            }
        }
        runs
    }

    /// Makes the proof; none when a node is missing.
    pub fn prove(&self, nodes: &FoundNodes) -> Option<Vec<TreeHash>> {
        self.0.iter().map(|rows| nodes.of_rows(rows)).collect()
    }
}

/// The largest power of two below `rows`, which are at least 2.
fn split(rows: u64) -> u64 {
    1 << (rows - 1).ilog2()
}

/// The complete subtrees that the rows of a subtree make, the largest first. A subtree begins at a multiple of the
/// smallest power of two that its rows fit into, so each of these does so as well.
fn complete_subtrees(rows: &Range<u64>) -> Vec<NodeId> {
    let (mut start, mut left) = (rows.start, rows.end - rows.start);
    let mut subtrees = Vec::new();
    while let Some(level) = left.checked_ilog2() {
        let position = start >> level;
        let level = u8::try_from(level).unwrap_or(u8::MAX);
        subtrees.push(NodeId { level, position });
        start += 1 << level;
        left -= 1 << level;
    }
    subtrees
}

/// The leaves or kept nodes that a complete subtree stands on.
fn base(node: NodeId) -> impl Iterator<Item = NodeId> {
    let above = node.level % KEPT_EVERY;
    let level = node.level - above;
    let first = node.position << above;
    (first..first + (1 << above)).map(move |position| NodeId { level, position })
}

/// Checks that a row, counted from 1, is in the tree over `size` rows that has this root (RFC 9162, section 2.1.3.2).
///
/// # Errors
/// [`ProofError`] says what does not hold.
pub fn verify_inclusion(
    leaf: TreeHash,
    position: u64,
    size: u64,
    proof: &[TreeHash],
    root: TreeHash,
) -> Result<(), ProofError> {
    check_length(proof, &ProofPlan::inclusion(position, size)?)?;
    let (mut row, mut last) = (position - 1, size - 1);
    let mut found = leaf;
    for sibling in proof {
        if row % 2 == 1 || row == last {
            found = TreeHash::node(*sibling, found);
            // At the right edge there may be levels without a sibling.
            let skipped = row.trailing_zeros().min(63);
            (row, last) = (row >> skipped, last >> skipped);
        } else {
            found = TreeHash::node(found, *sibling);
        }
        (row, last) = (row >> 1, last >> 1);
    }
    match found == root {
        true => Ok(()),
        false => Err(ProofError::OtherRoot {
            found,
            expected: root,
        }),
    }
}

/// A tree as a head has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TreeHead {
    /// How many rows.
    pub size: u64,
    /// The root over them.
    pub root: TreeHash,
}

/// Checks that the later tree begins with the earlier one (RFC 9162, section 2.1.4.2). Every tree begins with the empty
/// one, and with itself: the proof is empty then, and the roots are compared.
///
/// # Errors
/// [`ProofError`] says what does not hold.
pub fn verify_consistency(
    earlier: TreeHead,
    later: TreeHead,
    proof: &[TreeHash],
) -> Result<(), ProofError> {
    let (found_earlier, found) = roots(earlier, later, proof)?;
    if found != later.root {
        return Err(ProofError::OtherRoot {
            found,
            expected: later.root,
        });
    }
    match found_earlier == earlier.root {
        true => Ok(()),
        false => Err(ProofError::OtherEarlierRoot {
            found: found_earlier,
            expected: earlier.root,
        }),
    }
}

/// Whether the first rows of the later tree are others than the earlier head counts, by a proof that the later tree has one row more
/// than that ([`ProofPlan::consistency`]). It is for an earlier tree that is complete: a proof from that very head begins with its
/// root, and shows nothing but that it does not fit.
#[must_use]
pub fn shows_other_rows(earlier: TreeHead, later: TreeHead, proof: &[TreeHash]) -> bool {
    let Some(size) = earlier.size.checked_add(1) else {
        return false;
    };
    // With a complete tree before it, the next row is a leaf by itself, and the first node of the proof.
    let (true, Some(row)) = (!size.is_power_of_two(), proof.first()) else {
        return false;
    };
    let begins = TreeHead {
        size,
        root: TreeHash::node(earlier.root, *row),
    };
    matches!(
        verify_consistency(begins, later, proof),
        Err(ProofError::OtherEarlierRoot { .. })
    )
}

/// The roots of the earlier and of the later tree to which a proof leads.
fn roots(
    earlier: TreeHead,
    later: TreeHead,
    proof: &[TreeHash],
) -> Result<(TreeHash, TreeHash), ProofError> {
    check_length(proof, &ProofPlan::consistency(earlier.size, later.size)?)?;
    let (mut found_earlier, mut found) = match (earlier.size, proof.first()) {
        (0, _) if later.size == 0 => (TreeHash::empty(), TreeHash::empty()),
        (0, _) => (TreeHash::empty(), later.root),
        (_, None) => (later.root, later.root),
        // A complete tree is itself the first node of the later one.
        (size, _) if size.is_power_of_two() => (earlier.root, earlier.root),
        (_, Some(first)) => (*first, *first),
    };
    let taken = usize::from(!earlier.size.is_power_of_two());
    let (mut row, mut last) = (earlier.size.saturating_sub(1), later.size.saturating_sub(1));
    let whole = row.trailing_ones().min(63);
    (row, last) = (row >> whole, last >> whole);
    for node in proof.iter().skip(taken) {
        if row % 2 == 1 || row == last {
            found_earlier = TreeHash::node(*node, found_earlier);
            found = TreeHash::node(*node, found);
            let skipped = row.trailing_zeros().min(63);
            (row, last) = (row >> skipped, last >> skipped);
        } else {
            found = TreeHash::node(found, *node);
        }
        (row, last) = (row >> 1, last >> 1);
    }
    Ok((found_earlier, found))
}

fn check_length(proof: &[TreeHash], plan: &ProofPlan) -> Result<(), ProofError> {
    match proof.len() == plan.len() {
        true => Ok(()),
        false => Err(ProofError::Length {
            found: proof.len(),
            expected: plan.len(),
        }),
    }
}
