//! The golden set in `tests/golden`: what was published once must verify, and be made again, for ever. Its
//! README says what each file is and how it is written.

use std::fs;
use std::path::PathBuf;

use checkpoint::checkpoint::Checkpoint;
use checkpoint::jws::{DetachedJws, SignedCheckpoint};
use checkpoint::key::{Algorithm, ValidityWindow, parse_instant};
use checkpoint::keyring::{Endorsement, Keyring};
use checkpoint::log::head::SignedHead;
use checkpoint::log::note::Note;
use checkpoint::log::proof::TreeHead;
use checkpoint::log::tree::{Frontier, TreeHash};
use checkpoint::log::{PublishedHead, verify_head, verify_included, verify_note};
use checkpoint::signing::KeySecret;
use checkpoint::verdict::{VerdictKind, verify_published};
use chrono::{DateTime, Utc};

const ALGORITHMS: [Algorithm; 2] = [Algorithm::Rs256, Algorithm::Ps256];
const MODULUS_BITS: usize = 3072;

/// Not a fact but the writer of the files: with `WRITE_GOLDEN=1` it writes them, and otherwise does nothing
/// but what every other test here does, which is to read them.
#[test]
fn write_the_golden_files_when_asked() {
    if std::env::var_os("WRITE_GOLDEN").is_some_and(|value| value == "1") {
        write();
    }
    assert!(ALGORITHMS.into_iter().all(has_good_signature));
}

#[test]
fn the_payload_has_the_golden_bytes() {
    assert_eq!(checkpoint().payload().as_bytes(), read("payload"));
}

#[test]
fn the_signing_inputs_are_the_golden_ones() {
    for algorithm in ALGORITHMS {
        let input = golden_jws(algorithm).signing_input(checkpoint().payload().as_bytes());
        assert_eq!(
            input.as_bytes(),
            read(&format!("{algorithm}.signing-input"))
        );
    }
}

#[test]
fn rs256_makes_the_golden_signature_again() {
    let jws = sign(Algorithm::Rs256);
    assert_eq!(jws.compact().as_bytes(), read("RS256.jws"));
}

#[test]
fn ps256_makes_the_golden_header_again_and_another_signature() {
    let (jws, golden) = (sign(Algorithm::Ps256), golden_jws(Algorithm::Ps256));
    assert_eq!(jws.header(), golden.header());
    assert_eq!(
        jws.compact().split('.').next(),
        golden.compact().split('.').next()
    );
    assert_ne!(jws.signature(), golden.signature());
}

#[test]
fn the_golden_headers_are_those_of_the_contract() {
    for algorithm in ALGORITHMS {
        let name = algorithm.as_str().to_lowercase();
        let expected = format!(
            r#"{{"alg":"{algorithm}","iat":1736985605,"kid":"test-key-never-trust-{name}","typ":"ledger-checkpoint+jws"}}"#
        );
        assert_eq!(golden_jws(algorithm).header().to_json(), expected);
    }
}

#[test]
fn both_implementations_verify_the_golden_signatures() {
    for algorithm in ALGORITHMS {
        let jws = golden_jws(algorithm);
        let input = read(&format!("{algorithm}.signing-input"));
        let key = secret(algorithm).version().public_key.clone();
        key.verify(algorithm, &input, jws.signature()).unwrap();
        key.verify_independently(algorithm, &input, jws.signature())
            .unwrap();
    }
}

#[test]
fn the_published_json_is_the_golden_one() {
    for algorithm in ALGORITHMS {
        let jws = golden_jws(algorithm);
        let published = SignedCheckpoint {
            checkpoint: checkpoint(),
            jws,
        }
        .published_json();
        assert_eq!(
            published.as_bytes(),
            read(&format!("{algorithm}.published.json"))
        );
    }
}

#[test]
fn the_golden_published_json_is_read_as_its_parts() {
    for algorithm in ALGORITHMS {
        let text = read(&format!("{algorithm}.published.json"));
        let signed = SignedCheckpoint::from_published_json(&text).unwrap();
        assert_eq!(signed.jws, golden_jws(algorithm));
        assert_eq!(signed.checkpoint.payload(), checkpoint().payload());
    }
}

#[test]
fn the_exported_keyring_is_the_golden_one() {
    assert_eq!(
        keyring_of_the_secrets().to_jwks().as_bytes(),
        read("keyring.json")
    );
}

#[test]
fn the_golden_keyring_is_read_as_it_was_exported() {
    assert_eq!(
        Keyring::from_jwks(&read("keyring.json")).unwrap(),
        keyring_of_the_secrets()
    );
}

#[test]
fn the_golden_checkpoints_are_valid_under_the_golden_keyring() {
    let keyring = Keyring::from_jwks(&read("keyring.json")).unwrap();
    for algorithm in ALGORITHMS {
        let text = read(&format!("{algorithm}.published.json"));
        let (verdict, _) = verify_published(&keyring, &text);
        assert_eq!(verdict.kind, VerdictKind::Valid, "{}", verdict.explanation);
        assert_eq!(verdict.signed_at, Some(signed_at()));
    }
}

#[test]
fn the_endorsement_is_made_again_and_holds() {
    let golden = String::from_utf8(read("RS256.endorsement.jws")).unwrap();
    assert_eq!(endorsement().compact(), golden);
    let (endorser, endorsed) = (secret(Algorithm::Rs256), secret(Algorithm::Ps256));
    let golden = Endorsement::parse(&golden).unwrap();
    golden
        .check(endorser.version(), endorsed.version())
        .unwrap();
}

#[test]
fn the_heads_of_the_record_are_made_again_and_hold() {
    let keyring = Keyring::from_jwks(&read("keyring.json")).unwrap();
    for algorithm in ALGORITHMS {
        let made = record_head(algorithm);
        let jws = String::from_utf8(read(&format!("{algorithm}.record-head.jws"))).unwrap();
        let note = String::from_utf8(read(&format!("{algorithm}.record-head.note"))).unwrap();
        if algorithm == Algorithm::Rs256 {
            assert_eq!(
                (made.signed.jws().compact(), &made.note),
                (jws.clone(), &note)
            );
        }
        let (golden, note) = (
            SignedHead::parse(&jws).unwrap(),
            Note::parse(&note).unwrap(),
        );
        assert_eq!(golden.head(), made.signed.head());
        assert_eq!(golden.jws().header(), made.signed.jws().header());
        assert_eq!(note.text, Note::parse(&made.note).unwrap().text);
        for verdict in [verify_head(&keyring, &golden), verify_note(&keyring, &note)] {
            assert_eq!(verdict.kind, VerdictKind::Valid, "{}", verdict.explanation);
        }
    }
}

#[test]
fn the_golden_checkpoint_is_in_the_golden_record() {
    let text = String::from_utf8(read("RS256.record-head.jws")).unwrap();
    let head = SignedHead::parse(&text).unwrap();
    let row = |algorithm| {
        let text = read(&format!("{algorithm}.published.json"));
        SignedCheckpoint::from_published_json(&text).unwrap()
    };
    let (first, second) = (row(Algorithm::Rs256), row(Algorithm::Ps256));
    let proof = [TreeHash::of(&second)];
    verify_included(&first, 1, &proof, head.head().tree).unwrap();
    let proof = [TreeHash::of(&first)];
    verify_included(&second, 2, &proof, head.head().tree).unwrap();
}

/// The head of a record of the two published checkpoints, RS256 first.
fn record_head(algorithm: Algorithm) -> PublishedHead {
    let mut tree = Frontier::default();
    for algorithm in ALGORITHMS {
        tree.push(TreeHash::leaf(&read(&format!(
            "{algorithm}.published.json"
        ))));
    }
    let key = secret(algorithm).into_signing_key();
    let open = key.open_at(signed_at()).ok().unwrap();
    let tree = TreeHead {
        size: tree.size(),
        root: tree.root(),
    };
    PublishedHead::sign(&open, &"test-record".parse().unwrap(), tree).unwrap()
}

/// The RS256 key endorses the other one.
fn endorsement() -> Endorsement {
    let key = secret(Algorithm::Rs256).into_signing_key();
    let open = key.open_at(signed_at()).ok().unwrap();
    open.endorse(secret(Algorithm::Ps256).version()).unwrap()
}

fn signed_at() -> DateTime<Utc> {
    parse_instant("2025-01-16T00:00:05Z").unwrap()
}

fn checkpoint() -> Checkpoint {
    Checkpoint::from_json(&read("checkpoint.json")).unwrap()
}

fn secret(algorithm: Algorithm) -> KeySecret {
    let text = String::from_utf8(read(&format!("{algorithm}.secret.json"))).unwrap();
    let secret = KeySecret::parse(&text, None).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(secret.version().algorithm, algorithm);
    secret
}

fn golden_jws(algorithm: Algorithm) -> DetachedJws {
    let text = String::from_utf8(read(&format!("{algorithm}.jws"))).unwrap();
    DetachedJws::parse(&text).unwrap()
}

fn sign(algorithm: Algorithm) -> DetachedJws {
    let key = secret(algorithm).into_signing_key();
    let open = key.open_at(signed_at()).ok().unwrap();
    open.sign(checkpoint().payload()).unwrap()
}

fn keyring_of_the_secrets() -> Keyring {
    let mut keyring = Keyring::default();
    for algorithm in ALGORITHMS {
        keyring.insert(secret(algorithm).version().clone()).unwrap();
    }
    keyring
}

fn path(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "golden", name]
        .iter()
        .collect()
}

fn read(name: &str) -> Vec<u8> {
    fs::read(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Writes what can be derived, in the order in which one follows from the other.
fn write() {
    write_file("payload", checkpoint().payload().as_bytes());
    for algorithm in ALGORITHMS {
        let name = |what: &str| format!("{algorithm}.{what}");
        if !path(&name("secret.json")).exists() {
            write_file(&name("secret.json"), new_secret(algorithm).as_bytes());
        }
        if algorithm == Algorithm::Rs256 || !has_good_signature(algorithm) {
            write_file(&name("jws"), sign(algorithm).compact().as_bytes());
        }
        let (checkpoint, jws) = (checkpoint(), golden_jws(algorithm));
        let input = jws.signing_input(checkpoint.payload().as_bytes());
        write_file(&name("signing-input"), input.as_bytes());
        let published = SignedCheckpoint { checkpoint, jws }.published_json();
        write_file(&name("published.json"), published.as_bytes());
    }
    write_file(
        "keyring.json",
        keyring_of_the_secrets().to_jwks().as_bytes(),
    );
    write_file("RS256.endorsement.jws", endorsement().compact().as_bytes());
    for algorithm in ALGORITHMS {
        let names = ["jws", "note"].map(|form| format!("{algorithm}.record-head.{form}"));
        if algorithm == Algorithm::Rs256 || !names.iter().all(|name| path(name).exists()) {
            let head = record_head(algorithm);
            write_file(&names[0], head.signed.jws().compact().as_bytes());
            write_file(&names[1], head.note.as_bytes());
        }
    }
}

fn write_file(name: &str, bytes: &[u8]) {
    fs::write(path(name), bytes).unwrap();
}

fn new_secret(algorithm: Algorithm) -> String {
    let name = algorithm.as_str().to_lowercase();
    let key_id = format!("test-key-never-trust-{name}").parse().unwrap();
    let edge = |text| parse_instant(text).unwrap();
    let window = ValidityWindow::new(edge("2025-01-01"), edge("2026-01-01")).unwrap();
    let (text, _) = KeySecret::generate(key_id, window, algorithm, MODULUS_BITS, None)
        .ok()
        .unwrap();
    text.to_string()
}

/// Whether the signature on file is by the secret's key, over this checkpoint, at the golden time.
fn has_good_signature(algorithm: Algorithm) -> bool {
    if !path(&format!("{algorithm}.jws")).exists() {
        return false;
    }
    let (checkpoint, jws) = (checkpoint(), golden_jws(algorithm));
    let signed = SignedCheckpoint { checkpoint, jws };
    signed.jws.header() == sign(algorithm).header()
        && signed
            .check(&secret(algorithm).version().public_key)
            .is_ok()
}
