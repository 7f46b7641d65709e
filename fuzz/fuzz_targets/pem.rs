//! PEM and DER of private and public keys: what is read is printed and read again as the same key, and no error repeats
//! key material. Input that is not PEM is taken as DER, and put into PEM for the private key.
#![no_main]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use checkpoint::key::{PrivateKey, PublicKey, PublicKeyError};
use checkpoint::signing::KeySecret;
use checkpoint_signer_fuzz::demand_silence;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    match std::str::from_utf8(data) {
        Ok(text) if text.contains("-----") => {
            private(text);
            tolerant(text);
            public(PublicKey::from_pem(text));
        }
        text => {
            text.into_iter().for_each(tolerant);
            let (pkcs1, der) = data
                .split_first()
                .map_or((true, data), |(f, r)| (f % 2 == 1, r));
            let label = if pkcs1 {
                "RSA PRIVATE KEY"
            } else {
                "PRIVATE KEY"
            };
            private(&pem(label, der));
            tolerant(&pem(label, der).replace('\n', "\\n"));
            tolerant(&STANDARD.encode(der));
            public(PublicKey::from_der(der));
            public(PublicKey::from_components(der, &[1, 0, 1]));
        }
    }
});

fn private(pem: &str) {
    match PrivateKey::from_pem(pem) {
        Ok(key) => public(Ok(key.public_key().clone())),
        Err(error) => {
            demand_silence(pem, &error.to_string());
            demand_silence(pem, &format!("{error:?}"));
        }
    }
}

/// The reader of keys as people have them: it reads what the strict one does and has nothing before it, as the same key, and
/// is as silent.
fn tolerant(pem: &str) {
    let document = serde_json::json!({
        "private_key": pem, "key_id": "key", "valid_from": "2025-01-01", "valid_until": "2026-01-01",
    });
    let read = KeySecret::parse(&document.to_string(), None);
    match (&read, PrivateKey::from_pem(pem)) {
        (Ok(read), Ok(key)) => assert_eq!(&read.version().public_key, key.public_key()),
        (Err(error), Ok(_)) if pem.trim_start().starts_with("-----BEGIN ") => {
            panic!("the strict reader takes it: {error}")
        }
        _ => {}
    }
    match read {
        Ok(read) => demand_silence(pem, &read.oddities().warning().unwrap_or_default()),
        Err(error) => demand_silence(pem, &format!("{error} {error:?}")),
    }
}

fn public(key: Result<PublicKey, PublicKeyError>) {
    let Ok(key) = key else { return };
    assert!((2048..=8192).contains(&key.bits()));
    assert_eq!(
        PublicKey::from_pem(&key.to_pem()).expect("its own PEM"),
        key
    );
    assert_eq!(PublicKey::from_der(key.to_der()).expect("its own DER"), key);
    assert_eq!(key.thumbprint().len(), 43);
}

fn pem(label: &str, der: &[u8]) -> String {
    let base64 = STANDARD.encode(der);
    let lines = base64.as_bytes().chunks(64);
    let lines = lines.map(|line| String::from_utf8_lossy(line).into_owned());
    let lines = lines.collect::<Vec<_>>().join("\n");
    format!("-----BEGIN {label}-----\n{lines}\n-----END {label}-----\n")
}
