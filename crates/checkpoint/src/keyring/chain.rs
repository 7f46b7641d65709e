//! Trust from one pinned key: a later key is believed only through an unbroken chain of endorsements.

use std::collections::BTreeMap;

use super::{EndorsementError, Keyring};
use crate::key::{Fingerprint, KeyId, KeyVersion};

/// A keyring as somebody sees it who trusts one key in it, and no operator.
#[derive(Clone, Debug)]
pub struct PinnedKeyring {
    /// The pinned key; none for somebody who believes all of the keyring.
    pub pinned: Option<KeyVersion>,
    /// The pinned key, and all that it leads to.
    pub trusted: Keyring,
    /// Why each other key is not believed.
    pub untrusted: BTreeMap<KeyId, String>,
}

impl PinnedKeyring {
    /// The keyring as somebody sees it who believes all of it.
    pub fn unpinned(keyring: Keyring) -> Self {
        Self {
            pinned: None,
            trusted: keyring,
            untrusted: BTreeMap::new(),
        }
    }
}

/// No key of the keyring is the pinned one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no key of the keyring has the fingerprint {0}")]
pub struct UnknownPin(Fingerprint);

impl Keyring {
    /// Believes the key with this fingerprint, and every key that an unbroken chain of endorsements leads to from
    /// there. Keys *before* the pinned one are not believed: endorsements point forwards.
    ///
    /// # Errors
    /// [`UnknownPin`] when there is no such key.
    pub fn trust_from(&self, pin: Fingerprint) -> Result<PinnedKeyring, UnknownPin> {
        let published = self.published();
        let mut versions = published.iter().map(|entry| entry.version());
        let pinned = versions.find(|version| version.fingerprint() == pin);
        let pinned = pinned.ok_or(UnknownPin(pin))?;
        let mut seen = PinnedKeyring {
            pinned: Some(pinned.clone()),
            trusted: self.clone(),
            untrusted: BTreeMap::new(),
        };
        for entry in &published {
            let key_id = &entry.version().key_id;
            if let Err(broken) = self.chain(key_id, &pinned.key_id) {
                seen.trusted.remove(key_id);
                seen.untrusted.insert(key_id.clone(), broken);
            }
        }
        Ok(seen)
    }

    /// Follows the endorsements back to the pinned key, which alone has its name in this keyring. Each key has one
    /// endorsement, so that the way is one; it has at most as many links as there are keys, or it would go in a circle.
    fn chain(&self, key_id: &KeyId, pinned: &KeyId) -> Result<(), String> {
        let mut link = key_id.clone();
        for _ in 0..self.published().len() {
            if link == *pinned {
                return Ok(());
            }
            link = self.check_link(&link)?;
        }
        match link == *pinned {
            true => Ok(()),
            false => Err(format!("the endorsements of {key_id} go in a circle")),
        }
    }

    /// Checks the endorsement that a version has against the version that made it.
    ///
    /// # Errors
    /// A sentence that says which link is missing or false.
    pub(super) fn check_link(&self, key_id: &KeyId) -> Result<KeyId, String> {
        let missing = || format!("the keyring has no key {key_id}");
        let entry = self.verifying(key_id).ok_or_else(missing)?;
        let endorsement = entry
            .endorsement()
            .ok_or_else(|| format!("{key_id} has no endorsement by an earlier key"))?;
        let endorser = endorsement.endorser().clone();
        let known = self.verifying(&endorser).ok_or_else(|| {
            format!("{key_id} is endorsed by {endorser}, which the keyring lacks")
        })?;
        let held = match known.revocation().is_some() {
            true => Err(EndorsementError::Revoked(endorser.clone())),
            false => endorsement.check(known.version(), entry.version()),
        };
        held.map_err(|error| {
            format!("the endorsement of {key_id} by {endorser} is false: it {error}")
        })?;
        Ok(endorser)
    }
}
