//! Connections to the database: what is asked on one that fails is asked again on another.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{
    ClientWrapper as Client, Hook, HookError, Manager, ManagerConfig, Object, Pool, PoolError,
    RecyclingMethod, Runtime, Timeouts,
};
use scopeguard::ScopeGuard;
use tokio::time::Instant;
use tokio_postgres::NoTls;
use tokio_postgres::error::SqlState;

use super::heard::Heard;
use super::wire::Wire;
use super::{DatabaseAddress, StoreError, session, tls};
use crate::record::{RecordError, WentBack};

/// What connections are for: those of one purpose are never waited for by the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// What it takes to sign, which is little for each statement.
    Signing,
    /// What anybody may ask for.
    Reading,
    /// Waiting until what was read is durable, which takes as long as a standby is away.
    Waiting,
}

impl Purpose {
    /// Connections of a replica.
    fn connections(self) -> usize {
        match self {
            // One appends.
            Self::Signing => 8,
            Self::Reading | Self::Waiting => 4,
        }
    }
}

/// How long to wait for one of them.
const WAIT: Duration = Duration::from_secs(3);

/// How long one attempt may take. The server ends what is slower ([`BY_ITSELF`], session.rs), unless it cannot be heard.
const ATTEMPT: Duration = Duration::from_secs(6);

/// What the server does by itself, in milliseconds: a statement, a wait for a lock, and a transaction whose client
/// is silent (a frozen replica) are ended, so that the other replicas go on. For what is read outside of a transaction: nothing
/// that is promised rests on it, since a pooler may give the session to another one (session.rs). Asked for after the connection
/// is made: poolers refuse options at its start, or drop them.
const BY_ITSELF: &str = "SET statement_timeout = 4000; SET lock_timeout = 3000; \
    SET idle_in_transaction_session_timeout = 3000";
const LIMIT_ATTEMPTS: u32 = 5;

/// How long attempts go on: callers give up after ten seconds or so.
const PATIENCE: Duration = Duration::from_secs(8);

/// The pause before the second attempt; each further one is twice as long, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// The connections of one process, for one purpose.
pub(super) struct Connections {
    pool: Pool,
    purpose: Purpose,
    heard: Arc<Heard>,
}

impl Connections {
    pub(super) fn new(address: &DatabaseAddress, purpose: Purpose) -> Result<Self, String> {
        Ok(Self {
            pool: pool(address, purpose)?,
            purpose,
            heard: Arc::clone(&address.heard),
        })
    }

    /// Refuses a pooler between that the service cannot use.
    pub(super) async fn check(&self) -> Result<(), String> {
        let told = |error: PoolError| match StoreError::from(error) {
            StoreError::Slow(problem) | StoreError::Passing(problem) => problem,
            StoreError::Final(error) => error.to_string(),
        };
        let told = |error| self.heard.explain(told(error));
        let (first, second) = tokio::join!(self.pool.get(), self.pool.get());
        session::keeps_statements(&first.map_err(told)?, &mut second.map_err(told)?).await
    }

    /// Does a job on a connection, and again on another one when that may help. The job may be done twice: every
    /// one here can be.
    pub(super) async fn run<T>(
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
                // A page would take as long again; an append may only have waited for others.
                Err(StoreError::Slow(problem)) if self.purpose == Purpose::Reading => {
                    return Err(RecordError::Unavailable(problem));
                }
                Err(StoreError::Slow(problem) | StoreError::Passing(problem)) => problem,
            };
            match self.heard.at() {
                Some(host) => {
                    tracing::warn!(
                        problem,
                        host,
                        "the database did not do it; it is asked again"
                    );
                }
                None => tracing::warn!(problem, "the database did not do it; it is asked again"),
            }
            if start.elapsed() + pause > PATIENCE {
                return Err(RecordError::Unavailable(problem));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Does a job once, however long it takes: the server does not end a wait for a standby by itself, and each one that is
    /// given up here goes on there.
    pub(super) async fn once<T>(
        &self,
        job: impl for<'a> FnOnce(
            &'a mut Object,
        )
            -> Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>,
    ) -> Result<T, RecordError> {
        let pooled = self.pool.get().await;
        let pooled = pooled.map_err(|error| unavailable(self.unconnected(error)))?;
        let mut client = scopeguard::guard(pooled, |client| drop(Object::take(client)));
        let done = job(&mut client).await.map_err(unavailable)?;
        drop(ScopeGuard::into_inner(client));
        Ok(done)
    }

    /// Why there is no connection, by the name of each host.
    fn unconnected(&self, error: PoolError) -> StoreError {
        let explain = |problem| self.heard.explain(problem);
        match StoreError::from(error) {
            StoreError::Passing(problem) => StoreError::Passing(explain(problem)),
            StoreError::Final(RecordError::Unavailable(problem)) => {
                RecordError::Unavailable(explain(problem)).into()
            }
            error => error,
        }
    }

    async fn attempt<T>(
        &self,
        job: &impl for<'a> Fn(
            &'a mut Object,
        )
            -> Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>,
    ) -> Result<T, StoreError> {
        loop {
            // What was asked may be under way when it fails, is late, or nobody waits for it any more: then the connection is
            // closed, or the next one to use it would wait for that.
            let pooled = self.pool.get().await;
            let pooled = pooled.map_err(|error| self.unconnected(error))?;
            let mut client = scopeguard::guard(pooled, |client| {
                drop(Object::take(client));
            });
            let answered = tokio::time::timeout(ATTEMPT, job(&mut client)).await;
            let late = |_| StoreError::Passing("no answer in time".into());
            let outcome = answered.map_err(late)?;
            let is_former = matches!(
                outcome,
                Err(StoreError::Final(RecordError::WentBack(
                    WentBack::FormerHome(_)
                )))
            );
            // It had led there before another host was promoted: a new one leads to that.
            if is_former && 0 < Object::metrics(&client).recycle_count {
                continue;
            }
            if !is_former && matches!(outcome, Ok(_) | Err(StoreError::Final(_))) {
                drop(ScopeGuard::into_inner(client));
            }
            return outcome;
        }
    }
}

fn unavailable(error: StoreError) -> RecordError {
    match error {
        StoreError::Final(error) => error,
        StoreError::Passing(problem) | StoreError::Slow(problem) => {
            RecordError::Unavailable(problem)
        }
    }
}

pub(super) fn pool(address: &DatabaseAddress, purpose: Purpose) -> Result<Pool, String> {
    let config = ManagerConfig {
        // A connection that was lost is found when it is used, and what was asked is asked again.
        recycling_method: RecyclingMethod::Fast,
    };
    let manager = match &address.tls {
        None => Manager::from_connect(address.config.clone(), wire(NoTls, address), config),
        Some(roots) => {
            let tls = wire(tls::connector(roots)?, address);
            Manager::from_connect(address.config.clone(), tls, config)
        }
    };
    Pool::builder(manager)
        .max_size(purpose.connections())
        .timeouts(Timeouts {
            wait: Some(WAIT),
            create: Some(address.connects_within().max(ATTEMPT)),
            recycle: Some(WAIT),
        })
        .runtime(Runtime::Tokio1)
        .post_create(Hook::async_fn(|client, _| {
            Box::pin(async move { limit(client).await.map_err(HookError::Backend) })
        }))
        .build()
        .map_err(|error| error.to_string())
}

fn wire<T>(tls: T, address: &DatabaseAddress) -> Wire<T> {
    let address = address.clone();
    Wire { tls, address }
}

/// The role's or the database's own limit may be so short that it ends even this, now and then.
async fn limit(client: &Client) -> Result<(), tokio_postgres::Error> {
    let mut attempts = LIMIT_ATTEMPTS;
    loop {
        match client.batch_execute(BY_ITSELF).await {
            Err(error) if 1 < attempts && error.code() == Some(&SqlState::QUERY_CANCELED) => {
                attempts -= 1;
            }
            limited => return limited,
        }
    }
}
