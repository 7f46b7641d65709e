//! The page's verifier and this crate's come to the same verdict, and take the same bytes for signed, over many texts
//! that are right, nearly right, and wrong.

mod corpus;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use checkpoint::keyring::{Keyring, PinnedKeyring};
use checkpoint::verdict;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::node::node;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/web/browser/judge.mjs");

/// One text, for one keyring, with or without a pin.
struct Case {
    keys: PathBuf,
    pin: String,
    text: Vec<u8>,
}

fn pinned(keyring: Keyring, pin: &str) -> Result<PinnedKeyring, String> {
    match pin {
        "" => Ok(PinnedKeyring::unpinned(keyring)),
        pin => {
            let pin = pin.parse().map_err(|_| "no fingerprint")?;
            keyring.trust_from(pin).map_err(|error| error.to_string())
        }
    }
}

/// The verdict and the payload, as this crate finds them.
fn ours(case: &Case) -> (String, String) {
    let text = std::fs::read(&case.keys).unwrap();
    let Ok(keyring) = Keyring::from_jwks(&text) else {
        return ("NO_KEYRING".into(), String::new());
    };
    let keyring = pinned(keyring, &case.pin).unwrap();
    let (verdict, signed) = verdict::verify_published(&keyring.trusted, &case.text);
    let payload = signed.map(|signed| signed.checkpoint.payload().as_bytes().to_vec());
    let payload = String::from_utf8(payload.unwrap_or_default()).unwrap();
    (verdict.kind.to_string(), payload)
}

fn theirs(cases: &[Case]) -> Vec<(String, String)> {
    let mut child = node()
        .arg(SCRIPT)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let line = |case: &Case| {
        let text = STANDARD.encode(&case.text);
        json!({"keys": case.keys, "pin": case.pin, "text": text}).to_string()
    };
    let lines: Vec<String> = cases.iter().map(line).collect();
    // The child answers while it reads.
    let writing = std::thread::spawn(move || {
        for line in lines {
            writeln!(input, "{line}").unwrap();
        }
    });
    let output = child.wait_with_output().unwrap();
    writing.join().unwrap();
    assert!(output.status.success(), "{}", output.status);
    let answers = String::from_utf8(output.stdout).unwrap();
    let answers = answers
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    answers.collect()
}

fn agree(cases: &[Case]) {
    let answers = theirs(cases);
    assert_eq!(answers.len(), cases.len());
    let mut kinds = std::collections::BTreeMap::new();
    for (case, theirs) in cases.iter().zip(answers) {
        let ours = ours(case);
        let (keys, text) = (case.keys.display(), String::from_utf8_lossy(&case.text));
        assert_eq!(
            ours, theirs,
            "with {keys}, pinned {:?}, for {text:.3000}",
            case.pin
        );
        *kinds.entry(ours.0).or_insert(0) += 1;
    }
    // Shown when the test is run with --nocapture.
    println!("{} cases: {kinds:?}", cases.len());
}

fn write(folder: &Path, name: &str, value: &Value) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, value.to_string()).unwrap();
    path
}

#[test]
fn texts_that_are_right_nearly_right_and_wrong_get_the_same_verdict() {
    let folder = TempDir::new().unwrap();
    let keys = write(folder.path(), "keys.json", &corpus::keyring());
    let texts = corpus::texts();
    let case = |text| Case {
        keys: keys.clone(),
        pin: String::new(),
        text,
    };
    let cases: Vec<Case> = texts.into_iter().map(case).collect();
    agree(&cases);
}

#[test]
fn keyrings_that_differ_in_a_member_get_the_same_verdicts() {
    let folder = TempDir::new().unwrap();
    let mut cases = Vec::new();
    for (number, keyring) in corpus::keyrings().iter().enumerate() {
        let keys = write(folder.path(), &format!("{number}.json"), keyring);
        let read = Keyring::from_jwks(keyring.to_string().as_bytes()).unwrap_or_default();
        let fingerprint = |kid: &str| {
            let entry = read.get(&kid.parse().unwrap())?;
            Some(entry.version().fingerprint().to_string())
        };
        let pins = corpus::KIDS[..2].iter().filter_map(|kid| fingerprint(kid));
        let pins: Vec<String> = std::iter::once(String::new()).chain(pins).collect();
        for text in corpus::signed() {
            cases.extend(pins.iter().map(|pin| Case {
                keys: keys.clone(),
                pin: pin.clone(),
                text: text.clone().into_bytes(),
            }));
        }
    }
    agree(&cases);
}
