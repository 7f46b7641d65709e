//! The `openssl` command verifies what is signed here, and what it signs is verified here.

use checkpoint::jws::{DetachedJws, SignedCheckpoint};
use checkpoint::key::{Algorithm, parse_instant};
use checkpoint::signing::KeySecret;

use crate::support::checkpoint::checkpoint;
use crate::support::openssl;
use crate::support::secret::secret;

const KEY: &str = "rsa-2048.pkcs1.pem";
const PUBLIC_KEY: &str = "rsa-2048.spki.pem";

/// What `openssl dgst` has to be told for each algorithm.
const CASES: [(Algorithm, &[&str]); 2] = [
    (Algorithm::Rs256, &["-sigopt", "rsa_padding_mode:pkcs1"]),
    (
        Algorithm::Ps256,
        &[
            "-sigopt",
            "rsa_padding_mode:pss",
            "-sigopt",
            "rsa_mgf1_md:sha256",
            "-sigopt",
            "rsa_pss_saltlen:32",
        ],
    ),
];

fn signed(algorithm: Algorithm) -> SignedCheckpoint {
    let document = secret(&openssl::file(KEY)).with("algorithm", format!("\"{algorithm}\""));
    let key = KeySecret::parse(&document.text(), None)
        .ok()
        .unwrap()
        .into_signing_key();
    let checkpoint = checkpoint().read().unwrap();
    let open = key
        .open_at(parse_instant("2025-06-01").unwrap())
        .ok()
        .unwrap();
    let jws = open.sign(checkpoint.payload()).unwrap();
    SignedCheckpoint { checkpoint, jws }
}

#[test]
fn openssl_verifies_what_is_signed_here() {
    for (algorithm, options) in CASES {
        let signed = signed(algorithm);
        let input = signed
            .jws
            .signing_input(signed.checkpoint.payload().as_bytes());
        let signature = signed.jws.signature();
        assert!(openssl::verifies(
            PUBLIC_KEY,
            options,
            input.as_bytes(),
            signature
        ));
        let other = input.replacen('.', "_", 1);
        assert!(!openssl::verifies(
            PUBLIC_KEY,
            options,
            other.as_bytes(),
            signature
        ));
    }
}

#[test]
fn what_openssl_signs_is_verified_here() {
    for (algorithm, options) in CASES {
        let SignedCheckpoint { checkpoint, jws } = signed(algorithm);
        let jws = DetachedJws::create(
            jws.header().clone(),
            checkpoint.payload().as_bytes(),
            |input| Ok::<_, ()>(openssl::signature(KEY, options, input)),
        );
        let signed = SignedCheckpoint {
            checkpoint,
            jws: jws.unwrap(),
        };
        signed
            .check(&secret(&openssl::file(KEY)).version().public_key)
            .unwrap();
    }
}
