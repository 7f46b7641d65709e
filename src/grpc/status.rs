//! The one table from refusals to gRPC statuses, as the contract has it.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use rand::RngExt as _;
use tonic::codegen::http::HeaderMap;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};

use super::reasons;
use crate::advice;
use crate::record::{RecordError, ResumeError, WentBack};
use crate::signer::{Refusal, RevokeError};
use crate::source::SourceError;
use checkpoint::checkpoint::{InvalidCheckpoint, LedgerId};
use checkpoint::fault::{FieldFault, excerpt};
use checkpoint::history::NotResumed;
use checkpoint::reason::Reason;

/// The domain of every `google.rpc.ErrorInfo` of this service.
const DOMAIN: &str = "checkpoint-signer";

/// In the metadata of the `ErrorInfo` when the record went back: how many rows this replica has seen.
pub(crate) const SEEN_ROWS: &str = "seen_rows";

/// The same when the record was moved: the root of those rows, where this replica was, and where the record is.
pub(crate) const SEEN_ROOT: &str = "seen_root";
pub(crate) const WAS_AT: &str = "was_at";
pub(crate) const IS_AT: &str = "is_at";
/// Where a replica has seen the record that is led to a former primary.
pub(crate) const NEWEST_HOME: &str = "newest_home";

/// Longest `request_id` of a stream's item, in bytes.
const MAX_REQUEST_ID_BYTES: usize = 128;

/// What the texts of faults may take in a status, in bytes. Clients take 8 KiB of metadata by default, where a status says it
/// once in percent-encoding and twice in base64.
const MAX_FAULTS_BYTES: usize = 1200;

/// What one of the two texts of a fault may take in it.
const MAX_FAULT_BYTES: usize = 256;

/// When a client may try again after the queue was full, in milliseconds: by then the pool has done a good part of it. Each is told
/// another one, so that those who were refused together do not come back together.
const RETRY_DELAY_MILLIS: RangeInclusive<u64> = 250..=1000;

fn with_reason(reason: Reason, message: String, amend: impl FnOnce(&mut ErrorDetails)) -> Status {
    let (code, _) = reasons::of(reason);
    let none = [] as [(String, String); 0];
    let mut details = ErrorDetails::with_error_info(reason.as_str(), DOMAIN, none);
    amend(&mut details);
    Status::with_error_details(code, message, details)
}

fn plain(reason: Reason, message: String) -> Status {
    with_reason(reason, message, |_| {})
}

/// What is refused now, and need not be in a moment.
fn try_again(reason: Reason, message: String) -> Status {
    let delay = Duration::from_millis(rand::rng().random_range(RETRY_DELAY_MILLIS));
    with_reason(reason, message, |details| {
        details.set_retry_info(Some(delay));
    })
}

fn violations(faults: &[FieldFault]) -> Vec<FieldViolation> {
    let violation = |fault: &FieldFault| FieldViolation::new(&fault.field, &fault.problem);
    faults.iter().map(violation).collect()
}

/// A request that is not as its message's comments say.
pub(super) fn invalid_request(field: &str, problem: &str) -> Status {
    invalid(Reason::InvalidRequest, &[FieldFault::new(field, problem)])
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

fn invalid(reason: Reason, faults: &[FieldFault]) -> Status {
    let told = first_of(faults);
    let mut message = checkpoint::fault::list(&told);
    if told.len() < faults.len() {
        message.push_str(&format!("; and {} more", faults.len() - told.len()));
    }
    with_reason(reason, message, |details| {
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
pub(super) fn not_found(reason: Reason, message: String) -> Status {
    plain(reason, message)
}

/// The client is not who it must be to call anything.
pub(super) fn not_let_in(problem: &str) -> Status {
    plain(Reason::CertificateRefused, problem.into())
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
    plain(Reason::RoleRequired, message)
}

/// The caller signs other ledgers.
pub(super) fn ledger_not_permitted(caller: &str, ledger_id: &LedgerId) -> Status {
    let message = format!(
        "ledger_id: {} may not have {ledger_id} signed",
        excerpt(caller)
    );
    plain(Reason::LedgerNotPermitted, message)
}

/// The peer has more calls in flight than one may have.
pub(super) fn too_many_calls(limit: usize) -> Status {
    let message = format!(
        "too many calls are in flight: no client has more than are left of {limit}; expected fewer at once"
    );
    try_again(Reason::TooManyCalls, message)
}

/// The peer has too many streams of requests.
pub(super) fn too_many_streams(limit: usize, here: usize) -> Status {
    let message = format!(
        "too many streams of requests are open: a connection has at most {here}, and no client more than are left of {limit}; expected fewer at once"
    );
    try_again(Reason::TooManyCalls, message)
}

/// A stream that gives way to another client's.
pub(super) fn stream_gives_way() -> Status {
    let message = "all streams of requests are in use, and another client, which has none, needs one that is waited for, or one of somebody who has many; \
                   open another stream, and send again what has no answer";
    try_again(Reason::TooManyCalls, message.into())
}

/// Too many calls wait for room for what they bring.
pub(super) fn too_many_wait() -> Status {
    let message = "too many large requests wait for room to arrive already; retry later".into();
    try_again(Reason::TooMuchAtOnce, message)
}

/// Too many large requests are arriving.
pub(super) fn too_much_at_once() -> Status {
    let message = "too many large requests are arriving at once; retry later".into();
    try_again(Reason::TooMuchAtOnce, message)
}

/// Too many wait to read the record.
pub(super) fn too_much_is_read() -> Status {
    let message = "too much of the record is read at once; retry later".into();
    try_again(Reason::TooMuchAtOnce, message)
}

/// A status as the end of a stream of answers.
pub(super) fn trailers(status: &Status) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    match status.add_header(&mut trailers) {
        Ok(()) => trailers,
        // One that cannot be told ends without one.
        Err(_) => HeaderMap::new(),
    }
}

/// A stream that has gone on for too long.
pub(super) fn stream_too_long(limit: u64) -> Status {
    let message = format!("the stream has {limit} items; expected another stream for more");
    plain(Reason::StreamTooLong, message)
}

/// Something took longer than it may.
pub(super) fn too_slow(what: &str) -> Status {
    let message = format!("{what} took too long");
    plain(Reason::TooSlow, message)
}

/// A large message that has its part of the memory, and does not arrive.
pub(super) fn arrives_too_slowly(patience: Duration) -> Status {
    let problem = format!(
        "did not arrive within {} s of when it was its turn; expected a faster network, or fewer large ones at once",
        patience.as_secs()
    );
    let message = format!("message: {problem}");
    with_reason(Reason::TooSlow, message, |details| {
        details.set_bad_request(violations(&[FieldFault::new("message", problem)]));
    })
}

/// The caller does not wait any longer.
pub(super) fn deadline_expired() -> Status {
    let message = "the call was not answered within its grpc-timeout; a retry is safe".into();
    plain(Reason::TooSlow, message)
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
    invalid(
        Reason::RequestTooLarge,
        &[FieldFault::new("message", problem)],
    )
}

/// A call has more metadata than any needs.
pub(super) fn metadata_too_large(found: usize, limit: usize) -> Status {
    let problem =
        format!("has {found} bytes, 32 for each entry among them; expected at most {limit}");
    invalid(
        Reason::MetadataTooLarge,
        &[FieldFault::new("metadata", problem)],
    )
}

/// A `grpc-timeout` that cannot be read.
pub(super) fn invalid_timeout(found: &str) -> Status {
    let problem = format!(
        "is {}; expected up to eight digits and one of H, M, S, m, u, n",
        excerpt(found)
    );
    invalid(
        Reason::InvalidTimeout,
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
    invalid(Reason::ContentTypeNotSupported, &[fault])
}

/// Messages are compressed.
pub(super) fn compression_not_supported(found: &str) -> Status {
    let message = format!(
        "grpc-encoding: is {}; expected identity, or none",
        excerpt(found)
    );
    plain(Reason::CompressionNotSupported, message)
}

/// No such RPC.
pub(super) fn unknown_method(path: &str) -> Status {
    let message = format!(
        "path: there is no method {}; server reflection lists all",
        excerpt(path)
    );
    plain(Reason::UnknownMethod, message)
}

/// Not a call at all.
pub(super) fn http_method_not_allowed(found: &str) -> Status {
    let message = format!("method: is {}; expected POST", excerpt(found));
    plain(Reason::HttpMethodNotAllowed, message)
}

/// Too much of what was answered is unread.
pub(super) fn too_much_unread() -> Status {
    let message = "too many large answers are unread; read them, and retry".into();
    try_again(Reason::TooMuchAtOnce, message)
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

/// The reason of a status that is told before a request to sign is read, so that nobody else has told of it.
pub(super) fn unread(status: &Status) -> Option<Reason> {
    let reason = status.get_details_error_info()?.reason;
    // Whatever else is too slow was read.
    if reason == Reason::TooSlow.as_str() {
        return status.get_details_bad_request().map(|_| Reason::TooSlow);
    }
    UNREAD.into_iter().find(|unread| unread.as_str() == reason)
}

/// Of the answer that begins with these headers.
pub(super) fn unread_of(headers: &HeaderMap) -> Option<Reason> {
    unread(&Status::from_header_map(headers)?)
}

const UNREAD: [Reason; 9] = [
    Reason::InvalidRequest,
    Reason::InvalidTimeout,
    Reason::RequestTooLarge,
    Reason::MetadataTooLarge,
    Reason::ContentTypeNotSupported,
    Reason::CompressionNotSupported,
    Reason::HttpMethodNotAllowed,
    Reason::StreamTooLong,
    Reason::TooMuchAtOnce,
];

fn with_any_reason(status: Status) -> Status {
    match status.code() {
        // The health service: it knows no such service.
        Code::NotFound => not_found(Reason::ServiceNotFound, status.message().into()),
        Code::InvalidArgument | Code::OutOfRange => invalid_request("message", status.message()),
        Code::Unimplemented => plain(Reason::UnknownMethod, status.message().into()),
        _ => plain(Reason::InternalError, status.message().into()),
    }
}

/// The stream ends because the service does.
pub(super) fn shutting_down() -> Status {
    Refusal::ShuttingDown.into()
}

/// A request holds no checkpoint.
pub(super) fn invalid_checkpoint(InvalidCheckpoint(faults): InvalidCheckpoint) -> Status {
    invalid(Reason::InvalidCheckpoint, &faults)
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        let (reason, message) = (refusal.reason(), refusal.to_string());
        match refusal {
            Refusal::Invalid(invalid) => invalid_checkpoint(invalid),
            Refusal::Record(error) => error.into(),
            Refusal::Overloaded(_) => try_again(reason, message),
            Refusal::Rule(violation) => with_reason(reason, message, |details| {
                if let Some(field) = violation.field() {
                    // The message begins with the field.
                    let problem = advice::on_rule(&violation);
                    let problem = problem.strip_prefix(field).unwrap_or(&problem);
                    let problem = problem.trim_start_matches(": ");
                    details.set_bad_request(violations(&[FieldFault::new(field, problem)]));
                }
            }),
            _ => plain(reason, message),
        }
    }
}

impl From<RecordError> for Status {
    fn from(error: RecordError) -> Self {
        let (reason, message) = (Reason::RecordStoreUnavailable, error.to_string());
        match error {
            RecordError::WentBack(went_back) => {
                let told = what_was_seen(&went_back);
                let told = told.into_iter().map(|(name, value)| (name.into(), value));
                let told: HashMap<String, String> = told.collect();
                let details = ErrorDetails::with_error_info(reason.as_str(), DOMAIN, told);
                Status::with_error_details(Code::Unavailable, message, details)
            }
            _ => plain(reason, message),
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
        WentBack::Contradicted { .. } | WentBack::BoundElsewhere(_) => Vec::new(),
    }
}

impl From<SourceError> for Status {
    fn from(error: SourceError) -> Self {
        let message = error.to_string();
        match error {
            SourceError::Unavailable(_) => plain(Reason::KeySourceUnavailable, message),
            SourceError::Refused(_) => plain(Reason::KeyRefused, message),
        }
    }
}

impl From<ResumeError> for Status {
    fn from(error: ResumeError) -> Self {
        let message = error.to_string();
        match error {
            ResumeError::NotResumed(NotResumed::Invalid(fault)) => {
                invalid(Reason::InvalidRequest, &[fault])
            }
            ResumeError::NotResumed(
                NotResumed::NotBehind { .. } | NotResumed::ResumedAlready { .. },
            ) => plain(Reason::ClockNotBehind, message),
            ResumeError::Clock(violation) => Refusal::from(violation).into(),
            ResumeError::Store(error) => error.into(),
        }
    }
}

impl From<RevokeError> for Status {
    fn from(error: RevokeError) -> Self {
        match error {
            RevokeError::UnknownKey(_) => not_found(Reason::KeyNotFound, error.to_string()),
            RevokeError::Record(error) => error.into(),
        }
    }
}
