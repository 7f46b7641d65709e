//! The keyring: every key version ever seen, for ever.
//!
//! Guarantees: a `key_id` never gets another public key or algorithm, and a recorded window never changes.
//! Which version is trusted comes from the staging labels; where it is in its life follows from these, the
//! window, the revocation and the time, so that no state is stored that could be out of date.

use std::collections::BTreeMap;

use chrono::{DateTime, SubsecRound, Utc};

use crate::fault::{FieldFault, check_line};

use super::Endorsement;
use crate::key::{KeyId, KeyVersion, StagingLabel, ValidityWindow};

/// Why a version is refused. What was known before stays in force.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyConflict {
    /// The name belongs to another key.
    #[error(
        "key_id: {0} is the name of another public key already; expected a name that was never used"
    )]
    OtherKey(KeyId),
    /// The algorithm differs from the one recorded.
    #[error("algorithm: {0} has another algorithm on record; expected the recorded one, for ever")]
    OtherAlgorithm(KeyId),
    /// The window differs from the one recorded.
    #[error(
        "valid_from, valid_until: {key_id} has the window {recorded} on record; expected it unchanged"
    )]
    OtherWindow {
        /// The version.
        key_id: KeyId,
        /// Its window, which stays.
        recorded: ValidityWindow,
    },
    /// The same public key has another name.
    #[error("private_key: is the key of {0} already; expected a key that was never used")]
    SameKey(KeyId),
}

/// Where a key version is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// Staged, not trusted.
    Pending,
    /// Trusted; the window is not open yet.
    Scheduled,
    /// Trusted, and the window holds.
    Active,
    /// Verifies what it signed, and signs no more.
    Retired,
    /// Distrusted from an instant on.
    Revoked,
}

impl KeyState {
    /// The name of the contract, `ACTIVE`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Scheduled => "SCHEDULED",
            Self::Active => "ACTIVE",
            Self::Retired => "RETIRED",
            Self::Revoked => "REVOKED",
        }
    }
}

/// From when on a key is distrusted, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// Signatures with an `iat` at or after this instant are not trusted.
    pub distrust_after: DateTime<Utc>,
    /// The operator's words.
    pub reason: String,
    /// When the service was told.
    pub revoked_at: DateTime<Utc>,
}

/// Longest reason of a revocation, in characters: a sentence or two, which is published for ever.
const MAX_REASON_CHARS: usize = 512;

impl Revocation {
    /// A revocation to put on record, or from there: its reason is published for ever, and it holds at once.
    ///
    /// # Errors
    /// The field that is wrong: a reason of other characters than those of a line of text, or an instant after `revoked_at`.
    pub fn new(
        distrust_after: DateTime<Utc>,
        reason: String,
        revoked_at: DateTime<Utc>,
    ) -> Result<Self, FieldFault> {
        if distrust_after > revoked_at {
            let problem =
                "lies in the future; expected now or earlier, since a revocation holds at once";
            return Err(FieldFault::new("distrust_after", problem));
        }
        // Who publishes a keyring may leave it out.
        if !reason.is_empty() {
            check_line("reason", &reason, MAX_REASON_CHARS)?;
        }
        Ok(Self {
            distrust_after,
            reason,
            revoked_at,
        })
    }
}

/// A key version in the ring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyringEntry {
    version: KeyVersion,
    stages: Vec<StagingLabel>,
    revocation: Option<Revocation>,
    endorsement: Option<Endorsement>,
}

impl KeyringEntry {
    /// The public half.
    pub fn version(&self) -> &KeyVersion {
        &self.version
    }

    /// The labels that the source gives it now; none for a version that is only remembered.
    pub fn stages(&self) -> &[StagingLabel] {
        &self.stages
    }

    /// From when on it is distrusted.
    pub fn revocation(&self) -> Option<&Revocation> {
        self.revocation.as_ref()
    }

    /// The endorsement by the key before it.
    pub fn endorsement(&self) -> Option<&Endorsement> {
        self.endorsement.as_ref()
    }

    /// Whether the source vouches for it: AWSCURRENT or AWSPREVIOUS.
    pub fn is_trusted(&self) -> bool {
        StagingLabel::is_trust(&self.stages)
    }

    /// Where it is in its life at `now`.
    pub fn state(&self, now: DateTime<Utc>) -> KeyState {
        let window = self.version.window;
        if self.revocation.is_some() {
            KeyState::Revoked
        } else if self.is_pending() {
            KeyState::Pending
        } else if now >= window.until() || !self.is_trusted() {
            KeyState::Retired
        } else if now < window.from() {
            KeyState::Scheduled
        } else {
            KeyState::Active
        }
    }

    /// Whether it is on record, from which nothing is taken back.
    fn is_for_ever(&self) -> bool {
        !self.is_pending() || self.revocation.is_some()
    }

    /// Staged and nothing else. Another label means that it was trusted once, which does not end.
    fn is_pending(&self) -> bool {
        StagingLabel::is_only_staged(&self.stages)
    }
}

/// Every key version that is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keyring(BTreeMap<KeyId, KeyringEntry>);

impl Keyring {
    /// Checks that a version agrees with what is known, without adding it.
    ///
    /// # Errors
    /// [`KeyConflict`] when it reuses a name or a key, or changes what is for ever.
    pub fn check(&self, version: &KeyVersion) -> Result<(), KeyConflict> {
        if let Some(KeyringEntry { version: known, .. }) = self.0.get(&version.key_id) {
            let key_id = known.key_id.clone();
            return if known.public_key != version.public_key {
                Err(KeyConflict::OtherKey(key_id))
            } else if known.algorithm != version.algorithm {
                Err(KeyConflict::OtherAlgorithm(key_id))
            } else if known.window != version.window {
                Err(KeyConflict::OtherWindow {
                    key_id,
                    recorded: known.window,
                })
            } else {
                Ok(())
            };
        }
        let mut entries = self.0.values().map(|entry| &entry.version);
        match entries.find(|known| known.public_key == version.public_key) {
            Some(known) => Err(KeyConflict::SameKey(known.key_id.clone())),
            None => Ok(()),
        }
    }

    /// Adds a version, or finds it there already.
    ///
    /// # Errors
    /// [`KeyConflict`] as [`Keyring::check`]; the ring is unchanged then.
    pub fn insert(&mut self, version: KeyVersion) -> Result<(), KeyConflict> {
        self.check(&version)?;
        let entry = KeyringEntry {
            version,
            stages: Vec::new(),
            revocation: None,
            endorsement: None,
        };
        self.0.entry(entry.version.key_id.clone()).or_insert(entry);
        Ok(())
    }

    /// Adds a version with the labels that the source gives it now. To one that is there already (the record has those that
    /// were trusted once, which does not end) the label of a version that is only staged is not given.
    ///
    /// # Errors
    /// [`KeyConflict`] as [`Keyring::check`]; the ring is unchanged then.
    pub fn label(
        &mut self,
        version: KeyVersion,
        stages: Vec<StagingLabel>,
    ) -> Result<(), KeyConflict> {
        let key_id = version.key_id.clone();
        let is_known = self.0.contains_key(&key_id);
        self.insert(version)?;
        if !is_known || !StagingLabel::is_only_staged(&stages) {
            self.set_stages(&key_id, stages);
        }
        Ok(())
    }

    /// Takes a version over from another ring, with its labels and its endorsement. False when it contradicts
    /// what is known.
    pub fn adopt(&mut self, entry: &KeyringEntry) -> bool {
        let key_id = &entry.version.key_id;
        let labelled = self.label(entry.version.clone(), entry.stages.clone());
        if labelled.is_err() {
            return false;
        }
        if let Some(endorsement) = &entry.endorsement {
            self.endorse(key_id, endorsement.clone());
        }
        true
    }

    /// Notes the labels that the source gives a version now.
    pub fn set_stages(&mut self, key_id: &KeyId, stages: Vec<StagingLabel>) {
        if let Some(entry) = self.0.get_mut(key_id) {
            entry.stages = stages;
        }
    }

    /// Distrusts a version. An earlier instant replaces a later one; nothing takes a revocation back.
    ///
    /// The instant is kept as the whole second that it lies in, as `iat` has whole seconds too: what was signed
    /// in that second may have been signed after it.
    pub fn revoke(&mut self, key_id: &KeyId, mut revocation: Revocation) {
        revocation.distrust_after = revocation.distrust_after.trunc_subsecs(0);
        if let Some(entry) = self.0.get_mut(key_id) {
            let known = entry.revocation.as_ref();
            if known.is_none_or(|known| revocation.distrust_after < known.distrust_after) {
                entry.revocation = Some(revocation);
            }
        }
    }

    /// Takes over what another ring knows for ever: the versions that are not only staged, their endorsements and revocations.
    /// Labels are left as they are.
    pub fn remember(&mut self, known: &Self) {
        for entry in known.0.values().filter(|entry| entry.is_for_ever()) {
            let key_id = &entry.version.key_id;
            if self.insert(entry.version.clone()).is_err() {
                continue;
            }
            if let Some(endorsement) = &entry.endorsement {
                self.endorse(key_id, endorsement.clone());
            }
            if let Some(revocation) = &entry.revocation {
                self.revoke(key_id, revocation.clone());
            }
        }
    }

    /// The versions of which another ring knows something for ever that this one does not.
    pub fn lacks<'a>(&self, known: &'a Self) -> Vec<&'a KeyringEntry> {
        let mut whole = self.clone();
        whole.remember(known);
        let for_ever = |ring: &Self, key_id: &KeyId| {
            let entry = ring.get(key_id);
            entry.map(|entry| (entry.revocation.clone(), entry.endorsement.clone()))
        };
        let differs = |entry: &&KeyringEntry| {
            let key_id = &entry.version.key_id;
            for_ever(self, key_id) != for_ever(&whole, key_id)
        };
        known.0.values().filter(differs).collect()
    }

    /// Notes the endorsement of a version. The first one stays.
    pub fn endorse(&mut self, key_id: &KeyId, endorsement: Endorsement) {
        if let Some(entry) = self.0.get_mut(key_id) {
            entry.endorsement.get_or_insert(endorsement);
        }
    }

    /// Forgets a version: for a view of the ring, never for the ring itself.
    pub(super) fn remove(&mut self, key_id: &KeyId) {
        self.0.remove(key_id);
    }

    /// One version.
    pub fn get(&self, key_id: &KeyId) -> Option<&KeyringEntry> {
        self.0.get(key_id)
    }

    /// One version whose signatures may be believed: every one but those that are only staged.
    pub fn verifying(&self, key_id: &KeyId) -> Option<&KeyringEntry> {
        self.0.get(key_id).filter(|entry| !entry.is_pending())
    }

    /// All versions, the latest window first.
    pub fn entries(&self) -> Vec<&KeyringEntry> {
        let mut entries: Vec<_> = self.0.values().collect();
        entries.sort_by(|a, b| {
            let (a, b) = (&a.version, &b.version);
            (b.window.from(), &b.key_id).cmp(&(a.window.from(), &a.key_id))
        });
        entries
    }

    /// The versions to publish, the latest window first.
    pub fn published(&self) -> Vec<&KeyringEntry> {
        let mut entries = self.entries();
        entries.retain(|entry| !entry.is_pending());
        entries
    }

    /// The next instant after `now` at which a window opens or ends.
    pub fn next_edge(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let windows = self.0.values().map(|entry| entry.version.window);
        let edges = windows.flat_map(|window| [window.from(), window.until()]);
        edges.filter(|edge| *edge > now).min()
    }
}
