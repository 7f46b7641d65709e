//! Requests on their way in. Their messages are followed by the lengths that they announce, before they are there: what is
//! too large, or not framed as gRPC has it, is refused at once. Each goes on when it is there as a whole, and takes no more than its bytes until then.
//! What is large waits for room to arrive, and when it is there for its part of the memory that is needed to work on it. The part is held until the call is over; in a
//! stream, until its item is; and in any case until nothing is left of what was made of it, whoever called that off. It waits for its turn as
//! well: decoded, a message may take seventy times its bytes until a checkpoint is made of it.
//!
//! Nothing is left unread for long, but of those who wait for room and of streams that nobody reads: h2 keeps each frame with all that was
//! read beside it, so that 64 KiB in small frames, with others between them, take 2 MiB. There are few of those (`WAITING`, `STREAMS`).
//!
//! Attack: messages that are announced and come slowly or never, and many at once; small frames among large ones that are ignored. Shown by
//! `tests/access/hostile.rs` (`send_slowly`), `tests/web/attack.rs` (`announce`, `send_protobuf`), `tests/service/at_once.rs` and
//! `tests/service/protocol.rs` (`a_body_that_is_not_one_whole_message_is_refused_with_its_reason`).

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame};
use tokio::time::Sleep;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::Status;
use tonic::body::Body;

use super::super::access::Takes;
use super::super::status;
use super::large::{Given, LargeMessages, MessageBudget, Needs, Origin, Turn};
use super::message::{Message, PREFIX, Prefix};
use super::{BUDGET_PATIENCE, LARGE_BYTES, MESSAGE_PATIENCE, STREAM_PATIENCE};
use crate::net::Asking;

type Coming = Pin<Box<dyn Future<Output = Option<Given>> + Send>>;

/// The messages of a request, as they arrive.
pub(in crate::grpc) struct Arriving {
    body: Body,
    room: MessageBudget,
    of: Origin,
    takes: Takes,
    load: Arc<LargeMessages>,
    prefix: Prefix,
    /// Messages that have begun.
    begun: u64,
    /// The newest of them, until it goes on. The only one of a request does so when that has ended: what is decoded takes many times as
    /// much, and does not wait for a client.
    newest: Option<Message>,
    /// What came and was not followed yet.
    rest: Bytes,
    has_ended: bool,
    waiting: Option<Coming>,
    turn: Turn,
    /// Ends a large message that does not arrive, or does not get what it needs.
    late: Option<Pin<Box<Sleep>>>,
    /// Ends a stream on which nothing comes.
    shutdown: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    /// Of the call that has one answer, which is worked on when its message is there.
    asking: Option<Arc<Asking>>,
}

impl Arriving {
    /// A stream of a client is given the token with which it is to end.
    pub(in crate::grpc) fn new(
        body: Body,
        (room, of): (MessageBudget, Origin),
        takes: Takes,
        load: Arc<LargeMessages>,
        shutdown: Option<CancellationToken>,
    ) -> Self {
        Self {
            shutdown: shutdown.map(|shutdown| Box::pin(shutdown.cancelled_owned())),
            body,
            room,
            of,
            takes,
            load,
            prefix: Prefix::default(),
            begun: 0,
            newest: None,
            rest: Bytes::new(),
            has_ended: false,
            waiting: None,
            turn: Turn::Elsewhere,
            late: None,
            asking: None,
        }
    }

    /// Tells the call that its only message is there.
    pub(in crate::grpc) fn telling(mut self, asking: Option<Arc<Asking>>) -> Self {
        self.asking = asking;
        self
    }

    /// The next message. After an error there is none.
    pub(in crate::grpc) fn poll_message(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Message, Status>>> {
        self.is_decoded();
        let polled = ready!(self.poll_next(cx)).transpose();
        if let Some(Err(_)) = polled {
            // Told once.
            (self.newest, self.waiting, self.has_ended) = (None, None, true);
            self.rest = Bytes::new();
        }
        Poll::Ready(polled)
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Message>, Status>> {
        loop {
            match self.poll_given(cx) {
                Poll::Ready(Ok(None)) => {}
                Poll::Pending if self.is_ending(cx) => {
                    return Poll::Ready(Err(status::shutting_down()));
                }
                given => return given,
            }
            if let Some(whole) = self.newest.take_if(|newest| newest.is_whole())
                && let Some(message) = self.goes_on(whole)?
            {
                return Poll::Ready(Ok(Some(message)));
            }
            if self.waiting.is_some() {
                continue;
            }
            if !self.rest.is_empty() {
                self.follow()?;
            } else if self.has_ended {
                return Poll::Ready(Ok(None));
            } else {
                ready!(self.poll_body(cx))?;
            }
        }
    }

    /// More is asked for, so that what went on is decoded. Of names and numbers nothing else is made.
    fn is_decoded(&mut self) {
        if let Turn::Decoding(place) = self.turn {
            self.turn = Turn::Elsewhere;
            if !self.takes.checkpoints() {
                self.load.is_read(place);
            }
        }
    }

    /// Follows the messages through what came.
    fn follow(&mut self) -> Result<(), Status> {
        if let Some(newest) = &mut self.newest {
            newest.arrives(&mut self.rest);
        } else if let Some(prefix) = self.prefix.of(&mut self.rest) {
            let length = self.begin(prefix)?;
            if length > LARGE_BYTES {
                self.wait_for(Needs::Room(length));
            }
            self.newest = Some(Message::new(length, &mut self.prefix));
        }
        Ok(())
    }

    fn begin(&mut self, [flag, length @ ..]: [u8; PREFIX]) -> Result<usize, Status> {
        self.begun += 1;
        match flag {
            0 => {}
            1 => return Err(status::malformed("says that it is compressed")),
            _ => return Err(status::malformed("has a compressed flag other than 0 or 1")),
        }
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        match length <= self.takes.at_most() {
            true => Ok(length),
            false => Err(status::request_too_large(length, self.takes.at_most())),
        }
    }

    /// A message that is there as a whole goes on, stays until its request has ended, or asks for what it needs.
    fn goes_on(&mut self, mut message: Message) -> Result<Option<Message>, Status> {
        if !self.takes.many() && !self.rest.is_empty() {
            return Err(status::malformed("is followed by another one"));
        }
        let may_go_on = self.takes.many() || self.has_ended;
        if may_go_on && !std::mem::replace(&mut message.has_asked, true) {
            if let Some(asking) = &self.asking {
                asking.begins();
            }
            if !message.is_large() {
                return Ok(Some(message));
            }
            self.wait_for(Needs::Part(message.length));
        }
        self.newest = Some(message);
        Ok(None)
    }

    fn check_end(&self) -> Result<(), Status> {
        let is_whole = self.newest.as_ref().is_none_or(Message::is_whole);
        if !is_whole || !self.prefix.is_empty() {
            return Err(status::malformed("ends before its announced length"));
        }
        match self.begun == 0 && !self.takes.many() {
            true => Err(status::malformed("is missing")),
            false => Ok(()),
        }
    }

    fn wait_for(&mut self, needs: Needs) {
        let (room, of) = (self.room.clone(), self.of.clone());
        let is_stream = self.takes.many();
        self.waiting = Some(Box::pin(room.give(needs, of, is_stream)));
        let patience = match is_stream {
            true => STREAM_PATIENCE,
            false => BUDGET_PATIENCE,
        };
        self.late = Some(Box::pin(tokio::time::sleep(patience)));
    }

    /// Waits for what is needed; gives a message that has all of it.
    fn poll_given(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Message>, Status>> {
        let Some(waiting) = &mut self.waiting else {
            return Poll::Ready(Ok(None));
        };
        let given = match waiting.as_mut().poll(cx) {
            Poll::Ready(Some(given)) => given,
            Poll::Pending if !self.is_late(cx) => return Poll::Pending,
            Poll::Ready(None) => return Poll::Ready(Err(status::too_many_wait())),
            Poll::Pending => return Poll::Ready(Err(status::too_much_at_once())),
        };
        (self.waiting, self.late) = (None, None);
        match given {
            Given::Room(room) => {
                if let Some(newest) = &mut self.newest {
                    newest.room = Some(room);
                }
                self.late = Some(Box::pin(tokio::time::sleep(MESSAGE_PATIENCE)));
            }
            Given::Part(part) => {
                self.load.take_part_of(self.begun, part);
                self.wait_for(Needs::Turn);
            }
            Given::Turn(turn) => {
                self.load.take_turn(self.begun, turn);
                self.turn = Turn::Decoding(self.begun);
                return Poll::Ready(Ok(self.newest.take()));
            }
        }
        self.poll_given(cx)
    }

    fn is_late(&mut self, cx: &mut Context<'_>) -> bool {
        let late = self.late.as_mut();
        late.is_some_and(|late| late.as_mut().poll(cx).is_ready())
    }

    fn is_ending(&mut self, cx: &mut Context<'_>) -> bool {
        let shutdown = self.shutdown.as_mut();
        shutdown.is_some_and(|shutdown| shutdown.as_mut().poll(cx).is_ready())
    }

    /// What came next, from the network.
    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Pending if self.is_ending(cx) => Poll::Ready(Err(status::shutting_down())),
            Poll::Pending if self.is_late(cx) => {
                Poll::Ready(Err(status::arrives_too_slowly(MESSAGE_PATIENCE)))
            }
            Poll::Pending => {
                if let Some(newest) = &mut self.newest {
                    newest.keep();
                }
                Poll::Pending
            }
            Poll::Ready(Some(frame)) => {
                // gRPC has no trailers in a request: the end is next.
                self.rest = frame?.into_data().unwrap_or_default();
                Poll::Ready(Ok(()))
            }
            Poll::Ready(None) => {
                self.has_ended = true;
                Poll::Ready(self.check_end())
            }
        }
    }
}

impl Drop for Arriving {
    /// What cannot be decoded is dropped as soon as that is known, and its call may end long after that.
    fn drop(&mut self) {
        if let Turn::Decoding(place) = self.turn {
            self.load.is_read(place);
        }
    }
}

/// The body of a request, for tonic to read its only message from.
pub(in crate::grpc) struct RequestBody {
    arriving: Arriving,
    /// What is left of the newest message.
    pieces: VecDeque<Bytes>,
}

impl RequestBody {
    pub(in crate::grpc) fn new(arriving: Arriving) -> Self {
        let pieces = VecDeque::new();
        Self { arriving, pieces }
    }
}

impl HttpBody for RequestBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        loop {
            if let Some(piece) = self.pieces.pop_front() {
                return Poll::Ready(Some(Ok(Frame::data(piece))));
            }
            match ready!(self.arriving.poll_message(cx)) {
                Some(Ok(message)) => self.pieces = message.into_pieces().collect(),
                Some(Err(status)) => return Poll::Ready(Some(Err(status))),
                None => return Poll::Ready(None),
            }
        }
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

    fn arriving(takes: Takes) -> Arriving {
        let of = Origin {
            peer: Arc::from("peer"),
            connection: Arc::from("connection"),
        };
        let room = (MessageBudget::default(), of);
        Arriving::new(Body::empty(), room, takes, Arc::default(), None)
    }

    /// Follows the messages through these pieces; gives each that is whole.
    fn followed(
        arriving: &mut Arriving,
        pieces: &[u8],
        cut: usize,
    ) -> Result<Vec<Vec<u8>>, Status> {
        let mut whole = Vec::new();
        for piece in pieces.chunks(cut) {
            arriving.rest = Bytes::copy_from_slice(piece);
            while !arriving.rest.is_empty() {
                arriving.follow()?;
                if let Some(message) = arriving.newest.take_if(|newest| newest.is_whole()) {
                    let pieces: Vec<Bytes> = message.into_pieces().collect();
                    whole.push(pieces.concat());
                }
            }
            arriving.newest.iter_mut().for_each(Message::keep);
        }
        Ok(whole)
    }

    proptest! {
        #[test]
        fn however_the_bytes_are_cut_every_message_is_seen_and_goes_on_as_it_came(
            lengths in prop::collection::vec(prop_oneof![0usize..20, 8_000usize..9_000, 30_000usize..40_000], 0..6),
            cut in prop_oneof![1usize..10, 1usize..60_000],
        ) {
            // What waits has a deadline.
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            let _within = runtime.enter();
            let mut arriving = arriving(Takes::Checkpoints);
            let on = followed(&mut arriving, &framed(&lengths), cut).unwrap();
            prop_assert!(arriving.newest.is_none() && arriving.prefix.is_empty());
            prop_assert_eq!(arriving.begun, lengths.len() as u64);
            let each: Vec<Vec<u8>> = lengths.iter().map(|length| framed(&[*length])).collect();
            prop_assert!(on == each);
            let is_large = lengths.iter().any(|length| *length > LARGE_BYTES);
            prop_assert_eq!(arriving.waiting.is_some(), is_large);
        }

        #[test]
        fn the_content_of_a_message_is_what_follows_its_prefix(length in 0usize..50_000, cut in 1usize..60_000) {
            let (mut prefix, mut rest) = (Prefix::default(), Bytes::from(framed(&[length])));
            prop_assert!(prefix.of(&mut rest).is_some());
            let mut message = Message::new(length, &mut prefix);
            while !message.is_whole() {
                message.arrives(&mut rest.split_to(cut.min(rest.len())));
            }
            prop_assert_eq!(message.into_content(), vec![7; length]);
        }
    }

    #[tokio::test]
    async fn what_is_not_framed_as_it_must_be_is_refused() {
        let refused = async |takes, bytes: &[u8]| {
            let mut arriving = arriving(takes);
            arriving.rest = Bytes::copy_from_slice(bytes);
            let next = std::future::poll_fn(|cx| arriving.poll_message(cx)).await;
            let then = std::future::poll_fn(|cx| arriving.poll_message(cx)).await;
            assert!(then.is_none() || takes.many());
            next.is_some_and(|next| next.is_err())
        };
        let two = framed(&[1, 1]);
        assert!(refused(Takes::Checkpoint, &two).await);
        assert!(!refused(Takes::Checkpoints, &two).await);
        assert!(refused(Takes::Few, &[1, 0, 0, 0, 0]).await);
        assert!(refused(Takes::Few, &[2, 0, 0, 0, 0]).await);
        assert!(refused(Takes::Few, &[0, 1, 0, 0, 0]).await);
        assert!(refused(Takes::Few, &[]).await, "no message");
        assert!(!refused(Takes::FewEach, &[]).await);
        assert!(
            refused(Takes::Few, &[0, 0, 0, 0, 2, 7]).await,
            "half a message"
        );
        assert!(refused(Takes::FewEach, &[0, 0]).await, "half a prefix");
    }
}
