//! Signed heads of the record: the newest is kept, so that a flood of questions costs hardly any RSA.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::pool::SigningPool;
use super::{Refusal, Warrant};
use crate::record::{Record, RecordError};
use checkpoint::key::KeyId;
use checkpoint::log::PublishedHead;
use checkpoint::log::head::LogName;
use checkpoint::log::proof::TreeHead;

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
    warrant: Warrant,
    record: Arc<dyn Record>,
    pool: Arc<SigningPool>,
    log: LogName,
    newest: Mutex<State>,
}

/// Owned by whoever holds the lock.
#[derive(Default)]
struct State {
    newest: Option<Newest>,
    /// The key that the record let sign, and when it began to be asked.
    warranted: Option<(Instant, KeyId)>,
}

impl Heads {
    pub(super) fn new(
        warrant: Warrant,
        record: Arc<dyn Record>,
        pool: Arc<SigningPool>,
        log: LogName,
    ) -> Self {
        Self {
            warrant,
            record,
            pool,
            log,
            newest: Mutex::default(),
        }
    }

    /// The newest head, or a newer one when it has fewer rows than `at_least`. What it covers is durable: it is read from
    /// the record.
    pub(super) async fn newest(&self, at_least: u64) -> Result<Arc<PublishedHead>, Refusal> {
        let asked = Instant::now();
        // Whoever comes meanwhile waits, and is answered with what this one makes.
        let mut state = self.newest.lock().await;
        let State { newest, warranted } = &mut *state;
        // Not even a head that was signed before is given out once another replica has revoked its key. One answer of the
        // record is for all who asked before it was asked.
        let key_id = match warranted {
            Some((began, key_id)) if *began >= asked => key_id.clone(),
            _ => {
                let began = Instant::now();
                let key_id = self.warrant.ask().await?.key_id;
                *warranted = Some((began, key_id.clone()));
                key_id
            }
        };
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
            let age = self.warrant.clock.now() - head.timestamp;
            if head.tree == tree && age >= TimeDelta::zero() && age < UNCHANGED {
                return Ok(Arc::clone(&kept.head));
            }
        }
        let head = Arc::new(self.pool.sign_head(self.log.clone(), tree).await?);
        // It may have been revoked while it signed.
        self.warrant.ask().await?;
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
