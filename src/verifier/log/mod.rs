//! The record as a transparency log, checked offline: an export against a head.

mod export;
mod headers;
mod order;

pub use ::checkpoint::log::{
    AnyHead, AnyHeadError, BundleError, InclusionBundle, MAX_BUNDLE_BYTES, NotOneRecord,
    verify_grown, verify_head, verify_included, verify_note,
};
pub use export::{ExportReport, Fault, check_export};
pub use order::{Disorder, Disorders, told as told_resumption};
