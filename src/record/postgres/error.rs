//! What fails in the database, by whether it may go well when it is tried again.

use deadpool_postgres::{HookError, PoolError};
use tokio_postgres::error::SqlState;

use crate::record::{RecordError, with_page};

/// Why an attempt failed.
#[derive(Debug)]
pub(super) enum StoreError {
    /// Tried again, it may go well.
    Passing(String),
    /// The server ended the statement, which took too long.
    Slow(String),
    /// It will not.
    Final(RecordError),
}

impl From<RecordError> for StoreError {
    fn from(error: RecordError) -> Self {
        Self::Final(error)
    }
}

impl From<PoolError> for StoreError {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Backend(error) | PoolError::PostCreateHook(HookError::Backend(error)) => {
                error.into()
            }
            error => Self::Passing(error.to_string()),
        }
    }
}

impl From<tokio_postgres::Error> for StoreError {
    fn from(error: tokio_postgres::Error) -> Self {
        let Some(db) = error.as_db_error() else {
            return Self::Passing(describe(&error));
        };
        let message = format!("{} ({})", db.message(), db.code().code());
        match db.code() {
            // A rule of the database, by constraint or by trigger.
            code if code.code().starts_with("23") || *code == SqlState::RAISE_EXCEPTION => {
                Self::Final(RecordError::Constraint(message))
            }
            &SqlState::DATA_CORRUPTED | &SqlState::INDEX_CORRUPTED => {
                Self::Final(RecordError::Damaged(message))
            }
            // Permissions, missing tables, wrong passwords: waiting does not help.
            code if code.code().starts_with("42") || code.code().starts_with("28") => {
                Self::Final(RecordError::Unavailable(with_page(message)))
            }
            &SqlState::PROTOCOL_VIOLATION if message.contains("statement pooling") => {
                Self::Final(RecordError::Unavailable(format!(
                    "{message}: a pooler between gives each statement another session; expected one whose sessions are clients' own \
                     (pgbouncer: pool_mode = session)"
                )))
            }
            &SqlState::LOCK_NOT_AVAILABLE => Self::Passing(format!(
                "an earlier commit has not ended, and holds what this one needs: {message}"
            )),
            &SqlState::QUERY_CANCELED => Self::Slow(message),
            _ => Self::Passing(message),
        }
    }
}

/// What is at the bottom of an error; the outer message only names the step.
pub(super) fn describe(error: &tokio_postgres::Error) -> String {
    if let Some(db) = error.as_db_error() {
        return format!("{} ({})", db.message(), db.code().code());
    }
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// What to say of a change that a server refuses since it is a standby, or was told that it only reads; none of any other refusal.
pub(super) fn only_reads(error: &tokio_postgres::Error) -> Option<String> {
    let refuses = error.code() == Some(&SqlState::READ_ONLY_SQL_TRANSACTION);
    refuses.then(|| {
        format!(
            "it is a standby, or a server that only reads: no record can be made or changed there; expected the primary ({})",
            describe(error)
        )
    })
}
