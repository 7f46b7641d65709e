//! Connections on which nothing is asked at the moment: when there is no room, one of them gives way.
//!
//! Attack: thousands of connections that say nothing, or never end what they say, to keep everybody else out. Shown by
//! `tests/access/hostile.rs` (`say_nothing`, `begin_and_stop`), `tests/web/attack.rs` (`send_heads_without_end`).

use std::cmp::Reverse;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

/// All of a listener that say nothing.
#[derive(Default)]
pub(crate) struct Idle {
    all: Mutex<All>,
}

#[derive(Default)]
struct All {
    next: u64,
    silent: HashMap<u64, Silent>,
}

/// Since when, from where, and what ends it.
struct Silent {
    since: Instant,
    address: IpAddr,
    end: CancellationToken,
}

impl Idle {
    /// A connection that has not said anything yet.
    pub(crate) fn add(self: &Arc<Self>, address: IpAddr) -> Listed {
        let mut all = self.all();
        let id = all.next;
        all.next += 1;
        drop(all);
        let listed = Listed {
            idle: Arc::clone(self),
            id,
            address,
            end: CancellationToken::new(),
            asked: AtomicUsize::new(0),
        };
        self.all().silent.insert(id, listed.silent());
        listed
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.all().silent.len()
    }

    /// Of those that have been silent for so long, ends the oldest of the address that has the most: an honest client says something within
    /// milliseconds, and is hardly ever that one.
    pub(crate) fn end_one(&self, at_least: Duration) -> bool {
        let mut all = self.all();
        let mut by_address: HashMap<IpAddr, (usize, Reverse<Instant>, u64)> = HashMap::new();
        let silent = all.silent.iter();
        for (id, one) in silent.filter(|(_, one)| one.since.elapsed() >= at_least) {
            let oldest = by_address.entry(one.address);
            let oldest = oldest.or_insert((0, Reverse(one.since), *id));
            oldest.0 += 1;
            if one.since < oldest.1.0 {
                (oldest.1, oldest.2) = (Reverse(one.since), *id);
            }
        }
        let oldest = by_address.into_values().max();
        let ended = oldest.and_then(|(_, _, id)| all.silent.remove(&id));
        ended.is_some_and(|one| {
            one.end.cancel();
            true
        })
    }

    fn all(&self) -> MutexGuard<'_, All> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One connection, in the list while it says nothing.
pub(crate) struct Listed {
    idle: Arc<Idle>,
    id: u64,
    address: IpAddr,
    end: CancellationToken,
    /// What was asked and is not answered.
    asked: AtomicUsize,
}

impl Listed {
    /// Something is asked.
    pub(crate) fn asks(&self) {
        let mut all = self.idle.all();
        self.asked.fetch_add(1, Ordering::Relaxed);
        all.silent.remove(&self.id);
    }

    /// It is answered. While others that were asked at once are not, the connection is not silent.
    pub(crate) fn is_answered(&self) {
        let mut all = self.idle.all();
        if self.asked.fetch_sub(1, Ordering::Relaxed) == 1 {
            all.silent.insert(self.id, self.silent());
        }
    }

    fn silent(&self) -> Silent {
        Silent {
            since: Instant::now(),
            address: self.address,
            end: self.end.clone(),
        }
    }

    /// Whether it has to give way.
    pub(crate) fn has_ended(&self) -> bool {
        self.end.is_cancelled()
    }

    /// Waits until it has to give way.
    pub(crate) async fn ends(&self) {
        self.end.cancelled().await;
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.idle.all().silent.remove(&self.id);
    }
}

/// A call of a connection, which is not silent for as long as it has any.
pub(crate) struct Asking(Arc<Listed>);

impl Asking {
    pub(crate) fn on(listed: &Arc<Listed>) -> Self {
        listed.asks();
        Self(Arc::clone(listed))
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.0.is_answered();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_of_the_busiest_address_gives_way() {
        let idle = Arc::new(Idle::default());
        let from = |last: u8| idle.add(IpAddr::from([127, 0, 0, last]));
        let (honest, first, second) = (from(1), from(2), from(2));
        let has_ended = |one: &Listed| one.end.is_cancelled();
        assert!(!idle.end_one(Duration::from_secs(60)), "all have just come");
        assert!(idle.end_one(Duration::ZERO) && has_ended(&first));
        let third = from(2);
        first.asks();
        second.asks();
        assert!(
            idle.end_one(Duration::ZERO) && has_ended(&honest),
            "the oldest of two"
        );
        assert!(!has_ended(&second) && idle.count() == 1);
        drop(third);
        assert!(!idle.end_one(Duration::ZERO), "none is left");
    }
}
