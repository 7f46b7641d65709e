//! An export under a head that vouches for it: a line judged at a glance gets the verdict that its header has, read in
//! full. The input is the rows, a line each.
#![no_main]

use std::collections::BTreeMap;

use checkpoint::jws::SignedCheckpoint;
use checkpoint::keyring::{Keyring, PinnedKeyring};
use checkpoint::log::proof::TreeHead;
use checkpoint::log::tree::{Frontier, TreeHash};
use checkpoint::verdict::VerdictKind;
use checkpoint_signer_fuzz::{KEYRING, REVOKED};
use checkpoint_verify::log::check_export;
use libfuzzer_sys::fuzz_target;

const MOST_ROWS: usize = 8;

fuzz_target!(|data: &[u8]| {
    let rows = data.split(|byte| *byte == b'\n');
    let rows = rows.filter_map(|row| SignedCheckpoint::from_published_json(row).ok());
    let rows: Vec<_> = rows.take(MOST_ROWS).collect();
    if rows.is_empty() {
        return;
    }
    check(&rows, &KEYRING);
    check(&rows, &REVOKED);
});

fn check(rows: &[SignedCheckpoint], keyring: &Keyring) {
    let (mut tree, mut expected) = (Frontier::default(), BTreeMap::new());
    let mut text = String::new();
    for row in rows {
        tree.push(TreeHash::of(row));
        *expected.entry(verdict(keyring, row)).or_default() += 1;
        text += &row.published_json();
        text += "\n";
    }
    let (rows, root) = (tree.size(), tree.root());
    let keys = keyring.to_jwks();
    let first = format!(r#"{{"record_export":1,"rows":{rows},"root":"{root}","keyring":{keys}}}"#);
    let export = format!("{first}\n{text}");
    let head = TreeHead { size: rows, root };
    let keyring = PinnedKeyring::unpinned(keyring.clone());
    let report = check_export(|| Ok(export.as_bytes()), &keyring, head).expect("an export");
    assert!(report.is_covered(head));
    assert_eq!((report.rows, report.covered), (rows, rows));
    assert_eq!(report.verdicts, expected);
}

/// The verdict of a signature that the key is known to have made.
fn verdict(keyring: &Keyring, row: &SignedCheckpoint) -> VerdictKind {
    let header = row.jws.header();
    let Some(entry) = keyring.verifying(&header.kid) else {
        return VerdictKind::UnknownKey;
    };
    if entry.version().algorithm != header.alg {
        VerdictKind::AlgorithmMismatch
    } else if !entry.version().window.contains(header.iat) {
        VerdictKind::OutsideValidity
    } else if entry
        .revocation()
        .is_some_and(|r| header.iat >= r.distrust_after)
    {
        VerdictKind::KeyRevoked
    } else {
        VerdictKind::Valid
    }
}
