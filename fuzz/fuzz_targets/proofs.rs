//! Proofs over the record's tree: those of small trees verify and no changed one does, and any sizes have an answer.
#![no_main]

use checkpoint::log::proof::{
    FoundNodes, MAX_PROOF_HASHES, ProofError, ProofPlan, TreeHead, verify_consistency,
    verify_inclusion,
};
use checkpoint::log::tree::{Frontier, Node, NodeId, TreeHash};
use checkpoint_signer_fuzz::take_u64;
use libfuzzer_sys::fuzz_target;

/// Rows of a tree that is built. Few, as each is hashed; one tree in 16 has enough for a kept node.
const MOST_ROWS: [u64; 2] = [24, 300];

/// Up to here the bound on a proof holds.
const LARGEST_TREE: u64 = 1 << 63;

fuzz_target!(|data: &[u8]| {
    let mut rest = data;
    let (first, second, bits) = (
        take_u64(&mut rest),
        take_u64(&mut rest),
        take_u64(&mut rest),
    );
    any_sizes(first, second, rest);
    let size = 1 + first % MOST_ROWS[usize::from(bits % 16 == 15)];
    small_tree(
        size,
        1 + second % size,
        rest.first().copied().unwrap_or(0),
        bits,
    );
});

/// Sizes and hashes of anybody's choice.
fn any_sizes(position: u64, size: u64, hashes: &[u8]) {
    let (hashes, _) = hashes.as_chunks::<32>();
    let proof: Vec<_> = hashes.iter().copied().map(TreeHash::from).collect();
    let root = TreeHash::leaf(b"root");
    let plan = ProofPlan::inclusion(position, size);
    assert_eq!(plan.is_ok(), (1..=size).contains(&position));
    let verified = verify_inclusion(root, position, size, &proof, root);
    if let Ok(plan) = plan {
        assert!(plan.len() <= MAX_PROOF_HASHES || size > LARGEST_TREE);
        let wrong_length = matches!(verified, Err(ProofError::Length { .. }));
        assert_eq!(wrong_length, plan.len() != proof.len());
        assert_eq!(verified.is_ok(), size == 1 && proof.is_empty());
    }
    let plan = ProofPlan::consistency(position, size);
    assert_eq!(plan.is_ok(), position <= size);
    let earlier = TreeHead {
        size: position,
        root,
    };
    let later = TreeHead {
        size,
        root: TreeHash::leaf(b"later"),
    };
    let verified = verify_consistency(earlier, later, &proof);
    assert!(verified.is_err(), "two roots that belong to no tree");
    if let Ok(plan) = plan {
        assert!(plan.len() <= MAX_PROOF_HASHES || size > LARGEST_TREE);
    }
}

fn small_tree(size: u64, position: u64, seed: u8, bits: u64) {
    let leaf = |row: u64| TreeHash::leaf(&[&[seed], row.to_le_bytes().as_slice()].concat());
    let mut nodes = FoundNodes::default();
    let mut tree = Frontier::default();
    let mut earlier = TreeHead {
        size: 0,
        root: tree.root(),
    };
    for row in 0..size {
        nodes.add(Node {
            id: NodeId {
                level: 0,
                position: row,
            },
            hash: leaf(row),
        });
        tree.push_keeping(leaf(row), |node| nodes.add(node));
        if tree.size() == position {
            earlier = TreeHead {
                size: position,
                root: tree.root(),
            };
        }
    }
    let later = TreeHead {
        size,
        root: tree.root(),
    };
    let restored = Frontier::from_bytes(size, &tree.to_bytes()).expect("its own bytes");
    assert_eq!(restored.root(), later.root);

    let plan = ProofPlan::inclusion(position, size).expect("a row of the tree");
    let proof = plan.prove(&nodes).expect("all nodes are there");
    let verify = |proof: &[TreeHash], position| {
        verify_inclusion(leaf(position - 1), position, size, proof, later.root)
    };
    assert_eq!(verify(&proof, position), Ok(()));
    let other = 1 + bits % size;
    assert_eq!(verify(&proof, other).is_ok(), other == position);
    assert!(changed(&proof, bits).is_none_or(|proof| verify(&proof, position).is_err()));

    let plan = ProofPlan::consistency(position, size).expect("the earlier is smaller");
    let proof = plan.prove(&nodes).expect("all nodes are there");
    assert_eq!(verify_consistency(earlier, later, &proof), Ok(()));
    let forged = |proof: Vec<_>| verify_consistency(earlier, later, &proof).is_err();
    assert!(changed(&proof, bits).is_none_or(forged));
    let other = TreeHead {
        root: leaf(0),
        ..earlier
    };
    if other != earlier {
        assert!(verify_consistency(other, later, &proof).is_err());
    }
}

/// The proof with one bit changed; none when it has no bits.
fn changed(proof: &[TreeHash], bits: u64) -> Option<Vec<TreeHash>> {
    let (at, bit) = (bits.checked_rem(proof.len() as u64)?, bits >> 32 & 255);
    let mut proof = proof.to_vec();
    let hash = proof.get_mut(usize::try_from(at).ok()?)?;
    let mut bytes = *hash.as_bytes();
    bytes[bit as usize / 8] ^= 1 << (bit % 8);
    *hash = bytes.into();
    Some(proof)
}
