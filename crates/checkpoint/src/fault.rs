//! What is wrong with input from outside: the field, what was found there, and what would be right.

use std::fmt;

/// Longest piece of a caller's text that an error repeats, in characters: enough to recognise it by.
const MAX_EXCERPT: usize = 64;

/// One fault of one field. Its text never holds key material.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldFault {
    /// The path of the field, for example `organization_summaries[3].currency`.
    pub field: String,
    /// What was found and what is expected, in lower case.
    pub problem: String,
}

impl FieldFault {
    /// A fault of `field`.
    pub fn new(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            problem: problem.into(),
        }
    }
}

impl std::error::Error for FieldFault {}

impl fmt::Display for FieldFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.problem)
    }
}

/// All faults found in one input, so that a caller mends them in one go.
#[derive(Debug, Default)]
pub struct Faults(Vec<FieldFault>);

impl Faults {
    /// Keeps the value, or notes why there is none.
    pub fn take<T, E: fmt::Display>(&mut self, field: &str, result: Result<T, E>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                self.0.push(FieldFault::new(field, error.to_string()));
                None
            }
        }
    }

    /// Notes a fault.
    pub fn push(&mut self, fault: FieldFault) {
        self.0.push(fault);
    }

    /// The faults in the order in which they were found.
    pub fn into_vec(self) -> Vec<FieldFault> {
        self.0
    }
}

/// Lists faults for a person, separated by semicolons.
pub fn list(faults: &[FieldFault]) -> String {
    let faults: Vec<String> = faults.iter().map(FieldFault::to_string).collect();
    faults.join("; ")
}

/// A text of somebody's own that is kept for ever and shown: one line, and not empty.
///
/// # Errors
/// What is wrong with it.
pub fn check_line(field: &str, text: &str, most: usize) -> Result<(), FieldFault> {
    let (length, control) = (text.chars().count(), text.chars().any(char::is_control));
    if (1..=most).contains(&length) && !control {
        return Ok(());
    }
    let among = if control {
        ", control characters among them"
    } else {
        ""
    };
    let problem =
        format!("has {length} characters{among}; expected 1 to {most}, no control characters");
    Err(FieldFault::new(field, problem))
}

/// What is at the bottom of an error: the outer layers only say that something failed.
pub fn innermost(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

/// Quotes the start of a caller's text, with control characters escaped, for an error message.
pub fn excerpt(text: &str) -> String {
    let mut chars = text.chars();
    let start: String = chars.by_ref().take(MAX_EXCERPT).collect();
    if chars.next().is_some() {
        format!("{start:?}... ({} bytes)", text.len())
    } else {
        format!("{start:?}")
    }
}
