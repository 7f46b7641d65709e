//! The order of submission: what is signed, by whatever thread, leaves in it.
//!
//! Who takes what leaves is woken when the first is there, and not before. While more wait for RSA than there are threads for it, several
//! that are signed leave together: RSA is what everybody waits for then, and one transaction, with all that it wakes, serves many.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// How many that are signed are enough to go on, however many wait for RSA.
const TOGETHER: usize = 8;

/// An empty line, before so many threads.
pub(super) fn line<T>(threads: usize) -> (Entrance<T>, Exit<T>) {
    let line = Arc::new(Line {
        threads,
        state: Mutex::new(State {
            places: VecDeque::new(),
            first: 0,
            waiting: 0,
            done: 0,
            end: End::Open,
        }),
        due: Notify::new(),
    });
    (Entrance(Arc::clone(&line)), Exit(line))
}

/// Gives places; the line ends when it is dropped, and empty.
pub(super) struct Entrance<T>(Arc<Line<T>>);

/// Takes what is done. When it is dropped, no more places are given.
pub(super) struct Exit<T>(Arc<Line<T>>);

/// A place in the line; it is left when it is dropped.
pub(super) struct Place<T> {
    line: Arc<Line<T>>,
    /// None once it has ended.
    number: Option<u64>,
    /// No thread has begun with it.
    waits: bool,
}

struct Line<T> {
    threads: usize,
    state: Mutex<State<T>>,
    due: Notify,
}

struct State<T> {
    places: VecDeque<Content<T>>,
    /// The number of the first of them.
    first: u64,
    /// Those that no thread has begun with.
    waiting: usize,
    /// Those that are done.
    done: usize,
    end: End,
}

enum Content<T> {
    Awaited,
    Done(T),
    Left,
}

#[derive(PartialEq, Eq)]
enum End {
    Open,
    /// No more places are asked for.
    Closed,
    /// Nobody takes anything any more.
    Abandoned,
}

impl<T> Entrance<T> {
    /// The place behind all others; none at the end.
    pub(super) fn take_place(&self) -> Option<Place<T>> {
        let mut state = self.0.state();
        if state.end != End::Open {
            return None;
        }
        let number = state.first + state.places.len() as u64;
        state.places.push_back(Content::Awaited);
        state.waiting += 1;
        Some(Place {
            line: Arc::clone(&self.0),
            number: Some(number),
            waits: true,
        })
    }
}

impl<T> Drop for Entrance<T> {
    fn drop(&mut self) {
        self.0.state().end = End::Closed;
        self.0.due.notify_one();
    }
}

impl<T> Exit<T> {
    /// Those that are done, in their order, at most so many; waits for the first. None at the end.
    pub(super) async fn next(&mut self, most: usize) -> Option<Vec<T>> {
        loop {
            {
                let mut state = self.0.state();
                if state.is_due(self.0.threads) {
                    return Some(state.take(most));
                }
                if state.end == End::Closed && state.places.is_empty() {
                    return None;
                }
            }
            self.0.due.notified().await;
        }
    }
}

impl<T> Drop for Exit<T> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.end = End::Abandoned;
        let abandoned = std::mem::take(&mut state.places);
        // What is in them tells others when it is dropped.
        drop(state);
        drop(abandoned);
    }
}

impl<T> Place<T> {
    /// A thread has begun with it.
    pub(super) fn begin(&mut self) {
        if std::mem::take(&mut self.waits) {
            self.line.change(|state| state.waiting -= 1);
        }
    }

    /// It is done.
    pub(super) fn fill(mut self, done: T) {
        self.end_as(Content::Done(done));
    }

    fn end_as(&mut self, content: Content<T>) {
        let Some(number) = self.number.take() else {
            return;
        };
        let waits = std::mem::take(&mut self.waits);
        self.line.change(|state| {
            state.waiting -= usize::from(waits);
            let index = number.checked_sub(state.first);
            let index = index.and_then(|index| usize::try_from(index).ok());
            let place = index.and_then(|index| state.places.get_mut(index));
            if let Some(place @ Content::Awaited) = place {
                state.done += usize::from(matches!(content, Content::Done(_)));
                *place = content;
            }
        });
    }
}

impl<T> Drop for Place<T> {
    fn drop(&mut self) {
        self.end_as(Content::Left);
    }
}

impl<T> Line<T> {
    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes who takes what is done when it has become due.
    fn change(&self, change: impl FnOnce(&mut State<T>)) {
        let mut state = self.state();
        let was_due = state.is_due(self.threads);
        change(&mut state);
        let left = |content: &mut Content<T>| matches!(content, Content::Left);
        while state.places.pop_front_if(left).is_some() {
            state.first += 1;
        }
        let ends = state.end == End::Closed && state.places.is_empty();
        let wake = ends || (!was_due && state.is_due(self.threads));
        drop(state);
        if wake {
            self.due.notify_one();
        }
    }
}

impl<T> State<T> {
    /// Whether what is done is to be taken now. Each thread that begins or ends changes that, so that nothing waits without one that works.
    fn is_due(&self, threads: usize) -> bool {
        let enough = self.done >= TOGETHER || self.waiting < threads;
        enough && matches!(self.places.front(), Some(Content::Done(_)))
    }

    fn take(&mut self, most: usize) -> Vec<T> {
        let mut taken = Vec::new();
        let ended = |content: &mut Content<T>| !matches!(content, Content::Awaited);
        while taken.len() < most
            && let Some(content) = self.places.pop_front_if(ended)
        {
            self.first += 1;
            if let Content::Done(done) = content {
                self.done -= 1;
                taken.push(done);
            }
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn places(entrance: &Entrance<u32>, count: usize) -> Vec<Place<u32>> {
        let places = (0..count).map(|_| entrance.take_place().unwrap());
        places.collect()
    }

    fn begun(mut place: Place<u32>) -> Place<u32> {
        place.begin();
        place
    }

    #[test]
    fn what_is_done_leaves_in_the_order_of_its_places() {
        let (entrance, mut exit) = line(8);
        let [first, second, third, fourth] = places(&entrance, 4).try_into().ok().unwrap();
        third.fill(3);
        assert_eq!(exit.next(9).now_or_never(), None);
        drop(second);
        assert_eq!(exit.next(9).now_or_never(), None);
        first.fill(1);
        assert_eq!(exit.next(9).now_or_never().unwrap().unwrap(), [1, 3]);
        fourth.fill(4);
        assert_eq!(exit.next(9).now_or_never().unwrap().unwrap(), [4]);
    }

    #[test]
    fn no_more_than_so_many_leave_at_once() {
        let (entrance, mut exit) = line(8);
        for (number, place) in (0..).zip(places(&entrance, 5)) {
            place.fill(number);
        }
        assert_eq!(exit.next(3).now_or_never().unwrap().unwrap(), [0, 1, 2]);
        assert_eq!(exit.next(3).now_or_never().unwrap().unwrap(), [3, 4]);
    }

    #[test]
    fn they_leave_together_while_more_wait_than_there_are_threads() {
        let (entrance, mut exit) = line(2);
        let mut waiting: VecDeque<_> = places(&entrance, 6).into();
        let mut next = || begun(waiting.pop_front().unwrap());
        let (first, second) = (next(), next());
        first.fill(1);
        // Four wait.
        assert_eq!(exit.next(9).now_or_never(), None);
        let third = next();
        second.fill(2);
        let fourth = next();
        assert_eq!(exit.next(9).now_or_never(), None);
        // One waits: a thread may soon have nothing to do.
        let _fifth = next();
        assert_eq!(exit.next(9).now_or_never().unwrap().unwrap(), [1, 2]);
        drop((third, fourth));
    }

    #[test]
    fn enough_of_them_leave_however_many_wait() {
        let (entrance, mut exit) = line(2);
        let mut all = places(&entrance, 100);
        let rest = all.split_off(TOGETHER);
        for place in all {
            assert_eq!(exit.next(9).now_or_never(), None);
            begun(place).fill(7);
        }
        assert_eq!(exit.next(9).now_or_never().unwrap().unwrap(), [7; TOGETHER]);
        drop(rest);
    }

    #[tokio::test]
    async fn who_waits_is_woken_by_the_last_that_waits_for_a_thread() {
        for left in [false, true] {
            let (entrance, mut exit) = line(1);
            let [first, second] = places(&entrance, 2).try_into().ok().unwrap();
            let waits = tokio::spawn(async move { exit.next(9).await });
            tokio::task::yield_now().await;
            begun(first).fill(1);
            match left {
                true => drop(second),
                false => drop(begun(second)),
            }
            assert_eq!(waits.await.unwrap().unwrap(), [1]);
        }
    }

    #[tokio::test]
    async fn it_ends_when_the_last_place_has_left() {
        let (entrance, mut exit) = line(1);
        let place = entrance.take_place().unwrap();
        drop(entrance);
        let waits = tokio::spawn(async move { (exit.next(9).await, exit.next(9).await) });
        tokio::task::yield_now().await;
        place.fill(1);
        assert_eq!(waits.await.unwrap(), (Some(vec![1]), None));
    }

    #[test]
    fn nobody_gets_a_place_when_nobody_takes_what_is_done() {
        let (entrance, exit) = line(1);
        let place = entrance.take_place().unwrap();
        drop(exit);
        place.fill(1);
        assert!(entrance.take_place().is_none());
    }
}
