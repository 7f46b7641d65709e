//! Whether a record's file and its write-ahead log belong together, and are all that there was.
//!
//! What was committed last is in the log (`-wal`) alone, until SQLite copies it into the file. A file that is copied, moved or
//! restored without its log is an older state that is whole in itself, and would give places a second time. So the head has
//! three columns besides what it says of the rows:
//!
//! - `open`: set in the file itself when a service begins, taken back when it ends in order and all is in the file. A file in
//!   which it is set and that has no log is not whole.
//! - `commits`: each transaction that writes adds one, and writes it with the head, so that the log has the count of its last.
//!   A log that ends before the file does is an older one; one that begins after it was another file's.
//! - `record_id`: the same in all copies of one record. A log with another one is of another record.

use std::path::Path;

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use super::wal::Log;
use super::{OpenError, connect, unchanging};

/// What the head says of its file.
pub(super) struct State {
    record_id: Vec<u8>,
    pub(super) commits: i64,
    pub(super) open: bool,
}

impl State {
    pub(super) fn read(connection: &Connection) -> rusqlite::Result<Self> {
        let sql = "SELECT record_id, commits, open FROM record_head";
        connection.query_row(sql, [], |row| {
            Ok(Self {
                record_id: row.get(0)?,
                commits: row.get(1)?,
                open: row.get(2)?,
            })
        })
    }

    /// Of the file alone, as if it had no log. Only while nobody writes.
    pub(super) fn of_file(real: &Path) -> rusqlite::Result<Self> {
        Self::read(&unchanging::connect(real)?)
    }
}

/// Refuses what is not whole. Nothing is changed, and nobody may have it open.
pub(super) fn check(path: &Path, real: &Path, log: Log) -> Result<(), OpenError> {
    let not_whole = |problem: &str| Err(OpenError::NotWhole(path.into(), problem.into()));
    let does_not_fit = |error: rusqlite::Error| {
        let problem =
            format!("the write-ahead log (-wal) beside it is damaged, or not its own ({error})");
        OpenError::NotWhole(path.into(), problem)
    };
    // One that cannot be read was being written when its process ended (then the log has all of it), is damaged, or is no
    // record: who opens it finds out.
    let file = State::of_file(real);
    if log.commits == 0 {
        return match file {
            Ok(file) if file.open && !log.begun_anew => not_whole(
                "it was in use when it was copied, or when its service was killed, and its write-ahead log (-wal) is missing \
                 or empty: the newest rows are not in it",
            ),
            _ => Ok(()),
        };
    }
    let Ok(file) = file else { return Ok(()) };
    let connection = connect(real).map_err(does_not_fit)?;
    let both = State::read(&connection).map_err(does_not_fit)?;
    let in_log = i64::try_from(log.commits).unwrap_or(i64::MAX);
    if both.record_id != file.record_id {
        return not_whole("the write-ahead log (-wal) beside it is of another record");
    }
    if both.commits < file.commits {
        return not_whole(
            "the write-ahead log (-wal) beside it is older than it, or its end is missing",
        );
    }
    if both.commits.saturating_sub(in_log) > file.commits {
        return not_whole(
            "the write-ahead log (-wal) beside it is newer: the file is an older copy, and misses what was between",
        );
    }
    Ok(())
}

/// Whether the last connection that ends leaves the log where it is. SQLite copies it into the file otherwise, and deletes it.
pub(super) fn leave_log(connection: &Connection, leave: bool) -> rusqlite::Result<()> {
    let option = DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE;
    connection.set_db_config(option, leave).map(|_| ())
}

/// Says in the file itself that it is in use.
pub(super) fn begin(connection: &mut Connection) -> rusqlite::Result<()> {
    mark(connection, true)?;
    // As far as those who read let it; the log has it in any case.
    checkpoint(connection, "PASSIVE").map(|_| ())
}

/// Puts all of it into the file, and says so in it. False when somebody who reads is in the way.
pub(super) fn end(connection: &mut Connection) -> rusqlite::Result<bool> {
    mark(connection, false)?;
    checkpoint(connection, "TRUNCATE")
}

fn mark(connection: &Connection, open: bool) -> rusqlite::Result<()> {
    let sql = "UPDATE record_head SET open = ?1, commits = commits + 1";
    connection.execute(sql, [open]).map(|_| ())
}

fn checkpoint(connection: &Connection, how: &str) -> rusqlite::Result<bool> {
    let sql = format!("PRAGMA wal_checkpoint({how})");
    let busy: i64 = connection.query_row(&sql, [], |row| row.get(0))?;
    Ok(busy == 0)
}
