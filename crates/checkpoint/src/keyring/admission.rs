//! Which keys of a keyring from elsewhere a record takes: those that it can believe by itself, and those that an operator
//! vouches for. What comes in a file never vouches for itself.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use crate::checkpoint::TIMESTAMP_TOLERANCE;
use crate::fault::FieldFault;

use super::{Endorsement, KeyConflict, Keyring, Revocation};
use crate::key::{Fingerprint, KeyId, KeyVersion, instant_text};

/// The operator's word about a keyring from elsewhere.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// Keys that are believed.
    pub fingerprints: Vec<Fingerprint>,
    /// Whether it is believed about revocations of keys that are known already.
    pub revocations: bool,
}

/// What may be put on record.
#[derive(Clone, Debug, Default)]
pub struct Admission {
    /// The keys, each with its endorsement.
    pub keys: Vec<(KeyVersion, Option<Endorsement>)>,
    /// Revocations that the record has not. A key that comes in comes with its own.
    pub revocations: Vec<(KeyId, Revocation)>,
}

/// Why nothing is taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAdmitted {
    /// A key contradicts what is on record.
    #[error(transparent)]
    Conflict(#[from] KeyConflict),
    /// Nobody vouches for a key.
    #[error("key {key_id} is not known to the record, and no known key vouches for it ({why})")]
    Unknown {
        /// Its name.
        key_id: KeyId,
        /// What it would take.
        fingerprint: Fingerprint,
        /// Which link is missing or false.
        why: String,
    },
    /// The operator vouches for a key that is not there.
    #[error("no key of the file has the fingerprint {0}")]
    Absent(Fingerprint),
    /// A revocation in the file is not one that a record keeps.
    #[error("the revocation of {key_id} in the file cannot be put on record: {fault}")]
    Revocation {
        /// The key.
        key_id: KeyId,
        /// What is wrong with it.
        fault: FieldFault,
    },
    /// An endorsement says that it was made later than now.
    #[error(
        "the endorsement of {key_id} in the file is made at {}, in the future: the clock shows {}", instant_text(*.found),
        instant_text(*.now)
    )]
    EndorsedLater {
        /// The key that is endorsed.
        key_id: KeyId,
        /// When, as it says.
        found: DateTime<Utc>,
        /// What the clock shows.
        now: DateTime<Utc>,
    },
    /// A known key would be revoked for ever, by the word of a file.
    #[error(
        "the file says that {key_id} is revoked from {} on ({reason:?}), and the record does not know that", instant_text(*.distrust_after)
    )]
    Revokes {
        /// The key.
        key_id: KeyId,
        /// From when on.
        distrust_after: DateTime<Utc>,
        /// The file's words.
        reason: String,
    },
}

impl Keyring {
    /// What of another keyring may be added to this one at `now`: all of it, or nothing.
    ///
    /// # Errors
    /// [`NotAdmitted`], the first of what keeps it out.
    pub fn admit(
        &self,
        offered: &Keyring,
        trust: &Trust,
        now: DateTime<Utc>,
    ) -> Result<Admission, NotAdmitted> {
        let mut both = self.clone();
        for entry in offered.entries() {
            both.check(entry.version())?;
            both.adopt(entry);
        }
        for entry in offered.entries() {
            if let Some(revocation) = entry.revocation() {
                // A key that may be revoked vouches for nothing more.
                both.revoke(&entry.version().key_id, revocation.clone());
            }
        }
        let believed = self.believed(&both, offered, trust)?;
        let mut admission = Admission::default();
        for entry in offered.entries() {
            let version = entry.version();
            let (key_id, known) = (&version.key_id, self.get(&version.key_id));
            let link = both.check_link(key_id);
            if known.is_none() && !believed.contains(key_id) {
                let why = match link {
                    Err(why) => why,
                    Ok(endorser) => {
                        format!("{key_id} is endorsed by {endorser}, which is not believed")
                    }
                };
                return Err(NotAdmitted::Unknown {
                    key_id: key_id.clone(),
                    fingerprint: version.fingerprint(),
                    why,
                });
            }
            let holds = link.is_ok();
            let endorsement = entry.endorsement().filter(|_| holds || known.is_none());
            let later = endorsement.filter(|made| made.iat() > now + TIMESTAMP_TOLERANCE);
            if let Some(found) = later.map(Endorsement::iat) {
                let key_id = key_id.clone();
                return Err(NotAdmitted::EndorsedLater { key_id, found, now });
            }
            admission.keys.push((version.clone(), endorsement.cloned()));
            let Some(revocation) = entry.revocation() else {
                continue;
            };
            let recorded = known.and_then(|known| known.revocation());
            if recorded.is_some_and(|recorded| recorded.distrust_after <= revocation.distrust_after)
            {
                continue;
            }
            if known.is_some() && !trust.revocations {
                return Err(NotAdmitted::Revokes {
                    key_id: key_id.clone(),
                    distrust_after: revocation.distrust_after,
                    reason: revocation.reason.clone(),
                });
            }
            let (from, reason) = (revocation.distrust_after, revocation.reason.clone());
            Revocation::new(from, reason, now).map_err(|fault| NotAdmitted::Revocation {
                key_id: key_id.clone(),
                fault,
            })?;
            admission
                .revocations
                .push((key_id.clone(), revocation.clone()));
        }
        Ok(admission)
    }

    /// The keys that are known, those that the operator vouches for, and all that an unbroken chain leads to from these.
    fn believed(
        &self,
        both: &Keyring,
        offered: &Keyring,
        trust: &Trust,
    ) -> Result<BTreeSet<KeyId>, NotAdmitted> {
        let known = self.entries();
        let mut believed: BTreeSet<KeyId> = known
            .iter()
            .map(|entry| entry.version().key_id.clone())
            .collect();
        for fingerprint in &trust.fingerprints {
            let mut versions = offered.entries().into_iter().map(|entry| entry.version());
            let named = versions.find(|version| version.fingerprint() == *fingerprint);
            let named = named.ok_or(NotAdmitted::Absent(*fingerprint))?;
            believed.insert(named.key_id.clone());
        }
        loop {
            let before = believed.len();
            for entry in offered.entries() {
                let key_id = &entry.version().key_id;
                if both
                    .check_link(key_id)
                    .is_ok_and(|endorser| believed.contains(&endorser))
                {
                    believed.insert(key_id.clone());
                }
            }
            if believed.len() == before {
                return Ok(believed);
            }
        }
    }
}
