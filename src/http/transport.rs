//! Connections: how many at once, and how long each may take. A slow or silent client costs a place for a while, and
//! nothing else. Who comes when all are taken is told so at once, and does not wait in a queue that nobody sees.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::problem::Problem;

/// Connections at once: with the largest body each, they take half a gigabyte at worst.
const MAX_CONNECTIONS: usize = 512;

/// Connections at once that are only told that there is no place; what comes beyond them is closed.
const MAX_TURNED_AWAY: usize = 64;

/// How long a client that is turned away may take to send its request and to read the answer.
const TURNING_AWAY: Duration = Duration::from_secs(2);

/// How long a client may take to send the head of a request; an idle connection is closed after it, too.
const HEAD_PATIENCE: Duration = Duration::from_secs(10);

/// How long a connection may be used for further requests.
const CONNECTION_LIFE: Duration = Duration::from_secs(120);

/// How long the last answer on a connection may take to be sent.
const LAST_ANSWER: Duration = Duration::from_secs(20);

/// Largest head of a request, in bytes: the longest path and query are below 1 KiB.
const MAX_HEAD_BYTES: usize = 16 * 1024;

/// Pause after the system refused a connection, for want of file descriptors.
const ACCEPT_AGAIN: Duration = Duration::from_millis(500);

/// Serves until the token is cancelled and what was in flight then is answered.
pub(super) async fn serve(listener: TcpListener, router: Router, shutdown: CancellationToken) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let connections = TaskTracker::new();
    let turned_away = Arc::new(Semaphore::new(MAX_TURNED_AWAY));
    let no_place = Router::new().fallback(async || Problem::overloaded());
    let accepting = async {
        loop {
            let stream = match listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "an HTTP connection cannot be accepted");
                    tokio::time::sleep(ACCEPT_AGAIN).await;
                    continue;
                }
            };
            if let Ok(place) = Arc::clone(&places).try_acquire_owned() {
                let serving = converse(stream, router.clone(), shutdown.clone());
                connections.spawn(async move {
                    serving.await;
                    drop(place);
                });
            } else if let Ok(place) = Arc::clone(&turned_away).try_acquire_owned() {
                let telling = converse(stream, no_place.clone(), shutdown.clone());
                connections.spawn(async move {
                    let _ = tokio::time::timeout(TURNING_AWAY, telling).await;
                    drop(place);
                });
            }
        }
    };
    tokio::select! {
        () = accepting => {}
        () = shutdown.cancelled() => {}
    }
    connections.close();
    connections.wait().await;
}

async fn converse(stream: TcpStream, router: Router, shutdown: CancellationToken) {
    // Answers are written whole; without it, the last part of one waits for an acknowledgement.
    let _ = stream.set_nodelay(true);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_PATIENCE)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = pin!(connection);
    // A client that breaks off or sends nonsense ends its own connection, and nobody else's.
    tokio::select! {
        _ = connection.as_mut() => return,
        () = shutdown.cancelled() => {}
        () = tokio::time::sleep(CONNECTION_LIFE) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = tokio::time::timeout(LAST_ANSWER, connection).await;
}
