//! What large messages may take, all together, and what a call holds of it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{
    ARRIVING_KIB, BUDGET_KIB, LARGE_AT_ONCE, READING_PATIENCE, STREAM_PLACES, STREAM_SILENCE,
    STREAMS, STREAMS_PER_CONNECTION, WAITING, WAITING_PER_CONNECTION, WEIGHT,
};
use crate::budget::{Budget, Part, kib};
use crate::counts::{Counts, Slot};
use crate::net::{Idle, Listed};

/// What all large messages may take.
#[derive(Clone)]
pub(in crate::grpc) struct MessageBudget {
    arriving: Arc<Budget>,
    /// Places of those who wait for room to arrive, by calls.
    waiting: Arc<Budget>,
    waiting_here: Arc<Counts>,
    /// Places of streams of requests.
    streams: Arc<Budget>,
    streams_here: Arc<Counts>,
    open_streams: Arc<Idle>,
    parts: Arc<Budget>,
    turns: Arc<Semaphore>,
}

/// The place of a stream of requests among all, and on its connection.
pub(in crate::grpc) struct StreamPlace {
    /// It gives way while its client is waited for, or where that has many.
    pub(in crate::grpc) listed: Arc<Listed>,
    _part: Part,
    _here: Slot,
}

impl Default for MessageBudget {
    fn default() -> Self {
        Self {
            arriving: Budget::new(ARRIVING_KIB),
            waiting: Budget::new(WAITING),
            waiting_here: Counts::up_to(WAITING_PER_CONNECTION),
            streams: Budget::new(STREAMS),
            streams_here: Counts::up_to(STREAMS_PER_CONNECTION),
            open_streams: Arc::default(),
            parts: Budget::new(BUDGET_KIB),
            turns: Arc::new(Semaphore::new(LARGE_AT_ONCE)),
        }
    }
}

impl MessageBudget {
    /// The place of a stream of requests, if there is one. A client that has none finds one when it comes again.
    pub(in crate::grpc) fn stream(&self, of: &Origin) -> Option<StreamPlace> {
        let here = self.streams_here.take(&of.connection)?;
        let Some(part) = self.streams.try_take(&of.peer, 1) else {
            if !self.streams.has(&of.peer) {
                self.open_streams
                    .end_one_for_another(STREAM_SILENCE, STREAM_PLACES);
            }
            return None;
        };
        Some(StreamPlace {
            listed: Arc::new(self.open_streams.add(Arc::clone(&of.peer))),
            _part: part,
            _here: here,
        })
    }

    /// What is needed, when it is there. None when too many wait for room already; a stream has its place.
    pub(super) async fn give(self, needs: Needs, of: Origin, is_stream: bool) -> Option<Given> {
        let Origin { peer, connection } = of;
        match needs {
            Needs::Room(length) => {
                let units = kib(length);
                if let Some(room) = self.arriving.try_take(&peer, units) {
                    return Some(Given::Room(room));
                }
                let _waits = match is_stream {
                    true => None,
                    false => {
                        let here = self.waiting_here.take(&connection)?;
                        Some((here, self.waiting.try_take(&peer, 1)?))
                    }
                };
                Some(Given::Room(self.arriving.take(peer, units).await))
            }
            Needs::Part(length) => {
                let part = self.parts.take(peer, kib(length * WEIGHT)).await;
                Some(Given::Part(part))
            }
            Needs::Turn => self.turns.acquire_owned().await.ok().map(Given::Turn),
        }
    }
}

/// Whose a message is, and where it comes from.
#[derive(Clone)]
pub(in crate::grpc) struct Origin {
    pub(in crate::grpc) peer: Arc<str>,
    pub(in crate::grpc) connection: Arc<str>,
}

/// What a large message waits for, with its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Needs {
    Room(usize),
    Part(usize),
    Turn,
}

/// What it was given.
pub(super) enum Given {
    Room(Part),
    Part(Part),
    Turn(OwnedSemaphorePermit),
}

/// What has become of the turn of the newest large message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// There is none, or whoever was given the message has it.
    Elsewhere,
    /// It is this message's, which has gone on, and is being decoded: nobody asks for more before that is over.
    Decoding(u64),
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

    pub(super) fn take_part_of(&self, place: u64, part: Part) {
        hold(&self.parts, place, Arc::new(part));
    }

    /// Gives the turn back by itself when nobody does, however that came about.
    pub(super) fn take_turn(self: &Arc<Self>, place: u64, turn: OwnedSemaphorePermit) {
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
