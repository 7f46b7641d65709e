//! A checkpoint that is on its way, and where its answer goes.

use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tracing::Span;

use super::{Decision, Made, OnDecision, Refusal};
use crate::counts::Slot;
use crate::telemetry::trace;
use checkpoint::log::batch::Candidate;

/// What RSA has come to, and who waits for it.
pub(super) type Signed = (Result<Candidate, Refusal>, Waiting);

/// A place in the queue.
pub(super) struct Room {
    pub(super) _place: OwnedSemaphorePermit,
    /// Of those that streams may have.
    pub(super) _of_streams: Option<OwnedSemaphorePermit>,
}

/// Where a checkpoint's answer goes.
pub(super) struct Waiting {
    /// To the caller.
    pub(super) answer: oneshot::Sender<Decision>,
    /// To whoever keeps the log.
    pub(super) told: OnDecision,
    /// Its place in the queue, given back when it is answered.
    pub(super) room: Room,
    /// Its ledger is known to have one on its way until then.
    pub(super) on_its_way: Option<Slot>,
    /// Its span in a trace.
    pub(super) span: Span,
}

impl Waiting {
    /// There is no signature.
    pub(super) fn refuse(self, refusal: Refusal) {
        self.answer(Err(refusal), Made::Now);
    }

    pub(super) fn answer(self, decision: Decision, made: Made) {
        end(&self.span, &decision);
        (self.told)(&decision, made);
        // Whoever asks after this answer finds the row; and its span ends within that of the call, which ends with the last answer.
        drop(self.on_its_way);
        drop(self.span);
        let _ = self.answer.send(decision);
        drop(self.room);
    }
}

/// Says in its span how a checkpoint's way ended.
pub(super) fn end(span: &Span, decision: &Decision) {
    let signed = decision.as_ref();
    trace::ended(span, signed.map(|receipt| &receipt.signed.jws.header().kid));
}
