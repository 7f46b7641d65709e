//! Connections: how many at once, and how long each may take. A slow or silent client costs a place for a while, and
//! nothing else: it gives way when all are taken. Who comes when all are in use is told so at once, and does not wait in a
//! queue that nobody sees.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service as _;

use super::idle::{Idle, Turn};
use super::limits::{Asker, MAX_HEAD_BYTES};
use super::patient::Patient;
use super::problem::Problem;

/// Connections at once: with the largest head each, they take 16 MiB. Their bodies and answers are bounded by `limits`.
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

/// What is read of a head: twice what it may have, so that its request can be told so. Beyond it, hyper answers 431 by itself.
const MAX_READ_BYTES: usize = 2 * MAX_HEAD_BYTES;

/// How long a connection that has to give way may take to do so.
const GIVING_WAY: Duration = Duration::from_millis(100);

/// Pause after the system refused a connection, for want of file descriptors.
const ACCEPT_AGAIN: Duration = Duration::from_millis(500);

/// Serves until the token is cancelled and what was in flight then is answered.
pub(super) async fn serve(listener: TcpListener, router: Router, shutdown: CancellationToken) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let connections = TaskTracker::new();
    let idle = Arc::new(Idle::default());
    let turned_away = Arc::new(Semaphore::new(MAX_TURNED_AWAY));
    let no_place = Router::new().fallback(async || Problem::overloaded());
    let accepting = async {
        loop {
            let (stream, address) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "an HTTP connection cannot be accepted");
                    tokio::time::sleep(ACCEPT_AGAIN).await;
                    continue;
                }
            };
            if places.available_permits() == 0 && idle.end_one() {
                // Whoever comes next takes it, if it is not there yet.
                let _ = tokio::time::timeout(GIVING_WAY, places.acquire()).await;
            }
            let asker = Asker::of(address.ip());
            if let Ok(place) = Arc::clone(&places).try_acquire_owned() {
                let turn = Arc::new(idle.add());
                let serving = converse((stream, asker), router.clone(), turn, shutdown.clone());
                connections.spawn(async move {
                    serving.await;
                    drop(place);
                });
            } else if let Ok(place) = Arc::clone(&turned_away).try_acquire_owned() {
                let turn = Arc::new(Arc::new(Idle::default()).add());
                let telling = converse((stream, asker), no_place.clone(), turn, shutdown.clone());
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

async fn converse(
    (stream, asker): (TcpStream, Asker),
    router: Router,
    turn: Arc<Turn>,
    shutdown: CancellationToken,
) {
    // Answers are written whole; without it, the last part of one waits for an acknowledgement.
    let _ = stream.set_nodelay(true);
    let asked = Arc::clone(&turn);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(asker.clone());
        let (turn, mut router) = (Arc::clone(&asked), router.clone());
        turn.asks();
        async move {
            let answer = router.call(request.map(Body::new)).await;
            turn.is_answered();
            answer
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_PATIENCE)
        .max_buf_size(MAX_READ_BYTES)
        .serve_connection(TokioIo::new(Patient::new(stream)), service);
    let mut connection = pin!(connection);
    // A client that breaks off or sends nonsense ends its own connection, and nobody else's.
    tokio::select! {
        _ = connection.as_mut() => return,
        () = turn.ends() => return,
        () = shutdown.cancelled() => {}
        () = tokio::time::sleep(CONNECTION_LIFE) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = tokio::time::timeout(LAST_ANSWER, connection).await;
}
