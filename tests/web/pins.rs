//! The vectors of `tests/golden/pins.json`, for the page's verifier and for the recipe for Node.

use serde_json::Value;
use tempfile::TempDir;

use crate::judge::judged;
use crate::node::{environment, node};

const RECIPE: &str = include_str!("../../examples/verify-with-node.mjs");
const VECTORS: &str = include_str!("../golden/pins.json");

fn cases() -> Vec<Value> {
    let vectors: Value = serde_json::from_str(VECTORS).unwrap();
    vectors["cases"].as_array().unwrap().clone()
}

#[test]
fn the_page_gives_the_verdict_of_each_vector_and_none_where_nothing_may_be_verified() {
    let cases = cases();
    let answers = judged(cases.iter().map(|case| {
        let pin = case["pin"].as_str().unwrap_or_default();
        (&case["keyring"], pin, case["checkpoint"].as_str().unwrap())
    }));
    for (case, answer) in cases.iter().zip(&answers) {
        let (kind, name) = (answer[0].as_str().unwrap(), &case["name"]);
        match case["verdict"].as_str() {
            Some(verdict) => assert_eq!(kind, verdict, "{name}"),
            None => assert!(["NO_KEYRING", "NO_PIN"].contains(&kind), "{name}: {kind}"),
        }
    }
}

#[test]
fn the_recipe_for_node_finds_valid_what_the_pinned_key_signed_and_nothing_else() {
    let folder = TempDir::new_in(environment()).unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("verify-with-node.mjs"), RECIPE).unwrap();
    for case in cases() {
        std::fs::write(at("published.json"), case["checkpoint"].as_str().unwrap()).unwrap();
        std::fs::write(at("keyring.json"), case["keyring"].to_string()).unwrap();
        let mut command = node();
        command
            .args(["verify-with-node.mjs", "published.json", "keyring.json"])
            .args(case["pin"].as_str())
            .current_dir(folder.path());
        let output = command.output().unwrap();
        let valid = case["exit"] == 0 && case["alone"] == true;
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        let code = output.status.code();
        assert_eq!(
            code,
            Some(if valid { 0 } else { 1 }),
            "{}: {said}",
            case["name"]
        );
        let begins = if valid { "valid: " } else { "not valid: " };
        assert!(said.starts_with(begins), "{}: {said}", case["name"]);
    }
}
