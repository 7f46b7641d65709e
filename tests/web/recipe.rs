//! The recipe for Node, as the auditor's guide prints it.

use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::node::{environment, node, run};
use crate::publication::{Publication, forgiven, not_detached};

const GUIDE: &str = include_str!("../../docs/guide/auditor.md");
const SCRIPT: &str = include_str!("../../examples/verify-with-node.mjs");
const PACKAGES: &str = include_str!("package.json");

/// The line of the guide that begins like this.
fn printed(begins: &str) -> &'static str {
    let mut lines = GUIDE.lines();
    lines
        .find(|line| line.starts_with(begins))
        .unwrap_or_else(|| panic!("the guide prints {begins}"))
}

/// Runs the printed command where the packages are installed, on a file of this text.
fn verify(publication: &Publication, name: &str) -> Output {
    let folder = TempDir::new_in(environment()).unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::create_dir(at("examples")).unwrap();
    std::fs::write(at("examples/verify-with-node.mjs"), SCRIPT).unwrap();
    std::fs::copy(publication.path(name), at("published.json")).unwrap();
    std::fs::copy(publication.path("keyring.json"), at("keyring.json")).unwrap();
    shell(printed("node examples/verify-with-node.mjs"), folder.path())
}

fn shell(line: &str, folder: &Path) -> Output {
    let mut shell = Command::new("sh");
    shell.args(["-c", line]).current_dir(folder);
    shell.output().unwrap()
}

#[test]
fn the_printed_packages_are_those_that_the_tests_install() {
    let packages: serde_json::Value = serde_json::from_str(PACKAGES).unwrap();
    let line = printed("npm install --no-save");
    for pin in line.split(' ').skip(3) {
        let (name, version) = pin.split_once('@').unwrap();
        assert_eq!(packages["dependencies"][name], version, "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_printed_command_verifies_with_node() {
    let publication = Publication::new().await;
    for (name, code, says) in [
        (
            "valid.json",
            0,
            "valid: signed by amply-checkpoint-key-2026",
        ),
        (
            "rs256.json",
            0,
            "valid: signed by amply-checkpoint-key-2025",
        ),
        (
            "expired.json",
            0,
            "valid: signed by amply-checkpoint-key-2024",
        ),
        ("tampered.json", 1, "JWSSignatureVerificationFailed"),
        ("revoked.json", 1, "when the key was not trusted any more"),
        ("unknown.json", 1, "the keyring has no key stranger"),
        ("twice.json", 1, "total_volume stands twice"),
    ] {
        let output = verify(&publication, name);
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert_eq!(output.status.code(), Some(code), "{name}: {said}");
        assert!(said.contains(says), "{name}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_that_is_not_detached_does_not_verify_with_node() {
    let publication = Publication::new().await;
    for (form, text) in not_detached(&publication.read("valid.json")) {
        std::fs::write(publication.path("attached.json"), text).unwrap();
        let output = verify(&publication, "attached.json");
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert_eq!(output.status.code(), Some(1), "{form}: {said}");
        assert!(said.contains("is not detached"), "{form}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_program_calls_malformed_node_does_not_call_valid() {
    let publication = Publication::new().await;
    for (form, text) in forgiven(&publication.read("valid.json")) {
        std::fs::write(publication.path("forgiven.json"), text).unwrap();
        let output = verify(&publication, "forgiven.json");
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert_eq!(output.status.code(), Some(1), "{form}: {said}");
        assert!(said.contains("not valid: "), "{form}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn jose_verifies_the_signed_keyring() {
    let publication = Publication::new().await;
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/web/browser");
    let said = run(node()
        .arg(format!("{folder}/signed-keyring.mjs"))
        .env("PAGE", publication.service.http()));
    assert_eq!(said.trim(), "jwk-set+jwt by amply-checkpoint-key-2026");
}
