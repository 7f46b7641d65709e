//! The same checkpoints as the export of a record, checked by one signed head.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;
use std::time::Instant;

use checkpoint::keyring::{Keyring, PinnedKeyring};
use checkpoint::log::head::{DEFAULT_LOG, SignedHead};
use checkpoint::log::proof::TreeHead;
use checkpoint::log::tree::{Frontier, TreeHash};
use checkpoint::signing::SigningKey;
use checkpoint_verify::log::check_export;
use chrono::{DateTime, Utc};

use crate::Run;

/// Writes the export and the head.
pub fn make(key: &SigningKey, now: DateTime<Utc>, published: &Path, export: &Path, head: &Path) {
    let lines = || BufReader::new(File::open(published).unwrap()).lines();
    let mut tree = Frontier::default();
    for line in lines() {
        tree.push(TreeHash::leaf(line.unwrap().as_bytes()));
    }
    let mut keyring = Keyring::default();
    keyring.insert(key.version().clone()).unwrap();
    let (rows, root) = (tree.size(), tree.root());
    let keyring = keyring.to_jwks();
    let mut file = BufWriter::new(File::create(export).unwrap());
    writeln!(
        file,
        r#"{{"record_export":1,"rows":{rows},"root":"{root}","keyring":{}}}"#,
        keyring.trim()
    )
    .unwrap();
    lines().for_each(|line| writeln!(file, "{}", line.unwrap()).unwrap());
    file.flush().unwrap();
    let log = DEFAULT_LOG.parse().unwrap();
    let tree = TreeHead { size: rows, root };
    let signed = SignedHead::sign(&key.open_at(now).unwrap(), &log, tree).unwrap();
    std::fs::write(head, signed.jws().compact()).unwrap();
}

pub struct Covered {
    /// Of the program.
    pub run: Run,
    /// Rows a second of the library.
    pub rate: f64,
}

impl Covered {
    pub fn of(keyring: &Path, export: &Path, head: &Path, count: u64) -> Self {
        let [keys, by_head, of] = ["--keys", "--record-head", "--log"].map(Path::new);
        let (run, report) = Run::with(&[keys, keyring, by_head, head, of, export]);
        assert_eq!(report["covered"], count);
        assert_eq!(report["verdicts"]["VALID"], count);
        let ring = Keyring::from_jwks(&std::fs::read(keyring).unwrap()).unwrap();
        let signed = SignedHead::parse(&std::fs::read_to_string(head).unwrap()).unwrap();
        let ring = PinnedKeyring::unpinned(ring);
        let open = || Ok(BufReader::new(File::open(export)?));
        let start = Instant::now();
        let report = check_export(open, &ring, signed.head().tree).unwrap();
        let rate = count as f64 / start.elapsed().as_secs_f64();
        assert!(report.is_covered(signed.head().tree));
        Self { run, rate }
    }
}
