//! While the service runs: looks at the record's head, so that one that went back is noticed without a call and found whole
//! again, and keeps the head file.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::head_file::{HeadFile, HeadFileError};
use crate::record::Record;
use crate::record::proof::TreeHead;
use crate::signer::Signer;

/// How often to look. Who appends looks as well.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// How often the head file is replaced while the record grows: each time takes two RSA signatures.
const WRITE_EVERY: Duration = Duration::from_secs(60);

/// How long the last writing may take: whoever stops containers waits little longer than the grace period.
const LAST_PATIENCE: Duration = Duration::from_secs(4);

/// A task that looks, until it is told to end.
pub(super) struct Watch {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Watch {
    /// Writes the head file, and begins to look.
    ///
    /// # Errors
    /// [`HeadFileError::Io`] when the head file cannot be written. That no key can sign is none: the file stays as it is.
    pub(super) async fn start(
        record: Arc<dyn Record>,
        signer: Signer,
        file: Option<HeadFile>,
    ) -> Result<Self, HeadFileError> {
        let mut keeper = file.map(|file| Keeper {
            file,
            signer,
            written: None,
        });
        if let Some(keeper) = &mut keeper {
            keeper.write(record.as_ref()).await?;
        }
        let stop = CancellationToken::new();
        let task = tokio::spawn(look(record, keeper, stop.clone()));
        Ok(Self { stop, task })
    }

    /// Writes the head file for the last time. To be called when nothing is signed any more.
    pub(super) async fn finish(self) {
        self.stop.cancel();
        let _ = tokio::time::timeout(LAST_PATIENCE, self.task).await;
    }
}

async fn look(record: Arc<dyn Record>, mut keeper: Option<Keeper>, stop: CancellationToken) {
    loop {
        let ended = tokio::time::timeout(LOOK_EVERY, stop.cancelled())
            .await
            .is_ok();
        let written = match &mut keeper {
            Some(keeper) if ended || keeper.is_due() => keeper.write(record.as_ref()).await,
            // The store tells what it finds, and keeps it.
            _ if !ended => record.head().await.map(|_| ()).map_err(HeadFileError::from),
            _ => Ok(()),
        };
        if let Err(error) = written {
            tracing::warn!(%error, "the record was not looked at, or its head not kept");
        }
        if ended {
            return;
        }
    }
}

/// Keeps the head file.
struct Keeper {
    file: HeadFile,
    signer: Signer,
    written: Option<(TreeHead, Instant)>,
}

impl Keeper {
    fn is_due(&self) -> bool {
        self.written
            .is_none_or(|(_, at)| at.elapsed() >= WRITE_EVERY)
    }

    /// Writes the head if the record has grown since it was written.
    async fn write(&mut self, record: &dyn Record) -> Result<(), HeadFileError> {
        let tree = record.head().await?;
        let tree = TreeHead {
            size: tree.size(),
            root: tree.root(),
        };
        if self.written.is_some_and(|(written, _)| written == tree) {
            return Ok(());
        }
        let head = match self.signer.head(tree.size).await {
            Ok(head) => head,
            Err(refusal) => {
                tracing::info!(%refusal, "no new head of the record is kept, and the last one stays");
                return Ok(());
            }
        };
        let (file, signed) = (self.file.clone(), head.signed.clone());
        // An fsync is not for the reactor.
        let write = tokio::task::spawn_blocking(move || file.write(&signed));
        let ended =
            |_| crate::record::RecordError::Unavailable("the task that writes was ended".into());
        write.await.map_err(ended)??;
        self.written = Some((head.signed.head().tree, Instant::now()));
        Ok(())
    }
}
