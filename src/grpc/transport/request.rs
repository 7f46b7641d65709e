//! Requests on their way in. Their messages are followed by the lengths that they announce, before they are there: what is
//! too large, or not framed as gRPC has it, is refused at once, and what is large waits for its part of the memory that
//! its peer may have. The part is held until the call is over; in a stream, until its item is; and in any case until nothing is left
//! of what was made of it, whoever called that off. The end of what is large waits for its turn as well: decoded, a message may take seventy times its bytes until a checkpoint is made of it.
//!
//! Attack: large messages that are announced and come slowly or never, and many at once. tonic reads what it is sent into memory, for as long
//! as that takes. Shown by `tests/access/hostile.rs` (`send_slowly`), `tests/web/attack.rs` (`announce`, `send_protobuf`) and
//! `tests/service/protocol.rs` (`a_body_that_is_not_one_whole_message_is_refused_with_its_reason`).

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Sleep;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::Status;
use tonic::body::Body;

use super::super::access::Takes;
use super::super::status;
use super::{
    BUDGET_KIB, BUDGET_PATIENCE, BUDGET_SHARE_KIB, LARGE_AT_ONCE, LARGE_BYTES, MESSAGE_PATIENCE,
    READING_PATIENCE, WEIGHT,
};
use crate::budget::{Budget, Part};

/// Before each message: one byte for compression, four for the length (gRPC over HTTP/2, "Length-Prefixed-Message").
const PREFIX: usize = 5;

/// What all large messages may take.
#[derive(Clone)]
pub(in crate::grpc) struct MessageBudget {
    budget: Arc<Budget>,
    turns: Arc<Semaphore>,
}

impl Default for MessageBudget {
    fn default() -> Self {
        Self {
            budget: Budget::new(BUDGET_KIB, BUDGET_SHARE_KIB),
            turns: Arc::new(Semaphore::new(LARGE_AT_ONCE)),
        }
    }
}

/// What a call's large messages hold, by their places in the stream.
#[derive(Default)]
pub(in crate::grpc) struct LargeMessages {
    parts: Mutex<VecDeque<(u64, Arc<Part>)>>,
    turns: Mutex<VecDeque<(u64, OwnedSemaphorePermit)>>,
}

impl LargeMessages {
    /// The part of the message at this place, counted from 1, for whatever is made of it.
    pub(in crate::grpc) fn take_part(&self, place: u64) -> Option<Arc<Part>> {
        taken(&self.parts, place)
    }

    /// The same, which the call holds until it is over as well.
    pub(in crate::grpc) fn part_of(&self, place: u64) -> Option<Arc<Part>> {
        let part = self.take_part(place)?;
        hold(&self.parts, place, Arc::clone(&part));
        Some(part)
    }

    /// Gives the turn back by itself when nobody does, however that came about.
    fn take_turn(self: &Arc<Self>, place: u64, turn: OwnedSemaphorePermit) {
        hold(&self.turns, place, turn);
        let load = Arc::downgrade(self);
        tokio::spawn(async move {
            tokio::time::sleep(READING_PATIENCE).await;
            if let Some(load) = load.upgrade() {
                load.is_read(place);
            }
        });
    }

    /// Nothing is made of the message at this place any more: a checkpoint was, or it is refused.
    pub(in crate::grpc) fn is_read(&self, place: u64) {
        drop(taken(&self.turns, place));
    }
}

fn hold<T>(held: &Mutex<VecDeque<(u64, T)>>, place: u64, what: T) {
    let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
    held.push_back((place, what));
}

fn taken<T>(held: &Mutex<VecDeque<(u64, T)>>, place: u64) -> Option<T> {
    let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
    match held.front() {
        Some((first, _)) if *first <= place => held.pop_front().map(|(_, what)| what),
        _ => None,
    }
}

type Polled = Poll<Option<Result<Frame<Bytes>, Status>>>;

/// What a large message waits for, with its length where it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Needs {
    Part(usize),
    Turn,
}

/// What it was given. None when the service ends.
enum Given {
    Part(Part),
    Turn(OwnedSemaphorePermit),
}

/// What has become of the turn of the newest large message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// There is none, or whoever was given the message has it.
    Elsewhere,
    /// It is this message's, whose last piece has not gone on.
    Given(u64),
    /// That piece has, and is being decoded: nobody asks for more before that is over.
    Decoding(u64),
}

type Coming = Pin<Box<dyn Future<Output = Option<Given>> + Send>>;

/// The body of a request.
pub(in crate::grpc) struct RequestBody {
    body: Body,
    room: MessageBudget,
    peer: Arc<str>,
    takes: Takes,
    load: Arc<LargeMessages>,
    prefix: Vec<u8>,
    /// Bytes of the message that are not there yet.
    missing: usize,
    /// Messages that have begun.
    begun: u64,
    /// Whether the newest of them has to wait for its turn yet.
    is_large: bool,
    /// What came and was not followed yet.
    rest: Bytes,
    /// The last piece of the only message, until the request has ended: what is decoded takes many times as much, and does not wait
    /// for a client.
    last: Bytes,
    /// Whether the request has ended before that piece went on ...
    has_ended: bool,
    /// ... and with what.
    end: Option<Frame<Bytes>>,
    waiting: Option<Coming>,
    turn: Turn,
    /// Ends a large message that does not arrive, or does not get its part.
    late: Option<Pin<Box<Sleep>>>,
    /// Ends a stream on which nothing comes.
    shutdown: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
}

impl RequestBody {
    /// A stream of a client is given the token with which it is to end.
    pub(in crate::grpc) fn new(
        body: Body,
        (room, peer): (MessageBudget, Arc<str>),
        takes: Takes,
        load: Arc<LargeMessages>,
        shutdown: Option<CancellationToken>,
    ) -> Self {
        Self {
            shutdown: shutdown.map(|shutdown| Box::pin(shutdown.cancelled_owned())),
            body,
            room,
            peer,
            takes,
            load,
            prefix: Vec::with_capacity(PREFIX),
            missing: 0,
            begun: 0,
            is_large: false,
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

    fn goes_on(&mut self, piece: Bytes) -> Polled {
        if let Turn::Given(place) = self.turn {
            self.turn = Turn::Decoding(place);
        }
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    /// Follows the messages through the bytes: how many of them may go on, and what is needed before those after them may: a part of
    /// the budget for the message that begins there, or a turn for the one that ends there.
    fn follow(&mut self, bytes: &[u8]) -> Result<(usize, Option<Needs>), Status> {
        let mut at = 0;
        while let Some(byte) = bytes.get(at) {
            if self.missing > 0 {
                let there = self.missing.min(bytes.len() - at);
                // A request of one message takes its turn when it has ended.
                if self.is_large && there == self.missing && self.takes.many() {
                    (self.missing, self.is_large) = (1, false);
                    return Ok((at + there - 1, Some(Needs::Turn)));
                }
                self.missing -= there;
                at += there;
                // A request of one message has arrived when it has ended.
                if self.missing == 0 && self.takes.many() {
                    self.late = None;
                }
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
                    self.is_large = true;
                    return Ok((at, Some(Needs::Part(length))));
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

    /// Lets the last piece of the only message go on.
    fn go_on(&mut self) -> Polled {
        let last = std::mem::take(&mut self.last);
        self.goes_on(last)
    }

    fn wait_for(&mut self, needs: Needs) {
        let room = self.room.clone();
        self.waiting = Some(match needs {
            Needs::Part(length) => {
                let taken = room.budget.take(Arc::clone(&self.peer), length * WEIGHT);
                Box::pin(async { taken.await.map(Given::Part) })
            }
            Needs::Turn => {
                Box::pin(async { room.turns.acquire_owned().await.ok().map(Given::Turn) })
            }
        });
        self.late = Some(Box::pin(tokio::time::sleep(BUDGET_PATIENCE)));
    }

    fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        let Some(waiting) = &mut self.waiting else {
            return Poll::Ready(Ok(()));
        };
        match waiting.as_mut().poll(cx) {
            Poll::Ready(Some(given)) => {
                self.late = None;
                match given {
                    Given::Part(part) => {
                        hold(&self.load.parts, self.begun, Arc::new(part));
                        self.late = Some(Box::pin(tokio::time::sleep(MESSAGE_PATIENCE)));
                    }
                    Given::Turn(turn) => {
                        self.load.take_turn(self.begun, turn);
                        self.turn = Turn::Given(self.begun);
                    }
                }
                self.waiting = None;
                Poll::Ready(Ok(()))
            }
            Poll::Ready(None) => Poll::Ready(Err(status::too_much_at_once())),
            Poll::Pending => match self.is_late(cx) {
                true => Poll::Ready(Err(status::too_much_at_once())),
                false => Poll::Pending,
            },
        }
    }

    fn is_late(&mut self, cx: &mut Context<'_>) -> bool {
        let late = self.late.as_mut();
        late.is_some_and(|late| late.as_mut().poll(cx).is_ready())
    }

    fn is_ending(&mut self, cx: &mut Context<'_>) -> bool {
        let shutdown = self.shutdown.as_mut();
        shutdown.is_some_and(|shutdown| shutdown.as_mut().poll(cx).is_ready())
    }
}

impl HttpBody for RequestBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled {
        let refuse = |status| Poll::Ready(Some(Err(status)));
        self.is_decoded();
        loop {
            match self.poll_part(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(status)) => return refuse(status),
                Poll::Pending if self.is_ending(cx) => return refuse(status::shutting_down()),
                Poll::Pending => return Poll::Pending,
            }
            if !self.rest.is_empty() {
                let mut rest = std::mem::take(&mut self.rest);
                let (on, needs) = match self.follow(&rest) {
                    Ok(followed) => followed,
                    Err(status) => return refuse(status),
                };
                let piece = rest.split_to(on);
                self.rest = rest;
                if let Some(needs) = needs {
                    self.wait_for(needs);
                }
                match piece.is_empty() {
                    true => continue,
                    false if self.is_whole() => {
                        self.last = piece;
                        continue;
                    }
                    false => return self.goes_on(piece),
                }
            }
            if self.has_ended && !self.last.is_empty() {
                if std::mem::take(&mut self.is_large) {
                    self.wait_for(Needs::Turn);
                    continue;
                }
                return self.go_on();
            }
            if let Some(end) = self.end.take() {
                return Poll::Ready(Some(Ok(end)));
            }
            match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Pending if self.is_ending(cx) => return refuse(status::shutting_down()),
                Poll::Pending if self.is_late(cx) => {
                    return refuse(status::arrives_too_slowly(MESSAGE_PATIENCE));
                }
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => self.rest = data,
                    Err(trailers) if !self.last.is_empty() => {
                        (self.end, self.has_ended) = (Some(trailers), true);
                    }
                    Err(trailers) => {
                        return Poll::Ready(Some(self.check_end().map(|()| trailers)));
                    }
                },
                Poll::Ready(None) if !self.last.is_empty() => self.has_ended = true,
                Poll::Ready(None) => {
                    return match self.check_end() {
                        Ok(()) => Poll::Ready(None),
                        Err(status) => {
                            // Told once.
                            (self.missing, self.begun) = (0, self.begun.max(1));
                            self.prefix.clear();
                            refuse(status)
                        }
                    };
                }
                other => return other,
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        // A request without a message has to be told so.
        self.rest.is_empty()
            && self.last.is_empty()
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
        if let Turn::Given(place) | Turn::Decoding(place) = self.turn {
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
        let peer = (MessageBudget::default(), Arc::from("peer"));
        RequestBody::new(Body::empty(), peer, takes, Arc::default(), None)
    }

    proptest! {
        #[test]
        fn however_the_bytes_are_cut_every_message_is_seen_and_all_bytes_go_on(
            lengths in prop::collection::vec(prop_oneof![0usize..20, 8_000usize..9_000], 0..6),
            cut in 1usize..20_000,
        ) {
            let mut arrival = arrival(Takes::Checkpoints);
            let (mut large, mut turns, mut on) = (0, 0, 0);
            let all = framed(&lengths);
            for mut piece in all.chunks(cut) {
                while !piece.is_empty() {
                    let (there, needs) = arrival.follow(piece).unwrap();
                    large += usize::from(matches!(needs, Some(Needs::Part(_))));
                    turns += usize::from(needs == Some(Needs::Turn));
                    on += there;
                    piece = &piece[there..];
                }
            }
            prop_assert_eq!((arrival.missing, arrival.prefix.len(), on), (0, 0, all.len()));
            prop_assert_eq!(arrival.begun, lengths.len() as u64);
            prop_assert_eq!(large, lengths.iter().filter(|length| **length > LARGE_BYTES).count());
            prop_assert_eq!(turns, large);
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
