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

mod attack;
mod connections;
mod description;
mod differential;
mod endpoints;
mod framing;
mod judge;
mod kinds;
mod limits;
mod node;
mod page;
mod pins;
mod recipe;

use testing::{client, cluster, publication, python, starter, support, wait};
