//! Looks places up for many callers in one transaction: those who ask while one is under way are answered together by the next.
//! What a look-up costs is mostly its transaction, and the more there are, the fewer transactions it takes for each.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, oneshot};

use super::connections::Connections;
use super::knowledge::Rests;
use super::rows;
use super::view::View;
use crate::record::RecordError;
use checkpoint::checkpoint::Checkpoint;
use checkpoint::history::rules::LedgerState;

/// Most places in one transaction: the rows of retries come with all of their content.
const MOST: usize = 64;

/// How long the next ones gather while a transaction is under way. One that takes longer stands before nobody.
const GATHERED_FOR: Duration = Duration::from_millis(5);

/// Most transactions at once: some connections are left for those who append.
const AT_ONCE: usize = 6;

type Answer = Result<(LedgerState, Rests), RecordError>;

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

    /// What the record holds for the place that a checkpoint asks for, and what that rests on.
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
        Box::pin(async move { rows::ledger_states(client, &wanted, &view).await })
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
