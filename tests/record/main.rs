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

mod bound_meanwhile;
mod distrusted;
mod environment;
mod histories;
mod lines;
mod opening;
mod other_replica;
mod plans;
mod queue;
mod roles;
mod stores;
mod tls;
mod transfer;

use testing::{
    client, cluster, history, judgement, postgres, program, scrape, starter, support, wait,
};
