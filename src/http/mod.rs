//! The HTTP edge: the published keyring, and the state of the service for a person or a load balancer.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderName, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::key::{KeyId, instant_text};
use crate::signer::KeysInForce;

/// How long a cache may keep the keyring, in seconds: a new key is promoted days before it signs.
const KEYRING_CACHE: &str = "public, max-age=300";

#[derive(Clone)]
struct Inner {
    keys: watch::Receiver<Arc<KeysInForce>>,
    clock: Clock,
}

/// Serves until the token is cancelled and what was in flight then is answered.
///
/// # Errors
/// When the transport fails.
pub async fn serve(
    listener: TcpListener,
    keys: watch::Receiver<Arc<KeysInForce>>,
    clock: Clock,
    shutdown: CancellationToken,
) -> std::io::Result<()> {
    let router = Router::new()
        .route("/.well-known/jwks.json", get(jwks))
        .route("/health", get(health))
        .with_state(Inner { keys, clock });
    axum::serve(listener, router)
        .with_graceful_shutdown(shutdown.cancelled_owned())
        .await
}

async fn jwks(State(inner): State<Inner>) -> impl IntoResponse {
    let headers: [(HeaderName, &str); 2] = [
        (header::CONTENT_TYPE, "application/jwk-set+json"),
        (header::CACHE_CONTROL, KEYRING_CACHE),
    ];
    (headers, inner.keys.borrow().keyring.to_jwks())
}

/// 200 while some key can sign, 503 otherwise; the body says why, and how the key source is doing.
async fn health(State(inner): State<Inner>) -> impl IntoResponse {
    let keys = inner.keys.borrow();
    let selected = keys.select(inner.clock.now());
    let status = match selected {
        Ok(_) => StatusCode::OK,
        Err(_) => StatusCode::SERVICE_UNAVAILABLE,
    };
    let body = serde_json::json!({
        "signing": selected.is_ok(),
        "key_id": selected.as_ref().ok().map(|key| KeyId::as_str(key.key_id())),
        "reason": selected.as_ref().err().map(ToString::to_string),
        "source": {
            "name": keys.source.name,
            "last_success": keys.source.last_success.map(instant_text),
            "faults": keys.source.faults,
            "api_calls": keys.source.api_calls,
        },
    });
    (status, axum::Json(body))
}
