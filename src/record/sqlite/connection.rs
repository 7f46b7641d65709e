//! A connection to the file: looked at before SQLite touches anything, set up, and ended.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::identity::FileIdentity;
use super::migrations::{self, APPLICATION_ID};
use super::owner::How;
use super::{OpenError, unchanging, wal, whole};

/// What a database of SQLite begins with.
const MAGIC: &[u8] = b"SQLite format 3\0";

/// The header before the first page's content.
const HEADER_BYTES: usize = 100;

const READ_ONLY: &str = "this user may not write it, or its folder, where SQLite keeps its log also for those who only read; expected one who may, \
                         or a copy by `record backup`";

const OTHER_APPLICATION: &str = "it is the database of another program (its application_id)";

/// How long a statement waits for another process that writes.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// What is not a record, or is one of a later version, by the file's own header (SQLite, "Database File Format", 1.3): it is left as it
/// is, which SQLite would not do.
pub(super) fn check_header(path: &Path, real: &Path) -> Result<(), OpenError> {
    let io = |error: std::io::Error| OpenError::Io(path.into(), error.to_string());
    let other = |problem: &str| Err(OpenError::NotARecord(path.into(), problem.into()));
    let mut header = Vec::with_capacity(HEADER_BYTES);
    let file = File::open(real).map_err(io)?;
    file.take(HEADER_BYTES as u64)
        .read_to_end(&mut header)
        .map_err(io)?;
    if header.is_empty() {
        return other("it is empty");
    }
    let number = |at: usize| {
        let bytes = header.get(at..at + 4)?;
        Some(i32::from_be_bytes(bytes.try_into().ok()?))
    };
    let (true, Some(version), Some(application_id)) =
        (header.starts_with(MAGIC), number(60), number(68))
    else {
        return other("file is not a database");
    };
    if application_id != APPLICATION_ID {
        return other(OTHER_APPLICATION);
    }
    // An earlier one may be in the file still, and this program's in the log.
    match version > migrations::VERSION {
        true => Err(OpenError::Version {
            path: path.into(),
            found: version,
        }),
        false => Ok(()),
    }
}

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

/// Opens a record that was looked at.
pub(super) fn open(path: &Path, real: &Path, how: How) -> Result<Connection, OpenError> {
    let connection = match how {
        How::Frozen => unchanging::connect(real),
        How::Owned | How::Beside => connect(real),
    };
    let connection = connection.map_err(|error| refused(path, &error))?;
    check_identity(&connection, path, how == How::Owned)?;
    // SQLite would open it for reading alone, and refuse the first signature.
    match connection.is_readonly(rusqlite::MAIN_DB) {
        Ok(readonly) if readonly == (how == How::Frozen) => Ok(connection),
        _ => Err(OpenError::Io(path.into(), READ_ONLY.into())),
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
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase, ReadOnly};
    let (path, problem) = (path.into(), error.to_string());
    match error.sqlite_error_code() {
        Some(ReadOnly) => OpenError::Io(path, READ_ONLY.into()),
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
        return Err(OpenError::NotARecord(path.into(), OTHER_APPLICATION.into()));
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
