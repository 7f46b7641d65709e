//! Memory that clients may take together, and each of them alone: a part of it is held while something of theirs arrives, is
//! worked on, or waits to be read.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Shares that are remembered before those that nobody uses are forgotten.
const SHARES_KEPT: usize = 256;

/// So much for all, and a share of it for each by name.
pub(crate) struct Budget {
    all: Arc<Semaphore>,
    share_kib: usize,
    shares: Mutex<HashMap<Arc<str>, Arc<Semaphore>>>,
}

/// A part of a budget, until it is dropped.
pub(crate) struct Part {
    _share: OwnedSemaphorePermit,
    _all: OwnedSemaphorePermit,
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

impl Budget {
    /// In KiB. The share is what one may have of it.
    pub(crate) fn new(all_kib: usize, share_kib: usize) -> Arc<Self> {
        Arc::new(Self {
            all: Arc::new(Semaphore::new(all_kib)),
            share_kib,
            shares: Mutex::default(),
        })
    }

    /// Waits for a part. Who waits for its own share takes nobody's place.
    pub(crate) async fn take(self: Arc<Self>, who: Arc<str>, bytes: usize) -> Option<Part> {
        let kib = kib(bytes);
        let share = self.share(&who).acquire_many_owned(kib).await.ok()?;
        let all = Arc::clone(&self.all).acquire_many_owned(kib).await.ok()?;
        Some(Part {
            _share: share,
            _all: all,
        })
    }

    /// A part if there is one now.
    pub(crate) fn try_take(&self, who: &Arc<str>, bytes: usize) -> Option<Part> {
        let kib = kib(bytes);
        let share = self.share(who).try_acquire_many_owned(kib).ok()?;
        let all = Arc::clone(&self.all).try_acquire_many_owned(kib).ok()?;
        Some(Part {
            _share: share,
            _all: all,
        })
    }

    fn share(&self, who: &Arc<str>) -> Arc<Semaphore> {
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        if shares.len() >= SHARES_KEPT {
            // A permit that is held, or waited for, holds its share.
            shares.retain(|_, share| Arc::strong_count(share) > 1);
        }
        let share = shares.entry(Arc::clone(who));
        Arc::clone(share.or_insert_with(|| Arc::new(Semaphore::new(self.share_kib))))
    }
}

fn kib(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_takes_more_than_a_share_and_all_together_no_more_than_all() {
        let budget = Budget::new(10, 4);
        let who = |n: usize| Arc::from(n.to_string());
        let first = budget.try_take(&who(1), 4096);
        assert!(first.is_some() && budget.try_take(&who(1), 1).is_none());
        let second = budget.try_take(&who(2), 4000);
        assert!(second.is_some() && budget.try_take(&who(3), 3000).is_none());
        assert!(budget.try_take(&who(3), 2048).is_some());
        drop(first);
        assert!(budget.try_take(&who(1), 4096).is_some());
    }

    #[test]
    fn shares_that_nobody_uses_are_forgotten() {
        let budget = Budget::new(10, 4);
        for n in 0..10 * SHARES_KEPT {
            drop(budget.try_take(&Arc::from(n.to_string()), 1));
        }
        assert!(budget.shares.lock().unwrap().len() <= SHARES_KEPT);
    }
}
