//! The keys on record: versions, endorsements, revocations.

use chrono::{DateTime, Utc};
use rusqlite::{Connection, TransactionBehavior, params};

use crate::key::{Endorsement, KeyId, KeyVersion, Keyring, PublicKey, Revocation, ValidityWindow};
use crate::record::row::{instant, parse};
use crate::record::{RecordError, RegisterError};

/// Part of every transaction that writes and appends no rows.
const COUNT_COMMIT: &str = "UPDATE record_head SET commits = commits + 1";

pub(super) fn keyring(connection: &Connection) -> Result<Keyring, RecordError> {
    let mut keyring = Keyring::default();
    let mut statement = connection.prepare_cached(
        "SELECT key_id, public_key, algorithm, valid_from, valid_until FROM key_version",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let key_id: String = row.get(0)?;
        let damaged = |problem: String| RecordError::Damaged(format!("key {key_id}: {problem}"));
        let public_key = PublicKey::from_der(&row.get::<_, Vec<u8>>(1)?);
        let window = ValidityWindow::new(instant(row.get(3)?)?, instant(row.get(4)?)?);
        let version = KeyVersion {
            key_id: parse("key_id", &key_id)?,
            public_key: public_key.map_err(|e| damaged(e.to_string()))?,
            algorithm: parse("algorithm", &row.get::<_, String>(2)?)?,
            window: window.map_err(|e| damaged(e.to_string()))?,
        };
        keyring
            .insert(version)
            .map_err(|e| damaged(e.to_string()))?;
    }
    let mut statement =
        connection.prepare_cached("SELECT key_id, endorsement FROM key_endorsement")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let key_id: KeyId = parse("key_id", &row.get::<_, String>(0)?)?;
        let endorsement = Endorsement::parse(&row.get::<_, String>(1)?)
            .map_err(|error| RecordError::Damaged(format!("endorsement of {key_id}: {error}")))?;
        keyring.endorse(&key_id, endorsement);
    }
    let mut statement = connection
        .prepare_cached("SELECT key_id, distrust_after, reason, revoked_at FROM key_revocation")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let key_id: KeyId = parse("key_id", &row.get::<_, String>(0)?)?;
        let revocation = Revocation::new(instant(row.get(1)?)?, row.get(2)?, instant(row.get(3)?)?)
            .map_err(|fault| RecordError::Damaged(format!("revocation of {key_id}: {fault}")))?;
        keyring.revoke(&key_id, revocation);
    }
    Ok(keyring)
}

pub(super) fn register_key(
    connection: &mut Connection,
    version: &KeyVersion,
    endorsement: Option<String>,
    now: DateTime<Utc>,
) -> Result<(), RegisterError> {
    let store = |error: rusqlite::Error| RecordError::from(error);
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(store)?;
    let keyring = keyring(&transaction)?;
    keyring.check(version)?;
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
    if written > 0 {
        transaction.execute(COUNT_COMMIT, []).map_err(store)?;
    }
    Ok(transaction.commit().map_err(store)?)
}

pub(super) fn revoke_key(
    connection: &mut Connection,
    key_id: &KeyId,
    revocation: &Revocation,
) -> Result<bool, RecordError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
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
    if known && !covered {
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
    Ok(known)
}
