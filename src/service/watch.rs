//! While the service runs: looks at the record's head, so that one that went back is noticed without a call and found whole
//! again, and keeps the head file.

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::head_file::{HeadFile, HeadFileError};
use super::moves::{self, Watched};
use crate::record::home::Moved;
use crate::record::{Record, RecordError, WentBack};
use crate::signer::Signer;
use checkpoint::log::proof::TreeHead;

/// How often to look. Who appends looks as well.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// How often to ask the peers.
const ASK_EVERY: Duration = Duration::from_secs(10);

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
    /// Looks, writes the head file, and goes on looking.
    ///
    /// # Errors
    /// [`HeadFileError::Io`] when the head file cannot be written. That no key can sign is no error: the file stays as it is.
    pub(super) async fn start(watched: Watched) -> Result<Self, HeadFileError> {
        let mut keeper = watched.witnesses.head_file.clone().map(|file| Keeper {
            file,
            signer: watched.core.signer.clone(),
            written: None,
        });
        let record = watched.core.record.as_ref();
        let looked = match &mut keeper {
            Some(keeper) => keeper.write(record).await,
            None => record.head().await.map(|_| ()).map_err(HeadFileError::from),
        };
        match looked {
            // The service begins all the same, and signs nothing.
            Err(HeadFileError::Record(error)) => {
                tracing::error!(%error, "the record takes nothing now");
            }
            looked => looked?,
        }
        let stop = CancellationToken::new();
        let task = tokio::spawn(look(watched, keeper, stop.clone()));
        Ok(Self { stop, task })
    }

    /// Writes the head file for the last time. To be called when nothing is signed any more.
    pub(super) async fn finish(self) {
        self.stop.cancel();
        let _ = tokio::time::timeout(LAST_PATIENCE, self.task).await;
    }
}

async fn look(watched: Watched, mut keeper: Option<Keeper>, stop: CancellationToken) {
    let record = &watched.core.record;
    let (mut asked, mut waits) = (Instant::now(), String::new());
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
        if ended {
            return;
        }
        if let Err(HeadFileError::Record(RecordError::WentBack(WentBack::Moved(moved)))) = &written
        {
            watched.follow(moved, &mut waits).await;
        } else if let Err(error) = written {
            tracing::warn!(%error, "the record was not looked at, or its head not kept");
        }
        if asked.elapsed() >= ASK_EVERY && !watched.witnesses.peers.is_empty() {
            moves::compare(record, &watched.witnesses, &watched.log).await;
            asked = Instant::now();
        }
    }
}

impl Watched {
    /// Tells once what is waited for.
    async fn follow(&self, moved: &Moved, waits: &mut String) {
        let followed = moves::follow(self, moved).await;
        let problem = followed
            .err()
            .map_or_else(String::new, |error| error.to_string());
        if !problem.is_empty() && problem != *waits {
            tracing::error!(problem, "nothing is signed where the database is now");
        }
        *waits = problem;
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
