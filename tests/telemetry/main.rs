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

mod certificates;
mod guarded;
mod log;
mod metrics;
mod oddities;
mod stalled;
mod traces;
mod warnings;

use testing::{authority, client, cluster, port, scrape, starter, support, wait};
