//! The published keys: as a JWK Set, as a signed JWK Set, and one by one with what follows from them.

use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::value::RawValue;

use super::Inner;
use super::problem::Problem;
use super::query::{Segments, identifier};
use super::representation::{KEYS_KEPT, Keep, Representation};
use crate::signer::KeysInForce;
use checkpoint::key::{KeyId, instant_text};
use checkpoint::keyring::KeyringEntry;
use checkpoint::reason::Reason;

/// `GET /.well-known/jwks.json`
pub(super) async fn jwks(State(inner): State<Inner>) -> Representation {
    Representation {
        content_type: "application/jwk-set+json",
        keep: Keep::For(KEYS_KEPT),
        body: inner.core.keys.borrow().keyring.to_jwks().into(),
    }
}

/// `GET /.well-known/jwks.jwt`
pub(super) async fn signed_jwks(State(inner): State<Inner>) -> Result<Representation, Problem> {
    Ok(Representation {
        content_type: "application/jwk-set+jwt",
        keep: Keep::For(KEYS_KEPT),
        body: inner.signed_keyring.get().await?,
    })
}

#[derive(Serialize)]
struct Key {
    kid: String,
    state: &'static str,
    algorithm: &'static str,
    bits: u32,
    /// What to note, compare and pin.
    fingerprint: String,
    thumbprint: String,
    valid_from: String,
    valid_until: String,
    endorsed_by: Option<String>,
    distrusted: Option<Distrusted>,
    jwk: Box<RawValue>,
}

#[derive(Serialize)]
struct Distrusted {
    from: String,
    reason: String,
}

#[derive(Serialize)]
struct Keys {
    /// The key that signs now.
    signing: Option<String>,
    keys: Vec<Key>,
}

impl Key {
    fn new(entry: &KeyringEntry, now: DateTime<Utc>) -> Result<Self, serde_json::Error> {
        let version = entry.version();
        let distrusted = entry.revocation().map(|revocation| Distrusted {
            from: instant_text(revocation.distrust_after),
            reason: revocation.reason.clone(),
        });
        let endorser = entry.endorsement().map(|made| made.endorser().to_string());
        Ok(Self {
            kid: version.key_id.to_string(),
            state: entry.state(now).as_str(),
            algorithm: version.algorithm.as_str(),
            bits: version.public_key.bits(),
            fingerprint: version.fingerprint().to_string(),
            thumbprint: version.public_key.thumbprint(),
            valid_from: instant_text(version.window.from()),
            valid_until: instant_text(version.window.until()),
            endorsed_by: endorser,
            distrusted,
            jwk: RawValue::from_string(entry.to_jwk())?,
        })
    }
}

/// States change when a window opens or ends: nobody keeps them beyond that.
fn keep(keys: &KeysInForce, now: DateTime<Utc>) -> Keep {
    let edge = keys.keyring.next_edge(now);
    let left = edge.and_then(|edge| (edge - now).to_std().ok());
    Keep::For(left.unwrap_or(KEYS_KEPT).min(KEYS_KEPT))
}

/// Structures of texts always have a JSON form; that the compiler cannot see it is no reason to panic.
fn unwritable(error: serde_json::Error) -> Problem {
    tracing::error!(%error, "a key has no JSON form");
    let detail = "the keys cannot be written";
    Problem::new(Reason::Internal, detail)
}

/// `GET /v1/keys`
pub(super) async fn list(State(inner): State<Inner>) -> Result<Representation, Problem> {
    let (keys, now) = (inner.core.keys.borrow(), inner.core.clock.now());
    let published = keys.keyring.published().into_iter();
    let shown = Keys {
        signing: keys.signing_key_id(now).map(KeyId::to_string),
        keys: published
            .map(|entry| Key::new(entry, now))
            .collect::<Result<_, _>>()
            .map_err(unwritable)?,
    };
    let body = serde_json::to_vec(&shown).map_err(unwritable)?;
    Ok(Representation::json(keep(&keys, now), body))
}

/// `GET /v1/keys/{kid}`
pub(super) async fn one(
    State(inner): State<Inner>,
    Segments(kid): Segments<String>,
) -> Result<Representation, Problem> {
    let key_id: KeyId = identifier("kid", &kid)?;
    let (keys, now) = (inner.core.keys.borrow(), inner.core.clock.now());
    let entry = keys.keyring.verifying(&key_id).ok_or_else(|| {
        let detail = format!("kid: no key {key_id} is published; /v1/keys lists those that are");
        Problem::new(Reason::KeyNotFound, detail)
    })?;
    let key = Key::new(entry, now).map_err(unwritable)?;
    let body = serde_json::to_vec(&key).map_err(unwritable)?;
    Ok(Representation::json(keep(&keys, now), body))
}
