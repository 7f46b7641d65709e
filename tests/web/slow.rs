//! HTTP as others use it: the page in a browser, verification in Node, the description, and clients that mean harm.
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
mod judge;
mod kinds;
mod node;
mod numbers;
mod page;
mod pins;
mod places;
mod recipe;
mod unread;
mod vectors;

use testing::{client, cluster, publication, python, starter, support};
