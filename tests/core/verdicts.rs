//! Each verdict, reached by a checkpoint that was made for it.

use checkpoint::jws::SignedCheckpoint;
use checkpoint::key::{KeyVersion, StagingLabel, parse_instant};
use checkpoint::keyring::{Keyring, Revocation};
use checkpoint::signing::KeySecret;
use checkpoint::verdict::{Verdict, VerdictKind, verify_published};
use chrono::{DateTime, TimeDelta, Utc};

use crate::support::checkpoint::checkpoint;
use crate::support::document::Document;
use crate::support::openssl;
use crate::support::secret::secret;

const FROM: &str = "2025-01-01T00:00:00Z";
const UNTIL: &str = "2026-01-01T00:00:00Z";
const INSIDE: &str = "2025-06-01T12:00:00Z";

fn at(text: &str) -> DateTime<Utc> {
    parse_instant(text).unwrap()
}

/// The key with the window of the contract's example: [`FROM`] to [`UNTIL`].
fn key() -> Document {
    secret(&openssl::file("rsa-2048.pkcs1.pem"))
}

fn keyring_of(version: KeyVersion) -> Keyring {
    let mut keyring = Keyring::default();
    keyring.insert(version).unwrap();
    keyring
}

fn keyring() -> Keyring {
    keyring_of(key().version())
}

/// The published checkpoint, signed at `iat` by a key that nobody keeps to its window.
fn signed_at_any_time(key: Document, iat: DateTime<Utc>) -> String {
    let key = key
        .with("valid_from", "\"1970-01-01\"")
        .with("valid_until", "\"9999-12-31\"");
    let key = KeySecret::parse(&key.text(), None)
        .ok()
        .unwrap()
        .into_signing_key();
    let checkpoint = checkpoint().read().unwrap();
    let jws = key
        .open_at(iat)
        .ok()
        .unwrap()
        .sign(checkpoint.payload())
        .unwrap();
    SignedCheckpoint { checkpoint, jws }.published_json()
}

fn signed_at(iat: &str) -> String {
    signed_at_any_time(key(), at(iat))
}

fn verdict(keyring: &Keyring, published: &str) -> Verdict {
    verify_published(keyring, published.as_bytes()).0
}

fn kind(keyring: &Keyring, published: &str) -> VerdictKind {
    verdict(keyring, published).kind
}

fn revoked_from(distrust_after: DateTime<Utc>) -> Keyring {
    let mut keyring = keyring();
    let revocation = Revocation {
        distrust_after,
        reason: "the key was leaked".into(),
        revoked_at: at("2025-12-01"),
    };
    keyring.revoke(&key().version().key_id, revocation);
    keyring
}

#[test]
fn a_signature_inside_of_the_window_is_valid() {
    let verdict = verdict(&keyring(), &signed_at(INSIDE));
    assert_eq!(verdict.kind, VerdictKind::Valid);
    assert_eq!(verdict.key_id, Some(key().version().key_id));
    assert_eq!(verdict.signed_at, Some(at(INSIDE)));
    assert!(
        verdict.explanation.contains("amply-checkpoint-key-2025"),
        "{}",
        verdict.explanation
    );
}

#[test]
fn the_window_is_half_open() {
    use VerdictKind::{OutsideValidity, Valid};
    for (iat, expected) in [
        ("1970-01-01T00:00:00Z", OutsideValidity),
        ("2024-12-31T23:59:59Z", OutsideValidity),
        (FROM, Valid),
        ("2025-12-31T23:59:59Z", Valid),
        (UNTIL, OutsideValidity),
        ("2026-01-01T00:00:01Z", OutsideValidity),
        ("9999-12-30T00:00:00Z", OutsideValidity),
    ] {
        assert_eq!(kind(&keyring(), &signed_at(iat)), expected, "{iat}");
    }
}

#[test]
fn an_expired_key_still_verifies_what_it_signed() {
    // No verdict asks for the time now, and this window ended in 1971.
    let old = key()
        .with("valid_from", "\"1970-01-01\"")
        .with("valid_until", "\"1971-01-01\"");
    let keyring = keyring_of(old.version());
    assert_eq!(kind(&keyring, &signed_at("1970-06-01")), VerdictKind::Valid);
}

#[test]
fn a_revocation_holds_from_its_instant_on() {
    use VerdictKind::{KeyRevoked, Valid};
    let keyring = revoked_from(at(INSIDE));
    for (iat, expected) in [
        (FROM, Valid),
        ("2025-06-01T11:59:59Z", Valid),
        (INSIDE, KeyRevoked),
        ("2025-06-01T12:00:01Z", KeyRevoked),
        ("2025-12-31T23:59:59Z", KeyRevoked),
    ] {
        assert_eq!(kind(&keyring, &signed_at(iat)), expected, "{iat}");
    }
}

#[test]
fn a_revocation_inside_of_a_second_holds_for_that_second() {
    // An iat has whole seconds: what was signed at .9 says .0, and may be from after the revocation.
    let keyring = revoked_from(at(INSIDE) + TimeDelta::milliseconds(500));
    assert_eq!(kind(&keyring, &signed_at(INSIDE)), VerdictKind::KeyRevoked);
}

#[test]
fn a_revocation_is_the_same_in_an_exported_keyring() {
    for distrust_after in [at(INSIDE), at(INSIDE) + TimeDelta::milliseconds(500)] {
        let keyring = revoked_from(distrust_after);
        let exported = Keyring::from_jwks(keyring.to_jwks().as_bytes()).unwrap();
        for iat in ["2025-06-01T11:59:59Z", INSIDE, "2025-06-01T12:00:01Z"] {
            let published = signed_at(iat);
            assert_eq!(
                verdict(&keyring, &published),
                verdict(&exported, &published),
                "{iat}"
            );
        }
    }
}

#[test]
fn a_revocation_gives_its_reason() {
    let verdict = verdict(&revoked_from(at(FROM)), &signed_at(INSIDE));
    assert_eq!(verdict.kind, VerdictKind::KeyRevoked);
    assert!(
        verdict.explanation.contains("the key was leaked"),
        "{}",
        verdict.explanation
    );
    assert!(
        verdict.explanation.contains(FROM),
        "{}",
        verdict.explanation
    );
}

#[test]
fn an_earlier_revocation_replaces_a_later_one_and_nothing_takes_it_back() {
    let (early, late) = (at("2025-03-01"), at("2025-09-01"));
    for (first, second) in [(early, late), (late, early)] {
        let mut keyring = revoked_from(first);
        let revocation = Revocation {
            distrust_after: second,
            reason: String::new(),
            revoked_at: second,
        };
        keyring.revoke(&key().version().key_id, revocation);
        assert_eq!(kind(&keyring, &signed_at(INSIDE)), VerdictKind::KeyRevoked);
    }
}

#[test]
fn a_key_that_is_not_in_the_keyring_is_unknown() {
    for keyring in [
        Keyring::default(),
        keyring_of(
            key()
                .with("key_id", "\"amply-checkpoint-key-2024\"")
                .version(),
        ),
        keyring_of(
            key()
                .with("key_id", "\"AMPLY-checkpoint-key-2025\"")
                .version(),
        ),
    ] {
        let verdict = verdict(&keyring, &signed_at(INSIDE));
        assert_eq!(verdict.kind, VerdictKind::UnknownKey);
        assert_eq!(verdict.signed_at, Some(at(INSIDE)));
    }
}

#[test]
fn a_key_that_is_only_staged_is_unknown() {
    let mut keyring = keyring();
    keyring.set_stages(&key().version().key_id, vec![StagingLabel::Pending]);
    assert_eq!(kind(&keyring, &signed_at(INSIDE)), VerdictKind::UnknownKey);
}

#[test]
fn a_key_that_was_ever_trusted_verifies_under_any_labels() {
    use StagingLabel::{Current, Custom, Pending, Previous};
    for stages in [
        vec![],
        vec![Current],
        vec![Previous],
        vec![Current, Pending],
        vec![Custom("blue".into())],
    ] {
        let mut keyring = keyring();
        keyring.set_stages(&key().version().key_id, stages.clone());
        assert_eq!(
            kind(&keyring, &signed_at(INSIDE)),
            VerdictKind::Valid,
            "{stages:?}"
        );
    }
}

#[test]
fn a_key_on_record_stays_known_to_a_replica_that_has_only_seen_it_staged() {
    let mut seen = Keyring::default();
    let staged = vec![StagingLabel::Pending];
    seen.label(key().version(), staged).unwrap();
    assert_eq!(kind(&seen, &signed_at(INSIDE)), VerdictKind::UnknownKey);
    let mut recorded = keyring();
    assert!(recorded.adopt(seen.entries()[0]));
    assert_eq!(kind(&recorded, &signed_at(INSIDE)), VerdictKind::Valid);
}

#[test]
fn a_signature_with_the_other_algorithm_is_a_mismatch() {
    for (own, other) in [("\"PS256\"", "\"RS256\""), ("\"RS256\"", "\"PS256\"")] {
        let keyring = keyring_of(key().with("algorithm", own).version());
        let published = signed_at_any_time(key().with("algorithm", other), at(INSIDE));
        assert_eq!(
            kind(&keyring, &published),
            VerdictKind::AlgorithmMismatch,
            "{own}"
        );
    }
}

#[test]
fn a_signature_by_another_key_under_this_name_is_invalid() {
    let thief = secret(&openssl::file("rsa-2048-other.pkcs1.pem"));
    let published = signed_at_any_time(thief, at(INSIDE));
    assert_eq!(kind(&keyring(), &published), VerdictKind::InvalidSignature);
}

#[test]
fn a_changed_member_makes_the_signature_invalid() {
    let published = signed_at(INSIDE);
    for (is, was) in [
        ("\"chk_2025-01-16\"", "\"chk_2025-01-15\""),
        ("\"org_xyz788\"", "\"org_xyz789\""),
        ("2025-01-15T23:59:58Z", "2025-01-15T23:59:59Z"),
        ("sha256:9f86d081", "sha256:9f86d082"),
        ("15842", "15843"),
        ("284729340", "-284729340"),
        (
            "\"organization_summaries\":[]",
            "\"organization_summaries\":[{}]",
        ),
        (
            "{\"checkpoint_id\"",
            "{\"additional\":null,\"checkpoint_id\"",
        ),
    ] {
        let (from, to) = if published.contains(is) {
            (is, was)
        } else {
            (was, is)
        };
        let changed = published.replacen(from, to, 1);
        assert_ne!(changed, published);
        assert_eq!(
            kind(&keyring(), &changed),
            VerdictKind::InvalidSignature,
            "{to}"
        );
    }
}

#[test]
fn a_signature_outside_of_the_window_over_changed_content_is_called_invalid() {
    let changed = signed_at(UNTIL).replace("15842", "15843");
    assert_eq!(kind(&keyring(), &changed), VerdictKind::InvalidSignature);
}

#[test]
fn another_notation_of_the_same_checkpoint_is_valid() {
    let published = signed_at(INSIDE);
    let value: serde_json::Value = serde_json::from_str(&published).unwrap();
    let pretty = serde_json::to_string_pretty(&value).unwrap();
    for text in [
        pretty,
        published.replace("15842", "1.5842e4"),
        published.replace("org", "\\u006frg"),
    ] {
        assert_eq!(kind(&keyring(), &text), VerdictKind::Valid, "{text}");
    }
}

#[test]
fn what_is_no_signed_checkpoint_is_malformed() {
    let published = signed_at(INSIDE);
    for text in [
        String::new(),
        "[]".into(),
        checkpoint().text(),
        checkpoint().with("signature", "null").text(),
        checkpoint().with("signature", "\"\"").text(),
        checkpoint().with("signature", "\"a..b\"").text(),
        published.replace("..", "."),
        published.replace("..", ".eyJ9."),
        published.replace("\"ledger_id\"", "\"ledger\""),
        published.replace("15842", "-1"),
    ] {
        let (verdict, checkpoint) = verify_published(&keyring(), text.as_bytes());
        assert_eq!(verdict.kind, VerdictKind::Malformed, "{text}");
        assert_eq!((verdict.key_id, verdict.signed_at), (None, None));
        assert!(checkpoint.is_none());
    }
}

#[test]
fn verdicts_have_the_names_of_the_contract() {
    use VerdictKind as V;
    for (kind, name) in [
        (V::Valid, "VALID"),
        (V::InvalidSignature, "INVALID_SIGNATURE"),
        (V::UnknownKey, "UNKNOWN_KEY"),
        (V::OutsideValidity, "OUTSIDE_VALIDITY"),
        (V::KeyRevoked, "KEY_REVOKED"),
        (V::AlgorithmMismatch, "ALGORITHM_MISMATCH"),
        (V::Malformed, "MALFORMED"),
    ] {
        assert_eq!(kind.to_string(), name);
    }
}
