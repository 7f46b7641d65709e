//! What `openssl` signs and verifies beside the core, and what it mends of its keys.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    dead_code
)]

mod interoperability;
mod mended;
mod support;
