//! One connection, in the clear or in TLS, that ends when its client does not take what is sent.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Sleep;
use tokio_rustls::server::TlsStream;
use tonic::transport::server::Connected;

use super::{Answers, LINGER, WRITE_PATIENCE};
use crate::counts::Place;
use crate::grpc::access::Peer;

/// How often a connection looks at what is overdue.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// The stream of bytes.
pub(super) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// What a call knows of its connection.
#[derive(Clone)]
pub(in crate::grpc) struct ConnectInfo {
    /// The other end.
    pub(in crate::grpc) peer: Arc<Peer>,
    /// The answers that it has yet to take.
    pub(in crate::grpc) answers: Arc<Answers>,
}

/// A connection that has begun to speak HTTP/2.
pub(in crate::grpc) struct Connection {
    stream: Stream,
    /// What was read to see that it speaks HTTP/2.
    read_ahead: Bytes,
    info: ConnectInfo,
    look: Pin<Box<Sleep>>,
    unsent_since: Option<Instant>,
    /// Everything is said; until then the client may close its end.
    lingering: Option<Pin<Box<Sleep>>>,
    _places: (OwnedSemaphorePermit, Place),
}

impl Connection {
    pub(super) fn new(
        stream: Stream,
        read_ahead: Bytes,
        peer: Arc<Peer>,
        places: (OwnedSemaphorePermit, Place),
    ) -> Self {
        let answers = Arc::default();
        Self {
            stream,
            read_ahead,
            info: ConnectInfo { peer, answers },
            look: Box::pin(tokio::time::sleep(LOOK_EVERY)),
            unsent_since: None,
            lingering: None,
            _places: places,
        }
    }

    /// Fails when the client has not taken what was sent. Called wherever the connection could wait for its client.
    fn check(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        while self.look.as_mut().poll(cx).is_ready() {
            let next = tokio::time::Instant::now() + LOOK_EVERY;
            self.look.as_mut().reset(next);
            let unsent = self
                .unsent_since
                .is_some_and(|since| since.elapsed() > WRITE_PATIENCE);
            if unsent || self.info.answers.are_overdue() {
                return Err(io::ErrorKind::TimedOut.into());
            }
        }
        Ok(())
    }

    /// Throws away what the client still sends, until it has closed its end as well. A socket that is closed with bytes
    /// unread resets the connection, and the client may lose the last answers by that (RFC 9112, section 9.6).
    fn linger(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let end = self
            .lingering
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(LINGER)));
        let tcp = match &mut self.stream {
            Stream::Plain(tcp) => tcp,
            Stream::Tls(tls) => tls.get_mut().0,
        };
        while end.as_mut().poll(cx).is_pending() {
            let mut bytes = [0; 4096];
            let mut buffer = ReadBuf::new(&mut bytes);
            let read = ready!(Pin::new(&mut *tcp).poll_read(cx, &mut buffer));
            if read.is_err() || buffer.filled().is_empty() {
                break;
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Notes whether something waits to be sent.
    fn sent<T>(
        &mut self,
        cx: &mut Context<'_>,
        polled: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        match polled {
            Poll::Pending => {
                self.unsent_since.get_or_insert_with(Instant::now);
                match self.check(cx) {
                    Ok(()) => Poll::Pending,
                    Err(error) => Poll::Ready(Err(error)),
                }
            }
            ready => {
                self.unsent_since = None;
                ready
            }
        }
    }
}

/// The stream, whichever it is.
macro_rules! stream {
    ($self:expr, $name:ident => $call:expr) => {
        match &mut $self.stream {
            Stream::Plain(tcp) => {
                let $name = Pin::new(tcp);
                $call
            }
            Stream::Tls(tls) => {
                let $name = Pin::new(tls.as_mut());
                $call
            }
        }
    };
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.read_ahead.has_remaining() {
            let length = self.read_ahead.len().min(buffer.remaining());
            buffer.put_slice(&self.read_ahead.split_to(length));
            return Poll::Ready(Ok(()));
        }
        self.check(cx)?;
        stream!(self, stream => stream.poll_read(cx, buffer))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = stream!(self, stream => stream.poll_write(cx, bytes));
        self.sent(cx, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = stream!(self, stream => stream.poll_write_vectored(cx, slices));
        self.sent(cx, polled)
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Stream::Plain(tcp) => tcp.is_write_vectored(),
            Stream::Tls(tls) => tls.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = stream!(self, stream => stream.poll_flush(cx));
        self.sent(cx, polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.lingering.is_none() {
            let polled = stream!(self, stream => stream.poll_shutdown(cx));
            ready!(self.sent(cx, polled))?;
        }
        self.linger(cx)
    }
}

impl Connected for Connection {
    type ConnectInfo = ConnectInfo;

    fn connect_info(&self) -> ConnectInfo {
        self.info.clone()
    }
}
