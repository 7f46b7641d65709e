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
mod database;
mod facts;
mod fargate;
mod fresh;
mod happenings;
mod incidents;
mod installation;
mod leaks;
mod ledger;
mod links;
mod organization;
mod page;
mod pages;
mod policies;
mod shape;
mod shell;
mod site;
mod story;
mod thief;
mod tools;
mod trail;
mod triage;

use testing::{authority, cloud, faketime, port, postgres, program, proxy, python, starter, wait};
