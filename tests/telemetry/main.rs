//! What operators see of a running service: the log's lines, the metrics, the warnings before there is no key, and the
//! alert rules and the dashboard that are made from them.

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
mod deployment;
#[path = "../support/history.rs"]
mod history;
mod log;
mod metrics;
#[path = "../support/port.rs"]
mod port;
mod promtool;
mod scrape;
#[path = "../support/starter.rs"]
mod starter;
#[path = "../support/mod.rs"]
mod support;
mod traces;
#[path = "../support/wait.rs"]
mod wait;
mod warnings;
