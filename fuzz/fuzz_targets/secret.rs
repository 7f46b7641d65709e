//! The secret document and the array of versions of a key file: what is read is a key that opens in its window alone,
//! the two forms of a document are one, and no error repeats key material.
#![no_main]

use checkpoint::signing::{KeySecret, SecretError, VersionSecret};
use checkpoint_signer_fuzz::demand_silence;
use chrono::TimeDelta;
use libfuzzer_sys::fuzz_target;

const NAME: &str = "amply/checkpoint-signing-key";

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else {
        // UTF-16 and what is no text at all.
        let lossy = String::from_utf8_lossy(bytes);
        return check(&lossy, KeySecret::parse(bytes, Some(NAME)));
    };
    if text.trim_start().starts_with('[') {
        match VersionSecret::parse_file(text) {
            Ok(versions) => versions.into_iter().for_each(|v| check(text, v.secret)),
            Err(error) => refused(text, &error),
        }
        return;
    }
    let secret = KeySecret::parse(text, Some(NAME));
    // What came in another coat is no member of the documentation form.
    if let Ok(secret) = &secret
        && secret.oddities().is_empty()
        && !text.contains("value")
    {
        let wrapped = format!("{{\"value\":{text},\"name\":\"{NAME}\"}}");
        if let Ok(again) = KeySecret::parse(&wrapped, Some(NAME)) {
            assert_eq!(again.version(), secret.version());
        } else {
            // Only the bound on its size tells the documentation form apart.
            assert!(wrapped.len() > checkpoint::signing::MAX_SECRET_BYTES);
        }
        assert!(KeySecret::parse(&wrapped, Some("another")).is_err());
    }
    check(text, secret);
});

fn check(text: &str, secret: Result<KeySecret, SecretError>) {
    let secret = match secret {
        Ok(secret) => secret,
        Err(error) => return refused(text, &error),
    };
    demand_silence(text, &secret.unknown_members().join(" "));
    demand_silence(text, &secret.oddities().warning().unwrap_or_default());
    demand_silence(text, &format!("{:?}", secret.version().window));
    let window = secret.version().window;
    assert!(window.from() < window.until());
    let key = secret.into_signing_key();
    assert!(key.open_at(window.from()).is_ok());
    assert!(key.open_at(window.until()).is_err());
    assert!(key.open_at(window.from() - TimeDelta::seconds(1)).is_err());
}

fn refused(text: &str, error: &SecretError) {
    assert!(!error.0.is_empty());
    assert!(error.0.iter().all(|fault| !fault.field.is_empty()));
    demand_silence(text, &error.to_string());
    demand_silence(text, &format!("{error:?}"));
}
