//! Records signatures in the order of submission, those that wait together in one transaction.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tracing::Span;

use super::line::Exit;
use super::pool::SigningPool;
use super::recent_ledgers::RecentLedgers;
use super::waiting::{Signed, Waiting};
use super::writes::Writes;
use super::{Decision, Made, Refusal};
use crate::record::Record;
use crate::telemetry::{Metrics, trace};
use crate::timekeeping::uptime;
use checkpoint::checkpoint::Checkpoint;
use checkpoint::history::rules::{MaxEntryJump, RuleViolation};
use checkpoint::log::batch::Candidate;

/// Most rows in one transaction: bounds how long the first of them waits for the last.
const MAX_BATCH: usize = 256;

/// Most bytes of payloads in one, but for its last: what a store needs to write them is several times as much, and stays with the connection.
const MAX_BATCH_BYTES: usize = 2 * 1024 * 1024;

/// Most often that one is signed anew. Each time, this process stood still meanwhile.
const MOST_SIGNED_AGAIN: usize = 5;

/// What takes so long may be stale again: less than times may differ by (`CLOCK_TOLERANCE`), as clocks may, too.
const STOOD_STILL: Duration = Duration::from_secs(2);

/// The one that appends to the record.
pub(super) struct Committer {
    pub(super) record: Arc<dyn Record>,
    pub(super) pool: Arc<SigningPool>,
    pub(super) max_jump: MaxEntryJump,
    pub(super) metrics: Arc<Metrics>,
    pub(super) writes: Arc<Writes>,
    pub(super) recent: Arc<RecentLedgers>,
    pub(super) signed: Exit<Signed>,
}

impl Committer {
    /// Starts it, as a task, or on a thread of its own where appending takes one. It ends with the line of what is signed.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub(super) fn start(self) -> std::io::Result<()> {
        match self.record.takes_the_thread() {
            false => drop(tokio::spawn(self.run())),
            true => {
                let runtime = Handle::current();
                let thread = thread::Builder::new().name("commit".into());
                thread.spawn(move || runtime.block_on(self.run()))?;
            }
        }
        Ok(())
    }

    async fn run(mut self) {
        while let Some(signed) = self.signed.next(MAX_BATCH).await {
            let (mut batch, mut bytes) = (Vec::with_capacity(signed.len()), 0);
            for (signed, waiting) in signed {
                match signed {
                    Ok(candidate) => {
                        bytes += candidate.signed().checkpoint.payload().as_bytes().len();
                        batch.push((candidate, waiting));
                    }
                    Err(refusal) => waiting.refuse(refusal),
                }
                if bytes > MAX_BATCH_BYTES {
                    self.commit(std::mem::take(&mut batch)).await;
                    bytes = 0;
                }
            }
            if !batch.is_empty() {
                self.commit(batch).await;
            }
        }
    }

    async fn commit(&self, batch: Vec<(Candidate, Waiting)>) {
        let (candidates, waiting): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
        let spans = waiting
            .iter()
            .map(|w| trace::append(&w.span, candidates.len()));
        let appending: Vec<Span> = spans.collect();
        let outcomes = self.append(candidates).await;
        drop(appending);
        for (waiting, (outcome, made)) in waiting.into_iter().zip(outcomes) {
            if let (Ok(receipt), Made::Now) = (&outcome, made) {
                self.metrics.signed(receipt.signed.jws.header());
            }
            waiting.answer(outcome, made);
        }
    }

    async fn append(&self, candidates: Vec<Candidate>) -> Vec<(Decision, Made)> {
        // Shared: their contents are not copied.
        let checkpoints = candidates.iter().map(|c| c.signed().checkpoint.clone());
        let checkpoints: Vec<_> = checkpoints.collect();
        let mut outcomes = self.append_once(candidates).await;
        self.sign_stale_ones_again(&checkpoints, &mut outcomes)
            .await;
        for (checkpoint, (outcome, _)) in checkpoints.iter().zip(&outcomes) {
            self.recent.note(checkpoint, outcome);
        }
        outcomes
    }

    /// Some waited so long that other replicas have recorded later ones: this process was frozen, or its database was away. The clock
    /// was right when they were submitted, so they are signed anew, and recorded in their order; and again while that takes as long.
    async fn sign_stale_ones_again(
        &self,
        checkpoints: &[Checkpoint],
        outcomes: &mut [(Decision, Made)],
    ) {
        for _ in 0..MOST_SIGNED_AGAIN {
            let begun = uptime();
            self.sign_again(checkpoints, outcomes).await;
            // By a clock that is wrong, it comes out the same however often.
            if uptime().saturating_sub(begun) < STOOD_STILL {
                return;
            }
        }
    }

    /// Those that are stale, once.
    async fn sign_again(&self, checkpoints: &[Checkpoint], outcomes: &mut [(Decision, Made)]) {
        let stale = checkpoints.iter().zip(outcomes);
        let stale = stale.filter(|(_, (outcome, _))| is_stale(outcome));
        let (again, mut outcomes): (Vec<_>, Vec<_>) = stale.unzip();
        if again.is_empty() {
            return;
        }
        let signed = self.pool.sign_all(again.into_iter().cloned().collect());
        let (mut candidates, mut waiting) = (Vec::new(), Vec::new());
        for (signed, outcome) in signed.await.into_iter().zip(outcomes.drain(..)) {
            match signed {
                Ok(candidate) => {
                    candidates.push(candidate);
                    waiting.push(outcome);
                }
                Err(refusal) => *outcome = (Err(refusal), Made::Now),
            }
        }
        let answers = self.append_once(candidates).await;
        for (outcome, answer) in waiting.into_iter().zip(answers) {
            *outcome = answer;
        }
    }

    async fn append_once(&self, candidates: Vec<Candidate>) -> Vec<(Decision, Made)> {
        let signatures = candidates
            .iter()
            .map(|c| c.signed().jws.signature().to_vec());
        let signatures: Vec<Vec<u8>> = signatures.collect();
        let begun = Instant::now();
        let answers = self.record.append_here(candidates, self.max_jump).await;
        self.metrics.committed(begun.elapsed());
        self.writes.note(&answers);
        // What the record answers is what was appended, unless the same checkpoint was there before it.
        let decided = answers.into_iter().zip(signatures);
        let decided = decided.map(|(answer, signature)| match answer {
            Ok(receipt) if receipt.signed.jws.signature() != signature => {
                (Ok(receipt), Made::Before)
            }
            answer => (answer.map_err(Refusal::from), Made::Now),
        });
        decided.collect()
    }
}

fn is_stale(outcome: &Decision) -> bool {
    matches!(
        outcome,
        Err(Refusal::Rule(RuleViolation::ClockWentBack { .. }))
    )
}
