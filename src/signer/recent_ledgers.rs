//! Where the ledgers stand that this process recorded a checkpoint of lately.
//!
//! What goes beyond that is no retry of a row that this process wrote, and breaks no rule that it knows of: it is signed without asking
//! the record first. The record judges it when it appends, as it judges everything; what other replicas recorded meanwhile costs one
//! signature that nobody gets.

use std::hash::RandomState;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hashlink::LruCache;

use super::Decision;
use crate::record::Newest;
use checkpoint::checkpoint::Checkpoint;

/// Most ledgers, those that were recorded last: some 150 bytes each.
const MOST: usize = 32_768;

type Ledgers = LruCache<Box<str>, Newest, RandomState>;

/// By ledger.
pub(super) struct RecentLedgers(Mutex<Ledgers>);

impl RecentLedgers {
    pub(super) fn new() -> Self {
        Self(Mutex::new(LruCache::with_hasher(MOST, RandomState::new())))
    }

    /// Whether a checkpoint goes beyond the newest of its ledger, as far as is known here.
    pub(super) fn precede(&self, checkpoint: &Checkpoint) -> bool {
        let fields = checkpoint.fields();
        let newest = self.ledgers().get(fields.ledger_id.as_str()).copied();
        newest.is_some_and(|newest| newest.precedes(checkpoint))
    }

    /// Notes what the record answered to an append. Whatever is not recorded says that more is known there than here, or that nothing
    /// is recorded at all: then the record is asked first again.
    pub(super) fn note(&self, checkpoint: &Checkpoint, decision: &Decision) {
        let fields = checkpoint.fields();
        let ledger_id = fields.ledger_id.as_str();
        let mut ledgers = self.ledgers();
        if decision.is_err() {
            ledgers.remove(ledger_id);
            return;
        }
        let newest = Newest {
            entry_count: fields.entry_count.get(),
            timestamp: fields.timestamp,
        };
        match ledgers.get_mut(ledger_id) {
            // An older one that another replica, or an earlier attempt, recorded before.
            Some(known) if known.entry_count > newest.entry_count => {}
            Some(known) => *known = newest,
            None => {
                ledgers.insert(ledger_id.into(), newest);
            }
        }
    }

    fn ledgers(&self) -> MutexGuard<'_, Ledgers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
