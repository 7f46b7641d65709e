//! The one path that can produce a signature.
//!
//! ```text
//! submit: is it recorded? may it be signed? is there room?   on the reactor
//!   -> RSA, with the key whose window holds at that instant   on a pool as wide as the cores
//!   -> committer: in the order of submission, in batches      the record judges again, and is durable
//!   -> the answer
//! ```
//!
//! Nearly everything goes beyond the newest checkpoint of its ledger, and of that the record is not asked more than this. A signature
//! that loses the race for its place is dropped unseen. A checkpoint that is recorded already gets its
//! recorded signature, whatever the clock and the keys are now.

mod asking;
mod committer;
mod core;
mod coverage;
mod heads;
mod heartbeat;
mod in_force;
mod key_manager;
mod line;
mod memory;
mod pool;
mod readiness;
mod recent_ledgers;
mod refresh;
mod refreshes;
mod selection;
mod threads;
mod waiting;
mod warrant;
mod writes;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use tokio::sync::{Semaphore, oneshot, watch};
use tracing::{Instrument as _, Span};

use crate::advice;
use crate::clock::Clock;
use crate::counts::Counts;
use crate::record::{AppendError, LookUp, Record, RecordError};
use crate::telemetry::{Metrics, trace};
use crate::timekeeping::uptime;
use checkpoint::checkpoint::{Checkpoint, InvalidCheckpoint, TIMESTAMP_TOLERANCE};
use checkpoint::fault::FieldFault;
use checkpoint::history::Receipt;
use checkpoint::history::rules::{MaxEntryJump, RuleViolation};
use checkpoint::key::{SignError, instant_text};
use checkpoint::log::PublishedHead;
use checkpoint::log::head::LogName;
use checkpoint::reason::Reason;

pub use self::core::Core;
pub use heartbeat::Beat;
pub use in_force::{KeysInForce, SourceStatus};
pub use key_manager::{KeyManager, RevokeError};
pub use readiness::Readiness;
pub use selection::NoKey;
pub use warrant::{Warrant, Warranted};
use writes::Writes;

use committer::Committer;
use heads::Heads;
use line::Entrance;
use pool::SigningPool;
use recent_ledgers::RecentLedgers;
use waiting::{Room, Signed, Waiting};

/// Checkpoints that may wait or be worked on at once, for each core: about half a second of RSA. What is large of them holds its part of a
/// budget of bytes for as long as anything of it is left, so that no more of these wait than the edge lets in.
const ROOM_PER_CORE: usize = 512;

/// One of so many places is for single calls alone. The items of streams wait for theirs, and would take each that gets free, whatever single
/// calls are refused meanwhile.
const FOR_SINGLE_CALLS: usize = 4;

/// Why a checkpoint is not signed.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// It is no checkpoint, or lies in the future.
    #[error(transparent)]
    Invalid(#[from] InvalidCheckpoint),
    /// No key may sign now.
    #[error(transparent)]
    NoKey(#[from] NoKey),
    /// It has no place in the record.
    #[error("{}", advice::on_rule(.0))]
    Rule(#[from] RuleViolation),
    /// The record fails.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The queue is full.
    #[error("{0} checkpoints are waiting already; retry later")]
    Overloaded(usize),
    /// The RSA library failed.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// The service is ending.
    #[error("the service is shutting down; retry on another replica")]
    ShuttingDown,
}

impl Refusal {
    /// What a caller is told by name.
    pub fn reason(&self) -> Reason {
        match self {
            Self::Invalid(_) => Reason::InvalidCheckpoint,
            Self::NoKey(no_key) => no_key.reason(),
            Self::Rule(violation) => violation.reason(),
            Self::Record(_) => Reason::RecordStoreUnavailable,
            Self::Overloaded(_) => Reason::Overloaded,
            Self::Sign(_) => Reason::SignatureFailed,
            Self::ShuttingDown => Reason::ShuttingDown,
        }
    }
}

impl From<AppendError> for Refusal {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Rule(RuleViolation::KeyRevoked(key_id)) => {
                NoKey::Revoked { key_id }.into()
            }
            AppendError::Rule(violation) => violation.into(),
            AppendError::Store(error) => error.into(),
        }
    }
}

/// How a checkpoint's way ended: on record, or refused.
pub type Decision = Result<Receipt, Refusal>;

/// Whether the signature of an answer was made for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Made {
    /// It was, now.
    Now,
    /// It was on record: a retry gets it again, whatever has become of its key.
    Before,
}

/// Is told the decision before anybody else, once, even when the caller has gone: what is on record was told.
pub type OnDecision = Box<dyn FnOnce(&Decision, Made) + Send + Sync>;

/// What to do when the queue is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenFull {
    /// Refuse: a single call.
    Refuse,
    /// Wait: a stream, whose sender is slowed down by that.
    Wait,
}

/// A checkpoint on its way: decided at once, or waiting for its turn.
pub enum Submission {
    /// The answer is known.
    Decided(Box<Decision>),
    /// The answer will come. Dropping it calls the work off as far as it is not done.
    Queued(oneshot::Receiver<Decision>),
}

impl Submission {
    /// Waits for the answer.
    ///
    /// # Errors
    /// [`Refusal`] says why there is no signature.
    pub async fn outcome(self) -> Result<Receipt, Refusal> {
        match self {
            Self::Decided(outcome) => *outcome,
            Self::Queued(answer) => answer.await.unwrap_or(Err(Refusal::ShuttingDown)),
        }
    }
}

/// Signs checkpoints. Clones share the queue, the pool and the record.
#[derive(Clone)]
pub struct Signer {
    clock: Clock,
    keys: watch::Receiver<Arc<KeysInForce>>,
    record: Arc<dyn Record>,
    pool: Arc<SigningPool>,
    room: Arc<Semaphore>,
    room_of_streams: Arc<Semaphore>,
    places: usize,
    /// Those between their submission and their answer, by ledger.
    on_their_way: Arc<Counts>,
    recent: Arc<RecentLedgers>,
    line: Arc<Entrance<Signed>>,
    heads: Arc<Heads>,
    warrant: Warrant,
    readiness: Readiness,
}

impl Signer {
    /// Starts the pool and the committer. Heads of the record are signed under the name `log`.
    ///
    /// # Errors
    /// When the threads cannot be started.
    pub fn start(
        key_manager: &KeyManager,
        record: Arc<dyn Record>,
        log: LogName,
        max_jump: MaxEntryJump,
        metrics: Arc<Metrics>,
    ) -> std::io::Result<Self> {
        let (clock, time, keys) = (key_manager.clock(), key_manager.time(), key_manager.keys());
        let pool = Arc::new(SigningPool::start(
            Arc::clone(&time),
            clock.clone(),
            keys.clone(),
            Arc::clone(&metrics),
        )?);
        let places = ROOM_PER_CORE * pool.width();
        let warrant = Warrant {
            clock: clock.clone(),
            time: Arc::clone(&time),
            keys: keys.clone(),
            record: Arc::clone(&record),
        };
        let (writes, unwritable) = Writes::start(Arc::clone(&record));
        let readiness = Readiness {
            clock: clock.clone(),
            time,
            keys: keys.clone(),
            beats: key_manager.beats(),
            wholeness: record.wholeness(),
            unwritable,
        };
        let recent = Arc::new(RecentLedgers::new());
        let heads = Heads::new(warrant.clone(), Arc::clone(&record), Arc::clone(&pool), log);
        let (line, signed) = line::line(pool.width());
        let committer = Committer {
            record: Arc::clone(&record),
            pool: Arc::clone(&pool),
            max_jump,
            metrics,
            writes,
            recent: Arc::clone(&recent),
            signed,
        };
        committer.start()?;
        Ok(Self {
            heads: Arc::new(heads),
            warrant,
            readiness,
            line: Arc::new(line),
            recent,
            room: Arc::new(Semaphore::new(places)),
            room_of_streams: Arc::new(Semaphore::new(places - places / FOR_SINGLE_CALLS)),
            on_their_way: Counts::up_to(usize::MAX),
            pool,
            places,
            clock,
            keys,
            record,
        })
    }

    /// Takes a checkpoint. Those of one ledger are recorded in the order in which their submissions return,
    /// so a caller that wants an order waits for one `submit` before it calls the next; it need not wait for
    /// the outcome. `told` is not told anything when the work is called off before there is a decision.
    pub async fn submit(
        &self,
        checkpoint: Checkpoint,
        when_full: WhenFull,
        told: OnDecision,
    ) -> Submission {
        let fields = checkpoint.fields();
        let span = trace::checkpoint(fields.ledger_id.as_str(), fields.checkpoint_id.as_str());
        let decided = match self.admit(&checkpoint, when_full, &span).await {
            Ok(Admission::Recorded(receipt)) => Ok(*receipt),
            Ok(Admission::Room(room)) => return self.enqueue(checkpoint, room, told, span),
            Err(refusal) => Err(refusal),
        };
        waiting::end(&span, &decided);
        told(&decided, Made::Before);
        Submission::Decided(Box::new(decided))
    }

    /// Checkpoints that wait or are worked on now, and how many may.
    pub fn queue(&self) -> (usize, usize) {
        let depth = self.places.saturating_sub(self.room.available_permits());
        (depth, self.places)
    }

    /// The signed head of the record, of at least so many rows: the newest, unless that was asked for within a second.
    ///
    /// # Errors
    /// [`Refusal`] when no key may sign, or the record cannot be read.
    pub async fn head(&self, at_least: u64) -> Result<Arc<PublishedHead>, Refusal> {
        self.heads.newest(at_least).await
    }

    /// What is asked before anything else is signed.
    pub fn warrant(&self) -> Warrant {
        self.warrant.clone()
    }

    /// Whether anything would be signed now.
    pub fn readiness(&self) -> Readiness {
        self.readiness.clone()
    }

    /// Everything that can be told without RSA. The record judges again when it appends.
    async fn admit(
        &self,
        checkpoint: &Checkpoint,
        when_full: WhenFull,
        span: &Span,
    ) -> Result<Admission, Refusal> {
        let need_not_ask = self.recent.precede(checkpoint) && self.may_sign(checkpoint).is_ok();
        if !need_not_ask && let Some(receipt) = self.ask(checkpoint, span).await? {
            return Ok(Admission::Recorded(Box::new(receipt)));
        }
        let room = match when_full {
            WhenFull::Refuse => Room {
                _place: Arc::clone(&self.room)
                    .try_acquire_owned()
                    .map_err(|_| Refusal::Overloaded(self.places))?,
                _of_streams: None,
            },
            WhenFull::Wait => {
                let wait = async |room: &Arc<Semaphore>| {
                    let room = Arc::clone(room).acquire_owned().await;
                    room.map_err(|_| Refusal::ShuttingDown)
                };
                Room {
                    _of_streams: Some(wait(&self.room_of_streams).await?),
                    _place: wait(&self.room).await?,
                }
            }
        };
        Ok(Admission::Room(room))
    }

    /// Asks the record: the receipt of a retry, or nothing where the checkpoint may be signed.
    async fn ask(&self, checkpoint: &Checkpoint, span: &Span) -> Result<Option<Receipt>, Refusal> {
        let asked = uptime();
        // Before the record is asked: what is not on its way any more is on record.
        let follows_another = self
            .on_their_way
            .has(checkpoint.fields().ledger_id.as_str());
        let looked_up = self.record.look_up(checkpoint);
        let ledger_state = match looked_up.instrument(trace::look_up(span)).await? {
            LookUp::State(state) => state,
            LookUp::Beyond => return self.may_sign(checkpoint).map(|_| None),
        };
        // A retry is answered before anything else is asked: it is safe for ever.
        if let Some(receipt) = ledger_state.recorded(checkpoint) {
            return Ok(Some(receipt.clone()));
        }
        let time = &self.warrant.time;
        time.note_store(ledger_state.store_clock, asked);
        let now = self.may_sign(checkpoint)?;
        // Not how far it goes beyond the newest: those that wait bring that nearer. Nor whether it goes back, when another one of its ledger
        // is on its way: by that it may be an equivocation, which is told first.
        if let Err(violation) = ledger_state.judge(checkpoint, now)
            && !(follows_another && violation.goes_back())
        {
            // By a row that may be on the primary alone: what a promotion loses is no reason to call a ledger false. The head is
            // given when all of it is durable.
            self.record.head().await?;
            return Err(violation.into());
        }
        Ok(None)
    }

    /// Whether the clock and the keys allow it, and at which instant.
    fn may_sign(&self, checkpoint: &Checkpoint) -> Result<DateTime<Utc>, Refusal> {
        let now = self.clock.now();
        self.warrant.time.check(now)?;
        check_timestamp(checkpoint, now)?;
        self.keys.borrow().select(now)?;
        Ok(now)
    }

    fn enqueue(
        &self,
        checkpoint: Checkpoint,
        room: Room,
        told: OnDecision,
        span: Span,
    ) -> Submission {
        let (answer, outcome) = oneshot::channel();
        let ledger_id = Arc::from(checkpoint.fields().ledger_id.as_str());
        let waiting = Waiting {
            answer,
            told,
            room,
            on_its_way: self.on_their_way.take(&ledger_id),
            span,
        };
        match self.line.take_place() {
            Some(place) => self.pool.submit(checkpoint, waiting, place),
            None => waiting.refuse(Refusal::ShuttingDown),
        }
        Submission::Queued(outcome)
    }
}

enum Admission {
    Recorded(Box<Receipt>),
    Room(Room),
}

fn check_timestamp(checkpoint: &Checkpoint, now: DateTime<Utc>) -> Result<(), InvalidCheckpoint> {
    let timestamp = checkpoint.fields().timestamp;
    if timestamp.instant() > now + TIMESTAMP_TOLERANCE {
        let problem = format!(
            "is {timestamp}, but the signer's clock shows {}; expected at most 5 minutes ahead of it",
            instant_text(now)
        );
        return Err(FieldFault::new("timestamp", problem).into());
    }
    Ok(())
}
