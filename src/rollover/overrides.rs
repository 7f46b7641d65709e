//! What the operator asks for in place of what would be proposed.

use chrono::{DateTime, Utc};

use checkpoint::key::{Algorithm, KeyId, KeyVersion};

/// What the operator asked for in place of what would be proposed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// Another name.
    pub key_id: Option<KeyId>,
    /// Another first instant.
    pub valid_from: Option<DateTime<Utc>>,
    /// Another end.
    pub valid_until: Option<DateTime<Utc>>,
    /// Another size.
    pub bits: Option<usize>,
    /// Another algorithm.
    pub algorithm: Option<Algorithm>,
    /// The key in force does not endorse it.
    pub without_endorsement: bool,
}

impl Overrides {
    /// Whether everything is said that cannot be guessed of a key outside of the yearly order.
    pub(super) fn is_emergency(&self) -> bool {
        self.without_endorsement && self.names_one()
    }

    /// Whether one key alone can be meant.
    pub(super) fn names_one(&self) -> bool {
        self.key_id.is_some() && self.valid_from.is_some() && self.valid_until.is_some()
    }

    /// Whether a key is what was asked for.
    pub(super) fn fits(&self, version: &KeyVersion) -> bool {
        let KeyVersion { key_id, window, .. } = version;
        let bits = usize::try_from(version.public_key.bits()).ok();
        self.key_id.as_ref().is_none_or(|given| given == key_id)
            && self.valid_from.is_none_or(|from| from == window.from())
            && self.valid_until.is_none_or(|until| until == window.until())
            && self.bits.is_none_or(|given| Some(given) == bits)
            && self
                .algorithm
                .is_none_or(|given| given == version.algorithm)
    }
}
