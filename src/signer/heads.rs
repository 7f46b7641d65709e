//! Signed heads of the record: the newest is kept, so that a flood of questions costs hardly any RSA.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use tokio::sync::{Mutex, watch};
use tokio::time::Instant;

use super::pool::SigningPool;
use super::{KeysInForce, NoKey, Refusal};
use crate::clock::Clock;
use crate::record::head::{LogName, PublishedHead};
use crate::record::proof::TreeHead;
use crate::record::{Record, RecordError};

/// How long a head is given without asking the record whether there are more rows.
const UNASKED: Duration = Duration::from_secs(1);

/// How long a head is given while there are no more rows: its time shows that the record did not grow.
const UNCHANGED: TimeDelta = TimeDelta::minutes(1);

/// A head that was signed, and when, by a clock that only goes forwards.
struct Newest {
    head: Arc<PublishedHead>,
    signed: Instant,
}

/// Signs heads of one record, one at a time.
pub(super) struct Heads {
    clock: Clock,
    keys: watch::Receiver<Arc<KeysInForce>>,
    record: Arc<dyn Record>,
    pool: Arc<SigningPool>,
    log: LogName,
    newest: Mutex<Option<Newest>>,
}

impl Heads {
    pub(super) fn new(
        clock: Clock,
        keys: watch::Receiver<Arc<KeysInForce>>,
        record: Arc<dyn Record>,
        pool: Arc<SigningPool>,
        log: LogName,
    ) -> Self {
        Self {
            clock,
            keys,
            record,
            pool,
            log,
            newest: Mutex::new(None),
        }
    }

    /// The newest head, or a newer one when it has fewer rows than `at_least`. What it covers is durable: it is read from
    /// the record.
    pub(super) async fn newest(&self, at_least: u64) -> Result<Arc<PublishedHead>, Refusal> {
        // Whoever comes meanwhile waits, and is answered with what this one makes.
        let mut newest = self.newest.lock().await;
        let now = self.clock.now();
        let key_id = self.keys.borrow().select(now)?.key_id().clone();
        let kept = newest.as_ref().filter(|newest| {
            let header = newest.head.signed.jws().header();
            header.kid == key_id && newest.head.signed.head().tree.size >= at_least
        });
        if let Some(kept) = kept
            && kept.signed.elapsed() < UNASKED
        {
            return Ok(Arc::clone(&kept.head));
        }
        let frontier = self.record.head().await?;
        let tree = TreeHead {
            size: frontier.size(),
            root: frontier.root(),
        };
        if let Some(kept) = kept {
            let head = kept.head.signed.head();
            let age = now - head.timestamp;
            if head.tree == tree && age >= TimeDelta::zero() && age < UNCHANGED {
                return Ok(Arc::clone(&kept.head));
            }
        }
        // Another replica may have revoked it just now.
        let keyring = self.record.keyring().await?;
        let entry = keyring.get(&key_id);
        if entry.is_some_and(|entry| entry.revocation().is_some()) {
            return Err(NoKey::Revoked { key_id }.into());
        }
        let head = Arc::new(self.pool.sign_head(self.log.clone(), tree).await?);
        *newest = Some(Newest {
            head: Arc::clone(&head),
            signed: Instant::now(),
        });
        if head.signed.head().tree.size < at_least {
            let problem = format!("the head counts fewer rows than {at_least}");
            return Err(RecordError::Damaged(problem).into());
        }
        Ok(head)
    }
}
