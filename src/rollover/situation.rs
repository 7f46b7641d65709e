//! How things are at one moment: the secret, what those who were asked say, and the time. Every step decides over one, without any I/O.

use chrono::{DateTime, Utc};

use super::snapshot::{ListedKey, Replica, Snapshot, StoredKey, StoredVersion};
use super::{Ahead, StepRefusal};
use checkpoint::key::{KeyVersion, ValidityWindow};

/// How things are.
#[derive(Clone, Debug)]
pub struct Situation {
    /// The secret.
    pub snapshot: Snapshot,
    /// The services that were asked, and the record.
    pub replicas: Vec<Replica>,
    /// The time, by this machine's clock.
    pub now: DateTime<Utc>,
    /// By how much that is ahead of Secrets Manager's clock, where this is known.
    pub secrets_manager: Option<Ahead>,
    /// Whether the key in force may endorse although nobody could be asked whether it is revoked.
    pub without_asking: bool,
}

impl Situation {
    /// Whether anybody who was asked has answered.
    pub(super) fn was_told(&self) -> bool {
        self.replicas.iter().any(|replica| replica.listing.is_ok())
    }

    /// Whether the key is, or was, trusted by the services, as it is here. They share one record, so that one who says so is enough.
    pub(super) fn is_known(&self, key: &KeyVersion) -> bool {
        let mut replicas = self.replicas.iter();
        replicas.any(|replica| replica.state_of(key).is_some())
    }

    /// The first who says that the key is revoked.
    pub(super) fn who_says_revoked(&self, key: &KeyVersion) -> Option<&str> {
        let mut replicas = self.replicas.iter();
        let replica = replicas.find(|replica| replica.says_revoked(key))?;
        Some(&replica.url)
    }

    pub(super) fn is_revoked(&self, key: &KeyVersion) -> bool {
        self.who_says_revoked(key).is_some()
    }

    /// The version that is AWSCURRENT.
    ///
    /// # Errors
    /// [`StepRefusal::NoCurrent`] when none is.
    pub(super) fn must_have_current(&self) -> Result<&StoredVersion, StepRefusal> {
        let current = self.snapshot.current();
        current.ok_or_else(|| StepRefusal::NoCurrent(self.snapshot.secret.clone()))
    }

    /// The key that is AWSCURRENT, where it stands well.
    pub(super) fn current(&self) -> Option<(&StoredVersion, &StoredKey)> {
        let version = self.snapshot.current()?;
        Some((version, self.good(version)?))
    }

    /// The same of AWSPREVIOUS.
    pub(super) fn previous(&self) -> Option<(&StoredVersion, &StoredKey)> {
        let version = self.snapshot.previous()?;
        Some((version, self.good(version)?))
    }

    /// The windows of the keys that the services trust: AWSCURRENT or AWSPREVIOUS, and nothing speaks against them.
    pub fn trusted_windows(&self) -> Vec<ValidityWindow> {
        let versions = self.snapshot.versions.iter();
        let keys = versions.filter(|version| version.is_trusted());
        keys.filter_map(|version| self.good(version))
            .map(|key| key.version.window)
            .collect()
    }

    /// The first service that says that it signs, and the key.
    pub(super) fn signing(&self) -> Option<(&Replica, &ListedKey)> {
        self.replicas.iter().find_map(|replica| {
            let signing = replica.keys().iter().find(|key| key.signing)?;
            let signs = replica.signs_nothing().is_none();
            signs.then_some((replica, signing))
        })
    }

    /// The version whose key a service says that it signs with.
    pub(super) fn signs(&self) -> Option<&StoredVersion> {
        let (_, signing) = self.signing()?;
        let holds = |version: &&StoredVersion| {
            let key = version.content.as_ref();
            key.is_ok_and(|key| key.version.fingerprint().to_string() == signing.fingerprint)
        };
        let versions = || self.snapshot.versions.iter().filter(holds);
        versions().find(|v| v.is_trusted()).or(versions().next())
    }

    /// Only the record knows whether the key that is to endorse is revoked.
    ///
    /// # Errors
    /// [`StepRefusal`] when it is, or nobody could be asked.
    pub(super) fn check_endorser(&self, endorser: &KeyVersion) -> Result<(), StepRefusal> {
        let key_id = || endorser.key_id.clone();
        if let Some(url) = self.who_says_revoked(endorser) {
            return Err(StepRefusal::CurrentRevoked {
                key_id: key_id(),
                url: url.into(),
            });
        }
        // Who does not know the key does not know whether it is revoked.
        if self.is_known(endorser) || self.without_asking {
            return Ok(());
        }
        let mut problems = self.unanswered();
        let told = self
            .replicas
            .iter()
            .filter(|replica| replica.listing.is_ok());
        problems.extend(told.map(|replica| format!("{}: does not list it", replica.url)));
        Err(StepRefusal::NobodyAsked {
            key_id: key_id(),
            problems,
        })
    }

    /// Why those who were asked did not say.
    pub(super) fn unanswered(&self) -> Vec<String> {
        let problem = |replica: &Replica| {
            let problem = replica.listing.as_ref().err()?;
            Some(format!("{}: {problem}", replica.url))
        };
        self.replicas.iter().filter_map(problem).collect()
    }
}
