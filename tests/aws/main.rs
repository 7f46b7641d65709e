//! Keys from AWS Secrets Manager: against moto as a separate process, with boto3 as the operator.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    dead_code
)]

#[path = "../support/faketime.rs"]
mod faketime;
#[path = "../support/python.rs"]
mod python;
#[path = "../support/starter.rs"]
mod starter;
#[path = "../support/mod.rs"]
mod support;
#[path = "../support/talk.rs"]
mod talk;

mod aws;
mod clock;
mod interrupted;
mod lambda;
mod live;
mod proxy;
mod rollover;
mod source;
#[path = "../support/wait.rs"]
mod wait;
