//! The environment that the record belongs to.

use chrono::{DateTime, Utc};
use deadpool_postgres::{GenericClient, Object};

use super::StoreError;
use super::head::{LOCKED_HEAD, read_head};
use super::session::{begin, begin_reading};
use crate::record::environment::{Claim, Environment, OtherEnvironment, of_row};

/// The first version of the schema that says it.
pub(super) const WITH_ENVIRONMENT: i32 = 2;

/// None while nobody has bound it.
pub(super) async fn read(client: &mut Object) -> Result<Option<Environment>, StoreError> {
    let transaction = begin_reading(client).await?;
    let found = found(&transaction).await?;
    transaction.commit().await?;
    Ok(found)
}

/// The same, in a transaction that is under way.
pub(super) async fn found(client: &impl GenericClient) -> Result<Option<Environment>, StoreError> {
    let sql = "SELECT environment FROM checkpoint_signer.record_environment WHERE id = 1";
    let row = client.query_opt(sql, &[]).await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(of_row(row.try_get(0)?)?))
}

/// Binds it, when nobody has. Of two at the same time, the second one waits, and finds what the first one wrote. After a batch
/// that is under way, and before the next one, which finds it.
pub(super) async fn bind(
    client: &mut Object,
    environment: Environment,
    now: DateTime<Utc>,
) -> Result<Result<(), OtherEnvironment>, StoreError> {
    let transaction = begin(client).await?;
    read_head(&transaction, LOCKED_HEAD).await?;
    write(&transaction, environment, now).await?;
    let bound = found(&transaction).await?;
    if let Err(other) = Claim::Writes(Some(environment)).check(bound) {
        return Ok(Err(other));
    }
    transaction.commit().await?;
    Ok(Ok(()))
}

/// The row, unless there is one.
pub(super) async fn write(
    client: &impl GenericClient,
    environment: Environment,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO checkpoint_signer.record_environment VALUES (1, $1, $2) ON CONFLICT DO NOTHING";
    client
        .execute(sql, &[&environment.as_str(), &now.timestamp()])
        .await?;
    Ok(())
}
