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
