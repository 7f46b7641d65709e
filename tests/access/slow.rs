//! A client that means harm, and certificates that `openssl` makes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    dead_code
)]

mod guarded;
mod hostile;
mod named;
mod openssl;

use testing::{authority, starter, support, wait};
