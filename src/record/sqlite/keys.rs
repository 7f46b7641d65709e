//! The keys on record: versions, endorsements, revocations.

use chrono::{DateTime, Utc};
use rusqlite::{Connection, TransactionBehavior, params};

use super::environment;
use super::identity::COUNT_COMMIT;
use crate::record::environment::Binding;
use crate::record::high_water_mark::HighWaterMark;
use crate::record::keys::{RevocationRow, Rows, VersionRow};
use crate::record::{RecordError, RegisterError, RevocationOutcome};
use checkpoint::key::{KeyId, KeyVersion};
use checkpoint::keyring::{Keyring, Revocation};

pub(super) fn keyring(connection: &Connection) -> Result<Keyring, RecordError> {
    let mut keys = Rows::default();
    let mut statement = connection.prepare_cached(
        "SELECT key_id, public_key, algorithm, valid_from, valid_until FROM key_version",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        keys.version(&VersionRow {
            key_id: row.get(0)?,
            public_key: row.get(1)?,
            algorithm: row.get(2)?,
            valid_from: row.get(3)?,
            valid_until: row.get(4)?,
        })?;
    }
    let mut statement =
        connection.prepare_cached("SELECT key_id, endorsement FROM key_endorsement")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        keys.endorsement(&row.get::<_, String>(0)?, &row.get::<_, String>(1)?)?;
    }
    let mut statement = connection
        .prepare_cached("SELECT key_id, distrust_after, reason, revoked_at FROM key_revocation")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        keys.revocation(RevocationRow {
            key_id: row.get(0)?,
            distrust_after: row.get(1)?,
            reason: row.get(2)?,
            revoked_at: row.get(3)?,
        })?;
    }
    Ok(keys.keyring())
}

pub(super) fn register_key(
    connection: &mut Connection,
    version: &KeyVersion,
    endorsement: Option<String>,
    now: DateTime<Utc>,
    seen: &HighWaterMark,
) -> Result<(), RegisterError> {
    let store = |error: rusqlite::Error| RecordError::from(error);
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(store)?;
    let bound = environment::bound(&transaction)?;
    seen.check_environment(bound).map_err(RecordError::from)?;
    let keyring = keyring(&transaction)?;
    keyring.check(version)?;
    let binding = seen.claimed.binding(bound, &keyring, version)?;
    let mut written = 0;
    if keyring.get(&version.key_id).is_none() {
        written += transaction
            .execute(
                "INSERT INTO key_version (key_id, public_key, algorithm, valid_from, valid_until, \
                 recorded_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                params![
                    version.key_id.as_str(),
                    version.public_key.to_der(),
                    version.algorithm.as_str(),
                    version.window.from().timestamp(),
                    version.window.until().timestamp(),
                    now.timestamp(),
                ],
            )
            .map_err(store)?;
    }
    if let Some(endorsement) = endorsement {
        written += transaction
            .execute(
                "INSERT INTO key_endorsement (key_id, endorsement) VALUES (?1, ?2) \
                 ON CONFLICT DO NOTHING",
                [version.key_id.as_str(), &endorsement],
            )
            .map_err(store)?;
    }
    if let Binding::To(environment) = binding {
        environment::write(&transaction, environment, now).map_err(store)?;
    } else if written > 0 {
        transaction.execute(COUNT_COMMIT, []).map_err(store)?;
    }
    transaction.commit().map_err(store)?;
    seen.claimed.tell(binding, &version.key_id);
    Ok(())
}

pub(super) fn revoke_key(
    connection: &mut Connection,
    key_id: &KeyId,
    revocation: &Revocation,
    seen: &HighWaterMark,
) -> Result<RevocationOutcome, RecordError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    seen.check_environment(environment::bound(&transaction)?)?;
    let known: bool = transaction.query_row(
        "SELECT EXISTS (SELECT 1 FROM key_version WHERE key_id = ?1)",
        [key_id.as_str()],
        |row| row.get(0),
    )?;
    let distrust_after = revocation.distrust_after.timestamp();
    // Repeating a revocation, or asking for a later instant, changes nothing.
    let covered: bool = transaction.query_row(
        "SELECT EXISTS (SELECT 1 FROM key_revocation WHERE key_id = ?1 AND distrust_after <= ?2)",
        params![key_id.as_str(), distrust_after],
        |row| row.get(0),
    )?;
    let revoked = RevocationOutcome::of(known, covered);
    if revoked == RevocationOutcome::Now {
        transaction.execute(
            "INSERT INTO key_revocation (key_id, distrust_after, reason, revoked_at) \
             VALUES (?1, ?2, ?3, ?4)",
            params![
                key_id.as_str(),
                distrust_after,
                revocation.reason,
                revocation.revoked_at.timestamp(),
            ],
        )?;
        transaction.execute(COUNT_COMMIT, [])?;
    }
    transaction.commit()?;
    Ok(revoked)
}
