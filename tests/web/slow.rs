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
mod heads;
mod node;
mod numbers;
mod page;
mod places;
mod recipe;
mod unread;

use testing::{client, cluster, publication, python, starter, support};
