//! Speaking HTTP/2 on connections, until the service ends and what was in flight then is answered.
//!
//! A call is judged as soon as its head is there, and not when its task first runs: until then a head of many small entries takes fifty times what it took
//! on the way (RFC 7541: an entry that stood there before is one byte), and all that a connection has read would wait with theirs.
//!
//! Attack: heads of as many entries as there may be, on all streams of all connections. Shown by `tests/web/heads.rs`.

use std::convert::Infallible;
use std::io;
use std::pin::pin;

use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::body::Body;
use tonic::codegen::http::{Request, Response};
use tonic::transport::server::Connected as _;
use tower::Service;

use super::{
    CONNECTION_WINDOW_BYTES, ConnectInfo, Connection, MAX_CALLS_PER_CONNECTION,
    MAX_METADATA_READ_BYTES, PING_EVERY, STREAM_WINDOW_BYTES,
};

/// Serves these connections by a service that is always ready.
pub(in crate::grpc) async fn serve<S>(
    mut connections: ReceiverStream<io::Result<Connection>>,
    service: S,
    shutdown: CancellationToken,
) where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send + 'static,
{
    let speaks = http2();
    let conversations = TaskTracker::new();
    loop {
        let connection = tokio::select! {
            () = shutdown.cancelled() => break,
            connection = connections.next() => connection,
        };
        let connection = match connection {
            Some(Ok(connection)) => connection,
            Some(Err(_)) => continue,
            None => break,
        };
        let calls = Calls {
            service: service.clone(),
            of: connection.connect_info(),
        };
        let speaking = speaks.serve_connection(TokioIo::new(connection), calls);
        let shutdown = shutdown.clone();
        conversations.spawn(async move {
            let mut speaking = pin!(speaking);
            // A client that breaks off or sends nonsense ends its own connection, and nobody else's.
            tokio::select! {
                _ = speaking.as_mut() => return,
                () = shutdown.cancelled() => speaking.as_mut().graceful_shutdown(),
            }
            let _ = speaking.await;
        });
    }
    // Who comes now is not let in.
    drop(connections);
    conversations.close();
    conversations.wait().await;
}

/// The 20 s to answer a ping are hyper's own bound. Calls that are called off before they are looked at (CVE-2023-44487) are no
/// more than there may be at once: a client whose patience ends while the service stands still calls off all that it has.
fn http2() -> http2::Builder<TokioExecutor> {
    let mut http2 = http2::Builder::new(TokioExecutor::new());
    http2
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_pending_accept_reset_streams(MAX_CALLS_PER_CONNECTION as usize)
        .max_concurrent_streams(MAX_CALLS_PER_CONNECTION)
        .max_header_list_size(MAX_METADATA_READ_BYTES)
        .keep_alive_interval(PING_EVERY);
    http2
}

/// The calls of a connection.
struct Calls<S> {
    service: S,
    of: ConnectInfo,
}

impl<S> hyper::service::Service<Request<Incoming>> for Calls<S>
where
    S: Service<Request<Body>> + Clone,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn call(&self, request: Request<Incoming>) -> S::Future {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(self.of.clone());
        self.service.clone().call(request)
    }
}
