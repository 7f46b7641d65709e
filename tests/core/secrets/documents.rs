//! Documents that are refused for something else than their key.

use checkpoint::signing::{KeySecret, MAX_SECRET_BYTES};

use crate::support::document::Document;
use crate::support::openssl;
use crate::support::secret::{assert_refused, assert_silent, error, secret};

fn good() -> Document {
    secret(&openssl::file("rsa-2048.pkcs1.pem"))
}

#[test]
fn what_is_no_json_object_is_refused() {
    let document = good().text();
    let pem = openssl::file("rsa-2048.pkcs1.pem");
    for text in [
        String::new(),
        "null".into(),
        "17".into(),
        format!("[{document}]"),
        format!("{document} x"),
        format!("{document}{document}"),
        document[..document.len() - 1].into(),
        document.replace('"', "'"),
        pem,
    ] {
        assert_refused(&text, "secret", "is not the JSON that is expected");
    }
}

#[test]
fn a_json_string_of_pem_is_refused_without_repeating_it() {
    let pem = serde_json::json!(openssl::file("rsa-2048.pkcs1.pem")).to_string();
    assert_refused(&pem, "secret", "expected an object with private_key");
}

#[test]
fn a_missing_member_is_named() {
    for member in ["private_key", "key_id", "valid_from", "valid_until"] {
        assert_refused(&good().without(member).text(), member, "is missing");
    }
}

#[test]
fn a_member_of_another_type_is_named() {
    let document = good().text();
    for member in [
        "private_key",
        "key_id",
        "valid_from",
        "valid_until",
        "algorithm",
    ] {
        for raw in [
            "null",
            "1735689600",
            "true",
            "[]",
            r#"["2025-01-01"]"#,
            r#"{"value": "x"}"#,
        ] {
            assert_refused(&good().with(member, raw).text(), member, "string");
        }
    }
    assert!(KeySecret::parse(&document, None).is_ok());
}

#[test]
fn a_key_as_an_array_of_lines_is_refused() {
    let pem = openssl::file("rsa-2048.pkcs1.pem");
    let lines: Vec<&str> = pem.lines().collect();
    let raw = serde_json::to_string(&lines).unwrap();
    assert_refused(
        &good().with("private_key", raw).text(),
        "private_key",
        "expected PEM",
    );
}

#[test]
fn a_member_that_stands_twice_is_refused() {
    let pem = serde_json::json!(openssl::file("rsa-2048-other.pkcs1.pem")).to_string();
    for (member, raw) in [
        ("private_key", pem.as_str()),
        ("key_id", "\"amply-checkpoint-key-2026\""),
        ("valid_until", "\"2026-01-01\""),
        ("algorithm", "\"RS256\""),
    ] {
        let text = good()
            .with("algorithm", "\"PS256\"")
            .and(member, raw)
            .text();
        assert_refused(&text, "secret", &format!("{member:?} stands there twice"));
    }
}

#[test]
fn a_secret_larger_than_the_store_allows_is_refused() {
    let padded = |bytes: usize| {
        let text = good().text();
        format!("{text}{}", " ".repeat(bytes - text.len()))
    };
    assert_refused(&padded(MAX_SECRET_BYTES + 1), "secret", "has 65537 bytes");
    assert!(KeySecret::parse(&padded(MAX_SECRET_BYTES), None).is_ok());
}

#[test]
fn a_key_id_has_the_form_of_an_identifier() {
    let long = "k".repeat(200);
    for (id, found) in [
        ("", "is empty"),
        ("key 2025", "expected letters, digits"),
        ("key/2025", "expected letters, digits"),
        ("-key", "expected letters, digits"),
        ("schl\u{fc}ssel", "expected letters, digits"),
        (long.as_str(), "expected one short line"),
    ] {
        let raw = serde_json::json!(id).to_string();
        assert_refused(&good().with("key_id", raw).text(), "key_id", found);
    }
}

#[test]
fn dates_that_are_none_are_refused_by_name() {
    for member in ["valid_from", "valid_until"] {
        for date in [
            "",
            "2025",
            "2025-02-29",
            "2025-13-01",
            "2025-1-1",
            "01.01.2025",
            "next year",
            "1735689600",
            "2025-01-01T00:00:00",
            "2025-01-01T00:00:00.5Z",
            "2025-01-01T00:00:00+25:00",
        ] {
            let text = good().with(member, format!("{date:?}")).text();
            assert_refused(&text, member, "expected a date");
        }
        for (date, expected) in [
            ("2025-06-30T23:59:60Z", "a leap second"),
            (
                "1969-12-31",
                "of the year 1969; expected a year from 1970 to 9999",
            ),
            (
                "10000-01-01",
                "of the year 10000; expected a year from 1970 to 9999",
            ),
        ] {
            let text = good().with(member, format!("{date:?}")).text();
            assert_refused(&text, member, expected);
        }
    }
}

#[test]
fn a_window_that_ends_when_it_begins_or_earlier_is_refused() {
    for until in [
        "2025-01-01",
        "2024-12-31",
        "2025-01-01T00:00:00Z",
        "2025-01-01T01:00:00+01:00",
    ] {
        assert_refused(
            &good().with("valid_until", format!("{until:?}")).text(),
            "valid_until",
            "is not after valid_from 2025-01-01T00:00:00Z",
        );
    }
}

#[test]
fn an_algorithm_that_is_none_of_the_two_is_refused() {
    for name in ["", "none", "ps256", "PS384", "ES256", "HS256", "RSA"] {
        assert_refused(
            &good().with("algorithm", format!("{name:?}")).text(),
            "algorithm",
            "expected PS256 or RS256",
        );
    }
}

#[test]
fn all_faults_are_reported_at_once() {
    let text = good()
        .with("private_key", "\"\"")
        .without("key_id")
        .with("algorithm", "\"none\"")
        .with("valid_from", "\"-\"")
        .with("valid_until", "0")
        .text();
    let error = error(KeySecret::parse(&text, None));
    let fields: Vec<&str> = error.0.iter().map(|fault| fault.field.as_str()).collect();
    assert_eq!(
        fields,
        [
            "private_key",
            "key_id",
            "algorithm",
            "valid_from",
            "valid_until"
        ]
    );
}

#[test]
fn a_good_key_with_a_bad_window_tells_of_the_window_only() {
    assert_refused(
        &good().with("valid_until", "\"2024-01-01\"").text(),
        "valid_until",
        "expected a later instant",
    );
}

#[test]
fn the_documentation_form_with_another_name_is_refused() {
    let value = good().text();
    for name in [
        "\"amply/staging/checkpoint-signing-key\"",
        "\"\"",
        "null",
        "7",
    ] {
        let text = format!(r#"{{"name": {name}, "value": {value}}}"#);
        let error = error(KeySecret::parse(
            &text,
            Some("amply/checkpoint-signing-key"),
        ));
        assert_eq!(error.0[0].field, "name");
        assert!(error.0[0].problem.contains("amply/checkpoint-signing-key"));
        assert_silent(&error, &text);
    }
}

#[test]
fn the_documentation_form_has_the_faults_of_its_value() {
    let wrong = [
        (good().without("key_id").text(), "key_id"),
        (good().and("key_id", "\"a\"").text(), "secret"),
        ("null".into(), "secret"),
        ("\"-----BEGIN RSA PRIVATE KEY-----\"".into(), "secret"),
    ];
    for (value, field) in wrong {
        let text = format!(r#"{{"name": "amply/checkpoint-signing-key", "value": {value}}}"#);
        assert_refused(&text, field, "expected");
    }
}

#[test]
fn a_name_without_a_value_is_a_secret_without_a_key() {
    let error = error(KeySecret::parse(r#"{"name": "a"}"#, Some("a")));
    assert_eq!(error.0[0].field, "private_key");
}
