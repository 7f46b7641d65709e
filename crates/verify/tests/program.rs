//! The program as an auditor runs it: what it says, and how it ends.
#![allow(clippy::unwrap_used, missing_docs)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn golden(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden");
    folder.join(name)
}

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_checkpoint-verify"))
        .args(arguments)
        .env_clear()
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn a_published_checkpoint_is_valid_by_its_keyring() {
    let (file, keys) = (golden("PS256.published.json"), golden("keyring.json"));
    let done = run(&[file.to_str().unwrap(), "--keys", keys.to_str().unwrap()]);
    assert_eq!(done.status.code(), Some(0), "{done:?}");
    assert!(text(&done.stdout).starts_with("VALID "), "{done:?}");
}

#[test]
fn one_that_was_changed_is_not_and_the_answer_is_no() {
    let folder = tempfile::tempdir().unwrap();
    let changed = std::fs::read_to_string(golden("PS256.published.json")).unwrap();
    let changed = changed.replacen("\"entry_count\":", "\"entry_count\":1", 1);
    let file = folder.path().join("changed.json");
    std::fs::write(&file, changed).unwrap();
    let keys = golden("keyring.json");
    let done = run(&[file.to_str().unwrap(), "--keys", keys.to_str().unwrap()]);
    assert_eq!(done.status.code(), Some(1), "{done:?}");
    assert!(
        text(&done.stdout).starts_with("INVALID_SIGNATURE "),
        "{done:?}"
    );
}

#[test]
fn what_cannot_be_checked_is_told_by_the_program_s_own_name() {
    let keys = golden("keyring.json");
    let done = run(&["no-such-file.json", "--keys", keys.to_str().unwrap()]);
    assert_eq!(done.status.code(), Some(2), "{done:?}");
    assert!(
        text(&done.stderr).starts_with("checkpoint-verify: not checked: "),
        "{done:?}"
    );
    // Nothing is verified without a keyring, nor is a flag ignored.
    assert_eq!(run(&["no-such-file.json"]).status.code(), Some(2));
    let head = golden("PS256.record-head.jws");
    let unused = [
        "x.json",
        "--record-head",
        head.to_str().unwrap(),
        "--keys",
        keys.to_str().unwrap(),
    ];
    let done = run(&unused);
    assert_eq!(done.status.code(), Some(2), "{done:?}");
    assert!(
        text(&done.stderr).contains("--record-head: would not be used"),
        "{done:?}"
    );
}

#[test]
fn an_answer_that_cannot_be_written_is_none() {
    let (file, keys) = (golden("PS256.published.json"), golden("keyring.json"));
    for format in ["text", "json", "ndjson", "html"] {
        let full = std::fs::File::create("/dev/full").unwrap();
        let done = Command::new(env!("CARGO_BIN_EXE_checkpoint-verify"))
            .args([&file, Path::new("--keys"), &keys])
            .args(["--format", format])
            .env_clear()
            .stdout(full)
            .output()
            .unwrap();
        assert_eq!(done.status.code(), Some(2), "{format}: {done:?}");
        let told = text(&done.stderr);
        assert!(
            told.starts_with("checkpoint-verify: standard output: "),
            "{format}: {told}"
        );
    }
}

#[test]
fn two_heads_show_by_themselves_whether_a_record_went_back() {
    let (head, keys) = (golden("PS256.record-head.jws"), golden("keyring.json"));
    let (head, keys) = (head.to_str().unwrap(), keys.to_str().unwrap());
    let done = run(&["consistency", "--from", head, "--to", head, "--keys", keys]);
    assert_eq!(done.status.code(), Some(0), "{done:?}");
    assert!(text(&done.stdout).starts_with("CONSISTENT "), "{done:?}");
}

#[test]
fn a_key_that_is_not_known_says_what_to_do_next() {
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keyring.json");
    std::fs::write(&keys, r#"{"keys":[]}"#).unwrap();
    let file = golden("PS256.published.json");
    let done = run(&[file.to_str().unwrap(), "--keys", keys.to_str().unwrap()]);
    assert_eq!(done.status.code(), Some(1), "{done:?}");
    let told = text(&done.stdout);
    let next = "next: get the newest keyring (/.well-known/jwks.json) and verify with it";
    assert!(
        told.starts_with("UNKNOWN_KEY ") && told.contains(next),
        "{told}"
    );
}

#[test]
fn the_name_of_a_format_as_a_flag_leads_to_the_flag() {
    for flag in ["--html", "--json", "--ndjson"] {
        let done = run(&["x.json", "--keys", "k.json", flag]);
        assert_eq!(done.status.code(), Some(2), "{done:?}");
        let told = text(&done.stderr);
        assert!(
            told.contains("--format html") && !told.contains("-- --"),
            "{told}"
        );
    }
}
