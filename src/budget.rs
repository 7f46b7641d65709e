//! Memory that clients may take together: a part of it is held while something of theirs arrives, is worked on, or waits to be read.
//!
//! Nobody who holds something may have more than is left then, as the buffers of a switch are shared (Choudhury and Hahne, "Dynamic queue length thresholds for
//! shared-memory packet switches", 1998): one who is alone has half of it, and however many take all that they can, whoever comes next has
//! all that is left for one thing, however large, and as much as is left then for more.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::Notify;

/// Clients that are remembered before those that have nothing are forgotten.
const CLIENTS_KEPT: usize = 256;

/// So much for all.
pub(crate) struct Budget {
    state: Mutex<State>,
    /// Something was given back.
    freed: Notify,
}

struct State {
    free: usize,
    clients: HashMap<Arc<str>, Client>,
}

#[derive(Default)]
struct Client {
    held: usize,
    /// Its own wait here one after the other, so that each that is given back wakes one of a client.
    line: Arc<tokio::sync::Mutex<()>>,
}

/// A part of a budget, until it is dropped.
pub(crate) struct Part {
    budget: Arc<Budget>,
    who: Arc<str>,
    units: usize,
}

/// Bytes with their part.
struct Held {
    bytes: Bytes,
    _part: Part,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Part {
    /// The same bytes, which hold the part until nobody needs them: an answer's, until the network has taken them.
    pub(crate) fn held_by(self, bytes: Bytes) -> Bytes {
        Bytes::from_owner(Held { bytes, _part: self })
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let mut state = self.budget.state();
        state.free += self.units;
        if let Some(client) = state.clients.get_mut(&self.who) {
            client.held -= self.units;
        }
        drop(state);
        self.budget.freed.notify_waiters();
    }
}

impl Budget {
    /// Of so many units (KiB, or places), of which nobody may have more than are left then.
    pub(crate) fn new(units: usize) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                free: units,
                clients: HashMap::new(),
            }),
            freed: Notify::new(),
        })
    }

    /// Waits for a part. Who waits takes nobody's place.
    pub(crate) async fn take(self: Arc<Self>, who: Arc<str>, units: usize) -> Part {
        let line = Arc::clone(&self.state().client(&who).line);
        let _first = line.lock().await;
        loop {
            let mut freed = std::pin::pin!(self.freed.notified());
            freed.as_mut().enable();
            if let Some(part) = self.try_take(&who, units) {
                return part;
            }
            freed.await;
        }
    }

    /// A part if there is one now.
    pub(crate) fn try_take(self: &Arc<Self>, who: &Arc<str>, units: usize) -> Option<Part> {
        let mut state = self.state();
        let left = state.free.checked_sub(units)?;
        let client = state.client(who);
        if client.held > 0 && client.held + units > left {
            return None;
        }
        client.held += units;
        state.free = left;
        Some(Part {
            budget: Arc::clone(self),
            who: Arc::clone(who),
            units,
        })
    }

    /// Whether it has any.
    pub(crate) fn has(&self, who: &str) -> bool {
        let state = self.state();
        state.clients.get(who).is_some_and(|client| client.held > 0)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn client(&mut self, who: &Arc<str>) -> &mut Client {
        if self.clients.len() >= CLIENTS_KEPT && !self.clients.contains_key(who) {
            // Who waits has the line.
            let is_here = |client: &Client| client.held > 0 || Arc::strong_count(&client.line) > 1;
            self.clients.retain(|_, client| is_here(client));
        }
        self.clients.entry(Arc::clone(who)).or_default()
    }
}

/// In the units of a budget of memory.
pub(crate) fn kib(bytes: usize) -> usize {
    bytes.div_ceil(1024)
}

#[cfg(test)]
mod tests {
    use futures_util::poll;

    use super::*;

    fn who(n: usize) -> Arc<str> {
        Arc::from(n.to_string())
    }

    #[test]
    fn nobody_holds_more_than_is_left_so_that_something_is_left_for_everybody() {
        let budget = Budget::new(64);
        let greedy = |n: usize| {
            let parts = std::iter::from_fn(|| budget.try_take(&who(n), 1));
            parts.collect::<Vec<_>>()
        };
        let held: Vec<_> = (0..5).map(greedy).collect();
        let counts: Vec<usize> = held.iter().map(Vec::len).collect();
        assert_eq!(counts, [32, 16, 8, 4, 2]);
        drop(held);
        let large = budget.try_take(&who(9), 33);
        assert!(large.is_some(), "one thing may be larger");
        assert!(budget.try_take(&who(9), 1).is_none());
        assert!(budget.try_take(&who(8), 31).is_some());
    }

    #[tokio::test]
    async fn what_is_given_back_goes_to_those_who_wait_in_their_order() {
        let budget = Budget::new(8);
        let first = budget.try_take(&who(1), 4).unwrap();
        let mut second = Box::pin(Arc::clone(&budget).take(who(1), 3));
        let mut third = Box::pin(Arc::clone(&budget).take(who(1), 1));
        assert!(poll!(&mut second).is_pending() && poll!(&mut third).is_pending());
        drop(first);
        let second = second.await;
        assert!(poll!(&mut third).is_ready());
        drop(second);
        // Who gives up waiting keeps nobody from it.
        let held = budget.try_take(&who(2), 4).unwrap();
        let mut given_up = Box::pin(Arc::clone(&budget).take(who(2), 4));
        let mut after = Box::pin(Arc::clone(&budget).take(who(2), 2));
        assert!(poll!(&mut given_up).is_pending() && poll!(&mut after).is_pending());
        drop(given_up);
        drop(held);
        after.await;
    }

    #[test]
    fn clients_that_have_nothing_are_forgotten() {
        let budget = Budget::new(10);
        for n in 0..10 * CLIENTS_KEPT {
            drop(budget.try_take(&who(n), 1));
        }
        assert!(budget.state().clients.len() <= CLIENTS_KEPT);
    }
}
