//! The environment that the record belongs to.

use chrono::{DateTime, Utc};
use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};

use super::keys::COUNT_COMMIT;
use super::migrations::WITH_ENVIRONMENT;
use crate::record::environment::{Claim, Environment, of_row};
use crate::record::{BindError, RecordError};

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

/// Binds it, when nobody has.
pub(super) fn bind(
    connection: &mut Connection,
    environment: Environment,
    now: DateTime<Utc>,
) -> Result<(), BindError> {
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(RecordError::from)?;
    let bound = read(&transaction)?;
    Claim::Writes(Some(environment)).check(bound)?;
    if bound.is_none() {
        write(&transaction, environment, now).map_err(RecordError::from)?;
    }
    Ok(transaction.commit().map_err(RecordError::from)?)
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
