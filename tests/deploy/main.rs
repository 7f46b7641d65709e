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
mod again;
mod alarms;
mod files;
mod filter_pattern;
mod function;
mod guide;
mod lint;
mod made_again;
mod permissions;
mod principals;
mod readme;
mod region;
mod remade;
mod service_readme;
mod stacks;
mod task;
mod trail;
mod trail_code;
mod year;

use testing::{authority, client, cloud, program, python, starter, wait};
