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
    let hash = TreeHash::leaf(history.as_bytes());
    let json = serde_json::json!({
        "checkpoint_id": id, "ledger_id": ledger, "timestamp": "2025-01-15T23:59:59Z",
        "cumulative_hash": format!("sha256:{hash}"), "entry_count": count, "total_volume": 1000,
        "organization_summaries": [],
    });
    let checkpoint = Checkpoint::from_json(json.to_string().as_bytes()).unwrap();
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
