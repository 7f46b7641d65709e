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

#[path = "../web/client.rs"]
mod client;
#[path = "../support/cluster.rs"]
mod cluster;
#[path = "../support/history.rs"]
mod history;
#[path = "../support/judgement.rs"]
mod judgement;
#[path = "../support/port.rs"]
mod port;
#[path = "../support/python.rs"]
mod python;
#[path = "../telemetry/scrape.rs"]
mod scrape;
#[path = "../support/starter.rs"]
mod starter;
#[path = "../support/mod.rs"]
mod support;
#[path = "../support/talk.rs"]
mod talk;

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
mod postgres;
mod queue;
mod race;
mod restore;
mod resumptions;
mod revocations;
mod stores;
mod tls;
mod transfer;
#[path = "../support/wait.rs"]
mod wait;
mod went_back;
