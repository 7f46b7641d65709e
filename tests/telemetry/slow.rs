//! The alert rules and the dashboard that are made from the service's metrics: what `promtool` says, and what is exported.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    dead_code
)]

mod deployment;
mod guarded;
mod promtool;

use testing::{authority, scrape, support, wait};
