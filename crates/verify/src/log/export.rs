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
use std::io::{BufRead, Read};
use std::sync::mpsc::sync_channel;
use std::thread;

use chrono::{DateTime, Utc};
use rayon::prelude::*;

use super::headers::{Headers, Judged, KnownHeader, malformed};
use super::order::{Disorders, FIRST_LINE, MAX_TOLD, Names, Order};
use crate::bulk::{Fingerprints, Judge, Selection};
use checkpoint::checkpoint::{MAX_JSON_BYTES, Outline};
use checkpoint::keyring::PinnedKeyring;
use checkpoint::lines::content;
use checkpoint::log::export::{ExportReader, ReadError};
use checkpoint::log::proof::TreeHead;
use checkpoint::log::tree::{Frontier, TreeHash};
use checkpoint::verdict::VerdictKind;

/// Bytes of lines that are worked on at once.
const CHUNK: usize = 1 << 22;

/// Chunks that wait.
const WAITING: usize = 1;

/// Lines that one core takes at once, as a power of two: those of a complete subtree.
const LEVEL: u8 = 8;

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
        self.note_valid(judged.valid.len() as u64);
        for (index, LedgerRow { outline, signed_at }) in judged.valid {
            order.take(first + index, outline, signed_at)?;
        }
        for (index, judged) in judged.invalid {
            self.note(first + index, judged);
        }
        Ok(())
    }

    /// Takes a row that was verified by its own signature.
    fn take_one(&mut self, line: u64, row: Verified, order: &mut Order) -> std::io::Result<()> {
        match row {
            Ok(LedgerRow { outline, signed_at }) => {
                self.note_valid(1);
                order.take(line, outline, signed_at)
            }
            Err(judged) => {
                self.note(line, judged);
                Ok(())
            }
        }
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
    each_chunk(reader.into_rest(), &mut |lines| {
        let left = usize::try_from(head.size.saturating_sub(tree.size())).unwrap_or(usize::MAX);
        let (covered, beyond) = lines.split_at(left.min(lines.len()));
        for judged in judge_groups(covered, tree.size(), &known, keyring) {
            report.take(judged, &mut tree, &mut order)?;
        }
        if tree.size() >= head.size {
            // Where the head ends, before anything is taken beyond it.
            report.root.get_or_insert_with(|| tree.root());
        }
        for (line, judged) in beyond.iter().zip(judge_each(&judge, beyond)) {
            let number = tree.size() + FIRST_LINE;
            tree.push(TreeHash::leaf(line));
            report.take_one(number, judged, &mut order)?;
        }
        report.rows += lines.len() as u64;
        Ok(())
    })?;
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
    each_chunk(rows, &mut |lines| {
        for judged in judge_each(&judge, lines) {
            each.rows += 1;
            each.take_one(each.rows + FIRST_LINE - 1, judged, &mut order)?;
        }
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
        let (mut names, mut next) = (Names::of(&pairs), FIRST_LINE);
        let rows = ExportReader::open(open()?)?.into_rest();
        each_chunk(rows, &mut |lines| {
            names.take(next, lines);
            next += lines.len() as u64;
            Ok(())
        })?;
        names.tell(pairs, &mut found);
    }
    Ok(found)
}

/// Where a valid row stands in its ledger, and when it was signed.
struct LedgerRow {
    outline: Outline,
    signed_at: DateTime<Utc>,
}

/// A valid row, or what is wrong with it.
type Verified = Result<LedgerRow, Judged>;

/// Verifies lines by their own signatures, on all cores.
fn judge_each(judge: &Judge, lines: &[&[u8]]) -> Vec<Verified> {
    let judged = lines.par_iter().filter_map(|line| {
        let checked = judge.check(line, false)?;
        match (checked.kind, checked.outline, checked.signed_at) {
            (VerdictKind::Valid, Some(outline), Some(signed_at)) => {
                Some(Ok(LedgerRow { outline, signed_at }))
            }
            (kind, ..) => Some(Err(Judged {
                kind,
                explanation: checked.explanation,
            })),
        }
    });
    judged.collect()
}

/// The leaves of some lines, put together as far as they are a complete subtree.
enum Subtree {
    Complete(TreeHash),
    Leaves(Vec<TreeHash>),
}

/// What was found of some lines.
struct JudgedGroup {
    subtree: Subtree,
    /// The valid ones, by their index in the group.
    valid: Vec<(u64, LedgerRow)>,
    /// The others, by their index in the group.
    invalid: Vec<(u64, Judged)>,
}

/// Judges lines on all cores, in groups that are complete subtrees but for the first and the last.
fn judge_groups(
    lines: &[&[u8]],
    before: u64,
    known: &[KnownHeader],
    keyring: &PinnedKeyring,
) -> Vec<JudgedGroup> {
    let rows = 1 << LEVEL;
    let missing = usize::try_from(before.next_multiple_of(rows as u64) - before).unwrap_or(0);
    let (first, rest) = lines.split_at(missing.min(lines.len()));
    let judge = |lines: &[&[u8]]| judge_group(lines, &mut Headers::new(known, keyring));
    let rest = rest.par_chunks(rows).map(judge);
    let first = (!first.is_empty()).then(|| judge(first));
    first.into_iter().chain(rest.collect::<Vec<_>>()).collect()
}

fn judge_group(lines: &[&[u8]], headers: &mut Headers<'_>) -> JudgedGroup {
    let mut leaves = Vec::with_capacity(lines.len());
    let (mut valid, mut invalid) = (Vec::with_capacity(lines.len()), Vec::new());
    for (index, line) in (0..).zip(lines) {
        leaves.push(TreeHash::leaf(line));
        match headers
            .judge(line)
            .and_then(|signed_at| place(line, signed_at))
        {
            Ok(place) => valid.push((index, place)),
            Err(judged) => invalid.push((index, judged)),
        }
    }
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
        valid,
        invalid,
    }
}

fn place(line: &[u8], signed_at: i64) -> Verified {
    let outline = Outline::from_published_json(line).map_err(|error| malformed(&error))?;
    let signed_at = DateTime::from_timestamp(signed_at, 0).ok_or_else(|| {
        malformed(&format!(
            "signature: iat: is {signed_at}, which is not a time"
        ))
    })?;
    Ok(LedgerRow { outline, signed_at })
}

/// Gives all lines to `take`, in order, many at once; they are read meanwhile.
fn each_chunk(
    mut rows: impl Read + Send,
    take: &mut dyn FnMut(&[&[u8]]) -> std::io::Result<()>,
) -> Result<(), ReadError> {
    thread::scope(|scope| {
        let (to_take, chunks) = sync_channel(WAITING);
        let reader = scope.spawn(move || -> std::io::Result<()> {
            let mut rest = Vec::new();
            loop {
                let mut chunk: Vec<u8> = std::mem::take(&mut rest);
                chunk.reserve(CHUNK);
                let read = (&mut rows).take(CHUNK as u64).read_to_end(&mut chunk)?;
                let end = match memchr::memrchr(b'\n', &chunk) {
                    Some(at) if read > 0 => at + 1,
                    // A line that is longer than any is, or the last one, without an end.
                    _ if read == 0 || chunk.len() > MAX_JSON_BYTES => chunk.len(),
                    _ => 0,
                };
                rest = chunk.split_off(end);
                if !chunk.is_empty() && to_take.send(chunk).is_err() || read == 0 {
                    return Ok(());
                }
            }
        });
        let mut count = FIRST_LINE;
        for chunk in chunks {
            let chunk = chunk.strip_suffix(b"\n").unwrap_or(&chunk);
            let mut lines = Vec::with_capacity(chunk.len() / 512);
            let mut start = 0;
            for end in memchr::memchr_iter(b'\n', chunk).chain([chunk.len()]) {
                let line = content(chunk.get(start..end).unwrap_or_default(), MAX_JSON_BYTES);
                if line.len() > MAX_JSON_BYTES {
                    return Err(ReadError::TooLong(count, MAX_JSON_BYTES));
                }
                lines.push(line);
                (start, count) = (end + 1, count + 1);
            }
            take(&lines)?;
        }
        let ended = |_| std::io::Error::other("the thread that reads was ended");
        Ok(reader.join().map_err(ended)??)
    })
}
