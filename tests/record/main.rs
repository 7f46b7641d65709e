//! The record on both stores: the same rules, crashes, races and faults.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    dead_code
)]

#[path = "../support/python.rs"]
mod python;
#[path = "../support/mod.rs"]
mod support;

mod postgres;
mod stores;
mod tls;
mod transfer;
