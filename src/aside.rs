//! What anybody may ask for is worked on aside: on threads of its own, which give way to those that sign, and what is large of
//! it a few at once, with a bounded queue before it.
//!
//! So whoever asks for verdicts and pages without end has what the machine has left, and a signature waits for none of it.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::counts::{Counts, Slot};

/// What is read of the record for one answer, at once: as many as there are connections to a SQLite record for it.
const READ_AT_ONCE: usize = 2;

/// Steps of nice(2) by which the threads give way: a third of the time of one that signs, when there is not enough for both, so that
/// they always go on.
pub(crate) const NICER: i32 = 5;

/// Threads beside one for each core that may wait at once for what is large, or for files.
const SPARE: usize = 8;

/// How many may wait for that. Who waits holds a small request and nothing else.
const WAITING: usize = 256;

/// How many of one client, which is one connection.
const WAITING_PER_CLIENT: usize = 8;

/// How long one may wait: callers give up after ten seconds or so.
const PATIENCE: Duration = Duration::from_secs(8);

/// The threads. They end when it is dropped.
pub(crate) struct Aside(Option<Runtime>);

impl Aside {
    /// Starts them: as many as there are cores, and some that take their place while they wait for what is large.
    pub(crate) fn start() -> std::io::Result<Self> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let runtime = Builder::new_multi_thread()
            .worker_threads(cores)
            .max_blocking_threads(2 * cores + SPARE)
            .thread_name("aside")
            .on_thread_start(|| give_way(NICER))
            .enable_all()
            .build()?;
        Ok(Self(Some(runtime)))
    }

    /// Where tasks are given to them.
    pub(crate) fn threads(&self) -> Handle {
        match &self.0 {
            Some(runtime) => runtime.handle().clone(),
            // It is there until it is dropped.
            None => Handle::current(),
        }
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// Lets the thread that calls it run when those of fewer steps leave it the time. On other systems than Linux this would
/// change the whole process.
pub(crate) fn give_way(nicer: i32) {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, nicer) {
        tracing::debug!(%error, "a thread keeps its priority");
    }
}

/// Turns to read what may be large: few at once, and a bounded queue for them.
#[derive(Clone)]
pub(crate) struct Turns {
    at_once: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    by_client: Arc<Counts>,
}

impl Default for Turns {
    fn default() -> Self {
        Self {
            at_once: Arc::new(Semaphore::new(READ_AT_ONCE)),
            waiting: Arc::new(Semaphore::new(WAITING)),
            by_client: Counts::up_to(WAITING_PER_CLIENT),
        }
    }
}

/// A turn, until its last copy is dropped. An answer carries it while it is made.
#[derive(Clone)]
pub(crate) struct Turn {
    _turn: Arc<OwnedSemaphorePermit>,
}

impl From<OwnedSemaphorePermit> for Turn {
    fn from(turn: OwnedSemaphorePermit) -> Self {
        let _turn = Arc::new(turn);
        Self { _turn }
    }
}

/// A place in the queue.
struct Waits {
    _all: OwnedSemaphorePermit,
    _of_client: Option<Slot>,
}

impl Turns {
    /// Waits for a turn; a client is named when it can ask for several at once. None when too many wait already, or it takes too long.
    pub(crate) async fn take(&self, client: Option<&Arc<str>>) -> Option<Turn> {
        let at_once = Arc::clone(&self.at_once);
        if let Ok(turn) = Arc::clone(&at_once).try_acquire_owned() {
            return Some(turn.into());
        }
        let _waits = Waits {
            _of_client: match client {
                Some(client) => Some(self.by_client.take(client)?),
                None => None,
            },
            _all: Arc::clone(&self.waiting).try_acquire_owned().ok()?,
        };
        let turn = tokio::time::timeout(PATIENCE, at_once.acquire_owned()).await;
        Some(turn.ok()?.ok()?.into())
    }
}

#[cfg(test)]
mod tests {
    use futures_util::poll;

    use super::*;

    fn client(n: usize) -> Arc<str> {
        Arc::from(n.to_string())
    }

    #[tokio::test]
    async fn a_turn_is_waited_for_in_a_bounded_queue_in_which_no_client_has_all_places() {
        let turns = Turns::default();
        let mut held = Vec::new();
        for _ in 0..READ_AT_ONCE {
            held.push(turns.take(Some(&client(0))).await.unwrap());
        }
        let greedy = client(0);
        let mut waiting = Vec::new();
        for _ in 0..WAITING_PER_CLIENT {
            let mut one = Box::pin(turns.take(Some(&greedy)));
            assert!(poll!(&mut one).is_pending());
            waiting.push(one);
        }
        assert!(
            turns.take(Some(&greedy)).await.is_none(),
            "its places are taken"
        );
        let other = client(1);
        let mut another = Box::pin(turns.take(Some(&other)));
        assert!(poll!(&mut another).is_pending(), "others have theirs");
        drop(waiting);
        held.pop();
        assert!(another.await.is_some());
    }

    #[tokio::test]
    async fn the_queue_of_all_clients_is_bounded() {
        let turns = Turns::default();
        let first = client(0);
        let mut held = Vec::new();
        for _ in 0..READ_AT_ONCE {
            held.push(turns.take(Some(&first)).await.unwrap());
        }
        let clients: Vec<_> = (0..WAITING).map(client).collect();
        let mut waiting = Vec::new();
        for client in &clients {
            let mut one = Box::pin(turns.take(Some(client)));
            assert!(poll!(&mut one).is_pending());
            waiting.push(one);
        }
        assert!(turns.take(Some(&client(WAITING))).await.is_none());
    }
}
