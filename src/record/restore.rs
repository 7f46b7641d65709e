//! Puts published checkpoints into a record that has lost them, so that their places are taken again.
//!
//! This is for the worst case: the newest state of the record is gone, and so is every export of it, but what it signed was
//! published. Nothing is signed: each line must have a valid signature by a key of the record, and it is appended as it is,
//! under the same rules as ever, and all of that is checked before the first line goes in. A line that is there already changes
//! nothing, so that it may be run again.
//!
//! The lines go in in the order of the file. In the order of the record, which `/v1/checkpoints` lists, the record becomes
//! again what it was, and contains its heads. In another one its places are taken all the same, but its tree is another one.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;

use chrono::{DateTime, Utc};

use super::import::{Present, open_twice};
use super::rules::{MaxEntryJump, Place, RuleViolation};
use super::tree::{Frontier, TreeHash};
use super::{AppendError, Record, RecordError};
use crate::checkpoint::{CheckpointId, InvalidCheckpoint, LedgerId, MAX_JSON_BYTES, Timestamp};
use crate::key::Keyring;
use crate::signature::SignedCheckpoint;
use crate::verifier::{self, VerdictKind};

/// Lines that are recorded at once.
const BATCH: usize = 1000;

/// Why published checkpoints are not put into a record.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The file cannot be read.
    #[error("cannot be read: {0}")]
    Io(#[from] std::io::Error),
    /// A line is longer than any published checkpoint.
    #[error("line {0}: is longer than {MAX_JSON_BYTES} bytes; nothing was restored")]
    TooLong(u64),
    /// A line is no published checkpoint.
    #[error("line {0}: {1}; nothing was restored")]
    NotPublished(u64, InvalidCheckpoint),
    /// A signature is not valid.
    #[error("line {line}: is {kind}: {explanation}; nothing was restored")]
    NotValid {
        /// Where.
        line: u64,
        /// The verdict.
        kind: VerdictKind,
        /// A sentence.
        explanation: String,
    },
    /// It is dated in the future.
    #[error("line {0}: {1}; nothing was restored")]
    Future(u64, String),
    /// A line contradicts what is on record, or one before it.
    #[error(
        "line {line}: {violation}; nothing was restored: expected the checkpoints of each ledger in the order in which they \
         were signed, the oldest first"
    )]
    Order {
        /// Where.
        line: u64,
        /// Why.
        violation: RuleViolation,
    },
    /// The record refuses a line that it would have taken a moment ago.
    #[error(
        "line {line}: {error}; {added} checkpoints were added before: end what else signs on this record, and run it again"
    )]
    Refused {
        /// Where.
        line: u64,
        /// Why.
        error: AppendError,
        /// How many were added.
        added: u64,
    },
    /// The record fails.
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// What was done.
#[derive(Debug)]
pub struct Restored {
    /// Lines in the file.
    pub lines: u64,
    /// Those that were not there before.
    pub added: u64,
    /// The tree over all rows.
    pub tree: Frontier,
}

/// The lines of a file, with their numbers.
struct Lines {
    file: BufReader<File>,
    line: Vec<u8>,
    count: u64,
}

impl Lines {
    fn open(path: &Path) -> Result<Self, RestoreError> {
        Ok(Self {
            file: BufReader::new(open_twice(path)?),
            line: Vec::new(),
            count: 0,
        })
    }

    /// The next published checkpoint; none at the end.
    fn next(&mut self) -> Result<Option<SignedCheckpoint>, RestoreError> {
        self.line.clear();
        self.count += 1;
        // One more for the end of the line, and one to see that it is too long.
        let mut bounded = (&mut self.file).take(MAX_JSON_BYTES as u64 + 2);
        if bounded.read_until(b'\n', &mut self.line)? == 0 {
            self.count -= 1;
            return Ok(None);
        }
        let text = self.line.trim_ascii_end();
        if text.len() > MAX_JSON_BYTES {
            return Err(RestoreError::TooLong(self.count));
        }
        let signed = SignedCheckpoint::from_published_json(text);
        signed
            .map(Some)
            .map_err(|error| RestoreError::NotPublished(self.count, error))
    }
}

/// Restores the lines of a file of published checkpoints, one a line.
///
/// # Errors
/// [`RestoreError`]. All lines are verified, and their order is, before the first of them is recorded.
pub async fn restore(
    record: &dyn Record,
    path: &Path,
    now: DateTime<Utc>,
) -> Result<Restored, RestoreError> {
    let keyring = record.keyring().await?;
    let present = Present::of(record, now).await?;
    let (checked, keys) = (path.to_owned(), keyring.clone());
    // RSA is not for the reactor.
    let checking = tokio::task::spawn_blocking(move || verify(&checked, &keys, present));
    let ended = |_| RecordError::Unavailable("the task that verifies was ended".into());
    checking.await.map_err(ended)??;
    check_order(record, path, &keyring).await?;
    let (mut newest, mut added) = (record.head().await?.size(), 0);
    let mut lines = Lines::open(path)?;
    loop {
        let (first, mut batch) = (lines.count + 1, Vec::new());
        while batch.len() < BATCH
            && let Some(signed) = lines.next()?
        {
            batch.push(signed);
        }
        if batch.is_empty() {
            break;
        }
        let mut refused = None;
        for (line, answer) in (first..).zip(record.append(batch, MaxEntryJump::ANY).await) {
            match answer {
                // One that was there, or came before in the file, is not beyond the newest.
                Ok(receipt) if receipt.position > newest => {
                    (newest, added) = (receipt.position, added + 1);
                }
                Ok(_) => {}
                Err(error) => refused = refused.or(Some((line, error))),
            }
        }
        if let Some((line, error)) = refused {
            return Err(RestoreError::Refused { line, error, added });
        }
    }
    Ok(Restored {
        lines: lines.count,
        added,
        tree: record.head().await?,
    })
}

fn verify(path: &Path, keyring: &Keyring, present: Present) -> Result<(), RestoreError> {
    let mut lines = Lines::open(path)?;
    while let Some(signed) = lines.next()? {
        let verdict = verifier::verify(keyring, &signed);
        if verdict.kind != VerdictKind::Valid {
            return Err(RestoreError::NotValid {
                line: lines.count,
                kind: verdict.kind,
                explanation: verdict.explanation,
            });
        }
        let dated = present.check(&signed);
        dated.map_err(|problem| RestoreError::Future(lines.count, problem))?;
    }
    Ok(())
}

/// What the lines before one in the file make of its ledger.
struct Newest {
    place: Place,
    entry_count: u64,
    timestamp: Timestamp,
}

/// Judges every line as the record will: by what is on record, and what goes before it in the file.
async fn check_order(
    record: &dyn Record,
    path: &Path,
    keyring: &Keyring,
) -> Result<(), RestoreError> {
    let mut ledgers: HashMap<LedgerId, Newest> = HashMap::new();
    let mut names: HashMap<(LedgerId, CheckpointId), TreeHash> = HashMap::new();
    let mut newest_signed_at = None;
    let mut lines = Lines::open(path)?;
    while let Some(signed) = lines.next()? {
        let (line, checkpoint, header) = (lines.count, &signed.checkpoint, signed.jws.header());
        let fields = checkpoint.fields();
        let (ledger_id, entry_count) = (&fields.ledger_id, fields.entry_count.get());
        let mut standing = record
            .standing(ledger_id, &fields.checkpoint_id, entry_count)
            .await?;
        let content = TreeHash::leaf(checkpoint.payload().as_bytes());
        let name = (ledger_id.clone(), fields.checkpoint_id.clone());
        // It changes nothing.
        if standing.recorded(checkpoint).is_some() || names.get(&name) == Some(&content) {
            continue;
        }
        let refused = |violation| RestoreError::Order { line, violation };
        if names.contains_key(&name) {
            let (ledger_id, checkpoint_id) = name;
            let violation = RuleViolation::OtherContent {
                ledger_id,
                checkpoint_id,
            };
            return Err(refused(violation));
        }
        if keyring
            .get(&header.kid)
            .is_some_and(|entry| entry.revocation().is_some())
        {
            return Err(refused(RuleViolation::KeyRevoked(header.kid.clone())));
        }
        if let Some(newest) = ledgers.get(ledger_id) {
            let same = newest.entry_count == entry_count;
            standing.same_count = standing.same_count.or(same.then(|| newest.place.clone()));
            standing.newest_count = Some(newest.entry_count);
            standing.newest_timestamp = Some(newest.timestamp);
        }
        standing.newest_signed_at = standing.newest_signed_at.max(newest_signed_at);
        standing.judge(checkpoint, header.iat).map_err(refused)?;
        newest_signed_at = standing.newest_signed_at.max(Some(header.iat));
        let newest = Newest {
            place: Place {
                checkpoint_id: fields.checkpoint_id.clone(),
                cumulative_hash: fields.cumulative_hash,
                total_volume: fields.total_volume.get(),
            },
            entry_count,
            timestamp: fields.timestamp,
        };
        ledgers.insert(ledger_id.clone(), newest);
        names.insert(name, content);
    }
    Ok(())
}
