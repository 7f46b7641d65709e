//! The one table from the errors of calls to exit codes: 1 when the answer is no, 2 when there is none.

use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::client;

pub(super) use checkpoint_verify::cli::Failure;

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
