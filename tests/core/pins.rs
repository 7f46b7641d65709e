//! Fingerprints, and names that cannot be taken for one: the vectors in `vectors/pins.json`, which the page, the
//! Python client and the recipes are held to as well.

use checkpoint::key::{Fingerprint, FingerprintError, KeyId};
use checkpoint::keyring::Keyring;
use checkpoint::signing::KeySecret;
use serde_json::Value;

use crate::support::openssl;
use crate::support::secret::secret;

fn vectors() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/vectors/pins.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn texts(vectors: &Value) -> Vec<&str> {
    let texts = vectors.as_array().unwrap().iter();
    texts.map(|text| text.as_str().unwrap()).collect()
}

#[test]
fn a_fingerprint_is_the_digest_of_what_an_endorsement_signs() {
    for vector in vectors()["fingerprints"].as_array().unwrap() {
        let set = serde_json::json!({ "keys": [vector["key"]] }).to_string();
        let keyring = Keyring::from_jwks(set.as_bytes()).unwrap();
        let found = keyring.entries()[0].version().fingerprint();
        assert_eq!(found.to_string(), vector["fingerprint"].as_str().unwrap());
        assert_eq!(found.to_string().parse(), Ok(found));
    }
}

#[test]
fn a_fingerprint_binds_the_name_the_window_and_the_algorithm_too() {
    let version = secret(&openssl::file("rsa-2048.pkcs1.pem"))
        .version()
        .clone();
    let mut seen = vec![version.fingerprint()];
    let jwk = |change: &dyn Fn(&mut Value)| {
        let mut keyring = Keyring::default();
        keyring.insert(version.clone()).unwrap();
        let mut set: Value = serde_json::from_str(&keyring.to_jwks()).unwrap();
        change(&mut set["keys"][0]);
        let keyring = Keyring::from_jwks(set.to_string().as_bytes()).unwrap();
        keyring.entries()[0].version().fingerprint()
    };
    assert_eq!(jwk(&|_| ()), seen[0]);
    seen.push(jwk(&|key| key["kid"] = "another-name".into()));
    seen.push(jwk(&|key| key["exp"] = 4_102_444_800_i64.into()));
    seen.push(jwk(&|key| key["nbf"] = 1.into()));
    seen.push(jwk(&|key| key["alg"] = "RS256".into()));
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 5);
}

#[test]
fn only_the_one_form_is_a_fingerprint() {
    let right = format!("sha256:{}", "0123456789abcdef".repeat(4));
    assert_eq!(right.parse::<Fingerprint>().unwrap().to_string(), right);
    let thumbprint = "liD36x9_opt8qvRAjh_8W0Uw0m2hNLf9Ekv-AvxWcXA";
    let error = thumbprint.parse::<Fingerprint>().unwrap_err();
    assert!(matches!(error, FingerprintError::Thumbprint(_)), "{error}");
    for wrong in [
        "",
        "amply-checkpoint-key-2025",
        thumbprint,
        &right.to_uppercase(),
        &right.replace("sha256", "SHA256"),
        &right.replace('a', "A"),
        &right.replace("sha256:", ""),
        &right.replace("sha256:", "sha256-"),
        &right[..70],
        &right[..8],
        "sha256:",
        &format!("{right}0"),
        &format!("{right} "),
        &format!(" {right}"),
        &format!("{right}\n"),
        &right.replace("01", "g1"),
        &right.replace("01", "é1"),
    ] {
        let error = wrong.parse::<Fingerprint>().unwrap_err().to_string();
        let expected = "expected a fingerprint, sha256: and 64 lowercase hexadecimal digits";
        assert!(error.ends_with(expected), "{wrong:?}: {error}");
    }
}

#[test]
fn no_key_id_can_be_taken_for_a_fingerprint_or_a_thumbprint() {
    let vectors = vectors();
    for name in texts(&vectors["no_names"]) {
        let error = name.parse::<KeyId>().err();
        let error = error.map(|error| error.to_string()).unwrap_or_default();
        let expected = "could be taken for the fingerprint or thumbprint of a key";
        assert!(error.starts_with(expected), "{name}: {error:?}");
    }
    for name in texts(&vectors["names"]) {
        name.parse::<KeyId>()
            .unwrap_or_else(|e| panic!("{name}: {e}"));
    }
}

#[test]
fn a_secret_whose_name_could_be_taken_for_a_fingerprint_is_refused_with_the_reason() {
    let window = secret(&openssl::file("rsa-2048.pkcs1.pem"))
        .version()
        .window;
    let (text, _) = KeySecret::generate(
        "some-name".parse().unwrap(),
        window,
        Default::default(),
        2048,
        None,
    )
    .unwrap();
    for name in texts(&vectors()["no_names"]) {
        let named = text.replace("some-name", name);
        let error = KeySecret::parse(&named, None).err().unwrap().to_string();
        let expected =
            "key_id: could be taken for the fingerprint or thumbprint of a key; expected";
        assert!(error.contains(expected), "{name}: {error}");
    }
}
