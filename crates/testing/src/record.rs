//! Rows for a record, made outside of a service, and how a record takes them.

use std::sync::Arc;

use checkpoint::checkpoint::Checkpoint;
use checkpoint::history::rules::{MaxEntryJump, RuleViolation};
use checkpoint::jws::SignedCheckpoint;
use checkpoint::log::tree::TreeHash;
use checkpoint::signing::{KeySecret, SigningKey};
use checkpoint_signer::record::{AppendError, Record};
use chrono::{DateTime, Utc};

use crate::support::{at, key_of};

pub const NOON: &str = "2025-06-01T12:00:00Z";

/// The key of 2025.
pub fn key() -> SigningKey {
    KeySecret::parse(&key_of(2025), None)
        .unwrap()
        .into_signing_key()
}

/// A signed checkpoint; the hash is of the history's name.
pub fn signed(
    key: &SigningKey,
    ledger: &str,
    id: &str,
    count: u64,
    history: &str,
    iat: DateTime<Utc>,
) -> SignedCheckpoint {
    let checkpoint = json(ledger, id, count, history);
    sign(key, &checkpoint, iat)
}

/// The same, with so many bytes more.
pub fn large(key: &SigningKey, count: u64, bytes: usize) -> SignedCheckpoint {
    let mut checkpoint = json(
        "large",
        &format!("large_{count}"),
        count,
        &format!("{count}"),
    );
    checkpoint["organization_summaries"] = serde_json::json!([{ "note": "x".repeat(bytes) }]);
    sign(key, &checkpoint, at(NOON))
}

fn json(ledger: &str, id: &str, count: u64, history: &str) -> serde_json::Value {
    let hash = TreeHash::leaf(history.as_bytes());
    serde_json::json!({
        "checkpoint_id": id, "ledger_id": ledger, "timestamp": "2025-01-15T23:59:59Z",
        "cumulative_hash": format!("sha256:{hash}"), "entry_count": count, "total_volume": 1000,
        "organization_summaries": [],
    })
}

fn sign(key: &SigningKey, checkpoint: &serde_json::Value, iat: DateTime<Utc>) -> SignedCheckpoint {
    let checkpoint = Checkpoint::from_json(checkpoint.to_string().as_bytes()).unwrap();
    let jws = key
        .open_at(iat)
        .unwrap()
        .sign(checkpoint.payload())
        .unwrap();
    SignedCheckpoint { checkpoint, jws }
}

/// The place of each row, or why it has none.
pub async fn append(record: &Arc<dyn Record>, rows: Vec<SignedCheckpoint>) -> Vec<String> {
    let rows = rows.into_iter().map(Into::into).collect();
    let answers = record.append(rows, MaxEntryJump::ANY).await;
    answers
        .iter()
        .map(|answer| match answer {
            Ok(receipt) => receipt.position.to_string(),
            Err(AppendError::Rule(rule)) => match rule {
                RuleViolation::OtherContent { .. } => "other content".into(),
                RuleViolation::OtherHistory { .. } => "other history".into(),
                RuleViolation::Rollback { .. } => "rollback".into(),
                RuleViolation::TimeRollback { .. } => "time rollback".into(),
                RuleViolation::Jump { .. } => "jump".into(),
                RuleViolation::ClockAhead { .. } => "ahead".into(),
                RuleViolation::ClockBehind { .. } => "behind".into(),
                RuleViolation::ClockWentBack { .. } => "clock".into(),
                RuleViolation::KeyRevoked(_) => "revoked".into(),
            },
            Err(AppendError::Store(error)) => panic!("{error}"),
        })
        .collect()
}

/// The key of 2025, once the record has it.
pub async fn with_key(record: &Arc<dyn Record>) -> SigningKey {
    let key = key();
    record
        .register_key(key.version(), None, at(NOON))
        .await
        .unwrap();
    key
}
