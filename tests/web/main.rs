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
mod client;
#[allow(dead_code, reason = "other tests use the rest of it")]
#[path = "../support/cluster.rs"]
mod cluster;
mod connections;
mod description;
mod differential;
mod endpoints;
mod framing;
#[allow(dead_code, reason = "other tests use the rest of it")]
#[path = "../support/history.rs"]
mod history;
mod judge;
mod kinds;
mod limits;
mod node;
mod page;
mod pins;
#[path = "../support/port.rs"]
mod port;
mod publication;
#[path = "../support/python.rs"]
mod python;
mod recipe;
#[allow(dead_code, reason = "other tests use the rest of it")]
#[path = "../support/starter.rs"]
mod starter;
#[allow(dead_code, reason = "other tests use the rest of it")]
#[path = "../support/mod.rs"]
mod support;
#[allow(dead_code, reason = "other tests use the rest of it")]
#[path = "../support/wait.rs"]
mod wait;
