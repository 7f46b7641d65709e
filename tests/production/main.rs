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

#[path = "../support/authority.rs"]
mod authority;
#[path = "../aws/aws.rs"]
mod aws;
mod batch;
mod calls;
mod certificates;
#[path = "../web/client.rs"]
mod client;
mod day;
mod drain;
#[path = "../client/environment.rs"]
mod environment;
mod evidence;
#[path = "../support/faketime.rs"]
mod faketime;
#[path = "../support/history.rs"]
mod history;
#[path = "../support/judgement.rs"]
mod judgement;
#[path = "../support/port.rs"]
mod port;
#[path = "../record/postgres.rs"]
mod postgres;
#[path = "../aws/proxy.rs"]
mod proxy;
#[path = "../support/python.rs"]
mod python;
mod replica;
#[path = "../telemetry/scrape.rs"]
mod scrape;
mod site;
#[path = "../support/starter.rs"]
mod starter;
mod store;
mod story;
#[path = "../support/mod.rs"]
mod support;
#[path = "../support/talk.rs"]
mod talk;
#[path = "../support/wait.rs"]
mod wait;
