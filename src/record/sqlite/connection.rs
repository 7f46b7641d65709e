//! A connection to the file: looked at before SQLite touches anything, set up, and ended.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::identity::FileIdentity;
use super::migrations::{self, APPLICATION_ID};
use super::{OpenError, wal, whole};

/// How long a statement waits for another process that writes.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// What is wrong with the files before SQLite has touched them.
pub(super) fn check_log(path: &Path, real: &Path, nobody_owns_it: bool) -> Result<(), OpenError> {
    let log = wal::Log::read(real);
    let log = log.map_err(|error| OpenError::Io(path.into(), error.to_string()))?;
    if log.loses_commits() {
        let problem = "its write-ahead log (-wal) has commits that cannot be read".into();
        return Err(OpenError::Damaged(path.into(), problem));
    }
    match nobody_owns_it {
        true => whole::check(path, real, log),
        false => Ok(()),
    }
}

pub(super) fn end_owned(connection: &mut Connection, file: &FileIdentity, path: &Path) {
    let path = path.display();
    if !file.may_end() {
        tracing::error!(
            "{path}: it, or its log, was changed beneath this service: both stay as they are"
        );
        return;
    }
    let ended = whole::end(connection).and_then(|complete| {
        whole::leave_log(connection, false)?;
        Ok(complete)
    });
    match ended {
        Ok(true) => {}
        Ok(false) => tracing::warn!(
            "{path}: somebody still reads it, so that its newest rows are in {path}-wal alone: copy neither without the other; \
             `record backup` makes a whole copy"
        ),
        Err(error) => tracing::warn!(
            %error,
            "{path}: its newest rows could not be put into it and are in {path}-wal alone: copy neither without the other"
        ),
    }
}

/// Leaves the log to a service that is killed meanwhile.
pub(super) fn end_beside(connection: &mut Connection) {
    let in_use = whole::State::read(connection).is_ok_and(|state| state.open);
    if let Err(error) = whole::leave_log(connection, in_use) {
        tracing::debug!(%error, "the write-ahead log is left where it is");
    }
}

pub(super) fn connect(path: &Path) -> rusqlite::Result<Connection> {
    // Without CREATE: a missing record is never made here.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    // Before anything else: what is found to be wrong stays as it was found.
    whole::leave_log(&connection, true)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.set_prepared_statement_cache_capacity(64);
    // Or SQLite plans a statement anew for every value that is bound.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(connection)
}

pub(super) fn refused(path: &Path, error: &rusqlite::Error) -> OpenError {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    let (path, problem) = (path.into(), error.to_string());
    match error.sqlite_error_code() {
        Some(NotADatabase) => OpenError::NotARecord(path, problem),
        Some(DatabaseCorrupt) => OpenError::Damaged(path, problem),
        _ => OpenError::Io(path, problem),
    }
}

/// Whether it is a record, and of this program's version; who owns it brings an earlier one up.
pub(super) fn check_identity(
    connection: &Connection,
    path: &Path,
    owned: bool,
) -> Result<(), OpenError> {
    let pragma = |name| {
        connection
            .pragma_query_value(None, name, |row| row.get::<_, i32>(0))
            .map_err(|error| refused(path, &error))
    };
    if pragma("application_id")? != APPLICATION_ID {
        let found = "its application_id is another".into();
        return Err(OpenError::NotARecord(path.into(), found));
    }
    match pragma("user_version")? {
        migrations::VERSION => Ok(()),
        found if owned && migrations::knows(found) => Ok(()),
        found => Err(OpenError::Version {
            path: path.into(),
            found,
        }),
    }
}
