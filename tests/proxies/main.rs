//! The configurations of `docs/proxies.md`, as they stand there, between real clients and two replicas that share a record: nginx, HAProxy and
//! pgbouncer of Debian. Only addresses and folders are others.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    dead_code
)]

mod between;
mod caller;
mod page;
mod pool;
mod replica;
mod site;

use testing::{authority, client, debian, port, postgres, starter, support, wait};
