//! Trust from one pinned key: a later key is believed only through an unbroken chain of endorsements.

use std::collections::BTreeMap;

use super::{KeyId, Keyring};

/// A keyring as somebody sees it who trusts one key in it, and no operator.
#[derive(Clone, Debug)]
pub struct PinnedKeyring {
    /// The pinned key, and all that it leads to.
    pub trusted: Keyring,
    /// Why each other key is not believed.
    pub untrusted: BTreeMap<KeyId, String>,
}

impl PinnedKeyring {
    /// The keyring as somebody sees it who believes all of it.
    pub fn unpinned(keyring: Keyring) -> Self {
        Self {
            trusted: keyring,
            untrusted: BTreeMap::new(),
        }
    }
}

/// No key of the keyring is the pinned one.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("--pin: the keyring has no key with the key_id or thumbprint {0:?}")]
pub struct UnknownPin(String);

impl Keyring {
    /// Believes the key with this `key_id` or RFC 7638 thumbprint, and every key that an unbroken chain of
    /// endorsements leads to from there. Keys *before* the pinned one are not believed: endorsements point
    /// forwards.
    ///
    /// # Errors
    /// [`UnknownPin`] when there is no such key.
    pub fn trust_from(&self, pin: &str) -> Result<PinnedKeyring, UnknownPin> {
        let published = self.published();
        let is_pin = |version: &super::KeyVersion| {
            version.key_id.as_str() == pin || version.public_key.thumbprint() == pin
        };
        let pinned = published
            .iter()
            .map(|entry| &entry.version().key_id)
            .find(|key_id| self.get(key_id).is_some_and(|e| is_pin(e.version())))
            .ok_or_else(|| UnknownPin(pin.into()))?;
        let mut seen = PinnedKeyring {
            trusted: self.clone(),
            untrusted: BTreeMap::new(),
        };
        for entry in &published {
            let key_id = &entry.version().key_id;
            if let Err(broken) = self.chain(key_id, pinned) {
                seen.trusted.remove(key_id);
                seen.untrusted.insert(key_id.clone(), broken);
            }
        }
        Ok(seen)
    }

    /// Follows the endorsements back to the pinned key. Each key has one, so that the way is one; it has at
    /// most as many links as there are keys, or it would go in a circle.
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
}
