//! What is cheap to ask, and where signing was let go on from the true time.

use std::time::Duration;

use rusqlite::{Connection, TransactionBehavior, params};

use super::connection::BUSY_TIMEOUT;
use super::rows::{check_seen, read_head};
use crate::record::high_water_mark::HighWaterMark;
use crate::record::row::{instant, to_signed};
use crate::record::{Pulse, RecordError, ResumeError};
use checkpoint::history::{ResumeOrder, Resumption};

pub(super) fn pulse(connection: &Connection) -> Result<Pulse, RecordError> {
    let sql = "SELECT newest_signed_at, (SELECT count(*) FROM key_version) + (SELECT count(*) FROM key_endorsement) \
               + (SELECT count(*) FROM key_revocation) FROM record_head";
    let (newest, key_rows): (Option<i64>, i64) = connection
        .prepare_cached(sql)?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(Pulse {
        store_clock: None,
        newest_signed_at: newest.map(instant).transpose()?,
        key_rows: key_rows.unsigned_abs(),
    })
}

/// How long to wait for a lock that somebody has kept for longer than an append waits, so that appends are not kept from telling it.
const KEPT_TIMEOUT: Duration = Duration::from_millis(100);

/// Takes the lock that every write takes, and `writes` what changes nothing but the count of transactions, through to the disk.
pub(super) fn probe(
    connection: &mut Connection,
    failing: bool,
    writes: bool,
) -> rusqlite::Result<()> {
    if failing {
        connection.busy_timeout(KEPT_TIMEOUT)?;
    }
    let probed = take_lock(connection, writes);
    connection.busy_timeout(BUSY_TIMEOUT)?;
    probed
}

fn take_lock(connection: &mut Connection, writes: bool) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if !writes {
        return transaction.rollback();
    }
    let sql = "UPDATE record_head SET commits = commits + 1";
    transaction.execute(sql, [])?;
    transaction.commit()
}

pub(super) fn resumptions(connection: &Connection) -> Result<Vec<Resumption>, RecordError> {
    let sql = "SELECT after_rows, newest_signed_at, resumed_from, resumed_by, reason FROM clock_resumption \
               ORDER BY after_rows, resumed_from DESC";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(Resumption {
            after_rows: row.get::<_, i64>(0)?.unsigned_abs(),
            newest_signed_at: instant(row.get(1)?)?,
            resumed_from: instant(row.get(2)?)?,
            by: row.get(3)?,
            reason: row.get(4)?,
        });
    }
    Ok(found)
}

/// Whether the order of the rows is not that of their times.
pub(super) fn went_back(connection: &Connection) -> Result<bool, RecordError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM clock_resumption)";
    Ok(connection
        .prepare_cached(sql)?
        .query_row([], |row| row.get(0))?)
}

/// The outer error is for the connection; what is decided is within.
pub(super) fn resume_clock(
    connection: &mut Connection,
    order: &ResumeOrder,
    seen: &HighWaterMark,
) -> Result<Result<Resumption, ResumeError>, RecordError> {
    let mark = seen.mark();
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let head = read_head(&transaction)?;
    check_seen(&transaction, seen, &mark, &head.frontier)?;
    let resumption = match order.judge(head.frontier.size(), head.newest_signed_at) {
        Ok(resumption) if !order.dry_run => resumption,
        Err(refusal) => {
            let done = resumptions(&transaction)?.pop();
            let refusal = refusal.beside(head.frontier.size(), done.as_ref());
            return Ok(Err(refusal.into()));
        }
        Ok(rehearsed) => return Ok(Ok(rehearsed)),
    };
    let resumed_from = resumption.resumed_from.timestamp();
    transaction.execute(
        "INSERT INTO clock_resumption (after_rows, newest_signed_at, resumed_from, resumed_by, reason) \
         VALUES (?1, ?2, ?3, ?4, ?5)",
        params![
            to_signed(resumption.after_rows),
            resumption.newest_signed_at.timestamp(),
            resumed_from,
            resumption.by,
            resumption.reason,
        ],
    )?;
    transaction.execute(
        "UPDATE record_head SET newest_signed_at = ?1, commits = commits + 1",
        [resumed_from],
    )?;
    transaction.commit()?;
    Ok(Ok(resumption))
}
