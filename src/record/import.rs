//! Puts the rows of an export into a record: the same rows at the same places, or nothing.
//!
//! The export is read twice. Nothing is written before all of it was checked: every signature, the rules, and the
//! root. An import that was interrupted is continued by running it again: the rows that are there must be the first
//! ones of the export.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use chrono::{DateTime, Utc};

use super::audit::{Audit, Checker};
use super::export::{ExportReader, ReadError};
use super::rules::MaxEntryJump;
use super::tree::{Frontier, TreeHash};
use super::{AppendError, Receipt, Record, RecordError, RegisterError};
use crate::key::{KeyId, KeyringEntry};

/// Rows that are checked, and recorded, at once.
const BATCH: usize = 1000;

/// Why a record is not imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The export cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// What the export says is wrong; nothing was imported.
    #[error("the export is wrong, so nothing is imported: {problems} problems, the first: {first}")]
    Wrong {
        /// How many.
        problems: u64,
        /// The first of them.
        first: String,
    },
    /// The record has other rows already.
    #[error(
        "the record holds {found} rows that are not the first of the export; expected an empty record, or one \
         that an import of the same export was interrupted in"
    )]
    OtherRows {
        /// How many it has.
        found: u64,
    },
    /// The record distrusts a key whose rows are still to come.
    #[error(
        "{0} is revoked in the record already, so that no row by it is taken; expected a record that was made for \
         this import"
    )]
    Revoked(KeyId),
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
    /// The record fails.
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// What was done.
#[derive(Debug)]
pub struct Imported {
    /// Rows that were there already.
    pub found: u64,
    /// The tree over all rows.
    pub tree: Frontier,
}

type Export = ExportReader<BufReader<File>>;

fn open(file: &Path) -> Result<Export, ImportError> {
    let file = File::open(file).map_err(ReadError::Io)?;
    Ok(ExportReader::open(BufReader::new(file))?)
}

/// Imports a file.
///
/// # Errors
/// [`ImportError`]. When the export is at fault, nothing was written; when the record is, run it again.
pub async fn import(
    record: &dyn Record,
    file: &Path,
    now: DateTime<Utc>,
) -> Result<Imported, ImportError> {
    check(open(file)?).await?;
    let mut export = open(file)?;
    let before = record.head().await?;
    for entry in export.keyring.entries() {
        let (version, endorsement) = (entry.version(), entry.endorsement());
        record.register_key(version, endorsement, now).await?;
    }
    if before.size() < export.rows {
        let keyring = record.keyring().await?;
        let revoked = |entry: &&KeyringEntry| entry.revocation().is_some();
        if let Some(entry) = keyring.entries().into_iter().find(revoked) {
            return Err(ImportError::Revoked(entry.version().key_id.clone()));
        }
    }
    let mut tree = Frontier::default();
    let other = ImportError::OtherRows {
        found: before.size(),
    };
    while tree.size() < before.size() {
        let left = usize::try_from(before.size() - tree.size()).unwrap_or(BATCH);
        let rows = export.next_rows(left.min(BATCH))?;
        if rows.is_empty() {
            return Err(other);
        }
        rows.iter().for_each(|row| tree.push(TreeHash::of(row)));
    }
    if tree != before {
        return Err(other);
    }
    loop {
        let rows = export.next_rows(BATCH)?;
        if rows.is_empty() {
            break;
        }
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
    // Last: no row by a key that is revoked would have been taken.
    for entry in export.keyring.entries() {
        if let Some(revocation) = entry.revocation() {
            let key_id = &entry.version().key_id;
            record.revoke_key(key_id, revocation.clone()).await?;
        }
    }
    Ok(Imported {
        found: before.size(),
        tree,
    })
}

async fn check(mut export: Export) -> Result<(), ImportError> {
    let mut checker = Checker::new(export.keyring.clone());
    let mut position = 0;
    loop {
        let rows = export.next_rows(BATCH)?;
        if rows.is_empty() {
            break;
        }
        let rows = rows.into_iter().map(|signed| {
            position += 1;
            Some(Receipt { position, signed })
        });
        checker.take(rows.collect()).await?;
    }
    let wrong = |problems, first| Err(ImportError::Wrong { problems, first });
    let Audit {
        problems,
        told,
        tree,
    } = checker.audit;
    if let Some(first) = told.first() {
        return wrong(problems, first.to_string());
    }
    let (rows, root) = (export.rows, &export.root);
    if tree.size() != rows {
        let size = tree.size();
        return wrong(
            1,
            format!("line 1: rows: is {rows}, but {size} rows follow"),
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
