//! An export checked by one signed head: the verdicts are those of verifying every signature by itself.

use std::sync::LazyLock;

use checkpoint::checkpoint::{Checkpoint, MAX_JSON_BYTES};
use checkpoint::jws::SignedCheckpoint;
use checkpoint::key::{Algorithm, KeyVersion, ValidityWindow, parse_instant};
use checkpoint::keyring::{Keyring, PinnedKeyring, Revocation};
use checkpoint::log::export::ReadError;
use checkpoint::log::head::SignedHead;
use checkpoint::log::note::Note;
use checkpoint::log::proof::TreeHead;
use checkpoint::log::tree::{Frontier, TreeHash};
use checkpoint::log::{InclusionBundle, verify_note};
use checkpoint::signing::{KeySecret, SigningKey};
use checkpoint::verdict::VerdictKind;
use checkpoint_verify::bulk::{Fingerprints, Judge, Selection};
use checkpoint_verify::log::{ExportReport, Fault, check_export};
use chrono::{DateTime, Utc};
use proptest::prelude::*;
use serde_json::json;

fn at(text: &str) -> DateTime<Utc> {
    parse_instant(text).unwrap()
}

fn key(year: i32, algorithm: Algorithm) -> SigningKey {
    let window = ValidityWindow::new(
        at(&format!("{year}-01-01")),
        at(&format!("{}-01-01", year + 1)),
    );
    let name = format!("key-{year}").parse().unwrap();
    let made = KeySecret::generate(name, window.unwrap(), algorithm, 2048, None);
    let secret = KeySecret::parse(&made.unwrap().0, None).unwrap();
    secret.into_signing_key()
}

struct Made {
    keys: [SigningKey; 2],
    lines: Vec<String>,
}

/// Enough for several chunks of lines on each core, by two keys; some have members that look like signatures.
static MADE: LazyLock<Made> = LazyLock::new(|| {
    let keys = [key(2024, Algorithm::Rs256), key(2025, Algorithm::Ps256)];
    let line = |n: u32| {
        let (key, year) = match n < 300 {
            true => (&keys[0], 2024),
            false => (&keys[1], 2025),
        };
        let odd = match n % 7 {
            0 => json!({ "signature": "x", "a": [{ "b": 1, "signature": "e30..AA" }] }),
            1 => json!("a text with \",\"signature\":\"e30..AA\" in it"),
            2 => json!(["\u{1f600} \\", "signature"]),
            _ => json!(n),
        };
        let json = json!({
            "checkpoint_id": format!("chk_{n}"), "ledger_id": "org_1", "timestamp": "2024-01-15T23:59:59Z",
            "cumulative_hash": format!("sha256:{}", "0a".repeat(32)), "entry_count": n, "total_volume": -5,
            "organization_summaries": [{ "signature": "y", "n": n }], "odd": odd, "zodd": odd,
        });
        let checkpoint = Checkpoint::from_json(json.to_string().as_bytes()).unwrap();
        let iat = at(&format!(
            "{year}-{:02}-{:02}T01:02:03Z",
            n / 28 % 12 + 1,
            n % 28 + 1
        ));
        let jws = key.open_at(iat).unwrap().sign(checkpoint.payload());
        let jws = jws.unwrap();
        SignedCheckpoint { checkpoint, jws }.published_json()
    };
    let lines = (0..600).map(line).collect();
    Made { keys, lines }
});

fn lines() -> Vec<String> {
    MADE.lines.clone()
}

fn versions() -> [KeyVersion; 2] {
    MADE.keys.each_ref().map(|key| key.version().clone())
}

fn keyring(versions: &[KeyVersion]) -> Keyring {
    let mut keyring = Keyring::default();
    for version in versions {
        keyring.insert(version.clone()).unwrap();
    }
    keyring
}

fn everything() -> PinnedKeyring {
    PinnedKeyring::unpinned(keyring(&versions()))
}

fn head(lines: &[String]) -> TreeHead {
    let mut tree = Frontier::default();
    lines
        .iter()
        .for_each(|line| tree.push(TreeHash::leaf(line.as_bytes())));
    TreeHead {
        size: tree.size(),
        root: tree.root(),
    }
}

fn export(lines: &[String]) -> String {
    let first = json!({
        "record_export": 1, "rows": lines.len(), "root": "", "keyring": { "keys": [] },
    });
    let lines: String = lines.iter().map(|line| format!("{line}\n")).collect();
    format!("{first}\n{lines}")
}

fn check(export: &str, keyring: &PinnedKeyring, head: TreeHead) -> ExportReport {
    check_export(|| Ok(export.as_bytes()), keyring, head).unwrap()
}

/// What full verification says of each row that is not valid.
fn one_by_one(lines: &[String], keyring: &PinnedKeyring) -> Vec<Fault> {
    let judge = Judge {
        keyring: keyring.clone(),
        selection: Selection::default(),
        fingerprints: Fingerprints::default(),
    };
    let fault = |(line, text): (u64, &String)| {
        let checked = judge.check(text.as_bytes(), false).unwrap();
        (checked.kind != VerdictKind::Valid).then_some(Fault {
            line,
            kind: checked.kind,
            explanation: checked.explanation,
        })
    };
    (2..).zip(lines).filter_map(fault).collect()
}

#[test]
fn a_sound_export_is_covered_as_a_whole() {
    let lines = lines();
    assert_eq!(one_by_one(&lines, &everything()), []);
    for size in [0, 1, 255, 256, 257, 599, 600] {
        let head = head(&lines[..size]);
        let report = check(&export(&lines), &everything(), head);
        // A head of no rows vouches for nothing.
        assert_eq!(report.is_covered(head), size > 0, "{size}");
        assert_eq!((report.rows, report.covered), (600, size as u64));
        assert_eq!(report.faults, []);
        // Those beyond the head are valid by their own signatures.
        assert_eq!(report.verdicts, [(VerdictKind::Valid, 600)].into());
    }
    let head = head(&lines);
    let without_last_end = export(&lines);
    let report = check(without_last_end.trim_end(), &everything(), head);
    assert!(report.is_covered(head));
}

#[test]
fn the_verdicts_are_those_of_full_verification_whatever_the_keyring() {
    let (lines, [first, second]) = (lines(), versions());
    let mut revoked = keyring(&versions());
    let revocation = Revocation {
        distrust_after: at("2025-03-01T01:02:03Z"),
        reason: "leaked".into(),
        revoked_at: at("2025-06-01"),
    };
    revoked.revoke(&second.key_id, revocation);
    let narrow = KeyVersion {
        window: ValidityWindow::new(at("2024-02-01"), at("2024-05-01")).unwrap(),
        ..first.clone()
    };
    let other_algorithm = KeyVersion {
        algorithm: Algorithm::Ps256,
        ..first.clone()
    };
    let rings = [
        keyring(&[]),
        keyring(std::slice::from_ref(&first)),
        keyring(&[narrow, second.clone()]),
        keyring(&[other_algorithm, second.clone()]),
        revoked,
    ];
    let mut rings: Vec<PinnedKeyring> = rings.into_iter().map(PinnedKeyring::unpinned).collect();
    let ring = keyring(&versions());
    let pin = ring
        .get(&"key-2024".parse().unwrap())
        .unwrap()
        .version()
        .fingerprint();
    rings.push(ring.trust_from(pin).unwrap());
    let head = head(&lines);
    for ring in rings {
        let report = check(&export(&lines), &ring, head);
        assert!(report.is_covered(head));
        let mut expected = one_by_one(&lines, &ring);
        assert!(!expected.is_empty());
        let invalid: u64 = report
            .verdicts
            .iter()
            .filter(|(kind, _)| **kind != VerdictKind::Valid)
            .map(|(_, count)| count)
            .sum();
        assert_eq!(invalid, expected.len() as u64);
        expected.truncate(report.faults.len());
        assert_eq!(report.faults, expected);
        assert!(
            report.faults.len() == 100 || report.faults.len() == usize::try_from(invalid).unwrap()
        );
    }
}

/// Asserts that the head does not cover these lines, and that each is judged by itself.
fn assert_not_covered(lines: &[String], head: TreeHead) {
    let report = check(&export(lines), &everything(), head);
    assert_eq!(report.covered, 0);
    assert_eq!(report.rows, lines.len() as u64);
    let mut expected = one_by_one(lines, &everything());
    expected.truncate(100);
    assert_eq!(report.faults, expected);
}

#[test]
fn rows_that_were_taken_away_added_moved_or_written_otherwise_are_not_covered() {
    let (sound, head) = (lines(), head(&lines()));
    let changes: [fn(&mut Vec<String>); 6] = [
        |lines| drop(lines.remove(0)),
        |lines| drop(lines.pop()),
        |lines| lines.swap(299, 300),
        |lines| lines.insert(5, lines[5].clone()),
        |lines| lines.insert(5, String::new()),
        |lines| lines[5] = lines[5].replacen(':', ": ", 1),
    ];
    for change in changes {
        let mut lines = sound.clone();
        change(&mut lines);
        assert_not_covered(&lines, head);
    }
    // White space behind a row says nothing.
    for end in ["\r", " \t"] {
        let mut lines = sound.clone();
        lines.iter_mut().for_each(|line| line.push_str(end));
        let report = check(&export(&lines), &everything(), head);
        assert!(report.is_covered(head), "{end:?}");
    }
    let mut other_signature = sound.clone();
    let text = |line: &str| {
        line.split_once("..")
            .unwrap()
            .1
            .split_once('"')
            .unwrap()
            .0
            .to_owned()
    };
    other_signature[9] = sound[9].replace(&text(&sound[9]), &text(&sound[10]));
    assert_ne!(other_signature, sound);
    assert_not_covered(&other_signature, head);
    let report = check(&export(&other_signature), &everything(), head);
    let [fault] = report.faults.as_slice() else {
        panic!("{:?}", report.faults)
    };
    assert_eq!(
        (fault.line, fault.kind),
        (11, VerdictKind::InvalidSignature)
    );
}

#[test]
fn a_line_that_is_too_long_is_named() {
    let mut lines = lines();
    let head = head(&lines);
    lines[3] = "x".repeat(MAX_JSON_BYTES + 1);
    let export = export(&lines);
    let refused = check_export(|| Ok(export.as_bytes()), &everything(), head);
    assert!(
        matches!(refused, Err(ReadError::TooLong(5, _))),
        "{refused:?}"
    );
    let none = check_export(|| Ok("{}\n".as_bytes()), &everything(), head);
    assert!(matches!(none, Err(ReadError::NotAnExport(_))));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn no_text_is_taken_for_a_head_or_a_proof_or_ends_in_a_panic(
        text in "(\\PC|\n|— |\\.|[0-9A-Za-z+/=]{4}){0,40}",
        note in "[a-z]{0,3}\n[0-9]{0,21}\n[A-Za-z0-9+/]{0,44}=?\n\n(— [a-z+]{0,3} [A-Za-z0-9+/]{0,12}\n){0,3}",
        json in r#"\{("[a-z_]{1,16}":("[0-9a-f]{0,64}"|[0-9]{1,22}|\[\]),?){0,6}\}"#,
    ) {
        prop_assert!(SignedHead::parse(&text).is_err());
        prop_assert!(InclusionBundle::parse(json.as_bytes()).is_err());
        for text in [text, note] {
            if let Ok(note) = Note::parse(&text) {
                // What is taken is taken whole.
                prop_assert!(text.starts_with(&note.text));
                prop_assert_eq!(verify_note(&everything().trusted, &note).kind, VerdictKind::UnknownKey);
            }
        }
    }

    #[test]
    fn a_changed_byte_is_never_covered(at in any::<prop::sample::Index>(), byte in 0u8..128) {
        let sound = lines();
        let head = head(&sound);
        let line = at.index(sound.len());
        let place = at.index(sound[line].len());
        let mut bytes = sound[line].clone().into_bytes();
        let before = std::mem::replace(&mut bytes[place], byte);
        prop_assume!(before != byte && before < 128 && byte != b'\n');
        let mut lines = sound;
        lines[line] = String::from_utf8(bytes).unwrap();
        assert_not_covered(&lines, head);
    }
}
