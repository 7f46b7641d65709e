//! What rows that come one after the other make of their ledgers.

use std::collections::HashMap;

use super::rules::{HistoryPoint, LedgerState};
use crate::checkpoint::{LedgerId, Outline, Timestamp};

/// The newest row of each ledger: what it takes to follow a whole record, and no more than the ledgers.
#[derive(Default)]
pub struct Ledgers(HashMap<LedgerId, Newest>);

struct Newest {
    place: HistoryPoint,
    entry_count: u64,
    timestamp: Timestamp,
}

impl Ledgers {
    /// Where a checkpoint stands: by what is on record, and by the rows that came after that.
    #[must_use]
    pub fn over(&self, fields: &Outline, mut ledger_state: LedgerState) -> LedgerState {
        if let Some(newest) = self.0.get(&fields.ledger_id) {
            let same = newest.entry_count == fields.entry_count.get();
            let place = || same.then(|| newest.place.clone());
            ledger_state.same_count = ledger_state.same_count.or_else(place);
            ledger_state.newest_count = Some(newest.entry_count);
            ledger_state.newest_timestamp = Some(newest.timestamp);
        }
        ledger_state
    }

    /// Takes the next row.
    pub fn follow(&mut self, fields: &Outline) {
        let newest = Newest {
            place: HistoryPoint::of(fields),
            entry_count: fields.entry_count.get(),
            timestamp: fields.timestamp,
        };
        self.0.insert(fields.ledger_id.clone(), newest);
    }
}
