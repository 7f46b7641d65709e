//! The schema, step by step: a database of an earlier version is brought up to this program's by whoever opens it.

use chrono::Utc;
use deadpool_postgres::PoolError;

use super::connections::{Purpose, pool};
use super::error::{StoreError, only_reads};
use super::{DatabaseAddress, OpenError, environment, look, session};
use crate::record::environment::{Claim, Environment};
use crate::record::home::Acceptance;

/// Steps from an empty database to the schema of this program. One that was released never changes.
pub(super) const MIGRATIONS: [&str; 2] =
    [include_str!("schema.sql"), include_str!("environment.sql")];

/// "ACSR": the advisory lock that one who makes or changes the schema holds.
const MIGRATION_LOCK: i64 = 0x4143_5352;

/// What the schema is brought up to date for.
#[derive(Clone, Copy)]
pub(super) enum Migrating {
    /// A record is made, of this environment.
    Making(Option<Environment>),
    /// One that exists is opened.
    Opening(Claim),
}

/// Brings the schema up to date, one program at a time, and gives the version that was found. A record that does not
/// exist is made only by who is to make it.
pub(super) async fn migrate(
    address: &DatabaseAddress,
    migrating: Migrating,
) -> Result<i32, OpenError> {
    let create = matches!(migrating, Migrating::Making(_));
    let unusable =
        |problem: String| OpenError::Unusable(address.clone(), address.heard.explain(problem));
    let refused = |error: StoreError| match error {
        StoreError::Slow(problem) | StoreError::Passing(problem) => unusable(problem),
        StoreError::Final(error) => unusable(error.to_string()),
    };
    let failed = |error: tokio_postgres::Error| refused(error.into());
    let pool = pool(address, Purpose::Signing).map_err(unusable)?;
    let mut client = match pool.get().await {
        Ok(client) => client,
        Err(PoolError::Backend(error)) => return Err(failed(error)),
        Err(error) => return Err(unusable(error.to_string())),
    };
    // A standby may be read.
    let transaction = session::begin_reading(&mut client).await.map_err(refused)?;
    for problem in session::unsafe_settings(&transaction)
        .await
        .map_err(refused)?
    {
        tracing::warn!("{problem}");
    }
    transaction
        .execute("SELECT pg_advisory_xact_lock($1)", &[&MIGRATION_LOCK])
        .await
        .map_err(failed)?;
    let exists = "SELECT to_regclass('checkpoint_signer.record_version') IS NOT NULL";
    let exists = transaction.query_one(exists, &[]).await.map_err(failed)?;
    let found: i32 = match exists.try_get(0).map_err(failed)? {
        true => {
            let version = "SELECT version FROM checkpoint_signer.record_version";
            let row = transaction.query_one(version, &[]).await.map_err(failed)?;
            row.try_get(0).map_err(failed)?
        }
        false if create => 0,
        false => return Err(OpenError::Missing(address.clone())),
    };
    if let Migrating::Opening(claim) = migrating
        && found >= environment::WITH_ENVIRONMENT
    {
        let bound = environment::found(&transaction).await.map_err(refused)?;
        let other = |other| OpenError::Environment(address.clone(), other);
        claim.check(bound).map_err(other)?;
    }
    let known = usize::try_from(found).unwrap_or(usize::MAX);
    let Some(steps) = MIGRATIONS.get(known..) else {
        let address = address.clone();
        return Err(OpenError::Version { address, found });
    };
    for step in steps {
        let made = transaction.batch_execute(step).await;
        made.map_err(|error| match only_reads(&error) {
            Some(problem) => unusable(problem),
            None => failed(error),
        })?;
    }
    if found == 0 && create {
        let made = Acceptance {
            who: String::new(),
            reason: "the record was made".into(),
            at: Utc::now(),
        };
        look::accept_first(&transaction, &made)
            .await
            .map_err(refused)?;
    }
    if let (0, Migrating::Making(Some(environment))) = (found, migrating) {
        environment::write(&transaction, environment, Utc::now())
            .await
            .map_err(refused)?;
    }
    if !steps.is_empty() {
        let version = "UPDATE checkpoint_signer.record_version SET version = $1";
        let now = i32::try_from(MIGRATIONS.len()).unwrap_or(i32::MAX);
        transaction
            .execute(version, &[&now])
            .await
            .map_err(failed)?;
    }
    transaction.commit().await.map_err(failed)?;
    Ok(found)
}
