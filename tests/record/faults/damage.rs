//! Files of which a bit was flipped, or the end is missing: found, or harmless.

use std::path::{Path, PathBuf};

use checkpoint::history::Receipt;
use checkpoint::history::rules::MaxEntryJump;
use checkpoint_signer::record::check::check_record;
use checkpoint_signer::record::sqlite::SqliteRecord;
use checkpoint_signer::record::{Filter, Record};
use chrono::TimeDelta;
use tempfile::TempDir;

use crate::support::at;
use testing::record::{key, signed};

const ROWS: u64 = 200;

/// Rows of a transaction.
const BATCH: u64 = 20;

/// The same numbers in every run (SplitMix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % bound as u64) as usize
    }
}

/// A record's files, and what is in it.
struct Sound {
    file: Vec<u8>,
    log: Vec<u8>,
    rows: Vec<Receipt>,
}

fn log_of(path: &Path) -> PathBuf {
    path.with_extension("sqlite-wal")
}

async fn fill(path: &Path) -> SqliteRecord {
    SqliteRecord::init(path).unwrap();
    let (record, key) = (SqliteRecord::open(path).unwrap(), key());
    let noon = at("2025-06-01T12:00:00Z");
    record
        .register_key(key.version(), None, noon)
        .await
        .unwrap();
    for first in (1..=ROWS).step_by(BATCH as usize) {
        let batch = (first..first + BATCH).map(|n| {
            let (ledger, id) = (format!("org_{}", n % 7), format!("chk_{n}"));
            signed(
                &key,
                &ledger,
                &id,
                n,
                &id,
                noon + TimeDelta::seconds(n as i64),
            )
            .into()
        });
        for answer in record.append(batch.collect(), MaxEntryJump::ANY).await {
            answer.unwrap();
        }
    }
    record
}

/// With all rows in the file, or all of them in its log.
async fn sound(in_log: bool) -> Sound {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("record.sqlite");
    let record = fill(&path).await;
    let rows = record.list(&Filter::default(), 0, 1000).await.unwrap().rows;
    assert_eq!(rows.len() as u64, ROWS);
    if in_log {
        let (file, log) = (std::fs::read(&path), std::fs::read(log_of(&path)));
        let (file, log) = (file.unwrap(), log.unwrap());
        return Sound { file, log, rows };
    }
    drop(record);
    // The last connection copies the log into the file. Of those that end at the same time, none may be the last.
    while log_of(&path).exists() {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        let last = rusqlite::Connection::open(&path).unwrap();
        let _ = last.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)");
    }
    let (file, log) = (std::fs::read(&path).unwrap(), Vec::new());
    Sound { file, log, rows }
}

/// What became of a damaged record.
#[derive(Debug, PartialEq)]
enum Outcome {
    /// Opening or verifying it told so.
    Found,
    /// Nobody was told of anything, and this many rows are there.
    Silent(usize),
}

async fn judge(sound: &Sound, file: &[u8], log: &[u8]) -> Outcome {
    let folder: TempDir = tempfile::tempdir().unwrap();
    let path = folder.path().join("record.sqlite");
    std::fs::write(&path, file).unwrap();
    if !log.is_empty() {
        std::fs::write(log_of(&path), log).unwrap();
    }
    let record = match SqliteRecord::open(&path) {
        Ok(record) => record,
        Err(error) => {
            assert!(error.to_string().contains("record.sqlite"), "{error}");
            return Outcome::Found;
        }
    };
    match check_record(&record).await {
        Ok(found) if found.problems == 0 => {}
        Ok(found) => {
            assert!(!found.told.is_empty());
            return Outcome::Found;
        }
        Err(error) => {
            let panicked = error.to_string().contains("thread has ended");
            assert!(!panicked, "{error}");
            return Outcome::Found;
        }
    }
    let rows = record.list(&Filter::default(), 0, 1000).await.unwrap().rows;
    for (found, expected) in rows.iter().zip(&sound.rows) {
        assert_eq!(found.position, expected.position);
        let published = expected.signed.published_json();
        assert_eq!(found.signed.published_json(), published);
        let fields = expected.signed.checkpoint.fields();
        let (ledger, id) = (&fields.ledger_id, &fields.checkpoint_id);
        let got = record.get(ledger, id).await.unwrap().unwrap();
        assert_eq!(got.signed.published_json(), published);
        let checkpoint = &expected.signed.checkpoint;
        let ledger_state = record.ledger_state(checkpoint).await.unwrap();
        assert!(ledger_state.recorded(checkpoint).is_some());
        assert_eq!(ledger_state.same_count.unwrap().checkpoint_id, *id);
    }
    Outcome::Silent(rows.len())
}

fn flip(bytes: &[u8], bit: usize) -> Vec<u8> {
    let mut flipped = bytes.to_vec();
    flipped[bit / 8] ^= 1 << (bit % 8);
    flipped
}

async fn judge_all(
    sound: &Sound,
    cases: Vec<(String, Vec<u8>, Vec<u8>)>,
) -> Vec<(String, Outcome)> {
    let mut outcomes = Vec::new();
    for (case, file, log) in cases {
        let outcome = judge(sound, &file, &log).await;
        outcomes.push((case, outcome));
    }
    outcomes
}

#[tokio::test]
async fn a_flipped_bit_is_found_or_harmless() {
    let (sound, mut dice) = (sound(false).await, Dice(1));
    let cases = (0..80).map(|_| {
        let bit = dice.below(sound.file.len() * 8);
        (format!("bit {bit}"), flip(&sound.file, bit), Vec::new())
    });
    let outcomes = judge_all(&sound, cases.collect()).await;
    let found = outcomes
        .iter()
        .filter(|(_, outcome)| *outcome == Outcome::Found);
    assert!(found.count() > 40, "most of a file is content");
    for (case, outcome) in outcomes {
        let harmless = Outcome::Silent(sound.rows.len());
        assert!(
            outcome == Outcome::Found || outcome == harmless,
            "{case}: {outcome:?}"
        );
    }
}

#[tokio::test]
async fn a_truncated_file_is_found() {
    let (sound, mut dice) = (sound(false).await, Dice(2));
    let cases = (0..20).map(|case| {
        // Some at the end of a page, as file systems lose them.
        let pages = case % 2 == 0;
        let length = dice.below(sound.file.len());
        let length = if pages { length / 4096 * 4096 } else { length };
        let file = sound.file[..length].to_vec();
        (format!("{length} bytes"), file, Vec::new())
    });
    for (case, outcome) in judge_all(&sound, cases.collect()).await {
        assert_eq!(outcome, Outcome::Found, "{case}");
    }
}

/// The last transaction of a log may be gone: it cannot be told from one that a crash cut short.
#[tokio::test]
async fn a_flipped_bit_in_the_log_is_found_or_costs_the_last_transaction() {
    let (sound, mut dice) = (sound(true).await, Dice(3));
    let all = judge(&sound, &sound.file, &sound.log).await;
    assert_eq!(all, Outcome::Silent(sound.rows.len()));
    let mut bits: Vec<usize> = (0..40).map(|_| dice.below(sound.log.len() * 8)).collect();
    // The log's header, and that of its first frame.
    bits.extend((0..56).step_by(4).map(|byte| byte * 8 + 3));
    let cases = bits.iter().map(|bit| {
        (
            format!("bit {bit}"),
            sound.file.clone(),
            flip(&sound.log, *bit),
        )
    });
    let outcomes = judge_all(&sound, cases.collect()).await;
    let found = outcomes
        .iter()
        .filter(|(_, outcome)| *outcome == Outcome::Found);
    assert!(
        found.count() > 30,
        "most of a log is followed by more than one commit"
    );
    for (case, outcome) in outcomes {
        let fewest = sound.rows.len() - BATCH as usize;
        let harmless = matches!(outcome, Outcome::Silent(rows) if rows >= fewest);
        assert!(outcome == Outcome::Found || harmless, "{case}: {outcome:?}");
    }
}

/// What a crash leaves behind is read as ever: the log's last transaction is torn, and nobody was told of it.
#[tokio::test]
async fn a_log_that_a_crash_cut_short_is_no_damage() {
    let (sound, mut dice) = (sound(true).await, Dice(4));
    for _ in 0..10 {
        let length = dice.below(sound.log.len());
        let outcome = judge(&sound, &sound.file, &sound.log[..length]).await;
        assert!(
            matches!(outcome, Outcome::Silent(_)),
            "{length}: {outcome:?}"
        );
    }
}
