//! The one table from refusals to gRPC statuses, as the contract has it.

use std::collections::HashMap;
use std::time::Duration;

use tonic::codegen::http::HeaderMap;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};

use super::reasons::REASONS;
use crate::advice;
use crate::checkpoint::{InvalidCheckpoint, LedgerId};
use crate::fault::{FieldFault, excerpt};
use crate::record::rules::RuleViolation;
use crate::record::{NotResumed, RecordError, ResumeError, WentBack};
use crate::signer::{NoKey, Refusal, RevokeError};
use crate::source::SourceError;

/// The domain of every `google.rpc.ErrorInfo` of this service.
const DOMAIN: &str = "checkpoint-signer";

/// The reason of [`not_let_in`].
pub(super) const CERTIFICATE_REFUSED: &str = "CERTIFICATE_REFUSED";

/// The reason of [`role_required`].
pub(super) const ROLE_REQUIRED: &str = "ROLE_REQUIRED";

/// In the metadata of the `ErrorInfo` when the record went back: how many rows this replica has seen.
pub(crate) const SEEN_ROWS: &str = "seen_rows";

/// The same when the record was moved: the root of those rows, where this replica was, and where the record is.
pub(crate) const SEEN_ROOT: &str = "seen_root";
pub(crate) const WAS_AT: &str = "was_at";
pub(crate) const IS_AT: &str = "is_at";
/// Where a replica has seen the record that is led to a former primary.
pub(crate) const NEWEST_HOME: &str = "newest_home";

/// The reason of [`too_many_calls`].
pub(super) const TOO_MANY_CALLS: &str = "TOO_MANY_CALLS";

const TOO_SLOW: &str = "TOO_SLOW";

const INVALID_CHECKPOINT: &str = "INVALID_CHECKPOINT";

const RECORD_STORE_UNAVAILABLE: &str = "RECORD_STORE_UNAVAILABLE";

/// Longest `request_id` of a stream's item, in bytes.
const MAX_REQUEST_ID_BYTES: usize = 128;

/// What the texts of faults may take in a status, in bytes. Clients take 8 KiB of metadata by default, where a status says it
/// once in percent-encoding and twice in base64.
const MAX_FAULTS_BYTES: usize = 1200;

/// What one of the two texts of a fault may take in it.
const MAX_FAULT_BYTES: usize = 256;

/// When a client may try again after the queue was full: by then the pool has done a good part of it.
const RETRY_DELAY: Duration = Duration::from_millis(250);

fn with_reason(
    code: Code,
    reason: &str,
    message: String,
    amend: impl FnOnce(&mut ErrorDetails),
) -> Status {
    debug_assert!(
        REASONS
            .iter()
            .any(|(name, of, _)| (*name, *of) == (reason, code)),
        "{reason} does not stand in the table of reasons with {code:?}"
    );
    let mut details = ErrorDetails::with_error_info(reason, DOMAIN, [] as [(String, String); 0]);
    amend(&mut details);
    Status::with_error_details(code, message, details)
}

fn plain(code: Code, reason: &str, message: String) -> Status {
    with_reason(code, reason, message, |_| {})
}

fn violations(faults: &[FieldFault]) -> Vec<FieldViolation> {
    let violation = |fault: &FieldFault| FieldViolation::new(&fault.field, &fault.problem);
    faults.iter().map(violation).collect()
}

/// A request that is not as its message's comments say.
pub(super) fn invalid_request(field: &str, problem: &str) -> Status {
    invalid("INVALID_REQUEST", &[FieldFault::new(field, problem)])
}

/// The bound of a stream item's `request_id`.
pub(super) fn check_request_id(request_id: &str) -> Result<(), FieldFault> {
    match request_id.len() {
        0..=MAX_REQUEST_ID_BYTES => Ok(()),
        found => Err(FieldFault::new(
            "request_id",
            format!("has {found} bytes; expected at most {MAX_REQUEST_ID_BYTES}"),
        )),
    }
}

fn invalid(reason: &str, faults: &[FieldFault]) -> Status {
    let told = first_of(faults);
    let mut message = crate::fault::list(&told);
    if told.len() < faults.len() {
        message.push_str(&format!("; and {} more", faults.len() - told.len()));
    }
    with_reason(Code::InvalidArgument, reason, message, |details| {
        details.set_bad_request(violations(&told));
    })
}

/// As many as a status can tell.
fn first_of(faults: &[FieldFault]) -> Vec<FieldFault> {
    let mut left = MAX_FAULTS_BYTES;
    let fitting = faults.iter().map_while(|fault| {
        let fault = FieldFault::new(cut(&fault.field), cut(&fault.problem));
        left = left.checked_sub(fault.field.len() + fault.problem.len())?;
        Some(fault)
    });
    fitting.collect()
}

/// The beginning of a text, of at most [`MAX_FAULT_BYTES`].
fn cut(text: &str) -> String {
    match text.floor_char_boundary(MAX_FAULT_BYTES) {
        end if end == text.len() => text.into(),
        end => format!("{}...", text.get(..end).unwrap_or_default()),
    }
}

/// The reason that a status carries.
pub(super) fn reason(status: &Status) -> String {
    let info = status.get_details_error_info();
    info.map_or_else(|| format!("{:?}", status.code()), |info| info.reason)
}

/// Something that was asked for by name does not exist.
pub(super) fn not_found(reason: &str, message: String) -> Status {
    plain(Code::NotFound, reason, message)
}

/// The client is not who it must be to call anything.
pub(super) fn not_let_in(problem: &str) -> Status {
    plain(Code::Unauthenticated, CERTIFICATE_REFUSED, problem.into())
}

/// The caller has none of the roles that the RPC needs. One that has no name is told by its address.
pub(super) fn role_required(caller: &str, is_named: bool, roles: &str) -> Status {
    let name = excerpt(caller);
    let message = match is_named {
        true => format!("{name} may not call this; expected a client with the role {roles}"),
        false => format!(
            "the client at {name} may not call this: its certificate has no name that counts; expected a URI or a DNS name \
             (subjectAltName) with the role {roles}"
        ),
    };
    plain(Code::PermissionDenied, ROLE_REQUIRED, message)
}

/// The caller signs other ledgers.
pub(super) fn ledger_not_permitted(caller: &str, ledger_id: &LedgerId) -> Status {
    let message = format!(
        "ledger_id: {} may not have {ledger_id} signed",
        excerpt(caller)
    );
    plain(Code::PermissionDenied, "LEDGER_NOT_PERMITTED", message)
}

/// The peer has more calls in flight than one may have.
pub(super) fn too_many_calls(limit: usize) -> Status {
    let message = format!("{limit} calls of this client are in flight; expected no more at once");
    with_reason(
        Code::ResourceExhausted,
        TOO_MANY_CALLS,
        message,
        |details| {
            details.set_retry_info(Some(RETRY_DELAY));
        },
    )
}

/// Too many large requests are arriving.
pub(super) fn too_much_at_once() -> Status {
    let message = "too many large requests are arriving at once; retry later".into();
    with_reason(
        Code::ResourceExhausted,
        "TOO_MUCH_AT_ONCE",
        message,
        |details| {
            details.set_retry_info(Some(RETRY_DELAY));
        },
    )
}

/// Too many wait to read the record.
pub(super) fn too_much_is_read() -> Status {
    let message = "too much of the record is read at once; retry later".into();
    with_reason(
        Code::ResourceExhausted,
        "TOO_MUCH_AT_ONCE",
        message,
        |details| {
            details.set_retry_info(Some(RETRY_DELAY));
        },
    )
}

/// A stream that has gone on for too long.
pub(super) fn stream_too_long(limit: u64) -> Status {
    let message = format!("the stream has {limit} items; expected another stream for more");
    plain(Code::OutOfRange, "STREAM_TOO_LONG", message)
}

/// Something took longer than it may.
pub(super) fn too_slow(what: &str) -> Status {
    let message = format!("{what} took too long");
    plain(Code::DeadlineExceeded, TOO_SLOW, message)
}

/// The caller does not wait any longer.
pub(super) fn deadline_expired() -> Status {
    let message = "the call was not answered within its grpc-timeout; a retry is safe".into();
    plain(Code::DeadlineExceeded, TOO_SLOW, message)
}

/// A message that is not framed as gRPC has it, or is not there.
pub(super) fn malformed(problem: &str) -> Status {
    let expected = match problem.contains("compressed") {
        true => "expected messages that are not compressed",
        false => "expected one whole message, with its length before it",
    };
    invalid_request("message", &format!("{problem}; {expected}"))
}

/// A message is larger than any that is taken.
pub(super) fn request_too_large(found: usize, limit: usize) -> Status {
    let problem = format!("has {found} bytes; expected at most {limit}");
    invalid("REQUEST_TOO_LARGE", &[FieldFault::new("message", problem)])
}

/// A call has more metadata than any needs.
pub(super) fn metadata_too_large(found: usize, limit: usize) -> Status {
    let problem =
        format!("has {found} bytes, 32 for each entry among them; expected at most {limit}");
    invalid(
        "METADATA_TOO_LARGE",
        &[FieldFault::new("metadata", problem)],
    )
}

/// A `grpc-timeout` that is none.
pub(super) fn invalid_timeout(found: &str) -> Status {
    let problem = format!(
        "is {}; expected up to eight digits and one of H, M, S, m, u, n",
        excerpt(found)
    );
    invalid(
        "INVALID_TIMEOUT",
        &[FieldFault::new("grpc-timeout", problem)],
    )
}

/// The content is not gRPC's.
pub(super) fn content_type_not_supported(found: Option<&str>) -> Status {
    let problem = format!(
        "is {}; expected application/grpc",
        found.map_or_else(|| "missing".into(), excerpt)
    );
    let fault = FieldFault::new("content-type", problem);
    invalid("CONTENT_TYPE_NOT_SUPPORTED", &[fault])
}

/// Messages are compressed.
pub(super) fn compression_not_supported(found: &str) -> Status {
    let message = format!(
        "grpc-encoding: is {}; expected identity, or none",
        excerpt(found)
    );
    plain(Code::Unimplemented, "COMPRESSION_NOT_SUPPORTED", message)
}

/// No such RPC.
pub(super) fn unknown_method(path: &str) -> Status {
    let message = format!(
        "path: there is no method {}; server reflection lists all",
        excerpt(path)
    );
    plain(Code::Unimplemented, "UNKNOWN_METHOD", message)
}

/// Not a call at all.
pub(super) fn http_method_not_allowed(found: &str) -> Status {
    let message = format!("method: is {}; expected POST", excerpt(found));
    plain(Code::Unimplemented, "HTTP_METHOD_NOT_ALLOWED", message)
}

/// Too much of what was answered is unread.
pub(super) fn too_much_unread() -> Status {
    let message = "too many large answers are unread; read them, and retry".into();
    with_reason(
        Code::ResourceExhausted,
        "TOO_MUCH_AT_ONCE",
        message,
        |details| {
            details.set_retry_info(Some(RETRY_DELAY));
        },
    )
}

/// Gives a status that a library made, in the headers or trailers of an answer, the reason that it lacks.
pub(super) fn give_reason(headers: &mut HeaderMap) {
    let Some(status) = Status::from_header_map(headers) else {
        return;
    };
    if status.code() != Code::Ok && status.details().is_empty() {
        // What cannot be told so stays as it was.
        let _ = with_any_reason(status).add_header(headers);
    }
}

fn with_any_reason(status: Status) -> Status {
    match status.code() {
        // The health service: it knows no such service.
        Code::NotFound => not_found("SERVICE_NOT_FOUND", status.message().into()),
        Code::InvalidArgument | Code::OutOfRange => invalid_request("message", status.message()),
        Code::Unimplemented => plain(
            Code::Unimplemented,
            "UNKNOWN_METHOD",
            status.message().into(),
        ),
        _ => plain(Code::Internal, "INTERNAL_ERROR", status.message().into()),
    }
}

/// The stream ends because the service does.
pub(super) fn shutting_down() -> Status {
    Refusal::ShuttingDown.into()
}

/// A request holds no checkpoint.
pub(super) fn invalid_checkpoint(InvalidCheckpoint(faults): InvalidCheckpoint) -> Status {
    invalid(INVALID_CHECKPOINT, &faults)
}

/// The code and the reason of a refusal.
pub(crate) fn of_refusal(refusal: &Refusal) -> (Code, &'static str) {
    match refusal {
        Refusal::Invalid(_) => (Code::InvalidArgument, INVALID_CHECKPOINT),
        Refusal::NoKey(no_key) => {
            let reason = match no_key {
                NoKey::NotYetValid { .. } => "KEY_NOT_YET_VALID",
                NoKey::Expired { .. } => "KEY_EXPIRED",
                NoKey::Revoked { .. } => "KEY_REVOKED",
                NoKey::NoSigningKey(_) => "NO_SIGNING_KEY",
                NoKey::NotYetRead { .. } => return (Code::Unavailable, "KEYS_NOT_YET_READ"),
            };
            (Code::FailedPrecondition, reason)
        }
        Refusal::Rule(violation) => match violation {
            RuleViolation::OtherContent { .. } | RuleViolation::OtherHistory { .. } => {
                (Code::AlreadyExists, "EQUIVOCATION")
            }
            RuleViolation::Rollback { .. } | RuleViolation::TimeRollback { .. } => {
                (Code::FailedPrecondition, "ROLLBACK")
            }
            RuleViolation::Jump { .. } => (Code::InvalidArgument, INVALID_CHECKPOINT),
            RuleViolation::ClockWentBack { .. } | RuleViolation::ClockBehind { .. } => {
                (Code::FailedPrecondition, "CLOCK_WENT_BACK")
            }
            RuleViolation::ClockAhead { .. } => (Code::FailedPrecondition, "CLOCK_AHEAD"),
            RuleViolation::KeyRevoked(_) => (Code::FailedPrecondition, "KEY_REVOKED"),
        },
        Refusal::Record(_) => (Code::Unavailable, RECORD_STORE_UNAVAILABLE),
        Refusal::Overloaded(_) => (Code::ResourceExhausted, "OVERLOADED"),
        Refusal::Sign(_) => (Code::Internal, "SIGNATURE_FAILED"),
        Refusal::ShuttingDown => (Code::Unavailable, "SHUTTING_DOWN"),
    }
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        let ((code, reason), message) = (of_refusal(&refusal), refusal.to_string());
        match refusal {
            Refusal::Invalid(invalid) => invalid_checkpoint(invalid),
            Refusal::Record(error) => error.into(),
            Refusal::Overloaded(_) => with_reason(code, reason, message, |details| {
                details.set_retry_info(Some(RETRY_DELAY));
            }),
            Refusal::Rule(violation) => with_reason(code, reason, message, |details| {
                if let Some(field) = violation.field() {
                    // The message begins with the field.
                    let problem = advice::on_rule(&violation);
                    let problem = problem.strip_prefix(field).unwrap_or(&problem);
                    let problem = problem.trim_start_matches(": ");
                    details.set_bad_request(violations(&[FieldFault::new(field, problem)]));
                }
            }),
            _ => plain(code, reason, message),
        }
    }
}

impl From<RecordError> for Status {
    fn from(error: RecordError) -> Self {
        let (reason, message) = (RECORD_STORE_UNAVAILABLE, error.to_string());
        match error {
            RecordError::WentBack(went_back) => {
                let told = what_was_seen(&went_back);
                let told = told.into_iter().map(|(name, value)| (name.into(), value));
                let told: HashMap<String, String> = told.collect();
                let details = ErrorDetails::with_error_info(reason, DOMAIN, told);
                Status::with_error_details(Code::Unavailable, message, details)
            }
            _ => plain(Code::Unavailable, reason, message),
        }
    }
}

/// What a peer is told, who compares it with the record.
fn what_was_seen(went_back: &WentBack) -> Vec<(&'static str, String)> {
    let seen = (SEEN_ROWS, went_back.seen().to_string());
    match went_back {
        WentBack::Moved(moved) => vec![
            seen,
            (SEEN_ROOT, moved.seen.root().to_string()),
            (WAS_AT, moved.was_at()),
            (IS_AT, moved.is_at()),
        ],
        WentBack::Fewer { .. }
        | WentBack::OtherRows { .. }
        | WentBack::Replaced { .. }
        | WentBack::Disturbed { .. } => vec![seen],
        // They say nothing of the rows that are missing.
        WentBack::FormerHome(former) => vec![(NEWEST_HOME, former.newer.to_string())],
        WentBack::Contradicted { .. } => Vec::new(),
    }
}

impl From<SourceError> for Status {
    fn from(error: SourceError) -> Self {
        let message = error.to_string();
        match error {
            SourceError::Unavailable(_) => {
                plain(Code::Unavailable, "KEY_SOURCE_UNAVAILABLE", message)
            }
            SourceError::Refused(_) => plain(Code::FailedPrecondition, "KEY_REFUSED", message),
        }
    }
}

impl From<ResumeError> for Status {
    fn from(error: ResumeError) -> Self {
        let message = error.to_string();
        match error {
            ResumeError::NotResumed(NotResumed::Invalid(fault)) => {
                invalid("INVALID_REQUEST", &[fault])
            }
            ResumeError::NotResumed(NotResumed::NotBehind { .. }) => {
                plain(Code::FailedPrecondition, "CLOCK_NOT_BEHIND", message)
            }
            ResumeError::Clock(violation) => Refusal::from(violation).into(),
            ResumeError::Store(error) => error.into(),
        }
    }
}

impl From<RevokeError> for Status {
    fn from(error: RevokeError) -> Self {
        match error {
            RevokeError::UnknownKey(_) => not_found("KEY_NOT_FOUND", error.to_string()),
            RevokeError::Record(error) => error.into(),
        }
    }
}
