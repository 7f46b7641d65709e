//! Who is let in and who is not: gRPC over real TLS, each RPC with each kind of caller, files that change, and a client
//! that means harm.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    dead_code
)]

mod audit_log;
mod changes;
mod every_rpc;
mod guarded;
mod lists;
mod mistakes;
mod named;
mod names;
mod start;
mod streams;
mod told;
mod valid;

use testing::{authority, python, starter, support, wait};
