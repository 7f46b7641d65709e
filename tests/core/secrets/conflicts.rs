//! Secrets that are right by themselves, and contradict what the keyring remembers for ever.

use checkpoint::key::KeyVersion;
use checkpoint::keyring::{KeyConflict, Keyring};

use crate::support::document::Document;
use crate::support::openssl;
use crate::support::secret::secret;

fn known() -> Document {
    secret(&openssl::file("rsa-2048.pkcs1.pem"))
}

fn keyring() -> Keyring {
    let mut keyring = Keyring::default();
    keyring.insert(known().version()).unwrap();
    keyring
}

/// The conflict of a version with the known one. What was known must stay in force.
fn conflict(version: KeyVersion) -> KeyConflict {
    let mut keyring = keyring();
    let conflict = keyring.insert(version).unwrap_err();
    assert_eq!(keyring, self::keyring());
    conflict
}

fn other_key() -> String {
    serde_json::json!(openssl::file("rsa-2048-other.pkcs1.pem")).to_string()
}

#[test]
fn the_same_version_again_is_no_conflict() {
    let mut keyring = keyring();
    keyring.insert(known().version()).unwrap();
    assert_eq!(keyring, self::keyring());
}

#[test]
fn a_reused_key_id_with_another_key_is_refused() {
    let conflict = conflict(known().with("private_key", other_key()).version());
    assert!(matches!(conflict, KeyConflict::OtherKey(_)));
    assert!(
        conflict
            .to_string()
            .starts_with("key_id: amply-checkpoint-key-2025")
    );
}

#[test]
fn a_changed_window_is_refused() {
    for (member, raw) in [
        ("valid_from", "\"2024-12-31T23:59:59Z\""),
        ("valid_from", "\"2025-01-02\""),
        ("valid_until", "\"2026-01-01T00:00:01Z\""),
        ("valid_until", "\"2025-12-31\""),
    ] {
        let conflict = conflict(known().with(member, raw).version());
        assert!(matches!(conflict, KeyConflict::OtherWindow { .. }), "{raw}");
        let text = conflict.to_string();
        assert!(text.starts_with("valid_from, valid_until:"), "{text}");
        assert!(
            text.contains("2025-01-01T00:00:00Z <= t < 2026-01-01T00:00:00Z"),
            "{text}"
        );
    }
}

#[test]
fn a_changed_algorithm_is_refused() {
    let conflict = conflict(known().with("algorithm", "\"RS256\"").version());
    assert!(matches!(conflict, KeyConflict::OtherAlgorithm(_)));
    assert!(conflict.to_string().starts_with("algorithm:"));
}

#[test]
fn the_same_key_under_another_name_is_refused() {
    let conflict = conflict(known().with("key_id", "\"key-2\"").version());
    assert!(matches!(conflict, KeyConflict::SameKey(_)));
    assert!(
        conflict
            .to_string()
            .starts_with("private_key: is the key of amply-checkpoint-key-2025")
    );
}

#[test]
fn the_same_key_in_another_format_is_the_same_key() {
    let pem = openssl::file("rsa-2048.pkcs8.pem");
    assert_eq!(keyring().check(&secret(&pem).version()), Ok(()));
}

#[test]
fn a_new_key_under_a_new_name_is_added() {
    let mut keyring = keyring();
    let version = known()
        .with("private_key", other_key())
        .with("key_id", "\"key-2\"")
        .version();
    keyring.insert(version).unwrap();
    assert_eq!(keyring.entries().len(), 2);
}

#[test]
fn a_check_adds_nothing() {
    let keyring = keyring();
    let version = known()
        .with("private_key", other_key())
        .with("key_id", "\"key-2\"")
        .version();
    assert_eq!(keyring.check(&version), Ok(()));
    assert_eq!(keyring, self::keyring());
}
