//! Connections on which nothing is asked at the moment: when all places are taken, the one that has been silent for longest
//! gives way, so that heads that never end keep nobody out.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

/// How long a connection may be silent while others wait: an honest head is there in some milliseconds.
const MAY_BE_SILENT: Duration = Duration::from_secs(5);

/// All connections of a listener.
#[derive(Default)]
pub(super) struct Idle {
    all: Mutex<All>,
}

#[derive(Default)]
struct All {
    next: u64,
    /// Since when each is silent, and what ends it.
    silent: HashMap<u64, (Instant, CancellationToken)>,
}

impl Idle {
    /// A connection that has not said anything yet.
    pub(super) fn add(self: &Arc<Self>) -> Turn {
        let mut all = self.all();
        let id = all.next;
        all.next += 1;
        let end = CancellationToken::new();
        all.silent.insert(id, (Instant::now(), end.clone()));
        drop(all);
        let idle = Arc::clone(self);
        Turn { idle, id, end }
    }

    /// Ends the connection that has been silent for longest, if that is long enough.
    pub(super) fn end_one(&self) -> bool {
        let mut all = self.all();
        let oldest = all.silent.iter().min_by_key(|(_, (since, _))| *since);
        let Some(id) = oldest.map(|(id, _)| *id) else {
            return false;
        };
        let is_long = |(since, _): &&(Instant, _)| since.elapsed() >= MAY_BE_SILENT;
        match all.silent.get(&id).filter(is_long) {
            None => false,
            Some((_, end)) => {
                end.cancel();
                all.silent.remove(&id);
                true
            }
        }
    }

    fn all(&self) -> MutexGuard<'_, All> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One connection's place among them.
pub(super) struct Turn {
    idle: Arc<Idle>,
    id: u64,
    end: CancellationToken,
}

impl Turn {
    /// Something is asked.
    pub(super) fn asks(&self) {
        self.idle.all().silent.remove(&self.id);
    }

    /// It is answered.
    pub(super) fn is_answered(&self) {
        let silent = (Instant::now(), self.end.clone());
        self.idle.all().silent.insert(self.id, silent);
    }

    /// Waits until it has to give way.
    pub(super) async fn ends(&self) {
        self.end.cancelled().await;
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.idle.all().silent.remove(&self.id);
    }
}
