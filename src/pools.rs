//! What anybody may ask to be verified or read, on two pools of threads by its size: what is small never stands behind what is large, and
//! neither takes time from those that sign.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use rayon::{ThreadPool, ThreadPoolBuilder};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::oneshot;

use crate::aside::{NICER, give_way};
use checkpoint::jws::SignedCheckpoint;

/// A message of more bytes than this is large. The most values that fit in fewer are read in a millisecond.
pub(crate) const LARGE_BYTES: usize = 16 * 1024;

/// After work that took longer, since the machine has much else to do.
const LONGEST_REST: Duration = Duration::from_millis(20);

static SMALL: LazyLock<Option<ThreadPool>> = LazyLock::new(|| start("small", NICER));

/// These give way to the others as those do to whoever signs: an ordinary verdict takes less than a millisecond, and the largest
/// checkpoint many.
static LARGE: LazyLock<Option<ThreadPool>> = LazyLock::new(|| start("large", 2 * NICER));

/// Half as many threads as there are cores: neither pool ever takes all of them.
fn start(name: &'static str, nicer: i32) -> Option<ThreadPool> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = ThreadPoolBuilder::new()
        .num_threads(cores.div_ceil(2))
        .thread_name(move |index| format!("{name}-{index}"))
        .start_handler(move |_| give_way(nicer));
    match threads.build() {
        Ok(threads) => Some(threads),
        Err(error) => {
            tracing::warn!(%error, "there are no threads for the pool {name}: its work is done where it comes up");
            None
        }
    }
}

/// Where work is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pool {
    /// Ordinary checkpoints.
    Small,
    /// More than [`LARGE_BYTES`].
    Large,
}

impl Pool {
    /// The pool of a message of so many bytes.
    pub(crate) const fn of(bytes: usize) -> Self {
        match bytes > LARGE_BYTES {
            true => Self::Large,
            false => Self::Small,
        }
    }

    /// The pool of whoever shows a checkpoint.
    pub(crate) fn of_signed(signed: &SignedCheckpoint) -> Self {
        Self::of(signed.checkpoint.payload().as_bytes().len())
    }

    /// Large verdicts have their threads for half of the time: a core that they leave idle answers the others at once, and a thread
    /// that runs is not stopped before its time slice is over, whoever it gives way to.
    fn rest_since(self, begun: Instant) {
        if self == Self::Large {
            std::thread::sleep(begun.elapsed().min(LONGEST_REST));
        }
    }

    fn threads(self) -> Option<&'static ThreadPool> {
        match self {
            Self::Small => SMALL.as_ref(),
            Self::Large => LARGE.as_ref(),
        }
    }

    /// Does it there. None when it panicked.
    pub(crate) async fn work<T: Send + 'static>(
        self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let rested = move || {
            let begun = Instant::now();
            (work(), move || self.rest_since(begun))
        };
        self.spawn(rested).await
    }

    /// The same for whoever signs: it is done without rests.
    pub(crate) async fn write<T: Send + 'static>(
        self,
        write: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        self.spawn(move || (write(), || ())).await
    }

    /// What is done there, and then.
    async fn spawn<T: Send + 'static, R: FnOnce()>(
        self,
        work: impl FnOnce() -> (T, R) + Send + 'static,
    ) -> Option<T> {
        let (done, result) = oneshot::channel();
        let work = move || {
            // Who has gone before its turn costs nothing any more.
            if !done.is_closed() {
                let (made, then) = work();
                let _ = done.send(made);
                then();
            }
        };
        match self.threads() {
            Some(threads) => threads.spawn_fifo(work),
            None => work(),
        }
        result.await.ok()
    }

    /// Reads a message, on the spot when it is small. Otherwise this thread's other tasks go on on another one meanwhile.
    pub(crate) fn read<T: Send>(self, read: impl FnOnce() -> T + Send) -> T {
        let (Self::Large, Some(threads)) = (self, LARGE.as_ref()) else {
            return read();
        };
        let read = || threads.install(read);
        match Handle::try_current().map(|handle| handle.runtime_flavor()) {
            Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(read),
            _ => read(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn here() -> Option<String> {
        std::thread::current().name().map(str::to_owned)
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn what_is_large_is_done_elsewhere_and_the_only_thread_goes_on_meanwhile() {
        let (begin, begun) = oneshot::channel();
        let other = tokio::spawn(async move { begin.send(()) });
        let reads = tokio::spawn(async {
            Pool::of(LARGE_BYTES + 1).read(|| begun.blocking_recv().map(|()| here()))
        });
        assert_eq!(reads.await.unwrap().unwrap().as_deref(), Some("large-0"));
        other.await.unwrap().unwrap();
        let small = Pool::of(LARGE_BYTES);
        assert_eq!(small.read(here), here());
        assert!(
            small
                .work(here)
                .await
                .unwrap()
                .unwrap()
                .starts_with("small")
        );
    }

    #[tokio::test]
    async fn a_runtime_of_one_thread_waits() {
        assert!(Pool::Large.read(here).unwrap().starts_with("large"));
    }
}
