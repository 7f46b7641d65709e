//! The record as a transparency log, checked offline: an export against a head.

mod export;
mod headers;
mod order;
mod rows;

pub use export::{ExportReport, Fault, check_export};
pub use order::{Disorder, Disorders, told as told_resumption};
