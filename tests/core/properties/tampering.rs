//! One changed byte. The meaning of a text is the value that the strict parser reads; a change of meaning is
//! another value, or none. What changes the meaning is never VALID, and what does not is VALID still.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use checkpoint::checkpoint::{Checkpoint, parse_object};
use checkpoint::jws::{DetachedJws, JwsError, SignedCheckpoint};
use checkpoint::key::parse_instant;
use checkpoint::verdict::{VerdictKind, verify, verify_published};
use proptest::prelude::*;
use proptest::sample::Index;

use super::{KEY, KEYRING, sign};
use crate::support::checkpoint::checkpoint;

const BASE64URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Has numbers of several forms, nesting, escapes and characters beyond ASCII.
static SIGNED: LazyLock<SignedCheckpoint> = LazyLock::new(|| {
    let summaries = r#"[{"currency": "EUR", "name": "Hilfe f\u00fcr Kinder", "share": 0.25}]"#;
    let text = checkpoint().with("organization_summaries", summaries).with(
        "additional",
        r#"{"line\n": [null, true, -1.5e-7, "\ud83d\ude00"]}"#,
    );
    let checkpoint = Checkpoint::from_json(text.text().as_bytes()).unwrap();
    sign(checkpoint, parse_instant("2025-06-01T12:00:00Z").unwrap())
});

static PUBLISHED: LazyLock<Vec<u8>> = LazyLock::new(|| SIGNED.published_json().into_bytes());

fn assert_valid_if_and_only_if_it_means_the_same(changed: &[u8]) -> Result<(), TestCaseError> {
    let meaning = parse_object(&PUBLISHED).unwrap();
    let same = parse_object(changed).is_ok_and(|value| value == meaning);
    let (verdict, _) = verify_published(&KEYRING, changed);
    let text = String::from_utf8_lossy(changed);
    prop_assert_eq!(verdict.kind == VerdictKind::Valid, same, "{}", text);
    Ok(())
}

/// The compact form with the signature's parts as given.
fn parse(header: &str, signature: &[u8]) -> Result<DetachedJws, JwsError> {
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    DetachedJws::parse(&format!(
        "{}..{}",
        encode(header.as_bytes()),
        encode(signature)
    ))
}

fn header_with(parameter: &str) -> String {
    let header = SIGNED.jws.header().to_json();
    header.replacen('{', &format!("{{{parameter},"), 1)
}

#[test]
fn every_changed_bit_of_every_byte_is_noticed() {
    for index in 0..PUBLISHED.len() {
        // One bit a byte keeps this quick; over all bytes each bit has its turn many times.
        let mut changed = PUBLISHED.clone();
        changed[index] ^= 1 << (index % 8);
        assert_valid_if_and_only_if_it_means_the_same(&changed).unwrap();
    }
}

#[test]
fn every_missing_byte_is_noticed() {
    for index in 0..PUBLISHED.len() {
        let mut changed = PUBLISHED.clone();
        changed.remove(index);
        assert_valid_if_and_only_if_it_means_the_same(&changed).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn a_changed_byte_is_noticed(at in any::<Index>(), byte in any::<u8>()) {
        let mut changed = PUBLISHED.clone();
        let at = at.index(changed.len());
        changed[at] = byte;
        assert_valid_if_and_only_if_it_means_the_same(&changed)?;
    }

    #[test]
    fn a_byte_changed_to_one_that_json_or_base64_knows_is_noticed(at in any::<Index>(), byte in "[0-9A-Za-z_.,:{}\\[\\]\" \n-]") {
        let mut changed = PUBLISHED.clone();
        let at = at.index(changed.len());
        changed[at] = byte.as_bytes()[0];
        assert_valid_if_and_only_if_it_means_the_same(&changed)?;
    }

    #[test]
    fn an_added_byte_is_noticed(at in any::<Index>(), byte in "[ -~\n]") {
        let mut changed = PUBLISHED.clone();
        let at = at.index(changed.len() + 1);
        changed.insert(at, byte.as_bytes()[0]);
        assert_valid_if_and_only_if_it_means_the_same(&changed)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_header_with_unknown_parameters_is_accepted_and_covered(name in "[a-z]{5,12}", value in any::<String>()) {
        let parameter = format!("{}:{}", serde_json::json!(name), serde_json::json!(value));
        let header = header_with(&parameter);
        let jws = parse(&header, SIGNED.jws.signature()).unwrap();
        prop_assert_eq!(jws.header(), SIGNED.jws.header());
        // It was not there when it was signed.
        let signed = SignedCheckpoint { jws, ..SIGNED.clone() };
        prop_assert_eq!(verify(&KEYRING, &signed).kind, VerdictKind::InvalidSignature);
    }

    #[test]
    fn crit_is_refused_whatever_it_asks_for(value in prop_oneof![Just("[]".to_owned()), "\\[\"[a-z]{1,8}\"\\]", Just("null".to_owned()), Just("0".to_owned())]) {
        let header = header_with(&format!("\"crit\":{value}"));
        let error = parse(&header, SIGNED.jws.signature()).unwrap_err().to_string();
        prop_assert!(error.contains("crit"), "{}", error);
    }

    #[test]
    fn base64url_with_trailing_bits_is_refused(length in 1..300_usize, bits in 1..4_u8) {
        prop_assume!(length % 3 != 0);
        let jws = parse(&SIGNED.jws.header().to_json(), &vec![7; length]).unwrap().compact();
        let last = *jws.as_bytes().last().unwrap();
        let digit = BASE64URL.iter().position(|found| *found == last).unwrap();
        // With one or two bytes over, the last digit has four or two bits that mean nothing.
        let changed = char::from(BASE64URL[digit | usize::from(bits)]);
        let changed = format!("{}{changed}", &jws[..jws.len() - 1]);
        prop_assert!(matches!(DetachedJws::parse(&changed), Err(JwsError::Base64("signature"))));
    }

    #[test]
    fn base64url_with_padding_or_another_alphabet_is_refused(length in 1..300_usize, extra in prop_oneof!["=", "==", "\\+", "/", " ", "\n", "\u{e9}", "\u{0}"]) {
        let jws = parse(&SIGNED.jws.header().to_json(), &vec![7; length]).unwrap().compact();
        let signature = format!("{jws}{extra}");
        prop_assert!(DetachedJws::parse(&signature).is_err());
        let header = jws.replacen("..", &format!("{extra}.."), 1);
        prop_assert!(DetachedJws::parse(&header).is_err());
    }

    #[test]
    fn a_signature_of_another_length_is_invalid(length in 1..600_usize) {
        prop_assume!(length != 256);
        let jws = parse(&SIGNED.jws.header().to_json(), &vec![1; length]).unwrap();
        let signed = SignedCheckpoint { jws, ..SIGNED.clone() };
        prop_assert_eq!(verify(&KEYRING, &signed).kind, VerdictKind::InvalidSignature);
    }
}

#[test]
fn a_signature_is_exactly_as_long_as_the_modulus_for_both_implementations() {
    // RFC 8017, section 8.2.2, step 1. One that begins with a zero is the same number without it.
    let start = parse_instant("2025-06-01").unwrap();
    let mut seconds = (0..10_000).map(chrono::TimeDelta::seconds);
    let jws = seconds.find_map(|after| {
        let jws = sign(SIGNED.checkpoint.clone(), start + after).jws;
        (jws.signature()[0] == 0).then_some(jws)
    });
    let jws = jws.unwrap();
    let input = jws.signing_input(SIGNED.checkpoint.payload().as_bytes());
    let (key, alg) = (&KEY.version().public_key, jws.header().alg);
    let longer = [&[0], jws.signature()].concat();
    for (signature, is_valid) in [
        (jws.signature(), true),
        (&jws.signature()[1..], false),
        (&longer, false),
    ] {
        let verdicts = [
            key.verify(alg, input.as_bytes(), signature),
            key.verify_independently(alg, input.as_bytes(), signature),
        ];
        assert_eq!(verdicts.map(|verdict| verdict.is_ok()), [is_valid; 2]);
    }
}

#[test]
fn an_unknown_parameter_that_was_signed_verifies() {
    // A later version may add one; its signatures must verify here.
    let header = header_with("\"new\":{\"a\":[1]}");
    let encoded = URL_SAFE_NO_PAD.encode(&header);
    let payload = SIGNED.checkpoint.payload().as_bytes();
    let input = format!("{encoded}.{}", URL_SAFE_NO_PAD.encode(payload));
    let key = rsa_key();
    let signature = rsa::signature::SignatureEncoding::to_vec(&rsa::signature::Signer::sign(
        &rsa::pkcs1v15::SigningKey::<sha2::Sha256>::new(key),
        input.as_bytes(),
    ));
    let jws = parse(&header, &signature).unwrap();
    let signed = SignedCheckpoint {
        jws,
        ..SIGNED.clone()
    };
    assert_eq!(verify(&KEYRING, &signed).kind, VerdictKind::Valid);
}

#[test]
fn only_the_form_with_an_empty_payload_part_is_read() {
    let jws = SIGNED.jws.compact();
    let (header, signature) = jws.split_once("..").unwrap();
    for text in [
        String::new(),
        ".".into(),
        "..".into(),
        "...".into(),
        format!("{header}..",),
        format!("{header}.{signature}"),
        format!("{header}.e30.{signature}"),
        format!("{header}...{signature}"),
        format!("{jws}."),
        format!("{jws}.{signature}"),
    ] {
        assert!(
            matches!(DetachedJws::parse(&text), Err(JwsError::Form)),
            "{text}"
        );
    }
    assert!(DetachedJws::parse(&format!("..{signature}")).is_err());
}

#[test]
fn a_longer_compact_form_than_any_key_makes_is_refused() {
    let jws = format!("{}..{}", "A".repeat(2048), "A".repeat(2047));
    assert!(matches!(DetachedJws::parse(&jws), Err(JwsError::TooLong)));
}

fn rsa_key() -> rsa::PrivateKey {
    let pem = crate::support::openssl::file("rsa-2048.pkcs1.pem");
    let key: rsa::PrivateKey = rsa::pkcs1::DecodeRsaPrivateKey::from_pkcs1_pem(&pem).unwrap();
    assert_eq!(
        checkpoint::key::PublicKey::new(key.to_public_key()).unwrap(),
        KEY.version().public_key
    );
    key
}
