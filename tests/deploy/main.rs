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

mod actors;
mod alarms;
mod filter_pattern;
mod function;
mod lint;
mod permissions;
mod stacks;
mod task;

use testing::{authority, client, cloud, program, python, starter, wait};
