//! The key versions: each public half for ever, its endorsement and its revocations.

use chrono::{DateTime, Utc};
use deadpool_postgres::{GenericClient, Object};
use tokio_postgres::types::ToSql;

use super::StoreError;
use super::environment;
use super::head::{LOCKED_HEAD, read_head};
use super::knowledge::Rests;
use super::session::{begin, begin_reading};
use super::view::{View, emit};
use crate::record::environment::Binding;
use crate::record::keys::{RevocationRow, Rows, VersionRow};
use crate::record::{RecordError, RegisterError, RevocationOutcome, WentBack};
use checkpoint::key::{KeyId, KeyVersion};
use checkpoint::keyring::{Endorsement, Keyring, Revocation};

/// The keyring, and what it rests on.
pub(super) async fn read(client: &mut Object, view: &View) -> Result<(Keyring, Rests), StoreError> {
    let transaction = begin_reading(client).await?;
    let keyring = keyring(&transaction).await?;
    // After it, so that all of it is counted.
    let found = view.look(&transaction, &view.mark()).await?;
    Ok((keyring, Rests::on_keys(&found)))
}

async fn keyring(client: &impl GenericClient) -> Result<Keyring, StoreError> {
    let versions = "SELECT key_id, public_key, algorithm, valid_from, valid_until FROM checkpoint_signer.key_version";
    let endorsements = "SELECT key_id, endorsement FROM checkpoint_signer.key_endorsement";
    let revocations =
        "SELECT key_id, distrust_after, reason, revoked_at FROM checkpoint_signer.key_revocation";
    let (versions, endorsements, revocations) = tokio::try_join!(
        client.query(versions, &[]),
        client.query(endorsements, &[]),
        client.query(revocations, &[])
    )?;
    let mut keys = Rows::default();
    for row in versions {
        keys.version(&VersionRow {
            key_id: row.try_get(0)?,
            public_key: row.try_get(1)?,
            algorithm: row.try_get(2)?,
            valid_from: row.try_get(3)?,
            valid_until: row.try_get(4)?,
        })?;
    }
    for row in endorsements {
        keys.endorsement(row.try_get(0)?, row.try_get(1)?)?;
    }
    for row in revocations {
        keys.revocation(RevocationRow {
            key_id: row.try_get(0)?,
            distrust_after: row.try_get(1)?,
            reason: row.try_get(2)?,
            revoked_at: row.try_get(3)?,
        })?;
    }
    Ok(keys.keyring())
}

pub(super) async fn register_key(
    client: &mut Object,
    version: &KeyVersion,
    endorsement: Option<&Endorsement>,
    now: DateTime<Utc>,
    view: &View,
) -> Result<Result<(), RegisterError>, StoreError> {
    let transaction = begin(client).await?;
    // One at a time, so that the check below sees what others have registered.
    read_head(&transaction, LOCKED_HEAD).await?;
    let seen = &view.knowledge.seen;
    let bound = environment::found(&transaction).await?;
    seen.check_environment(bound).map_err(RecordError::from)?;
    let keyring = keyring(&transaction).await?;
    if let Err(conflict) = keyring.check(version) {
        return Ok(Err(conflict.into()));
    }
    let binding = seen.claimed.binding(bound, &keyring, version)?;
    let key_id = version.key_id.as_str();
    if keyring.get(&version.key_id).is_none() {
        let (from, until) = (
            version.window.from().timestamp(),
            version.window.until().timestamp(),
        );
        let (der, algorithm) = (version.public_key.to_der(), version.algorithm.as_str());
        let sql = "INSERT INTO checkpoint_signer.key_version VALUES ($1, $2, $3, $4, $5, $6)";
        let values: [&(dyn ToSql + Sync); 6] =
            [&key_id, &der, &algorithm, &from, &until, &now.timestamp()];
        transaction.execute(sql, &values).await?;
    }
    if let Some(endorsement) = endorsement {
        let sql =
            "INSERT INTO checkpoint_signer.key_endorsement VALUES ($1, $2) ON CONFLICT DO NOTHING";
        transaction
            .execute(sql, &[&key_id, &endorsement.compact()])
            .await?;
    }
    if let Binding::To(environment) = binding {
        environment::write(&transaction, environment, now).await?;
    }
    transaction.commit().await?;
    seen.claimed.tell(binding, &version.key_id);
    Ok(Ok(()))
}

pub(super) async fn revoke_key(
    client: &mut Object,
    key_id: &KeyId,
    revocation: &Revocation,
    view: &View,
) -> Result<RevocationOutcome, StoreError> {
    let mark = view.mark();
    let transaction = begin(client).await?;
    // After a batch that is under way, and before the next one: none is judged without this.
    read_head(&transaction, LOCKED_HEAD).await?;
    let found = view.look(&transaction, &mark).await?;
    view.check_environment(&found).map_err(RecordError::from)?;
    match view.judge(&mark, &found) {
        // Where signing has not been let go on yet, a revocation has its place all the same.
        Ok(()) | Err(RecordError::WentBack(WentBack::Moved(_))) => {}
        Err(would_be_lost) => return Err(would_be_lost.into()),
    }
    let distrust_after = revocation.distrust_after.timestamp();
    let sql = "SELECT EXISTS (SELECT 1 FROM checkpoint_signer.key_version WHERE key_id = $1), \
               EXISTS (SELECT 1 FROM checkpoint_signer.key_revocation WHERE key_id = $1 AND distrust_after <= $2)";
    let values: [&(dyn ToSql + Sync); 2] = [&key_id.as_str(), &distrust_after];
    let row = transaction.query_one(sql, &values).await?;
    // Repeating a revocation, or asking for a later instant, changes nothing.
    let (known, covered): (bool, bool) = (row.try_get(0)?, row.try_get(1)?);
    let revoked = RevocationOutcome::of(known, covered);
    if revoked == RevocationOutcome::Now {
        let sql = "INSERT INTO checkpoint_signer.key_revocation VALUES ($1, $2, $3, $4)";
        let revoked_at = revocation.revoked_at.timestamp();
        let values: [&(dyn ToSql + Sync); 4] = [
            &key_id.as_str(),
            &distrust_after,
            &revocation.reason,
            &revoked_at,
        ];
        transaction.execute(sql, &values).await?;
    }
    // One that is there already may be on this server alone.
    emit(&transaction).await?;
    transaction.commit().await?;
    Ok(revoked)
}
