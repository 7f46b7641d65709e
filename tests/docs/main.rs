//! The commands of `docs/`, as they are printed, in a real shell: the real program, the AWS CLI against moto with the stacks of
//! `deploy/`, PostgreSQL and its own tools. Only the values in `docs/site.sh` are others.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    dead_code
)]

mod ahead;
#[path = "../support/authority.rs"]
mod authority;
#[path = "../deploy/cloud.rs"]
mod cloud;
mod facts;
#[path = "../support/faketime.rs"]
mod faketime;
mod fargate;
mod happenings;
mod incidents;
mod installation;
mod ledger;
mod links;
mod page;
mod pages;
#[path = "../support/port.rs"]
mod port;
#[path = "../record/postgres.rs"]
mod postgres;
#[path = "../deploy/program.rs"]
mod program;
#[path = "../aws/proxy.rs"]
mod proxy;
#[path = "../support/python.rs"]
mod python;
mod shape;
mod shell;
#[path = "../support/starter.rs"]
mod starter;
mod story;
#[path = "../support/talk.rs"]
mod talk;
mod thief;
mod tools;
#[path = "../support/wait.rs"]
mod wait;
