//! The service in production: a night's batch by the Python client while replicas, keys, certificates and the database are
//! renewed under it; and what an ending process does with the calls that it has.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    dead_code
)]

mod batch;
mod calls;
mod certificates;
mod day;
mod drain;
mod evidence;
mod replica;
mod site;
mod store;
mod story;

use testing::{
    authority, aws, environment, judgement, port, postgres, proxy, scrape, starter, support, wait,
};
