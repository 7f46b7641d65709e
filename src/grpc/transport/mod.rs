//! Connections to gRPC: how many, how long each may take over anything, and what it costs to be slow or silent.
//!
//! A connection counts only when its TLS handshake and the first bytes of HTTP/2 have come: until then it waits among the
//! newcomers, where the oldest gives way when there are too many. So somebody who opens thousands and says nothing keeps
//! nobody out. What is connected is counted by the name in its certificate (its address without TLS).
//!
//! Attack: connections without number, by one peer or by many. Shown by `tests/access/hostile.rs` (`say_nothing`,
//! `one_peer_has_so_many_calls_and_connections_and_keeps_nobody_out`). Resets and pings are bounded by h2 and hyper, metadata and calls of one
//! connection by what they are told here.

mod connection;
mod large;
mod listen;
mod message;
mod request;
mod response;
mod serve;

pub(super) use connection::{ConnectInfo, Connection};
pub(super) use large::{LargeMessages, MessageBudget, Origin, StreamPlace};
pub(super) use listen::listen;
pub(super) use message::PREFIX;
pub(super) use request::{Arriving, RequestBody};
pub(super) use response::{AnswerBudget, Belongings, Ending, Place, ResponseBody, WaitingAnswers};
pub(super) use serve::serve;

use std::time::Duration;

use crate::net::Places;

/// A message of more bytes than this is large, and needs room to arrive. Those below, as ordinary checkpoints are, need to wait for
/// nobody: the calls that a peer may have bound them.
const LARGE_BYTES: usize = 8 * 1024;

/// What all large messages that arrive, or are there and wait, may take together, in KiB.
const ARRIVING_KIB: usize = 48 * 1024;

/// Calls that wait for room for a large message, with what HTTP/2 lets them leave unread.
const WAITING: usize = 64;

/// Those of one connection: half of its window.
const WAITING_PER_CONNECTION: usize = 8;

/// Streams of requests that may be open. What is unread of each may be as much, for as long as its client reads no answers.
pub(super) const STREAMS: usize = 64;

/// Those of one connection. h2 ends one (`too_many_data_frames`) when what waits there in frames of fewer than 256 bytes, each counted as what it lacks of them, comes to
/// half of its window: with more, streams of the smallest checkpoints would do that when nothing is read of them because the queue is full.
pub(super) const STREAMS_PER_CONNECTION: usize = 6;

/// A client that has none is given the place of one that has more than its share of them: few need more than one.
const STREAM_PLACES: Places = Places {
    all: STREAMS,
    a_few: 1,
};

/// A stream whose client was waited for so long gives way to a client that has none.
const STREAM_SILENCE: Duration = Duration::from_secs(5);

/// What a large message may take for each of its bytes until it is answered: itself, its content in memory, its payload, its answer.
const WEIGHT: usize = 4;

/// What all large messages that are worked on may take together, in KiB: three of the largest.
const BUDGET_KIB: usize = 36 * 1024;

/// Large messages that are read at once: decoded, 32,000 objects of one member each take 25 MiB, and as much again while a checkpoint
/// is made of them. An ordinary one is read in a few milliseconds.
const LARGE_AT_ONCE: usize = 1;

/// How long the turn to be read lasts at most, if nobody gives it back: the largest needs a tenth of a second, and on a machine that
/// does ten other things, seconds. Were it over before the reading is, others would be decoded meanwhile.
const READING_PATIENCE: Duration = Duration::from_secs(30);

/// How long a large message waits for room, and then for its part.
const BUDGET_PATIENCE: Duration = Duration::from_secs(10);

/// The same in a stream, which ends with it.
const STREAM_PATIENCE: Duration = Duration::from_secs(60);

/// How long it may take to arrive then: 150 kB/s for the largest.
const MESSAGE_PATIENCE: Duration = Duration::from_secs(20);

/// An answer of more bytes than this needs a part of the budget of answers until the network has taken it. Those below, as for an
/// ordinary checkpoint, are bounded by the calls that a peer may have.
const LARGE_ANSWER_BYTES: usize = 16 * 1024;

/// What all large answers that were not taken yet may have together, in KiB: eight of the largest.
const ANSWERS_KIB: usize = 28 * 1024;

/// What those to who sign may have, beside that: fifteen of the largest.
const SIGNATURES_KIB: usize = 24 * 1024;

/// How long an answer waits for its part.
const UNREAD_PATIENCE: Duration = Duration::from_secs(20);

/// Largest metadata of a call in bytes, names and values and 32 for each (RFC 9113, section 6.5.2). gRPC's own libraries take 8 KiB.
pub(super) const MAX_METADATA_BYTES: usize = 7 * 1024;

/// What is read of larger metadata so that its call can be told so; beyond it, HTTP/2 itself ends the call (431). Trailers that nobody asked for
/// take up to three times as much of each call that there may be, and five times where they are more than 256 entries, which these are not.
const MAX_METADATA_READ_BYTES: u32 = 8400;

/// Calls at once on one connection: more wait in the client, as HTTP/2 has it.
const MAX_CALLS_PER_CONNECTION: u32 = 128;

/// Calls at once of all peers, for each core. No peer has more than are left: one that is alone has half, whatever its connections, and may so fill the
/// queue of signatures.
const MAX_CALLS_PER_CORE: usize = 1280;

/// Calls at once of all peers. With fewer than two cores, one waits for RSA as with two.
pub(super) fn max_calls() -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    MAX_CALLS_PER_CORE * cores.max(2)
}

/// Calls that each connection may have also when its peer, or all of them, have as many as they may: without certificates, all clients of one address are one
/// peer, and none of them keeps the others out.
pub(super) const CALLS_KEPT_PER_CONNECTION: usize = 4;

/// Those of all connections, by the same rule. One peer's connections have theirs.
pub(super) const CALLS_KEPT: usize = MAX_CONNECTIONS * CALLS_KEPT_PER_CONNECTION;

/// Connections at once. No peer has more than are left: one that is alone has half. Of each, h2 keeps up to half a MiB: an entry for each small frame
/// that was ever there at once, and had not been looked at yet.
const MAX_CONNECTIONS: usize = 256;

/// The same, and what a client may need: a pool in each of some processes.
const PLACES: Places = Places {
    all: MAX_CONNECTIONS,
    a_few: 16,
};

/// A connection whose client was waited for so long, to ask, to go on with what it asks, or to take its answer, gives way to a peer that has none.
const SILENCE: Duration = Duration::from_secs(1);

/// Newcomers at once: connections before their first request.
const MAX_NEWCOMERS: usize = 256;

/// How long a newcomer may take.
const NEWCOMER_PATIENCE: Duration = Duration::from_secs(10);

/// How long a call may take until its answer begins, its request's arrival included. The command line waits for 30 s, and
/// a night's queue is worked off in less.
pub(super) const HANDLER_PATIENCE: Duration = Duration::from_secs(60);

/// How long the next item of a client's stream may take.
pub(super) const ITEM_PATIENCE: Duration = Duration::from_secs(300);

/// Most items of one stream. It bounds no memory; a client that has more opens another stream.
pub(super) const MAX_STREAM_ITEMS: u64 = 1_000_000;

/// How long a client may leave a piece of an answer unread; its connection ends then.
const ANSWER_PATIENCE: Duration = Duration::from_secs(30);

/// How long the network may take nothing of what is sent.
const WRITE_PATIENCE: Duration = Duration::from_secs(30);

/// How long a client may take to close its end of a connection that is over.
const LINGER: Duration = Duration::from_secs(5);

/// A silent peer is asked whether it is there (RFC 9113, section 6.7).
const PING_EVERY: Duration = Duration::from_secs(60);

/// What of a call's request may be on its way unread, in bytes. A client that pours checkpoints into a stream must be stopped by
/// this before h2 counts too many small frames on the connection and ends it (its budget is half of the connection's window).
const STREAM_WINDOW_BYTES: u32 = 32 * 1024;

/// The same of all calls of a connection, more than those that wait may leave unread. With one of 8 MiB, which is never used up by a stream
/// alone, HAProxy 2.6 stops in the middle of what it sends (`tests/proxies`).
const CONNECTION_WINDOW_BYTES: u32 = 1024 * 1024;
