//! The statements: from rows to types and back.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use rusqlite::types::{FromSqlResult, ValueRef};
use rusqlite::{
    Connection, OptionalExtension, Row as SqlRow, Transaction, TransactionBehavior, params,
};

use super::check::Compared;
use super::{environment, nodes};
use crate::record::high_water_mark::{HighWaterMark, Mark};
use crate::record::row::{Row, instant, parse, timestamp, to_signed};
use crate::record::{AppendError, RecordError};
use checkpoint::checkpoint::{Checkpoint, CheckpointId, LedgerId};
use checkpoint::history::Receipt;
use checkpoint::history::rules::{HistoryPoint, LedgerState, MaxEntryJump};
use checkpoint::log::batch::{Batch, Candidate, Head};
use checkpoint::log::tree::Frontier;

const COLUMNS: &str = "position, ledger_id, checkpoint_id, entry_count, cumulative_hash, total_volume, timestamp, \
                       key_id, signed_at, payload, signature";

impl From<rusqlite::Error> for RecordError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode::{
            ConstraintViolation, DatabaseBusy, DatabaseCorrupt, NotADatabase,
        };
        match error.sqlite_error_code() {
            Some(ConstraintViolation) => Self::Constraint(error.to_string()),
            Some(DatabaseCorrupt | NotADatabase) => Self::Damaged(error.to_string()),
            // A value of another type than its column's, or text that is not UTF-8.
            None if is_value(&error) => Self::Damaged(error.to_string()),
            Some(DatabaseBusy) => Self::Unavailable(format!(
                "{error}: another program keeps the record's file locked, and nothing is signed until it lets go of it"
            )),
            _ => Self::Unavailable(error.to_string()),
        }
    }
}

fn is_value(error: &rusqlite::Error) -> bool {
    use rusqlite::Error::{
        FromSqlConversionFailure, IntegralValueOutOfRange, InvalidColumnType, Utf8Error,
    };
    matches!(
        error,
        FromSqlConversionFailure(..)
            | IntegralValueOutOfRange(..)
            | InvalidColumnType(..)
            | Utf8Error(..)
    )
}

pub(super) fn read_row<'a>(row: &'a SqlRow<'_>) -> rusqlite::Result<Row<'a>> {
    Ok(Row {
        position: row.get(0)?,
        ledger_id: borrowed(row, 1, ValueRef::as_str)?,
        checkpoint_id: borrowed(row, 2, ValueRef::as_str)?,
        entry_count: row.get(3)?,
        cumulative_hash: borrowed(row, 4, ValueRef::as_blob)?,
        total_volume: row.get(5)?,
        timestamp: row.get(6)?,
        key_id: borrowed(row, 7, ValueRef::as_str)?,
        signed_at: row.get(8)?,
        payload: borrowed(row, 9, ValueRef::as_blob)?,
        signature: borrowed(row, 10, ValueRef::as_str)?,
    })
}

/// A column that is not copied.
fn borrowed<'a, T>(
    row: &'a SqlRow<'_>,
    column: usize,
    of: fn(&ValueRef<'a>) -> FromSqlResult<T>,
) -> rusqlite::Result<T> {
    let value = row.get_ref(column)?;
    of(&value).map_err(|error| {
        let of_type = value.data_type();
        rusqlite::Error::FromSqlConversionFailure(column, of_type, Box::new(error))
    })
}

pub(super) fn read_head(connection: &Connection) -> Result<Head, RecordError> {
    let (size, frontier, newest): (i64, Vec<u8>, Option<i64>) = connection
        .prepare_cached("SELECT size, frontier, newest_signed_at FROM record_head")?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let frontier = Frontier::from_bytes(size.unsigned_abs(), &frontier);
    let damaged = || RecordError::Damaged("the head's frontier does not fit its size".into());
    Ok(Head {
        frontier: frontier.ok_or_else(damaged)?,
        newest_signed_at: newest.map(instant).transpose()?,
        store_clock: None,
    })
}

pub(super) fn head(connection: &Connection, seen: &HighWaterMark) -> Result<Frontier, RecordError> {
    let mark = seen.mark();
    // One snapshot for all that is read.
    let transaction = connection.unchecked_transaction()?;
    let tree = read_head(&transaction)?.frontier;
    check_seen(&transaction, seen, &mark, &tree)?;
    if tree.size() > mark.rows()
        && let Some(newest) = signature(&transaction, tree.size())?
    {
        seen.advance(&tree, &newest);
    }
    Ok(tree)
}

/// Reads, in one snapshot, what is given out only of a record that has all that was seen: a list ends as if that were all.
pub(super) fn whole_as_seen<T>(
    connection: &Connection,
    seen: &HighWaterMark,
    read: impl FnOnce(&Connection) -> Result<T, RecordError>,
) -> Result<T, RecordError> {
    let mark = seen.mark();
    let transaction = connection.unchecked_transaction()?;
    let tree = read_head(&transaction)?.frontier;
    check_seen(&transaction, seen, &mark, &tree)?;
    read(&transaction)
}

/// Compares the record as a transaction sees it with what was seen before it began, and with whose it was to be.
pub(super) fn check_seen(
    transaction: &Transaction,
    seen: &HighWaterMark,
    mark: &Mark,
    tree: &Frontier,
) -> Result<(), RecordError> {
    let row = match mark.row_to_compare(tree) {
        Some(position) => signature(transaction, position)?,
        None => None,
    };
    seen.check_environment(environment::bound(transaction)?)?;
    Ok(seen.note(mark.compare(tree, row.as_deref()))?)
}

fn signature(connection: &Connection, position: u64) -> Result<Option<String>, RecordError> {
    let sql = "SELECT signature FROM signed_checkpoint WHERE position = ?1";
    let found = connection
        .prepare_cached(sql)?
        .query_row([to_signed(position)], |row| row.get(0));
    Ok(found.optional()?)
}

pub(super) fn by_id(
    connection: &Connection,
    ledger_id: &LedgerId,
    checkpoint_id: &CheckpointId,
) -> Result<Option<Receipt>, RecordError> {
    read_by_id(connection, ledger_id, checkpoint_id, |row| {
        row.into_receipt()
    })
}

fn read_by_id(
    connection: &Connection,
    ledger_id: &LedgerId,
    checkpoint_id: &CheckpointId,
    read: impl Fn(Row<'_>) -> Result<Receipt, RecordError>,
) -> Result<Option<Receipt>, RecordError> {
    let sql = select(" WHERE ledger_id = ?1 AND checkpoint_id = ?2");
    let receipt = connection
        .prepare_cached(&sql)?
        .query_row([ledger_id.as_str(), checkpoint_id.as_str()], |row| {
            Ok(read(read_row(row)?))
        })
        .optional()?;
    receipt.transpose()
}

pub(super) fn select(rest: &str) -> String {
    format!("SELECT {COLUMNS} FROM signed_checkpoint{rest}")
}

pub(super) fn ledger_state(
    connection: &Connection,
    checkpoint: &Checkpoint,
) -> Result<LedgerState, RecordError> {
    // One snapshot for all that is read.
    let transaction = connection.unchecked_transaction()?;
    let newest = read_head(&transaction)?.newest_signed_at;
    ledger_state_after(&transaction, checkpoint, newest)
}

fn ledger_state_after(
    connection: &Connection,
    checkpoint: &Checkpoint,
    newest_signed_at: Option<DateTime<Utc>>,
) -> Result<LedgerState, RecordError> {
    let fields = checkpoint.fields();
    let (ledger_id, checkpoint_id) = (&fields.ledger_id, &fields.checkpoint_id);
    let entry_count = fields.entry_count.get();
    let same_count = connection
        .prepare_cached(
            "SELECT checkpoint_id, cumulative_hash, total_volume FROM signed_checkpoint \
             WHERE ledger_id = ?1 AND entry_count = ?2 ORDER BY position LIMIT 1",
        )?
        .query_row(params![ledger_id.as_str(), to_signed(entry_count)], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .optional()?;
    let newest: Option<(i64, i64)> = connection
        .prepare_cached(
            "SELECT entry_count, timestamp FROM signed_checkpoint WHERE ledger_id = ?1 \
             ORDER BY entry_count DESC, position DESC LIMIT 1",
        )?
        .query_row([ledger_id.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    Ok(LedgerState {
        same_id: read_by_id(connection, ledger_id, checkpoint_id, |row| {
            row.into_receipt_for(checkpoint)
        })?,
        same_count: same_count.map(place).transpose()?,
        newest_count: newest.map(|(entry_count, _)| entry_count.unsigned_abs()),
        newest_timestamp: newest.map(|(_, seconds)| timestamp(seconds)).transpose()?,
        newest_signed_at,
        store_clock: None,
    })
}

fn place(
    (checkpoint_id, hash, total_volume): (String, [u8; 32], i64),
) -> Result<HistoryPoint, RecordError> {
    Ok(HistoryPoint {
        checkpoint_id: parse("checkpoint_id", &checkpoint_id)?,
        cumulative_hash: hash.into(),
        total_volume,
    })
}

pub(super) type Answers = Vec<Result<Receipt, AppendError>>;

/// The answers, and the count of the transaction when it wrote.
pub(super) type Appended = (Answers, Option<i64>);

/// The answer to each; one that is to all is given so often.
pub(super) fn each(count: usize, appended: Result<Answers, RecordError>) -> Answers {
    appended.unwrap_or_else(|error| {
        let fail = |_| Err(AppendError::Store(error.clone()));
        (0..count).map(fail).collect()
    })
}

pub(super) fn append(
    connection: &mut Connection,
    candidates: Vec<Candidate>,
    max_jump: MaxEntryJump,
    seen: &HighWaterMark,
    schema: &Compared,
) -> Result<Appended, RecordError> {
    let mark = seen.mark();
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let head = read_head(&transaction)?;
    check_seen(&transaction, seen, &mark, &head.frontier)?;
    let mut batch = Batch::new(head, max_jump, revoked(&transaction)?);
    let (mut answers, mut newest) = (Vec::with_capacity(candidates.len()), None);
    for candidate in candidates {
        let answer = append_one(&transaction, &mut batch, candidate, &mut newest);
        match &answer {
            Ok(_) | Err(AppendError::Rule(_) | AppendError::Store(RecordError::Constraint(_))) => {}
            // SQLite may have ended the transaction by itself: nothing of the batch is believed.
            Err(AppendError::Store(error)) => return Err(error.clone()),
        }
        answers.push(answer);
    }
    let (head, completed) = batch.finish();
    let mut commits = None;
    if newest.is_some() {
        schema.check(&transaction)?;
        nodes::keep(&transaction, &completed)?;
        let newest = head.newest_signed_at.map(|newest| newest.timestamp());
        let (size, frontier) = (to_signed(head.frontier.size()), head.frontier.to_bytes());
        commits = transaction
            .prepare_cached(
                "UPDATE record_head SET size = ?1, frontier = ?2, newest_signed_at = ?3, \
                 commits = commits + 1 RETURNING commits",
            )?
            .query_row(params![size, frontier, newest], |row| row.get(0))?;
    }
    transaction.commit()?;
    if let Some(newest) = &newest {
        seen.advance(&head.frontier, newest);
    }
    Ok((answers, commits))
}

/// The keys that are, and from when on.
fn revoked(transaction: &Transaction) -> Result<HashMap<String, DateTime<Utc>>, RecordError> {
    let sql = "SELECT key_id, min(distrust_after) FROM key_revocation GROUP BY key_id";
    let mut statement = transaction.prepare_cached(sql)?;
    let keys = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    keys.map(|key| {
        let (key_id, distrust_after) = key?;
        Ok((key_id, instant(distrust_after)?))
    })
    .collect()
}

/// Judges a candidate, and inserts it. The signature of the newest row that was is `newest`.
fn append_one(
    transaction: &Transaction,
    batch: &mut Batch,
    candidate: Candidate,
    newest: &mut Option<String>,
) -> Result<Receipt, AppendError> {
    // The newest signature's time is the batch's to know.
    let ledger_state = ledger_state_after(transaction, &candidate.signed().checkpoint, None)?;
    if let Some(receipt) = batch.judge(&candidate, ledger_state)? {
        return Ok(receipt);
    }
    let row = Row::new(to_signed(batch.next_position()), &candidate);
    let sql = format!(
        "INSERT INTO signed_checkpoint ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)"
    );
    transaction
        .prepare_cached(&sql)
        .and_then(|mut statement| {
            statement.execute(params![
                row.position,
                row.ledger_id,
                row.checkpoint_id,
                row.entry_count,
                row.cumulative_hash,
                row.total_volume,
                row.timestamp,
                row.key_id,
                row.signed_at,
                row.payload,
                row.signature,
            ])
        })
        .map_err(RecordError::from)?;
    *newest = Some(row.signature.to_owned());
    Ok(batch.take(candidate))
}

pub(super) fn newest(connection: &Connection, limit: u32) -> Result<Vec<Receipt>, RecordError> {
    let mut statement = connection.prepare(&select(" ORDER BY position DESC LIMIT ?1"))?;
    let rows = statement.query_map([limit], |row| Ok(read_row(row)?.into_receipt()))?;
    rows.map(|row| row?).collect()
}
