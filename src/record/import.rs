//! Puts the rows of an export into a record: the same rows at the same places, or nothing.
//!
//! The export is read twice. Nothing is written before all of it was checked: every signature, the rules, and the
//! root. An import that was interrupted is continued by running it again: the rows that are there must be the first
//! ones of the export. The keyring in it is believed as far as the record or the operator vouches for its keys, and its
//! resumptions of the clock, which nothing covers, by the operator's word alone.

use std::collections::VecDeque;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use chrono::{DateTime, Utc};

use super::check::{Checker, RecordCheck};
use super::environment::Environment;
use super::{AppendError, BindError, Record, RecordError, RegisterError, ResumeError};
use crate::advice;
use checkpoint::checkpoint::TIMESTAMP_TOLERANCE;
use checkpoint::counted::counted;
use checkpoint::history::resumption::list;
use checkpoint::history::rules::{CLOCK_TOLERANCE, MaxEntryJump};
use checkpoint::history::{Receipt, Resumption};
use checkpoint::jws::SignedCheckpoint;
use checkpoint::key::{KeyId, instant_text};
use checkpoint::keyring::{
    Admission, Keyring, KeyringEntry, NotAdmitted, Revocation, SkippedKey, Trust,
};
use checkpoint::log::batch::Candidate;
use checkpoint::log::export::{ExportReader, ReadError};
use checkpoint::log::tree::{Frontier, TreeHash};

/// Rows that are checked, and recorded, at once.
const BATCH: usize = 1000;

/// Why a record is not imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The export cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// What the export says is wrong; nothing was imported.
    #[error("the export is wrong, so nothing is imported: {}, the first: {first}", counted(.problems, "problem", "problems"))]
    Wrong {
        /// How many.
        problems: u64,
        /// The first of them.
        first: String,
    },
    /// The record has other rows already.
    #[error(
        "the record holds {} not the first of the export; expected an empty record, or one \
         that an import of the same export was interrupted in",
        counted(.found, "row that is", "rows that are")
    )]
    OtherRows {
        /// How many it has.
        found: u64,
    },
    /// The record knows of a revocation, and has not the rows yet that the key signed from then on.
    #[error(
        "row {position}: {key_id} signed at {}, and the record distrusts it from {} on ({:?}), so that it takes no such row any more; \
         nothing was imported: expected a record that does not know of the revocation yet, a new one before `keys import`; a \
         revocation that the export has goes in after its rows",
        instant_text(*.signed_at), instant_text(.revocation.distrust_after), .revocation.reason
    )]
    Revoked {
        /// Its place in the export.
        position: u64,
        /// The key.
        key_id: KeyId,
        /// When.
        signed_at: DateTime<Utc>,
        /// What the record knows.
        revocation: Box<Revocation>,
    },
    /// The keys of the export are not believed.
    #[error("{}; nothing was imported", advice::on_admission(.0))]
    NotAdmitted(#[from] NotAdmitted),
    /// The export is refused, and keys of it were skipped, which may be why.
    #[error("{error}; in its keyring, {} (of a kind that is not known here)", shown(.skipped))]
    Skipped {
        /// Why it is refused.
        error: Box<ImportError>,
        /// The keys.
        skipped: Vec<SkippedKey>,
    },
    /// It is the export of another environment's record.
    #[error(
        "the export is of the record of the environment {0}, and this one {whose}; nothing was imported: expected the          record of {0}, or a new one (record init --environment {0})", whose = whose(.1)
    )]
    Environment(String, Option<Environment>),
    /// Nobody vouches for a resumption of the clock.
    #[error(
        "the file says that an operator let times go back, and the record does not know that: {}; if it is true, say \
         --believe-resumptions: it cannot be taken back, and is published as that operator's word; nothing was imported",
        list(.0)
    )]
    Resumes(Vec<Resumption>),
    /// Somebody has bound the record meanwhile.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The record has other keys.
    #[error(transparent)]
    Key(#[from] RegisterError),
    /// A row is refused by the record.
    #[error("row {position}: {error}")]
    Refused {
        /// Its place in the export.
        position: u64,
        /// Why.
        error: AppendError,
    },
    /// Something else appends to the record.
    #[error("row {expected} was recorded as row {found}: something else appends to this record")]
    Disturbed {
        /// Its place in the export.
        expected: u64,
        /// Its place in the record.
        found: u64,
    },
    /// A resumption of the clock is refused.
    #[error("a resumption of the clock: {0}")]
    Resumption(#[from] ResumeError),
    /// The record fails.
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// What was done.
#[derive(Debug)]
pub struct Imported {
    /// Rows that were there already.
    pub found: u64,
    /// Keys that were revoked by the word of the export.
    pub revoked: Vec<KeyId>,
    /// Where times go back by the word of the export.
    pub resumed: Vec<Resumption>,
    /// Keys of the export that are of kinds that are not known here, and are not on record.
    pub skipped: Vec<SkippedKey>,
    /// The tree over all rows.
    pub tree: Frontier,
}

type Export = ExportReader<BufReader<File>>;

fn open(file: &Path) -> Result<Export, ImportError> {
    let file = files::open_regular(file).map_err(ReadError::Io)?;
    Ok(ExportReader::open(BufReader::new(file))?)
}

/// Imports a file. The environment that it names, and the one that the caller names, must be the record's; a record that is not bound
/// is then bound to that of the file.
///
/// # Errors
/// [`ImportError`]. When the export is at fault, nothing was written; when the record is, run it again.
pub async fn import(
    record: &dyn Record,
    file: &Path,
    now: DateTime<Utc>,
    trust: &Trust,
    believe_resumptions: bool,
    named: Option<Environment>,
) -> Result<Imported, ImportError> {
    let (before, known) = (record.head().await?, record.keyring().await?);
    let mut export = open(file)?;
    let bound = record.environment().await?;
    let environment = environment(&export, bound.or(named))?.or(named);
    let resumed = news(&export, &before, &record.resumptions().await?)?;
    if !resumed.is_empty() && !believe_resumptions {
        return Err(ImportError::Resumes(resumed));
    }
    let skipped = std::mem::take(&mut export.skipped);
    let or_skipped = |error: ImportError| match skipped.is_empty() {
        true => error,
        false => ImportError::Skipped {
            error: Box::new(error),
            skipped: skipped.clone(),
        },
    };
    let admission = known
        .admit(&export.keyring, trust, now)
        .map_err(|error| or_skipped(error.into()))?;
    let present = Present::of(record, now).await?;
    check(open(file)?, &before, &known, present)
        .await
        .map_err(or_skipped)?;
    if let (None, Some(environment)) = (bound, environment) {
        record.bind(environment, now).await?;
    }
    for (version, endorsement) in &admission.keys {
        let endorsement = endorsement.as_ref();
        record.register_key(version, endorsement, now).await?;
    }
    skip(&mut export, &before)?;
    let tree = append(record, &mut export, before.clone(), resumed.clone()).await?;
    // Last: no row that such a key signed from then on would have been taken.
    let Admission { revocations, .. } = admission;
    let mut revoked = Vec::with_capacity(revocations.len());
    for (key_id, revocation) in revocations {
        record.revoke_key(&key_id, revocation).await?;
        revoked.push(key_id);
    }
    Ok(Imported {
        found: before.size(),
        revoked,
        resumed,
        skipped,
        tree,
    })
}

/// The environment that goes with the rows: none of another one come into a record.
fn environment(
    export: &Export,
    bound: Option<Environment>,
) -> Result<Option<Environment>, ImportError> {
    let Some(named) = &export.environment else {
        return Ok(None);
    };
    match named.parse::<Environment>() {
        Ok(environment) if bound.is_none_or(|bound| bound == environment) => Ok(Some(environment)),
        _ => Err(ImportError::Environment(named.clone(), bound)),
    }
}

fn whose(bound: &Option<Environment>) -> String {
    match bound {
        Some(bound) => format!("belongs to {bound}"),
        None => "can belong to prod, staging or sandbox".into(),
    }
}

fn shown(skipped: &[SkippedKey]) -> String {
    let shown: Vec<String> = skipped.iter().map(ToString::to_string).collect();
    shown.join("; ")
}

/// The resumptions that the record has not yet. They come after its rows: those of an import that was interrupted are the first.
fn news(
    export: &Export,
    before: &Frontier,
    known: &[Resumption],
) -> Result<Vec<Resumption>, ImportError> {
    let wrong = |resumption: &Resumption, problem: &str| ImportError::Wrong {
        problems: 1,
        first: format!("line 1: clock_resumptions: {resumption}: {problem}"),
    };
    for resumption in &export.resumptions {
        resumption
            .judge()
            .map_err(|error| wrong(resumption, &error.to_string()))?;
    }
    let news = export.resumptions.strip_prefix(known).ok_or_else(|| {
        let first = format!(
            "line 1: clock_resumptions: lacks what the record has: {}",
            list(known)
        );
        ImportError::Wrong { problems: 1, first }
    })?;
    match news.iter().find(|next| next.after_rows < before.size()) {
        Some(next) => Err(wrong(next, "the record has this row, and not this")),
        None => Ok(news.to_vec()),
    }
}

/// Reads the rows that are on record already.
fn skip(export: &mut Export, before: &Frontier) -> Result<(), ImportError> {
    let mut tree = Frontier::default();
    while tree.size() < before.size() {
        let left = usize::try_from(before.size() - tree.size()).unwrap_or(BATCH);
        let rows = export.next_rows(left.min(BATCH))?;
        if rows.is_empty() {
            break;
        }
        rows.iter().for_each(|row| tree.push(TreeHash::of(row)));
    }
    match tree == *before {
        true => Ok(()),
        false => Err(ImportError::OtherRows {
            found: before.size(),
        }),
    }
}

async fn append(
    record: &dyn Record,
    export: &mut Export,
    mut tree: Frontier,
    resumed: Vec<Resumption>,
) -> Result<Frontier, ImportError> {
    let mut resumptions = VecDeque::from(resumed);
    loop {
        while let Some(next) = resumptions.pop_front_if(|next| next.after_rows <= tree.size()) {
            record.resume_clock(next.order()).await?;
        }
        let room = resumptions
            .front()
            .map_or(u64::MAX, |next| next.after_rows - tree.size());
        let rows = export.next_rows(usize::try_from(room).unwrap_or(BATCH).min(BATCH))?;
        if rows.is_empty() {
            return Ok(tree);
        }
        let rows = rows.into_iter().map(Candidate::from).collect();
        for answer in record.append(rows, MaxEntryJump::ANY).await {
            let expected = tree.size() + 1;
            match answer {
                Ok(Receipt { position, signed }) if position == expected => {
                    tree.push(TreeHash::of(&signed));
                }
                Ok(Receipt { position, .. }) => {
                    let found = position;
                    return Err(ImportError::Disturbed { expected, found });
                }
                Err(error) => {
                    let position = expected;
                    return Err(ImportError::Refused { position, error });
                }
            }
        }
    }
}

/// Checks all of an export before anything is written: each row by the keys in it, which are believed by now, and the rows
/// that the record has not yet by what it knows besides.
async fn check(
    mut export: Export,
    before: &Frontier,
    known: &Keyring,
    present: Present,
) -> Result<(), ImportError> {
    let mut checker = Checker::new(export.keyring.clone(), export.resumptions.clone());
    let mut position = 0;
    let mut tree = Frontier::default();
    loop {
        let rows = export.next_rows(BATCH)?;
        if rows.is_empty() {
            break;
        }
        for row in &rows {
            position += 1;
            if position > before.size() {
                let (key_id, signed_at) = (&row.jws.header().kid, row.jws.header().iat);
                let entry = known.get(key_id);
                if let Some(revocation) = entry.and_then(KeyringEntry::revocation)
                    && signed_at >= revocation.distrust_after
                {
                    return Err(ImportError::Revoked {
                        position,
                        key_id: key_id.clone(),
                        signed_at,
                        revocation: Box::new(revocation.clone()),
                    });
                }
            } else {
                tree.push(TreeHash::of(row));
            }
            // Where an operator has said since that a clock ran ahead, its rows are as they are.
            let signed_at = row.jws.header().iat;
            let explained = export
                .resumptions
                .iter()
                .any(|resumption| resumption.explains(position, signed_at, present.at));
            if explained {
                continue;
            }
            present.check(row).map_err(|problem| ImportError::Wrong {
                problems: 1,
                first: format!("row {position}: {problem}"),
            })?;
        }
        let first = position - rows.len() as u64;
        let rows = (first + 1..).zip(rows);
        let rows = rows.map(|(position, signed)| Some(Receipt { position, signed }));
        checker.take(rows.collect()).await?;
    }
    if tree != *before {
        let found = before.size();
        return Err(ImportError::OtherRows { found });
    }
    checker.follow_to_the_end();
    let wrong = |problems, first| Err(ImportError::Wrong { problems, first });
    let RecordCheck {
        problems,
        told,
        tree,
        ..
    } = checker.found;
    if let Some(first) = told.first() {
        return wrong(problems, first.to_string());
    }
    let (rows, root) = (export.rows, &export.root);
    if tree.size() != rows {
        let size = tree.size();
        return wrong(
            1,
            format!(
                "line 1: rows: is {rows}, but {}",
                counted(size, "row follows", "rows follow")
            ),
        );
    }
    match tree.root().to_string() == *root {
        true => Ok(()),
        false => wrong(
            1,
            format!("line 1: root: is {root}, but the rows make {}", tree.root()),
        ),
    }
}

/// What is now, by the earlier of two clocks: this machine's, and the store's where it has one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Present {
    pub(super) at: DateTime<Utc>,
    clock: &'static str,
}

impl Present {
    pub(super) async fn of(record: &dyn Record, own: DateTime<Utc>) -> Result<Self, RecordError> {
        let store = record.pulse().await?.store_clock;
        Ok(match store.filter(|store| *store < own) {
            Some(at) => Self {
                at,
                clock: "the record store's clock",
            },
            None => Self {
                at: own,
                clock: "the clock",
            },
        })
    }

    /// What was signed before is not dated after now: it would end its ledger, and all signing, until then.
    pub(super) fn check(&self, row: &SignedCheckpoint) -> Result<(), String> {
        let future = |what: &str, found| {
            let (found, shown) = (instant_text(found), instant_text(self.at));
            let clock = self.clock;
            Err(format!(
                "{what} {found}, in the future: {clock} shows {shown}"
            ))
        };
        let signed_at = row.jws.header().iat;
        if signed_at > self.at + CLOCK_TOLERANCE {
            return future("is signed at", signed_at);
        }
        let timestamp = row.checkpoint.fields().timestamp.instant();
        match timestamp > self.at + TIMESTAMP_TOLERANCE {
            true => future("timestamp: is", timestamp),
            false => Ok(()),
        }
    }
}
