//! The record's tree against the known roots of RFC 6962's reference implementation, and against another crate.

use checkpoint::log::tree::{Frontier, TreeHash};
use ct_merkle::mem_backed_tree::MemoryBackedTree;
use proptest::prelude::*;
use sha2::{Digest, Sha256};

/// Leaves and roots of the tests of Certificate Transparency's reference implementation.
const REFERENCE: [(&str, &str); 8] = [
    (
        "",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    ),
    (
        "00",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    ),
    (
        "10",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    ),
    (
        "2021",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ),
    (
        "3031",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    ),
    (
        "40414243",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    ),
    (
        "5051525354555657",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    ),
    (
        "606162636465666768696a6b6c6d6e6f",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ),
];

fn bytes(hex: &str) -> Vec<u8> {
    let digits = hex.as_bytes().chunks(2);
    let byte = |digits| u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap();
    digits.map(byte).collect()
}

#[test]
fn the_reference_implementation_has_the_same_roots() {
    let mut frontier = Frontier::default();
    let nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(frontier.root().to_string(), nothing);
    for (leaf, root) in REFERENCE {
        frontier.push(TreeHash::leaf(&bytes(leaf)));
        assert_eq!(frontier.root().to_string(), root);
    }
}

#[test]
fn another_crate_has_the_same_root_at_every_size() {
    let (mut frontier, mut other) = (
        Frontier::default(),
        MemoryBackedTree::<Sha256, Vec<u8>>::new(),
    );
    for n in 0..1100u32 {
        let leaf = n.to_be_bytes().to_vec();
        frontier.push(TreeHash::leaf(&leaf));
        other.push(leaf);
        assert_eq!(
            frontier.root().as_bytes()[..],
            other.root().as_bytes()[..],
            "{n}"
        );
        assert_eq!(frontier.size(), u64::from(n) + 1);
        // As it is kept: one hash for each 1 of the size.
        let kept = frontier.to_bytes();
        assert_eq!(kept.len(), 32 * frontier.size().count_ones() as usize);
        assert_eq!(
            Frontier::from_bytes(frontier.size(), &kept).as_ref(),
            Some(&frontier)
        );
    }
}

proptest! {
    #[test]
    fn a_subtree_is_added_as_its_rows_are(before in 0u64..70, level in 0u8..6) {
        let leaf = |n: u64| TreeHash::leaf(&n.to_be_bytes());
        let mut one_by_one = Frontier::default();
        (0..before).for_each(|n| one_by_one.push(leaf(n)));
        let (mut at_once, mut subtree) = (one_by_one.clone(), Frontier::default());
        (before..before + (1 << level)).for_each(|n| subtree.push(leaf(n)));
        let fits = before.is_multiple_of(1 << level);
        prop_assert_eq!(at_once.push_subtree(level, subtree.root()), fits);
        if fits {
            (before..before + (1 << level)).for_each(|n| one_by_one.push(leaf(n)));
        }
        prop_assert_eq!(at_once, one_by_one);
    }

    #[test]
    fn a_frontier_that_does_not_fit_its_size_is_none(size: u64, length in 0usize..2200) {
        let kept = vec![7; length];
        let fits = length == 32 * size.count_ones() as usize;
        prop_assert_eq!(Frontier::from_bytes(size, &kept).is_some(), fits);
    }

    /// The next rows of a very large tree: computed from its frontier alone, as from all of its subtrees.
    #[test]
    fn a_large_tree_goes_on_from_its_frontier(height in 10u32..50, rows in 1usize..40) {
        let peak = TreeHash::leaf(&height.to_be_bytes());
        let mut frontier = Frontier::from_bytes(1 << height, peak.as_bytes()).unwrap();
        let mut right = Frontier::default();
        for n in 0..rows {
            let leaf = TreeHash::leaf(&n.to_be_bytes());
            frontier.push(leaf);
            right.push(leaf);
        }
        let node = Sha256::new().chain_update([1]).chain_update(peak.as_bytes());
        let root: [u8; 32] = node.chain_update(right.root().as_bytes()).finalize().into();
        prop_assert_eq!(*frontier.root().as_bytes(), root);
    }
}
