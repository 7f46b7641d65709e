//! Those who ask for a reading of the key source: one reading answers all who asked before it began, and a source that
//! charges for each call is not read for it more often than every few seconds.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::KeysInForce;
use crate::source::SourceError;

/// How often a source that charges for each call is read because somebody asks, however many ask: 120 calls of Secrets Manager
/// in five minutes at most, where the alarm is at 1,000.
const ASKED_EVERY: Duration = Duration::from_secs(5);

/// Most who wait for a reading at once.
const MAX_ASKING: usize = 1024;

/// What is answered.
pub(super) type Answer = Result<Arc<KeysInForce>, SourceError>;

/// Who asks, and when the source was read last.
#[derive(Default)]
pub(super) struct Asking {
    waiting: Vec<oneshot::Sender<Answer>>,
    read_at: Option<Instant>,
}

impl Asking {
    pub(super) fn add(&mut self, answer: oneshot::Sender<Answer>) {
        match self.waiting.len() < MAX_ASKING {
            true => self.waiting.push(answer),
            false => {
                let problem = "too many wait for the keys to be read";
                let _ = answer.send(Err(SourceError::Unavailable(problem.into())));
            }
        }
    }

    pub(super) fn are_there(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// A reading begins, for whatever reason.
    pub(super) fn note(&mut self) {
        self.read_at = Some(Instant::now());
    }

    /// From when on the source may be read for them.
    pub(super) fn may_read(&self, charges: bool) -> Instant {
        match self.read_at.filter(|_| charges) {
            Some(last) => last + ASKED_EVERY,
            None => Instant::now(),
        }
    }

    /// All of them: the next reading is theirs.
    pub(super) fn take(&mut self) -> Vec<oneshot::Sender<Answer>> {
        std::mem::take(&mut self.waiting)
    }
}
