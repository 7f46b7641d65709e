//! Streams of requests, and of answers to them, as they are read and written here: tonic's own keep buffers as large as the largest message for as long as
//! a stream goes on, which of 64 streams would be 300 MiB.
//!
//! Attack: streams that stay open after one large message each. Shown by `tests/web/unread.rs`
//! (`streams_keep_nothing_of_a_large_message_that_is_answered`).

use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::{BufMut as _, Bytes, BytesMut};
use http_body::{Body as HttpBody, Frame};
use tokio_stream::Stream;
use tonic::body::Body;
use tonic::{Code, Request, Response, Status};

use super::codec::{Incoming, Outgoing};
use super::transport::{Arriving, PREFIX};
use super::{codec, status};
use crate::pools::Pool;

/// Answers go on together up to about so many bytes, when they are there.
const TOGETHER_BYTES: usize = 16 * 1024;

/// Something that goes along with a request or an answer through tonic, to be taken once.
struct Along<T>(Arc<Mutex<Option<T>>>);

impl<T> Clone for Along<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Along<T> {
    fn new(what: T) -> Self {
        Self(Arc::new(Mutex::new(Some(what))))
    }

    fn take(self) -> Option<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// The messages of a stream of requests.
pub(super) struct Messages<T> {
    arriving: Arriving,
    read_as: PhantomData<fn() -> T>,
}

impl<T: Incoming> Messages<T> {
    /// Those that came along with a request.
    ///
    /// # Errors
    /// It came not through the gate.
    pub(super) fn of<U>(request: &mut Request<U>) -> Result<Self, Status> {
        let along = request.extensions_mut().remove::<Along<Arriving>>();
        let arriving = along.and_then(Along::take);
        Ok(Self {
            arriving: arriving.ok_or_else(|| status::not_let_in("nobody knows who calls"))?,
            read_as: PhantomData,
        })
    }

    /// The next one; none when the client has ended the stream, or called it off. Whoever does not wait for it ends the stream.
    ///
    /// # Errors
    /// It cannot be read: there are no further ones.
    pub(super) async fn message(&mut self) -> Result<Option<T>, Status> {
        match std::future::poll_fn(|cx| self.arriving.poll_message(cx)).await {
            None => Ok(None),
            Some(Err(status)) if status.code() == Code::Cancelled => Ok(None),
            Some(Err(status)) => Err(status),
            Some(Ok(message)) => codec::read(message.into_content()).await.map(Some),
        }
    }
}

/// Lets the messages of a stream go along with its request, past tonic.
pub(super) fn go_along(extensions: &mut tonic::codegen::http::Extensions, arriving: Arriving) {
    extensions.insert(Along::new(arriving));
}

/// What tonic is told of a stream of answers.
pub(super) type Untold<T> = tokio_stream::Empty<Result<T, Status>>;

/// Lets a stream of answers go along, past tonic.
pub(super) fn answers<T: Outgoing>(
    answers: impl Stream<Item = Result<T, Status>> + Send + 'static,
) -> Response<Untold<T>> {
    let body = Body::new(Answers {
        answers: Some(Box::pin(answers)),
        large: None,
        end: None,
    });
    let mut response = Response::new(tokio_stream::empty());
    response.extensions_mut().insert(Along::new(body));
    response
}

/// The body of an answer whose messages went along with it.
pub(super) fn came_along(extensions: &mut tonic::codegen::http::Extensions) -> Option<Body> {
    extensions.remove::<Along<Body>>().and_then(Along::take)
}

/// A stream of answers, as gRPC over HTTP/2 has it: messages with their prefix, and the status as trailers.
struct Answers<S> {
    answers: Option<Pin<Box<S>>>,
    /// One that is written already, behind those before it and its prefix.
    large: Option<Bytes>,
    end: Option<Status>,
}

impl<T: Outgoing, S: Stream<Item = Result<T, Status>>> Answers<S> {
    /// Those that are there, one after the other; ready with none at the end.
    fn poll_some(&mut self, cx: &mut Context<'_>) -> Poll<Bytes> {
        if let Some(large) = self.large.take() {
            return Poll::Ready(large);
        }
        let mut some = BytesMut::new();
        while let Some(answers) = &mut self.answers {
            match answers.as_mut().poll_next(cx) {
                Poll::Pending if some.is_empty() => return Poll::Pending,
                Poll::Pending => break,
                Poll::Ready(Some(Ok(answer))) => match answer.written() {
                    Some(large) => {
                        self.large = Some(large.clone());
                        some.put_slice(&prefix(large.len()));
                        break;
                    }
                    None => write(&answer, &mut some),
                },
                Poll::Ready(Some(Err(status))) => self.end_with(status),
                Poll::Ready(None) => self.end_with(Status::ok("")),
            }
            if some.len() >= TOGETHER_BYTES {
                break;
            }
        }
        Poll::Ready(some.freeze())
    }

    fn end_with(&mut self, status: Status) {
        (self.answers, self.end) = (None, Some(status));
    }
}

fn write(answer: &impl Outgoing, out: &mut BytesMut) {
    let at = out.len();
    out.put_bytes(0, PREFIX);
    let reserve = |out: &mut BytesMut, length| out.reserve(length);
    Pool::of(answer.about()).read(|| answer.encode(out, reserve));
    let prefix = prefix(out.len() - at - PREFIX);
    if let Some(told) = out.get_mut(at..).and_then(<[u8]>::first_chunk_mut) {
        *told = prefix;
    }
}

/// Of a message of so many bytes, which is not compressed. Far below 4 GiB: a checkpoint is bounded.
fn prefix(length: usize) -> [u8; PREFIX] {
    let [a, b, c, d] = u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
    [0, a, b, c, d]
}

impl<T: Outgoing, S: Stream<Item = Result<T, Status>>> HttpBody for Answers<S> {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let some = std::task::ready!(self.poll_some(cx));
        if !some.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(some))));
        }
        let Some(end) = self.end.take() else {
            return Poll::Ready(None);
        };
        Poll::Ready(Some(Ok(Frame::trailers(status::trailers(&end)))))
    }

    fn is_end_stream(&self) -> bool {
        self.answers.is_none() && self.large.is_none() && self.end.is_none()
    }
}
