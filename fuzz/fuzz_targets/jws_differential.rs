//! The JWS against another implementation (jsonwebtoken, on the RustCrypto crates) and against both RSA implementations of
//! this crate: the same header, the same verdict on the signature.
//!
//! The first byte chooses: a compact form as it is, or a header in JSON that a golden key signs for real. Its last bytes
//! change the signature.
#![no_main]

use std::sync::LazyLock;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use checkpoint::jws::DetachedJws;
use checkpoint::key::{Algorithm, KeyVersion};
use checkpoint_signer_fuzz::KEYRING;
use jsonwebtoken::DecodingKey;
use libfuzzer_sys::fuzz_target;
use pkcs8::der::SecretDocument;

struct Key {
    version: KeyVersion,
    pair: RsaKeyPair,
    other: DecodingKey,
}

static KEYS: LazyLock<[Key; 2]> = LazyLock::new(|| {
    let rs256 = include_str!("../../tests/golden/RS256.secret.json");
    let ps256 = include_str!("../../tests/golden/PS256.secret.json");
    [rs256, ps256].map(|secret| {
        let secret: serde_json::Value = serde_json::from_str(secret).expect("JSON");
        let text = |name: &str| secret[name].as_str().expect("a string").to_owned();
        let (_, der) = SecretDocument::from_pem(&text("private_key")).expect("PEM");
        let key_id = text("key_id").parse().expect("a key_id");
        let entry = KEYRING.get(&key_id).expect("a golden key");
        let version = entry.version().clone();
        let (n, e) = (version.public_key.modulus(), version.public_key.exponent());
        Key {
            pair: RsaKeyPair::from_der(der.as_bytes()).expect("a key"),
            other: DecodingKey::from_rsa_components(&n, &e).expect("a key"),
            version,
        }
    })
});

fuzz_target!(|data: &[u8]| {
    let Some((&choice, rest)) = data.split_first() else {
        return;
    };
    let line_end = rest
        .iter()
        .position(|byte| *byte == b'\n')
        .unwrap_or(rest.len());
    let (head, payload) = rest.split_at(line_end);
    let key = &KEYS[usize::from(choice & 1)];
    if choice & 2 == 0 {
        if let Ok(compact) = std::str::from_utf8(head) {
            compare(compact, payload, key);
        }
        return;
    }
    let algorithm = [Algorithm::Rs256, Algorithm::Ps256][usize::from(choice >> 2 & 1)];
    let header = URL_SAFE_NO_PAD.encode(head);
    let input = format!("{header}.{}", URL_SAFE_NO_PAD.encode(payload));
    let mut signature = sign(&key.pair, algorithm, input.as_bytes());
    let changed = choice & 8 != 0;
    if changed && let [.., at, by] = *payload {
        let at = usize::from(at) % signature.len();
        signature[at] ^= by | 1;
    }
    let compact = format!("{header}..{}", URL_SAFE_NO_PAD.encode(signature));
    let verified = compare(&compact, payload, key);
    if let Some((found, verified)) = verified {
        let untouched = !changed || payload.len() < 2;
        assert_eq!(verified, untouched && found == algorithm);
    }
});

fn sign(pair: &RsaKeyPair, algorithm: Algorithm, input: &[u8]) -> Vec<u8> {
    let encoding = match algorithm {
        Algorithm::Ps256 => &RSA_PSS_SHA256,
        Algorithm::Rs256 => &RSA_PKCS1_SHA256,
    };
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign(encoding, &SystemRandom::new(), input, &mut signature)
        .expect("a golden key signs");
    signature
}

/// The algorithm and whether the key made the signature, as all implementations say; none for what is refused.
fn compare(compact: &str, payload: &[u8], key: &Key) -> Option<(Algorithm, bool)> {
    let jws = DetachedJws::parse(compact).ok()?;
    let alg = jws.header().alg;
    let (input, encoded) = (
        jws.signing_input(payload),
        URL_SAFE_NO_PAD.encode(jws.signature()),
    );
    let other_alg = match alg {
        Algorithm::Ps256 => jsonwebtoken::Algorithm::PS256,
        Algorithm::Rs256 => jsonwebtoken::Algorithm::RS256,
    };
    let embedded = format!("{input}.{encoded}");
    // It reads parameters that this service ignores (RFC 7515, section 4), and refuses odd ones.
    if let Ok(header) = jsonwebtoken::decode_header(&embedded) {
        assert_eq!(header.alg, other_alg);
        assert_eq!(header.kid.as_deref(), Some(jws.header().kid.as_str()));
        assert_eq!(header.typ.as_deref(), Some(jws.header().typ.as_str()));
    } else {
        assert!(
            has_other_parameters(compact),
            "only this service reads {embedded}"
        );
    }
    let ours = jws.check(payload, &key.version.public_key).is_ok();
    let message = input.as_bytes();
    let second = key
        .version
        .public_key
        .verify_independently(alg, message, jws.signature());
    let third = jsonwebtoken::crypto::verify(&encoded, message, &key.other, other_alg);
    assert_eq!(ours, second.is_ok(), "the rsa crate says otherwise");
    assert_eq!(ours, third.unwrap_or(false), "jsonwebtoken says otherwise");
    Some((alg, ours))
}

fn has_other_parameters(compact: &str) -> bool {
    let header = compact.split('.').next().expect("a first part");
    let header = URL_SAFE_NO_PAD.decode(header).expect("base64url");
    let header: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(&header).expect("an object");
    header.len() > 4
}
