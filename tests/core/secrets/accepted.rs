//! Secrets that are taken, and what is read from them.

use checkpoint::key::{Algorithm, PublicKey, instant_text};
use checkpoint::signing::KeySecret;

use crate::support::document::Document;
use crate::support::openssl;
use crate::support::secret::secret;

const NAME: &str = "amply/checkpoint-signing-key";

fn good() -> Document {
    secret(&openssl::file("rsa-2048.pkcs1.pem"))
}

#[test]
fn keys_of_2048_3072_and_4096_bits_are_taken_in_both_formats() {
    for bits in [2048, 3072, 4096] {
        let keys = ["pkcs1", "pkcs8"].map(|format| {
            let pem = openssl::file(&format!("rsa-{bits}.{format}.pem"));
            secret(&pem).version().public_key
        });
        assert_eq!(keys[0].bits(), bits);
        assert_eq!(keys[0], keys[1]);
    }
}

#[test]
fn the_public_half_is_the_one_that_openssl_finds() {
    let pem = openssl::file("rsa-2048.spki.pem");
    assert_eq!(
        good().version().public_key,
        PublicKey::from_pem(&pem).unwrap()
    );
    assert_eq!(good().version().public_key.to_pem(), pem);
}

#[test]
fn a_larger_public_exponent_than_usual_is_taken() {
    let version = secret(&openssl::file("rsa-2048-e65539.pkcs8.pem")).version();
    assert_eq!(version.public_key.exponent(), "AQAD");
}

#[test]
fn pem_may_have_other_line_ends_and_white_space_around() {
    let pem = openssl::file("rsa-2048.pkcs1.pem");
    for text in [
        pem.replace('\n', "\r\n"),
        format!("\n  {pem}\n\n"),
        pem.trim().into(),
    ] {
        assert_eq!(secret(&text).version(), good().version());
    }
}

#[test]
fn every_escape_of_json_is_understood_in_the_pem() {
    let pem = openssl::file("rsa-2048.pkcs1.pem");
    let raw = pem
        .replace('\n', "\\u000a")
        .replace('/', "\\/")
        .replace('-', "\\u002D");
    let version = good().with("private_key", format!("\"{raw}\"")).version();
    assert_eq!(version, good().version());
}

#[test]
fn the_algorithm_is_ps256_where_none_is_named() {
    assert_eq!(good().version().algorithm, Algorithm::Ps256);
    for (raw, algorithm) in [
        ("\"PS256\"", Algorithm::Ps256),
        ("\"RS256\"", Algorithm::Rs256),
    ] {
        assert_eq!(good().with("algorithm", raw).version().algorithm, algorithm);
    }
}

#[test]
fn dates_and_instants_with_offsets_are_the_same_window() {
    let expected = good().version().window;
    assert_eq!(instant_text(expected.from()), "2025-01-01T00:00:00Z");
    assert_eq!(instant_text(expected.until()), "2026-01-01T00:00:00Z");
    for (from, until) in [
        ("2025-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
        ("2025-01-01T01:00:00+01:00", "2025-12-31T19:00:00-05:00"),
        ("2025-01-01T00:00:00.000Z", "2026-01-01"),
    ] {
        let document = good()
            .with("valid_from", format!("{from:?}"))
            .with("valid_until", format!("{until:?}"));
        assert_eq!(document.version().window, expected, "{from} {until}");
    }
}

#[test]
fn a_window_of_one_second_is_taken() {
    let document = good().with("valid_until", "\"2025-01-01T00:00:01Z\"");
    assert_eq!(
        instant_text(document.version().window.until()),
        "2025-01-01T00:00:01Z"
    );
}

#[test]
fn the_documentation_form_is_read_under_the_name_asked_for() {
    let text = format!(r#"{{"name": "{NAME}", "value": {}}}"#, good().text());
    let secret = KeySecret::parse(&text, Some(NAME)).ok().unwrap();
    assert_eq!(secret.version(), &good().version());
}

#[test]
fn the_documentation_form_has_any_name_where_none_is_asked_for() {
    let text = format!(
        r#"{{"name": "something else", "value": {}}}"#,
        good().text()
    );
    assert!(KeySecret::parse(&text, None).is_ok());
}

#[test]
fn the_plain_form_has_no_name_to_compare() {
    assert!(KeySecret::parse(&good().text(), Some(NAME)).is_ok());
}

#[test]
fn unknown_members_are_ignored_and_named() {
    let text = good()
        .with("owner", "\"team\"")
        .with("rotation", r#"{"days": 365}"#)
        .text();
    let secret = KeySecret::parse(&text, None).ok().unwrap();
    assert_eq!(secret.unknown_members(), ["\"owner\"", "\"rotation\""]);
}

#[test]
fn a_generated_secret_is_read_back_as_the_same_version() {
    let (expected, algorithm) = (good().version(), Algorithm::Rs256);
    let key_id = "generated".parse().unwrap();
    let generated = KeySecret::generate(key_id, expected.window, algorithm, 2048, None);
    let (text, secret) = generated.ok().unwrap();
    let again = KeySecret::parse(&text, None).ok().unwrap();
    assert_eq!(again.version(), secret.version());
    assert!(again.unknown_members().is_empty());
}

#[test]
fn a_key_outside_of_the_bounds_is_not_generated() {
    let window = good().version().window;
    for bits in [0, 1024, 2047, 8193, usize::MAX] {
        let key_id = "generated".parse().unwrap();
        let result = KeySecret::generate(key_id, window, Algorithm::Ps256, bits, None);
        assert!(result.is_err(), "{bits}");
    }
}
