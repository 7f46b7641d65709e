//! The record in PostgreSQL: for several replicas, which share one history.
//!
//! Whoever appends locks the head first, so that batches of all replicas follow one another; the rules are asked
//! after that, over what is committed, and the database's own triggers and constraints ask again. No replica
//! remembers anything that a decision rests on.
//!
//! A connection that fails is replaced, and what was asked is asked again: appending twice is harmless, since a
//! row that is there already is the answer. What cannot be answered in time is told as such; the caller's retry
//! then finds out whether it was recorded.

mod address;
mod check;
mod connections;
mod environment;
mod error;
mod guards;
mod head;
mod heard;
mod hosts;
mod keys;
mod knowledge;
mod listing;
mod look;
mod lookups;
mod migrations;
mod nodes;
mod parameters;
mod pulse;
mod rows;
mod schema;
mod session;
mod standby;
mod tls;
mod uri;
mod view;
mod wire;

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tokio::sync::watch;

use super::environment::{Claim, Claimed, Environment, OtherEnvironment};
use super::home::{Acceptance, Accepted, Home, Moved};
use super::schema::OTHER_PROGRAM;
use super::{
    AppendError, BindError, Depth, Filter, Listing, LookUp, Pulse, Record, RecordError,
    RegisterError, ResumeError, RevocationOutcome, StoreCheck, WentBack,
};
use checkpoint::checkpoint::{Checkpoint, CheckpointId, LedgerId};
use checkpoint::history::rules::{LedgerState, MaxEntryJump};
use checkpoint::history::{Receipt, ResumeOrder, Resumption};
use checkpoint::key::{KeyId, KeyVersion};
use checkpoint::keyring::{Endorsement, Keyring, Revocation};
use checkpoint::log::batch::Candidate;
use checkpoint::log::tree::{Frontier, Node, NodeId};

use connections::{Connections, Purpose};
use error::StoreError;
use knowledge::Knowledge;
use lookups::Lookups;
use migrations::{MIGRATIONS, Migrating, migrate};
use standby::{DURABLE_WITHIN, not_durable};
use view::View;

pub use address::DatabaseAddress;

/// Ledgers whose heads are checked by one statement: far fewer than it has the time for.
const LEDGERS_AT_ONCE: i64 = 1000;

/// Why a record cannot be opened or made.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is none, and a new one would have forgotten which places are taken.
    #[error(
        "record: {0} holds no record. The record remembers what was signed, so a new one is never made by \
         accident: restore it from its backup, or, for a new service, run `checkpoint-signer record init`"
    )]
    Missing(DatabaseAddress),
    /// There is one already.
    #[error("record: {0} holds a record already; it is left as it is")]
    Exists(DatabaseAddress),
    /// The record is of a later version of this program.
    #[error("record: {address} has the schema version {found}; this program knows {}: {OTHER_PROGRAM}", MIGRATIONS.len())]
    Version {
        /// Where.
        address: DatabaseAddress,
        /// Its version.
        found: i32,
    },
    /// It is another environment's.
    #[error("record: {0} {1}")]
    Environment(DatabaseAddress, OtherEnvironment),
    /// The database cannot be reached or used.
    #[error("record: {0} cannot be used: {1}")]
    Unusable(DatabaseAddress, String),
}

/// A record in a PostgreSQL database.
#[derive(Clone)]
pub struct PostgresRecord {
    signing: Arc<Connections>,
    reading: Arc<Connections>,
    waiting: Arc<Connections>,
    lookups: Lookups,
    view: View,
}

impl PostgresRecord {
    /// Makes an empty record that no environment has bound yet.
    ///
    /// # Errors
    /// [`OpenError::Exists`] when the database holds one already.
    pub async fn init(address: &DatabaseAddress) -> Result<(), OpenError> {
        Self::init_in(address, None).await
    }

    /// Makes an empty record of an environment.
    ///
    /// # Errors
    /// [`OpenError::Exists`] when the database holds one already.
    pub async fn init_in(
        address: &DatabaseAddress,
        environment: Option<Environment>,
    ) -> Result<(), OpenError> {
        match migrate(address, Migrating::Making(environment)).await? {
            0 => Ok(()),
            _ => Err(OpenError::Exists(address.clone())),
        }
    }

    /// Opens a record that no environment has bound, as [`open_as`](Self::open_as).
    ///
    /// # Errors
    /// [`OpenError`] as there.
    pub async fn open(address: &DatabaseAddress) -> Result<Self, OpenError> {
        Self::open_as(address, Claim::Writes(None)).await
    }

    /// Opens a record that exists, and brings its schema up to this program's version.
    ///
    /// # Errors
    /// [`OpenError`] when there is none, it is not one that this program can use, or another environment's.
    pub async fn open_as(address: &DatabaseAddress, claim: Claim) -> Result<Self, OpenError> {
        // Before anything is connected to: a former primary that is still up may stand first.
        let homes = address.survey().await;
        migrate(address, Migrating::Opening(claim)).await?;
        if let Some(roots) = &address.tls {
            tls::tell(roots);
        }
        let connections = |purpose| Connections::new(address, purpose).map(Arc::new);
        let unusable = |problem| OpenError::Unusable(address.clone(), problem);
        let claimed = Claimed::new(address.to_string(), "--record PLACE".into(), claim);
        let view = View {
            knowledge: Arc::new(Knowledge::none(claimed)),
            serves: true,
        };
        let signing = connections(Purpose::Signing).map_err(unusable)?;
        signing.check().await.map_err(unusable)?;
        let record = Self {
            lookups: Lookups::start(Arc::clone(&signing), view.clone()),
            signing,
            reading: connections(Purpose::Reading).map_err(unusable)?,
            waiting: connections(Purpose::Waiting).map_err(unusable)?,
            view,
        };
        // Where the record says that it lives, this process signs as well: whoever starts on it compares what is known first.
        record
            .signing
            .run(|client| {
                let view = record.view.clone();
                Box::pin(async move { view::begin_at_home(client, &view).await })
            })
            .await
            .map_err(|error| OpenError::Unusable(address.clone(), error.to_string()))?;
        for home in homes {
            record.view.knowledge.meet(&home, true);
        }
        hosts::watch(address, &record.view.knowledge);
        Ok(record)
    }
}

#[async_trait]
impl Record for PostgresRecord {
    async fn look_up(&self, checkpoint: &Checkpoint) -> Result<LookUp, RecordError> {
        let (looked_up, rests) = self.lookups.ask(checkpoint.clone()).await?;
        if let Some(rests) = rests {
            self.confirm(rests).await?;
        }
        Ok(looked_up)
    }

    async fn ledger_state(&self, checkpoint: &Checkpoint) -> Result<LedgerState, RecordError> {
        let read = self.signing.run(|client| {
            let (wanted, view) = (checkpoint.clone(), self.view.clone());
            Box::pin(async move { rows::ledger_state(client, &wanted, &view).await })
        });
        self.confirmed(read.await??).await
    }

    async fn append(
        &self,
        candidates: Vec<Candidate>,
        max_jump: MaxEntryJump,
    ) -> Vec<Result<Receipt, AppendError>> {
        let candidates: Arc<[Candidate]> = candidates.into();
        match self
            .append_together(Arc::clone(&candidates), max_jump)
            .await
        {
            Ok(answers) => return answers,
            // A row that only the database refuses ends the whole transaction: its neighbours go on alone.
            Err(RecordError::Constraint(_)) if candidates.len() > 1 => {}
            Err(error) => {
                let error = self.explained(error).await;
                let fail = |_| Err(AppendError::Store(error.clone()));
                return candidates.iter().map(fail).collect();
            }
        }
        let mut answers = Vec::with_capacity(candidates.len());
        for candidate in candidates.iter() {
            let alone = self
                .append_together([candidate.clone()].into(), max_jump)
                .await;
            answers.push(match alone.map(|mut answers| answers.pop()) {
                Ok(Some(answer)) => answer,
                Ok(None) => Err(RecordError::Unavailable("no answer".into()).into()),
                Err(error) => Err(error.into()),
            });
        }
        answers
    }

    async fn get(
        &self,
        ledger_id: &LedgerId,
        checkpoint_id: &CheckpointId,
    ) -> Result<Option<Receipt>, RecordError> {
        let read = self.reading.run(|client| {
            let (ledger_id, checkpoint_id) = (ledger_id.clone(), checkpoint_id.clone());
            let view = self.view.clone();
            Box::pin(async move { rows::by_id(client, &ledger_id, &checkpoint_id, &view).await })
        });
        self.confirmed(read.await?).await
    }

    async fn list(&self, filter: &Filter, after: u64, limit: u32) -> Result<Listing, RecordError> {
        let read = self.reading.run(|client| {
            let (filter, view) = (filter.clone(), self.view.clone());
            Box::pin(async move { listing::list(client, &filter, after, limit, &view).await })
        });
        self.confirmed(read.await?).await
    }

    async fn head(&self) -> Result<Frontier, RecordError> {
        let read = self.signing.run(|client| {
            let view = self.view.clone();
            Box::pin(async move { rows::head(client, &view).await })
        });
        self.confirmed(read.await?).await
    }

    fn wholeness(&self) -> watch::Receiver<Option<WentBack>> {
        self.view.knowledge.seen.wholeness()
    }

    fn as_it_is(&self) -> Option<Arc<dyn Record>> {
        let mut bare = self.clone();
        bare.view.serves = false;
        bare.lookups = Lookups::start(Arc::clone(&bare.signing), bare.view.clone());
        Some(Arc::new(bare))
    }

    fn home(&self) -> Option<Accepted> {
        self.view.knowledge.settled()
    }

    fn meet(&self, seen: &Home, begins: bool) {
        self.view.knowledge.meet(seen, begins);
    }

    async fn settle(
        &self,
        moved: &Moved,
        acceptance: Option<&Acceptance>,
    ) -> Result<Option<Acceptance>, RecordError> {
        let settled = self.signing.run(|client| {
            let (view, moved) = (self.view.clone(), moved.clone());
            let acceptance = acceptance.cloned();
            Box::pin(async move { view::settle(client, &view, &moved, acceptance.as_ref()).await })
        });
        settled.await.map(Some)
    }

    async fn acceptances(&self) -> Result<Vec<(Home, Acceptance)>, RecordError> {
        self.reading
            .run(|client| Box::pin(look::acceptances(client)))
            .await
    }

    fn contradict(&self, problem: Option<String>) {
        self.view.knowledge.seen.contradict(problem);
    }

    async fn tree_nodes(&self, first: NodeId, limit: u32) -> Result<Vec<Node>, RecordError> {
        self.reading
            .run(|client| {
                let view = self.view.clone();
                Box::pin(async move { nodes::read(client, first, limit, &view).await })
            })
            .await
    }

    async fn check_store(&self, depth: Depth) -> Result<StoreCheck, RecordError> {
        if depth == Depth::Start {
            let writes = self
                .signing
                .run(|client| Box::pin(session::may_write(client)));
            writes.await?;
        }
        let head = self
            .reading
            .run(|client| Box::pin(check::record_head(client)));
        let mut found = StoreCheck::default();
        if depth == Depth::Whole {
            let schema = self.reading.run(|client| Box::pin(schema::compare(client)));
            found = schema.await?;
        }
        found.problems.extend(head.await?);
        let mut after = (depth == Depth::Whole).then(String::new);
        while let Some(last) = after.take() {
            let page = self.reading.run(|client| {
                let last = last.clone();
                Box::pin(async move { check::ledger_heads(client, &last, LEDGERS_AT_ONCE).await })
            });
            let page = page.await?;
            after = page.last().map(|(ledger_id, _)| ledger_id.clone());
            let wrong = page.into_iter().filter(|(_, right)| !right);
            found.problems.extend(wrong.map(|(ledger_id, _)| {
                format!("ledger {ledger_id}: its ledger_head is not its newest row")
            }));
        }
        Ok(found)
    }

    async fn newest(&self, limit: u32) -> Result<Vec<Receipt>, RecordError> {
        let read = self.reading.run(|client| {
            let view = self.view.clone();
            Box::pin(async move { rows::newest(client, limit, &view).await })
        });
        self.confirmed(read.await?).await
    }

    async fn keyring(&self) -> Result<Keyring, RecordError> {
        let read = self.signing.run(|client| {
            let view = self.view.clone();
            Box::pin(async move { keys::read(client, &view).await })
        });
        let (keyring, rests) = read.await?;
        let begins = self.view.knowledge.durable().borrow().is_unknown();
        match self.confirm(rests).await {
            // A service that starts while the standby is away verifies all the same, by what it finds.
            Err(error) if begins => tracing::warn!(%error, "the keys on record are not confirmed"),
            confirmed => confirmed?,
        }
        Ok(keyring)
    }

    async fn register_key(
        &self,
        version: &KeyVersion,
        endorsement: Option<&Endorsement>,
        now: DateTime<Utc>,
    ) -> Result<(), RegisterError> {
        self.signing
            .run(|client| {
                let (version, endorsement) = (version.clone(), endorsement.cloned());
                let view = self.view.clone();
                Box::pin(async move {
                    keys::register_key(client, &version, endorsement.as_ref(), now, &view).await
                })
            })
            .await?
    }

    async fn confirm_read(&self) -> Result<(), RecordError> {
        let wait = self.waiting.once(|client| {
            let view = self.view.clone();
            Box::pin(async move { view::wait_unless_standby(client, &view).await })
        });
        tokio::time::timeout(DURABLE_WITHIN, wait)
            .await
            .unwrap_or_else(|_| Err(not_durable("read")))
    }

    async fn probe(&self, failing: bool) -> Result<(), RecordError> {
        self.try_to_write(failing).await
    }

    async fn environment(&self) -> Result<Option<Environment>, RecordError> {
        self.signing
            .run(|client| Box::pin(environment::read(client)))
            .await
    }

    async fn bind(&self, environment: Environment, now: DateTime<Utc>) -> Result<(), BindError> {
        let bound = self.signing.run(|client| {
            Box::pin(async move { environment::bind(client, environment, now).await })
        });
        bound.await??;
        self.view.knowledge.seen.claimed.bound_here(environment);
        Ok(())
    }

    async fn pulse(&self) -> Result<Pulse, RecordError> {
        self.signing
            .run(|client| Box::pin(pulse::pulse(client)))
            .await
    }

    async fn resumptions(&self) -> Result<Vec<Resumption>, RecordError> {
        self.signing
            .run(|client| Box::pin(async move { pulse::resumptions(&*client).await }))
            .await
    }

    async fn resume_clock(&self, order: ResumeOrder) -> Result<Resumption, ResumeError> {
        self.signing
            .run(|client| {
                let (order, view) = (order.clone(), self.view.clone());
                Box::pin(async move { pulse::resume_clock(client, &order, &view).await })
            })
            .await?
    }

    async fn revoke_key(
        &self,
        key_id: &KeyId,
        revocation: Revocation,
    ) -> Result<RevocationOutcome, RecordError> {
        self.signing
            .run(|client| {
                let (key_id, revocation) = (key_id.clone(), revocation.clone());
                let view = self.view.clone();
                Box::pin(async move { keys::revoke_key(client, &key_id, &revocation, &view).await })
            })
            .await
    }
}

impl PostgresRecord {
    async fn append_together(
        &self,
        candidates: Arc<[Candidate]>,
        max_jump: MaxEntryJump,
    ) -> Result<Vec<Result<Receipt, AppendError>>, RecordError> {
        self.signing
            .run(|client| {
                let (candidates, view) = (Arc::clone(&candidates), self.view.clone());
                Box::pin(async move { rows::append(client, &candidates, max_jump, &view).await })
            })
            .await
    }
}
