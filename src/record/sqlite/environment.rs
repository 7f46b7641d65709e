//! The environment that the record belongs to.

use std::path::Path;

use chrono::{DateTime, Utc};
use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};

use super::OpenError;
use super::identity::COUNT_COMMIT;
use super::migrations::WITH_ENVIRONMENT;
use crate::record::environment::{Claim, Claimed, Environment, of_row};
use crate::record::high_water_mark::HighWaterMark;
use crate::record::{BindError, RecordError};

/// In whose name a file is opened.
pub(super) fn claimed(path: &Path, claim: Claim) -> Claimed {
    let shown = format!("sqlite:{}", path.display());
    Claimed::new(shown.clone(), format!("--record {shown}"), claim)
}

/// Refuses a file of another environment before anything is written to it.
pub(super) fn check(connection: &Connection, path: &Path, claim: Claim) -> Result<(), OpenError> {
    let bound = read(connection);
    let bound = bound.map_err(|error| OpenError::Damaged(path.into(), error.to_string()))?;
    let other = |other| OpenError::Environment(path.into(), other);
    claim.check(bound).map_err(other)
}

/// None while nobody has bound it, and in a file of a version that cannot say.
pub(super) fn read(connection: &Connection) -> Result<Option<Environment>, RecordError> {
    let version: i32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version < WITH_ENVIRONMENT {
        return Ok(None);
    }
    let sql = "SELECT environment FROM record_environment";
    let found = connection.query_row(sql, [], |row| row.get::<_, String>(0));
    found.optional()?.as_deref().map(of_row).transpose()
}

/// The same of a file of this program's version, in the transaction that rests on it.
pub(super) fn bound(connection: &Connection) -> Result<Option<Environment>, RecordError> {
    let mut statement =
        connection.prepare_cached("SELECT environment FROM record_environment WHERE id = 1")?;
    let mut rows = statement.query([])?;
    let Some(row) = rows.next()? else {
        return Ok(None);
    };
    let environment = row.get_ref(0)?.as_str();
    let environment = environment.map_err(|error| RecordError::Damaged(error.to_string()))?;
    of_row(environment).map(Some)
}

/// Binds it, when nobody has.
pub(super) fn bind(
    connection: &mut Connection,
    environment: Environment,
    now: DateTime<Utc>,
    seen: &HighWaterMark,
) -> Result<(), BindError> {
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(RecordError::from)?;
    let bound = bound(&transaction)?;
    Claim::Writes(Some(environment)).check(bound)?;
    if bound.is_none() {
        write(&transaction, environment, now).map_err(RecordError::from)?;
    }
    transaction.commit().map_err(RecordError::from)?;
    seen.claimed.bound_here(environment);
    Ok(())
}

/// The row, in a transaction that has looked for one.
pub(super) fn write(
    transaction: &Connection,
    environment: Environment,
    now: DateTime<Utc>,
) -> rusqlite::Result<()> {
    let sql = "INSERT INTO record_environment (id, environment, bound_at) VALUES (1, ?1, ?2)";
    transaction.execute(sql, params![environment.as_str(), now.timestamp()])?;
    transaction.execute(COUNT_COMMIT, []).map(|_| ())
}
