//! The vectors of `vectors/kinds.json`, for the command line and for the recipe for Python.

use std::path::Path;
use std::process::Output;

use checkpoint::key::instant_text;
use checkpoint::keyring::Keyring;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::python::python;
use crate::server::{program, run};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// A folder with a keyring in which this key stands first, and a checkpoint by another one of it.
fn folder(key: &Value, replace: bool) -> TempDir {
    let folder = TempDir::new().unwrap();
    let golden = Path::new(ROOT).join("tests/golden");
    let ring = std::fs::read(golden.join("keyring.json")).unwrap();
    let ring: Value = serde_json::from_slice(&ring).unwrap();
    let mut keys = ring["keys"].as_array().unwrap().clone();
    keys.retain(|known| !replace || known["kid"] != key["kid"]);
    keys.insert(0, key.clone());
    let set = json!({ "keys": keys }).to_string();
    std::fs::write(folder.path().join("keyring.json"), set).unwrap();
    let published = golden.join("PS256.published.json");
    std::fs::copy(published, folder.path().join("published.json")).unwrap();
    folder
}

fn vectors(kind: &str) -> Vec<Value> {
    let path = Path::new(ROOT).join("vectors/kinds.json");
    let vectors: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    vectors[kind].as_array().unwrap().clone()
}

fn cli(folder: &TempDir, arguments: &str) -> Output {
    run(program()
        .args(arguments.split(' '))
        .current_dir(folder.path()))
}

fn recipe(folder: &TempDir) -> Output {
    let recipe = Path::new(ROOT).join("examples/verify_with_python.py");
    run(python()
        .arg(recipe)
        .args(["published.json", "keyring.json"])
        .current_dir(folder.path()))
}

fn said(output: &Output) -> String {
    String::from_utf8([output.stdout.clone(), output.stderr.clone()].concat()).unwrap()
}

#[test]
fn a_key_of_another_kind_stops_no_reader_and_is_counted() {
    for case in vectors("skipped") {
        let (name, folder) = (&case["name"], folder(&case["key"], false));
        let text = cli(&folder, "verify published.json --keys keyring.json");
        let shown = said(&text);
        assert_eq!(text.status.code(), Some(0), "{name}: {shown}");
        assert!(shown.contains("VALID"), "{name}: {shown}");
        let told = "keyring.json: 1 key was skipped, of a kind that is not known here (keys[0]";
        assert!(shown.contains(told), "{name}: {shown}");
        assert!(!shown.contains("c2VjcmV0"), "{name}: {shown}");
        let report = cli(
            &folder,
            "verify published.json --keys keyring.json --format json",
        );
        let report: Value = serde_json::from_slice(&report.stdout).unwrap();
        assert_eq!(report["verdicts"][0]["verdict"], "VALID", "{name}");
        let skipped = &report["summary"]["keys_skipped"];
        assert_eq!(skipped.as_array().map(Vec::len), Some(1), "{name}");
        assert_eq!(skipped[0]["index"], 0, "{name}");
        let keys = cli(&folder, "keys fingerprint keyring.json --format json");
        let keys: Value = serde_json::from_slice(&keys.stdout).unwrap();
        assert_eq!(keys["keys"].as_array().map(Vec::len), Some(2), "{name}");
        assert_eq!(&keys["keys_skipped"], skipped, "{name}");
        let recipe = recipe(&folder);
        let shown = said(&recipe);
        assert_eq!(recipe.status.code(), Some(0), "{name}: {shown}");
        assert!(
            shown.contains("1 of 3 keys were skipped"),
            "{name}: {shown}"
        );
    }
    for case in vectors("read") {
        let folder = folder(&case["key"], true);
        let text = cli(&folder, "verify published.json --keys keyring.json");
        assert_eq!(text.status.code(), Some(0), "{case}: {}", said(&text));
        assert!(!said(&text).contains("skipped"), "{}", said(&text));
    }
}

#[test]
fn a_key_that_is_wrong_or_private_makes_it_no_keyring_and_is_not_shown() {
    for case in vectors("refused") {
        let (name, folder) = (&case["name"], folder(&case["key"], false));
        for ask in [
            "verify published.json --keys keyring.json",
            "keys fingerprint keyring.json",
        ] {
            let output = cli(&folder, ask);
            let shown = said(&output);
            assert_eq!(output.status.code(), Some(2), "{ask}, {name}: {shown}");
            assert!(shown.contains("keyring: keys[0]: "), "{name}: {shown}");
            assert!(!shown.contains("c2VjcmV0"), "{name}: {shown}");
            assert!(output.stdout.is_empty(), "{name}: {shown}");
        }
        let output = recipe(&folder);
        assert!(!said(&output).contains("c2VjcmV0"), "{name}");
        if case["key"].to_string().contains("c2VjcmV0") {
            let shown = said(&output);
            assert_eq!(output.status.code(), Some(1), "{name}: {shown}");
            assert!(shown.contains("must roll it over"), "{name}: {shown}");
        }
    }
}

#[test]
fn keys_of_other_kinds_are_not_put_on_record_and_that_is_told() {
    let case = &vectors("skipped")[0];
    let folder = folder(&case["key"], false);
    let made = cli(&folder, "record init --record sqlite:record.sqlite");
    assert!(made.status.success(), "{}", said(&made));
    let keys = cli(&folder, "keys fingerprint keyring.json --format json");
    let keys: Value = serde_json::from_slice(&keys.stdout).unwrap();
    let trust = |index: usize| keys["keys"][index]["fingerprint"].as_str().unwrap();
    let import = format!(
        "keys import keyring.json --record sqlite:record.sqlite --trust {} --trust {} --format json",
        trust(0),
        trust(1)
    );
    let imported = cli(&folder, &import);
    assert!(imported.status.success(), "{}", said(&imported));
    assert!(said(&imported).contains("1 key was skipped"));
    let imported: Value = serde_json::from_slice(&imported.stdout).unwrap();
    assert_eq!(imported["on_record"].as_array().map(Vec::len), Some(2));
    assert_eq!(imported["keys_skipped"][0]["key_id"], "ec");
}

#[test]
fn the_fingerprint_of_a_key_in_pem_is_told_as_that_of_its_jwk() {
    let folder = folder(&json!({ "kty": "FUTURE" }), false);
    let ring = std::fs::read(folder.path().join("keyring.json")).unwrap();
    let ring: Value = serde_json::from_slice(&ring).unwrap();
    let key = &ring["keys"][2];
    assert_eq!(key["alg"], "PS256");
    let read = Keyring::from_jwks(json!({ "keys": [key] }).to_string().as_bytes()).unwrap();
    let version = read.entries()[0].version().clone();
    let pem = version.public_key.to_pem();
    std::fs::write(folder.path().join("key.pem"), pem).unwrap();
    let (from, until) = (version.window.from(), version.window.until());
    let told = cli(
        &folder,
        &format!(
            "keys fingerprint key.pem --key-id {} --valid-from {} --valid-until {}",
            version.key_id,
            instant_text(from),
            instant_text(until)
        ),
    );
    let expected = format!("{} {}\n", version.fingerprint(), version.key_id);
    assert_eq!(String::from_utf8(told.stdout).unwrap(), expected);
    let refused = cli(&folder, "keys fingerprint key.pem");
    assert_eq!(refused.status.code(), Some(2));
    assert!(said(&refused).contains("expected --key-id, --valid-from and --valid-until"));
}
