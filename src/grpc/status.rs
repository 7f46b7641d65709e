//! The one table from refusals to gRPC statuses, as the contract has it.

use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};

use crate::checkpoint::InvalidCheckpoint;
use crate::fault::FieldFault;
use crate::record::RecordError;
use crate::record::rules::RuleViolation;
use crate::signer::{NoKey, Refusal, RevokeError};
use crate::source::SourceError;

/// The domain of every `google.rpc.ErrorInfo` of this service.
const DOMAIN: &str = "checkpoint-signer";

/// In the metadata of the `ErrorInfo` when the record went back: how many rows this replica has seen.
pub(crate) const SEEN_ROWS: &str = "seen_rows";

/// Longest `request_id` of a stream's item, in bytes.
const MAX_REQUEST_ID_BYTES: usize = 128;

/// When a client may try again after the queue was full: by then the pool has done a good part of it.
const RETRY_DELAY: Duration = Duration::from_millis(250);

fn with_reason(
    code: Code,
    reason: &str,
    message: String,
    amend: impl FnOnce(&mut ErrorDetails),
) -> Status {
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
    let message = crate::fault::list(faults);
    with_reason(Code::InvalidArgument, reason, message, |details| {
        details.set_bad_request(violations(faults));
    })
}

/// Something that was asked for by name does not exist.
pub(super) fn not_found(reason: &str, message: String) -> Status {
    plain(Code::NotFound, reason, message)
}

/// The stream ends because the service does.
pub(super) fn shutting_down() -> Status {
    Refusal::ShuttingDown.into()
}

impl From<InvalidCheckpoint> for Status {
    fn from(InvalidCheckpoint(faults): InvalidCheckpoint) -> Self {
        invalid("INVALID_CHECKPOINT", &faults)
    }
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        let message = refusal.to_string();
        match refusal {
            Refusal::Invalid(invalid) => invalid.into(),
            Refusal::NoKey(no_key) => {
                let reason = match no_key {
                    NoKey::NotYetValid { .. } => "KEY_NOT_YET_VALID",
                    NoKey::Expired { .. } => "KEY_EXPIRED",
                    NoKey::Revoked { .. } => "KEY_REVOKED",
                    NoKey::NoSigningKey(_) => "NO_SIGNING_KEY",
                };
                plain(Code::FailedPrecondition, reason, message)
            }
            Refusal::Rule(violation) => {
                let (code, reason) = match violation {
                    RuleViolation::OtherContent { .. } | RuleViolation::OtherHistory { .. } => {
                        (Code::AlreadyExists, "EQUIVOCATION")
                    }
                    RuleViolation::Rollback { .. } => (Code::FailedPrecondition, "ROLLBACK"),
                    RuleViolation::ClockWentBack { .. } => {
                        (Code::FailedPrecondition, "CLOCK_WENT_BACK")
                    }
                    RuleViolation::KeyRevoked(_) => (Code::FailedPrecondition, "KEY_REVOKED"),
                };
                plain(code, reason, message)
            }
            Refusal::Record(error) => error.into(),
            Refusal::Overloaded(_) => {
                with_reason(Code::ResourceExhausted, "OVERLOADED", message, |details| {
                    details.set_retry_info(Some(RETRY_DELAY));
                })
            }
            Refusal::Sign(_) => plain(Code::Internal, "SIGNATURE_FAILED", message),
            Refusal::ShuttingDown => plain(Code::Unavailable, "SHUTTING_DOWN", message),
        }
    }
}

impl From<RecordError> for Status {
    fn from(error: RecordError) -> Self {
        let (reason, message) = ("RECORD_STORE_UNAVAILABLE", error.to_string());
        match error {
            RecordError::WentBack(went_back) => {
                let seen = (SEEN_ROWS.to_owned(), went_back.seen().to_string());
                let details = ErrorDetails::with_error_info(reason, DOMAIN, [seen]);
                Status::with_error_details(Code::Unavailable, message, details)
            }
            _ => plain(Code::Unavailable, reason, message),
        }
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

impl From<RevokeError> for Status {
    fn from(error: RevokeError) -> Self {
        match error {
            RevokeError::UnknownKey(_) => not_found("KEY_NOT_FOUND", error.to_string()),
            RevokeError::Record(error) => error.into(),
        }
    }
}
