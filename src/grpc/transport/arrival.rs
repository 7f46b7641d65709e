//! Requests on their way in: those that are large wait for nobody, they are refused when too many arrive at once.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::Status;
use tonic::body::Body;

use super::super::status;

/// What large messages that have not arrived as a whole may take together, in KiB.
const BUDGET_KIB: usize = 256 * 1024;

/// A message of more bytes than this is large. Those below are bounded by the calls that a peer may have.
const LARGE: u32 = 64 * 1024;

/// Before each message: one byte for compression, four for the length (gRPC over HTTP/2, "Length-Prefixed-Message").
const PREFIX: usize = 5;

/// The memory that is left for messages on their way.
#[derive(Clone)]
pub(in crate::grpc) struct Budget(Arc<Semaphore>);

impl Default for Budget {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(BUDGET_KIB)))
    }
}

/// The body of a request. It looks at the lengths that its messages announce, before they are there.
pub(in crate::grpc) struct Arrival {
    body: Body,
    budget: Budget,
    prefix: Vec<u8>,
    /// Bytes of the message that are not there yet.
    missing: usize,
    held: Option<OwnedSemaphorePermit>,
    /// Ends a stream on which nothing comes.
    shutdown: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
}

impl Arrival {
    /// A stream of a client is given the token with which it is to end.
    pub(in crate::grpc) fn new(
        body: Body,
        budget: Budget,
        shutdown: Option<CancellationToken>,
    ) -> Self {
        Self {
            shutdown: shutdown.map(|shutdown| Box::pin(shutdown.cancelled_owned())),
            body,
            budget,
            prefix: Vec::with_capacity(PREFIX),
            missing: 0,
            held: None,
        }
    }

    /// Follows the messages through the bytes.
    fn follow(&mut self, mut bytes: &[u8]) -> Result<(), Status> {
        while !bytes.is_empty() {
            if self.missing > 0 {
                let (_, rest) = bytes.split_at(self.missing.min(bytes.len()));
                self.missing -= bytes.len() - rest.len();
                bytes = rest;
            } else {
                let (begun, rest) = bytes.split_at((PREFIX - self.prefix.len()).min(bytes.len()));
                self.prefix.extend_from_slice(begun);
                bytes = rest;
                if let [_, a, b, c, d] = self.prefix[..] {
                    self.prefix.clear();
                    self.begin(u32::from_be_bytes([a, b, c, d]))?;
                }
            }
            if self.missing == 0 {
                self.held = None;
            }
        }
        Ok(())
    }

    fn begin(&mut self, length: u32) -> Result<(), Status> {
        self.missing = usize::try_from(length).unwrap_or(usize::MAX);
        // Longer ones than any that are taken are refused by whoever decodes them, before they arrive.
        if length > LARGE && self.missing <= super::MAX_REQUEST_BYTES {
            let budget = Arc::clone(&self.budget.0);
            let held = budget.try_acquire_many_owned(length.div_ceil(1024));
            self.held = Some(held.map_err(|_| status::too_much_at_once())?);
        }
        Ok(())
    }
}

impl HttpBody for Arrival {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if polled.is_pending()
            && let Some(shutdown) = &mut self.shutdown
            && shutdown.as_mut().poll(cx).is_ready()
        {
            return Poll::Ready(Some(Err(status::shutting_down())));
        }
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(bytes) = frame.data_ref()
            && let Err(status) = self.follow(bytes)
        {
            return Poll::Ready(Some(Err(status)));
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn framed(lengths: &[usize]) -> Vec<u8> {
        let message = |length: &usize| {
            let mut bytes = vec![0];
            bytes.extend_from_slice(&u32::try_from(*length).unwrap().to_be_bytes());
            bytes.resize(PREFIX + length, 7);
            bytes
        };
        lengths.iter().flat_map(message).collect()
    }

    proptest! {
        #[test]
        fn however_the_bytes_are_cut_nothing_is_held_after_a_whole_message(
            lengths in prop::collection::vec(prop_oneof![0usize..20, 65_000usize..70_000], 0..6),
            cut in 1usize..100_000,
        ) {
            let budget = Budget::default();
            let mut arrival = Arrival::new(Body::empty(), budget.clone(), None);
            for piece in framed(&lengths).chunks(cut) {
                arrival.follow(piece).unwrap();
            }
            prop_assert_eq!((arrival.missing, arrival.prefix.len()), (0, 0));
            prop_assert_eq!(budget.0.available_permits(), BUDGET_KIB);
        }
    }

    #[test]
    fn more_than_the_budget_is_refused_and_given_back() {
        let budget = Budget::default();
        let begun = framed(&[super::super::MAX_REQUEST_BYTES]);
        let begin = || {
            let mut arrival = Arrival::new(Body::empty(), budget.clone(), None);
            arrival.follow(&begun[..100]).map(|()| arrival)
        };
        let all: Vec<Arrival> = std::iter::from_fn(|| begin().ok()).collect();
        assert_eq!(
            all.len(),
            BUDGET_KIB * 1024 / super::super::MAX_REQUEST_BYTES
        );
        drop(all);
        assert!(begin().is_ok());
    }
}
