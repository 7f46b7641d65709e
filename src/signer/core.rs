//! What every edge answers from, handed on as one.

use std::sync::Arc;

use tokio::sync::watch;

use super::{KeyManager, KeysInForce, Signer};
use crate::clock::Clock;
use crate::record::Record;
use crate::telemetry::Metrics;
use checkpoint::history::rules::MaxEntryJump;
use checkpoint::log::head::LogName;

/// The parts of a service that runs.
#[derive(Clone)]
pub struct Core {
    /// Tells the time.
    pub clock: Clock,
    /// Remembers.
    pub record: Arc<dyn Record>,
    /// The keys in force.
    pub keys: watch::Receiver<Arc<KeysInForce>>,
    /// Signs.
    pub signer: Signer,
    /// Counts.
    pub metrics: Arc<Metrics>,
}

impl Core {
    /// Starts the signer with the keys of the key manager.
    ///
    /// # Errors
    /// When there are no threads.
    pub fn start(
        key_manager: &KeyManager,
        record: Arc<dyn Record>,
        log: LogName,
        max_jump: MaxEntryJump,
        metrics: Arc<Metrics>,
    ) -> std::io::Result<Self> {
        let (recorded, counted) = (Arc::clone(&record), Arc::clone(&metrics));
        Ok(Self {
            clock: key_manager.clock(),
            keys: key_manager.keys(),
            signer: Signer::start(key_manager, recorded, log, max_jump, counted)?,
            record,
            metrics,
        })
    }
}
