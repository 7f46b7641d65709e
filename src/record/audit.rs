//! Checks a whole record: every signature, every rule, every place, and the tree.

use std::collections::{HashMap, HashSet};
use std::fmt;

use chrono::{DateTime, Utc};
use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::rules::{Place, Standing};
use super::tree::{Frontier, TreeHash};
use super::{Filter, Receipt, Record, RecordError};
use crate::checkpoint::LedgerId;
use crate::key::Keyring;
use crate::verifier::{self, VerdictKind};

/// Rows that are read at once.
const PAGE: u32 = 1000;

/// Most problems that are told in full: a record that is wrong as a whole need not be listed row by row.
const MAX_TOLD: usize = 100;

/// What is wrong with one row, or with the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The row; none for the record as a whole.
    pub position: Option<u64>,
    /// A sentence.
    pub problem: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.position {
            Some(position) => write!(f, "row {position}: {}", self.problem),
            None => f.write_str(&self.problem),
        }
    }
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Audit {
    /// The tree over the rows, computed anew.
    pub tree: Frontier,
    /// How many problems there are.
    pub problems: u64,
    /// The first of them.
    pub told: Vec<Problem>,
}

impl Audit {
    fn note(&mut self, position: Option<u64>, problem: impl Into<String>) {
        self.problems += 1;
        if self.told.len() < MAX_TOLD {
            self.told.push(Problem {
                position,
                problem: problem.into(),
            });
        }
    }
}

/// The newest row of a ledger.
struct Newest {
    place: Place,
    entry_count: u64,
}

/// Follows the rows in order, as the store did when it took them.
#[derive(Default)]
struct History {
    ledgers: HashMap<LedgerId, Newest>,
    /// 64 bits of a hash of each name: of ten million names, two are taken for one in one of 300,000 records.
    names: HashSet<u64>,
    newest_signed_at: Option<DateTime<Utc>>,
}

impl History {
    fn judge(&mut self, row: &Receipt) -> Result<(), String> {
        let (checkpoint, signed_at) = (&row.signed.checkpoint, row.signed.jws.header().iat);
        let fields = checkpoint.fields();
        let entry_count = fields.entry_count.get();
        let newest = self.ledgers.get(&fields.ledger_id);
        let standing = Standing {
            same_id: None,
            same_count: newest
                .filter(|newest| newest.entry_count == entry_count)
                .map(|newest| newest.place.clone()),
            newest_count: newest.map(|newest| newest.entry_count),
            newest_signed_at: self.newest_signed_at,
        };
        let judged = standing.judge(checkpoint, signed_at);
        self.newest_signed_at = self.newest_signed_at.max(Some(signed_at));
        let place = Place {
            checkpoint_id: fields.checkpoint_id.clone(),
            cumulative_hash: fields.cumulative_hash,
            total_volume: fields.total_volume.get(),
        };
        let newest = Newest { place, entry_count };
        self.ledgers.insert(fields.ledger_id.clone(), newest);
        judged.map_err(|violation| violation.to_string())?;
        match self.names.insert(name(row)) {
            true => Ok(()),
            false => Err(format!(
                "checkpoint_id: ledger {} has two checkpoints {}",
                fields.ledger_id, fields.checkpoint_id
            )),
        }
    }
}

fn name(row: &Receipt) -> u64 {
    let fields = row.signed.checkpoint.fields();
    let digest = Sha256::new()
        .chain_update(fields.ledger_id.as_str())
        .chain_update([0])
        .chain_update(fields.checkpoint_id.as_str())
        .finalize();
    let bytes = digest.first_chunk().copied().unwrap_or_default();
    u64::from_be_bytes(bytes)
}

/// Checks every row of a record against the keys on record, the rules and the rows before it, and the tree
/// against the head as it was at the start. A wrong row does not hide the ones after it.
///
/// # Errors
/// [`RecordError`] when the record cannot be read at all.
pub async fn audit(record: &dyn Record) -> Result<Audit, RecordError> {
    let (mut audit, mut history) = (Audit::default(), History::default());
    let head = record.head().await?;
    let mut keyring = record.keyring().await?;
    let mut after = 0;
    while after < head.size() {
        let left = head.size() - after;
        let rows = page(record, after, left, &mut audit).await?;
        if rows.is_empty() {
            audit.note(
                None,
                format!("rows {} to {} are missing", after + 1, head.size()),
            );
            break;
        }
        // RSA is not for the reactor; the keyring goes along and comes back.
        let checked = tokio::task::spawn_blocking(move || {
            let checks = rows.par_iter().map(|row| check(row.as_ref(), &keyring));
            let checks: Vec<_> = checks.collect();
            (rows, checks, keyring)
        });
        let (rows, checks, returned) = checked
            .await
            .map_err(|_| RecordError::Unavailable("the task that verifies was ended".into()))?;
        keyring = returned;
        for (row, (leaf, problem)) in rows.iter().zip(checks) {
            audit.tree.push(leaf);
            after += 1;
            let Some(row) = row else { continue };
            let position = Some(row.position);
            if row.position != after {
                audit.note(position, format!("is where row {after} is expected"));
                after = row.position;
            }
            if let Some(problem) = problem {
                audit.note(position, problem);
            }
            if let Err(problem) = history.judge(row) {
                audit.note(position, problem);
            }
        }
    }
    if audit.tree.root() != head.root() {
        let (root, found) = (head.root(), audit.tree.root());
        let problem = format!("the head's root is {root}, but the rows make {found}");
        audit.note(None, problem);
    }
    Ok(audit)
}

/// A page of rows. One that cannot be read is noted, and its place is kept.
async fn page(
    record: &dyn Record,
    after: u64,
    left: u64,
    audit: &mut Audit,
) -> Result<Vec<Option<Receipt>>, RecordError> {
    let limit = u32::try_from(left).unwrap_or(PAGE).min(PAGE);
    match record.list(&Filter::default(), after, limit).await {
        Ok(rows) => return Ok(rows.into_iter().map(Some).collect()),
        Err(RecordError::Damaged(_)) => {}
        Err(error) => return Err(error),
    }
    match record.list(&Filter::default(), after, 1).await {
        Ok(rows) => Ok(rows.into_iter().map(Some).collect()),
        Err(RecordError::Damaged(problem)) => {
            audit.note(None, problem);
            Ok(vec![None])
        }
        Err(error) => Err(error),
    }
}

fn check(row: Option<&Receipt>, keyring: &Keyring) -> (TreeHash, Option<String>) {
    let Some(row) = row else {
        return (TreeHash::leaf(&[]), None);
    };
    let verdict = verifier::verify(keyring, &row.signed);
    let problem = match verdict.kind {
        // A key that was revoked later has signed rows all the same.
        VerdictKind::Valid | VerdictKind::KeyRevoked => None,
        kind => Some(format!("{kind}: {}", verdict.explanation)),
    };
    (TreeHash::of(&row.signed), problem)
}
