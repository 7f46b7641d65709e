//! The published JSON, by the strict reader and by the reader in one pass: both take and refuse the same, and see the
//! same. What is printed is read again as the same. Nobody without a key makes a valid checkpoint.
#![no_main]

use checkpoint::checkpoint::{Checkpoint, Outline, PublishedOutline};
use checkpoint::jws::{DetachedJws, SignedCheckpoint};
use checkpoint::verdict::{VerdictKind, verify};
use checkpoint_signer_fuzz::{KEYRING, PUBLISHED};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    let outline = PublishedOutline::from_published_json(text);
    let (checkpoint, signature) = match Checkpoint::from_published_json(text) {
        Ok(read) => read,
        Err(error) => {
            let other = outline.expect_err("the strict reader refuses it");
            assert_eq!(other.to_string(), error.to_string());
            assert!(!error.0.is_empty());
            return unsigned(text);
        }
    };
    let outline = outline.expect("the strict reader takes it");
    assert_eq!(outline.outline, Outline::from(&checkpoint));
    assert_eq!(outline.payload, checkpoint.payload().as_bytes());
    assert_eq!(outline.signature, signature);

    let published = checkpoint.published_json(&signature);
    let again = PublishedOutline::from_published_json(published.as_bytes()).expect("its own text");
    assert_eq!(again, outline);
    let (again, _) = Checkpoint::from_published_json(published.as_bytes()).expect("its own text");
    assert_eq!(again.payload(), checkpoint.payload());
    assert_eq!(again.published_json(&signature), published);
    assert!(Checkpoint::from_json(text).is_err(), "a signature is there");
    unsigned(&outline.payload);

    if let Ok(jws) = DetachedJws::parse(&signature) {
        let signed = SignedCheckpoint { checkpoint, jws };
        if verify(&KEYRING, &signed).kind == VerdictKind::Valid {
            let mut golden = PUBLISHED.iter();
            assert!(
                golden.any(|known| known.published_json() == published),
                "a forgery"
            );
        }
    }
});

fn unsigned(text: &[u8]) {
    if let Ok(checkpoint) = Checkpoint::from_json(text) {
        let payload = checkpoint.payload().as_bytes();
        let again = Checkpoint::from_json(payload).expect("its own payload");
        assert_eq!(again.payload(), checkpoint.payload());
        assert!(
            Checkpoint::from_published_json(text).is_err(),
            "no signature is there"
        );
    }
}
