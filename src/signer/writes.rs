//! Whether the record takes what is signed: from a failed append on it is asked until it does, so that health tells it and
//! comes back without a caller.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::record::{AppendError, Record, RecordError};
use checkpoint::history::Receipt;

/// How often to ask.
const EVERY: Duration = Duration::from_secs(2);

/// Why nothing can be recorded now; none while something can.
pub(super) struct Writes(watch::Sender<Option<RecordError>>);

impl Writes {
    /// Starts to ask; ends when nobody listens any more.
    pub(super) fn start(
        record: Arc<dyn Record>,
    ) -> (Arc<Self>, watch::Receiver<Option<RecordError>>) {
        let (publisher, faults) = watch::channel(None);
        let writes = Arc::new(Self(publisher));
        tokio::spawn(Arc::clone(&writes).ask(record));
        (writes, faults)
    }

    async fn ask(self: Arc<Self>, record: Arc<dyn Record>) {
        loop {
            let failing = self.0.borrow().is_some();
            match record.probe(failing).await {
                Ok(()) if failing => self.succeeded(),
                Err(error @ RecordError::Unavailable(_)) => self.failed(&error),
                // What else is wrong is told by who found it.
                Ok(()) | Err(_) => {}
            }
            tokio::select! {
                () = self.0.closed() => return,
                () = tokio::time::sleep(EVERY) => {}
            }
        }
    }

    /// Notes how an append ended.
    pub(super) fn note(&self, answers: &[Result<Receipt, AppendError>]) {
        let failed = answers.iter().find_map(|answer| match answer {
            Err(AppendError::Store(error @ RecordError::Unavailable(_))) => Some(error),
            _ => None,
        });
        match failed {
            Some(error) => self.failed(error),
            None if answers.iter().any(Result::is_ok) => self.succeeded(),
            // A rule refused all of them, and nothing was written.
            None => {}
        }
    }

    fn failed(&self, error: &RecordError) {
        self.0.send_if_modified(|fault| {
            let before = fault.replace(error.clone());
            if before.is_none() {
                tracing::error!(%error, "nothing can be recorded now; it is tried until it can");
            }
            before.is_none_or(|before| before.to_string() != error.to_string())
        });
    }

    fn succeeded(&self) {
        self.0.send_if_modified(|fault| {
            let failed = fault.take().is_some();
            if failed {
                tracing::info!("the record takes signatures again");
            }
            failed
        });
    }
}
