//! Proofs over the record's tree: against another crate at every small size, at large ones, and as somebody would
//! forge them.

use std::collections::HashMap;

use checkpoint::log::proof::{
    FoundNodes, MAX_PROOF_HASHES, NoSuchProof, ProofError, ProofPlan, TreeHead, verify_consistency,
    verify_inclusion,
};
use checkpoint::log::tree::{Frontier, KEPT_EVERY, Node, NodeId, NotAHash, TreeHash};
use ct_merkle::mem_backed_tree::MemoryBackedTree;
use proptest::prelude::*;
use sha2::Sha256;

use crate::forest::{Tree, leaf};

const EVERY_SIZE_UP_TO: u64 = 300;

fn bytes(proof: &[TreeHash]) -> Vec<u8> {
    proof.iter().flat_map(|hash| *hash.as_bytes()).collect()
}

fn include(tree: &Tree, position: u64, size: u64, proof: &[TreeHash]) -> Result<(), ProofError> {
    let root = tree.head(size).root;
    verify_inclusion(leaf(position - 1), position, size, proof, root)
}

fn follow(tree: &Tree, from: u64, to: u64, proof: &[TreeHash]) -> Result<(), ProofError> {
    verify_consistency(tree.head(from), tree.head(to), proof)
}

#[test]
fn another_crate_makes_the_same_proofs_at_every_size() {
    let (mut tree, mut other) = (Tree::default(), MemoryBackedTree::<Sha256, Vec<u8>>::new());
    for size in 1..=EVERY_SIZE_UP_TO {
        tree.push(leaf(size - 1));
        other.push((size - 1).to_be_bytes().to_vec());
        for position in 1..=size {
            let proof = tree.inclusion(position, size);
            let index = usize::try_from(position - 1).unwrap();
            assert_eq!(bytes(&proof), other.prove_inclusion(index).as_bytes());
            include(&tree, position, size, &proof).unwrap();
        }
        for from in 1..=size {
            let proof = tree.consistency(from, size);
            let additions = usize::try_from(size - from).unwrap();
            // The other crate proves that a tree begins with itself by a hash that its verifier then ignores.
            if additions > 0 {
                assert_eq!(bytes(&proof), other.prove_consistency(additions).as_bytes());
            }
            follow(&tree, from, size, &proof).unwrap();
        }
    }
}

#[test]
fn every_tree_begins_with_itself_and_with_the_empty_one_and_needs_no_proof() {
    let tree = Tree::of(20);
    for size in 0..=20 {
        assert!(ProofPlan::consistency(0, size).unwrap().is_empty());
        assert!(ProofPlan::consistency(size, size).unwrap().is_empty());
        follow(&tree, 0, size, &[]).unwrap();
        follow(&tree, size, size, &[]).unwrap();
        let forged = TreeHead {
            size,
            root: leaf(999),
        };
        for (earlier, later) in [(forged, tree.head(size)), (tree.head(size), forged)] {
            assert!(verify_consistency(earlier, later, &[]).is_err(), "{size}");
        }
        let no_empty_tree = TreeHead {
            size: 0,
            root: leaf(0),
        };
        assert!(verify_consistency(no_empty_tree, tree.head(size), &[]).is_err());
        assert!(verify_consistency(no_empty_tree, no_empty_tree, &[]).is_err());
    }
}

#[test]
fn what_cannot_be_proved_is_named() {
    for (position, size) in [(0, 0), (0, 5), (1, 0), (6, 5), (u64::MAX, 5)] {
        let none = NoSuchProof::Row { position, size };
        assert_eq!(ProofPlan::inclusion(position, size), Err(none));
        let verified = verify_inclusion(leaf(0), position, size, &[], leaf(0));
        assert_eq!(verified, Err(none.into()));
    }
    let none = NoSuchProof::Order { from: 6, to: 5 };
    assert_eq!(ProofPlan::consistency(6, 5), Err(none));
}

#[test]
fn a_proof_is_never_longer_than_its_bound() {
    let largest = 1 << 63;
    for position in [1, 2, largest / 2, largest - 1, largest] {
        let plan = ProofPlan::inclusion(position, largest).unwrap();
        assert!(plan.len() <= MAX_PROOF_HASHES);
    }
    for from in [1, 2, 3, largest / 2 + 1, largest - 1, largest] {
        let plan = ProofPlan::consistency(from, largest).unwrap();
        assert!(plan.len() <= MAX_PROOF_HASHES);
    }
}

#[test]
fn large_trees_are_proved_from_leaves_and_kept_nodes() {
    const LARGEST: u64 = 1_000_003;
    let tree = Tree::of(LARGEST);
    let sizes = [
        255, 256, 257, 511, 65_535, 65_536, 65_537, 65_793, 131_072, 999_999, LARGEST,
    ];
    for size in sizes {
        let positions = [
            1,
            2,
            255,
            256,
            257,
            65_536,
            65_537,
            size / 2,
            size - 1,
            size,
        ];
        for position in positions.into_iter().filter(|p| (1..=size).contains(p)) {
            let plan = ProofPlan::inclusion(position, size).unwrap();
            let proof = plan.prove(&read(&tree, &plan)).unwrap();
            include(&tree, position, size, &proof).unwrap();
        }
        for from in sizes.into_iter().filter(|from| *from <= size) {
            let plan = ProofPlan::consistency(from, size).unwrap();
            let proof = plan.prove(&read(&tree, &plan)).unwrap();
            follow(&tree, from, size, &proof).unwrap();
        }
    }
}

/// The nodes that a plan asks for, and no others.
fn read(tree: &Tree, plan: &ProofPlan) -> FoundNodes {
    let mut found = FoundNodes::default();
    let mut read = HashMap::<u8, u64>::new();
    for run in plan.needs() {
        let level = run.first.level;
        assert_eq!(level % KEPT_EVERY, 0);
        *read.entry(level).or_default() += run.count;
        for position in run.first.position..run.first.position + run.count {
            let id = NodeId { level, position };
            let hash = tree.node(id);
            found.add(Node { id, hash });
        }
    }
    // Up to 256 at the inner edge, and 255 at the outer.
    assert!(read.values().all(|count| *count <= 511), "{read:?}");
    found
}

#[test]
fn one_node_is_kept_for_255_rows() {
    let (mut tree, mut kept) = (Frontier::default(), 0);
    (0..70_000).for_each(|n| tree.push_keeping(leaf(n), |_| kept += 1));
    assert_eq!(kept, 70_000 / 256 + 70_000 / 65_536);
}

/// Every proof that differs in one thing from a right one.
fn forgeries(proof: &[TreeHash]) -> Vec<Vec<TreeHash>> {
    let mut forged = vec![
        [proof, &[leaf(0)]].concat(),
        [&[leaf(0)], proof].concat(),
        [proof, proof].concat(),
        proof.iter().rev().copied().collect(),
        vec![leaf(0); MAX_PROOF_HASHES + 1],
    ];
    for at in 0..proof.len() {
        let mut shorter = proof.to_vec();
        shorter.remove(at);
        forged.push(shorter);
        let mut doubled = proof.to_vec();
        doubled.insert(at, proof[at]);
        forged.push(doubled);
        let mut other = proof.to_vec();
        other[at] = leaf(12_345);
        forged.push(other);
        for with in at + 1..proof.len() {
            let mut swapped = proof.to_vec();
            swapped.swap(at, with);
            forged.push(swapped);
        }
    }
    forged.retain(|forged| forged != proof);
    forged
}

#[test]
fn no_forged_proof_verifies() {
    let tree = Tree::of(40);
    for size in 1..=40 {
        for position in 1..=size {
            let proof = tree.inclusion(position, size);
            for forged in forgeries(&proof) {
                assert!(include(&tree, position, size, &forged).is_err());
            }
            for other in (1..=size).filter(|other| *other != position) {
                assert!(include(&tree, other, size, &proof).is_err());
            }
            let other_leaf =
                verify_inclusion(leaf(99), position, size, &proof, tree.head(size).root);
            assert!(other_leaf.is_err());
        }
        for from in 0..=size {
            let proof = tree.consistency(from, size);
            for forged in forgeries(&proof) {
                assert!(follow(&tree, from, size, &forged).is_err(), "{from} {size}");
            }
            for other in (1..=size).filter(|other| *other != from && from > 0) {
                assert!(follow(&tree, other, size, &proof).is_err());
            }
        }
    }
}

#[test]
fn a_tree_of_which_one_row_is_another_never_follows() {
    let tree = Tree::of(40);
    for changed in 0..40 {
        let mut other = Tree::default();
        (0..41).for_each(|n| other.push(if n == changed { leaf(999) } else { leaf(n) }));
        for from in changed + 1..=40 {
            let proof = other.consistency(from, 41);
            let (earlier, later) = (tree.head(from), other.head(41));
            assert!(verify_consistency(earlier, later, &proof).is_err());
        }
    }
}

proptest! {
    #[test]
    fn random_hashes_prove_nothing(
        size in 1u64..5000, other in 1u64..5000,
        proof in proptest::collection::vec(any::<[u8; 32]>(), 0..14),
    ) {
        let tree = TreeHead { size: size.max(other), root: leaf(1) };
        let position = size.min(other);
        let proof: Vec<TreeHash> = proof.into_iter().map(TreeHash::from).collect();
        prop_assert!(verify_inclusion(leaf(0), position, tree.size, &proof, tree.root).is_err());
        let earlier = TreeHead { size: position, root: leaf(0) };
        prop_assert!(verify_consistency(earlier, tree, &proof).is_err());
    }

    #[test]
    fn a_hash_has_one_text(bytes: [u8; 32], text in "[0-9a-fA-F]{62,66}") {
        let hash = TreeHash::from(bytes);
        prop_assert_eq!(hash.to_string().parse(), Ok(hash));
        let right = text.len() == 64 && !text.bytes().any(|byte| byte.is_ascii_uppercase());
        prop_assert_eq!(text.parse::<TreeHash>().is_ok(), right);
        prop_assert_eq!("é".repeat(32).parse::<TreeHash>(), Err(NotAHash));
    }
}
