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
#[path = "../support/forest.rs"]
mod forest;
mod kinds;
mod openssl;
mod pins;
mod proofs;
#[path = "../support/python.rs"]
mod python;
mod recipes;
mod server;
#[path = "../support/starter.rs"]
mod starter;
#[path = "../support/wait.rs"]
mod wait;
