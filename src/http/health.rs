//! `/health`: whether anything can be signed now, and why not.

use std::sync::Arc;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use tokio::sync::watch;

use crate::clock::Clock;
use crate::key::{KeyId, instant_text};
use crate::record::Record;
use crate::signer::KeysInForce;

/// The path on either port.
pub(super) const PATH: &str = "/health";

/// Why nothing can be signed now: no key can, or the record went back. None while something can.
pub(super) fn why_not(
    keys: &KeysInForce,
    record: &dyn Record,
    now: DateTime<Utc>,
) -> Option<String> {
    match keys.select(now) {
        Err(no_key) => Some(no_key.to_string()),
        Ok(_) => record
            .wholeness()
            .borrow()
            .as_ref()
            .map(ToString::to_string),
    }
}

/// 200 while something can be signed, 503 otherwise; the body says why, and how the key source is doing.
pub(super) fn answer(
    keys: &watch::Receiver<Arc<KeysInForce>>,
    record: &dyn Record,
    clock: &Clock,
) -> Response {
    let (keys, now) = (keys.borrow(), clock.now());
    let reason = why_not(&keys, record, now);
    let status = match reason {
        None => StatusCode::OK,
        Some(_) => StatusCode::SERVICE_UNAVAILABLE,
    };
    let body = serde_json::json!({
        "signing": reason.is_none(),
        "key_id": keys.signing_key_id(now).map(KeyId::as_str),
        "reason": reason,
        "source": {
            "name": keys.source.name,
            "last_success": keys.source.last_success.map(instant_text),
            "faults": keys.source.faults,
            "api_calls": keys.source.api_calls,
        },
    });
    let headers = [(header::CACHE_CONTROL, "no-store")];
    (status, headers, axum::Json(body)).into_response()
}
