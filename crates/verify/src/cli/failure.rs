//! Why a command does not end in 0: 1 when the answer is no, 2 when there is none.

use std::fmt::Display;
use std::process::ExitCode;

/// Why a command does not end in 0.
#[derive(Debug)]
pub enum Failure {
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
    pub fn impossible(error: impl Display) -> Self {
        Self::Impossible(error.to_string())
    }

    /// What to say, a line each.
    pub fn messages(&self) -> &[String] {
        match self {
            Self::Negative(message) | Self::Impossible(message) => std::slice::from_ref(message),
            Self::Faults(messages) => messages,
            Self::Shown => &[],
        }
    }

    /// All that is to be said, in one line.
    pub fn message(&self) -> String {
        self.messages().join("; ")
    }

    /// The exit code of the process.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Negative(_) | Self::Shown => ExitCode::from(1),
            Self::Impossible(_) | Self::Faults(_) => ExitCode::from(2),
        }
    }
}
