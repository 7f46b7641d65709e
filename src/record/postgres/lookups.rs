//! Looks places up for many callers in one transaction: those who ask while one is under way are answered together by the next.
//! What a look-up costs is mostly its transaction, and the more there are, the fewer transactions it takes for each.
//!
//! What goes beyond the newest row of its ledger, as nearly everything does, is told by a glance alone. What it says is not checked,
//! and nothing is said of it to anybody: the record judges when it appends.

use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{Object, Transaction};
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::connections::Connections;
use super::knowledge::Rests;
use super::session::{begin_unchecked, set};
use super::view::View;
use super::{StoreError, rows};
use crate::record::row::timestamp;
use crate::record::{LookUp, Newest, RecordError};
use checkpoint::checkpoint::Checkpoint;

/// Most places in one transaction: the rows of retries come with all of their content.
const MOST: usize = 64;

/// Most bytes of payloads that are asked for in one statement, but for its last: a connection keeps as much for its next answer.
const MOST_BYTES: usize = 2 * 1024 * 1024;

/// How long the next ones gather while a transaction is under way. One that takes longer stands before nobody.
const GATHERED_FOR: Duration = Duration::from_millis(5);

/// Most transactions at once: some connections are left for those who append.
const AT_ONCE: usize = 6;

type Answer = Result<(LookUp, Option<Rests>), RecordError>;

struct Asked {
    wanted: Checkpoint,
    answer: oneshot::Sender<Answer>,
}

/// The queue. Who waits in it is a call that the service has taken in, and those are bounded.
#[derive(Clone)]
pub(super) struct Lookups(mpsc::UnboundedSender<Asked>);

impl Lookups {
    /// Starts the task that empties it, which ends when the last copy is dropped.
    pub(super) fn start(connections: Arc<Connections>, view: View) -> Self {
        let (sender, queue) = mpsc::unbounded_channel();
        tokio::spawn(run(queue, connections, view));
        Self(sender)
    }

    /// What has to be known of the place that a checkpoint asks for, and what that rests on.
    pub(super) async fn ask(&self, wanted: Checkpoint) -> Answer {
        let ending = || RecordError::Unavailable("the service is ending".into());
        let (answer, answered) = oneshot::channel();
        self.0
            .send(Asked { wanted, answer })
            .map_err(|_| ending())?;
        answered.await.map_err(|_| ending())?
    }
}

async fn run(mut queue: mpsc::UnboundedReceiver<Asked>, connections: Arc<Connections>, view: View) {
    let at_once = Arc::new(Semaphore::new(AT_ONCE));
    let mut asked = Vec::new();
    while queue.recv_many(&mut asked, MOST).await > 0 {
        // It is never closed.
        let Ok(turn) = Arc::clone(&at_once).acquire_owned().await else {
            return;
        };
        // Those who came while it waited for that.
        while asked.len() < MOST
            && let Ok(one) = queue.try_recv()
        {
            asked.push(one);
        }
        let (asked, connections, view) = (
            std::mem::take(&mut asked),
            Arc::clone(&connections),
            view.clone(),
        );
        let under_way = tokio::spawn(async move {
            answer(asked, &connections, &view).await;
            drop(turn);
        });
        let _ = tokio::time::timeout(GATHERED_FOR, under_way).await;
    }
}

/// Answers all who still wait.
async fn answer(mut asked: Vec<Asked>, connections: &Connections, view: &View) {
    asked.retain(|one| !one.answer.is_closed());
    if asked.is_empty() {
        return;
    }
    let wanted: Arc<[Checkpoint]> = asked.iter().map(|one| one.wanted.clone()).collect();
    let read = connections.run(|client| {
        let (wanted, view) = (Arc::clone(&wanted), view.clone());
        Box::pin(async move { look_up(client, &wanted, &view).await })
    });
    let mut answers = match read.await {
        Ok(answers) => answers.into_iter(),
        Err(error) => vec![Err(error); asked.len()].into_iter(),
    };
    for one in asked {
        let missing = || Err(RecordError::Unavailable("no answer".into()));
        let _ = one.answer.send(answers.next().unwrap_or_else(missing));
    }
}

async fn look_up(
    client: &mut Object,
    wanted: &[Checkpoint],
    view: &View,
) -> Result<Vec<Answer>, StoreError> {
    let mark = view.mark();
    let transaction = begin_unchecked(client).await?;
    let (_, beyond) = tokio::try_join!(
        biased;
        set(&transaction),
        glance(&transaction, wanted),
    )?;
    let judged = wanted.iter().zip(&beyond);
    let others = judged.filter(|(_, beyond)| !**beyond);
    let others: Vec<Checkpoint> = others.map(|(wanted, _)| wanted.clone()).collect();
    let mut states = Vec::with_capacity(others.len());
    let mut rest = &others[..];
    while let Some((some, further)) = some_of(rest) {
        states.extend(rows::ledger_states(&transaction, &mark, some, view).await?);
        rest = further;
    }
    let mut states = states.into_iter();
    let missing = || RecordError::Unavailable("no answer".into());
    let answers = beyond.into_iter().map(|beyond| match beyond {
        true => Ok((LookUp::Beyond, None)),
        false => {
            let (state, rests) = states.next().ok_or_else(missing)??;
            Ok((LookUp::State(Box::new(state)), Some(rests)))
        }
    });
    Ok(answers.collect())
}

/// So many of them as are asked for at once, and the rest; none when there are no further ones.
fn some_of(wanted: &[Checkpoint]) -> Option<(&[Checkpoint], &[Checkpoint])> {
    let mut bytes = 0;
    let fits = wanted.iter().take_while(|wanted| {
        let fits = bytes <= MOST_BYTES;
        bytes += wanted.payload().as_bytes().len();
        fits
    });
    let count = fits.count();
    (count > 0).then(|| wanted.split_at(count))
}

/// Whether each goes beyond the newest row of its ledger.
async fn glance(
    transaction: &Transaction<'_>,
    wanted: &[Checkpoint],
) -> Result<Vec<bool>, StoreError> {
    let sql = "SELECT newest.entry_count, newest.timestamp FROM unnest($1::text[]) WITH ORDINALITY AS wanted (ledger_id, place) \
               LEFT JOIN LATERAL (SELECT entry_count, timestamp FROM checkpoint_signer.signed_checkpoint \
                 WHERE ledger_id = wanted.ledger_id ORDER BY entry_count DESC, position DESC LIMIT 1) newest ON true \
               ORDER BY wanted.place";
    let statement = transaction.prepare_cached(sql).await?;
    let ledgers = wanted.iter().map(|one| one.fields().ledger_id.as_str());
    let ledgers: Vec<&str> = ledgers.collect();
    let rows = transaction.query(&statement, &[&ledgers]).await?;
    let rows = rows.iter().zip(wanted);
    let beyond = rows.map(|(row, wanted)| {
        let entry_count: Option<i64> = row.try_get(0)?;
        let newest: Option<i64> = row.try_get(1)?;
        Ok(match (entry_count, newest) {
            (Some(entry_count), Some(newest)) => {
                let timestamp = timestamp(newest)?;
                let entry_count = entry_count.unsigned_abs();
                Newest {
                    entry_count,
                    timestamp,
                }
                .precedes(wanted)
            }
            // The first of its ledger.
            _ => true,
        })
    });
    beyond.collect()
}
