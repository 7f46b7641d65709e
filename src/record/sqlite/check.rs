//! Checks the file itself: its pages, its indexes, its constraints and triggers, and its head.

use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

use rusqlite::Connection;

use super::migrations;
use crate::record::row::{HeadClaim, check_head};
use crate::record::schema::{Difference, Object, differences};
use crate::record::{Depth, RecordError, damaged, unjudged};

/// One row for each thing that is there; what SQLite makes for itself (`sqlite_...`) is its own.
const OBJECTS: &str = "SELECT type || ' ' || name, sql FROM sqlite_schema \
                       WHERE name NOT LIKE 'sqlite!_%' ESCAPE '!' ORDER BY 1";

/// What is wrong, a sentence each; SQLite tells a hundred at most.
pub(super) fn check(connection: &Connection, depth: Depth) -> Result<Vec<String>, RecordError> {
    // One snapshot for all that is read.
    let transaction = connection.unchecked_transaction()?;
    let mut problems = Vec::new();
    if depth == Depth::Whole {
        pages(&transaction, &mut problems)?;
    }
    schema(&transaction, &mut problems)?;
    head(&transaction, &mut problems)?;
    Ok(problems)
}

/// Every page and every index (<https://www.sqlite.org/pragma.html#pragma_integrity_check>).
fn pages(connection: &Connection, problems: &mut Vec<String>) -> Result<(), RecordError> {
    let mut integrity = connection.prepare("PRAGMA integrity_check")?;
    for problem in integrity.query_map([], |row| row.get::<_, String>(0))? {
        problems.push(problem?);
    }
    problems.retain(|problem| problem != "ok");
    let mut foreign_keys = connection.prepare("PRAGMA foreign_key_check")?;
    let dangling = foreign_keys.query_map([], |row| {
        let (table, parent): (String, String) = (row.get(0)?, row.get(2)?);
        Ok(format!(
            "{table}: a row names one that {parent} does not have"
        ))
    })?;
    for problem in dangling {
        problems.push(problem?);
    }
    Ok(())
}

/// The tables, indexes and triggers are those that the migrations make: a trigger that is gone no longer refuses anything.
fn schema(connection: &Connection, problems: &mut Vec<String>) -> Result<(), RecordError> {
    let differing = differing(connection)?;
    problems.extend(differing.iter().map(ToString::to_string));
    Ok(())
}

/// Whether the head is that of the rows.
pub(super) fn check_head_fits(connection: &Connection) -> Result<(), RecordError> {
    let mut problems = Vec::new();
    head(connection, &mut problems)?;
    match problems.is_empty() {
        true => Ok(()),
        false => Err(damaged(problems.join("; "))),
    }
}

fn differing(connection: &Connection) -> Result<Vec<Difference>, RecordError> {
    let model = Connection::open_in_memory()?;
    migrations::make(&model)?;
    Ok(differences(&objects(&model)?, &objects(connection)?))
}

/// The version that SQLite gives the schema, when it was last found to be right.
pub(super) struct Compared(AtomicI64);

impl Compared {
    pub(super) fn never() -> Self {
        Self(AtomicI64::new(-1))
    }

    /// Compares the schema, in the transaction that is to rest on it, when anybody has changed it since.
    pub(super) fn check(&self, connection: &Connection) -> Result<(), RecordError> {
        // A pragma is a query as well: prepared once, it reads the file each time.
        let version = connection
            .prepare_cached("PRAGMA schema_version")?
            .query_row([], |row| row.get::<_, i64>(0))?;
        if self.0.load(Relaxed) == version {
            return Ok(());
        }
        let differing = differing(connection)?;
        if !differing.is_empty() {
            let names = differing.iter().map(|object| object.name.as_str());
            return Err(unjudged(names, "The record is lost"));
        }
        self.0.store(version, Relaxed);
        Ok(())
    }
}

fn objects(connection: &Connection) -> Result<Vec<Object>, RecordError> {
    let mut statement = connection.prepare(OBJECTS)?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The head is that of the rows, in number and time.
fn head(connection: &Connection, problems: &mut Vec<String>) -> Result<(), RecordError> {
    let sql = "SELECT head.size, head.newest_signed_at, newest.position, newest.signed_at, \
               (SELECT min(resumed_from) FROM clock_resumption WHERE after_rows = head.size) FROM record_head head \
               LEFT JOIN (SELECT position, signed_at FROM signed_checkpoint ORDER BY position DESC LIMIT 1) newest";
    let (claim, newest) = connection.query_row(sql, [], |row| {
        let claim = HeadClaim {
            size: row.get(0)?,
            newest_signed_at: row.get(1)?,
            resumed_from: row.get(4)?,
        };
        let newest: Option<i64> = row.get(2)?;
        let newest = newest.map(|position| Ok::<_, rusqlite::Error>((position, row.get(3)?)));
        Ok((claim, newest.transpose()?))
    })?;
    problems.extend(check_head(&claim, newest));
    Ok(())
}
