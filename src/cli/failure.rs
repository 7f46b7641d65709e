//! The one table from errors to exit codes: 1 when the answer is no, 2 when there is none.

use std::fmt::Display;
use std::process::ExitCode;

use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::client;

/// Why a command does not end in 0.
#[derive(Debug)]
pub(super) enum Failure {
    /// The answer is no: refused, not valid, not serving.
    Negative(String),
    /// The answer is no, and was printed.
    Shown,
    /// It could not be done or checked.
    Impossible(String),
    /// It could not be done or checked, for several reasons.
    Faults(Vec<String>),
}

impl Failure {
    /// It could not be done, because of this.
    pub(super) fn impossible(error: impl Display) -> Self {
        Self::Impossible(error.to_string())
    }

    /// What to say, a line each.
    pub(super) fn messages(&self) -> &[String] {
        match self {
            Self::Negative(message) | Self::Impossible(message) => std::slice::from_ref(message),
            Self::Faults(messages) => messages,
            Self::Shown => &[],
        }
    }

    /// All that is to be said, in one line.
    pub(super) fn message(&self) -> String {
        self.messages().join("; ")
    }

    pub(super) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Negative(_) | Self::Shown => ExitCode::from(1),
            Self::Impossible(_) | Self::Faults(_) => ExitCode::from(2),
        }
    }
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
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
            | Code::OutOfRange => Self::Negative(message),
            _ => Self::Impossible(message),
        }
    }
}

impl From<crate::client::ConnectError> for Failure {
    fn from(error: crate::client::ConnectError) -> Self {
        Self::impossible(error)
    }
}
