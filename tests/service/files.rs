//! `files`: what a container beside the service writes for it.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::starter::binary;

fn files(to: &Path, secret: Option<&str>) -> Command {
    let mut command = binary();
    command.arg("files").arg("--to").arg(to);
    if let Some(secret) = secret {
        command.env("FILES_SECRET", secret);
    }
    command
}

/// Exit code, and all that was shown.
fn run(mut command: Command) -> (Option<i32>, String) {
    let output = command.output().unwrap();
    let shown = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(!shown.contains("panicked"), "{shown}");
    (output.status.code(), shown)
}

fn secret() -> Value {
    json!({
        "certificate": "of the server\n", "key": "PRIVATE", "client_ca": "of clients", "roles": "[clients]",
        "database_ca": "of the database", "health_key": "PRIVATE TOO",
    })
}

#[test]
fn each_member_becomes_a_file_that_is_its_owners_alone() {
    let folder = tempfile::tempdir().unwrap();
    // One that is there is replaced.
    std::fs::write(folder.path().join("tls.key"), "of before").unwrap();
    let (code, shown) = run(files(folder.path(), Some(&secret().to_string())));
    assert_eq!(code, Some(0), "{shown}");
    assert!(shown.contains("5 files: tls.pem, tls.key"), "{shown}");
    assert!(
        shown.contains("not used of the secret: health_key"),
        "{shown}"
    );
    assert!(!shown.contains("PRIVATE"), "{shown}");
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let path = entry.unwrap().path();
        let mode = path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", path.display());
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        found.push((name, std::fs::read_to_string(path).unwrap()));
    }
    found.sort();
    let expected = [
        ("client-ca.pem", "of clients"),
        ("database-ca.pem", "of the database"),
        ("roles.toml", "[clients]"),
        ("tls.key", "PRIVATE"),
        ("tls.pem", "of the server\n"),
    ];
    let expected = expected.map(|(name, text)| (name.to_owned(), text.to_owned()));
    assert_eq!(found, expected);
}

#[test]
fn the_databases_authority_may_be_left_out_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let mut few = secret();
    few.as_object_mut().unwrap().remove("database_ca");
    let (code, shown) = run(files(folder.path(), Some(&few.to_string())));
    assert_eq!(code, Some(0), "{shown}");
    assert!(!folder.path().join("database-ca.pem").exists());
}

#[test]
fn what_is_wrong_is_named_and_nothing_of_the_secret_is_shown_or_written() {
    let wrong = json!({ "key": "PRIVATE", "client_ca": "", "roles": 7 });
    for (secret, expected) in [
        (None, vec!["FILES_SECRET: is missing"]),
        (Some("PRIVATE".into()), vec!["is no JSON, by line 1"]),
        (Some("[\"PRIVATE\"]".into()), vec!["is JSON, and no object"]),
        (Some("x".repeat(70_000)), vec!["has more than 65536 bytes"]),
        (
            Some(wrong.to_string()),
            vec![
                "certificate: is missing",
                "client_ca: is empty",
                "roles: is no text",
            ],
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let (code, shown) = run(files(folder.path(), secret.as_deref()));
        assert_eq!(code, Some(2), "{shown}");
        for expected in expected {
            assert!(shown.contains(expected), "{expected}: {shown}");
        }
        assert!(!shown.contains("PRIVATE"), "{shown}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing");
    let (code, shown) = run(files(&missing, Some(&secret().to_string())));
    assert_eq!(code, Some(2), "{shown}");
    assert!(
        shown.contains("--to: ") && shown.contains("belongs to the user"),
        "{shown}"
    );
}
