//! How a version of the secret stands with what the record and the services have: judged here as they judge it, so that no step
//! rests on a key that they refuse.

use super::Situation;
use super::snapshot::{StoredKey, StoredVersion};
use checkpoint::key::{KeyVersion, StagingLabel};

/// What speaks against a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing: the services take it, once a label trusts it.
    Good,
    /// It holds no key.
    Unreadable(String),
    /// It cannot be read here.
    Hidden(String),
    /// The services refuse it: it contradicts what they have.
    Refused(String),
    /// It contradicts another version, and nobody could be asked which of the two they have.
    Doubtful(String),
    /// It is revoked.
    Revoked(String),
}

impl Standing {
    /// What speaks against it, for a person.
    pub fn problem(&self) -> Option<String> {
        match self {
            Self::Good => None,
            Self::Unreadable(problem) => Some(format!("is not a key: {problem}")),
            Self::Hidden(problem) => Some(format!("cannot be read by this role: {problem}")),
            Self::Refused(problem) => Some(format!("is refused by the services: {problem}")),
            Self::Doubtful(problem) => Some(format!(
                "may be refused by the services, which were not asked: {problem}"
            )),
            Self::Revoked(url) => Some(format!("is revoked, says {url}")),
        }
    }
}

impl Situation {
    /// How a version stands.
    pub fn standing(&self, version: &StoredVersion) -> Standing {
        let key = match &version.content {
            Ok(key) => &key.version,
            Err(problem) if version.hidden => return Standing::Hidden(problem.clone()),
            Err(problem) => return Standing::Unreadable(problem.clone()),
        };
        if let Some(problem) = self.contradiction(version, key) {
            return match self.was_told() {
                true => Standing::Refused(problem),
                false => Standing::Doubtful(problem),
            };
        }
        match self.who_says_revoked(key) {
            Some(url) => Standing::Revoked(url.into()),
            None => Standing::Good,
        }
    }

    /// The key of a version that stands well.
    pub(super) fn good<'a>(&self, version: &'a StoredVersion) -> Option<&'a StoredKey> {
        let key = version.content.as_ref().ok()?;
        (self.standing(version) == Standing::Good).then_some(key)
    }

    /// What the version has otherwise than the record, or than another version of the secret.
    fn contradiction(&self, version: &StoredVersion, key: &KeyVersion) -> Option<String> {
        let by_services = self.replicas.iter().find_map(|replica| {
            let difference = replica.difference(key)?;
            Some(format!("{} {difference}", replica.url))
        });
        if by_services.is_some() || self.is_known(key) {
            return by_services;
        }
        // What has no label, the services never see.
        let others = self.snapshot.versions.iter().filter(|other| {
            let may_be_known = version.stages.is_empty() || !self.was_told();
            other.id != version.id && (!other.stages.is_empty() || may_be_known)
        });
        others
            .filter(|other| !self.precedes(version, other))
            .find_map(|other| {
                let difference = difference(key, &other.content.as_ref().ok()?.version)?;
                let (id, labels) = (&other.id, other.labels());
                let labels = match labels.is_empty() {
                    true => "no label".into(),
                    false => labels,
                };
                Some(format!("version {id} ({labels}) {difference}"))
            })
    }

    /// Whether the services would have this one before the other, so that the other is the one that they refuse. AWSCURRENT is read
    /// first; where nobody was asked, either of two may be on record, unless one is only staged.
    fn precedes(&self, version: &StoredVersion, other: &StoredVersion) -> bool {
        if let Ok(key) = &other.content
            && self.is_known(&key.version)
        {
            return false;
        }
        let may_be_known = other.is_trusted() || other.stages.is_empty();
        let in_doubt = !self.was_told() && version.is_trusted() && may_be_known;
        !in_doubt && rank(version) < rank(other)
    }
}

fn rank(version: &StoredVersion) -> u8 {
    match () {
        () if version.has(&StagingLabel::Current) => 0,
        () if version.has(&StagingLabel::Previous) => 1,
        () if !version.stages.is_empty() => 2,
        () => 3,
    }
}

/// What one key has otherwise than another of its name, or that it is the other under another name; none when they are the same, or
/// nothing to each other.
pub(super) fn difference(here: &KeyVersion, there: &KeyVersion) -> Option<String> {
    let same_key = here.public_key == there.public_key;
    if here.key_id != there.key_id {
        let name = &there.key_id;
        return same_key.then(|| format!("has the same public key under the name {name}"));
    }
    let mut differ = Vec::new();
    if !same_key {
        differ.push("another public key".to_owned());
    }
    if here.window != there.window {
        differ.push(format!("the window {}, here {}", there.window, here.window));
    }
    if here.algorithm != there.algorithm {
        let (here, there) = (here.algorithm, there.algorithm);
        differ.push(format!("the algorithm {there}, here {here}"));
    }
    let name = &here.key_id;
    (!differ.is_empty()).then(|| format!("has {} under the name {name}", differ.join(" and ")))
}
