//! Records signatures in the order of submission, those that wait together in one transaction.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use super::Refusal;
use crate::record::{Receipt, Record};
use crate::signature::SignedCheckpoint;

/// Most rows in one transaction: bounds how long the first of them waits for the last.
const MAX_BATCH: usize = 256;

/// A checkpoint between its submission and its answer.
pub(super) struct Queued {
    /// Comes from the pool.
    pub(super) signature: oneshot::Receiver<Result<SignedCheckpoint, Refusal>>,
    /// Goes to the caller.
    pub(super) answer: oneshot::Sender<Result<Receipt, Refusal>>,
    /// Its place in the queue, given back when it is answered.
    pub(super) room: OwnedSemaphorePermit,
}

/// The one task that appends to the record.
pub(super) struct Committer {
    record: Arc<dyn Record>,
    queue: mpsc::UnboundedReceiver<Queued>,
    /// The head of the queue, when a batch ended before it.
    next: Option<Queued>,
}

/// Signed, and waiting for its row.
type Signed = (
    SignedCheckpoint,
    oneshot::Sender<Result<Receipt, Refusal>>,
    OwnedSemaphorePermit,
);

impl Committer {
    /// Starts the task. It ends when the queue is dropped and empty.
    pub(super) fn start(record: Arc<dyn Record>) -> mpsc::UnboundedSender<Queued> {
        let (sender, queue) = mpsc::unbounded_channel();
        let committer = Self {
            record,
            queue,
            next: None,
        };
        tokio::spawn(committer.run());
        sender
    }

    async fn run(mut self) {
        while let Some(first) = self.first().await {
            let mut batch = vec![first];
            while batch.len() < MAX_BATCH
                && let Some(signed) = self.ready()
            {
                batch.push(signed);
            }
            self.commit(batch).await;
        }
    }

    /// Waits for the next signature in order; what was refused on the way is answered.
    async fn first(&mut self) -> Option<Signed> {
        loop {
            let Queued {
                mut signature,
                mut answer,
                room,
            } = match self.next.take() {
                Some(queued) => queued,
                None => self.queue.recv().await?,
            };
            let signed = tokio::select! {
                biased;
                signed = &mut signature => signed,
                // The caller has gone; closing our end tells the pool.
                () = answer.closed() => continue,
            };
            match signed.unwrap_or(Err(Refusal::ShuttingDown)) {
                Ok(signed) => return Some((signed, answer, room)),
                Err(refusal) => {
                    let _ = answer.send(Err(refusal));
                }
            }
        }
    }

    /// The next signature in order when it is there already.
    fn ready(&mut self) -> Option<Signed> {
        loop {
            let mut queued = match self.next.take() {
                Some(queued) => queued,
                None => self.queue.try_recv().ok()?,
            };
            match queued.signature.try_recv() {
                Ok(Ok(signed)) => return Some((signed, queued.answer, queued.room)),
                Ok(Err(refusal)) => {
                    let _ = queued.answer.send(Err(refusal));
                }
                Err(oneshot::error::TryRecvError::Empty) => {
                    self.next = Some(queued);
                    return None;
                }
                Err(oneshot::error::TryRecvError::Closed) => {}
            }
        }
    }

    async fn commit(&self, batch: Vec<Signed>) {
        let mut candidates = Vec::with_capacity(batch.len());
        let mut waiting = Vec::with_capacity(batch.len());
        for (signed, answer, room) in batch {
            candidates.push(signed);
            waiting.push((answer, room));
        }
        let outcomes = self.record.append(candidates).await;
        for ((answer, _room), outcome) in waiting.into_iter().zip(outcomes) {
            let _ = answer.send(outcome.map_err(Refusal::from));
        }
    }
}
