//! A thread that owns one SQLite connection and does jobs with it, one after the other.

use std::sync::mpsc;
use std::thread;

use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::record::RecordError;

type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// The handle; the thread ends when it is dropped.
pub(super) struct Lane(mpsc::Sender<Job>);

impl Lane {
    pub(super) fn start(name: &str, mut connection: Connection) -> std::io::Result<Self> {
        let (jobs, queue) = mpsc::channel::<Job>();
        thread::Builder::new().name(name.into()).spawn(move || {
            for job in queue {
                job(&mut connection);
            }
        })?;
        Ok(Self(jobs))
    }

    /// Does a job on the thread. It is done even when nobody waits for its result any more.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Connection) -> T + Send + 'static,
    ) -> Result<T, RecordError> {
        let gone = || RecordError::Unavailable("its thread has ended".into());
        let (answer, result) = oneshot::channel();
        let job = move |connection: &mut Connection| {
            let _ = answer.send(job(connection));
        };
        self.0.send(Box::new(job)).map_err(|_| gone())?;
        result.await.map_err(|_| gone())
    }
}
