//! Other hands: what this service signs is verified by openssl and by Python's JOSE libraries, and its API is
//! spoken by Python's gRPC. The real binary serves, on loopback and free ports.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    dead_code
)]

mod api;
mod dev;
mod imports;
mod kinds;
mod openssl;
mod pins;
mod proofs;
mod recipes;
mod server;
mod years;

use testing::{faketime, forest, python, starter, wait};
