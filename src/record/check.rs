//! Checks a whole record: every signature, every rule, every place, and the tree.

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::{Depth, Filter, Listing, Record, RecordError};
use crate::advice;
use checkpoint::history::rules::{LedgerState, RuleViolation};
use checkpoint::history::{Ledgers, Receipt, Resumption};
use checkpoint::key::instant_text;
use checkpoint::keyring::Keyring;
use checkpoint::log::tree::{Frontier, HIGHEST_KEPT, KEPT_EVERY, Node, NodeId, TreeHash};
use checkpoint::verdict;
use checkpoint::verdict::VerdictKind;

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
pub struct RecordCheck {
    /// The tree over the rows, computed anew.
    pub tree: Frontier,
    /// How many problems there are.
    pub problems: u64,
    /// The first of them.
    pub told: Vec<Problem>,
    /// What could not be checked, and why.
    pub unchecked: Vec<String>,
}

impl RecordCheck {
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

/// Follows the rows in order, as the store did when it took them.
#[derive(Default)]
struct History {
    ledgers: Ledgers,
    /// 64 bits of a hash of each name: of ten million names, two are taken for one in one of 300,000 records.
    names: HashSet<u64>,
    newest_signed_at: Option<DateTime<Utc>>,
    /// Where an operator let signing go on, the next first.
    resumptions: VecDeque<Resumption>,
}

impl History {
    /// Follows what an operator did after so many rows: from then on, times may begin again from the one that was named. One that
    /// does not fit the rows explains nothing.
    fn resume(&mut self, after_rows: u64) -> Vec<String> {
        let mut problems = Vec::new();
        while let Some(next) = self.resumptions.front()
            && next.after_rows <= after_rows
        {
            let fits = next.after_rows == after_rows
                && self.newest_signed_at == Some(next.newest_signed_at)
                && next.resumed_from < next.newest_signed_at;
            match fits {
                true => self.newest_signed_at = Some(next.resumed_from),
                false => problems.push(format!(
                    "the resumption of the clock after row {} from {} does not fit the rows",
                    next.after_rows,
                    instant_text(next.resumed_from)
                )),
            }
            self.resumptions.pop_front();
        }
        problems
    }

    fn judge(&mut self, row: &Receipt) -> Result<(), String> {
        let (checkpoint, signed_at) = (&row.signed.checkpoint, row.signed.jws.header().iat);
        let fields = checkpoint.fields();
        let ledger_state = LedgerState {
            newest_signed_at: self.newest_signed_at,
            ..LedgerState::default()
        };
        let judged = self.ledgers.over(fields, ledger_state);
        let judged = judged.judge(checkpoint, signed_at);
        self.newest_signed_at = self.newest_signed_at.max(Some(signed_at));
        self.ledgers.follow(fields);
        judged.map_err(|violation| match violation {
            RuleViolation::ClockWentBack { now, newest } => format!(
                "was signed at {now}, before what goes before it ({newest}), and no resumption of the clock says that it may be"
            ),
            violation => advice::on_rule(&violation),
        })?;
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

/// Checks rows that come in order, from wherever they come.
pub(super) struct Checker {
    keyring: Arc<Keyring>,
    history: History,
    /// The position of the newest row.
    newest: u64,
    /// Nodes to keep that the rows completed, until somebody takes them.
    completed: Vec<Node>,
    pub(super) found: RecordCheck,
}

impl Checker {
    pub(super) fn new(keyring: Keyring, resumptions: Vec<Resumption>) -> Self {
        Self {
            keyring: Arc::new(keyring),
            history: History {
                resumptions: resumptions.into(),
                ..History::default()
            },
            newest: 0,
            completed: Vec::new(),
            found: RecordCheck::default(),
        }
    }

    /// Takes the next rows, none for one that cannot be read, and gives them back.
    pub(super) async fn take(
        &mut self,
        rows: Vec<Option<Receipt>>,
    ) -> Result<Vec<Option<Receipt>>, RecordError> {
        let keyring = Arc::clone(&self.keyring);
        // RSA is not for the reactor.
        let checked = tokio::task::spawn_blocking(move || {
            let checks = rows.par_iter().map(|row| check(row.as_ref(), &keyring));
            let checks: Vec<_> = checks.collect();
            (rows, checks)
        });
        let (rows, checks) = checked
            .await
            .map_err(|_| RecordError::Unavailable("the task that verifies was ended".into()))?;
        for (row, (leaf, problem)) in rows.iter().zip(checks) {
            let completed = &mut self.completed;
            self.found
                .tree
                .push_keeping(leaf, |node| completed.push(node));
            self.newest += 1;
            let Some(row) = row else { continue };
            let position = Some(row.position);
            if row.position != self.newest {
                let problem = format!("is where row {} is expected", self.newest);
                self.found.note(position, problem);
                self.newest = row.position;
            }
            if let Some(problem) = problem {
                self.found.note(position, problem);
            }
            for problem in self.history.resume(row.position.saturating_sub(1)) {
                self.found.note(None, problem);
            }
            if let Err(problem) = self.history.judge(row) {
                self.found.note(position, problem);
            }
        }
        Ok(rows)
    }

    /// Follows what an operator did after the last row.
    pub(super) fn follow_to_the_end(&mut self) {
        let mut problems = self.history.resume(self.newest);
        let beyond = std::mem::take(&mut self.history.resumptions);
        problems.extend(beyond.iter().map(|resumption| {
            format!(
                "the resumption of the clock after row {} is beyond the rows",
                resumption.after_rows
            )
        }));
        for problem in problems {
            self.found.note(None, problem);
        }
    }

    /// Compares the tree with the root that it should have.
    pub(super) fn finish(mut self, root: TreeHash) -> RecordCheck {
        self.follow_to_the_end();
        let found = self.found.tree.root();
        if found != root {
            let problem = format!("the head's root is {root}, but the rows make {found}");
            self.found.note(None, problem);
        }
        self.found
    }
}

/// Walks over a record as it was at the start, and checks every row against the keys on record, the rules and the
/// rows before it. A wrong row does not hide the ones after it.
pub struct RecordReader<'a> {
    record: &'a dyn Record,
    head: Frontier,
    resumptions: Vec<Resumption>,
    checker: Checker,
}

impl<'a> RecordReader<'a> {
    /// Checks the store itself, and reads the head and the keys.
    ///
    /// # Errors
    /// [`RecordError`] when the record cannot be read.
    pub async fn start(record: &'a dyn Record) -> Result<Self, RecordError> {
        let found = match record.check_store(Depth::Whole).await {
            Err(RecordError::Damaged(problem)) => vec![problem].into(),
            found => found?,
        };
        let mut reader = Self {
            head: record.head().await?,
            resumptions: Vec::new(),
            checker: Checker::new(record.keyring().await?, Vec::new()),
            record,
        };
        // Read after the head: those beyond it came meanwhile.
        let mut resumptions = record.resumptions().await?;
        resumptions.retain(|resumption| resumption.after_rows <= reader.head.size());
        reader.resumptions.clone_from(&resumptions);
        reader.checker.history.resumptions = resumptions.into();
        for problem in found.problems {
            reader.checker.found.note(None, problem);
        }
        reader.checker.found.unchecked = found.unchecked;
        Ok(reader)
    }

    /// The tree as it is on record.
    pub fn head(&self) -> &Frontier {
        &self.head
    }

    /// The keys on record.
    pub fn keyring(&self) -> &Keyring {
        &self.checker.keyring
    }

    /// Where an operator let signing go on, up to that tree.
    pub fn resumptions(&self) -> &[Resumption] {
        &self.resumptions
    }

    /// What was found so far.
    pub fn so_far(&self) -> &RecordCheck {
        &self.checker.found
    }

    /// The next rows, checked; those that cannot be read are left out. None at the end.
    ///
    /// # Errors
    /// [`RecordError`] when the record cannot be read at all.
    pub async fn next_page(&mut self) -> Result<Option<Vec<Receipt>>, RecordError> {
        let (after, size) = (self.checker.newest, self.head.size());
        if after >= size {
            return Ok(None);
        }
        let rows = page(self.record, after, size - after, &mut self.checker.found).await?;
        if rows.is_empty() {
            let problem = format!("rows {} to {size} are missing", after + 1);
            self.checker.found.note(None, problem);
            return Ok(None);
        }
        let rows = self.checker.take(rows).await?;
        self.check_nodes().await?;
        Ok(Some(rows.into_iter().flatten().collect()))
    }

    /// Compares the nodes that the record keeps with those that the rows make: a proof is made of them.
    async fn check_nodes(&mut self) -> Result<(), RecordError> {
        for node in std::mem::take(&mut self.checker.completed) {
            let NodeId { level, position } = node.id;
            let problem = match self.record.tree_nodes(node.id, 1).await {
                Ok(found) if found == [node] => continue,
                Ok(found) if found.iter().any(|found| found.id == node.id) => {
                    "is not that of its rows"
                }
                Ok(_) => "is missing",
                Err(RecordError::Damaged(_)) => "cannot be read",
                Err(error) => return Err(error),
            };
            let problem = format!("tree node {position} of level {level} {problem}");
            self.checker.found.note(None, problem);
        }
        Ok(())
    }

    /// A node beyond the head would keep the row that completes it from being recorded.
    async fn check_nodes_beyond(&mut self) -> Result<(), RecordError> {
        for level in (KEPT_EVERY..=HIGHEST_KEPT).step_by(KEPT_EVERY.into()) {
            let position = self.head.size() >> level;
            let beyond = self
                .record
                .tree_nodes(NodeId { level, position }, 1)
                .await?;
            let Some(node) = beyond.first() else { continue };
            // Read after the node: rows are recorded meanwhile.
            if node.id.end() > self.record.head().await?.size() {
                let problem = format!(
                    "tree node {} of level {level} is beyond the head",
                    node.id.position
                );
                self.checker.found.note(None, problem);
            }
        }
        Ok(())
    }

    /// Compares the tree over the rows with the head.
    ///
    /// # Errors
    /// [`RecordError`] when the record cannot be read at all.
    pub async fn finish(mut self) -> Result<RecordCheck, RecordError> {
        self.check_nodes_beyond().await?;
        Ok(self.checker.finish(self.head.root()))
    }
}

/// Checks a whole record.
///
/// # Errors
/// [`RecordError`] when it cannot be read now. Damage is no error, but a problem that is told.
pub async fn check_record(record: &dyn Record) -> Result<RecordCheck, RecordError> {
    let mut reader = match RecordReader::start(record).await {
        Err(RecordError::Damaged(problem)) => {
            let mut found = RecordCheck::default();
            found.note(None, problem);
            let unchecked = "the rows: the head and the keys of the record cannot be read";
            found.unchecked.push(unchecked.into());
            return Ok(found);
        }
        reader => reader?,
    };
    while reader.next_page().await?.is_some() {}
    reader.finish().await
}

/// The next rows that there are. One that cannot be read is noted, and its place is kept.
async fn page(
    record: &dyn Record,
    mut after: u64,
    left: u64,
    found: &mut RecordCheck,
) -> Result<Vec<Option<Receipt>>, RecordError> {
    let mut limit = u32::try_from(left).unwrap_or(PAGE).min(PAGE);
    loop {
        match record.list(&Filter::default(), after, limit).await {
            Ok(Listing {
                rows,
                next: Some(next),
            }) if rows.is_empty() => after = next,
            Ok(page) => return Ok(page.rows.into_iter().map(Some).collect()),
            // Those before the one that cannot be read.
            Err(RecordError::Damaged(_)) if limit > 1 => limit /= 2,
            Err(RecordError::Damaged(problem)) => {
                found.note(Some(after + 1), problem);
                return Ok(vec![None]);
            }
            Err(error) => return Err(error),
        }
    }
}

fn check(row: Option<&Receipt>, keyring: &Keyring) -> (TreeHash, Option<String>) {
    let Some(row) = row else {
        return (TreeHash::leaf(&[]), None);
    };
    let verdict = verdict::verify(keyring, &row.signed);
    let problem = match verdict.kind {
        // A key that was revoked later has signed rows all the same.
        VerdictKind::Valid | VerdictKind::KeyRevoked => None,
        kind => Some(format!("{kind}: {}", verdict.explanation)),
    };
    (TreeHash::of(&row.signed), problem)
}
