//! Puts published checkpoints into a record that has lost them, so that their places are taken again.
//!
//! This is for the worst case: the newest state of the record is gone, and so is every export of it, but what it signed was
//! published. Nothing is signed: each line must have a valid signature by a key of the record, and it is appended as it is,
//! under the same rules as ever, and all of that is checked before the first line goes in. A line that is there already changes
//! nothing, so that it may be run again.
//!
//! What a key signed before the instant from which a revocation distrusts it goes back as any other line, whether the record knows of
//! the revocation or not; what it signed from then on is valid for nobody, and does not, unless it is there.
//!
//! The lines go in in the order of the file. In the order of the record, which `/v1/checkpoints` lists, the record becomes
//! again what it was, and contains its heads. In another one its places are taken all the same, but its tree is another one.
//!
//! Where an operator had let signing go on after a clock ran ahead, times go back, and only the operator can say so: with the
//! resumptions as they were published, which go on record again.

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use chrono::{DateTime, Utc};

use super::import::Present;
use super::{AppendError, Record, RecordError, ResumeError};
use crate::advice;
use checkpoint::checkpoint::{CheckpointId, InvalidCheckpoint, LedgerId, MAX_JSON_BYTES};
use checkpoint::counted::counted;
use checkpoint::history::rules::{MaxEntryJump, RuleViolation, check_clock};
use checkpoint::history::{Ledgers, Resumption};
use checkpoint::jws::SignedCheckpoint;
use checkpoint::key::{KeyId, instant_text};
use checkpoint::keyring::Keyring;
use checkpoint::lines::Lines;
use checkpoint::log::export::ROWS_BYTES;
use checkpoint::log::tree::{Frontier, TreeHash};
use checkpoint::verdict;
use checkpoint::verdict::VerdictKind;

/// Lines that are recorded at once, as long as they are not large.
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
    #[error("line {line}: is {kind}: {explanation}; nothing was restored{}", on_revoked(*.kind))]
    NotValid {
        /// Where.
        line: u64,
        /// The verdict.
        kind: VerdictKind,
        /// A sentence.
        explanation: String,
    },
    /// It is dated in the future.
    #[error(
        "line {0}: {1}; nothing was restored: where a clock ran ahead and an operator let signing go on, say \
         --resumptions FILE, with what /v1/clock-resumptions gave"
    )]
    Future(u64, String),
    /// Times go back where nobody says that they may.
    #[error(
        "line {line}: was signed at {found}, before what goes before it ({newest}); nothing was restored: expected the order in \
         which they were signed, the oldest first; where a clock had run ahead and an operator let signing go on, say \
         --resumptions FILE, with what /v1/clock-resumptions gave"
    )]
    WentBack {
        /// Where.
        line: u64,
        /// The line's time.
        found: String,
        /// The newest before it.
        newest: String,
    },
    /// A resumption of the clock does not fit the rows.
    #[error("the resumption {resumption}: {problem}; nothing was restored")]
    Misfit {
        /// Which.
        resumption: Box<Resumption>,
        /// Why.
        problem: String,
    },
    /// The record refuses a resumption that it would have taken a moment ago.
    #[error("a resumption of the clock: {0}; run it again")]
    Resumption(#[from] ResumeError),
    /// A line contradicts what is on record, or one before it.
    #[error("line {line}: {}; nothing was restored{}", advice::on_rule(.violation), on_order(.violation))]
    Order {
        /// Where.
        line: u64,
        /// Why.
        violation: RuleViolation,
    },
    /// The record refuses a line that it would have taken a moment ago.
    #[error(
        "line {line}: {error}; {} added before: end what else signs on this record, and run it again",
        counted(.added, "checkpoint was", "checkpoints were")
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

fn on_revoked(kind: VerdictKind) -> &'static str {
    match kind {
        VerdictKind::KeyRevoked => {
            ": what a revoked key signed from that instant on goes only into a record that does not know of the revocation yet \
             (docs/disaster-recovery.md, \"Everything is lost, and there is no backup\")"
        }
        _ => "",
    }
}

fn on_order(violation: &RuleViolation) -> &'static str {
    match violation.goes_back() {
        true => {
            ": expected the checkpoints of each ledger in the order in which they were signed, the oldest first"
        }
        false => "",
    }
}

/// What was done.
#[derive(Debug)]
pub struct Restored {
    /// Lines in the file.
    pub lines: u64,
    /// Those that were not there before.
    pub added: u64,
    /// Those of them that are by keys that are revoked, which whoever has such a key can have dated back.
    pub by_revoked_keys: u64,
    /// Where times go back by the operator's word.
    pub resumed: Vec<Resumption>,
    /// The tree over all rows.
    pub tree: Frontier,
}

/// The published checkpoints of a file, one a line.
struct Published(Lines<BufReader<File>>);

impl Published {
    fn open(path: &Path) -> Result<Self, RestoreError> {
        let file = BufReader::new(files::open_regular(path)?);
        Ok(Self(Lines::new(file)))
    }

    /// The next one, and its line; none at the end.
    fn next(&mut self) -> Result<Option<(u64, SignedCheckpoint)>, RestoreError> {
        let Some((number, line)) = self.0.next(MAX_JSON_BYTES)? else {
            return Ok(None);
        };
        if line.len() > MAX_JSON_BYTES {
            return Err(RestoreError::TooLong(number));
        }
        match SignedCheckpoint::from_published_json(line) {
            Ok(signed) => Ok(Some((number, signed))),
            Err(error) => Err(RestoreError::NotPublished(number, error)),
        }
    }
}

/// Restores the lines of a file of published checkpoints, one a line; times go back where the resumptions say so.
///
/// # Errors
/// [`RestoreError`]. All lines are verified, and their order is, before the first of them is recorded.
pub async fn restore(
    record: &dyn Record,
    path: &Path,
    now: DateTime<Utc>,
    resumptions: Vec<Resumption>,
) -> Result<Restored, RestoreError> {
    let keyring = record.keyring().await?;
    let present = Present::of(record, now).await?;
    let known = record.resumptions().await?;
    let explaining = [&known[..], &resumptions[..]].concat();
    let (checked, keys) = (path.to_owned(), keyring.clone());
    // RSA is not for the reactor.
    let checking =
        tokio::task::spawn_blocking(move || verify(&checked, &keys, &explaining, present));
    let ended = |_| RecordError::Unavailable("the task that verifies was ended".into());
    checking.await.map_err(ended)??;
    let mut resumptions = VecDeque::from(resumptions);
    resumptions.retain(|resumption| !known.contains(resumption));
    let resumed = Vec::from(resumptions.clone());
    check_order(record, path, &keyring, resumptions.clone(), present).await?;
    let (mut newest, mut added) = (record.head().await?.size(), 0);
    let mut by_revoked_keys = 0;
    let is_revoked = |kid: &KeyId| {
        let entry = keyring.get(kid);
        entry.is_some_and(|entry| entry.revocation().is_some())
    };
    let mut lines = Published::open(path)?;
    loop {
        while let Some(next) = resumptions.pop_front_if(|next| next.after_rows <= newest) {
            record.resume_clock(next.order()).await?;
        }
        // A line makes a row at most.
        let room = resumptions
            .front()
            .map_or(u64::MAX, |next| next.after_rows - newest);
        let most = usize::try_from(room).unwrap_or(BATCH).min(BATCH);
        let (first, mut batch, mut bytes) = (lines.0.count() + 1, Vec::new(), 0);
        while batch.len() < most
            && bytes < ROWS_BYTES
            && let Some((_, signed)) = lines.next()?
        {
            bytes += signed.checkpoint.payload().as_bytes().len();
            batch.push(signed.into());
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
                    by_revoked_keys += u64::from(is_revoked(&receipt.signed.jws.header().kid));
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
        lines: lines.0.count(),
        added,
        by_revoked_keys,
        resumed,
        tree: record.head().await?,
    })
}

fn verify(
    path: &Path,
    keyring: &Keyring,
    resumptions: &[Resumption],
    present: Present,
) -> Result<(), RestoreError> {
    let mut lines = Published::open(path)?;
    while let Some((line, signed)) = lines.next()? {
        let verdict = verdict::verify(keyring, &signed);
        // What a revoked key signed from then on may be there already.
        if !matches!(verdict.kind, VerdictKind::Valid | VerdictKind::KeyRevoked) {
            return Err(RestoreError::NotValid {
                line,
                kind: verdict.kind,
                explanation: verdict.explanation,
            });
        }
        // Where it is in the record is not known yet.
        let signed_at = signed.jws.header().iat;
        if !resumptions
            .iter()
            .any(|resumption| resumption.explains(0, signed_at, present.at))
        {
            let dated = present.check(&signed);
            dated.map_err(|problem| RestoreError::Future(line, problem))?;
        }
    }
    Ok(())
}

/// Judges every line as the record will: by what is on record, and what goes before it in the file.
async fn check_order(
    record: &dyn Record,
    path: &Path,
    keyring: &Keyring,
    resumptions: VecDeque<Resumption>,
    present: Present,
) -> Result<(), RestoreError> {
    let mut times = Times {
        rows: record.head().await?.size(),
        newest: record.pulse().await?.newest_signed_at,
        explained: Vec::from(resumptions.clone()),
        resumptions,
        present,
    };
    let mut ledgers = Ledgers::default();
    let mut names: HashMap<(LedgerId, CheckpointId), TreeHash> = HashMap::new();
    let mut lines = Published::open(path)?;
    while let Some((line, signed)) = lines.next()? {
        let (checkpoint, header) = (&signed.checkpoint, signed.jws.header());
        let fields = checkpoint.fields();
        let ledger_id = &fields.ledger_id;
        let ledger_state = record.ledger_state(checkpoint).await?;
        let content = TreeHash::leaf(checkpoint.payload().as_bytes());
        let name = (ledger_id.clone(), fields.checkpoint_id.clone());
        // It changes nothing.
        if ledger_state.recorded(checkpoint).is_some() || names.get(&name) == Some(&content) {
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
        // Its signature was verified.
        let kind = verdict::judge_header(keyring, header, |_| true);
        if kind != VerdictKind::Valid {
            let explanation = verdict::explain(keyring, kind, header);
            return Err(RestoreError::NotValid {
                line,
                kind,
                explanation,
            });
        }
        times.take(line, &signed)?;
        let mut ledger_state = ledgers.over(fields, ledger_state);
        // The times were judged.
        ledger_state.newest_signed_at = None;
        ledger_state
            .judge(checkpoint, header.iat)
            .map_err(refused)?;
        ledgers.follow(fields);
        names.insert(name, content);
    }
    times.end()
}

/// Follows the times of the rows, and where they may go back.
struct Times {
    rows: u64,
    newest: Option<DateTime<Utc>>,
    /// Those that are still to come.
    resumptions: VecDeque<Resumption>,
    /// All of them.
    explained: Vec<Resumption>,
    present: Present,
}

impl Times {
    fn resume(&mut self) -> Result<(), RestoreError> {
        let rows = self.rows;
        while let Some(next) = self
            .resumptions
            .pop_front_if(|next| next.after_rows <= rows)
        {
            let problem = match self.newest {
                _ if next.after_rows < rows => {
                    format!("{} before it already", counted(rows, "row is", "rows are"))
                }
                Some(newest) if newest == next.newest_signed_at => {
                    self.newest = Some(next.resumed_from);
                    continue;
                }
                Some(newest) => format!("the newest row before it is of {}", instant_text(newest)),
                None => "there are no rows before it".into(),
            };
            let resumption = Box::new(next);
            return Err(RestoreError::Misfit {
                resumption,
                problem,
            });
        }
        Ok(())
    }

    /// A line that makes a row.
    fn take(&mut self, line: u64, signed: &SignedCheckpoint) -> Result<(), RestoreError> {
        self.resume()?;
        self.rows += 1;
        let (position, signed_at) = (self.rows, signed.jws.header().iat);
        let mut all = self.explained.iter();
        if !all.any(|resumption| resumption.explains(position, signed_at, self.present.at)) {
            self.present
                .check(signed)
                .map_err(|problem| RestoreError::Future(line, problem))?;
        }
        if let Some(newest) = self.newest
            && check_clock(signed_at, newest).is_err()
        {
            return Err(RestoreError::WentBack {
                line,
                found: instant_text(signed_at),
                newest: instant_text(newest),
            });
        }
        self.newest = self.newest.max(Some(signed_at));
        Ok(())
    }

    /// After the last line.
    fn end(mut self) -> Result<(), RestoreError> {
        self.resume()?;
        match self.resumptions.pop_front() {
            None => Ok(()),
            Some(next) => Err(RestoreError::Misfit {
                resumption: Box::new(next),
                problem: format!(
                    "there are no more than {}",
                    counted(self.rows, "row", "rows")
                ),
            }),
        }
    }
}
