//! Connections: how many at once, and how long each may take. A slow or silent client costs a place for a while, and
//! nothing else: it gives way when all are taken. Who comes when all are in use is told so at once, and does not wait in a
//! queue that nobody sees.
//!
//! Attack: as many silent connections as there are places, and heads that never end. hyper bounds a head's time and size, and not how many
//! there are. Shown by `tests/web/connections.rs`, `limits.rs` (`a_client_that_says_nothing_loses_its_connection`) and `attack.rs`
//! (`send_heads_without_end`).

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use hyper::body::{Body as HttpBody, Bytes, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service as _;

use super::limits::{Asker, MAX_HEAD_BYTES};
use super::problem::Problem;
use crate::net::{self, Asking, Connection, Idle, Listed, Places, Stream, Terms};

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

/// How long a client may be waited for while others wait: an honest head is there in some milliseconds.
const MAY_BE_SILENT: Duration = Duration::from_secs(1);

/// A browser opens six at once to a site.
const PLACES: Places = Places {
    all: MAX_CONNECTIONS,
    a_few: 6,
};

static TERMS: Terms<()> = Terms {
    write_patience: Duration::from_secs(20),
    is_overdue: |()| false,
    gives_way: |(), _| Poll::Pending,
    linger: None,
};

/// Serves until the token is cancelled and what was in flight then is answered.
pub(super) async fn serve(listener: TcpListener, router: Router, shutdown: CancellationToken) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let connections = TaskTracker::new();
    let idle = Arc::new(Idle::default());
    let turned_away = Arc::new(Semaphore::new(MAX_TURNED_AWAY));
    let no_place = Router::new().fallback(async || Problem::overloaded());
    let accepting = async {
        loop {
            let (stream, address) = net::accept(&listener, "HTTP").await;
            if places.available_permits() == 0 && makes_room(&idle, &address.ip().to_string()) {
                // Whoever comes next takes it, if it is not there yet.
                let _ = tokio::time::timeout(GIVING_WAY, places.acquire()).await;
            }
            let asker = Asker::of(address.ip());
            if let Ok(place) = Arc::clone(&places).try_acquire_owned() {
                let listed = Arc::new(idle.add(address.ip().to_string().into()));
                let serving = converse((stream, asker), router.clone(), listed, shutdown.clone());
                connections.spawn(async move {
                    serving.await;
                    drop(place);
                });
            } else if let Ok(place) = Arc::clone(&turned_away).try_acquire_owned() {
                let listed =
                    Arc::new(Arc::new(Idle::default()).add(address.ip().to_string().into()));
                let telling = converse((stream, asker), no_place.clone(), listed, shutdown.clone());
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

/// Whether one gives way to somebody who comes.
fn makes_room(idle: &Idle, who: &str) -> bool {
    match idle.has(who) {
        true => idle.end_one(MAY_BE_SILENT),
        false => idle.end_one_for_another(MAY_BE_SILENT, PLACES),
    }
}

async fn converse(
    (stream, asker): (TcpStream, Asker),
    router: Router,
    listed: Arc<Listed>,
    shutdown: CancellationToken,
) {
    let asked = Arc::clone(&listed);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(asker.clone());
        let asking = Arc::new(Asking::on(&asked));
        let request = request.map(|body| Body::new(Asked::new(body, Arc::clone(&asking))));
        let mut router = router.clone();
        async move {
            let answer = router.call(request).await;
            drop(asking);
            answer
        }
    });
    let connection = Connection::new(Stream::Left(stream), &[], &TERMS, ());
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_PATIENCE)
        .max_buf_size(MAX_READ_BYTES)
        .serve_connection(TokioIo::new(connection), service);
    let mut connection = pin!(connection);
    // A client that breaks off or sends nonsense ends its own connection, and nobody else's.
    tokio::select! {
        _ = connection.as_mut() => return,
        () = listed.ends() => return,
        () = shutdown.cancelled() => {}
        () = tokio::time::sleep(CONNECTION_LIFE) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = tokio::time::timeout(LAST_ANSWER, connection).await;
}

/// The body of a request, which is worked on when all of it is there.
struct Asked {
    body: Incoming,
    /// Until then.
    asking: Option<Arc<Asking>>,
}

impl Asked {
    fn new(body: Incoming, asking: Arc<Asking>) -> Self {
        let is_there = body.is_end_stream();
        let mut asked = Self {
            body,
            asking: Some(asking),
        };
        asked.look(is_there);
        asked
    }

    fn look(&mut self, is_there: bool) {
        if let Some(asking) = self.asking.take_if(|_| is_there) {
            asking.begins();
        }
    }
}

impl HttpBody for Asked {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        let is_there = frame.is_none() || self.body.is_end_stream();
        self.look(is_there);
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
