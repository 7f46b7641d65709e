//! The vectors of `vectors/`, by the command line: a verdict on each checkpoint, and what shows when some are seen together.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_checkpoint-signer");

fn vectors(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("vectors")
        .join(name);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn cases(vectors: &Value) -> &[Value] {
    vectors["cases"].as_array().unwrap()
}

/// The text of a case, in whichever form it stands there.
fn published(case: &Value) -> Vec<u8> {
    if let Some(text) = case["published"].as_str() {
        return text.as_bytes().to_vec();
    }
    if let Some(encoded) = case["published_base64"].as_str() {
        return STANDARD.decode(encoded).unwrap();
    }
    let pieces = case["published_pieces"].as_array().unwrap().iter();
    let pieces = pieces.map(|piece| {
        let times = usize::try_from(piece[1].as_u64().unwrap()).unwrap();
        piece[0].as_str().unwrap().repeat(times)
    });
    pieces.collect::<String>().into_bytes()
}

/// Its standard output, of whatever it finds.
fn verify(folder: &Path, keyring: &Value, more: &[&str]) -> String {
    std::fs::write(folder.join("ring"), keyring.to_string()).unwrap();
    let mut command = Command::new(PROGRAM);
    command.args(["verify", "--keys", "ring"]).args(more);
    let output = command.current_dir(folder).output().unwrap();
    assert!(output.status.code().unwrap() < 2, "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn each_checkpoint_gets_its_verdict() {
    let vectors = vectors("single.json");
    for (ring, keyring) in vectors["keyrings"].as_object().unwrap() {
        let folder = TempDir::new().unwrap();
        let given = folder.path().join("given");
        std::fs::create_dir(&given).unwrap();
        let mut expected = BTreeMap::new();
        for (number, case) in cases(&vectors).iter().enumerate() {
            if case["keyring"] != *ring {
                continue;
            }
            let published = published(case);
            let file = format!("{number:04}.json");
            std::fs::write(given.join(&file), published).unwrap();
            let wanted = (case["verdict"].clone(), case["name"].clone());
            expected.insert(format!("given/{number:04}"), wanted);
        }
        let told = verify(folder.path(), keyring, &["given", "--format", "ndjson"]);
        let told = told
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        let verdicts: Vec<Value> = told.filter(|line| line["verdict"].is_string()).collect();
        assert_eq!(verdicts.len(), expected.len(), "{ring}");
        for told in verdicts {
            // Of an array, the place in it is told as well.
            let file = told["file"]
                .as_str()
                .unwrap()
                .split_once(".json")
                .unwrap()
                .0;
            let (verdict, name) = &expected[file];
            assert_eq!(told["verdict"], *verdict, "{name}");
        }
    }
}

#[test]
fn what_contradicts_is_found_in_the_order_of_the_vectors() {
    let vectors = vectors("histories.json");
    for case in cases(&vectors) {
        let folder = TempDir::new().unwrap();
        let checkpoints = case["checkpoints"].as_array().unwrap();
        if checkpoints.is_empty() {
            // The command line says that there is nothing to verify.
            continue;
        }
        let mut more = vec!["--format".to_owned(), "json".to_owned()];
        for (place, text) in checkpoints.iter().enumerate() {
            let file = format!("{place}.json");
            std::fs::write(folder.path().join(&file), text.as_str().unwrap()).unwrap();
            more.push(file);
        }
        let more: Vec<&str> = more.iter().map(String::as_str).collect();
        let keyring = &vectors["keyrings"][case["keyring"].as_str().unwrap()];
        let told: Value = serde_json::from_str(&verify(folder.path(), keyring, &more)).unwrap();
        let place = |member: &Value| {
            let file = member["source"].as_str().unwrap();
            file.trim_end_matches(".json").parse::<u64>().unwrap()
        };
        let found = ["faults", "notes"].map(|kind| told[kind].as_array().unwrap().clone());
        let found: Vec<Value> = found
            .into_iter()
            .flatten()
            .map(|finding| {
                let members = finding["checkpoints"].as_array().unwrap();
                let members: Vec<u64> = members.iter().map(place).collect();
                json!({ "finding": finding["finding"], "checkpoints": members })
            })
            .collect();
        let mut expected = case["findings"].clone();
        for finding in expected.as_array_mut().unwrap() {
            // It is in the sentence.
            finding.as_object_mut().unwrap().remove("days");
        }
        assert_eq!(Value::from(found), expected, "{}", case["name"]);
        assert_eq!(
            told["summary"]["copies"], case["copies"],
            "{}",
            case["name"]
        );
    }
}

#[test]
fn the_vectors_are_what_their_program_makes() {
    let made = Command::new("python3")
        .args([
            concat!(env!("CARGO_MANIFEST_DIR"), "/vectors/make.py"),
            "--check",
        ])
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
}
