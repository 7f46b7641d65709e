//! Verdicts on published checkpoints, one by one and in bulk.

pub mod bulk;
pub mod log;

pub use ::checkpoint::verdict::*;
