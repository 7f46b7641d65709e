//! `POST /v1/verify`: the verdict on a published checkpoint, for whoever has no verifier of their own.
//!
//! Attack: verdicts without number. Shown by `tests/web/limits.rs`
//! (`past_the_bound_verifications_are_turned_away_and_told_when_to_come_back`).

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Request, State};
use axum::http::{HeaderMap, header};
use axum::response::IntoResponse;
use http_body::Body as _;
use serde_json::json;
use std::pin::Pin;
use std::sync::Arc;

use super::Inner;
use super::limits::{self, Asker};
use super::problem::Problem;
use crate::budget::Part;
use crate::pools::Pool;
use checkpoint::fault::FieldFault;
use checkpoint::jws::SignedCheckpoint;
use checkpoint::key::{KeyId, instant_text};
use checkpoint::reason::Reason;
use checkpoint::verdict;
use checkpoint::verdict::VerdictKind;

/// The body, if it says that it is JSON and is within bounds.
pub(super) struct PublishedJson(Bytes, Option<Part>);

impl FromRequest<Inner> for PublishedJson {
    type Rejection = Problem;

    async fn from_request(request: Request, inner: &Inner) -> Result<Self, Problem> {
        check_type(request.headers())?;
        let asker = request.extensions().get::<Asker>().cloned();
        let headers = request.headers().clone();
        let _room = inner.limits.room_for_body(&headers, asker.clone()).await?;
        let body = gather(request.into_body()).await?;
        let part = inner.limits.part_for_body(&body, asker).await?;
        Ok(Self(body, part))
    }
}

fn check_type(headers: &HeaderMap) -> Result<(), Problem> {
    let found = headers.get(header::CONTENT_TYPE);
    let found = found.and_then(|value| value.to_str().ok()).unwrap_or("");
    let essence = found.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    let detail = format!(
        "Content-Type: is {}; expected application/json",
        checkpoint::fault::excerpt(found)
    );
    Err(Problem::new(Reason::MediaTypeNotSupported, detail))
}

/// Reads a body into one piece. Its own may be of a byte each, and take forty times as much as they are.
async fn gather(mut body: Body) -> Result<Bytes, Problem> {
    let mut gathered = Vec::new();
    while let Some(frame) = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let Ok(frame) = frame else {
            let problem = "cannot be read as it was announced; expected a published checkpoint";
            return Err(Problem::invalid(vec![FieldFault::new("body", problem)]));
        };
        let piece = frame.into_data().unwrap_or_default();
        if gathered.len() + piece.len() > limits::MAX_BODY_BYTES {
            return Err(limits::too_large());
        }
        gathered.extend_from_slice(&piece);
    }
    Ok(gathered.into())
}

/// Whatever arrives as JSON gets a verdict; what is no checkpoint is MALFORMED, with the fields that are wrong.
pub(super) async fn verify(
    State(inner): State<Inner>,
    PublishedJson(body, part): PublishedJson,
) -> Result<impl IntoResponse, Problem> {
    let pool = Pool::of(body.len());
    let place = match pool {
        Pool::Small => Some(Arc::clone(&inner.verifications).try_acquire_owned()),
        // Their bodies' budget bounds how many there are, and their pool how many are worked on: they take nobody's place.
        Pool::Large => None,
    };
    let place = place.transpose().map_err(|_| Problem::overloaded())?;
    let keys = Arc::clone(&inner.core.keys.borrow());
    // RSA does not run on the reactor. The place is held until it is done, also when the client has gone.
    let verified = pool.work(move || {
        let _held = (place, part);
        verdict::verify_published(&keys.keyring, &body)
    });
    let (verdict, signed) = verified.await.ok_or_else(Problem::shutting_down)?;
    inner.core.metrics.judged(verdict.kind);
    let recorded = match &signed {
        Some(signed) if verdict.kind == VerdictKind::Valid => {
            Some(is_recorded(&inner, signed).await?)
        }
        _ => None,
    };
    let body = Json(json!({
        "verdict": verdict.kind.as_str(),
        "key_id": verdict.key_id.as_ref().map(KeyId::as_str),
        "signed_at": verdict.signed_at.map(instant_text),
        "explanation": verdict.explanation,
        "recorded": recorded,
    }));
    Ok(([(header::CACHE_CONTROL, "no-store")], body))
}

async fn is_recorded(inner: &Inner, signed: &SignedCheckpoint) -> Result<bool, Problem> {
    let fields = signed.checkpoint.fields();
    let row = inner
        .core
        .record
        .get(&fields.ledger_id, &fields.checkpoint_id);
    Ok(row.await?.is_some_and(|row| row.signed.jws == signed.jws))
}
