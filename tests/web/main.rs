//! HTTP for the public, from outside: the endpoints and their description, the page in a real browser, and the page's
//! verifier beside this crate's.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    unreachable_pub
)]

mod endpoints;
mod framing;
mod limits;

use testing::{client, publication, support, wait};
