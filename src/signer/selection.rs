//! Which key signs: of the trusted keys whose window holds now, the one with the latest `valid_from`.

use chrono::{DateTime, Utc};

use super::KeysInForce;
use checkpoint::key::{KeyId, instant_text};
use checkpoint::keyring::KeyringEntry;
use checkpoint::reason::Reason;
use checkpoint::signing::{NotOpen, OpenKey, SigningKey};

/// Why no key may sign now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoKey {
    /// The next trusted key's window is not open yet.
    #[error("key {key_id} may sign from {from} on, which is not yet")]
    NotYetValid {
        /// The key that comes next.
        key_id: KeyId,
        /// When its window opens.
        from: String,
    },
    /// The last trusted key's window has ended.
    #[error(
        "key {key_id} could sign until {until}, which has passed; expected a newer key to be promoted"
    )]
    Expired {
        /// The key that was last.
        key_id: KeyId,
        /// When its window ended.
        until: String,
    },
    /// The key in force is revoked.
    #[error("key {key_id} is revoked; expected a newer key to be promoted")]
    Revoked {
        /// The key.
        key_id: KeyId,
    },
    /// The service has begun, and no key can be told yet.
    #[error("the keys are not read yet: {problem}; retry soon")]
    NotYetRead {
        /// What it waits for.
        problem: String,
        /// Whether that has failed already.
        failed: bool,
    },
    /// There is no trusted key, or its private half could not be loaded.
    #[error("no signing key is loaded; {0}")]
    NoSigningKey(String),
}

impl NoKey {
    /// What a caller is told by name.
    pub fn reason(&self) -> Reason {
        match self {
            Self::NotYetValid { .. } => Reason::KeyNotYetValid,
            Self::Expired { .. } => Reason::KeyExpired,
            Self::Revoked { .. } => Reason::KeyRevoked,
            Self::NoSigningKey(_) => Reason::NoSigningKey,
            Self::NotYetRead { .. } => Reason::KeysNotYetRead,
        }
    }
}

impl KeysInForce {
    /// The key that signs at `now`, opened for that instant.
    ///
    /// # Errors
    /// [`NoKey`] says why there is none.
    pub fn select(&self, now: DateTime<Utc>) -> Result<OpenKey<'_>, NoKey> {
        let in_order = |a: &&SigningKey, b: &&SigningKey| {
            let (a, b) = (a.version(), b.version());
            (a.window.from(), &a.key_id).cmp(&(b.window.from(), &b.key_id))
        };
        let holds = |key: &&SigningKey| key.version().window.check(now).is_ok();
        let keys = self.signing.iter().map(AsRef::as_ref);
        let latest = keys.filter(holds).max_by(in_order);
        match latest.map(|key| key.open_at(now)) {
            Some(Ok(key)) => Ok(key),
            _ => Err(self.why_none(now)),
        }
    }

    fn why_none(&self, now: DateTime<Utc>) -> NoKey {
        if !self.source.was_read {
            let faults = self.source.faults.join("; ");
            let failed = !faults.is_empty();
            let problem = match failed {
                false => format!("{} is being read for the first time", self.source.name),
                true => faults,
            };
            return NoKey::NotYetRead { problem, failed };
        }
        let trusted: Vec<&KeyringEntry> = self.keyring.entries().into_iter().collect();
        let trusted = || trusted.iter().filter(|entry| entry.is_trusted());
        let live = || trusted().filter(|entry| entry.revocation().is_none());
        let side = |entry: &KeyringEntry| entry.version().window.check(now);
        let is_revoked_now =
            |entry: &&&KeyringEntry| entry.revocation().is_some() && side(entry).is_ok();
        let next = live()
            .filter(|entry| side(entry) == Err(NotOpen::NotYet))
            .min_by_key(|entry| entry.version().window.from());
        let last = live()
            .filter(|entry| side(entry) == Err(NotOpen::Expired))
            .max_by_key(|entry| entry.version().window.until());
        if let Some(entry) = trusted().find(is_revoked_now) {
            NoKey::Revoked {
                key_id: entry.version().key_id.clone(),
            }
        } else if let Some(entry) = next {
            let version = entry.version();
            NoKey::NotYetValid {
                key_id: version.key_id.clone(),
                from: instant_text(version.window.from()),
            }
        } else if let Some(entry) = last {
            let version = entry.version();
            NoKey::Expired {
                key_id: version.key_id.clone(),
                until: instant_text(version.window.until()),
            }
        } else if self.source.faults.is_empty() {
            NoKey::NoSigningKey(format!("{} holds no trusted key", self.source.name))
        } else {
            NoKey::NoSigningKey(self.source.faults.join("; "))
        }
    }
}
