//! Why a store does not resume signing.

use super::RecordError;
use crate::advice;
use checkpoint::history::NotResumed;
use checkpoint::history::rules::RuleViolation;

/// Why signing is not resumed.
#[derive(Debug, thiserror::Error)]
pub enum ResumeError {
    /// By what the order says.
    #[error(transparent)]
    NotResumed(#[from] NotResumed),
    /// The clocks do not agree.
    #[error("{}", advice::on_rule(.0))]
    Clock(#[from] RuleViolation),
    /// The store fails.
    #[error(transparent)]
    Store(#[from] RecordError),
}
