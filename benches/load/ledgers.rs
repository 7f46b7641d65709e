//! The ledgers that a filled record holds, and how clients go on with them.

use std::sync::atomic::{AtomicU64, Ordering};

use checkpoint_signer::wire::proto::Checkpoint;
use chrono::Utc;

/// As many as Amply may have, each signed once a day.
pub const LEDGERS: u64 = 3000;

/// One call of so many is the first of a ledger that nobody has signed before.
const NEW_LEDGER_EVERY: u64 = 10;

/// Two calls that follow one another are for ledgers that are no neighbours in the indexes. A prime, so that every
/// ledger has its turn.
const STRIDE: u64 = 1009;

pub const TOTAL_VOLUME: i64 = 284_729_340;

pub fn ledger_id(index: u64) -> String {
    format!("org_{index:04}")
}

pub fn checkpoint_id(entry_count: u64) -> String {
    format!("chk_{entry_count}")
}

/// The checkpoints of one client. It has ledgers of its own, since a ledger is signed forwards only.
pub struct Ledgers {
    client: u64,
    clients: u64,
    turn: u64,
}

impl Ledgers {
    /// The share of one client; it begins anywhere, so that short rounds come to all ledgers as well.
    pub fn new(client: u64, clients: u64) -> Self {
        Self {
            client,
            clients,
            turn: rand::random_range(0..LEDGERS),
        }
    }

    /// The next day of the next ledger.
    pub fn next(&mut self) -> Checkpoint {
        let entry_count = next_entry_count();
        self.turn += 1;
        let ledger_id = match self.turn % NEW_LEDGER_EVERY {
            0 => format!("new_{entry_count}"),
            _ => {
                let place = self.turn * STRIDE % (LEDGERS / self.clients);
                ledger_id(self.client + self.clients * place)
            }
        };
        Checkpoint {
            checkpoint_id: checkpoint_id(entry_count),
            ledger_id,
            // Never earlier than the last one of its ledger, which is as old as the fill.
            timestamp: Some(prost_types::Timestamp {
                seconds: Utc::now().timestamp(),
                nanos: 0,
            }),
            cumulative_hash: format!("sha256:{entry_count:064x}"),
            entry_count,
            total_volume: TOTAL_VOLUME,
            ..Default::default()
        }
    }
}

/// Rises with every call of this process, and begins above every entry_count of a filled record: for each ledger it
/// is a later day.
fn next_entry_count() -> u64 {
    static COUNT: AtomicU64 = AtomicU64::new(1_000_000);
    COUNT.fetch_add(1, Ordering::Relaxed)
}
