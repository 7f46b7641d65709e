//! An export against a signed head: one RSA verification for all of its rows.
//!
//! A line of an export is the published JSON that the record hashed as a leaf. So the tree over the lines as they stand has
//! the head's root only if they are, byte for byte and in order, what the service had recorded when it signed the head;
//! and the service records what it signed itself. Then each line is canonical JSON, and of its signature only the header is
//! left to be judged: the key, its window, its revocation. Rows beyond the head are verified by their own signatures. When
//! the roots differ, or the head counts no rows, nothing is taken from the head, and every signature is verified by itself.
//! Whoever has the key can sign a head over anything: the valid rows are followed in their order as well (see `order.rs`).
//! The keyring in the export is never believed; what its first line says of the rows is compared with them.

use std::collections::BTreeMap;
use std::io::BufRead;

use chrono::{DateTime, Utc};

use super::headers::{Headers, Judged, KnownHeader, malformed};
use super::order::{Disorders, FIRST_LINE, MAX_TOLD, Names, Order, Places};
use super::rows::{LEVEL, each_chunk, groups};
use crate::bulk::{Fingerprints, Judge, Selection};
use checkpoint::checkpoint::{CanonicalJson, Outline};
use checkpoint::keyring::PinnedKeyring;
use checkpoint::log::export::{ExportReader, ReadError};
use checkpoint::log::proof::TreeHead;
use checkpoint::log::tree::{Frontier, TreeHash};
use checkpoint::verdict::VerdictKind;

/// A row that is not valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Its line in the export. The row's position is one less.
    pub line: u64,
    /// The verdict.
    pub kind: VerdictKind,
    /// A sentence.
    pub explanation: String,
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct ExportReport {
    /// How many rows the export has.
    pub rows: u64,
    /// How many of them the head vouches for: all that it counts, or none. The others were verified one by one.
    pub covered: u64,
    /// The root over as many rows as the head counts, or as there are.
    pub root: Option<TreeHash>,
    /// The root over all rows.
    pub whole: Option<TreeHash>,
    /// How many rows the first line of the export says that there are, and their root.
    pub promised: (u64, String),
    /// How many rows got which verdict.
    pub verdicts: BTreeMap<VerdictKind, u64>,
    /// The first rows that are not valid.
    pub faults: Vec<Fault>,
    /// What the valid rows show together.
    pub together: Disorders,
}

impl ExportReport {
    /// Whether the head vouches for the first rows. One that counts none vouches for nothing.
    pub fn is_covered(&self, head: TreeHead) -> bool {
        head.size > 0 && self.covered == head.size && self.root == Some(head.root)
    }

    /// Whether the rows are those of which the first line of the export speaks.
    pub fn is_as_promised(&self) -> bool {
        let (rows, root) = &self.promised;
        *rows == self.rows && self.whole.is_some_and(|whole| whole.to_string() == *root)
    }

    fn note_valid(&mut self, count: u64) {
        if count > 0 {
            *self.verdicts.entry(VerdictKind::Valid).or_default() += count;
        }
    }

    /// Takes rows that the head may count.
    fn take(
        &mut self,
        judged: JudgedGroup,
        tree: &mut Frontier,
        order: &mut Order,
    ) -> std::io::Result<()> {
        let first = tree.size() + FIRST_LINE;
        match judged.subtree {
            Subtree::Complete(root) => {
                tree.push_subtree(LEVEL, root);
            }
            Subtree::Leaves(leaves) => leaves.into_iter().for_each(|leaf| tree.push(leaf)),
        }
        self.take_rows(first, judged.rows, order)
    }

    /// Takes rows, of which the first stands in this line.
    fn take_rows(
        &mut self,
        first: u64,
        rows: JudgedRows,
        order: &mut Order,
    ) -> std::io::Result<()> {
        self.note_valid(rows.valid.len() as u64);
        order.take(first, &rows.valid)?;
        for (index, judged) in rows.invalid {
            self.note(first + index, judged);
        }
        Ok(())
    }

    fn note(&mut self, line: u64, judged: Judged) {
        *self.verdicts.entry(judged.kind).or_default() += 1;
        if self.faults.len() < MAX_TOLD {
            self.faults.push(Fault {
                line,
                kind: judged.kind,
                explanation: judged.explanation,
            });
        }
    }
}

/// Checks the rows of an export against a head, which somebody else has verified. `open` opens the export, twice when the
/// head does not vouch for it. Memory does not grow with the rows.
///
/// # Errors
/// [`ReadError`] when it cannot be read, or is no export.
pub fn check_export<R: BufRead + Send>(
    open: impl Fn() -> std::io::Result<R>,
    keyring: &PinnedKeyring,
    head: TreeHead,
) -> Result<ExportReport, ReadError> {
    let judge = Judge {
        keyring: keyring.clone(),
        selection: Selection::default(),
        fingerprints: Fingerprints::default(),
    };
    let known = KnownHeader::all(&keyring.trusted);
    let reader = ExportReader::open(open()?)?;
    let (mut tree, mut report) = (Frontier::default(), ExportReport::default());
    report.promised = (reader.rows, reader.root.clone());
    let resumptions = reader.resumptions.clone();
    let mut order = Order::new(resumptions.clone());
    let judge_chunk = |first: u64, rows: &[&[u8]]| {
        let left = usize::try_from(head.size.saturating_sub(first)).unwrap_or(usize::MAX);
        let (covered, beyond) = rows.split_at(left.min(rows.len()));
        let mut headers = Headers::new(&known, keyring);
        let covered: Vec<_> = groups(first, covered.len())
            .filter_map(|range| covered.get(range))
            .map(|rows| judge_group(rows, &mut headers, &judge.fingerprints))
            .collect();
        (covered, leaves(beyond), judge_each(&judge, beyond))
    };
    each_chunk(reader.into_rest(), judge_chunk, &mut |judged| {
        let (covered, beyond, each) = judged;
        for judged in covered {
            report.take(judged, &mut tree, &mut order)?;
        }
        if tree.size() >= head.size {
            // Where the head ends, before anything is taken beyond it.
            report.root.get_or_insert_with(|| tree.root());
        }
        let first = tree.size() + FIRST_LINE;
        beyond.into_iter().for_each(|leaf| tree.push(leaf));
        report.take_rows(first, each, &mut order)
    })?;
    report.rows = tree.size();
    report.whole = Some(tree.root());
    report.root.get_or_insert_with(|| tree.root());
    if report.rows >= head.size && report.root == Some(head.root) {
        report.covered = head.size;
        report.together = together(order, &open)?;
        return Ok(report);
    }
    let mut each = ExportReport {
        root: report.root,
        whole: report.whole,
        promised: report.promised,
        ..ExportReport::default()
    };
    let mut order = Order::new(resumptions);
    let rows = ExportReader::open(open()?)?.into_rest();
    let judge_rows = |_, rows: &[&[u8]]| (rows.len() as u64, judge_each(&judge, rows));
    each_chunk(rows, judge_rows, &mut |(count, rows)| {
        each.take_rows(each.rows + FIRST_LINE, rows, &mut order)?;
        each.rows += count;
        Ok(())
    })?;
    each.together = together(order, &open)?;
    Ok(each)
}

/// What the rows show together; the export is read once more where two seem to have one name.
fn together<R: BufRead + Send>(
    order: Order,
    open: &impl Fn() -> std::io::Result<R>,
) -> Result<Disorders, ReadError> {
    let (pairs, mut found) = order.finish()?;
    if !pairs.is_empty() {
        let mut names = Names::of(&pairs);
        let rows = ExportReader::open(open()?)?.into_rest();
        let wanted = names.lines();
        let read = |first, rows: &[&[u8]]| Names::read(&wanted, first + FIRST_LINE, rows);
        each_chunk(rows, read, &mut |found| {
            names.take(found);
            Ok(())
        })?;
        names.tell(pairs, &mut found);
    }
    Ok(found)
}

/// What was found of some rows, each with its index.
#[derive(Default)]
struct JudgedRows {
    valid: Places,
    invalid: Vec<(u64, Judged)>,
}

/// Verifies rows by their own signatures.
fn judge_each(judge: &Judge, rows: &[&[u8]]) -> JudgedRows {
    let mut judged = JudgedRows::default();
    for (index, row) in (0..).zip(rows) {
        // None is left out.
        let Some(checked) = judge.check(row, false) else {
            continue;
        };
        match (checked.kind, &checked.outline, checked.signed_at) {
            (VerdictKind::Valid, Some(outline), Some(signed_at)) => {
                let place = outline.into();
                judged
                    .valid
                    .add(index, &place, signed_at, &judge.fingerprints);
            }
            (kind, ..) => {
                let explanation = checked.explanation;
                judged.invalid.push((index, Judged { kind, explanation }));
            }
        }
    }
    judged
}

/// The leaves of some rows, put together as far as they are a complete subtree.
enum Subtree {
    Complete(TreeHash),
    Leaves(Vec<TreeHash>),
}

/// What was found of some rows that the head may count.
struct JudgedGroup {
    subtree: Subtree,
    rows: JudgedRows,
}

fn leaves(rows: &[&[u8]]) -> Vec<TreeHash> {
    rows.iter().map(|row| TreeHash::leaf(row)).collect()
}

fn judge_group(
    rows: &[&[u8]],
    headers: &mut Headers<'_>,
    fingerprints: &Fingerprints,
) -> JudgedGroup {
    let mut judged = JudgedRows::default();
    for (index, row) in (0..).zip(rows) {
        let found = match CanonicalJson::read(row) {
            Some(text) => headers
                .judge_signature(text.signature)
                .and_then(|signed_at| {
                    judged
                        .valid
                        .add(index, &text.place, instant(signed_at)?, fingerprints);
                    Ok(())
                }),
            None => headers.judge(row).and_then(|signed_at| {
                let outline = Outline::from_published_json(row);
                let outline = outline.map_err(|error| malformed(&error))?;
                let place = (&outline).into();
                judged
                    .valid
                    .add(index, &place, instant(signed_at)?, fingerprints);
                Ok(())
            }),
        };
        if let Err(found) = found {
            judged.invalid.push((index, found));
        }
    }
    let leaves = leaves(rows);
    let subtree = match leaves.len() == 1 << LEVEL {
        false => Subtree::Leaves(leaves),
        true => {
            let mut tree = Frontier::default();
            leaves.into_iter().for_each(|leaf| tree.push(leaf));
            Subtree::Complete(tree.root())
        }
    };
    JudgedGroup {
        subtree,
        rows: judged,
    }
}

fn instant(signed_at: i64) -> Result<DateTime<Utc>, Judged> {
    DateTime::from_timestamp(signed_at, 0).ok_or_else(|| {
        malformed(&format!(
            "signature: iat: is {signed_at}, which is not a time"
        ))
    })
}
