//! Requests on their way in. Their messages are followed by the lengths that they announce, before they are there: what is
//! too large, or not framed as gRPC has it, is refused at once. What is large waits for room to arrive, is read into one piece of memory as
//! it comes, and waits there for its part of the memory that is needed to work on it. The part is held until the call is over; in a
//! stream, until its item is; and in any case until nothing is left of what was made of it, whoever called that off. It waits for its turn as
//! well: decoded, a message may take seventy times its bytes until a checkpoint is made of it.
//!
//! Nothing is left unread for long, but of those who wait for room and of streams that nobody reads: h2 keeps each frame with all that was
//! read beside it, so that 64 KiB in small frames, with others between them, take 2 MiB. There are few of those (`WAITING`, `STREAMS`).
//!
//! Attack: large messages that are announced and come slowly or never, and many at once; small frames among large ones that are ignored. tonic
//! reads what it is sent into memory, for as long as that takes. Shown by `tests/access/hostile.rs` (`send_slowly`), `tests/web/attack.rs`
//! (`announce`, `send_protobuf`), `tests/service/at_once.rs` and
//! `tests/service/protocol.rs` (`a_body_that_is_not_one_whole_message_is_refused_with_its_reason`).

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::Sleep;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::Status;
use tonic::body::Body;

use super::super::access::Takes;
use super::super::status;
use super::large::{Given, Large, LargeMessages, MessageBudget, Needs, Origin, Turn};
use super::{BUDGET_PATIENCE, LARGE_BYTES, MESSAGE_PATIENCE, STREAM_PATIENCE};

/// Before each message: one byte for compression, four for the length (gRPC over HTTP/2, "Length-Prefixed-Message").
const PREFIX: usize = 5;

type Polled = Poll<Option<Result<Frame<Bytes>, Status>>>;

type Coming = Pin<Box<dyn Future<Output = Option<Given>> + Send>>;

/// The body of a request.
pub(in crate::grpc) struct RequestBody {
    body: Body,
    room: MessageBudget,
    of: Origin,
    takes: Takes,
    load: Arc<LargeMessages>,
    prefix: Vec<u8>,
    /// Bytes of the message that are not there yet.
    missing: usize,
    /// Messages that have begun.
    begun: u64,
    /// The newest of them, if it is large, until it goes on.
    large: Option<Large>,
    /// What came and was not followed yet.
    rest: Bytes,
    /// The last piece of the only message, until the request has ended: what is decoded takes many times as much, and does not wait
    /// for a client.
    last: Bytes,
    /// Whether the request has ended before its only message went on ...
    has_ended: bool,
    /// ... and with what.
    end: Option<Frame<Bytes>>,
    waiting: Option<Coming>,
    turn: Turn,
    /// Ends a large message that does not arrive, or does not get what it needs.
    late: Option<Pin<Box<Sleep>>>,
    /// Ends a stream on which nothing comes.
    shutdown: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
}

impl RequestBody {
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
            prefix: Vec::with_capacity(PREFIX),
            missing: 0,
            begun: 0,
            large: None,
            rest: Bytes::new(),
            last: Bytes::new(),
            has_ended: false,
            end: None,
            waiting: None,
            turn: Turn::Elsewhere,
            late: None,
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

    /// Follows the messages through the bytes: how many of them may go on, and how long the large message is that begins there.
    fn follow(&mut self, bytes: &[u8]) -> Result<(usize, Option<usize>), Status> {
        let mut at = 0;
        while let Some(byte) = bytes.get(at) {
            if self.missing > 0 {
                let there = self.missing.min(bytes.len() - at);
                self.missing -= there;
                at += there;
                continue;
            }
            self.prefix.push(*byte);
            if let [flag, a, b, c, d] = self.prefix[..] {
                self.prefix.clear();
                let length = self.begin(flag, u32::from_be_bytes([a, b, c, d]))?;
                self.missing = length;
                if length > LARGE_BYTES {
                    // The last byte of the prefix goes on with the message: nobody makes room for it before.
                    self.missing += 1;
                    return Ok((at, Some(length)));
                }
            }
            at += 1;
        }
        Ok((at, None))
    }

    fn begin(&mut self, flag: u8, length: u32) -> Result<usize, Status> {
        self.begun += 1;
        if self.begun > 1 && !self.takes.many() {
            return Err(status::malformed("is followed by another one"));
        }
        match flag {
            0 => {}
            1 => return Err(status::malformed("says that it is compressed")),
            _ => return Err(status::malformed("has a compressed flag other than 0 or 1")),
        }
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        match length <= self.takes.at_most() {
            true => Ok(length),
            false => Err(status::request_too_large(length, self.takes.at_most())),
        }
    }

    fn check_end(&self) -> Result<(), Status> {
        if self.missing > 0 || !self.prefix.is_empty() {
            return Err(status::malformed("ends before its announced length"));
        }
        match self.begun == 0 && !self.takes.many() {
            true => Err(status::malformed("is missing")),
            false => Ok(()),
        }
    }

    /// Whether the only message is there.
    fn is_whole(&self) -> bool {
        !self.takes.many() && self.rest.is_empty() && self.check_end().is_ok()
    }

    /// Takes what came of a large message that arrives; whether there is one.
    fn arrives(&mut self) -> bool {
        let Some(large) = self.large.as_mut().filter(|_| self.missing > 0) else {
            return false;
        };
        let piece = self.rest.split_to(self.missing.min(self.rest.len()));
        large.arrives(&piece);
        self.missing -= piece.len();
        // A request of one message has arrived when it has ended.
        if self.missing == 0 && self.takes.many() {
            self.has_arrived();
        }
        true
    }

    /// A large message is there as a whole, if there is one: it asks for what it needs to go on. Whether it does.
    fn has_arrived(&mut self) -> bool {
        let Some(large) = self.large.as_mut() else {
            return false;
        };
        if std::mem::replace(&mut large.is_whole, true) {
            return false;
        }
        let length = large.length;
        self.wait_for(Needs::Part(length));
        true
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
    fn poll_given(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Status>> {
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
                if let Some(large) = &mut self.large {
                    large.room = Some(room);
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
                return Poll::Ready(Ok(self.large.take().map(Large::into_bytes)));
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

    /// What came next, from the network. None: something was, and is followed now.
    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Option<Polled>> {
        let refuse = |status| Poll::Ready(Some(Poll::Ready(Some(Err(status)))));
        let end = match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Pending if self.is_ending(cx) => return refuse(status::shutting_down()),
            Poll::Pending if self.is_late(cx) => {
                return refuse(status::arrives_too_slowly(MESSAGE_PATIENCE));
            }
            Poll::Pending => {
                // It would keep all that was read together with it.
                self.last = Bytes::copy_from_slice(&self.last);
                return Poll::Pending;
            }
            Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                Ok(data) => {
                    self.rest = data;
                    return Poll::Ready(None);
                }
                Err(trailers) => Some(trailers),
            },
            Poll::Ready(None) => None,
            failed @ Poll::Ready(Some(Err(_))) => return Poll::Ready(Some(failed)),
        };
        let is_there = !self.last.is_empty() || self.large.is_some();
        match self.check_end() {
            Ok(()) if is_there => {
                (self.end, self.has_ended) = (end, true);
                Poll::Ready(None)
            }
            Ok(()) => Poll::Ready(Some(Poll::Ready(end.map(Ok)))),
            Err(status) => {
                // Told once.
                (self.missing, self.begun) = (0, self.begun.max(1));
                self.prefix.clear();
                self.large = None;
                refuse(status)
            }
        }
    }
}

impl HttpBody for RequestBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled {
        let refuse = |status| Poll::Ready(Some(Err(status)));
        let goes_on = |piece| Poll::Ready(Some(Ok(Frame::data(piece))));
        self.is_decoded();
        loop {
            match self.poll_given(cx) {
                Poll::Ready(Ok(None)) => {}
                Poll::Ready(Ok(Some(message))) => return goes_on(message),
                Poll::Ready(Err(status)) => return refuse(status),
                Poll::Pending if self.is_ending(cx) => return refuse(status::shutting_down()),
                Poll::Pending => return Poll::Pending,
            }
            if !self.rest.is_empty() {
                if self.arrives() {
                    continue;
                }
                let mut rest = std::mem::take(&mut self.rest);
                let (on, large) = match self.follow(&rest) {
                    Ok(followed) => followed,
                    Err(status) => return refuse(status),
                };
                let piece = rest.split_to(on);
                self.rest = rest;
                if let Some(length) = large {
                    self.large = Some(Large::new(length));
                    self.wait_for(Needs::Room(length));
                }
                match piece.is_empty() {
                    true => continue,
                    false if self.is_whole() => {
                        self.last = piece;
                        continue;
                    }
                    false => return goes_on(piece),
                }
            }
            if self.has_ended {
                if self.has_arrived() {
                    continue;
                }
                if !self.last.is_empty() {
                    return goes_on(std::mem::take(&mut self.last));
                }
                if let Some(end) = self.end.take() {
                    return Poll::Ready(Some(Ok(end)));
                }
            }
            match self.poll_body(cx) {
                Poll::Ready(None) => {}
                Poll::Ready(Some(polled)) => return polled,
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        // A request without a message has to be told so.
        self.rest.is_empty()
            && self.last.is_empty()
            && self.large.is_none()
            && self.body.is_end_stream()
            && self.check_end().is_ok()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

impl Drop for RequestBody {
    /// What cannot be decoded is dropped as soon as that is known, and its call may end long after that.
    fn drop(&mut self) {
        if let Turn::Decoding(place) = self.turn {
            self.load.is_read(place);
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

    fn arrival(takes: Takes) -> RequestBody {
        let of = Origin {
            peer: Arc::from("peer"),
            connection: Arc::from("connection"),
        };
        let room = (MessageBudget::default(), of);
        RequestBody::new(Body::empty(), room, takes, Arc::default(), None)
    }

    proptest! {
        #[test]
        fn however_the_bytes_are_cut_every_message_is_seen_and_all_bytes_go_on(
            lengths in prop::collection::vec(prop_oneof![0usize..20, 8_000usize..9_000], 0..6),
            cut in 1usize..20_000,
        ) {
            // What waits has a deadline.
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            let _within = runtime.enter();
            let mut arrival = arrival(Takes::Checkpoints);
            let (mut large, mut on) = (Vec::new(), Vec::new());
            let all = framed(&lengths);
            for piece in all.chunks(cut) {
                arrival.rest = Bytes::copy_from_slice(piece);
                while !arrival.rest.is_empty() {
                    if arrival.arrives() {
                        if arrival.missing == 0 {
                            on.extend(arrival.large.take().unwrap().into_bytes());
                            (arrival.waiting, arrival.late) = (None, None);
                        }
                        continue;
                    }
                    let mut rest = std::mem::take(&mut arrival.rest);
                    let (there, begins) = arrival.follow(&rest).unwrap();
                    on.extend(rest.split_to(there));
                    arrival.rest = rest;
                    arrival.large = begins.map(Large::new);
                    large.extend(begins);
                }
            }
            prop_assert_eq!((arrival.missing, arrival.prefix.len()), (0, 0));
            prop_assert!(on == all);
            prop_assert_eq!(arrival.begun, lengths.len() as u64);
            let expected = lengths.into_iter().filter(|length| *length > LARGE_BYTES);
            prop_assert_eq!(large, expected.collect::<Vec<_>>());
        }
    }

    #[test]
    fn what_is_not_framed_as_it_must_be_is_refused() {
        let two = framed(&[1, 1]);
        assert!(arrival(Takes::Checkpoint).follow(&two).is_err());
        assert!(arrival(Takes::Checkpoints).follow(&two).is_ok());
        assert!(arrival(Takes::Few).follow(&[1, 0, 0, 0, 0]).is_err());
        assert!(arrival(Takes::Few).follow(&[2, 0, 0, 0, 0]).is_err());
        assert!(arrival(Takes::Few).follow(&[0, 1, 0, 0, 0]).is_err());
        assert!(arrival(Takes::Few).check_end().is_err(), "no message");
        let mut begun = arrival(Takes::Few);
        begun.follow(&[0, 0, 0, 0, 2, 7]).unwrap();
        assert!(begun.check_end().is_err(), "half a message");
    }
}
