//! The one table from the errors of calls to exit codes: 1 when the answer is no, 2 when there is none.

use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::client;
use checkpoint::fault::FieldFault;

pub(super) use checkpoint_verify::cli::Failure;

/// What is wrong, by its text, with the field that this begins with; without one, with `field`.
pub(super) fn fault_of(field: &str, text: &str) -> FieldFault {
    let (field, problem) = text.split_once(": ").unwrap_or((field, text));
    FieldFault::new(field, problem)
}

/// What a service answered instead.
pub(super) fn refused(status: Status) -> Failure {
    let message = match status.get_details_error_info() {
        Some(info) => format!("{}: {}", info.reason, status.message()),
        None => format!("{:?}: {}", status.code(), status.message()),
    };
    let message = match client::advice(&status) {
        Some(advice) => format!("{message}; {advice}"),
        None => message,
    };
    match status.code() {
        Code::InvalidArgument
        | Code::FailedPrecondition
        | Code::AlreadyExists
        | Code::NotFound
        | Code::OutOfRange => Failure::Negative(message),
        _ => Failure::Impossible(message),
    }
}
