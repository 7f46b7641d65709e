//! The rollover, the Lambda and the clock of AWS Secrets Manager: against moto as a separate process, with boto3 as the operator.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    dead_code
)]

mod astray;
mod clock;
mod clocks;
mod interrupted;
mod lambda;
mod leaks;
mod live;
mod readiness;
mod records;
mod rollover;
mod rotation;
mod status;
mod strangers;
mod words;

use testing::{aws, proxy, support, wait};
