//! Answers on their way out: a client that does not take one is found by its connection, and what all of them may have
//! waiting is bounded.
//!
//! Attack: answers that nobody reads, on connections that stay open; h2 bounds what one stream has waiting, and not all. Shown by
//! `tests/web/attack.rs` and `tests/access/hostile.rs` (`read_nothing`).

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http::HeaderMap;

use super::super::status;
use super::{
    ANSWER_PATIENCE, ANSWERS_KIB, LARGE_ANSWER_BYTES, LargeMessages, SIGNATURES_KIB, StreamPlace,
    UNREAD_PATIENCE,
};
use crate::budget::{Budget, Part, kib};
use crate::counts::Slot;
use crate::net::Asking;
use crate::telemetry::call::CallSpans;
use crate::telemetry::trace;

/// h2 copies what is shorter together with what comes before and after it (`net::Connection::is_write_vectored`).
const COPIED_BYTES: usize = 1024;

/// A message of at most so many bytes, as an answer for an ordinary checkpoint is, goes on in pieces that are copied, and leaves in one
/// write with its head, its status, and the answers beside it. One that is larger costs more to copy.
const IN_PIECES_BYTES: usize = 4 * COPIED_BYTES;

/// The answers of one connection that wait for the client, each with the instant since which it waits. While an answer
/// waits for its flow control window, nobody looks at its body; so the connection looks here.
#[derive(Default)]
pub(in crate::grpc) struct WaitingAnswers {
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    next: u64,
    since: BTreeMap<u64, Instant>,
}

impl WaitingAnswers {
    /// Whether one was left unread for too long.
    pub(super) fn are_overdue(&self) -> bool {
        let waiting = self.lock();
        waiting
            .since
            .values()
            .any(|since| since.elapsed() > ANSWER_PATIENCE)
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Becomes ready when an answer must not go on, and says why.
pub(in crate::grpc) type Ending = Pin<Box<dyn Future<Output = Status> + Send>>;

/// What large answers may have waiting.
#[derive(Clone)]
pub(in crate::grpc) struct AnswerBudget(Arc<Budget>);

impl AnswerBudget {
    /// Answers to all but who sign.
    pub(in crate::grpc) fn of_all() -> Self {
        Self(Budget::new(ANSWERS_KIB))
    }

    /// Answers to who sign.
    pub(in crate::grpc) fn of_signatures() -> Self {
        Self(Budget::new(SIGNATURES_KIB))
    }

    /// Room for an answer of so many bytes of a stream, which is not written before.
    pub(in crate::grpc) async fn room(self, peer: Arc<str>, bytes: usize) -> Part {
        self.0.take(peer, kib(bytes)).await
    }

    /// The only message of an answer, made now, so that what waits is its bytes and not what it is made of. It waits for its part when
    /// others were not taken yet.
    ///
    /// # Errors
    /// There is no room for it for long.
    pub(in crate::grpc) async fn make(
        &self,
        peer: &Arc<str>,
        body: &mut Body,
    ) -> Result<Option<Frame<Bytes>>, Status> {
        let frame = std::future::poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await;
        let Some(frame) = frame.transpose()? else {
            return Ok(None);
        };
        match frame.into_data() {
            Ok(bytes) if bytes.len() > LARGE_ANSWER_BYTES => {
                let part = Arc::clone(&self.0).take(Arc::clone(peer), kib(bytes.len()));
                let part = tokio::time::timeout(UNREAD_PATIENCE, part).await;
                let part = part.map_err(|_| status::too_much_unread())?;
                Ok(Some(Frame::data(part.held_by(bytes))))
            }
            Ok(bytes) => Ok(Some(Frame::data(bytes))),
            Err(trailers) => Ok(Some(trailers)),
        }
    }
}

/// The place of a call among all, and of one that its connection may have in any case among those of that.
pub(in crate::grpc) type Place = (Part, Option<Slot>);

/// What an answer belongs to, and what ends with it.
pub(in crate::grpc) struct Belongings {
    pub(in crate::grpc) answers: Arc<WaitingAnswers>,
    /// Where it has not had its room before.
    pub(in crate::grpc) unread: Option<AnswerBudget>,
    pub(in crate::grpc) peer: Arc<str>,
    pub(in crate::grpc) ending: Option<Ending>,
    pub(in crate::grpc) spans: CallSpans,
    pub(in crate::grpc) load: Arc<LargeMessages>,
    pub(in crate::grpc) asking: Arc<Asking>,
    pub(in crate::grpc) _place: Place,
    /// Of a stream of requests.
    pub(in crate::grpc) _stream: Option<StreamPlace>,
}

type Coming = Pin<Box<dyn Future<Output = Part> + Send>>;

/// The body of an answer. Its call ends with it, and the call's spans.
pub(in crate::grpc) struct ResponseBody {
    /// What was made already.
    first: Option<Frame<Bytes>>,
    body: Body,
    /// What is left of a message that goes on in pieces.
    rest: Bytes,
    waiting: Option<(Bytes, Coming)>,
    id: u64,
    of: Belongings,
}

impl ResponseBody {
    /// Takes its place among the answers of a connection.
    pub(in crate::grpc) fn new(first: Option<Frame<Bytes>>, body: Body, of: Belongings) -> Self {
        let mut waiting = of.answers.lock();
        let id = waiting.next;
        waiting.next += 1;
        waiting.since.insert(id, Instant::now());
        drop(waiting);
        of.asking.answers();
        Self {
            first,
            body,
            rest: Bytes::new(),
            waiting: None,
            id,
            of,
        }
    }

    /// The next frame. A large one waits for its part of what may be unread.
    fn next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if !self.rest.is_empty() {
            return Poll::Ready(Some(Ok(self.piece())));
        }
        if let Some(first) = self.first.take() {
            let first = first.into_data().map(|bytes| self.begin(bytes));
            return Poll::Ready(Some(Ok(first.unwrap_or_else(|trailers| trailers))));
        }
        loop {
            if let Some((bytes, part)) = &mut self.waiting {
                let part = ready!(part.as_mut().poll(cx));
                let bytes = std::mem::take(bytes);
                self.waiting = None;
                return Poll::Ready(Some(Ok(Frame::data(part.held_by(bytes)))));
            }
            let polled = ready!(Pin::new(&mut self.body).poll_frame(cx));
            let Some(Ok(frame)) = polled else {
                return Poll::Ready(polled);
            };
            match (frame.into_data(), &self.of.unread) {
                (Ok(bytes), Some(unread)) if bytes.len() > LARGE_ANSWER_BYTES => {
                    let part = unread.clone().room(Arc::clone(&self.of.peer), bytes.len());
                    self.waiting = Some((bytes, Box::pin(part)));
                }
                (Ok(bytes), _) => return Poll::Ready(Some(Ok(self.begin(bytes)))),
                (Err(trailers), _) => return Poll::Ready(Some(Ok(trailers))),
            }
        }
    }

    /// A message, or its first piece.
    fn begin(&mut self, bytes: Bytes) -> Frame<Bytes> {
        match bytes.len() <= IN_PIECES_BYTES {
            true => {
                self.rest = bytes;
                self.piece()
            }
            false => Frame::data(bytes),
        }
    }

    fn piece(&mut self) -> Frame<Bytes> {
        let length = self.rest.len().min(COPIED_BYTES - 1);
        Frame::data(self.rest.split_to(length))
    }
}

impl ResponseBody {
    /// The last of an answer that must not go on.
    fn end(&mut self, cx: &mut Context<'_>) -> Option<HeaderMap> {
        let Poll::Ready(status) = self.of.ending.as_mut()?.as_mut().poll(cx) else {
            return None;
        };
        self.of.ending = None;
        self.body = Body::empty();
        (self.first, self.waiting, self.rest) = (None, None, Bytes::new());
        Some(status::trailers(&status))
    }
}

impl HttpBody for ResponseBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let mut polled = match self.end(cx) {
            Some(trailers) => Poll::Ready(Some(Ok(Frame::trailers(trailers)))),
            None => self.next(cx),
        };
        if let Poll::Ready(Some(Ok(frame))) = &mut polled
            && let Some(trailers) = frame.trailers_mut()
        {
            status::give_reason(trailers);
            trace::grpc_answered(&self.of.spans.traced, trailers);
        }
        let mut waiting = self.of.answers.lock();
        match &polled {
            // Now the client waits for us.
            Poll::Pending => waiting.since.remove(&self.id),
            Poll::Ready(_) => waiting.since.insert(self.id, Instant::now()),
        };
        drop(waiting);
        match &polled {
            Poll::Pending => self.of.asking.is_taken(),
            Poll::Ready(_) => self.of.asking.answers(),
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none()
            && self.rest.is_empty()
            && self.waiting.is_none()
            && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        self.of.answers.lock().since.remove(&self.id);
        self.of.spans.end();
    }
}

#[cfg(test)]
mod tests {
    use tracing::Span;

    use super::*;
    use crate::net::Idle;
    use crate::telemetry::call::CallContext;

    fn answer(message: &Bytes) -> ResponseBody {
        let context = CallContext::of(&HeaderMap::new());
        let of = Belongings {
            answers: Arc::default(),
            unread: Some(AnswerBudget::of_signatures()),
            peer: Arc::from("peer"),
            asking: Arc::new(Asking::on(&Arc::new(
                Arc::new(Idle::default()).add(Arc::from("peer")),
            ))),
            _stream: None,
            ending: None,
            spans: context.spans("call", |_| Span::none()),
            load: Arc::default(),
            _place: (
                Budget::new(1).try_take(&Arc::from("peer"), 1).unwrap(),
                None,
            ),
        };
        let first = Frame::data(message.clone());
        ResponseBody::new(Some(first), Body::empty(), of)
    }

    #[tokio::test]
    async fn an_ordinary_answer_goes_on_in_pieces_that_are_copied_and_a_larger_one_as_it_is() {
        for length in [1, 1023, 1024, 1025, 2046, 2047, 4096, 4097, 9000] {
            let message: Bytes = (0..length).map(|at| (at % 251) as u8).collect();
            let mut answer = answer(&message);
            let mut pieces: Vec<Bytes> = Vec::new();
            while !answer.is_end_stream() {
                let frame = std::future::poll_fn(|cx| Pin::new(&mut answer).poll_frame(cx)).await;
                pieces.push(frame.unwrap().unwrap().into_data().unwrap());
            }
            assert_eq!(pieces.concat(), message, "{length}");
            match length > IN_PIECES_BYTES {
                true => assert_eq!(pieces.len(), 1),
                false => assert!(pieces.iter().all(|piece| piece.len() < COPIED_BYTES)),
            }
        }
    }
}
