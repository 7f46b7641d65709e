//! The running service: record, keys, signer and edges put together, and taken apart in the right order.

mod certificates;
mod head_file;
mod moves;
mod peer;
mod peer_keys;
mod watch;
mod witnesses;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::aside::{Aside, Turns};
use crate::clock::Clock;
use crate::grpc::access::Access;
use crate::http::{MetricsPlace, Scraped};
use crate::record::{Depth, Record, RecordError};
use crate::signer::{Core, KeyManager};
use crate::source::KeySource;
use crate::telemetry::Metrics;
use crate::{grpc, http, net};
use checkpoint::history::rules::MaxEntryJump;
use checkpoint::keyring::Keyring;
use checkpoint::log::head::LogName;
use checkpoint::verdict;
use checkpoint::verdict::VerdictKind;

pub use head_file::{HeadFile, HeadFileError, WhenMissing};
pub(crate) use peer::place;
pub use peer::{Peer, PeerAnswer, PeerReply, RevokedKey, SeenBeforeMove, Wrong};
pub use witnesses::{SilentPeer, WitnessError, Witnesses};

use moves::Watched;
use watch::Watch;

/// Rows that are verified at a start.
const ROWS_VERIFIED: u32 = 100;

/// How long calls in flight may take to end after the service was told to.
const GRACE: Duration = Duration::from_secs(25);

/// Why the service does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address cannot be listened on.
    #[error("{flag}: cannot listen on {address}: {error}")]
    Listen {
        /// The flag that says where.
        flag: &'static str,
        /// Where.
        address: SocketAddr,
        /// Why not.
        error: std::io::Error,
    },
    /// The record cannot be read.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The store is damaged: it could give a place twice.
    #[error("the record is damaged: {0}; restore it from its backup")]
    Store(String),
    /// A row does not verify: the record was damaged or edited.
    #[error("the record is damaged: row {position} is {kind}: {explanation}")]
    WrongRow {
        /// Where.
        position: u64,
        /// What was found.
        kind: VerdictKind,
        /// A sentence.
        explanation: String,
    },
    /// The record was once larger than it is, or is another one.
    #[error(transparent)]
    Witness(#[from] WitnessError),
    /// No threads.
    #[error("the signing threads cannot be started: {0}")]
    Threads(std::io::Error),
    /// No threads for what the public asks.
    #[error("the threads for verdicts and pages cannot be started: {0}")]
    Aside(std::io::Error),
}

/// What a service is made of.
pub struct Parts {
    /// Tells the time.
    pub clock: Clock,
    /// Where keys come from.
    pub source: Box<dyn KeySource>,
    /// What remembers.
    pub record: Arc<dyn Record>,
    /// The name under which heads of the record are signed.
    pub log: LogName,
    /// How many entries one checkpoint may add.
    pub max_entry_jump: MaxEntryJump,
    /// What tells how far the record once was.
    pub witnesses: Witnesses,
    /// Where gRPC is served; port 0 takes a free one.
    pub grpc: SocketAddr,
    /// Who may call it.
    pub access: Access,
    /// Where HTTP is served, if anywhere.
    pub http: Option<SocketAddr>,
    /// The URL under which the public finds HTTP: the issuer of the signed keyring.
    pub public_url: Option<http::PublicUrl>,
    /// Where metrics are served, if anywhere.
    pub metrics: Option<http::MetricsPlace>,
}

/// A service that runs.
pub struct Service {
    grpc: SocketAddr,
    http: Option<SocketAddr>,
    metrics: Option<SocketAddr>,
    shutdown: CancellationToken,
    /// gRPC, which is what the service is for, has ended though nobody asked for it.
    broken: CancellationToken,
    edges: Vec<JoinHandle<()>>,
    watch: Watch,
    record: Arc<dyn Record>,
    /// Ends with the service.
    _aside: Aside,
}

impl Service {
    /// Verifies the newest rows of the record, asks the witnesses whether it is the newest state,
    /// loads the keys, and serves.
    ///
    /// # Errors
    /// [`StartError`]. A key source that cannot be read is no error: it is retried, and signing is not served
    /// meanwhile.
    pub async fn start(parts: Parts) -> Result<Self, StartError> {
        let Parts {
            clock,
            source,
            record,
            log,
            max_entry_jump,
            access,
            witnesses,
            public_url,
            ..
        } = parts;
        let bare = record.as_it_is().unwrap_or_else(|| Arc::clone(&record));
        let newest = check_record(bare.as_ref()).await?;
        witnesses.check(bare.as_ref(), &log).await?;
        let recorded = bare.keyring().await?;
        drop(bare);
        let listener = listen("--grpc", parts.grpc)?;
        let http_listener = match parts.http {
            Some(address) => Some(listen("--http", address)?),
            None => None,
        };
        let metrics_listener = match parts.metrics {
            Some(MetricsPlace::Own(address)) => Some(listen("--metrics", address)?),
            _ => None,
        };
        let metrics = Arc::new(Metrics::default());
        let key_manager = KeyManager::start(
            clock.clone(),
            source,
            Arc::clone(&record),
            Arc::clone(&metrics),
        );
        let key_manager = key_manager.await?;
        let warning =
            witnesses::warn_of_unseen_keys(recorded, key_manager.keys(), newest, clock.clone());
        tokio::spawn(warning);
        let core = Core::start(&key_manager, record, log.clone(), max_entry_jump, metrics)
            .map_err(StartError::Threads)?;
        let scraped = Scraped::new(core.clone());
        let watch = Watch::start(Watched {
            core: core.clone(),
            witnesses,
            log,
        });
        let watch = watch.await.map_err(WitnessError::from)?;
        let shutdown = CancellationToken::new();
        let aside = Aside::start().map_err(StartError::Aside)?;
        tokio::spawn(certificates::watch(
            access.clone(),
            Arc::clone(&core.metrics),
            clock.clone(),
            shutdown.clone(),
        ));
        let grpc = local(&listener, parts.grpc);
        let http = http_listener.as_ref().zip(parts.http);
        let http = http.map(|(listener, asked)| local(listener, asked));
        let own_metrics = metrics_listener.as_ref();
        let own_metrics = own_metrics.and_then(|listener| listener.local_addr().ok());
        let mut edges = Vec::new();
        if let Some(listener) = metrics_listener {
            let serving = http::serve_metrics(listener, scraped.clone(), shutdown.clone());
            edges.push(tokio::spawn(serving));
        }
        if let Some(listener) = http_listener {
            let inner = http::Inner::new(core.clone(), public_url);
            let scraped = (parts.metrics == Some(MetricsPlace::Http)).then_some(scraped);
            let serving = http::serve(listener, inner, scraped, shutdown.clone());
            edges.push(aside.threads().spawn(serving));
        }
        let record = Arc::clone(&core.record);
        let serving = grpc::serve(
            listener,
            access,
            grpc::Inner {
                core,
                key_manager,
                shutdown: shutdown.clone(),
                aside: aside.threads(),
                turns: Turns::default(),
            },
        );
        let broken = CancellationToken::new();
        let (breaks, ends) = (broken.clone(), shutdown.clone());
        edges.push(tokio::spawn(async move {
            // Also when it panics.
            let told = breaks.drop_guard();
            if let Err(error) = serving.await {
                tracing::error!(%error, "gRPC has ended");
            }
            if ends.is_cancelled() {
                told.disarm();
            }
        }));
        Ok(Self {
            grpc,
            http,
            metrics: own_metrics,
            shutdown,
            broken,
            edges,
            watch,
            record,
            _aside: aside,
        })
    }

    /// Where gRPC is served.
    pub fn grpc(&self) -> SocketAddr {
        self.grpc
    }

    /// Where HTTP is served.
    pub fn http(&self) -> Option<SocketAddr> {
        self.http
    }

    /// Where metrics are served on a port of their own.
    pub fn metrics(&self) -> Option<SocketAddr> {
        self.metrics
    }

    /// Returns when gRPC has ended by itself: nothing else shows that to whoever looks after the process.
    pub async fn broken(&self) {
        self.broken.cancelled().await;
    }

    /// Takes no new work, answers what is in flight, and ends. False when the grace period was over first.
    pub async fn drain(self) -> bool {
        self.shutdown.cancel();
        let ended = futures_util::future::join_all(self.edges);
        let in_time = tokio::time::timeout(GRACE, ended).await.is_ok();
        self.watch.finish().await;
        self.record.close().await;
        in_time
    }
}

fn listen(flag: &'static str, address: SocketAddr) -> Result<TcpListener, StartError> {
    net::listen(address).map_err(|error| StartError::Listen {
        flag,
        address,
        error,
    })
}

fn local(listener: &TcpListener, asked: SocketAddr) -> SocketAddr {
    listener.local_addr().unwrap_or(asked)
}

/// A record that was restored wrongly, damaged or edited is found before anything is signed on top of it. Gives the time of the
/// newest signature.
async fn check_record(record: &dyn Record) -> Result<Option<DateTime<Utc>>, StartError> {
    let found = record.check_store(Depth::Start).await?.problems;
    if let Some(problem) = found.into_iter().next() {
        return Err(StartError::Store(problem));
    }
    let keyring: Keyring = record.keyring().await?;
    let newest = record.newest(ROWS_VERIFIED).await?;
    for row in &newest {
        let verdict = verdict::verify(&keyring, &row.signed);
        // A key that was revoked later has signed rows all the same.
        if !matches!(verdict.kind, VerdictKind::Valid | VerdictKind::KeyRevoked) {
            return Err(StartError::WrongRow {
                position: row.position,
                kind: verdict.kind,
                explanation: verdict.explanation,
            });
        }
    }
    Ok(newest.iter().map(|row| row.signed.jws.header().iat).max())
}
