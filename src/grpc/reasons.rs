//! The one table of the reasons that a status carries (`google.rpc.ErrorInfo`, domain `checkpoint-signer`), each with its
//! code. docs/reasons.md tells of each what to do; a test holds the two against each other.

use tonic::Code;

/// What a caller can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// The same again will be refused again.
    Never,
    /// Somebody has to do something first.
    Later,
    /// The same again, soon.
    Soon,
}

/// A reason, its code, and whether the same call may be answered otherwise.
pub type Reason = (&'static str, Code, Retry);

/// All reasons.
pub const REASONS: &[Reason] = &[
    ("INVALID_CHECKPOINT", Code::InvalidArgument, Retry::Never),
    ("INVALID_REQUEST", Code::InvalidArgument, Retry::Never),
    ("INVALID_TIMEOUT", Code::InvalidArgument, Retry::Never),
    ("REQUEST_TOO_LARGE", Code::InvalidArgument, Retry::Never),
    ("METADATA_TOO_LARGE", Code::InvalidArgument, Retry::Never),
    (
        "CONTENT_TYPE_NOT_SUPPORTED",
        Code::InvalidArgument,
        Retry::Never,
    ),
    (
        "COMPRESSION_NOT_SUPPORTED",
        Code::Unimplemented,
        Retry::Never,
    ),
    ("UNKNOWN_METHOD", Code::Unimplemented, Retry::Never),
    ("HTTP_METHOD_NOT_ALLOWED", Code::Unimplemented, Retry::Never),
    ("STREAM_TOO_LONG", Code::OutOfRange, Retry::Never),
    ("EQUIVOCATION", Code::AlreadyExists, Retry::Never),
    ("ROLLBACK", Code::FailedPrecondition, Retry::Never),
    ("KEY_NOT_YET_VALID", Code::FailedPrecondition, Retry::Later),
    ("KEY_EXPIRED", Code::FailedPrecondition, Retry::Later),
    ("KEY_REVOKED", Code::FailedPrecondition, Retry::Later),
    ("NO_SIGNING_KEY", Code::FailedPrecondition, Retry::Later),
    ("KEY_REFUSED", Code::FailedPrecondition, Retry::Later),
    ("CLOCK_WENT_BACK", Code::FailedPrecondition, Retry::Later),
    ("CLOCK_AHEAD", Code::FailedPrecondition, Retry::Later),
    ("CLOCK_NOT_BEHIND", Code::FailedPrecondition, Retry::Never),
    ("KEYS_NOT_YET_READ", Code::Unavailable, Retry::Soon),
    ("KEY_SOURCE_UNAVAILABLE", Code::Unavailable, Retry::Soon),
    ("RECORD_STORE_UNAVAILABLE", Code::Unavailable, Retry::Soon),
    ("SHUTTING_DOWN", Code::Unavailable, Retry::Soon),
    ("OVERLOADED", Code::ResourceExhausted, Retry::Soon),
    ("TOO_MANY_CALLS", Code::ResourceExhausted, Retry::Soon),
    ("TOO_MUCH_AT_ONCE", Code::ResourceExhausted, Retry::Soon),
    ("TOO_SLOW", Code::DeadlineExceeded, Retry::Soon),
    ("ROLE_REQUIRED", Code::PermissionDenied, Retry::Later),
    ("LEDGER_NOT_PERMITTED", Code::PermissionDenied, Retry::Later),
    ("CERTIFICATE_REFUSED", Code::Unauthenticated, Retry::Later),
    ("CHECKPOINT_NOT_FOUND", Code::NotFound, Retry::Never),
    ("KEY_NOT_FOUND", Code::NotFound, Retry::Never),
    ("SERVICE_NOT_FOUND", Code::NotFound, Retry::Never),
    ("SIGNATURE_FAILED", Code::Internal, Retry::Later),
    ("INTERNAL_ERROR", Code::Internal, Retry::Later),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// The reasons of docs/reasons.md, with the names of their codes.
    fn told() -> Vec<(String, String)> {
        let page = include_str!("../../docs/reasons.md");
        let rows = page.lines().filter_map(|line| {
            let mut cells = line.strip_prefix("| ")?.split(" | ");
            let code = cells.next()?;
            let is_code = code.chars().all(|c| c.is_ascii_uppercase() || c == '_');
            is_code.then(|| (code.to_owned(), cells.next().unwrap_or_default()))
        });
        let reasons = rows.flat_map(|(code, reasons)| {
            let names = reasons.split('`').skip(1).step_by(2);
            names
                .map(|name| (name.to_owned(), code.clone()))
                .collect::<Vec<_>>()
        });
        reasons.collect()
    }

    #[test]
    fn the_page_of_reasons_tells_of_each_with_its_code_and_of_no_other() {
        let name = |code: Code| {
            let camel = format!("{code:?}");
            let mut snake = String::new();
            for c in camel.chars() {
                if c.is_uppercase() && !snake.is_empty() {
                    snake.push('_');
                }
                snake.push(c.to_ascii_uppercase());
            }
            snake
        };
        let mut ours: Vec<_> = REASONS
            .iter()
            .map(|(reason, code, _)| (reason.to_string(), name(*code)))
            .collect();
        let mut theirs = told();
        ours.sort();
        theirs.sort();
        assert_eq!(ours, theirs);
    }

    #[test]
    fn no_reason_stands_twice_and_only_what_helps_is_told_to_be_retried() {
        for (index, (reason, code, retry)) in REASONS.iter().enumerate() {
            let others = REASONS.iter().skip(index + 1);
            assert!(
                others.clone().all(|(other, _, _)| other != reason),
                "{reason}"
            );
            let invites = [
                Code::Unavailable,
                Code::ResourceExhausted,
                Code::DeadlineExceeded,
            ];
            assert_eq!(invites.contains(code), *retry == Retry::Soon, "{reason}");
        }
    }
}
