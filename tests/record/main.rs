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

mod backup;
mod clocks;
mod copies;
mod failover;
mod faults;
mod flood;
mod foreign;
mod forwards;
mod guards;
mod histories;
mod hosts;
mod log;
mod log_files;
mod one_file;
mod one_owner;
mod opening;
mod pages;
mod pooler;
mod queue;
mod race;
mod restore;
mod resumptions;
mod revocations;
mod stores;
mod tls;
mod transfer;
mod went_back;

use testing::{
    client, cluster, history, judgement, port, postgres, python, scrape, starter, support, talk,
    wait,
};
