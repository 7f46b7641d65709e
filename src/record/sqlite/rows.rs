//! The statements: from rows to types and back.

use chrono::{DateTime, Utc};
use rusqlite::types::Value as SqlValue;
use rusqlite::{
    Connection, OptionalExtension, Row, Transaction, TransactionBehavior, params, params_from_iter,
};

use crate::checkpoint::{Checkpoint, CheckpointId, LedgerId, MAX_PAYLOAD_BYTES};
use crate::key::{Endorsement, KeyId, KeyVersion, Keyring, PublicKey, Revocation, ValidityWindow};
use crate::record::rules::{Place, RuleViolation, Standing};
use crate::record::{AppendError, Filter, Receipt, RecordError, RegisterError};
use crate::signature::{DetachedJws, SignedCheckpoint};

const COLUMNS: &str = "position, payload, signature";

impl From<rusqlite::Error> for RecordError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode::{ConstraintViolation, DatabaseCorrupt, NotADatabase};
        match error.sqlite_error_code() {
            Some(ConstraintViolation) => Self::Constraint(error.to_string()),
            Some(DatabaseCorrupt | NotADatabase) => Self::Damaged(error.to_string()),
            _ => Self::Unavailable(error.to_string()),
        }
    }
}

/// A row as SQLite gives it.
struct RawRow {
    position: i64,
    payload: Vec<u8>,
    signature: String,
}

impl RawRow {
    fn read(row: &Row) -> rusqlite::Result<Self> {
        Ok(Self {
            position: row.get(0)?,
            payload: row.get(1)?,
            signature: row.get(2)?,
        })
    }

    fn into_receipt(self) -> Result<Receipt, RecordError> {
        let position = self.position;
        let damaged = |problem: String| RecordError::Damaged(format!("row {position}: {problem}"));
        let checkpoint =
            Checkpoint::from_json(&self.payload).map_err(|e| damaged(e.to_string()))?;
        let jws = DetachedJws::parse(&self.signature).map_err(|e| damaged(e.to_string()))?;
        Ok(Receipt {
            position: position.unsigned_abs(),
            signed: SignedCheckpoint { checkpoint, jws },
        })
    }
}

pub(super) fn by_id(
    connection: &Connection,
    ledger_id: &LedgerId,
    checkpoint_id: &CheckpointId,
) -> Result<Option<Receipt>, RecordError> {
    let sql = select(" WHERE ledger_id = ?1 AND checkpoint_id = ?2");
    let row = connection
        .prepare_cached(&sql)?
        .query_row([ledger_id.as_str(), checkpoint_id.as_str()], RawRow::read)
        .optional()?;
    row.map(RawRow::into_receipt).transpose()
}

fn select(rest: &str) -> String {
    format!("SELECT {COLUMNS} FROM signed_checkpoint{rest}")
}

pub(super) fn standing(
    connection: &Connection,
    ledger_id: &LedgerId,
    checkpoint_id: &CheckpointId,
    entry_count: u64,
) -> Result<Standing, RecordError> {
    let same_count = connection
        .prepare_cached(
            "SELECT checkpoint_id, cumulative_hash, total_volume FROM signed_checkpoint \
             WHERE ledger_id = ?1 AND entry_count = ?2 ORDER BY position LIMIT 1",
        )?
        .query_row(params![ledger_id.as_str(), signed(entry_count)], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .optional()?;
    let newest_count: Option<i64> = connection
        .prepare_cached("SELECT max(entry_count) FROM signed_checkpoint WHERE ledger_id = ?1")?
        .query_row([ledger_id.as_str()], |row| row.get(0))?;
    let newest_signed_at: Option<i64> = connection
        .prepare_cached("SELECT max(signed_at) FROM signed_checkpoint")?
        .query_row([], |row| row.get(0))?;
    Ok(Standing {
        same_id: by_id(connection, ledger_id, checkpoint_id)?,
        same_count: same_count.map(place).transpose()?,
        newest_count: newest_count.map(i64::unsigned_abs),
        newest_signed_at: newest_signed_at.map(instant).transpose()?,
    })
}

fn place(
    (checkpoint_id, hash, total_volume): (String, [u8; 32], i64),
) -> Result<Place, RecordError> {
    Ok(Place {
        checkpoint_id: parse("checkpoint_id", &checkpoint_id)?,
        cumulative_hash: hash.into(),
        total_volume,
    })
}

pub(super) fn append(
    connection: &mut Connection,
    candidates: Vec<SignedCheckpoint>,
) -> Result<Vec<Result<Receipt, AppendError>>, RecordError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let newest: Option<i64> = transaction
        .prepare_cached("SELECT max(position) FROM signed_checkpoint")?
        .query_row([], |row| row.get(0))?;
    let mut position = newest.unwrap_or(0);
    let mut answers = Vec::with_capacity(candidates.len());
    for candidate in candidates {
        let answer = append_one(&transaction, position + 1, candidate);
        match &answer {
            Ok(receipt) => position = position.max(signed(receipt.position)),
            Err(AppendError::Rule(_) | AppendError::Store(RecordError::Constraint(_))) => {}
            // SQLite may have ended the transaction by itself: nothing of the batch is believed.
            Err(AppendError::Store(error)) => return Err(error.clone()),
        }
        answers.push(answer);
    }
    transaction.commit()?;
    Ok(answers)
}

fn append_one(
    transaction: &Transaction,
    position: i64,
    candidate: SignedCheckpoint,
) -> Result<Receipt, AppendError> {
    let SignedCheckpoint { checkpoint, jws } = &candidate;
    let (fields, header) = (checkpoint.fields(), jws.header());
    let entry_count = fields.entry_count.get();
    let standing = standing(
        transaction,
        &fields.ledger_id,
        &fields.checkpoint_id,
        entry_count,
    )?;
    if let Some(receipt) = standing.recorded(checkpoint) {
        return Ok(receipt.clone());
    }
    let revoked: bool = transaction
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM key_revocation WHERE key_id = ?1)")
        .and_then(|mut statement| statement.query_row([header.kid.as_str()], |row| row.get(0)))
        .map_err(RecordError::from)?;
    if revoked {
        return Err(RuleViolation::KeyRevoked(header.kid.clone()).into());
    }
    standing.judge(checkpoint, header.iat)?;
    transaction
        .prepare_cached(
            "INSERT INTO signed_checkpoint (position, ledger_id, checkpoint_id, entry_count, \
             cumulative_hash, total_volume, key_id, signed_at, payload, signature) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )
        .and_then(|mut statement| {
            statement.execute(params![
                position,
                fields.ledger_id.as_str(),
                fields.checkpoint_id.as_str(),
                signed(entry_count),
                fields.cumulative_hash.as_bytes(),
                fields.total_volume.get(),
                header.kid.as_str(),
                header.iat.timestamp(),
                checkpoint.payload().as_bytes(),
                jws.compact(),
            ])
        })
        .map_err(RecordError::from)?;
    Ok(Receipt {
        position: position.unsigned_abs(),
        signed: candidate,
    })
}

pub(super) fn list(
    connection: &Connection,
    filter: &Filter,
    after: u64,
    limit: u32,
) -> Result<Vec<Receipt>, RecordError> {
    let mut conditions = String::from(" WHERE position > ?");
    let mut values = vec![SqlValue::from(signed(after))];
    let mut bound = |condition: &str, value: SqlValue| {
        conditions.push_str(condition);
        values.push(value);
    };
    if let Some(ledger_id) = &filter.ledger_id {
        bound(" AND ledger_id = ?", ledger_id.as_str().to_owned().into());
    }
    if let Some(key_id) = &filter.key_id {
        bound(" AND key_id = ?", key_id.as_str().to_owned().into());
    }
    if let Some(from) = filter.signed_from {
        bound(" AND signed_at >= ?", from.timestamp().into());
    }
    if let Some(until) = filter.signed_until {
        bound(" AND signed_at < ?", until.timestamp().into());
    }
    let sql = select(&format!("{conditions} ORDER BY position LIMIT {limit}"));
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(values))?;
    let (mut receipts, mut bytes) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        let row = RawRow::read(row)?;
        bytes += row.payload.len();
        if bytes > MAX_PAYLOAD_BYTES && !receipts.is_empty() {
            break;
        }
        receipts.push(row.into_receipt()?);
    }
    Ok(receipts)
}

pub(super) fn newest(connection: &Connection, limit: u32) -> Result<Vec<Receipt>, RecordError> {
    let mut statement = connection.prepare(&select(" ORDER BY position DESC LIMIT ?1"))?;
    let rows = statement.query_map([limit], RawRow::read)?;
    rows.map(|row| row?.into_receipt()).collect()
}

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
        let revocation = Revocation {
            distrust_after: instant(row.get(1)?)?,
            reason: row.get(2)?,
            revoked_at: instant(row.get(3)?)?,
        };
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
    if keyring.get(&version.key_id).is_none() {
        transaction
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
        transaction
            .execute(
                "INSERT INTO key_endorsement (key_id, endorsement) VALUES (?1, ?2) \
                 ON CONFLICT DO NOTHING",
                [version.key_id.as_str(), &endorsement],
            )
            .map_err(store)?;
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
    }
    transaction.commit()?;
    Ok(known)
}

/// SQLite has signed integers only; all numbers of this service are below 2^53.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn instant(seconds: i64) -> Result<DateTime<Utc>, RecordError> {
    DateTime::from_timestamp(seconds, 0)
        .ok_or_else(|| RecordError::Damaged(format!("{seconds} is not a time")))
}

fn parse<T: std::str::FromStr<Err: std::fmt::Display>>(
    column: &str,
    text: &str,
) -> Result<T, RecordError> {
    text.parse()
        .map_err(|error: T::Err| RecordError::Damaged(format!("{column}: {error}")))
}
