//! Connections to gRPC: how many, how long each may take over anything, and what it costs to be slow or silent.
//!
//! A connection counts only when its TLS handshake and the first bytes of HTTP/2 have come: until then it waits among the
//! newcomers, where the oldest gives way when there are too many. So somebody who opens thousands and says nothing keeps
//! nobody out. What is connected is counted by the name in its certificate (its address without TLS).

mod answer;
mod arrival;
mod connection;
mod counts;
mod listen;

pub(super) use answer::{Answer, Answers, Ending};
pub(super) use arrival::{Arrival, Budget};
pub(super) use connection::Connection;
pub(super) use counts::{Counts, Place};
pub(super) use listen::listen;

use std::time::Duration;

/// Largest request in bytes. A checkpoint has at most 512 KiB; what is larger than that and smaller than this
/// is refused with an error that says so.
pub(super) const MAX_REQUEST_BYTES: usize = 16 * 1024 * 1024;

/// Largest metadata of a call in bytes, names and values and 32 for each (RFC 9113, section 6.5.2).
pub(super) const MAX_METADATA_BYTES: u32 = 16 * 1024;

/// Calls at once on one connection: more wait in the client, as HTTP/2 has it.
pub(super) const MAX_CALLS_PER_CONNECTION: u32 = 128;

/// Calls at once of one peer, whatever its connections. One ledger service may fill the queue of signatures.
pub(super) const MAX_CALLS_PER_PEER: usize = 2048;

/// Connections at once.
const MAX_CONNECTIONS: usize = 1024;

/// Connections at once of one peer.
const MAX_CONNECTIONS_PER_PEER: usize = 128;

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
const ANSWER_PATIENCE: Duration = Duration::from_secs(60);

/// How long the network may take nothing of what is sent.
const WRITE_PATIENCE: Duration = Duration::from_secs(30);

/// A silent peer is asked whether it is there (RFC 9113, section 6.7) ...
pub(super) const PING_EVERY: Duration = Duration::from_secs(60);

/// ... and has this long to say so.
pub(super) const PING_PATIENCE: Duration = Duration::from_secs(20);

/// Streams that a client may open and reset before they are looked at (CVE-2023-44487).
pub(super) const MAX_RESETS: usize = 20;
