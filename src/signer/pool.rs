//! RSA, on threads of its own: as many as there are cores.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{oneshot, watch};

use super::line::Place;
use super::threads::Threads;
use super::waiting::{Signed, Waiting};
use super::{KeysInForce, Refusal};
use crate::clock::Clock;
use crate::telemetry::{Metrics, trace};
use crate::timekeeping::Timekeeper;
use checkpoint::checkpoint::Checkpoint;
use checkpoint::jws::SignedCheckpoint;
use checkpoint::log::PublishedHead;
use checkpoint::log::batch::Candidate;
use checkpoint::log::head::LogName;
use checkpoint::log::proof::TreeHead;

/// Signs with the keys in force.
pub(super) struct SigningPool {
    threads: Threads,
    keys: watch::Receiver<Arc<KeysInForce>>,
    time: Arc<Timekeeper>,
    clock: Clock,
    metrics: Arc<Metrics>,
}

impl SigningPool {
    pub(super) fn start(
        time: Arc<Timekeeper>,
        clock: Clock,
        keys: watch::Receiver<Arc<KeysInForce>>,
        metrics: Arc<Metrics>,
    ) -> std::io::Result<Self> {
        Ok(Self {
            threads: Threads::start("rsa")?,
            keys,
            time,
            clock,
            metrics,
        })
    }

    /// How many threads.
    pub(super) fn width(&self) -> usize {
        self.threads.width()
    }

    /// Signs when it is its turn, unless nobody waits for it any more: no RSA for nobody.
    pub(super) fn submit(
        self: &Arc<Self>,
        checkpoint: Checkpoint,
        waiting: Waiting,
        mut place: Place<Signed>,
    ) {
        let (pool, submitted) = (Arc::clone(self), Instant::now());
        let queued = trace::queue(&waiting.span);
        self.threads.spawn(move || {
            place.begin();
            pool.metrics.waited(submitted.elapsed());
            drop(queued);
            if !waiting.answer.is_closed() {
                let signing = trace::rsa(&waiting.span).entered();
                let signed = pool.sign(checkpoint);
                drop(signing);
                place.fill((signed, waiting));
            }
        });
    }

    /// Signs several at once.
    pub(super) async fn sign_all(
        self: &Arc<Self>,
        checkpoints: Vec<Checkpoint>,
    ) -> Vec<Result<Candidate, Refusal>> {
        let submit = |checkpoint| {
            let (done, signed) = oneshot::channel();
            let pool = Arc::clone(self);
            self.threads.spawn(move || {
                let _ = done.send(pool.sign(checkpoint));
            });
            signed
        };
        let submitted: Vec<_> = checkpoints.into_iter().map(submit).collect();
        let mut all = Vec::with_capacity(submitted.len());
        for signed in submitted {
            all.push(signed.await.unwrap_or(Err(Refusal::ShuttingDown)));
        }
        all
    }

    /// Signs a head of the record.
    pub(super) async fn sign_head(
        self: &Arc<Self>,
        log: LogName,
        tree: TreeHead,
    ) -> Result<PublishedHead, Refusal> {
        let (done, signed) = oneshot::channel();
        let pool = Arc::clone(self);
        self.threads.spawn(move || {
            let keys = Arc::clone(&pool.keys.borrow());
            let signed = keys.select(pool.clock.now()).map_err(Refusal::from);
            let signed = signed.and_then(|key| Ok(PublishedHead::sign(&key, &log, tree)?));
            let _ = done.send(signed);
        });
        signed.await.unwrap_or(Err(Refusal::ShuttingDown))
    }

    /// Signs with the key whose window holds now. The instant that selects the key is the one that is signed. What a row needs is made
    /// here as well: whoever writes it has the record to itself.
    fn sign(&self, checkpoint: Checkpoint) -> Result<Candidate, Refusal> {
        let keys = Arc::clone(&self.keys.borrow());
        let now = self.clock.now();
        self.time.check(now)?;
        let key = keys.select(now)?;
        let begun = Instant::now();
        let jws = key.sign(checkpoint.payload())?;
        self.metrics.made_rsa(begun.elapsed());
        Ok(SignedCheckpoint { checkpoint, jws }.into())
    }
}
