//! An export against a signed head: one RSA verification for all of its rows.
//!
//! A line of an export is the published JSON that the record hashed as a leaf. So the tree over the lines as they stand has
//! the head's root only if they are, byte for byte and in order, what the service had recorded when it signed the head;
//! and the service records what it signed itself. Then each line is canonical JSON, and of its signature only the header is
//! left to be judged: the key, its window, its revocation. When the roots differ, nothing is taken from the head, and every
//! signature is verified by itself, to name those that are wrong.

use std::collections::BTreeMap;
use std::io::{BufRead, Read};
use std::sync::mpsc::sync_channel;
use std::thread;

use memchr::memmem;
use rayon::prelude::*;

use crate::checkpoint::{MAX_JSON_BYTES, PublishedOutline};
use crate::key::PinnedKeyring;
use crate::record::export::{ExportReader, ReadError};
use crate::record::proof::TreeHead;
use crate::record::tree::{Frontier, TreeHash};
use crate::signature::DetachedJws;
use crate::verifier::bulk::{Fingerprints, Judge, Selection};
use crate::verifier::{VerdictKind, explain, judge_header};

/// Bytes of lines that are worked on at once.
const CHUNK: usize = 1 << 22;

/// Chunks that wait.
const WAITING: usize = 1;

/// Lines that one core takes at once.
const LINES: usize = 256;

/// The first line is the export's own.
const FIRST_LINE: u64 = 2;

/// Most faults that are told in full.
const MAX_TOLD: usize = 100;

/// How the signature stands in canonical JSON: never first, as `checkpoint_id` goes before it. In canonical JSON these
/// bytes are always a member's name: within a string a quotation mark has a backslash before it.
const SIGNATURE: &[u8] = br#","signature":""#;

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
    /// How many of them the head vouches for: all that it counts, or none.
    pub covered: u64,
    /// The root over as many rows as the head counts, or as there are.
    pub root: Option<TreeHash>,
    /// How many rows got which verdict; of a head that vouches, the rows beyond it are not judged.
    pub verdicts: BTreeMap<VerdictKind, u64>,
    /// The first rows that are not valid.
    pub faults: Vec<Fault>,
}

impl ExportReport {
    /// Whether the head vouches for the first rows.
    pub fn is_covered(&self, head: TreeHead) -> bool {
        self.covered == head.size
    }

    fn note(&mut self, line: u64, judged: Judged) {
        *self.verdicts.entry(judged.kind).or_default() += 1;
        if judged.kind != VerdictKind::Valid && self.faults.len() < MAX_TOLD {
            self.faults.push(Fault {
                line,
                kind: judged.kind,
                explanation: judged.explanation,
            });
        }
    }
}

/// A verdict, and a sentence for one that is not valid.
#[derive(Clone)]
struct Judged {
    kind: VerdictKind,
    explanation: String,
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
    let rows = || Ok::<_, ReadError>(ExportReader::open(open()?)?.into_rest());
    let (mut tree, mut report) = (Frontier::default(), ExportReport::default());
    each_chunk(rows()?, &mut |lines| {
        let left = usize::try_from(head.size - tree.size()).unwrap_or(usize::MAX);
        let covered = lines.get(..left.min(lines.len())).unwrap_or_default();
        let judged = covered.par_chunks(LINES).map(|lines| {
            let mut headers = Headers::new(keyring);
            let judge = |line: &&[u8]| (TreeHash::leaf(line), headers.judge(line));
            lines.iter().map(judge).collect::<Vec<_>>()
        });
        let judged: Vec<_> = judged.collect();
        for (leaf, judged) in judged.into_iter().flatten() {
            tree.push(leaf);
            let valid = || Judged {
                kind: VerdictKind::Valid,
                explanation: String::new(),
            };
            report.note(tree.size() + FIRST_LINE - 1, judged.unwrap_or_else(valid));
        }
        report.rows += lines.len() as u64;
    })?;
    report.root = Some(tree.root());
    if tree.size() == head.size && tree.root() == head.root {
        report.covered = tree.size();
        return Ok(report);
    }
    let judge = Judge {
        keyring: keyring.clone(),
        selection: Selection::default(),
        fingerprints: Fingerprints::default(),
    };
    let mut each = ExportReport {
        root: report.root,
        ..ExportReport::default()
    };
    each_chunk(rows()?, &mut |lines| {
        let judged = lines.par_iter().filter_map(|line| {
            let checked = judge.check(line, false)?;
            Some(Judged {
                kind: checked.kind,
                explanation: checked.explanation,
            })
        });
        for judged in judged.collect::<Vec<_>>() {
            each.rows += 1;
            each.note(each.rows + FIRST_LINE - 1, judged);
        }
    })?;
    Ok(each)
}

/// Judges lines by their headers; those of neighbours are mostly the same.
struct Headers<'a> {
    keyring: &'a PinnedKeyring,
    signature: memmem::Finder<'static>,
    last: Vec<u8>,
    judged: Option<Judged>,
}

impl<'a> Headers<'a> {
    fn new(keyring: &'a PinnedKeyring) -> Self {
        Self {
            keyring,
            signature: memmem::Finder::new(SIGNATURE),
            last: Vec::new(),
            judged: None,
        }
    }

    /// None for a valid one. What is said of a line that is not canonical is worth nothing, and then the root is wrong.
    fn judge(&mut self, line: &[u8]) -> Option<Judged> {
        let Some(signature) = self.only_signature(line) else {
            return self.judge_whole(line);
        };
        let header = memchr::memchr(b'.', signature).and_then(|dot| signature.get(..dot));
        let Some(header) = header else {
            return self.judge_whole(line);
        };
        if header != self.last {
            let text = String::from_utf8_lossy(signature);
            self.judged = judge_signature(self.keyring, &text);
            self.last = header.to_vec();
        }
        self.judged.clone()
    }

    /// The text of the signature, if no member elsewhere has its name.
    fn only_signature<'l>(&self, line: &'l [u8]) -> Option<&'l [u8]> {
        let mut found = self.signature.find_iter(line);
        let (Some(at), None) = (found.next(), found.next()) else {
            return None;
        };
        let text = line.get(at + SIGNATURE.len()..)?;
        text.get(..memchr::memchr(b'"', text)?)
    }

    fn judge_whole(&self, line: &[u8]) -> Option<Judged> {
        match PublishedOutline::from_published_json(line) {
            Ok(published) => judge_signature(self.keyring, &published.signature),
            Err(error) => Some(malformed(&error)),
        }
    }
}

fn malformed(problem: &dyn std::fmt::Display) -> Judged {
    Judged {
        kind: VerdictKind::Malformed,
        explanation: format!("this is not a signed checkpoint: {problem}"),
    }
}

/// The verdict on a signature that the key is known to have made if the key is known; none for a valid one.
fn judge_signature(keyring: &PinnedKeyring, signature: &str) -> Option<Judged> {
    let jws = match DetachedJws::parse(signature) {
        Ok(jws) => jws,
        Err(error) => return Some(malformed(&format!("signature: {error}"))),
    };
    let header = jws.header();
    let kind = judge_header(&keyring.trusted, header, |_| true);
    let explanation = match keyring.untrusted.get(&header.kid) {
        _ if kind == VerdictKind::Valid => return None,
        Some(broken) => format!("no chain from the pinned key: {broken}"),
        None => explain(&keyring.trusted, kind, header),
    };
    Some(Judged { kind, explanation })
}

/// Gives all lines to `take`, in order, many at once; they are read meanwhile.
fn each_chunk(mut rows: impl Read + Send, take: &mut dyn FnMut(&[&[u8]])) -> Result<(), ReadError> {
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
                let line = chunk.get(start..end).unwrap_or_default();
                if line.len() > MAX_JSON_BYTES {
                    return Err(ReadError::TooLong(count, MAX_JSON_BYTES));
                }
                lines.push(line);
                (start, count) = (end + 1, count + 1);
            }
            take(&lines);
        }
        let ended = |_| std::io::Error::other("the thread that reads was ended");
        Ok(reader.join().map_err(ended)??)
    })
}
