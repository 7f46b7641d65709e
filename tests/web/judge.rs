//! The page's verifier by itself, in Node: a verdict for each keyring, pin and text.

use std::io::Write as _;
use std::process::Stdio;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::node::node;

const JUDGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/web/browser/judge.mjs");

/// What it answers to each case, in their order. An empty pin is none.
pub fn judged<'a>(
    cases: impl ExactSizeIterator<Item = (&'a Value, &'a str, &'a str)>,
) -> Vec<Value> {
    let (folder, count) = (TempDir::new().unwrap(), cases.len());
    let mut child = node()
        .arg(JUDGE)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = String::new();
    for (number, (ring, pin, text)) in cases.enumerate() {
        let keys = folder.path().join(format!("{number}.json"));
        std::fs::write(&keys, ring.to_string()).unwrap();
        let text = STANDARD.encode(text);
        lines += &format!("{}\n", json!({ "keys": keys, "pin": pin, "text": text }));
    }
    let mut input = child.stdin.take().unwrap();
    let writing = std::thread::spawn(move || input.write_all(lines.as_bytes()).unwrap());
    let output = child.wait_with_output().unwrap();
    writing.join().unwrap();
    let answers = String::from_utf8(output.stdout).unwrap();
    assert_eq!(answers.lines().count(), count);
    let answers = answers.lines();
    answers
        .map(|answer| serde_json::from_str(answer).unwrap())
        .collect()
}
