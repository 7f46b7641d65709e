//! What the fuzz targets share: the golden keys, and what several targets demand.

use std::sync::LazyLock;

use checkpoint::jws::SignedCheckpoint;
use checkpoint::key::parse_instant;
use checkpoint::keyring::{Keyring, Revocation};

/// Longest run of base64 characters that may stand in an error, when it stands in a secret too. A line of PEM has 64.
const MAX_RUN: usize = 32;

/// The keyring of the golden set.
pub static KEYRING: LazyLock<Keyring> = LazyLock::new(|| {
    let text = include_bytes!("../../tests/golden/keyring.json");
    Keyring::from_jwks(text).expect("the golden keyring is one")
});

/// The same keys; the first one is revoked in the middle of its window.
pub static REVOKED: LazyLock<Keyring> = LazyLock::new(|| {
    let mut keyring = KEYRING.clone();
    let key_id = KEYRING.entries()[0].version().key_id.clone();
    let distrust_after = parse_instant("2025-06-01").expect("a date");
    let revocation = Revocation {
        distrust_after,
        reason: "lost".into(),
        revoked_at: distrust_after,
    };
    keyring.revoke(&key_id, revocation);
    keyring
});

/// The published checkpoints of the golden set: all that its keys ever signed.
pub static PUBLISHED: LazyLock<[SignedCheckpoint; 2]> = LazyLock::new(|| {
    let rs256 = include_bytes!("../../tests/golden/RS256.published.json");
    let ps256 = include_bytes!("../../tests/golden/PS256.published.json");
    [rs256.as_slice(), ps256].map(|text| {
        SignedCheckpoint::from_published_json(text).expect("a golden checkpoint is one")
    })
});

/// Demands that `said` repeats no long run of base64 characters of a document that may hold a key.
pub fn demand_silence(document: &str, said: &str) {
    let is_base64 = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/');
    let runs = said.split(|c| !is_base64(c));
    for run in runs.filter(|run| run.len() >= MAX_RUN) {
        assert!(
            !document.contains(run),
            "an error repeats the document: {said}"
        );
    }
    assert!(!said.contains("-----BEGIN "), "an error holds PEM: {said}");
}

/// Takes a number from the front of the input; zeros stand for what is missing.
pub fn take_u64(data: &mut &[u8]) -> u64 {
    let (front, rest) = data.split_at((*data).len().min(8));
    *data = rest;
    let mut bytes = [0; 8];
    bytes[..front.len()].copy_from_slice(front);
    u64::from_le_bytes(bytes)
}
