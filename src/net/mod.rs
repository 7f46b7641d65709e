//! Connections, for gRPC and for HTTP alike: taken in one after the other, ended when their client takes nothing of what is sent, and listed
//! while they say nothing, so that one of them gives way when there is no room. How many there may be, and how long each may
//! take, is said by the edge that has them.

mod connection;
mod idle;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};

pub(crate) use connection::{Connection, Stream, Terms};
pub(crate) use idle::{Asking, Idle, Listed, Places, Works};

/// Pause after the system refused a connection, for want of file descriptors.
const ACCEPT_AGAIN: Duration = Duration::from_millis(200);

/// Connections that may wait to be accepted. Of those beyond it the system drops the first packet, and they wait for a second or more: all
/// clients that come at once when a service has just started, or a busy machine accepts slowly, are to have room. The system may allow fewer
/// (`net.core.somaxconn`).
const BACKLOG: u32 = 4096;

/// Listens at an address.
pub(crate) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // Connections of a service that has just ended keep nobody from the port.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

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
