//! The forms in which published checkpoints come: on several lines, in a list of the service, in an array.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");

fn golden(name: &str) -> String {
    let text = std::fs::read_to_string(Path::new(GOLDEN).join(name)).unwrap();
    text.trim_end().to_owned()
}

/// The exit code, the verdicts, and all that was printed.
fn verify(name: &str, text: &str) -> (i32, Vec<String>, String) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(name), text).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_checkpoint-signer"))
        .args(["verify", name, "--format", "ndjson", "--keys"])
        .arg(Path::new(GOLDEN).join("keyring.json"))
        .current_dir(folder.path())
        .output()
        .unwrap();
    let shown = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    let lines = shown
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let verdicts = lines.filter_map(|line| Some(line["verdict"].as_str()?.to_owned()));
    (output.status.code().unwrap(), verdicts.collect(), shown)
}

#[test]
fn a_checkpoint_may_stand_on_several_lines_wherever_they_break() {
    let published = golden("PS256.published.json");
    let value: Value = serde_json::from_str(&published).unwrap();
    let pretty = serde_json::to_string_pretty(&value).unwrap();
    let broken = published.replace('{', "\n{");
    for text in [pretty, broken, published.replace(",\"", ",\n\"")] {
        let (code, verdicts, shown) = verify("one.json", &text);
        assert_eq!(code, 0, "{text}\n{shown}");
        assert_eq!(verdicts, ["VALID"], "{text}\n{shown}");
    }
}

#[test]
fn a_list_of_the_service_and_an_array_are_their_checkpoints() {
    let both = ["PS256", "RS256"].map(|name| golden(&format!("{name}.published.json")));
    let [first, second] = &both;
    let forged = second.replacen("chk_", "chk-", 1);
    for (text, code, expected) in [
        (
            format!("{{\"checkpoints\":[{first},{second}]}}"),
            0,
            ["VALID", "VALID"],
        ),
        (
            format!("{{\"checkpoints\":[{first},\n{forged}],\"next_page\":\"2\"}}"),
            1,
            ["VALID", "INVALID_SIGNATURE"],
        ),
        (format!("[{first},{second}]\n"), 0, ["VALID", "VALID"]),
        (
            format!("[\n{first},\n{forged}\n]"),
            1,
            ["VALID", "INVALID_SIGNATURE"],
        ),
    ] {
        let (found, verdicts, shown) = verify("list.json", &text);
        assert_eq!(found, code, "{shown}");
        assert_eq!(verdicts, expected, "{shown}");
    }
    // A list of none is nothing that was checked, and what has another member is no list.
    assert_eq!(verify("list.json", "{\"checkpoints\":[]}").0, 2);
    let hidden = json!({ "checkpoints": [], "signature": "x" }).to_string();
    let (code, verdicts, _) = verify("list.json", &hidden);
    assert_eq!((code, verdicts), (1, vec!["MALFORMED".to_owned()]));
}
