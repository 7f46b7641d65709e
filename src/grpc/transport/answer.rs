//! Answers on their way out: a client that does not take one is found by its connection.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http::HeaderMap;

use super::{ANSWER_PATIENCE, Place};
use crate::telemetry::call::CallSpans;
use crate::telemetry::trace;

/// The answers of one connection that wait for the client, each with the instant since which it waits. While an answer
/// waits for its flow control window, nobody looks at its body; so the connection looks here.
#[derive(Default)]
pub(in crate::grpc) struct Answers {
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    next: u64,
    since: BTreeMap<u64, Instant>,
}

impl Answers {
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

/// The body of an answer. Its call ends with it, and the call's spans.
pub(in crate::grpc) struct Answer {
    body: Body,
    answers: Arc<Answers>,
    ending: Option<Ending>,
    id: u64,
    spans: CallSpans,
    _place: Place,
}

impl Answer {
    /// Takes its place among the answers of a connection.
    pub(in crate::grpc) fn new(
        body: Body,
        answers: Arc<Answers>,
        ending: Option<Ending>,
        spans: CallSpans,
        place: Place,
    ) -> Self {
        let mut waiting = answers.lock();
        let id = waiting.next;
        waiting.next += 1;
        waiting.since.insert(id, Instant::now());
        drop(waiting);
        Self {
            body,
            answers,
            ending,
            id,
            spans,
            _place: place,
        }
    }
}

impl Answer {
    /// The last of an answer that must not go on.
    fn end(&mut self, cx: &mut Context<'_>) -> Option<HeaderMap> {
        let Poll::Ready(status) = self.ending.as_mut()?.as_mut().poll(cx) else {
            return None;
        };
        self.ending = None;
        self.body = Body::empty();
        let mut trailers = HeaderMap::new();
        match status.add_header(&mut trailers) {
            Ok(()) => Some(trailers),
            // A status that cannot be told ends without one.
            Err(_) => Some(HeaderMap::new()),
        }
    }
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let polled = match self.end(cx) {
            Some(trailers) => Poll::Ready(Some(Ok(Frame::trailers(trailers)))),
            None => Pin::new(&mut self.body).poll_frame(cx),
        };
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(trailers) = frame.trailers_ref()
        {
            trace::grpc_answered(&self.spans.traced, trailers);
        }
        let mut waiting = self.answers.lock();
        match &polled {
            // Now the client waits for us.
            Poll::Pending => waiting.since.remove(&self.id),
            Poll::Ready(_) => waiting.since.insert(self.id, Instant::now()),
        };
        drop(waiting);
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.answers.lock().since.remove(&self.id);
        self.spans.end();
    }
}
