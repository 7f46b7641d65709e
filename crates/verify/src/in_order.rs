//! Reads, works and takes at the same time: one thread reads, all cores work, and the caller's takes what was found, in the order
//! of what was read. A few pieces of work are under way, however many there are.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// Pieces of work under way for each core.
pub(crate) const WAITING: usize = 4;

/// Where what is found in one piece of work goes: everything that was found before it is taken before it.
pub(crate) struct Answer<T>(SyncSender<T>);

impl<T> Answer<T> {
    /// False when nobody wants to know any more.
    pub(crate) fn give(&self, found: T) -> bool {
        self.0.send(found).is_ok()
    }
}

/// Has everything that `read` gives worked on by workers, one for each core, and what they find taken. Who is told to stop by
/// a false returns false.
///
/// # Errors
/// That of `take`.
pub(crate) fn in_order<W, T, E, F>(
    read: impl FnOnce(&mut dyn FnMut(W) -> bool) + Send,
    worker: impl Fn() -> F + Sync,
    take: &mut dyn FnMut(T) -> Result<(), E>,
) -> Result<(), E>
where
    W: Send,
    T: Send,
    F: FnMut(W, &Answer<T>) -> bool,
{
    let cores = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let (to_work, work) = sync_channel::<(W, Answer<T>)>(WAITING * cores);
        let (to_take, answers) = sync_channel::<Receiver<T>>(WAITING * cores);
        scope.spawn(move || {
            read(&mut |piece| {
                let (answer, found) = sync_channel(1);
                to_work.send((piece, Answer(answer))).is_ok() && to_take.send(found).is_ok()
            });
        });
        let work = Arc::new(Mutex::new(work));
        for _ in 0..cores {
            let (work, worker) = (Arc::clone(&work), &worker);
            scope.spawn(move || {
                let mut worker = worker();
                let next = || work.lock().unwrap_or_else(PoisonError::into_inner).recv();
                while let Ok((piece, answer)) = next() {
                    if !worker(piece, &answer) {
                        return;
                    }
                }
            });
        }
        drop(work);
        // When this returns early, the others cannot send any more, and end.
        let mut answers = answers.into_iter();
        answers.try_for_each(|found| found.into_iter().try_for_each(&mut *take))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(send: &mut dyn FnMut(u64) -> bool) {
        let _ = (0..10_000).all(send);
    }

    /// Each gives two, and some take longer than what follows them.
    fn worker() -> impl FnMut(u64, &Answer<u64>) -> bool {
        |number, answer| {
            if number % 7 == 0 {
                thread::yield_now();
            }
            answer.give(2 * number) && answer.give(2 * number + 1)
        }
    }

    #[test]
    fn what_was_found_is_taken_in_the_order_of_what_was_read() {
        let mut taken = Vec::new();
        let took = in_order(numbers, worker, &mut |found| {
            taken.push(found);
            Ok::<_, ()>(())
        });
        assert_eq!(took, Ok(()));
        assert!(taken.into_iter().eq(0..20_000));
    }

    #[test]
    fn an_error_ends_it_all() {
        let mut taken = 0;
        let took = in_order(numbers, worker, &mut |found| {
            taken += 1;
            match found {
                100 => Err("enough"),
                _ => Ok(()),
            }
        });
        assert_eq!((took, taken), (Err("enough"), 101));
    }
}
