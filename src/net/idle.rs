//! Connections on which the service has nothing to do at the moment, since it waits for their client: when there is no room, one of them gives way.
//!
//! Attack: thousands of connections that say nothing, never end what they say, or take nothing of what they are answered, to keep everybody else out.
//! Shown by `tests/access/hostile.rs` (`say_nothing`, `begin_and_stop`), `tests/web/places.rs`, `tests/web/attack.rs` (`send_heads_without_end`) and
//! `tests/web/connections.rs`.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
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

impl All {
    /// Of the client that has the most such connections, so many at the least, ends one: one that is waited for, the oldest.
    fn end_of_the_most(&mut self, such: impl Fn(&State) -> bool, at_least: usize) -> bool {
        let mut by_client: HashMap<&str, (usize, Reverse<Order>)> = HashMap::new();
        for (id, one) in self.connections.iter().filter(|(_, one)| such(one)) {
            let order = Reverse((one.is_worked_on(), one.since(), *id));
            let first = by_client.entry(&one.of).or_insert((0, order));
            first.0 += 1;
            first.1 = first.1.max(order);
        }
        let most = by_client.into_values().max();
        let most = most.filter(|(count, _)| *count >= at_least);
        let ended = most.and_then(|(_, Reverse((_, _, id)))| self.connections.remove(&id));
        ended.is_some_and(|one| {
            one.has_to_end.store(true, Ordering::Release);
            one.waker.wake();
            true
        })
    }
}

/// In which connections of one client end: whether there is work, since when, and which.
type Order = (bool, u64, u64);

/// How many there may be.
#[derive(Clone, Copy)]
pub(crate) struct Places {
    /// Of all clients.
    pub(crate) all: usize,
    /// That an honest client may need, whatever its share is.
    pub(crate) a_few: usize,
}

struct State {
    /// Whose it is.
    of: Arc<str>,
    /// Calls of which something is to be done here.
    working: AtomicUsize,
    /// When the client last did something that counts, in milliseconds.
    since: AtomicU64,
    has_to_end: AtomicBool,
    waker: AtomicWaker,
}

impl State {
    fn is_worked_on(&self) -> bool {
        self.working.load(Ordering::Acquire) > 0
    }

    fn since(&self) -> u64 {
        self.since.load(Ordering::Relaxed)
    }

    /// Whether its client was waited for so long, until now.
    fn is_silent(&self, now: u64, at_least: Duration) -> bool {
        !self.is_worked_on() && now.saturating_sub(self.since()) >= millis(at_least)
    }
}

impl Idle {
    /// A connection that has not said anything yet.
    pub(crate) fn add(self: &Arc<Self>, of: Arc<str>) -> Listed {
        let state = Arc::new(State {
            of,
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

    /// Of those whose client has been waited for so long, ends the oldest of the client that has the most: an honest one says something
    /// within milliseconds, and is hardly ever that one.
    pub(crate) fn end_one(&self, at_least: Duration) -> bool {
        let now = self.now();
        let mut all = self.all();
        all.end_of_the_most(|one| one.is_silent(now, at_least), 1)
    }

    /// The same for somebody who has none. First comes who has more than a share and than an honest client needs: of that one a
    /// connection ends in any case, one on which it is waited for if there is any.
    pub(crate) fn end_one_for_another(&self, at_least: Duration, places: Places) -> bool {
        let now = self.now();
        let mut all = self.all();
        let clients: HashSet<&Arc<str>> = all.connections.values().map(|one| &one.of).collect();
        let too_many = places.a_few.max(places.all / (clients.len() + 1)) + 1;
        all.end_of_the_most(|_| true, too_many)
            || all.end_of_the_most(|one| one.is_silent(now, at_least), 1)
    }

    /// Whether a client has any.
    pub(crate) fn has(&self, who: &str) -> bool {
        self.all().connections.values().any(|one| &*one.of == who)
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

    /// A call of it is worked on from now on, or is no more, or its client has done something that counts.
    fn changes(&self, worked_on: bool, is_worked_on: bool) {
        let goes_on = || self.state.since.store(self.idle.now(), Ordering::Relaxed);
        match (worked_on, is_worked_on) {
            (false, true) => {
                self.state.working.fetch_add(1, Ordering::Relaxed);
            }
            (true, false) => {
                // The time first: without work, it is what counts.
                goes_on();
                self.state.working.fetch_sub(1, Ordering::Release);
            }
            (false, false) => goes_on(),
            (true, true) => {}
        }
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
    /// The place that it has beside that of its connection.
    own: Option<Arc<Listed>>,
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
            own: None,
            call: Mutex::default(),
        }
    }

    /// It has a place of its own, which may have to be given up as well.
    pub(crate) fn with(mut self, own: Option<Arc<Listed>>) -> Self {
        self.own = own;
        self
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
        for listed in [Some(&self.listed), self.own.as_ref()]
            .into_iter()
            .flatten()
        {
            listed.changes(before, call.is_ours());
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
    fn the_oldest_of_the_client_that_has_the_most_gives_way() {
        let idle = Arc::new(Idle::default());
        let from = |last: u8| Arc::new(idle.add(format!("127.0.0.{last}").into()));
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
            let listed = Arc::new(idle.add(Arc::from("127.0.0.1")));
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

    #[test]
    fn who_has_more_than_a_share_gives_way_first_and_few_are_no_share() {
        let idle = Arc::new(Idle::default());
        let from = |who: &str| Arc::new(idle.add(Arc::from(who)));
        let busy = |listed: &Arc<Listed>| {
            let asking = Asking::on(listed);
            asking.begins();
            asking
        };
        let honest: Vec<_> = (0..3).map(|_| from("honest")).collect();
        let greedy: Vec<_> = (0..40).map(|_| from("greedy")).collect();
        let works: Vec<_> = greedy.iter().map(busy).collect();
        let places = Places { all: 48, a_few: 16 };
        let another = || idle.end_one_for_another(Duration::ZERO, places);
        // A share of three is 16.
        for _ in 0..24 {
            assert!(another());
        }
        assert_eq!(greedy.iter().filter(|one| has_ended(one)).count(), 24);
        assert!(!honest.iter().any(|one| has_ended(one)));
        assert!(another() && has_ended(&honest[0]), "who is waited for");
        let works_honest: Vec<_> = honest[1..].iter().map(busy).collect();
        assert!(!another(), "nobody has more than a share");
        drop((works, works_honest));
    }

    #[test]
    fn where_there_are_few_places_a_few_are_fewer() {
        let idle = Arc::new(Idle::default());
        let all: Vec<_> = (0..16)
            .flat_map(|client: u8| [client; 4])
            .map(|client| idle.add(client.to_string().into()))
            .collect();
        let ended = |a_few| {
            let never = Duration::from_secs(60);
            idle.end_one_for_another(never, Places { all: 64, a_few })
        };
        assert!(!ended(16), "nobody has so many");
        for _ in 0..16 {
            assert!(ended(1), "a share is three");
        }
        assert!(!ended(1) && all.iter().filter(|one| has_ended(one)).count() == 16);
        assert!(idle.has("3") && !idle.has("16"));
    }

    #[tokio::test]
    async fn who_gives_way_is_woken() {
        let idle = Arc::new(Idle::default());
        let listed = Arc::new(idle.add(Arc::from("127.0.0.1")));
        let waits = tokio::spawn({
            let listed = Arc::clone(&listed);
            async move { listed.ends().await }
        });
        tokio::task::yield_now().await;
        assert!(idle.end_one(Duration::ZERO));
        waits.await.unwrap();
    }
}
