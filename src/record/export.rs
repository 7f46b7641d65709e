//! A record written as a file of lines, each of its rows checked on the way. [`ExportReader`](checkpoint::log::export::ExportReader) reads them.

use std::io::Write;

use super::check::{Problem, RecordReader};
use super::{Record, RecordError};
use checkpoint::log::tree::Frontier;

use checkpoint::log::export::ExportHeader;

/// Why a record is not exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The record cannot be read.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// It is not what it should be; `record verify` tells everything.
    #[error("the record is wrong, so it is not exported: {0}; `record verify` lists what is wrong")]
    Wrong(Problem),
    /// The keyring on record has no JSON form.
    #[error("the keyring: {0}")]
    Keyring(#[from] serde_json::Error),
    /// It cannot be written.
    #[error("the export cannot be written: {0}")]
    Write(#[from] std::io::Error),
}

/// Writes a record as it is now, and gives the tree over its rows. Every row is checked on the way; what was
/// written is of no use when this fails.
///
/// # Errors
/// [`ExportError`] at the first thing that is wrong.
pub async fn export(record: &dyn Record, out: &mut impl Write) -> Result<Frontier, ExportError> {
    let mut reader = RecordReader::start(record).await?;
    let mut header = ExportHeader::new(reader.head(), reader.keyring(), reader.resumptions())?;
    let environment = record.environment().await?;
    header.environment = environment.map(|environment| environment.to_string());
    writeln!(out, "{}", serde_json::to_string(&header)?)?;
    while let Some(rows) = reader.next_page().await? {
        if let Some(problem) = reader.so_far().told.first() {
            return Err(ExportError::Wrong(problem.clone()));
        }
        for row in rows {
            writeln!(out, "{}", row.signed.published_json())?;
        }
    }
    out.flush()?;
    let found = reader.finish().await?;
    for unchecked in &found.unchecked {
        tracing::warn!(
            unchecked,
            "the rows were checked, and not all of the store was"
        );
    }
    match found.told.into_iter().next() {
        None => Ok(found.tree),
        Some(problem) => Err(ExportError::Wrong(problem)),
    }
}
