//! What a call's head must say before anything is read of its body (gRPC over HTTP/2, "Requests"). Whatever is refused here
//! will be refused again: no status of these invites a retry.
//!
//! Attack: metadata of megabytes; what another protocol would take for a call. Shown by `tests/access/hostile.rs` (`send_giant_metadata`) and
//! `tests/service/protocol.rs` (`a_head_that_is_not_grpcs_is_refused_with_its_reason`). Where tonic refuses the same, it gives no reason.

use std::time::{Duration, Instant};

use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};

use super::status;
use super::transport::MAX_METADATA_BYTES;

/// What HTTP/2 counts for each header beside its name and value (RFC 9113, section 6.5.2).
const HEADER_OVERHEAD: usize = 32;

/// Most digits of a `grpc-timeout` (gRPC over HTTP/2, "TimeoutValue").
const TIMEOUT_DIGITS: usize = 8;

/// The transport ends a call by the same header, with another status and no reason: this is how much earlier it ends here.
const BEFORE_THE_TRANSPORT: Duration = Duration::from_millis(1);

const CONTENT_TYPE: &str = "application/grpc";

/// A head that is refused, with the status that HTTP has for it.
pub(super) struct Unfit {
    http: StatusCode,
    status: Status,
}

impl From<Status> for Unfit {
    fn from(status: Status) -> Self {
        let http = StatusCode::OK;
        Self { http, status }
    }
}

impl Unfit {
    /// The answer: a client of gRPC reads the one status, a client of HTTP the other.
    pub(super) fn into_answer(self) -> Response<Body> {
        let mut answer = self.status.into_http();
        *answer.status_mut() = self.http;
        let headers = answer.headers_mut();
        if self.http == StatusCode::METHOD_NOT_ALLOWED {
            headers.insert(header::ALLOW, HeaderValue::from_static("POST"));
        }
        headers.insert("grpc-accept-encoding", HeaderValue::from_static("identity"));
        answer
    }
}

/// Looks at the head of a call: until when its caller waits.
///
/// # Errors
/// What is wrong with it.
pub(super) fn check(request: &Request<Body>) -> Result<Option<Instant>, Unfit> {
    let headers = request.headers();
    if request.method() != Method::POST {
        return Err(Unfit {
            http: StatusCode::METHOD_NOT_ALLOWED,
            status: status::http_method_not_allowed(request.method().as_str()),
        });
    }
    if !is_grpc(headers) {
        let found = headers.get(header::CONTENT_TYPE);
        let found = found.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        return Err(Unfit {
            http: StatusCode::UNSUPPORTED_MEDIA_TYPE,
            status: status::content_type_not_supported(found.as_deref()),
        });
    }
    let size = headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + HEADER_OVERHEAD);
    let size: usize = size.sum();
    if size > MAX_METADATA_BYTES {
        return Err(status::metadata_too_large(size, MAX_METADATA_BYTES).into());
    }
    let mut encodings = headers.get_all("grpc-encoding").iter();
    if let Some(encoding) = encodings.find(|encoding| *encoding != "identity") {
        let encoding = String::from_utf8_lossy(encoding.as_bytes());
        return Err(status::compression_not_supported(&encoding).into());
    }
    match headers.get("grpc-timeout") {
        None => Ok(None),
        Some(value) => match timeout(value) {
            Some(timeout) => {
                let timeout = timeout.saturating_sub(BEFORE_THE_TRANSPORT);
                match timeout.is_zero() {
                    // Nobody waits for it: it is not begun.
                    true => Err(status::deadline_expired().into()),
                    false => Ok(Instant::now().checked_add(timeout)),
                }
            }
            None => {
                let found = String::from_utf8_lossy(value.as_bytes());
                Err(status::invalid_timeout(&found).into())
            }
        },
    }
}

/// `application/grpc`, also with the name of the codec, which is protobuf, and parameters.
fn is_grpc(headers: &HeaderMap) -> bool {
    let found = headers.get(header::CONTENT_TYPE);
    let found = found.and_then(|value| value.to_str().ok()).unwrap_or("");
    let essence = found.split(';').next().unwrap_or_default().trim();
    let essence = essence.to_ascii_lowercase();
    let codec = essence.strip_prefix(CONTENT_TYPE);
    codec.is_some_and(|codec| matches!(codec, "" | "+proto"))
}

fn timeout(value: &HeaderValue) -> Option<Duration> {
    let text = value.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let are_digits = digits.bytes().all(|byte| byte.is_ascii_digit());
    if !are_digits || !(1..=TIMEOUT_DIGITS).contains(&digits.len()) {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(count * 3600),
        "M" => Duration::from_secs(count * 60),
        "S" => Duration::from_secs(count),
        "m" => Duration::from_millis(count),
        "u" => Duration::from_micros(count),
        "n" => Duration::from_nanos(count),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_have_one_form() {
        let read = |text: &str| timeout(&HeaderValue::from_str(text).unwrap());
        for (text, expected) in [
            ("1S", Duration::from_secs(1)),
            ("99999999n", Duration::from_nanos(99_999_999)),
            ("0m", Duration::ZERO),
            ("2H", Duration::from_secs(7200)),
        ] {
            assert_eq!(read(text), Some(expected), "{text}");
        }
        for text in [
            "",
            "S",
            "1",
            "1s",
            "-1S",
            "+1S",
            " 1S",
            "1 S",
            "123456789n",
            "1.5S",
            "1SS",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn protobuf_is_the_only_codec() {
        for (text, expected) in [
            ("application/grpc", true),
            ("application/grpc+proto", true),
            ("Application/GRPC; charset=utf-8", true),
            ("application/grpc+json", false),
            ("application/grpc-web", false),
            ("application/json", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_str(text).unwrap());
            assert_eq!(is_grpc(&headers), expected, "{text}");
        }
        assert!(!is_grpc(&HeaderMap::new()));
    }
}
