//! The service from outside: gRPC, HTTP and the command line, against real parts.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    unreachable_pub
)]

mod archive;
mod asked;
mod at_once;
mod cli;
mod files;
mod history;
mod http;
mod keys;
mod log;
mod named_files;
mod protocol;
mod record;
mod revoke;
mod second_history;
mod shapes;
mod signing;
mod streams;
mod third_parties;
mod two_heads;
mod wrong_input;

use testing::{authority, starter, support, wait};
