//! The vectors of `tests/golden/kinds.json`, for the page's verifier and for the recipe for Node.

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::judge::judged;
use crate::node::{environment, node};

const RECIPE: &str = include_str!("../../examples/verify-with-node.mjs");
const RING: &str = include_str!("../golden/keyring.json");
const PUBLISHED: &str = include_str!("../golden/PS256.published.json");
const VECTORS: &str = include_str!("../golden/kinds.json");

/// The name of each case, its keyring, and what a reader finds.
fn cases() -> Vec<(String, Value, &'static str)> {
    let vectors: Value = serde_json::from_str(VECTORS).unwrap();
    let ring: Value = serde_json::from_str(RING).unwrap();
    let mut cases = Vec::new();
    for (kind, verdict) in [
        ("skipped", "VALID"),
        ("read", "VALID"),
        ("refused", "NO_KEYRING"),
    ] {
        for case in vectors[kind].as_array().unwrap() {
            let mut keys = ring["keys"].as_array().unwrap().clone();
            keys.retain(|key| kind != "read" || key["kid"] != case["key"]["kid"]);
            keys.insert(0, case["key"].clone());
            let name = case["name"].as_str().unwrap().to_owned();
            cases.push((name, json!({ "keys": keys }), verdict));
        }
    }
    cases
}

#[test]
fn the_page_skips_keys_of_other_kinds_and_refuses_what_is_wrong_or_private() {
    let cases = cases();
    let answers = judged(cases.iter().map(|(_, ring, _)| (ring, "", PUBLISHED)));
    for ((name, _, expected), answer) in cases.iter().zip(&answers) {
        assert_eq!(answer[0], *expected, "{name}");
    }
}

#[test]
fn the_recipe_for_node_skips_keys_of_other_kinds_and_refuses_what_is_private() {
    let folder = TempDir::new_in(environment()).unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("verify-with-node.mjs"), RECIPE).unwrap();
    std::fs::write(at("published.json"), PUBLISHED).unwrap();
    for (name, ring, verdict) in cases() {
        // It reads nothing of a key but what it verifies with, and so finds private ones alone.
        let is_private = ring.to_string().contains("c2VjcmV0");
        if verdict == "NO_KEYRING" && !is_private {
            continue;
        }
        std::fs::write(at("keyring.json"), ring.to_string()).unwrap();
        let mut command = node();
        let output = command
            .args(["verify-with-node.mjs", "published.json", "keyring.json"])
            .current_dir(folder.path())
            .output()
            .unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        let expected = i32::from(verdict == "NO_KEYRING");
        assert_eq!(output.status.code(), Some(expected), "{name}: {said}");
        assert!(!said.contains("c2VjcmV0"), "{name}: {said}");
    }
}
