//! The keys as they are at one moment, and how their source is doing.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::refreshes::Want;
use checkpoint::key::KeyId;
use checkpoint::keyring::{Keyring, KeyringEntry};
use checkpoint::signing::SigningKey;

/// How the source is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceStatus {
    /// What the operator calls it.
    pub name: String,
    /// Whether its first reading has ended, well or badly, and the record told what it knows of the keys.
    pub was_read: bool,
    /// When it was last read without a fault.
    pub last_success: Option<DateTime<Utc>>,
    /// What was wrong at the last reading.
    pub faults: Vec<String>,
    /// Calls made to a service that charges for them.
    pub api_calls: Option<u64>,
}

/// The keys as they are now.
pub struct KeysInForce {
    /// Every version, with its labels and revocation.
    pub keyring: Keyring,
    /// Trusted keys with their private halves: windows that hold or will, not revoked.
    pub(super) signing: Vec<Arc<SigningKey>>,
    /// How the source is doing.
    pub source: SourceStatus,
}

impl KeysInForce {
    /// What the record holds, with what it held before, and what only the source tells: the labels, and versions that are only
    /// staged.
    pub(super) fn over(&self, mut recorded: Keyring) -> Keyring {
        for entry in self.keyring.entries() {
            // A version that is only staged is not on record, but still to be shown.
            if !entry.stages().is_empty() {
                recorded.adopt(entry);
            }
        }
        recorded.remember(&self.keyring);
        recorded
    }

    /// The key that would sign at `now`.
    pub fn signing_key_id(&self, now: DateTime<Utc>) -> Option<&KeyId> {
        self.select(now).ok().map(|key| key.key_id())
    }

    /// Whether the source had faults, or a trusted key is missing whose window has not ended: a clock that ran
    /// ahead for a while had its private half wiped.
    pub(super) fn want_refresh(&self, now: DateTime<Utc>) -> Want {
        let is_missing = |entry: &&KeyringEntry| {
            let version = entry.version();
            let is_loaded = |key: &Arc<SigningKey>| key.version().key_id == version.key_id;
            entry.is_trusted()
                && entry.revocation().is_none()
                && now < version.window.until()
                && !self.signing.iter().any(is_loaded)
        };
        if self.select(now).is_err() {
            return Want::Urgently;
        }
        let wanted =
            !self.source.faults.is_empty() || self.keyring.entries().iter().any(is_missing);
        if wanted { Want::Soon } else { Want::AsEver }
    }
}
