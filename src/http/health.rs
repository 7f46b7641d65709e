//! `/health`: whether anything can be signed now, and why not.

use std::sync::Arc;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio::sync::watch;

use crate::clock::Clock;
use crate::signer::{KeysInForce, Readiness};
use checkpoint::key::{KeyId, instant_text};

/// The path on either port.
pub(super) const PATH: &str = "/health";

/// 200 while something can be signed, 503 otherwise; the body says why, and how the key source is doing.
pub(super) fn answer(
    keys: &watch::Receiver<Arc<KeysInForce>>,
    readiness: &Readiness,
    clock: &Clock,
) -> Response {
    let refusal = readiness.why_not();
    let (keys, now) = (keys.borrow(), clock.now());
    let reason = refusal.as_ref().map(ToString::to_string);
    let status = match reason {
        None => StatusCode::OK,
        Some(_) => StatusCode::SERVICE_UNAVAILABLE,
    };
    let body = serde_json::json!({
        "signing": reason.is_none(),
        "key_id": keys.signing_key_id(now).map(KeyId::as_str),
        "refusal": refusal.as_ref().map(|refusal| refusal.reason().as_str()),
        "reason": reason,
        "source": {
            "name": keys.source.name,
            "last_success": keys.source.last_success.map(instant_text),
            "faults": keys.source.faults,
            "api_calls": keys.source.api_calls,
            "clock_fault": readiness.clock_fault(),
        },
    });
    let headers = [(header::CACHE_CONTROL, "no-store")];
    (status, headers, axum::Json(body)).into_response()
}
