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
mod keys;
mod nodes;
mod rows;
mod schema;
mod tls;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use deadpool_postgres::{
    Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime, Timeouts,
};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_postgres::NoTls;
use tokio_postgres::error::SqlState;

use super::rules::Standing;
use super::seen::Seen;
use super::tree::{Frontier, Node, NodeId};
use super::{AppendError, Depth, Filter, Receipt, Record, RecordError, RegisterError, WentBack};
use crate::checkpoint::{CheckpointId, LedgerId};
use crate::key::{Endorsement, KeyId, KeyVersion, Keyring, Revocation};
use crate::signature::SignedCheckpoint;

pub use address::DatabaseAddress;

/// Steps from an empty database to the schema of this program. One that was released never changes.
const MIGRATIONS: [&str; 1] = [include_str!("schema.sql")];

/// "ACSR": the advisory lock that one who makes or changes the schema holds.
const MIGRATION_LOCK: i64 = 0x4143_5352;

/// Connections of a replica: one appends, the others read.
const CONNECTIONS: usize = 8;

/// Ledgers whose heads are checked by one statement: far fewer than it has the time for.
const LEDGERS_AT_ONCE: i64 = 1000;

/// How long to wait for one of them.
const WAIT: Duration = Duration::from_secs(3);

/// How long one attempt may take. The server ends what is slower (address.rs), unless it cannot be heard.
const ATTEMPT: Duration = Duration::from_secs(6);

/// How long attempts go on: callers give up after ten seconds or so.
const PATIENCE: Duration = Duration::from_secs(8);

/// The pause before the second attempt; each further one is twice as long, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

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
    #[error("record: {address} has the schema version {found}; this program knows {}", MIGRATIONS.len())]
    Version {
        /// Where.
        address: DatabaseAddress,
        /// Its version.
        found: i32,
    },
    /// The database cannot be reached or used.
    #[error("record: {0} cannot be used: {1}")]
    Unusable(DatabaseAddress, String),
}

/// Why an attempt failed.
#[derive(Debug)]
enum StoreError {
    /// Tried again, it may go well.
    Passing(String),
    /// It will not.
    Final(RecordError),
}

impl From<RecordError> for StoreError {
    fn from(error: RecordError) -> Self {
        Self::Final(error)
    }
}

impl From<PoolError> for StoreError {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Backend(error) => error.into(),
            error => Self::Passing(error.to_string()),
        }
    }
}

impl From<tokio_postgres::Error> for StoreError {
    fn from(error: tokio_postgres::Error) -> Self {
        let Some(db) = error.as_db_error() else {
            return Self::Passing(describe(&error));
        };
        let message = format!("{} ({})", db.message(), db.code().code());
        match db.code() {
            // A rule of the database, by constraint or by trigger.
            code if code.code().starts_with("23") || *code == SqlState::RAISE_EXCEPTION => {
                Self::Final(RecordError::Constraint(message))
            }
            &SqlState::DATA_CORRUPTED | &SqlState::INDEX_CORRUPTED => {
                Self::Final(RecordError::Damaged(message))
            }
            // Permissions, missing tables, wrong passwords: waiting does not help.
            code if code.code().starts_with("42") || code.code().starts_with("28") => {
                Self::Final(RecordError::Unavailable(message))
            }
            _ => Self::Passing(message),
        }
    }
}

/// What is at the bottom of an error; the outer message only names the step.
fn describe(error: &tokio_postgres::Error) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// A record in a PostgreSQL database.
pub struct PostgresRecord {
    pool: Pool,
    seen: Arc<Seen>,
}

impl PostgresRecord {
    /// Makes an empty record.
    ///
    /// # Errors
    /// [`OpenError::Exists`] when the database holds one already.
    pub async fn init(address: &DatabaseAddress) -> Result<(), OpenError> {
        match migrate(address, true).await? {
            0 => Ok(()),
            _ => Err(OpenError::Exists(address.clone())),
        }
    }

    /// Opens a record that exists, and brings its schema up to this program's version.
    ///
    /// # Errors
    /// [`OpenError`] when there is none, or it is not one that this program can use.
    pub async fn open(address: &DatabaseAddress) -> Result<Self, OpenError> {
        migrate(address, false).await?;
        let pool = pool(address).map_err(|e| OpenError::Unusable(address.clone(), e))?;
        Ok(Self {
            pool,
            seen: Arc::new(Seen::nothing()),
        })
    }

    /// Does a job on a connection, and again on another one when that may help. The job may be done twice: every
    /// one here can be.
    async fn run<T>(
        &self,
        job: impl for<'a> Fn(
            &'a mut Object,
        )
            -> Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>,
    ) -> Result<T, RecordError> {
        let (start, mut pause) = (Instant::now(), FIRST_PAUSE);
        loop {
            let problem = match self.attempt(&job).await {
                Ok(done) => return Ok(done),
                Err(StoreError::Final(error)) => return Err(error),
                Err(StoreError::Passing(problem)) => problem,
            };
            tracing::warn!(problem, "the database did not do it; it is asked again");
            if start.elapsed() + pause > PATIENCE {
                return Err(RecordError::Unavailable(problem));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn attempt<T>(
        &self,
        job: &impl for<'a> Fn(
            &'a mut Object,
        )
            -> Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>,
    ) -> Result<T, StoreError> {
        let mut client = self.pool.get().await?;
        match tokio::time::timeout(ATTEMPT, job(&mut client)).await {
            Ok(Err(StoreError::Passing(problem))) => {
                // Whatever state it is in, it is not used again.
                drop(Object::take(client));
                Err(StoreError::Passing(problem))
            }
            Ok(outcome) => outcome,
            Err(_) => {
                drop(Object::take(client));
                Err(StoreError::Passing("no answer in time".into()))
            }
        }
    }
}

fn pool(address: &DatabaseAddress) -> Result<Pool, String> {
    let config = ManagerConfig {
        // A connection that was lost is found when it is used, and what was asked is asked again.
        recycling_method: RecyclingMethod::Fast,
    };
    let manager = match &address.tls {
        None => Manager::from_config(address.config.clone(), NoTls, config),
        Some(roots) => Manager::from_config(address.config.clone(), tls::connector(roots)?, config),
    };
    Pool::builder(manager)
        .max_size(CONNECTIONS)
        .timeouts(Timeouts {
            wait: Some(WAIT),
            create: Some(ATTEMPT),
            recycle: Some(WAIT),
        })
        .runtime(Runtime::Tokio1)
        .build()
        .map_err(|error| error.to_string())
}

/// Brings the schema up to date, one program at a time, and gives the version that was found. A record that does not
/// exist is made only by who may `create` it.
async fn migrate(address: &DatabaseAddress, create: bool) -> Result<i32, OpenError> {
    let unusable = |problem: String| OpenError::Unusable(address.clone(), problem);
    let failed = |error: tokio_postgres::Error| match StoreError::from(error) {
        StoreError::Passing(problem) => unusable(problem),
        StoreError::Final(error) => unusable(error.to_string()),
    };
    let pool = pool(address).map_err(unusable)?;
    let mut client = match pool.get().await {
        Ok(client) => client,
        Err(PoolError::Backend(error)) => return Err(failed(error)),
        Err(error) => return Err(unusable(error.to_string())),
    };
    let transaction = client.transaction().await.map_err(failed)?;
    transaction
        .execute("SELECT pg_advisory_xact_lock($1)", &[&MIGRATION_LOCK])
        .await
        .map_err(failed)?;
    let exists = "SELECT to_regclass('checkpoint_signer.record_version') IS NOT NULL";
    let exists = transaction.query_one(exists, &[]).await.map_err(failed)?;
    let found: i32 = match exists.try_get(0).map_err(failed)? {
        true => {
            let version = "SELECT version FROM checkpoint_signer.record_version";
            let row = transaction.query_one(version, &[]).await.map_err(failed)?;
            row.try_get(0).map_err(failed)?
        }
        false if create => 0,
        false => return Err(OpenError::Missing(address.clone())),
    };
    let known = usize::try_from(found).unwrap_or(usize::MAX);
    let Some(steps) = MIGRATIONS.get(known..) else {
        let address = address.clone();
        return Err(OpenError::Version { address, found });
    };
    for step in steps {
        transaction.batch_execute(step).await.map_err(failed)?;
    }
    if !steps.is_empty() {
        let version = "UPDATE checkpoint_signer.record_version SET version = $1";
        let now = i32::try_from(MIGRATIONS.len()).unwrap_or(i32::MAX);
        transaction
            .execute(version, &[&now])
            .await
            .map_err(failed)?;
    }
    transaction.commit().await.map_err(failed)?;
    Ok(found)
}

#[async_trait]
impl Record for PostgresRecord {
    async fn standing(
        &self,
        ledger_id: &LedgerId,
        checkpoint_id: &CheckpointId,
        entry_count: u64,
    ) -> Result<Standing, RecordError> {
        let wanted = rows::Wanted {
            ledger_id: ledger_id.clone(),
            checkpoint_id: checkpoint_id.clone(),
            entry_count,
        };
        self.run(|client| {
            let wanted = wanted.clone();
            Box::pin(async move { rows::standing(client, &wanted).await })
        })
        .await
    }

    async fn append(&self, candidates: Vec<SignedCheckpoint>) -> Vec<Result<Receipt, AppendError>> {
        match self.append_together(&candidates).await {
            Ok(answers) => return answers,
            // A row that only the database refuses ends the whole transaction: its neighbours go on alone.
            Err(RecordError::Constraint(_)) if candidates.len() > 1 => {}
            Err(error) => {
                let fail = |_| Err(AppendError::Store(error.clone()));
                return candidates.iter().map(fail).collect();
            }
        }
        let mut answers = Vec::with_capacity(candidates.len());
        for candidate in &candidates {
            let alone = self.append_together(std::slice::from_ref(candidate)).await;
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
        self.run(|client| {
            let (ledger_id, checkpoint_id) = (ledger_id.clone(), checkpoint_id.clone());
            Box::pin(async move { rows::by_id(client, &ledger_id, &checkpoint_id).await })
        })
        .await
    }

    async fn list(
        &self,
        filter: &Filter,
        after: u64,
        limit: u32,
    ) -> Result<Vec<Receipt>, RecordError> {
        self.run(|client| {
            let filter = filter.clone();
            Box::pin(async move { rows::list(client, &filter, after, limit).await })
        })
        .await
    }

    async fn head(&self) -> Result<Frontier, RecordError> {
        self.run(|client| {
            let seen = Arc::clone(&self.seen);
            Box::pin(async move { rows::head(client, &seen).await })
        })
        .await
    }

    fn wholeness(&self) -> watch::Receiver<Option<WentBack>> {
        self.seen.wholeness()
    }

    async fn tree_nodes(&self, first: NodeId, limit: u32) -> Result<Vec<Node>, RecordError> {
        self.run(|client| Box::pin(async move { nodes::read(client, first, limit).await }))
            .await
    }

    async fn check_store(&self, depth: Depth) -> Result<Vec<String>, RecordError> {
        let head = self.run(|client| Box::pin(check::record_head(client)));
        let mut problems = Vec::from_iter(head.await?);
        if depth == Depth::Whole {
            let schema = self.run(|client| Box::pin(schema::compare(client)));
            problems.extend(schema.await?);
        }
        let mut after = (depth == Depth::Whole).then(String::new);
        while let Some(last) = after.take() {
            let page = self.run(|client| {
                let last = last.clone();
                Box::pin(async move { check::ledger_heads(client, &last, LEDGERS_AT_ONCE).await })
            });
            let page = page.await?;
            after = page.last().map(|(ledger_id, _)| ledger_id.clone());
            let wrong = page.into_iter().filter(|(_, right)| !right);
            problems.extend(wrong.map(|(ledger_id, _)| {
                format!("ledger {ledger_id}: its ledger_head is not its newest row")
            }));
        }
        Ok(problems)
    }

    async fn newest(&self, limit: u32) -> Result<Vec<Receipt>, RecordError> {
        self.run(|client| Box::pin(rows::newest(client, limit)))
            .await
    }

    async fn keyring(&self) -> Result<Keyring, RecordError> {
        self.run(|client| Box::pin(async move { keys::keyring(&*client).await }))
            .await
    }

    async fn register_key(
        &self,
        version: &KeyVersion,
        endorsement: Option<&Endorsement>,
        now: DateTime<Utc>,
    ) -> Result<(), RegisterError> {
        self.run(|client| {
            let (version, endorsement) = (version.clone(), endorsement.cloned());
            Box::pin(async move {
                keys::register_key(client, &version, endorsement.as_ref(), now).await
            })
        })
        .await?
    }

    async fn revoke_key(
        &self,
        key_id: &KeyId,
        revocation: Revocation,
    ) -> Result<bool, RecordError> {
        self.run(|client| {
            let (key_id, revocation) = (key_id.clone(), revocation.clone());
            Box::pin(async move { keys::revoke_key(client, &key_id, &revocation).await })
        })
        .await
    }
}

impl PostgresRecord {
    async fn append_together(
        &self,
        candidates: &[SignedCheckpoint],
    ) -> Result<Vec<Result<Receipt, AppendError>>, RecordError> {
        let candidates: Arc<[SignedCheckpoint]> = candidates.into();
        self.run(|client| {
            let (candidates, seen) = (Arc::clone(&candidates), Arc::clone(&self.seen));
            Box::pin(async move { rows::append(client, &candidates, &seen).await })
        })
        .await
    }
}
