//! The schema, step by step: a file of an earlier version is brought up to this program's by who owns it.

use rusqlite::{Connection, Transaction, TransactionBehavior};

/// The version that the first step makes: no file of an earlier one is in use.
const FIRST: i32 = 6;

/// From an empty file to the schema of this program, each step one version. One that was released never changes.
const STEPS: [&str; 2] = [include_str!("schema.sql"), include_str!("environment.sql")];

/// The first version that says to which environment a record belongs.
pub(super) const WITH_ENVIRONMENT: i32 = FIRST + 1;

/// The version of this program's schema (`PRAGMA user_version`).
pub(super) const VERSION: i32 = version_after(STEPS.len());

/// Tells a record from any other SQLite file (`PRAGMA application_id`): "ACSR".
pub(super) const APPLICATION_ID: i32 = 0x4143_5352;

const fn version_after(steps: usize) -> i32 {
    FIRST - 1 + steps as i32
}

/// The schema of this program, in an empty database.
pub(super) fn make(connection: &Connection) -> rusqlite::Result<()> {
    STEPS
        .iter()
        .try_for_each(|step| connection.execute_batch(step))
}

/// An empty record, in an empty file.
pub(super) fn make_record(transaction: &Transaction) -> rusqlite::Result<()> {
    make(transaction)?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", VERSION)
}

/// Whether a file of this version can be brought up to this program's.
pub(super) fn knows(version: i32) -> bool {
    (FIRST..=VERSION).contains(&version)
}

/// Takes the steps that a file has still before it, all or none. Nothing is written to one that has taken them all.
pub(super) fn bring_up(connection: &mut Connection) -> rusqlite::Result<()> {
    take(connection, &STEPS)
}

fn take(connection: &mut Connection, steps: &[&str]) -> rusqlite::Result<()> {
    let version = |connection: &Connection| {
        connection.pragma_query_value(None, "user_version", |row| row.get::<_, i32>(0))
    };
    let expected = version_after(steps.len());
    if version(connection)? == expected {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found = version(&transaction)?;
    let taken = usize::try_from(found - version_after(0)).unwrap_or_default();
    for step in steps.iter().skip(taken) {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "user_version", expected)?;
    // As every transaction that writes (whole.rs).
    transaction.execute("UPDATE record_head SET commits = commits + 1", [])?;
    transaction.commit()?;
    tracing::info!(found, expected, "the schema of the record was brought up");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATER: [&str; 4] = [
        STEPS[0],
        STEPS[1],
        "CREATE TABLE added (number INTEGER) STRICT; INSERT INTO added VALUES (7);",
        "ALTER TABLE added ADD COLUMN name TEXT;",
    ];

    fn record() -> Connection {
        let mut connection = Connection::open_in_memory().unwrap();
        let transaction = connection.transaction().unwrap();
        make_record(&transaction).unwrap();
        transaction.commit().unwrap();
        connection
    }

    fn number(connection: &Connection, sql: &str) -> i64 {
        connection.query_row(sql, [], |row| row.get(0)).unwrap()
    }

    fn commits(connection: &Connection) -> i64 {
        number(connection, "SELECT commits FROM record_head")
    }

    #[test]
    fn a_file_of_this_version_is_not_written_to() {
        let mut connection = record();
        let before = connection.total_changes();
        bring_up(&mut connection).unwrap();
        assert_eq!(connection.total_changes(), before);
        assert_eq!(commits(&connection), 0);
    }

    #[test]
    fn a_file_of_an_earlier_version_takes_the_steps_that_it_has_before_it() {
        let mut connection = record();
        take(&mut connection, &LATER[..3]).unwrap();
        assert_eq!(number(&connection, "SELECT number FROM added"), 7);
        assert_eq!(
            number(&connection, "PRAGMA user_version"),
            i64::from(VERSION) + 1
        );
        take(&mut connection, &LATER).unwrap();
        assert_eq!(number(&connection, "SELECT count(name) FROM added"), 0);
        assert_eq!(
            number(&connection, "PRAGMA user_version"),
            i64::from(VERSION) + 2
        );
        assert_eq!(commits(&connection), 2, "each counts as a commit");
    }

    #[test]
    fn steps_are_taken_all_or_none() {
        let mut connection = record();
        let wrong = [
            LATER[0],
            LATER[1],
            LATER[2],
            "CREATE TABLE added (number INTEGER) STRICT",
        ];
        take(&mut connection, &wrong).unwrap_err();
        assert_eq!(
            number(&connection, "PRAGMA user_version"),
            i64::from(VERSION)
        );
        let tables = "SELECT count(*) FROM sqlite_schema WHERE name = 'added'";
        assert_eq!(number(&connection, tables), 0);
    }
}
