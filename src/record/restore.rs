//! Puts published checkpoints into a record that has lost them, so that their places are taken again.
//!
//! This is for the worst case: the newest state of the record is gone, and so is every export of it, but what it signed was
//! published. Nothing is signed: each line must have a valid signature by a key of the record, and it is appended as it is,
//! under the same rules as ever. A line that is there already changes nothing, so that it may be run again.
//!
//! The lines go in in the order of the file. In the order of the record, which `/v1/checkpoints` lists, the record becomes
//! again what it was, and contains its heads. In another one its places are taken all the same, but its tree is another one.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;

use super::rules::MaxEntryJump;
use super::tree::Frontier;
use super::{AppendError, Record, RecordError};
use crate::checkpoint::{InvalidCheckpoint, MAX_JSON_BYTES};
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
    /// The record refuses a line: what was signed since contradicts it, or the order is wrong. Those before it are recorded.
    #[error("line {line}: {error}; the lines before it are recorded")]
    Refused {
        /// Where.
        line: u64,
        /// Why.
        error: AppendError,
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
    /// Rows before.
    pub before: u64,
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
            file: BufReader::new(File::open(path)?),
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
/// [`RestoreError`]. All lines are verified before the first of them is recorded.
pub async fn restore(record: &dyn Record, path: &Path) -> Result<Restored, RestoreError> {
    let keyring = record.keyring().await?;
    let checked = path.to_owned();
    // RSA is not for the reactor.
    let checking = tokio::task::spawn_blocking(move || verify(&checked, &keyring));
    let ended = |_| RecordError::Unavailable("the task that verifies was ended".into());
    checking.await.map_err(ended)??;
    let before = record.head().await?.size();
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
        for (line, answer) in (first..).zip(record.append(batch, MaxEntryJump::ANY).await) {
            answer.map_err(|error| RestoreError::Refused { line, error })?;
        }
    }
    Ok(Restored {
        lines: lines.count,
        before,
        tree: record.head().await?,
    })
}

fn verify(path: &Path, keyring: &Keyring) -> Result<(), RestoreError> {
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
    }
    Ok(())
}
