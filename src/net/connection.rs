//! One connection, in the clear or in TLS, that ends when its client does not take what is sent.
//!
//! Attack: answers that nobody reads, to have them wait here for ever; no timeout of hyper's looks at what is written, and its
//! pings end no client that goes on sending. Shown by `tests/access/hostile.rs` and `tests/web/attack.rs` (`read_nothing`).

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep};
use tokio_rustls::server::TlsStream;
use tokio_util::either::Either;

/// How often a connection looks at what is overdue.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// The stream of bytes.
pub(crate) type Stream = Either<TcpStream, Box<TlsStream<TcpStream>>>;

/// What is asked of the client of a connection to which `T` belongs.
pub(crate) struct Terms<T> {
    /// How long the network may take nothing of what is sent.
    pub(crate) write_patience: Duration,
    /// Whether something else was left unread for too long.
    pub(crate) is_overdue: fn(&T) -> bool,
    /// Ready when it has to give way to others.
    pub(crate) gives_way: fn(&T, &mut Context<'_>) -> Poll<()>,
    /// How long the client may take to close its end of a connection that is over.
    pub(crate) linger: Option<Duration>,
}

/// See the module.
pub(crate) struct Connection<T: 'static> {
    stream: Stream,
    /// What was read already to see what the client speaks.
    read_ahead: &'static [u8],
    terms: &'static Terms<T>,
    /// What belongs to it, and ends with it.
    pub(crate) of: T,
    look: Pin<Box<Sleep>>,
    /// Runs while something cannot be sent.
    stuck: Option<Pin<Box<Sleep>>>,
    /// Everything is said; until then the client may close its end.
    lingering: Option<Pin<Box<Sleep>>>,
}

impl<T> Connection<T> {
    pub(crate) fn new(
        stream: Stream,
        read_ahead: &'static [u8],
        terms: &'static Terms<T>,
        of: T,
    ) -> Self {
        Self {
            stream,
            read_ahead,
            terms,
            of,
            look: Box::pin(sleep(LOOK_EVERY)),
            stuck: None,
            lingering: None,
        }
    }

    /// Fails when the client leaves something unread, or others need the place. Called wherever the connection could wait for its client.
    fn check(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if (self.terms.gives_way)(&self.of, cx).is_ready() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        while self.look.as_mut().poll(cx).is_ready() {
            self.look.as_mut().reset(Instant::now() + LOOK_EVERY);
            if (self.terms.is_overdue)(&self.of) {
                return Err(io::ErrorKind::TimedOut.into());
            }
        }
        Ok(())
    }

    /// Fails when something has waited to be sent for too long.
    fn sent<R>(
        &mut self,
        cx: &mut Context<'_>,
        polled: Poll<io::Result<R>>,
    ) -> Poll<io::Result<R>> {
        if polled.is_ready() {
            self.stuck = None;
            return polled;
        }
        let patience = self.terms.write_patience;
        let stuck = self.stuck.get_or_insert_with(|| Box::pin(sleep(patience)));
        if stuck.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        self.check(cx)?;
        Poll::Pending
    }

    /// Throws away what the client still sends, until it has closed its end as well. A socket that is closed with bytes
    /// unread resets the connection, and the client may lose the last answers by that (RFC 9112, section 9.6).
    fn linger(&mut self, cx: &mut Context<'_>, linger: Duration) -> Poll<io::Result<()>> {
        let end = self
            .lingering
            .get_or_insert_with(|| Box::pin(sleep(linger)));
        let tcp = match &mut self.stream {
            Either::Left(tcp) => tcp,
            Either::Right(tls) => tls.get_mut().0,
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
}

impl<T: Unpin> AsyncRead for Connection<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.read_ahead.is_empty() {
            let length = self.read_ahead.len().min(buffer.remaining());
            let (now, later) = self.read_ahead.split_at(length);
            buffer.put_slice(now);
            self.read_ahead = later;
            return Poll::Ready(Ok(()));
        }
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<T: Unpin> AsyncWrite for Connection<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.sent(cx, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.sent(cx, polled)
    }

    fn is_write_vectored(&self) -> bool {
        // h2 asks before it has read anything how much it may copy: 255 bytes of a message where writes can be vectored, 1,023 where they
        // cannot. What it does not copy is flushed before anything follows it, so that an answer would leave in two segments.
        self.read_ahead.is_empty() && self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(cx);
        self.sent(cx, polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.lingering.is_none() {
            let polled = Pin::new(&mut self.stream).poll_shutdown(cx);
            ready!(self.sent(cx, polled))?;
        }
        match self.terms.linger {
            // Others wait for its place.
            Some(_) if (self.terms.gives_way)(&self.of, cx).is_ready() => Poll::Ready(Ok(())),
            Some(linger) => self.linger(cx, linger),
            None => Poll::Ready(Ok(())),
        }
    }
}
