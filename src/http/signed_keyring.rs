//! The keyring, signed by the key in force: one task signs it when somebody asks, and keeps what it signed.
//!
//! However many ask, a signature is made only when the keys have changed, when another key signs now, or when the
//! last one has become old; and never more than one in a second.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use tokio::sync::{mpsc, oneshot, watch};

use super::PublicUrl;
use super::problem::Problem;
use super::representation::KEYS_KEPT;
use crate::clock::Clock;
use crate::key::{KeyId, Keyring, SignError};
use crate::signer::{KeysInForce, NoKey};

/// Least time between two signatures.
const PAUSE: Duration = Duration::from_secs(1);

/// Askers that may wait for the task; it answers all but the first from what it keeps.
const WAITING: usize = 64;

/// Why there is none.
#[derive(Debug, thiserror::Error)]
enum Unsigned {
    #[error(transparent)]
    NoKey(#[from] NoKey),
    #[error(transparent)]
    Sign(#[from] SignError),
    #[error("the service is shutting down")]
    ShuttingDown,
}

impl From<Unsigned> for Problem {
    fn from(error: Unsigned) -> Self {
        match error {
            Unsigned::NoKey(no_key) => no_key.into(),
            Unsigned::Sign(error) => {
                tracing::error!(%error, "the keyring cannot be signed");
                let detail = "the keyring cannot be signed";
                Self::new(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "SIGNATURE_FAILED",
                    detail,
                )
            }
            Unsigned::ShuttingDown => Self::shutting_down(),
        }
    }
}

type Answer = oneshot::Sender<Result<Bytes, Unsigned>>;

/// The handle on the task. It ends with its last handle.
#[derive(Clone)]
pub(super) struct SignedKeyring(mpsc::Sender<Answer>);

impl SignedKeyring {
    pub(super) fn start(
        keys: watch::Receiver<Arc<KeysInForce>>,
        clock: Clock,
        issuer: Option<PublicUrl>,
    ) -> Self {
        let (asked, mut queue) = mpsc::channel::<Answer>(WAITING);
        let mut scribe = Scribe {
            keys,
            clock,
            issuer,
            last: None,
        };
        tokio::spawn(async move {
            while let Some(answer) = queue.recv().await {
                let _ = answer.send(scribe.current().await);
            }
        });
        Self(asked)
    }

    /// The compact JWS.
    pub(super) async fn get(&self) -> Result<Bytes, Problem> {
        let (answer, text) = oneshot::channel();
        let asked = self.0.try_send(answer);
        asked.map_err(|_| Problem::overloaded())?;
        let text = text.await.unwrap_or(Err(Unsigned::ShuttingDown));
        Ok(text?)
    }
}

/// What was signed last.
struct Signed {
    text: Bytes,
    keyring: Keyring,
    key_id: KeyId,
    /// By the clock of the signature.
    iat: DateTime<Utc>,
    /// By the machine's own, which only goes forwards.
    made: Instant,
}

struct Scribe {
    keys: watch::Receiver<Arc<KeysInForce>>,
    clock: Clock,
    issuer: Option<PublicUrl>,
    last: Option<Signed>,
}

impl Scribe {
    async fn current(&mut self) -> Result<Bytes, Unsigned> {
        let (keys, now) = (Arc::clone(&self.keys.borrow()), self.clock.now());
        let key_id = keys.select(now)?.key_id().clone();
        if let Some(last) = &self.last {
            let age = (now - last.iat).to_std();
            let holds = last.key_id == key_id
                && last.keyring == keys.keyring
                && age.is_ok_and(|age| age < KEYS_KEPT);
            if holds || last.made.elapsed() < PAUSE {
                return Ok(last.text.clone());
            }
        }
        let (issuer, signing) = (self.issuer.clone(), Arc::clone(&keys));
        // RSA does not run on the reactor. The key is selected again for the instant that is signed.
        let text = tokio::task::spawn_blocking(move || -> Result<String, Unsigned> {
            let key = signing.select(now)?;
            let issuer = issuer.as_ref().map(PublicUrl::as_str);
            Ok(key.sign_keyring(&signing.keyring, issuer)?)
        });
        let text = Bytes::from(text.await.map_err(|_| Unsigned::ShuttingDown)??);
        self.last = Some(Signed {
            text: text.clone(),
            keyring: keys.keyring.clone(),
            key_id,
            iat: now,
            made: Instant::now(),
        });
        Ok(text)
    }
}
