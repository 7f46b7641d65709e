//! The record while replicas, databases, disks, files and clocks fail, and what comes of old backups and of foreign files.
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
mod frozen;
mod guards;
mod hosts;
mod log;
mod log_files;
mod one_file;
mod one_owner;
mod pages;
mod pooler;
mod race;
mod read_only;
mod restore;
mod resumptions;
mod revocations;
mod went_back;

use testing::{
    client, cluster, debian, history, judgement, port, postgres, python, starter, support, talk,
    wait,
};
