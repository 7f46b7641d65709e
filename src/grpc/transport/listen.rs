//! Taking connections in.
//!
//! Attack: handshakes that are begun and not ended; tonic would wait for them. Shown by `tests/access/hostile.rs` (`begin_and_stop`). Who
//! speaks HTTP/1 is told so: `tests/service/protocol.rs` (`a_client_of_http_1_is_told_that_this_is_grpc`).

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;

use super::connection::{Admitted, TERMS};
use super::{
    ConnectInfo, Connection, MAX_CONNECTIONS, MAX_NEWCOMERS, NEWCOMER_PATIENCE, PLACES, SILENCE,
};
use crate::budget::{Budget, Part};
use crate::grpc::access::{Access, Peer};
use crate::net::{self, Idle, Stream};

/// What a client of HTTP/2 says first (RFC 9113, section 3.4).
static PREFACE: [u8; 24] = *b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What a client of HTTP/1 is answered (RFC 9110, section 15.6.6; RFC 9457).
const HTTP_1_ANSWER: &[u8] = b"HTTP/1.1 505 HTTP Version Not Supported\r\n\
    content-type: application/problem+json\r\ncache-control: no-store\r\nconnection: close\r\ncontent-length: 182\r\n\r\n\
    {\"type\":\"about:blank\",\"title\":\"HTTP Version Not Supported\",\"status\":505,\"reason\":\"HTTP2_REQUIRED\",\
    \"detail\":\"gRPC is spoken here; expected HTTP/2, and see --http for the public API\"}\n";

/// What is read of such a client's request after the answer.
const MAX_HTTP_1_BYTES: usize = 64 * 1024;

/// How often a client that has no place is looked for one, four times each [`SILENCE`]: who came just now may be silent long enough by then.
const SILENCES: usize = 8;

/// What keeps out a client that has connections already.
const NONE_MORE: &str = "the peer has as many connections as are left for others";

/// What keeps out one that has none.
const NONE_AT_ALL: &str = "all connections are in use, and on each of them something is being done";

/// Refused connections are told of at most this often: there may be thousands.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// Takes connections in until `shutdown`: those that have a place and have begun to speak HTTP/2.
pub(in crate::grpc) fn listen(
    listener: TcpListener,
    access: Access,
    shutdown: CancellationToken,
) -> ReceiverStream<io::Result<Connection>> {
    let (sender, connections) = mpsc::channel(1);
    let reception = Arc::new(Reception {
        access,
        places: Budget::new(MAX_CONNECTIONS),
        connected: Arc::default(),
        told: Mutex::default(),
    });
    tokio::spawn(async move {
        tokio::select! {
            () = accept(listener, reception, sender) => {}
            () = shutdown.cancelled() => {}
        }
    });
    ReceiverStream::new(connections)
}

struct Reception {
    access: Access,
    places: Arc<Budget>,
    connected: Arc<Idle>,
    told: Mutex<LastTold>,
}

/// What the log was told of refused connections.
#[derive(Default)]
struct LastTold {
    last: Option<Instant>,
    untold: u64,
}

async fn accept(
    listener: TcpListener,
    reception: Arc<Reception>,
    connections: mpsc::Sender<io::Result<Connection>>,
) {
    let newcomers = Arc::new(Idle::default());
    loop {
        let (stream, address) = net::accept(&listener, "gRPC").await;
        if newcomers.count() >= MAX_NEWCOMERS {
            newcomers.end_one(Duration::ZERO);
        }
        let newcomer = newcomers.add(address.ip().to_string().into());
        let (reception, connections) = (Arc::clone(&reception), connections.clone());
        let receive = async move {
            let received = reception.receive(stream, address);
            let received = tokio::time::timeout(NEWCOMER_PATIENCE, received).await;
            match received.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
                Ok(connection) => drop(connections.send(Ok(connection)).await),
                Err(error) => reception.tell(address, &error),
            }
        };
        tokio::spawn(async move {
            tokio::select! {
                () = receive => {}
                () = newcomer.ends() => {}
            }
        });
    }
}

/// Whether the client begins as HTTP/2 has it. One that speaks HTTP/1 is told so, in HTTP/1.
async fn begins(stream: &mut Stream) -> io::Result<bool> {
    let mut begun = 0;
    let mut first = [0; PREFACE.len()];
    while let (Some(room), Some(expected)) = (first.get_mut(begun..), PREFACE.get(begun..)) {
        if room.is_empty() {
            return Ok(true);
        }
        let read = stream.read(room).await?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if room.get(..read) != expected.get(..read) {
            let is_http = room.first().is_some_and(u8::is_ascii_alphabetic);
            if is_http {
                tell_of_http2(stream).await?;
            }
            return Ok(false);
        }
        begun += read;
    }
    Ok(false)
}

async fn tell_of_http2(stream: &mut Stream) -> io::Result<()> {
    stream.write_all(HTTP_1_ANSWER).await?;
    stream.shutdown().await?;
    // A socket that is closed with bytes unread resets the connection, and the answer may be lost by that.
    let mut unread = [0; 4096];
    let mut left: usize = MAX_HTTP_1_BYTES;
    loop {
        let read = stream.read(&mut unread).await?;
        match left.checked_sub(read) {
            Some(rest) if read > 0 => left = rest,
            _ => return Ok(()),
        }
    }
}

/// It is closed without a word: after a GOAWAY that says why, gRPC's clients would wait for their deadlines, or come again at once and without end.
fn no_place(problem: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::QuotaExceeded, problem)
}

impl Reception {
    async fn receive(&self, stream: TcpStream, address: SocketAddr) -> io::Result<Connection> {
        let (mut stream, peer) = match self.access.authority() {
            None => (Stream::Left(stream), Peer::open(address)),
            Some(authority) => {
                let acceptor = TlsAcceptor::from(Arc::clone(&authority.config));
                let stream = acceptor.accept(stream).await?;
                let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
                let chain = chain
                    .iter()
                    .map(|certificate| certificate.clone().into_owned());
                let peer = Peer::certified(address, chain.collect());
                (Stream::Right(Box::new(stream)), peer)
            }
        };
        if !begins(&mut stream).await? {
            let problem = "does not speak HTTP/2";
            return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
        }
        let place = self.place(peer.counted_as()).await.map_err(no_place)?;
        let listed = self.connected.add(Arc::clone(peer.counted_as()));
        let info = ConnectInfo {
            peer: Arc::new(peer),
            answers: Arc::default(),
            listed: Arc::new(listed),
        };
        let belongs = Admitted {
            info,
            _place: place,
        };
        Ok(Connection::new(stream, &PREFACE, &TERMS, belongs))
    }

    /// The place of one more connection. A peer that has none waits for that of a connection whose client is waited for, or has more than a share, for as long as a newcomer may.
    async fn place(&self, peer: &Arc<str>) -> Result<Part, &'static str> {
        if let Some(place) = self.places.try_take(peer, 1) {
            return Ok(place);
        }
        if self.places.has(peer) {
            return Err(NONE_MORE);
        }
        for _ in 0..SILENCES {
            if self.connected.end_one_for_another(SILENCE, PLACES) {
                return Ok(Arc::clone(&self.places).take(Arc::clone(peer), 1).await);
            }
            tokio::time::sleep(SILENCE / 4).await;
            if let Some(place) = self.places.try_take(peer, 1) {
                return Ok(place);
            }
        }
        Err(NONE_AT_ALL)
    }

    /// Says in the log who was not let in, and why.
    fn tell(&self, address: SocketAddr, error: &io::Error) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.last.is_some_and(|last| last.elapsed() < TELL_EVERY) {
            told.untold += 1;
            return;
        }
        tracing::warn!(%address, %error, others = told.untold, "a gRPC connection was not let in");
        *told = LastTold {
            last: Some(Instant::now()),
            untold: 0,
        };
    }
}
