//! A thread that has one SQLite connection and does jobs with it, one after the other. Who has a thread of its own may do one on that.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::{self, JoinHandle};

use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::record::RecordError;

type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// The handle; the thread ends when it is dropped, or closed.
pub(super) struct ConnectionThread {
    shared: Arc<Shared>,
    /// None once it is closed.
    jobs: Mutex<Option<mpsc::Sender<Job>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    /// None once it is closed.
    connection: Mutex<Option<Connection>>,
    /// Jobs that the thread has not done yet.
    jobs: AtomicUsize,
}

impl ConnectionThread {
    /// `begin` is called on the thread; `end` has the connection when all jobs are done, before it is closed.
    pub(super) fn start(
        name: &str,
        connection: Connection,
        begin: impl FnOnce() + Send + 'static,
        end: impl FnOnce(&mut Connection) + Send + 'static,
    ) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            connection: Mutex::new(Some(connection)),
            jobs: AtomicUsize::new(0),
        });
        let (jobs, queue) = mpsc::channel::<Job>();
        let of_thread = Arc::clone(&shared);
        let thread = thread::Builder::new().name(name.into()).spawn(move || {
            begin();
            for job in queue {
                if let Some(connection) = &mut *locked(&of_thread.connection) {
                    job(connection);
                }
                of_thread.jobs.fetch_sub(1, Ordering::Relaxed);
            }
            if let Some(mut connection) = taken(&of_thread.connection) {
                end(&mut connection);
            }
        })?;
        Ok(Self {
            shared,
            jobs: Mutex::new(Some(jobs)),
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Takes no new jobs, and waits until those that it has are done and the connection is closed.
    pub(super) fn close(&self) {
        drop(taken(&self.jobs));
        if let Some(thread) = taken(&self.thread) {
            // What it had to say was logged.
            let _ = thread.join();
        }
    }

    /// Does a job that writes. It is done even when nobody waits for its result any more.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Connection) -> Result<T, RecordError> + Send + 'static,
    ) -> Result<T, RecordError> {
        self.run(|_| true, job).await
    }

    /// The same on the calling thread, unless others wait for the connection.
    pub(super) async fn write_here<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Connection) -> Result<T, RecordError> + Send + 'static,
    ) -> Result<T, RecordError> {
        if self.shared.jobs.load(Ordering::Relaxed) == 0
            && let Ok(mut connection) = self.shared.connection.try_lock()
        {
            return match &mut *connection {
                Some(connection) => caught(job, connection),
                None => Err(gone()),
            };
        }
        self.write(job).await
    }

    /// Does a job that reads, unless nobody waits for its result any more when its turn comes.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Connection) -> Result<T, RecordError> + Send + 'static,
    ) -> Result<T, RecordError> {
        self.run(|answer| !answer.is_closed(), job).await
    }

    async fn run<T: Send + 'static>(
        &self,
        wanted: impl FnOnce(&oneshot::Sender<Result<T, RecordError>>) -> bool + Send + 'static,
        job: impl FnOnce(&mut Connection) -> Result<T, RecordError> + Send + 'static,
    ) -> Result<T, RecordError> {
        let (answer, result) = oneshot::channel();
        let job = move |connection: &mut Connection| {
            if !wanted(&answer) {
                return;
            }
            let _ = answer.send(caught(job, connection));
        };
        self.shared.jobs.fetch_add(1, Ordering::Relaxed);
        let sent = match &*locked(&self.jobs) {
            Some(jobs) => jobs.send(Box::new(job)).is_ok(),
            None => false,
        };
        if !sent {
            return Err(gone());
        }
        result.await.map_err(|_| gone())?
    }
}

fn caught<T>(
    job: impl FnOnce(&mut Connection) -> Result<T, RecordError>,
    connection: &mut Connection,
) -> Result<T, RecordError> {
    // A transaction that a panic unwinds through is rolled back, so the connection is as it was before.
    catch_unwind(AssertUnwindSafe(|| job(connection))).unwrap_or_else(|_| {
        tracing::error!("a job on the record panicked; the next ones are done all the same");
        Err(RecordError::Unavailable("what was asked panicked".into()))
    })
}

fn gone() -> RecordError {
    RecordError::Unavailable("its thread has ended".into())
}

fn locked<T>(place: &Mutex<T>) -> MutexGuard<'_, T> {
    place.lock().unwrap_or_else(PoisonError::into_inner)
}

fn taken<T>(place: &Mutex<Option<T>>) -> Option<T> {
    locked(place).take()
}

#[cfg(test)]
mod tests {
    use futures_util::poll;

    use super::*;

    fn connection_thread() -> ConnectionThread {
        ConnectionThread::start("test", Connection::open_in_memory().unwrap(), || {}, |_| {})
            .unwrap()
    }

    fn count(connection: &mut Connection) -> Result<i64, RecordError> {
        Ok(connection.query_row("SELECT count(*) FROM rows", [], |row| row.get(0))?)
    }

    fn insert(connection: &mut Connection) -> Result<(), RecordError> {
        Ok(connection.execute_batch("INSERT INTO rows VALUES (1)")?)
    }

    async fn make_table(connection_thread: &ConnectionThread) {
        let make = |connection: &mut Connection| {
            Ok(connection.execute_batch("CREATE TABLE rows (number INTEGER)")?)
        };
        connection_thread.write(make).await.unwrap();
    }

    #[tokio::test]
    async fn a_job_that_panics_changes_nothing_and_the_next_is_done() {
        let connection_thread = connection_thread();
        make_table(&connection_thread).await;
        for _ in 0..3 {
            let panics = |connection: &mut Connection| {
                let transaction = connection.transaction()?;
                transaction.execute_batch("INSERT INTO rows VALUES (1)")?;
                assert!(transaction.is_autocommit(), "a transaction is open");
                Ok(())
            };
            let refused = connection_thread.write(panics).await.unwrap_err();
            assert!(refused.to_string().contains("panicked"), "{refused}");
            assert_eq!(connection_thread.read(count).await.unwrap(), 0);
        }
        connection_thread.write(insert).await.unwrap();
        assert_eq!(connection_thread.read(count).await.unwrap(), 1);
    }

    #[tokio::test]
    async fn a_job_on_the_callers_thread_is_done_as_one_on_the_other_and_after_those_that_wait() {
        let connection_thread = Arc::new(connection_thread());
        make_table(&connection_thread).await;
        let (free, held) = mpsc::channel::<()>();
        let mut hold = Box::pin(connection_thread.write(move |_| Ok(held.recv().is_ok())));
        let mut second = Box::pin(connection_thread.write(count));
        assert!(poll!(&mut hold).is_pending());
        assert!(poll!(&mut second).is_pending());
        let mut here = Box::pin(connection_thread.write_here(insert));
        assert!(poll!(&mut here).is_pending());
        free.send(()).unwrap();
        here.await.unwrap();
        assert_eq!(second.await.unwrap(), 0);
        let panics = |_: &mut Connection| -> Result<(), RecordError> { panic!("as it is to") };
        let refused = connection_thread.write_here(panics).await.unwrap_err();
        assert!(refused.to_string().contains("panicked"), "{refused}");
        assert_eq!(connection_thread.write_here(count).await.unwrap(), 1);
        connection_thread.close();
        let gone = connection_thread.write_here(count).await.unwrap_err();
        assert!(gone.to_string().contains("has ended"), "{gone}");
    }

    #[tokio::test]
    async fn what_nobody_waits_for_any_more_is_written_but_not_read() {
        let connection_thread = connection_thread();
        make_table(&connection_thread).await;
        let (free, held) = mpsc::channel::<()>();
        let mut hold = Box::pin(connection_thread.write(move |_| Ok(held.recv().is_ok())));
        let mut gone = Box::pin(connection_thread.write(insert));
        // A read that writes, to see whether it was done.
        let mut gone_reader = Box::pin(connection_thread.read(insert));
        assert!(poll!(&mut hold).is_pending());
        assert!(poll!(&mut gone).is_pending());
        assert!(poll!(&mut gone_reader).is_pending());
        drop((gone, gone_reader));
        free.send(()).unwrap();
        assert_eq!(connection_thread.read(count).await.unwrap(), 1);
    }
}
