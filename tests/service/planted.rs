//! 100,000 checkpoints with 25 faults of all kinds among them: `verify` names those, and nothing else.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;

use checkpoint::checkpoint::Checkpoint;
use checkpoint::jws::SignedCheckpoint;
use checkpoint::keyring::{Keyring, Revocation};
use checkpoint::signing::{KeySecret, SigningKey};
use chrono::{DateTime, TimeDelta, Utc};
use rayon::prelude::*;
use serde_json::Value;

use crate::support::{at, key_with};

const LEDGERS: u64 = 207;

/// Checkpoints of each ledger: one a day from the beginning of 2025 on.
const DAYS: u64 = 500;

const FIRST_DAY: &str = "2025-01-01T23:59:59Z";

const REVOKED_FROM: &str = "2026-05-01";

struct Keys {
    of_2025: SigningKey,
    of_2026: SigningKey,
    /// One that nobody published.
    stranger: SigningKey,
    /// The key of 2025 as if its window were longer, or its algorithm another.
    too_long: SigningKey,
    other_algorithm: SigningKey,
    /// Another key under the name of the key of 2025.
    namesake: SigningKey,
}

fn signing(document: &str) -> SigningKey {
    KeySecret::parse(document, None).unwrap().into_signing_key()
}

impl Keys {
    fn make() -> Self {
        let of_2025 = key_with("key-2025", "2025-01-01", "2026-01-01", 0);
        let edited = |member: &str, text: &str| {
            let mut document: Value = serde_json::from_str(&of_2025).unwrap();
            document[member] = text.into();
            signing(&document.to_string())
        };
        Self {
            too_long: edited("valid_until", "2030-01-01"),
            other_algorithm: edited("algorithm", "RS256"),
            namesake: signing(&key_with("key-2025", "2025-01-01", "2026-01-01", 1)),
            of_2025: signing(&of_2025),
            of_2026: signing(&key_with("key-2026", "2026-01-01", "2027-01-01", 0)),
            stranger: signing(&key_with("key-2024", "2024-01-01", "2030-01-01", 0)),
        }
    }

    fn keyring(&self) -> Keyring {
        let mut keyring = Keyring::default();
        keyring.insert(self.of_2025.version().clone()).unwrap();
        keyring.insert(self.of_2026.version().clone()).unwrap();
        let revocation = Revocation {
            distrust_after: at(REVOKED_FROM),
            reason: "leaked".into(),
            revoked_at: at("2026-05-02"),
        };
        keyring.revoke(&self.of_2026.version().key_id, revocation);
        keyring
    }

    fn at(&self, time: DateTime<Utc>) -> &SigningKey {
        match time < at("2026-01-01") {
            true => &self.of_2025,
            false => &self.of_2026,
        }
    }
}

/// A day of a ledger, to be changed.
#[derive(Clone)]
struct Entry {
    ledger: u64,
    id: String,
    time: DateTime<Utc>,
    entry_count: u64,
    hash: u64,
    volume: i64,
}

impl Entry {
    fn of(ledger: u64, day: u64) -> Self {
        let time = at(FIRST_DAY) + TimeDelta::days(day as i64);
        Self {
            ledger,
            id: format!("chk_{}", time.format("%Y-%m-%d")),
            time,
            // Some days are without entries.
            entry_count: 100 + day / 7 * 7,
            hash: ledger * 1_000_000 + day / 7,
            volume: 5_000 + (day / 7) as i64,
        }
    }

    fn published(&self, key: &SigningKey) -> String {
        let Self {
            ledger,
            id,
            entry_count,
            hash,
            volume,
            ..
        } = self;
        let time = self.time.format("%Y-%m-%dT%H:%M:%SZ");
        let text = format!(
            r#"{{"checkpoint_id":"{id}","ledger_id":"org_{ledger:03}","timestamp":"{time}","cumulative_hash":"sha256:{hash:064x}","entry_count":{entry_count},"total_volume":{volume},"organization_summaries":[{{"name":"Hope","volume":{volume}}}]}}"#
        );
        let checkpoint = Checkpoint::from_json(text.as_bytes()).unwrap();
        let jws = key
            .open_at(self.time)
            .unwrap()
            .sign(checkpoint.payload())
            .unwrap();
        SignedCheckpoint { checkpoint, jws }.published_json()
    }

    fn right(&self, keys: &Keys) -> String {
        self.published(keys.at(self.time))
    }
}

/// Lines to put in the place of an entry's, and what is to be found: the verdict on the last of them, or the finding
/// about it and another line of the same ledger.
enum Fault {
    Verdict(&'static str, String),
    Finding(&'static str, String),
    /// As well as the right line.
    Added(&'static str, String),
}

/// What stands in ledger `n` on day `300 + n`; none for a ledger without a fault.
fn fault(ledger: u64, entry: &Entry, keys: &Keys) -> Option<Fault> {
    use Fault::{Added, Finding, Verdict};
    let right = entry.right(keys);
    let swap = |from: &str, to: &str| {
        let wrong = right.replacen(from, to, 1);
        assert_ne!(wrong, right, "{from}");
        wrong
    };
    let edited = |edit: &dyn Fn(&mut Entry)| {
        let mut edited = entry.clone();
        edit(&mut edited);
        edited
    };
    let another = |days: i64| edited(&|entry| entry.time += TimeDelta::days(days));
    Some(match ledger {
        0 => Verdict("INVALID_SIGNATURE", swap("sha256:0", "sha256:1")),
        1 => Verdict(
            "INVALID_SIGNATURE",
            swap("\"total_volume\":5", "\"total_volume\":6"),
        ),
        2 => Verdict("INVALID_SIGNATURE", swap("Hope", "Hops")),
        3 => Verdict("INVALID_SIGNATURE", swap("\"org_003\"", "\"org_004\"")),
        4 => Verdict("INVALID_SIGNATURE", swap("T23:59:59Z", "T23:59:58Z")),
        5 => Verdict("INVALID_SIGNATURE", entry.published(&keys.namesake)),
        6 => Verdict("INVALID_SIGNATURE", {
            let other = another(1).right(keys);
            let signature = |text: &str| {
                let value: Value = serde_json::from_str(text).unwrap();
                value["signature"].as_str().unwrap().to_owned()
            };
            swap(&signature(&right), &signature(&other))
        }),
        7 => Verdict("INVALID_SIGNATURE", {
            let end = right.find("\",\"timestamp\"").unwrap();
            format!("{}{}", &right[..end - 8], &right[end - 4..])
        }),
        8 | 9 => Verdict("UNKNOWN_KEY", entry.published(&keys.stranger)),
        10 => Verdict("OUTSIDE_VALIDITY", another(365).published(&keys.too_long)),
        11 => Verdict("OUTSIDE_VALIDITY", another(900).published(&keys.too_long)),
        12 | 13 => Verdict("KEY_REVOKED", another(200).right(keys)),
        14 => Verdict("ALGORITHM_MISMATCH", entry.published(&keys.other_algorithm)),
        15 => Verdict("MALFORMED", right[..right.len() - 1].to_owned()),
        16 => Verdict(
            "MALFORMED",
            swap("{\"checkpoint_id\"", "{\"a\":1,\"a\":1,\"checkpoint_id\""),
        ),
        17 => Verdict(
            "MALFORMED",
            swap("\"entry_count\":", "\"entry_count\":90071992547409"),
        ),
        18 => Verdict("MALFORMED", swap("\"total_volume\"", "\"total\"")),
        19 => Verdict("MALFORMED", swap("..", ".e30.")),
        20 => Added(
            "SECOND_HISTORY",
            edited(&|e| (e.id, e.hash) = ("fork".into(), 7)).right(keys),
        ),
        21 => Added(
            "SECOND_HISTORY",
            edited(&|e| (e.id, e.volume) = ("fork".into(), 7)).right(keys),
        ),
        22 => Added(
            "SECOND_CONTENT",
            edited(&|entry| entry.time -= TimeDelta::hours(1)).right(keys),
        ),
        23 => Finding(
            "ENTRY_COUNT_FELL",
            edited(&|e| (e.entry_count, e.hash) = (99, 99)).right(keys),
        ),
        24 => Finding(
            "ENTRY_COUNT_FELL",
            edited(&|e| (e.entry_count, e.hash) = (9999, 99)).right(keys),
        ),
        _ => return None,
    })
}

/// The lines of a ledger, and what is wrong with it: the name of it, and the line.
fn ledger(ledger: u64, keys: &Keys) -> (Vec<String>, Option<(&'static str, usize)>) {
    let (mut lines, mut expected) = (Vec::new(), None);
    for day in 0..DAYS {
        let entry = Entry::of(ledger, day);
        if entry.time >= at(REVOKED_FROM) {
            break;
        }
        let fault = (day == 300 + ledger)
            .then(|| fault(ledger, &entry, keys))
            .flatten();
        let (name, line) = match fault {
            None => {
                lines.push(entry.right(keys));
                continue;
            }
            Some(Fault::Added(name, line)) => {
                lines.push(entry.right(keys));
                (name, line)
            }
            Some(Fault::Verdict(name, line) | Fault::Finding(name, line)) => (name, line),
        };
        lines.push(line);
        expected = Some((name, lines.len()));
    }
    (lines, expected)
}

#[test]
fn of_100_000_checkpoints_exactly_the_25_faults_are_named() {
    let (keys, folder) = (Keys::make(), tempfile::tempdir().unwrap());
    std::fs::write(folder.path().join("keyring.json"), keys.keyring().to_jwks()).unwrap();
    let made: Vec<_> = (0..LEDGERS)
        .into_par_iter()
        .map(|n| ledger(n, &keys))
        .collect();
    // A ledger a file in a folder; the last ones in one file of lines, and on standard input.
    let archive = folder.path().join("archive/deep");
    std::fs::create_dir_all(&archive).unwrap();
    let (mut all, mut single) = (String::new(), String::new());
    let mut expected = BTreeSet::new();
    let mut count = 0;
    for (n, (lines, fault)) in made.iter().enumerate() {
        count += lines.len();
        let text = lines.join("\n");
        let place = match n {
            0..150 => {
                let file = archive.join(format!("{n}.ndjson"));
                std::fs::write(&file, text).unwrap();
                format!("archive/deep/{n}.ndjson")
            }
            150..199 => {
                writeln!(all, "{text}").unwrap();
                continue;
            }
            _ => {
                writeln!(single, "{text}").unwrap();
                continue;
            }
        };
        if let Some((name, line)) = fault {
            expected.insert((name.to_string(), format!("{place}:{line}")));
        }
    }
    std::fs::write(folder.path().join("all.json"), all).unwrap();
    assert_eq!(expected.len(), 25);
    assert!(count > 100_000, "{count}");

    let report = verify(folder.path(), &["--format", "json"], &single);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut found = BTreeSet::new();
    for verdict in report["verdicts"].as_array().unwrap() {
        let place = format!("{}:{}", text(&verdict["file"]), verdict["line"]);
        found.insert((text(&verdict["verdict"]), place));
    }
    for fault in report["faults"].as_array().unwrap() {
        let sources = fault["checkpoints"].as_array().unwrap();
        let sources = sources.iter().map(|member| text(&member["source"]));
        // The planted one, not the right one beside it.
        let planted: Vec<_> = sources
            .map(|source| (text(&fault["finding"]), source))
            .filter(|named| expected.contains(named))
            .collect();
        assert_eq!(planted.len(), 1, "{fault}");
        found.extend(planted);
    }
    assert_eq!(found, expected);
    assert_eq!(report["faults"].as_array().unwrap().len(), 5);
    assert_eq!(report["summary"]["checkpoints"], count);
    assert_eq!(report["summary"]["valid"], count - 20);
    assert_eq!(
        report["summary"]["ledgers"].as_object().unwrap().len() as u64,
        LEDGERS
    );
}

/// The report of `verify`, which ends in 1.
fn verify(folder: &Path, arguments: &[&str], input: &str) -> Value {
    let mut child = crate::starter::binary()
        .current_dir(folder)
        .args([
            "verify",
            "archive",
            "all.json",
            "-",
            "--keys",
            "keyring.json",
        ])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = child.stdin.take().unwrap();
    let input = input.to_owned();
    let writer = std::thread::spawn(move || pipe.write_all(input.as_bytes()).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert_eq!(output.status.code(), Some(1));
    serde_json::from_slice(&output.stdout).unwrap()
}
