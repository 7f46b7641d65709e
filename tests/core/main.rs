//! What the core promises, without any input or output: one module a behaviour.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    dead_code
)]

mod checkpoints;
mod endorsements;
mod golden;
mod headers;
mod jcs;
mod keyring_file;
mod kinds;
mod log_export;
mod pins;
mod precedence;
mod proofs;
mod properties;
mod public_url;
mod rollover;
mod secrets;
mod support;
mod tree;
mod vectors;
mod verdicts;
mod walks;
mod wycheproof;

use testing::forest;
