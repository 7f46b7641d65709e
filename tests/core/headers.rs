//! Protected headers: what is no header of a checkpoint's signature is refused, and the reason named.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use checkpoint::jws::{DetachedJws, JwsError};

use crate::support::document::Document;

fn header() -> Document {
    Document::new([
        ("alg", "\"PS256\""),
        ("iat", "1736985605"),
        ("kid", "\"key-1\""),
        ("typ", "\"ledger-checkpoint+jws\""),
    ])
}

fn parse(header: &str) -> Result<DetachedJws, JwsError> {
    DetachedJws::parse(&format!("{}..AAAA", URL_SAFE_NO_PAD.encode(header)))
}

fn assert_refused(header: &str, found: &str) {
    let error = parse(header).unwrap_err();
    assert!(matches!(error, JwsError::Header(_)), "{header}: {error}");
    assert!(error.to_string().contains(found), "{header}: {error}");
}

#[test]
fn a_header_in_any_notation_keeps_its_bytes() {
    let text = header().text();
    let jws = parse(&text).unwrap();
    assert_ne!(jws.header().to_json(), text);
    assert_eq!(
        jws.compact(),
        format!("{}..AAAA", URL_SAFE_NO_PAD.encode(&text))
    );
}

#[test]
fn a_missing_parameter_is_named() {
    for name in ["alg", "iat", "kid", "typ"] {
        assert_refused(
            &header().without(name).text(),
            &format!("{name} is missing"),
        );
    }
}

#[test]
fn a_parameter_of_another_type_is_named() {
    for name in ["alg", "iat", "kid", "typ"] {
        for raw in ["null", "true", "[]", "{}", "0.5"] {
            assert_refused(
                &header().with(name, raw).text(),
                &format!("{name} is missing or not"),
            );
        }
    }
}

#[test]
fn an_algorithm_that_is_none_of_the_two_is_refused() {
    for alg in [
        "none", "None", "HS256", "RS384", "PS512", "ES256", "EdDSA", "ps256", "",
    ] {
        assert_refused(
            &header().with("alg", format!("{alg:?}")).text(),
            "expected PS256 or RS256",
        );
    }
}

#[test]
fn the_header_of_another_kind_of_jws_is_refused() {
    for typ in [
        "JWT",
        "jwt",
        "key-endorsement+jws",
        "application/ledger-checkpoint+jws",
        "",
    ] {
        let text = header().with("typ", format!("{typ:?}")).text();
        assert_refused(&text, "expected ledger-checkpoint+jws");
    }
}

#[test]
fn a_signing_time_is_whole_seconds_within_bounds() {
    for iat in [
        "1736985605.5",
        "\"1736985605\"",
        "9007199254740991",
        "-9007199254740991",
    ] {
        assert_refused(&header().with("iat", iat).text(), "iat");
    }
    for iat in ["0", "-1", "1.736985605e9"] {
        assert!(parse(&header().with("iat", iat).text()).is_ok(), "{iat}");
    }
}

#[test]
fn a_key_id_has_the_form_of_an_identifier() {
    for kid in ["", "key 1", "../key", "key\u{0}"] {
        let raw = serde_json::json!(kid).to_string();
        assert_refused(&header().with("kid", raw).text(), "kid is");
    }
    assert_refused(
        &header()
            .with("kid", format!("{:?}", "k".repeat(129)))
            .text(),
        "kid has 129 bytes",
    );
}

#[test]
fn a_parameter_that_stands_twice_is_refused() {
    for (name, raw) in [("alg", "\"RS256\""), ("kid", "\"key-2\""), ("jku", "1")] {
        let text = header().with("jku", "1").and(name, raw).text();
        assert_refused(&text, &format!("{name}: stands there twice"));
    }
}

#[test]
fn a_key_that_comes_with_the_signature_is_not_even_read() {
    // RFC 7515, sections 4.1.2 to 4.1.8: keys come from the keyring only, whatever the header offers.
    let text = header()
        .with("jwk", r#"{"kty": "RSA", "n": "AQAB", "e": "AQAB"}"#)
        .with("jku", "\"https://example.com/keys\"")
        .with("x5u", "\"https://example.com/chain\"")
        .text();
    let (with, without) = (parse(&text).unwrap(), parse(&header().text()).unwrap());
    assert_eq!(with.header(), without.header());
}

#[test]
fn what_is_no_json_object_is_refused() {
    for text in ["", "null", "[]", "{", "PS256", "{} {}", "{\"alg\"}"] {
        assert_refused(text, "json:");
    }
}
