//! What a GET answers with: bytes of a type, how long they may be kept, and an ETag that is a hash of them.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use crate::pools::Pool;

/// How long a cache may keep the keys: a new key is promoted days before it signs.
pub(super) const KEYS_KEPT: Duration = Duration::from_secs(300);

/// How long a cache may keep a list that grows.
pub(super) const LIST_KEPT: Duration = Duration::from_secs(10);

/// How long a cache may keep what never changes: a year, for ever in HTTP's terms (RFC 9111, section 5.2.2.1).
const IMMUTABLE_KEPT: Duration = Duration::from_secs(31_536_000);

/// How long it may be kept.
#[derive(Clone, Copy, Debug)]
pub(super) enum Keep {
    /// For so long, and then it is asked for again.
    For(Duration),
    /// For ever: it never changes.
    Immutable,
}

/// The answer to a GET.
pub(super) struct Representation {
    pub(super) content_type: &'static str,
    pub(super) keep: Keep,
    pub(super) body: Bytes,
}

impl Representation {
    pub(super) fn json(keep: Keep, body: impl Into<Bytes>) -> Self {
        Self {
            content_type: "application/json",
            keep,
            body: body.into(),
        }
    }
}

impl IntoResponse for Representation {
    fn into_response(self) -> Response {
        let digest = Pool::of(self.body.len()).read(|| Sha256::digest(&self.body));
        let etag = format!("\"{}\"", URL_SAFE_NO_PAD.encode(digest));
        let cache_control = match self.keep {
            Keep::For(time) => format!("public, max-age={}", time.as_secs()),
            Keep::Immutable => format!("public, max-age={}, immutable", IMMUTABLE_KEPT.as_secs()),
        };
        let headers = [
            (header::CONTENT_TYPE, self.content_type.to_owned()),
            (header::CACHE_CONTROL, cache_control),
            (header::ETAG, etag),
        ];
        (headers, Body::from(self.body)).into_response()
    }
}

/// Answers 304 when the client has what it asks for already (RFC 9110, section 13.1.2).
pub(super) async fn spare_what_is_known(request: Request, next: Next) -> Response {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let asked = match reads {
        true => request.headers().get_all(header::IF_NONE_MATCH),
        false => return next.run(request).await,
    };
    let known: Vec<HeaderValue> = asked.iter().cloned().collect();
    let response = next.run(request).await;
    if response.status() != StatusCode::OK || !is_known(&known, response.headers()) {
        return response;
    }
    let (mut parts, _) = response.into_parts();
    parts.status = StatusCode::NOT_MODIFIED;
    parts.headers.remove(header::CONTENT_TYPE);
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::empty())
}

/// The weak comparison (RFC 9110, section 8.8.3.2).
fn is_known(asked: &[HeaderValue], answer: &HeaderMap) -> bool {
    let Some(etag) = answer.get(header::ETAG) else {
        return false;
    };
    let fits = |tag: &str| {
        let tag = tag.trim();
        tag == "*" || tag.strip_prefix("W/").unwrap_or(tag).as_bytes() == etag.as_bytes()
    };
    let texts = asked.iter().filter_map(|value| value.to_str().ok());
    texts.flat_map(|text| text.split(',')).any(fits)
}
