//! Whether what is written becomes as durable as the database was told to make it.

use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::Object;

use super::knowledge::{Durable, Rests};
use super::session::begin_reading;
use super::{PostgresRecord, StoreError, guards, rows, view};
use crate::record::RecordError;

/// Whether a synchronous standby is to confirm, and a commit waits for it now or none is connected. Sessions of the own role can
/// be seen by any role; of a standby, one without `pg_read_all_stats` sees only that it is there.
const DOUBT: &str = "\
    SELECT current_setting('synchronous_standby_names') <> '' AND ( \
      EXISTS (SELECT 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep') \
      OR NOT EXISTS (SELECT 1 FROM pg_stat_replication WHERE sync_state IS NULL OR sync_state IN ('sync', 'quorum')))";

/// How long an answer waits until what it rests on is durable: callers give up after ten seconds or so.
pub(super) const DURABLE_WITHIN: Duration = Duration::from_secs(5);

/// How long to look for the cause of a failure: its caller waits.
const CAUSE_WITHIN: Duration = Duration::from_secs(1);

async fn doubt(client: &mut Object) -> Result<bool, StoreError> {
    let transaction = begin_reading(client).await?;
    let statement = transaction.prepare_cached(DOUBT).await?;
    Ok(transaction.query_one(&statement, &[]).await?.try_get(0)?)
}

/// Why something is not given out, or not answered, yet.
pub(super) fn not_durable(what: &str) -> RecordError {
    RecordError::Unavailable(lag(what))
}

fn lag(what: &str) -> String {
    format!(
        "what was {what} is not yet as durable as the database was told to make it: its synchronous standby does not confirm; \
         retry later"
    )
}

impl PostgresRecord {
    /// Waits until all that an answer rests on is durable. One transaction waits for all who read before it began.
    pub(super) async fn confirm(&self, rests: Rests) -> Result<(), RecordError> {
        if !self.view.serves {
            return Ok(());
        }
        self.await_waits(&rests, "read", |durable, has_ended| match &durable.failed {
            _ if durable.covers(&rests) => Some(Ok(())),
            Some(error) if has_ended => Some(Err(error.clone())),
            _ => None,
        })
        .await
    }

    /// Waits for the standby until it is decided by what is known to be durable, and by whether a wait has ended since this one began.
    async fn await_waits(
        &self,
        rests: &Rests,
        what: &str,
        decided: impl Fn(&Durable, bool) -> Option<Result<(), RecordError>>,
    ) -> Result<(), RecordError> {
        let mut durable = self.view.knowledge.durable();
        let ended = durable.borrow_and_update().ended;
        let waiting = async {
            loop {
                let decision = {
                    let known = durable.borrow_and_update();
                    decided(&known, known.ended != ended)
                };
                if let Some(decision) = decision {
                    return decision;
                }
                self.begin_to_wait(rests);
                if durable.changed().await.is_err() {
                    return Err(RecordError::Unavailable("the service is ending".into()));
                }
            }
        };
        tokio::time::timeout(DURABLE_WITHIN, waiting)
            .await
            .unwrap_or_else(|_| Err(not_durable(what)))
    }

    /// Begins to wait for the standby, unless somebody does.
    fn begin_to_wait(&self, rests: &Rests) {
        self.view.knowledge.begin_to_wait(rests, || {
            let (waiting, view) = (Arc::clone(&self.waiting), self.view.clone());
            let task = tokio::spawn(async move {
                let asked = view.clone();
                let wait = waiting
                    .once(|client| Box::pin(async move { view::wait(client, &asked).await }));
                view.knowledge.end_to_wait(wait.await);
            });
            task.abort_handle()
        });
    }

    /// What was read, once it is durable.
    pub(super) async fn confirmed<T>(&self, (read, rests): (T, Rests)) -> Result<T, RecordError> {
        self.confirm(rests).await?;
        Ok(read)
    }

    async fn is_in_doubt(&self) -> Result<bool, RecordError> {
        self.signing.run(|client| Box::pin(doubt(client))).await
    }

    /// Writes, and waits until that is durable.
    pub(super) async fn try_to_write(&self, failing: bool) -> Result<(), RecordError> {
        let guards = self.signing.run(|client| Box::pin(guards::ask(client)));
        if let Ok(Some(error)) = guards.await {
            return Err(error);
        }
        // That it cannot be read is told by who reads.
        if !failing && !self.is_in_doubt().await.unwrap_or_default() {
            return Ok(());
        }
        let head = self.signing.run(|client| {
            let view = self.view.clone();
            Box::pin(async move { rows::head(client, &view).await })
        });
        let (_, rests) = head.await?;
        self.await_waits(&rests, "recorded", |durable, has_ended| {
            has_ended.then(|| durable.failed.clone().map_or(Ok(()), Err))
        })
        .await
    }

    /// The cause of a failed append, when that is a standby: the database itself only says that it waited.
    pub(super) async fn explained(&self, error: RecordError) -> RecordError {
        let RecordError::Unavailable(problem) = error else {
            return error;
        };
        let doubt = tokio::time::timeout(CAUSE_WITHIN, self.is_in_doubt()).await;
        match doubt {
            Ok(Ok(true)) => RecordError::Unavailable(format!("{} ({problem})", lag("recorded"))),
            _ => RecordError::Unavailable(problem),
        }
    }
}
