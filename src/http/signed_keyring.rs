//! The keyring, signed by the key in force: one task signs it when somebody asks, and keeps what it signed.
//!
//! However many ask, a signature is made only when the keys have changed, when another key signs now, or when the
//! last one has become old; and never more than one in a second.

use std::time::{Duration, Instant};

use axum::body::Bytes;
use chrono::{DateTime, Utc};
use tokio::sync::{mpsc, oneshot};

use super::PublicUrl;
use super::problem::Problem;
use super::representation::KEYS_KEPT;
use crate::record::RecordError;
use crate::signer::{Refusal, Warrant, Warranted};
use checkpoint::key::{KeyId, SignError};
use checkpoint::keyring::Keyring;
use checkpoint::reason::Reason;

/// Least time between two signatures.
const PAUSE: Duration = Duration::from_secs(1);

/// Askers that may wait for the task; it answers all but the first from what it keeps.
const WAITING: usize = 64;

/// Why there is none.
#[derive(Debug, thiserror::Error)]
enum Unsigned {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error(transparent)]
    Sign(#[from] SignError),
    #[error("the service is shutting down")]
    ShuttingDown,
}

impl From<Unsigned> for Problem {
    fn from(error: Unsigned) -> Self {
        match error {
            Unsigned::Refused(Refusal::NoKey(no_key)) => no_key.into(),
            Unsigned::Refused(Refusal::Record(error)) => error.into(),
            Unsigned::Refused(refusal) => Self::new(refusal.reason(), refusal.to_string()),
            Unsigned::Sign(error) => {
                tracing::error!(%error, "the keyring cannot be signed");
                let detail = "the keyring cannot be signed";
                Self::new(Reason::SignatureFailed, detail)
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
    pub(super) fn start(warrant: Warrant, issuer: Option<PublicUrl>) -> Self {
        let (asked, mut queue) = mpsc::channel::<Answer>(WAITING);
        let mut scribe = Scribe {
            warrant,
            issuer,
            last: None,
        };
        tokio::spawn(async move {
            while let Some(first) = queue.recv().await {
                // One answer of the record is for all who have asked by now.
                let mut waiting = vec![first];
                while let Ok(next) = queue.try_recv() {
                    waiting.push(next);
                }
                for answer in scribe.answer(waiting).await {
                    let _ = answer.send(scribe.current().await);
                }
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
    warrant: Warrant,
    issuer: Option<PublicUrl>,
    last: Option<Signed>,
}

impl Scribe {
    /// Answers all of them; when there is nothing to answer with, only the first, and gives the others back, to be told why each.
    async fn answer(&mut self, waiting: Vec<Answer>) -> Vec<Answer> {
        let mut waiting = waiting.into_iter();
        match self.current().await {
            Ok(text) => waiting.by_ref().for_each(|answer| {
                let _ = answer.send(Ok(text.clone()));
            }),
            refused => {
                if let Some(first) = waiting.next() {
                    let _ = first.send(refused);
                }
            }
        }
        waiting.collect()
    }

    /// Nothing is given out once the record holds the key as revoked, not even what was signed before; and nothing that says of
    /// a key that it is not revoked, when the record says that it is.
    async fn current(&mut self) -> Result<Bytes, Unsigned> {
        let Warranted {
            now,
            key_id,
            keys,
            keyring,
        } = self.warrant.ask().await?;
        if let Some(last) = &self.last
            && last.key_id == key_id
        {
            let age = (now - last.iat).to_std();
            let holds = last.keyring == keyring && age.is_ok_and(|age| age < KEYS_KEPT);
            let same_trust = has_same_revocations(&last.keyring, &keyring);
            if holds || same_trust && last.made.elapsed() < PAUSE {
                return Ok(last.text.clone());
            }
        }
        let (issuer, signed) = (self.issuer.clone(), keyring.clone());
        // RSA does not run on the reactor. The key is selected again for the instant that is signed.
        let text = tokio::task::spawn_blocking(move || -> Result<String, Unsigned> {
            let key = keys.select(now).map_err(Refusal::from)?;
            let issuer = issuer.as_ref().map(PublicUrl::as_str);
            Ok(key.sign_keyring(&signed, issuer)?)
        });
        let text = Bytes::from(text.await.map_err(|_| Unsigned::ShuttingDown)??);
        // It may have been revoked while it signed.
        let after = self.warrant.ask().await?;
        if !has_same_revocations(&after.keyring, &keyring) {
            let changed =
                RecordError::Unavailable("the keys changed while they were signed".into());
            return Err(Refusal::from(changed).into());
        }
        self.last = Some(Signed {
            text: text.clone(),
            keyring,
            key_id,
            iat: now,
            made: Instant::now(),
        });
        Ok(text)
    }
}

fn has_same_revocations(one: &Keyring, other: &Keyring) -> bool {
    let revoked = |keyring: &Keyring| -> Vec<_> {
        let entries = keyring.entries().into_iter();
        let revoked = entries.filter_map(|entry| {
            Some((entry.version().key_id.clone(), entry.revocation()?.clone()))
        });
        revoked.collect()
    };
    revoked(one) == revoked(other)
}
