//! What `openssl` signs and verifies beside the core, and what it mends of its keys; and many more walks.
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
mod walks;

#[test]
fn ten_thousand_walks_lead_back() {
    walks::walk(300..10_300);
}
