//! Threads that do jobs in the order in which they came.
//!
//! One that has nothing to do sleeps at once: to look around for work before it does, and to wake another one to look as well, would cost
//! more than a hundredth of a signature, where all cores have something to do.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

type Job = Box<dyn FnOnce() + Send>;

/// As many as there are cores. They end when it is dropped, and all jobs are done.
pub(super) struct Threads {
    shared: Arc<Shared>,
    width: usize,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    woken: Condvar,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    /// Threads that sleep.
    asleep: usize,
    ended: bool,
}

impl Threads {
    /// Each is called by this name and its number.
    pub(super) fn start(name: &str) -> std::io::Result<Self> {
        let width = thread::available_parallelism().map_or(1, usize::from);
        // Those that were started end when a later one cannot be.
        let threads = Self {
            shared: Arc::default(),
            width,
        };
        for index in 0..width {
            let shared = Arc::clone(&threads.shared);
            let thread = thread::Builder::new().name(format!("{name}-{index}"));
            thread.spawn(move || shared.work())?;
        }
        Ok(threads)
    }

    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// Does a job when it is its turn.
    pub(super) fn spawn(&self, job: impl FnOnce() + Send + 'static) {
        let mut queue = self.shared.queue();
        queue.jobs.push_back(Box::new(job));
        let wake = queue.asleep > 0;
        drop(queue);
        if wake {
            self.shared.woken.notify_one();
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.shared.queue().ended = true;
        self.shared.woken.notify_all();
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        while let Some(job) = self.next() {
            // Who waits for it is told by what the job drops.
            if catch_unwind(AssertUnwindSafe(job)).is_err() {
                tracing::error!("a signature panicked; the next ones are made all the same");
            }
        }
    }

    /// The next job; none at the end.
    fn next(&self) -> Option<Job> {
        let mut queue = self.queue();
        loop {
            if let Some(job) = queue.jobs.pop_front() {
                return Some(job);
            }
            if queue.ended {
                return None;
            }
            queue.asleep += 1;
            let woken = self.woken.wait(queue);
            queue = woken.unwrap_or_else(PoisonError::into_inner);
            queue.asleep -= 1;
        }
    }
}
