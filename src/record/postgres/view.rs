//! The record as a service sees it, which gives nothing out that it may have to take back, and as it is, for comparing.

use std::sync::Arc;

use deadpool_postgres::{GenericClient, Object, Transaction};

use super::StoreError;
use super::head::{LOCKED_HEAD, read_head};
use super::knowledge::{Knowledge, Rests};
use super::look::{Look, accept, acceptance_of, look};
use super::session::{begin, begin_to_wait};
use crate::record::RecordError;
use crate::record::high_water_mark::{Mark, WentBack};
use crate::record::home::{Acceptance, Moved};
use checkpoint::log::tree::Frontier;

/// What the statements are judged by.
#[derive(Clone)]
pub(super) struct View {
    pub(super) knowledge: Arc<Knowledge>,
    /// Whether what is read is given out.
    pub(super) serves: bool,
}

impl View {
    pub(super) fn mark(&self) -> Arc<Mark> {
        self.knowledge.seen.mark()
    }

    /// Looks at the record.
    pub(super) async fn look(
        &self,
        client: &impl GenericClient,
        mark: &Mark,
    ) -> Result<Look, StoreError> {
        let found = look(client, mark).await?;
        match self.serves && found.here.timeline == 0 {
            true => Err(StoreError::Passing(
                "the database is a standby, which takes nothing".into(),
            )),
            false => Ok(found),
        }
    }

    /// Whether anything may be appended to what was found, or said of all of it.
    pub(super) fn judge(&self, mark: &Mark, found: &Look) -> Result<(), RecordError> {
        let judged = match self.serves {
            true => self.knowledge.judge(mark, found),
            false => self
                .check_environment(found)
                .and_then(|()| mark.compare(&found.tree, found.marked.as_deref())),
        };
        judged.map_err(RecordError::from)
    }

    /// Whether it belongs to the environment in whose name it was opened.
    pub(super) fn check_environment(&self, found: &Look) -> Result<(), WentBack> {
        self.knowledge.seen.check_environment(found.bound)
    }

    /// Notes that a commit was confirmed after this was found, with which the record has all rows of `tree`.
    pub(super) fn confirm(
        &self,
        found: &Look,
        tree: &Frontier,
        newest: Option<&str>,
    ) -> Result<(), RecordError> {
        Ok(self.knowledge.confirm(found, tree, newest)?)
    }

    /// Whether rows up to `last` may be given out, or, without one, that there is none. Gives what that rests on.
    pub(super) async fn guard(
        &self,
        transaction: &Transaction<'_>,
        mark: &Mark,
        found: &Look,
        last: Option<u64>,
    ) -> Result<Rests, StoreError> {
        if self.serves {
            let guarded = self.knowledge.guard(transaction, mark, found, last);
            guarded.await?;
        }
        Ok(Rests::on_rows(found, last.unwrap_or(0)))
    }

    /// Whether rows up to `last` may be given out as a list, which says of what is not in it that it is not there.
    pub(super) fn guard_all(
        &self,
        mark: &Mark,
        found: &Look,
        last: Option<u64>,
    ) -> Result<Rests, RecordError> {
        if self.serves {
            self.judge(mark, found)?;
        }
        Ok(Rests::on_rows(found, last.unwrap_or(0)))
    }
}

/// Something that is written, so that the commit waits until all before it is as durable as it.
pub(super) async fn emit(client: &impl GenericClient) -> Result<(), StoreError> {
    let sql = "SELECT pg_logical_emit_message(true, 'checkpoint-signer', '')";
    let statement = client.prepare_cached(sql).await?;
    client.execute(&statement, &[]).await?;
    Ok(())
}

/// Waits until everything that anybody has read so far is as durable as the database was told to make it.
pub(super) async fn wait(client: &mut Object, view: &View) -> Result<(), StoreError> {
    commit_and_wait(begin(client).await?, view).await
}

async fn commit_and_wait(transaction: Transaction<'_>, view: &View) -> Result<(), StoreError> {
    let mark = view.mark();
    let found = view.look(&transaction, &mark).await?;
    let judged = view.judge(&mark, &found);
    emit(&transaction).await?;
    transaction.commit().await?;
    match judged {
        Ok(()) => view.confirm(&found, &found.tree, found.newest.as_deref())?,
        // What is written there now says nothing of what was read where the record is.
        Err(error @ RecordError::WentBack(WentBack::FormerHome(_))) => return Err(error.into()),
        Err(_) => view.knowledge.confirm_same(&mark, &found),
    }
    Ok(())
}

/// The same, but for a standby, which has what it has.
pub(super) async fn wait_unless_standby(
    client: &mut Object,
    view: &View,
) -> Result<(), StoreError> {
    let found = view.look(&*client, &view.mark()).await?;
    match found.here.timeline {
        0 => Ok(()),
        _ => commit_and_wait(begin_to_wait(client).await?, view).await,
    }
}

/// Lets this process sign where the record is, if it still is where it was compared.
pub(super) async fn settle(
    client: &mut Object,
    view: &View,
    moved: &Moved,
    acceptance: Option<&Acceptance>,
) -> Result<Acceptance, StoreError> {
    let mark = view.mark();
    let transaction = begin(client).await?;
    // One at a time, and nothing is appended meanwhile.
    read_head(&transaction, LOCKED_HEAD).await?;
    let found = view.look(&transaction, &mark).await?;
    view.check_environment(&found)
        .and_then(|()| mark.compare(&found.tree, found.marked.as_deref()))
        .map_err(RecordError::from)?;
    let unchanged = (&found.accepted, &found.here) == (&moved.accepted, &moved.here);
    if !unchanged || (acceptance.is_some() && found.server != moved.server) {
        let problem = "the database has changed again since it was compared";
        return Err(RecordError::Unavailable(problem.into()).into());
    }
    let accepted = match (acceptance, found.accepted.clone()) {
        (Some(acceptance), _) => accept(&transaction, &found, acceptance).await?,
        (None, Some(accepted)) if accepted.home == found.here => {
            emit(&transaction).await?;
            accepted
        }
        (None, _) => {
            let problem = "the record does not say that signing goes on where it is";
            return Err(RecordError::Unavailable(problem.into()).into());
        }
    };
    let on_record = acceptance_of(&transaction, &accepted).await?;
    transaction.commit().await?;
    view.knowledge.settle(accepted);
    view.confirm(&found, &found.tree, found.newest.as_deref())?;
    Ok(on_record)
}

/// Lets this process sign where the record says that it lives. What is damaged is told by who checks the record.
pub(super) async fn begin_at_home(client: &mut Object, view: &View) -> Result<(), StoreError> {
    let found = match look(&*client, &view.mark()).await {
        Err(StoreError::Final(RecordError::Damaged(_))) => return Ok(()),
        found => found?,
    };
    let at_home = found
        .accepted
        .filter(|accepted| accepted.home == found.here);
    if let Some(accepted) = at_home {
        view.knowledge.settle(accepted);
    }
    Ok(())
}
