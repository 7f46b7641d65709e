//! Connections on which the service has nothing to do at the moment, since it waits for their client: when there is no room, one of them gives way.
//!
//! Attack: thousands of connections that say nothing, never end what they say, or take nothing of what they are answered, to keep everybody else out.
//! Shown by `tests/access/hostile.rs` (`say_nothing`, `begin_and_stop`), `tests/access/places.rs`, `tests/web/attack.rs` (`send_heads_without_end`) and
//! `tests/web/connections.rs`.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_util::task::AtomicWaker;

/// All connections of a listener.
pub(crate) struct Idle {
    /// What their times are counted from.
    begun: Instant,
    all: Mutex<All>,
}

impl Default for Idle {
    fn default() -> Self {
        Self {
            begun: Instant::now(),
            all: Mutex::default(),
        }
    }
}

#[derive(Default)]
struct All {
    next: u64,
    connections: HashMap<u64, Arc<State>>,
}

struct State {
    address: IpAddr,
    /// Calls of which something is to be done here.
    working: AtomicUsize,
    /// When the client last did something that counts, in milliseconds.
    since: AtomicU64,
    has_to_end: AtomicBool,
    waker: AtomicWaker,
}

impl Idle {
    /// A connection that has not said anything yet.
    pub(crate) fn add(self: &Arc<Self>, address: IpAddr) -> Listed {
        let state = Arc::new(State {
            address,
            working: AtomicUsize::new(0),
            since: AtomicU64::new(self.now()),
            has_to_end: AtomicBool::new(false),
            waker: AtomicWaker::new(),
        });
        let mut all = self.all();
        let id = all.next;
        all.next += 1;
        all.connections.insert(id, Arc::clone(&state));
        drop(all);
        Listed {
            idle: Arc::clone(self),
            id,
            state,
        }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.all().connections.len()
    }

    /// Of those whose client has been waited for so long, ends the oldest of the address that has the most: an honest client says something
    /// within milliseconds, and is hardly ever that one.
    pub(crate) fn end_one(&self, at_least: Duration) -> bool {
        let at_least = millis(at_least);
        let now = self.now();
        let mut all = self.all();
        let mut by_address: HashMap<IpAddr, (usize, Reverse<u64>, u64)> = HashMap::new();
        for (id, one) in &all.connections {
            let since = one.since.load(Ordering::Relaxed);
            let is_silent = one.working.load(Ordering::Relaxed) == 0;
            if !is_silent || now.saturating_sub(since) < at_least {
                continue;
            }
            let oldest = by_address.entry(one.address);
            let oldest = oldest.or_insert((0, Reverse(since), *id));
            oldest.0 += 1;
            // Of those that came in the same millisecond, the first.
            if (since, *id) < (oldest.1.0, oldest.2) {
                (oldest.1, oldest.2) = (Reverse(since), *id);
            }
        }
        let oldest = by_address.into_values().max();
        let ended = oldest.and_then(|(_, _, id)| all.connections.remove(&id));
        ended.is_some_and(|one| {
            one.has_to_end.store(true, Ordering::Release);
            one.waker.wake();
            true
        })
    }

    fn now(&self) -> u64 {
        millis(self.begun.elapsed())
    }

    fn all(&self) -> MutexGuard<'_, All> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// One connection.
pub(crate) struct Listed {
    idle: Arc<Idle>,
    id: u64,
    state: Arc<State>,
}

impl Listed {
    /// Ready when it has to give way. Whoever asked last is woken then.
    pub(crate) fn poll_ends(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.state.waker.register(cx.waker());
        match self.state.has_to_end.load(Ordering::Acquire) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }

    /// Waits until it has to give way.
    pub(crate) async fn ends(&self) {
        std::future::poll_fn(|cx| self.poll_ends(cx)).await;
    }

    /// Its client has done something that counts.
    fn goes_on(&self) {
        self.state.since.store(self.idle.now(), Ordering::Relaxed);
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.idle.all().connections.remove(&self.id);
    }
}

/// A call of a connection. Its client is waited for until there is something to work on, and when the answer is not taken.
pub(crate) struct Asking {
    listed: Arc<Listed>,
    call: Mutex<Talk>,
}

#[derive(Default)]
struct Talk {
    /// Messages of the client's that are worked on.
    works: usize,
    /// It is the client's turn to take what it is answered.
    is_unread: bool,
}

impl Talk {
    fn is_ours(&self) -> bool {
        self.works > 0 && !self.is_unread
    }
}

impl Asking {
    pub(crate) fn on(listed: &Arc<Listed>) -> Self {
        Self {
            listed: Arc::clone(listed),
            call: Mutex::default(),
        }
    }

    /// A message of the client's is there as a whole, and is worked on until the call is over.
    pub(crate) fn begins(&self) {
        self.change(|call| call.works += 1);
    }

    /// The same, until what is given back is dropped.
    pub(crate) fn works(self: &Arc<Self>) -> Works {
        self.begins();
        Works(Arc::clone(self))
    }

    /// There is something of the answer that the client has yet to take; what was there before is taken.
    pub(crate) fn answers(&self) {
        self.change(|call| call.is_unread = true);
    }

    /// All that there is of the answer is taken.
    pub(crate) fn is_taken(&self) {
        self.change(|call| call.is_unread = false);
    }

    fn change(&self, how: impl FnOnce(&mut Talk)) {
        let mut call = self.call.lock().unwrap_or_else(PoisonError::into_inner);
        let before = call.is_ours();
        how(&mut call);
        let working = &self.listed.state.working;
        match (before, call.is_ours()) {
            (false, true) => {
                working.fetch_add(1, Ordering::Relaxed);
            }
            (true, false) => {
                // The time first: without work, it is what counts.
                self.listed.goes_on();
                working.fetch_sub(1, Ordering::Release);
            }
            (false, false) => self.listed.goes_on(),
            (true, true) => {}
        }
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.change(|call| call.works = 0);
    }
}

/// One message of a call that is worked on.
pub(crate) struct Works(Arc<Asking>);

impl Drop for Works {
    fn drop(&mut self) {
        self.0
            .change(|call| call.works = call.works.saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has_ended(one: &Listed) -> bool {
        one.state.has_to_end.load(Ordering::Acquire)
    }

    #[test]
    fn the_oldest_of_the_busiest_address_gives_way() {
        let idle = Arc::new(Idle::default());
        let from = |last: u8| Arc::new(idle.add(IpAddr::from([127, 0, 0, last])));
        let (honest, first, second) = (from(1), from(2), from(2));
        assert!(!idle.end_one(Duration::from_secs(60)), "all have just come");
        assert!(idle.end_one(Duration::ZERO) && has_ended(&first));
        let third = from(2);
        let second_asks = Asking::on(&second);
        second_asks.begins();
        assert!(
            idle.end_one(Duration::ZERO) && has_ended(&honest),
            "the oldest of two"
        );
        assert!(!has_ended(&second) && !has_ended(&third) && idle.count() == 2);
        drop(third);
        assert!(!idle.end_one(Duration::ZERO), "the other is worked on");
        drop(second_asks);
        assert!(idle.end_one(Duration::ZERO) && has_ended(&second));
    }

    #[test]
    fn a_connection_is_kept_while_there_is_work_and_not_while_its_client_is_waited_for() {
        let idle = Arc::new(Idle::default());
        // Whether a connection is kept on which this was done.
        let is_kept = |done: fn(&Arc<Asking>) -> Option<Works>| {
            let listed = Arc::new(idle.add(IpAddr::from([127, 0, 0, 1])));
            let asking = Arc::new(Asking::on(&listed));
            let held = done(&asking);
            let is_kept = !idle.end_one(Duration::ZERO);
            assert_eq!(has_ended(&listed), !is_kept);
            drop((asking, held));
            is_kept
        };
        assert!(!is_kept(|_| None), "its message has not come");
        assert!(is_kept(|asking| {
            asking.begins();
            None
        }));
        assert!(
            !is_kept(|asking| {
                asking.begins();
                asking.answers();
                None
            }),
            "its answer is not taken"
        );
        assert!(
            is_kept(|asking| {
                asking.begins();
                asking.answers();
                asking.is_taken();
                None
            }),
            "and more is to come"
        );
        assert!(is_kept(|asking| Some(asking.works())));
        assert!(
            !is_kept(|asking| {
                drop(asking.works());
                asking.is_taken();
                None
            }),
            "the next of a stream has not come"
        );
    }

    #[tokio::test]
    async fn who_gives_way_is_woken() {
        let idle = Arc::new(Idle::default());
        let listed = Arc::new(idle.add(IpAddr::from([127, 0, 0, 1])));
        let waits = tokio::spawn({
            let listed = Arc::clone(&listed);
            async move { listed.ends().await }
        });
        tokio::task::yield_now().await;
        assert!(idle.end_one(Duration::ZERO));
        waits.await.unwrap();
    }
}
