//! Connections, for gRPC and for HTTP alike: taken in one after the other, ended when their client takes nothing of what is sent, and listed
//! while they say nothing, so that one of them gives way when there is no room. How many there may be, and how long each may
//! take, is said by the edge that has them.

mod connection;
mod idle;

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};

pub(crate) use connection::{Connection, Stream, Terms};
pub(crate) use idle::{Idle, Listed};

/// Pause after the system refused a connection, for want of file descriptors.
const ACCEPT_AGAIN: Duration = Duration::from_millis(200);

/// The next connection; what is spoken on it is for the log.
pub(crate) async fn accept(listener: &TcpListener, spoken: &str) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok((stream, address)) => {
                // Small answers leave at once: waiting for more to send would cost 40 ms a call.
                let _ = stream.set_nodelay(true);
                return (stream, address);
            }
            Err(error) => {
                tracing::warn!(%error, spoken, "a connection cannot be accepted");
                tokio::time::sleep(ACCEPT_AGAIN).await;
            }
        }
    }
}
