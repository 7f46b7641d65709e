//! Signed heads, notes and endorsements: one text for one meaning, and nobody without a key makes one that holds.
#![no_main]

use checkpoint::keyring::{Endorsement, Keyring};
use checkpoint::log::head::SignedHead;
use checkpoint::log::note::Note;
use checkpoint::log::{verify_head, verify_note};
use checkpoint::verdict::VerdictKind;
use checkpoint_signer_fuzz::{KEYRING, REVOKED};
use libfuzzer_sys::fuzz_target;

const HEADS: [&str; 2] = [
    include_str!("../../tests/golden/RS256.record-head.jws"),
    include_str!("../../tests/golden/PS256.record-head.jws"),
];
const NOTES: [&str; 2] = [
    include_str!("../../tests/golden/RS256.record-head.note"),
    include_str!("../../tests/golden/PS256.record-head.note"),
];
const ENDORSEMENT: &str = include_str!("../../tests/golden/RS256.endorsement.jws");

fuzz_target!(|text: &str| {
    if let Ok(head) = SignedHead::parse(text) {
        assert_eq!(head.jws().compact(), text.trim_ascii());
        assert_eq!(head.jws().header().iat, head.head().timestamp);
        let kind = verify_head(&KEYRING, &head).kind;
        let golden = HEADS
            .iter()
            .any(|known| known.trim_ascii() == text.trim_ascii());
        assert_eq!(is_by_a_key(kind), golden);
        verify_head(&REVOKED, &head);
    }
    if let Ok(note) = Note::parse(text) {
        assert!(text.starts_with(&note.text));
        let lines = format!("{}\n{}\n", note.log, note.tree.size);
        assert!(note.text.starts_with(&lines));
        let valid = |keyring: &Keyring| verify_note(keyring, &note).kind == VerdictKind::Valid;
        if valid(&KEYRING) {
            assert!(
                NOTES.iter().any(|known| known.starts_with(&note.text)),
                "a forgery"
            );
        }
        assert!(!valid(&REVOKED) || valid(&KEYRING));
    }
    if let Ok(endorsement) = Endorsement::parse(text) {
        assert_eq!(endorsement.compact(), text);
        let entries = KEYRING.entries();
        let versions = || entries.iter().map(|entry| entry.version());
        for endorser in versions() {
            for endorsed in versions() {
                if endorsement.check(endorser, endorsed).is_ok() {
                    assert_eq!(text, ENDORSEMENT.trim_ascii(), "a forgery");
                }
            }
        }
    }
});

fn is_by_a_key(kind: VerdictKind) -> bool {
    matches!(
        kind,
        VerdictKind::Valid | VerdictKind::OutsideValidity | VerdictKind::KeyRevoked
    )
}
