//! The keyring as a file: what is written, and what is refused when it is read.

use checkpoint::key::{StagingLabel, instant_text, parse_instant};
use checkpoint::keyring::{Keyring, KeyringFileError, MAX_KEYRING_BYTES, Revocation};

use crate::support::document::Document;
use crate::support::openssl;
use crate::support::rsa_numbers::RsaNumbers;
use crate::support::secret::secret;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

fn base64url(number: &rsa::BoxedUint) -> String {
    format!(
        "{:?}",
        URL_SAFE_NO_PAD.encode(number.to_be_bytes_trimmed_vartime())
    )
}

fn modulus(file: &str) -> String {
    base64url(&RsaNumbers::from_pem(&openssl::file(file)).n)
}

fn jwk() -> Document {
    Document::new([
        ("alg", "\"PS256\""),
        ("e", "\"AQAB\""),
        ("exp", "1767225600"),
        ("kid", "\"amply-checkpoint-key-2025\""),
        ("kty", "\"RSA\""),
        ("n", &modulus("rsa-2048.pkcs1.pem")),
        ("nbf", "1735689600"),
        ("use", "\"sig\""),
    ])
}

fn read(keys: &[Document]) -> Result<Keyring, KeyringFileError> {
    let keys: Vec<String> = keys.iter().map(Document::text).collect();
    Keyring::from_jwks(format!(r#"{{"keys": [{}]}}"#, keys.join(",")).as_bytes())
}

/// Asserts that the second of two keys is refused for `member`.
fn assert_refused(second: Document, member: &str) {
    let first = jwk()
        .with("kid", "\"first\"")
        .with("n", modulus("rsa-2048-other.pkcs1.pem"));
    let error = read(&[first, second]).unwrap_err().to_string();
    let expected = format!("keyring: keys[1]: {member}");
    assert!(error.starts_with(&expected), "{expected}: {error}");
    assert!(error.contains("expected"), "{error}");
}

#[test]
fn a_jwk_is_the_version_that_the_secret_gives() {
    let version = secret(&openssl::file("rsa-2048.pkcs1.pem")).version();
    let keyring = read(&[jwk()]).unwrap();
    assert_eq!(keyring.get(&version.key_id).unwrap().version(), &version);
}

#[test]
fn a_keyring_that_is_written_and_read_is_the_same() {
    let mut keyring = read(&[jwk()]).unwrap();
    let key_id = "amply-checkpoint-key-2025".parse().unwrap();
    let instant = parse_instant("2025-06-01").unwrap();
    let revocation = Revocation {
        distrust_after: instant,
        reason: "\"leaked\"\n".into(),
        revoked_at: instant,
    };
    keyring.revoke(&key_id, revocation);
    assert_eq!(
        Keyring::from_jwks(keyring.to_jwks().as_bytes()).unwrap(),
        keyring
    );
}

#[test]
fn a_key_that_is_only_staged_is_not_published() {
    let mut keyring = read(&[jwk()]).unwrap();
    keyring.set_stages(
        &"amply-checkpoint-key-2025".parse().unwrap(),
        vec![StagingLabel::Pending],
    );
    assert_eq!(keyring.to_jwks(), r#"{"keys":[]}"#);
}

#[test]
fn the_latest_window_stands_first() {
    let later = jwk()
        .with("kid", "\"a-later-one\"")
        .with("n", modulus("rsa-2048-other.pkcs1.pem"))
        .with("nbf", "1735689601");
    let text = read(&[jwk(), later]).unwrap().to_jwks();
    assert!(text.find("a-later-one").unwrap() < text.find("amply-checkpoint-key-2025").unwrap());
}

#[test]
fn members_of_other_services_are_ignored() {
    let text = jwk().with("x5c", "[\"\"]").without("use").text();
    let set = format!(r#"{{"iss": "https://example.com", "keys": [{text}]}}"#);
    assert_eq!(
        Keyring::from_jwks(set.as_bytes()).unwrap(),
        read(&[jwk()]).unwrap()
    );
}

#[test]
fn a_wrong_member_is_named_with_its_key() {
    for (member, raw) in [
        ("kty", "5"),
        ("use", "5"),
        ("kid", "\"\""),
        ("kid", "\"key 1\""),
        ("kid", "\"liD36x9_opt8qvRAjh_8W0Uw0m2hNLf9Ekv-AvxWcXA\""),
        ("n", "\"\""),
        ("n", "\"AQAB\""),
        ("n", "\"AQAB=\""),
        ("e", "\"AQAB=\""),
        ("n", &modulus("rsa-1024.pkcs1.pem")),
        ("exp", "1735689600"),
        ("exp", "9007199254740991"),
        ("nbf", "-9007199254740991"),
        // Before 1970, after 9999, and the last second that chrono has.
        ("nbf", "-1"),
        ("exp", "253402300800"),
        ("exp", "8210266876799"),
    ] {
        assert_refused(jwk().with(member, raw), member);
    }
    for seconds in ["9007199254740991", "8210266876799", "-1"] {
        let revoked = jwk().with("revoked", format!(r#"{{"revoked_at": {seconds}}}"#));
        assert_refused(revoked, "revoked.revoked_at");
    }
}

#[test]
fn a_window_may_have_all_years_from_1970_to_9999() {
    let widest = jwk().with("nbf", "0").with("exp", "253402300799");
    let keyring = read(&[widest]).unwrap();
    let window = keyring.entries().first().unwrap().version().window;
    assert_eq!(instant_text(window.from()), "1970-01-01T00:00:00Z");
    assert_eq!(instant_text(window.until()), "9999-12-31T23:59:59Z");
}

#[test]
fn a_public_exponent_out_of_bounds_is_named() {
    for e in ["\"Aw\"", "\"AQ\"", "\"\"", "\"AAAAAQ\"", "\"AQAB=\""] {
        assert_refused(jwk().with("e", e), "e: ");
    }
}

#[test]
fn a_public_exponent_that_no_implementation_takes_is_refused() {
    for e in ["\"AQAA\"", "\"AQAAAAAB\"", "\"AQAAAAAAAAAB\""] {
        let error = read(&[jwk().with("e", e)]).unwrap_err().to_string();
        assert!(error.contains("exponent"), "{error}");
    }
}

#[test]
fn leading_zeros_do_not_make_another_key() {
    let n = URL_SAFE_NO_PAD
        .decode(modulus("rsa-2048.pkcs1.pem").trim_matches('"'))
        .unwrap();
    let padded = format!("{:?}", URL_SAFE_NO_PAD.encode([vec![0], n].concat()));
    assert_eq!(
        read(&[jwk().with("n", padded)]).unwrap(),
        read(&[jwk()]).unwrap()
    );
}

#[test]
fn keys_that_contradict_each_other_are_refused() {
    let other = modulus("rsa-2048-other.pkcs1.pem");
    let twice = "kid: amply-checkpoint-key-2025 stands there twice";
    assert_refused_pair(jwk().with("n", other), twice);
    assert_refused_pair(jwk().with("alg", "\"RS256\""), twice);
    assert_refused_pair(jwk().with("exp", "1767225601"), twice);
    assert_refused_pair(jwk(), twice);
    assert_refused_pair(
        jwk().with("kid", "\"key-2\""),
        "n: is the key of amply-checkpoint-key-2025 already",
    );
}

fn assert_refused_pair(second: Document, conflict: &str) {
    let error = read(&[jwk(), second]).unwrap_err().to_string();
    assert!(
        error.starts_with(&format!("keyring: keys[1]: {conflict}")),
        "{error}"
    );
}

#[test]
fn what_is_no_jwk_set_is_refused() {
    for text in [
        "",
        "[]",
        "{}",
        r#"{"keys": {}}"#,
        r#"{"keys": [1]}"#,
        r#"{"keys": []} x"#,
    ] {
        assert!(Keyring::from_jwks(text.as_bytes()).is_err(), "{text}");
    }
    for member in ["alg", "e", "exp", "kid", "kty", "n", "nbf"] {
        let error = read(&[jwk().without(member)]).unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("keyring: keys[0]: {member}: is missing; expected")),
            "{error}"
        );
        assert!(
            read(&[jwk().and(member, "\"x\"")]).is_err(),
            "{member} twice"
        );
    }
}

#[test]
fn a_file_larger_than_its_bound_is_refused() {
    let text = vec![b' '; MAX_KEYRING_BYTES + 1];
    assert!(matches!(
        Keyring::from_jwks(&text),
        Err(KeyringFileError::TooLarge)
    ));
}

#[test]
fn a_byte_order_mark_is_named() {
    for (mark, told) in [
        (&b"\xef\xbb\xbf"[..], "begins with a byte order mark (BOM)"),
        (b"\xff\xfe", "is UTF-16"),
        (b"\xfe\xff", "is UTF-16"),
    ] {
        let text = [mark, br#"{"keys":[]}"#].concat();
        let error = Keyring::from_jwks(&text).unwrap_err().to_string();
        assert!(error.contains(told), "{error}");
    }
}
