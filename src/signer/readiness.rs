//! Whether a checkpoint would be signed now, whoever's it is, and why not: what health says.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use tokio::sync::watch;

use super::heartbeat::Beat;
use super::{KeysInForce, Refusal};
use crate::clock::Clock;
use crate::record::{RecordError, WentBack};
use crate::timekeeping::Timekeeper;
use checkpoint::history::rules::check_clock;

/// Follows all that signing depends on. Clones follow by themselves.
#[derive(Clone)]
pub struct Readiness {
    pub(super) clock: Clock,
    pub(super) time: Arc<Timekeeper>,
    pub(super) keys: watch::Receiver<Arc<KeysInForce>>,
    pub(super) beats: watch::Receiver<Beat>,
    pub(super) wholeness: watch::Receiver<Option<WentBack>>,
    pub(super) unwritable: watch::Receiver<Option<RecordError>>,
}

impl Readiness {
    /// Why nothing is signed now; none while something is.
    pub fn why_not(&self) -> Option<Refusal> {
        self.judge(self.clock.now()).err()
    }

    /// Why the machine's clock is not compared with the key source's newest answer.
    pub fn clock_fault(&self) -> Option<String> {
        self.time.source_fault()
    }

    fn judge(&self, now: DateTime<Utc>) -> Result<(), Refusal> {
        self.time.check(now)?;
        let beat = self.beats.borrow().clone();
        if let Some(newest) = beat.pulse.and_then(|pulse| pulse.newest_signed_at) {
            check_clock(now, newest)?;
        }
        self.keys.borrow().select(now)?;
        if let Some(went_back) = self.wholeness.borrow().clone() {
            return Err(RecordError::WentBack(went_back).into());
        }
        match beat.fault.or_else(|| self.unwritable.borrow().clone()) {
            Some(fault) => Err(fault.into()),
            None => Ok(()),
        }
    }

    /// Returns when the answer may be another one. False when the service has ended.
    pub async fn changed(&mut self) -> bool {
        let now = self.clock.now();
        let edge = self.keys.borrow_and_update().keyring.next_edge(now);
        tokio::select! {
            changed = self.keys.changed() => changed.is_ok(),
            changed = self.beats.changed() => changed.is_ok(),
            changed = self.wholeness.changed() => changed.is_ok(),
            changed = self.unwritable.changed() => changed.is_ok(),
            () = self.clock.sleep_until(edge.unwrap_or_default()), if edge.is_some() => true,
        }
    }
}
