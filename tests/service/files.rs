//! `files`: what a container beside the service writes for it.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::authority::Authority;
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

const ROLES: &str = "[clients.\"URI:spiffe://amply.example/ledger\"]\nroles = [\"signer\"]\n";

/// A server's certificate with its key, and the authority of both sides.
fn issued(years: (i32, i32)) -> (String, String, String) {
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new("of all"));
    let server = authority.issue_between(folder.path(), "server", "localhost", years);
    let text = |path: &Path| std::fs::read_to_string(path).unwrap();
    let ca = authority.pem().to_owned();
    (text(&server.certificate), text(&server.key), ca)
}

fn secret() -> Value {
    let (certificate, key, ca) = issued((2020, 2099));
    json!({
        "certificate": certificate, "key": key, "client_ca": ca, "roles": ROLES, "database_ca": ca, "health_key": "PRIVATE TOO",
    })
}

#[test]
fn each_member_becomes_a_file_that_is_its_owners_alone() {
    let folder = tempfile::tempdir().unwrap();
    // One that is there is replaced.
    std::fs::write(folder.path().join("tls.key"), "of before").unwrap();
    let secret = secret();
    let (code, shown) = run(files(folder.path(), Some(&secret.to_string())));
    assert_eq!(code, Some(0), "{shown}");
    assert!(shown.contains("5 files: tls.pem, tls.key"), "{shown}");
    assert!(!shown.contains("warning"), "{shown}");
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
        ("client-ca.pem", "client_ca"),
        ("database-ca.pem", "database_ca"),
        ("roles.toml", "roles"),
        ("tls.key", "key"),
        ("tls.pem", "certificate"),
    ];
    let text = |name: &str| secret[name].as_str().unwrap().to_owned();
    let expected = expected.map(|(file, name)| (file.to_owned(), text(name)));
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
    let wrong = json!({ "key": "secret word", "client_ca": "", "roles": 7 });
    for (secret, expected) in [
        (None, vec!["FILES_SECRET: is missing"]),
        (Some("secret word".into()), vec!["is no JSON, by line 1"]),
        (
            Some("[\"secret word\"]".into()),
            vec!["is JSON, and no object"],
        ),
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
        assert!(!shown.contains("secret word"), "{shown}");
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

#[test]
fn what_serve_would_refuse_is_refused_before_a_file_is_replaced() {
    let (good, (_, other_key, _)) = (secret(), issued((2020, 2099)));
    let (_, ec, _) = issued((2020, 2099));
    let half = ec.lines().take(2).collect::<Vec<_>>().join("\n");
    for (name, text, expected) in [
        (
            "certificate",
            "no certificate",
            "certificate: has no certificate",
        ),
        (
            "certificate",
            &*other_key,
            "certificate: has no certificate",
        ),
        ("key", "secret word", "key: is not a private key in PEM"),
        ("key", &half, "key: is not a private key in PEM"),
        (
            "key",
            &other_key,
            "key: cannot be used with the certificate",
        ),
        ("client_ca", "of clients", "client_ca: has no certificate"),
        ("roles", "# nobody yet\n", "roles: clients: has 0 entries"),
        ("roles", "[clients]\n", "roles: clients: has 0 entries"),
        ("roles", "clients = 7", "roles: line 1"),
        (
            "roles",
            "[clients.\"URI:a\"]\nroles = [\"king\"]\n",
            "roles: line 2",
        ),
        (
            "database_ca",
            "of the database",
            "database_ca: has no certificate",
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("tls.key"), "of before").unwrap();
        let mut wrong = good.clone();
        wrong[name] = text.into();
        let (code, shown) = run(files(folder.path(), Some(&wrong.to_string())));
        assert_eq!(code, Some(2), "{name}: {shown}");
        assert!(
            shown.contains(&format!("FILES_SECRET: {expected}")),
            "{expected}: {shown}"
        );
        let private = text.lines().find(|line| line.starts_with("MI"));
        assert!(private.is_none_or(|line| !shown.contains(line)), "{shown}");
        let before = std::fs::read_to_string(folder.path().join("tls.key")).unwrap();
        assert_eq!(before, "of before");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}

#[test]
fn a_member_that_stands_there_twice_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let text = secret().to_string();
    let twice = format!("{}, \"roles\": \"\"}}", text.trim_end_matches('}'));
    let (code, shown) = run(files(folder.path(), Some(&twice)));
    assert_eq!(code, Some(2), "{shown}");
    assert!(
        shown.contains("FILES_SECRET: roles: stands there twice"),
        "{shown}"
    );
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// A task that cannot start helps nobody: what has ended is told, and written.
#[test]
fn what_is_not_valid_now_is_a_warning() {
    for (years, word) in [
        ((2020, 2021), "has ended"),
        ((2098, 2099), "is not valid yet"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key, _) = issued(years);
        let mut secret = secret();
        (secret["certificate"], secret["key"]) = (certificate.into(), key.into());
        let (code, shown) = run(files(folder.path(), Some(&secret.to_string())));
        assert_eq!(code, Some(0), "{shown}");
        let warning = format!("warning: FILES_SECRET: certificate: CN=server {word}");
        assert!(shown.contains(&warning), "{shown}");
    }
}

#[test]
fn a_folder_in_a_files_place_is_seen_before_one_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("tls.pem"), "of before").unwrap();
    // The last of them.
    std::fs::create_dir(at("database-ca.pem")).unwrap();
    let (code, shown) = run(files(folder.path(), Some(&secret().to_string())));
    assert_eq!(code, Some(2), "{shown}");
    assert!(shown.contains("database-ca.pem: is a folder"), "{shown}");
    assert_eq!(std::fs::read_to_string(at("tls.pem")).unwrap(), "of before");
    let found = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(found, 2, "nothing else was left");
}

#[test]
fn what_a_run_that_was_killed_has_left_goes_with_the_next_one() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(".new-Ab12Cd"), "a private key").unwrap();
    let (code, shown) = run(files(folder.path(), Some(&secret().to_string())));
    assert_eq!(code, Some(0), "{shown}");
    assert!(!folder.path().join(".new-Ab12Cd").exists());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 5);
}
