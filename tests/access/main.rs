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
#[path = "../support/authority.rs"]
mod authority;
mod changes;
mod every_rpc;
mod guarded;
mod hostile;
mod names;
#[path = "../support/python.rs"]
mod python;
mod start;
#[path = "../support/starter.rs"]
mod starter;
mod streams;
#[path = "../support/mod.rs"]
mod support;
mod told;
#[path = "../support/wait.rs"]
mod wait;
