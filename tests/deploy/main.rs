//! What `deploy/` says: the templates are linted, made in moto and tried by the program itself; the image's files are put
//! together as the Dockerfile says and run.
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
#[path = "../web/client.rs"]
mod client;
#[path = "../support/faketime.rs"]
mod faketime;
#[path = "../support/python.rs"]
mod python;
#[path = "../support/starter.rs"]
mod starter;
#[path = "../support/talk.rs"]
mod talk;
#[path = "../support/wait.rs"]
mod wait;

mod actors;
mod alarms;
mod cloud;
mod filter_pattern;
mod function;
mod lint;
mod permissions;
mod program;
mod stacks;
mod task;
