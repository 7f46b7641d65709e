//! The record: every signature that was handed out, and the public half of every key that made one.
//!
//! Guarantees, whatever the store: a signature is in the record, durably, before it leaves the process; one
//! place of a ledger is never given twice (see [`rules`](checkpoint::history::rules)); rows are only ever added; a key's name, public
//! key and window never change. The record is never made by accident: opening one that is missing fails.
//!
//! It is a transparency log, too: [`tree`](checkpoint::log::tree) hashes the rows, [`proof`](checkpoint::log::proof) proves over them, [`head`](checkpoint::log::head) and [`note`](checkpoint::log::note) sign them.

pub mod check;
pub mod environment;
pub mod export;
pub mod home;
pub mod import;
mod keys;
mod listing;
#[cfg(not(feature = "postgres"))]
pub mod no_postgres;
#[cfg(not(feature = "postgres"))]
pub use no_postgres as postgres;
mod high_water_mark;
#[cfg(feature = "postgres")]
pub mod postgres;
pub mod prover;
pub mod restore;
mod resume;
mod row;
mod schema;
pub mod sqlite;
pub mod witness;

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tokio::sync::watch;

use crate::advice;
use checkpoint::checkpoint::{Checkpoint, CheckpointId, LedgerId, Timestamp};
use checkpoint::key::{KeyId, KeyVersion};
use checkpoint::keyring::{Endorsement, KeyConflict, Keyring, Revocation};

use checkpoint::history::rules::{LedgerState, MaxEntryJump, RuleViolation};
use checkpoint::log::batch::Candidate;
use checkpoint::log::tree::{Frontier, Node, NodeId};
use environment::{Environment, NotBound, OtherEnvironment};
use home::{Acceptance, Accepted, Home, Moved};

use checkpoint::history::{Receipt, ResumeOrder, Resumption};
pub use high_water_mark::WentBack;
pub use listing::{Listing, MAX_LOOKED_AT};
pub use resume::ResumeError;

/// What is cheap to ask of a store, so that it is asked all the time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pulse {
    /// What its own clock shows; none where it is the machine's.
    pub store_clock: Option<DateTime<Utc>>,
    /// The time of the newest signature, or from which an operator let signing go on.
    pub newest_signed_at: Option<DateTime<Utc>>,
    /// How many key versions, endorsements and revocations are on record. They are only ever added, so that whoever has read the
    /// keys at this number knows them all.
    pub key_rows: u64,
}

/// How much of a store is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// What costs the same however many rows there are: the schema, and the head beside the newest row.
    Start,
    /// All of it.
    Whole,
}

/// What was found in a store itself, a sentence each.
#[derive(Clone, Debug, Default)]
pub struct StoreCheck {
    /// What is wrong.
    pub problems: Vec<String>,
    /// What could not be checked, and why.
    pub unchecked: Vec<String>,
}

impl From<Vec<String>> for StoreCheck {
    /// All was checked.
    fn from(problems: Vec<String>) -> Self {
        let unchecked = Vec::new();
        Self {
            problems,
            unchecked,
        }
    }
}

/// Why the record cannot do something now.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RecordError {
    /// The store fails: the disk is full, the file is locked or not writable.
    #[error("the record store fails: {0}")]
    Unavailable(String),
    /// The database's own constraints refuse a row that the rules let pass.
    #[error("the record's constraints refuse the row: {0}; `record verify` names what is wrong")]
    Constraint(String),
    /// A row is not what this service writes: the file was damaged or edited.
    #[error("the record is damaged: {0} (docs/incidents.md, \"The record is lost\")")]
    Damaged(String),
    /// It is not the record any more that this process has seen.
    #[error(transparent)]
    WentBack(#[from] WentBack),
    /// It may be another environment's: a key of this one is not put into it.
    #[error(transparent)]
    NotBound(Box<NotBound>),
}

/// The target of what is logged of a record that went back.
pub(crate) const HIGH_WATER_MARK: &str = "checkpoint_signer::record::high_water_mark";

/// What became of a revocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RevocationOutcome {
    /// It is on record now.
    Now,
    /// One from the same instant on, or from an earlier one, was on record; nothing is changed.
    Before,
    /// There is no such key.
    Unknown,
}

impl RevocationOutcome {
    fn of(known: bool, covered: bool) -> Self {
        match (known, covered) {
            (false, _) => Self::Unknown,
            (true, true) => Self::Before,
            (true, false) => Self::Now,
        }
    }
}

/// The tables of a store, their triggers and keys, are not what they were made as.
fn unjudged<'a>(names: impl IntoIterator<Item = &'a str>, page: &str) -> RecordError {
    let names: Vec<&str> = names.into_iter().collect();
    RecordError::Unavailable(format!(
        "the tables of the record are not set up as the service made them: switched off, taken away or changed: {}; nothing is \
         signed until that is put back as it was; `record verify` compares all of it (docs/incidents.md, \"{page}\")",
        names.join(", ")
    ))
}

/// What the database itself says, with the page that tells what may be behind it.
#[cfg(feature = "postgres")]
fn with_page(problem: impl std::fmt::Display) -> String {
    format!("{problem} (docs/incidents.md, \"PostgreSQL does not answer\")")
}

/// The head is not that of the rows, so that no further row fits it.
fn damaged(problem: impl std::fmt::Display) -> RecordError {
    RecordError::Unavailable(format!(
        "the record is damaged: {problem}; nothing is signed until it is restored from its backup (docs/incidents.md, \"The record is \
         lost\")"
    ))
}

/// The newest row of a ledger.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Newest {
    pub(crate) entry_count: u64,
    pub(crate) timestamp: Timestamp,
}

impl Newest {
    /// Whether a checkpoint of its ledger goes beyond it, so that it is no retry, and breaks no rule by what is known.
    pub(crate) fn precedes(&self, checkpoint: &Checkpoint) -> bool {
        let fields = checkpoint.fields();
        self.entry_count < fields.entry_count.get() && self.timestamp <= fields.timestamp
    }
}

/// What is known of a place before anything is signed for it.
#[derive(Clone, Debug)]
pub enum LookUp {
    /// It lies beyond the newest row of its ledger. That promises nothing: the record judges when it appends.
    Beyond,
    /// What the record holds for it.
    State(Box<LedgerState>),
}

/// Why one candidate was not recorded.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// It may not be: the place is taken, the key revoked, the clock wrong.
    #[error("{}", advice::on_rule(.0))]
    Rule(#[from] RuleViolation),
    /// The store fails.
    #[error(transparent)]
    Store(#[from] RecordError),
}

/// Why a key version was not recorded.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// It contradicts what is on record.
    #[error(transparent)]
    Conflict(#[from] KeyConflict),
    /// The store fails.
    #[error(transparent)]
    Store(#[from] RecordError),
}

/// Why a record is not bound to an environment.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// It is another one's.
    #[error("the record {0}")]
    Other(#[from] OtherEnvironment),
    /// The store fails.
    #[error(transparent)]
    Store(#[from] RecordError),
}

/// Which rows to list. Empty fields do not filter.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only this ledger.
    pub ledger_id: Option<LedgerId>,
    /// Only signatures by this key version.
    pub key_id: Option<KeyId>,
    /// Only signatures made at or after this instant.
    pub signed_from: Option<DateTime<Utc>>,
    /// Only signatures made before this instant.
    pub signed_until: Option<DateTime<Utc>>,
}

/// A store of the record.
#[async_trait]
pub trait Record: Send + Sync + 'static {
    /// What has to be known of the place that a checkpoint asks for before it is signed.
    async fn look_up(&self, checkpoint: &Checkpoint) -> Result<LookUp, RecordError> {
        let state = self.ledger_state(checkpoint).await?;
        Ok(LookUp::State(Box::new(state)))
    }

    /// What the record holds for the place that a checkpoint asks for.
    async fn ledger_state(&self, checkpoint: &Checkpoint) -> Result<LedgerState, RecordError>;

    /// Records candidates in order, in one transaction that judges each by the [`rules`](checkpoint::history::rules), and answers when
    /// it is durable. Nothing is recorded while the record has not all the rows that this process has seen. A refused candidate does not fail the others; for one that is recorded already, the
    /// recorded row is the answer. There are as many answers as candidates, in the same order.
    async fn append(
        &self,
        candidates: Vec<Candidate>,
        max_jump: MaxEntryJump,
    ) -> Vec<Result<Receipt, AppendError>>;

    /// The same, by who has a thread of its own: where [`takes_the_thread`](Self::takes_the_thread), it is done on that, with no other one
    /// to wake and to be woken by.
    async fn append_here(
        &self,
        candidates: Vec<Candidate>,
        max_jump: MaxEntryJump,
    ) -> Vec<Result<Receipt, AppendError>> {
        self.append(candidates, max_jump).await
    }

    /// Whether [`append_here`](Self::append_here) takes the thread that polls it until the rows are durable.
    fn takes_the_thread(&self) -> bool {
        false
    }

    /// One recorded signature.
    async fn get(
        &self,
        ledger_id: &LedgerId,
        checkpoint_id: &CheckpointId,
    ) -> Result<Option<Receipt>, RecordError>;

    /// A page of the rows after a position: fewer than `limit` when the rows are large, and when [`MAX_LOOKED_AT`] were looked
    /// at. There are none by a key that is not on record.
    async fn list(&self, filter: &Filter, after: u64, limit: u32) -> Result<Listing, RecordError>;

    /// The tree over all rows, as it was written with the newest of them; it has all rows that this process has seen.
    async fn head(&self) -> Result<Frontier, RecordError>;

    /// Tells when the record was found to have gone back, and when it is whole again; looking is for who appends or reads
    /// the head.
    fn wholeness(&self) -> watch::Receiver<Option<WentBack>>;

    /// The record as it is, without the questions that a service asks before it gives anything out (whether it went back,
    /// was moved, or is durable): to compare it, and for the operator's tools. None when nothing of that is ever asked.
    fn as_it_is(&self) -> Option<Arc<dyn Record>>;

    /// Where this process signs, if the store can be moved beneath it.
    fn home(&self) -> Option<Accepted>;

    /// Notes where a peer has seen the store: a former primary of that is refused from now on. Who begins remembers nothing, and
    /// so does not say of itself that it was where it is then.
    fn meet(&self, seen: &Home, begins: bool);

    /// Lets this process sign where the store is now, after all that is known elsewhere was found in it; `accept` says why that
    /// holds for all replicas, and is recorded. Without it, the record must say so already.
    async fn settle(
        &self,
        moved: &Moved,
        accept: Option<&Acceptance>,
    ) -> Result<Option<Acceptance>, RecordError>;

    /// Every act by which signing was let go on at a place, the oldest first; none where the store cannot be moved.
    async fn acceptances(&self) -> Result<Vec<(Home, Acceptance)>, RecordError> {
        Ok(Vec::new())
    }

    /// Notes what another replica has that this record has not: nothing is signed until it is noted that there is nothing.
    fn contradict(&self, problem: Option<String>);

    /// Kept nodes of the tree: those of the level of `first`, from it on, in order.
    async fn tree_nodes(&self, first: NodeId, limit: u32) -> Result<Vec<Node>, RecordError>;

    /// What is wrong with the store itself: what [`check::check_record`] cannot see by reading the rows, such as an index that does not find
    /// one of them. At a start, one in which nothing can be recorded is an error.
    async fn check_store(&self, depth: Depth) -> Result<StoreCheck, RecordError>;

    /// The newest rows, the newest first.
    async fn newest(&self, limit: u32) -> Result<Vec<Receipt>, RecordError>;

    /// Every key version on record, with its revocation.
    async fn keyring(&self) -> Result<Keyring, RecordError>;

    /// Puts the public half of a key version on record, for ever, and the first endorsement that comes with it.
    /// Repeating it changes nothing. Where nobody has bound the record, the first key, or one that it knows, binds it to the
    /// environment in whose name it was opened.
    async fn register_key(
        &self,
        version: &KeyVersion,
        endorsement: Option<&Endorsement>,
        now: DateTime<Utc>,
    ) -> Result<(), RegisterError>;

    /// Waits until all that was read is as durable as the store was told to make it.
    async fn confirm_read(&self) -> Result<(), RecordError> {
        Ok(())
    }

    /// Ends the use of the store in order: what comes later is refused. A store in a file is one whole file then.
    async fn close(&self) {}

    /// Whether anything can be recorded: by a write that does not count, as durable as a row. While nothing is `failing`, only
    /// when a look that costs little gives reason to doubt it.
    async fn probe(&self, failing: bool) -> Result<(), RecordError>;

    /// The environment that the record belongs to; none while nobody has bound it.
    async fn environment(&self) -> Result<Option<Environment>, RecordError>;

    /// Binds the record to an environment, for ever. Repeating it changes nothing.
    async fn bind(&self, environment: Environment, now: DateTime<Utc>) -> Result<(), BindError>;

    /// What changes while others sign, revoke and register.
    async fn pulse(&self) -> Result<Pulse, RecordError>;

    /// Every [`Resumption`], the oldest first.
    async fn resumptions(&self) -> Result<Vec<Resumption>, RecordError>;

    /// Puts a [`Resumption`] on record, for ever, or only judges it.
    async fn resume_clock(&self, order: ResumeOrder) -> Result<Resumption, ResumeError>;

    /// Puts a revocation on record: nothing is signed by this key after it, whatever a clock shows. What it signed before the
    /// instant from which it is distrusted can still be put back.
    async fn revoke_key(
        &self,
        key_id: &KeyId,
        revocation: Revocation,
    ) -> Result<RevocationOutcome, RecordError>;
}
