//! Proofs are verified by a small Python program that was written from RFC 9162, and its verdict on forged ones is ours.

use std::io::Write as _;
use std::process::Stdio;

use checkpoint::log::proof::{TreeHead, verify_consistency, verify_inclusion};
use checkpoint::log::tree::TreeHash;
use serde_json::{Value, json};

use crate::forest::{Tree, leaf};

/// Every pair up to this size; each proof once more with its first hash changed.
const EVERY_SIZE_UP_TO: u64 = 300;

fn text(proof: &[TreeHash]) -> Vec<String> {
    proof.iter().map(TreeHash::to_string).collect()
}

/// The case for Python, and our own verdict.
fn inclusion(position: u64, head: TreeHead, proof: &[TreeHash]) -> (Value, bool) {
    let TreeHead { size, root } = head;
    let leaf = leaf(position - 1);
    let case = json!({
        "leaf": leaf.to_string(), "position": position, "rows": size, "root": root.to_string(), "proof": text(proof),
    });
    let good = verify_inclusion(leaf, position, size, proof, root).is_ok();
    (case, good)
}

fn consistency(from: TreeHead, to: TreeHead, proof: &[TreeHash]) -> (Value, bool) {
    let case = json!({
        "from": from.size, "from_root": from.root.to_string(), "rows": to.size, "root": to.root.to_string(),
        "proof": text(proof),
    });
    (case, verify_consistency(from, to, proof).is_ok())
}

fn with_forgery(proof: Vec<TreeHash>) -> [Vec<TreeHash>; 2] {
    let mut forged = proof.clone();
    match forged.first_mut() {
        Some(first) => *first = leaf(999_999_999),
        None => forged.push(leaf(0)),
    }
    [proof, forged]
}

#[test]
fn python_agrees_with_every_verdict() {
    let small = Tree::of(EVERY_SIZE_UP_TO);
    let large = Tree::of(65_793);
    let mut cases = Vec::new();
    let mut add = |tree: &Tree, other: u64, size: u64| {
        if other > 0 {
            for proof in with_forgery(tree.inclusion(other, size)) {
                cases.push(inclusion(other, tree.head(size), &proof));
            }
        }
        for proof in with_forgery(tree.consistency(other, size)) {
            cases.push(consistency(tree.head(other), tree.head(size), &proof));
        }
    };
    for size in 1..=EVERY_SIZE_UP_TO {
        (0..=size).for_each(|other| add(&small, other, size));
    }
    for size in [65_535, 65_536, 65_537, 65_700, 65_793] {
        for other in [
            1, 255, 256, 257, 32_768, 65_279, 65_280, 65_281, 65_534, 65_535,
        ] {
            add(&large, other, size);
        }
    }
    let lines: String = cases.iter().map(|(case, _)| format!("{case}\n")).collect();
    let mut python = crate::python::python()
        .arg(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/python/proofs.py"
        ))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = python.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(lines.as_bytes()));
    let output = python.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    let verdicts = String::from_utf8(output.stdout).unwrap();
    assert_eq!(verdicts.lines().count(), cases.len());
    let good = cases.iter().filter(|(_, good)| *good).count();
    assert_eq!(
        good * 2,
        cases.len(),
        "each right proof has one that is wrong"
    );
    for ((case, good), verdict) in cases.iter().zip(verdicts.lines()) {
        assert_eq!(*good, verdict == "yes", "{case}");
    }
}

#[test]
fn heads_are_verified_by_other_libraries() {
    let root = env!("CARGO_MANIFEST_DIR");
    for algorithm in ["PS256", "RS256"] {
        let output = crate::python::python()
            .arg(format!("{root}/tests/python/heads.py"))
            .args([&format!("{root}/tests/golden"), algorithm])
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{error}");
        let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(
            (&shown["log"], &shown["rows"]),
            (&json!("test-record"), &json!(2))
        );
    }
}
