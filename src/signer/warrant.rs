//! What is asked before, and after, anything is signed that is no row: heads of the record, and the keyring.
//!
//! A row's revocation is judged by the transaction that records it. Nothing else is recorded, so the record is asked: another
//! replica may have revoked the key just now, and what a revoked key signs is the thief's.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use tokio::sync::watch;

use super::{KeysInForce, NoKey, Refusal};
use crate::clock::Clock;
use crate::record::Record;
use crate::timekeeping::{Timekeeper, uptime};
use checkpoint::key::KeyId;
use checkpoint::keyring::Keyring;

/// Asks the record.
#[derive(Clone)]
pub struct Warrant {
    pub(super) clock: Clock,
    pub(super) time: Arc<Timekeeper>,
    pub(super) keys: watch::Receiver<Arc<KeysInForce>>,
    pub(super) record: Arc<dyn Record>,
}

/// May be signed with, as of the question.
pub struct Warranted {
    /// The instant.
    pub now: DateTime<Utc>,
    /// The key in force then.
    pub key_id: KeyId,
    /// The keys with their private halves.
    pub keys: Arc<KeysInForce>,
    /// What is on record, with the labels of the source.
    pub keyring: Keyring,
}

impl Warrant {
    /// The key that signs now, unless the record holds it as revoked.
    ///
    /// # Errors
    /// [`Refusal`] when no key may sign, the clock is wrong, or the record cannot be read.
    pub async fn ask(&self) -> Result<Warranted, Refusal> {
        // Of a record that went back, or where signing was not let go on, nothing is signed: revocations may be missing.
        self.record.head().await?;
        let asked = uptime();
        let pulse = self.record.pulse().await?;
        self.time.note_store(pulse.store_clock, asked);
        let now = self.clock.now();
        self.time.check(now)?;
        let keys = Arc::clone(&self.keys.borrow());
        let key_id = keys.select(now)?.key_id().clone();
        let keyring = keys.over(self.record.keyring().await?);
        let entry = keyring.get(&key_id);
        if entry.is_some_and(|entry| entry.revocation().is_some()) {
            return Err(NoKey::Revoked { key_id }.into());
        }
        Ok(Warranted {
            now,
            key_id,
            keys,
            keyring,
        })
    }
}
