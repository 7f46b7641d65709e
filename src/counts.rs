//! How many of something each client, or each ledger, has.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Counts by name, each up to a limit.
pub(crate) struct Counts {
    limit: usize,
    taken: Mutex<HashMap<Arc<str>, usize>>,
}

impl Counts {
    pub(crate) fn up_to(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            limit,
            taken: Mutex::default(),
        })
    }

    /// A place for this name, until it is dropped; none when the limit is reached.
    pub(crate) fn take(self: &Arc<Self>, name: &Arc<str>) -> Option<Slot> {
        let mut all = self.all();
        let taken = all.entry(Arc::clone(name)).or_default();
        if *taken >= self.limit {
            return None;
        }
        *taken += 1;
        drop(all);
        Some(Slot {
            counts: Arc::clone(self),
            name: Arc::clone(name),
        })
    }

    /// Whether this name has any.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.all().contains_key(name)
    }

    fn all(&self) -> MutexGuard<'_, HashMap<Arc<str>, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place that is taken.
pub(crate) struct Slot {
    counts: Arc<Counts>,
    name: Arc<str>,
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut all = self.counts.all();
        if let Some(taken) = all.get_mut(&self.name) {
            *taken -= 1;
            // Names of clients that have gone would pile up.
            if *taken == 0 {
                all.remove(&self.name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_free_again_when_it_is_dropped() {
        let counts = Counts::up_to(2);
        let (a, b) = (Arc::from("a"), Arc::from("b"));
        let first = counts.take(&a);
        let second = counts.take(&a);
        assert!(first.is_some() && second.is_some() && counts.take(&a).is_none());
        assert!(counts.take(&b).is_some());
        drop(second);
        assert!(counts.take(&a).is_some());
        assert!(counts.has("a"));
        drop(first);
        assert!(!counts.has("a"));
        assert!(counts.all().is_empty());
    }
}
