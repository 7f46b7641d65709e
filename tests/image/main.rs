//! What the Dockerfile's final stage holds, put together in a folder and run in it: another root, read-only, as the user of
//! the image, without a Docker engine.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    dead_code
)]

mod dockerfile;
mod image;
mod lint;
mod running;

use testing::{authority, python, starter, wait};
