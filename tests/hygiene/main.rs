//! What a memory dump, the log and a crash of the real binary give away. Root alone (CAP_SYS_PTRACE) may read the
//! memory of a process that is not dumpable.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    dead_code
)]

mod crash;
mod file;
mod image;
mod needles;
mod rsa_library;
mod searcher;
mod secrets_manager;
mod served;
mod tls;
mod types;

use testing::{aws, faketime, starter, support, wait};
