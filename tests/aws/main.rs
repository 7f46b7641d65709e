//! Keys from AWS Secrets Manager: against moto as a separate process, with boto3 as the operator.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    dead_code
)]

mod plain_text;
mod source;

use testing::{aws, proxy, support, wait};
