//! What the secret and the running services hold at one moment, without any private half: what all decisions are
//! taken over.

use chrono::{DateTime, Utc};

use checkpoint::key::{Algorithm, KeyId, KeyVersion, StagingLabel, ValidityWindow};
use checkpoint::keyring::{Endorsement, KeyState, Keyring};
use checkpoint::signing::Oddities;

use super::{Ahead, StepRefusal};
use crate::record::environment::Environment;

/// What is said of a service of another secret or record.
const STRANGER: &str = "lists none of the keys that the secret holds: is it a service of this secret, and of its record?";

/// What is said of a record of another environment: by what it is bound to, and by the name of its secret.
const OTHER_RECORD: [&str; 2] = ["belongs to the environment ", ", but the environment is "];

/// What is said of a record without a key, while the secret has some.
const EMPTY_RECORD: &str = "has no key on it, and the secret holds some: expected the record that the services of this secret write";

/// How that begins which is said of a service of another environment.
const OF_ANOTHER: &str = "reads its keys from the secret of another environment";

/// The public part of what one version of the secret holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredKey {
    /// The key version.
    pub version: KeyVersion,
    /// Its endorsement by the key before it.
    pub endorsement: Option<Endorsement>,
    /// What is not written as it should be, and could be read all the same.
    pub oddities: Oddities,
}

/// What a version's content is that was made and never filled.
pub(super) const HOLDS_NOTHING: &str = "holds nothing";

/// One version of the secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredVersion {
    /// Its version id, which is the ClientRequestToken that made it.
    pub id: String,
    /// Its staging labels, sorted.
    pub stages: Vec<StagingLabel>,
    /// What it holds, or why that is no key.
    pub content: Result<StoredKey, String>,
    /// Whether it could not be read here: AWS's own words are in `content` then, and others may read it.
    pub hidden: bool,
}

impl StoredVersion {
    /// Whether it has the label.
    pub fn has(&self, label: &StagingLabel) -> bool {
        self.stages.contains(label)
    }

    /// Whether it has a label that means something here.
    pub fn has_a_label_of_aws(&self) -> bool {
        self.is_trusted() || self.has(&StagingLabel::Pending)
    }

    /// Whether nothing was put into it: Secrets Manager makes the version of a rotation so.
    pub(super) fn is_empty(&self) -> bool {
        self.content
            .as_ref()
            .is_err_and(|problem| problem == HOLDS_NOTHING)
    }

    /// Whether the service trusts it: AWSCURRENT or AWSPREVIOUS.
    pub fn is_trusted(&self) -> bool {
        StagingLabel::is_trust(&self.stages)
    }

    /// Its key.
    ///
    /// # Errors
    /// [`StepRefusal::Unreadable`] when it holds none.
    pub fn key(&self) -> Result<&StoredKey, StepRefusal> {
        self.content
            .as_ref()
            .map_err(|problem| StepRefusal::Unreadable {
                id: self.id.clone(),
                stages: self.labels(),
                problem: problem.clone(),
            })
    }

    /// The name of its key, or its version id where it holds none.
    pub fn name(&self) -> &str {
        match &self.content {
            Ok(key) => key.version.key_id.as_str(),
            Err(_) => &self.id,
        }
    }

    /// A sentence on what is odd about it, if anything is.
    pub fn note(&self) -> Option<String> {
        let warning = self.content.as_ref().ok()?.oddities.warning()?;
        Some(format!(
            "version {} ({}): {warning}",
            self.id,
            self.labels()
        ))
    }

    /// Its labels for a person, `AWSCURRENT,AWSPENDING`.
    pub fn labels(&self) -> String {
        let labels: Vec<&str> = self.stages.iter().map(StagingLabel::as_str).collect();
        labels.join(",")
    }
}

/// All versions of the secret that can be seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// The secret, as it was asked for.
    pub secret: String,
    /// Its versions, labelled or not, in the order of their ids.
    pub versions: Vec<StoredVersion>,
}

impl Snapshot {
    /// The version that has the label.
    pub fn labelled(&self, label: &StagingLabel) -> Option<&StoredVersion> {
        self.versions.iter().find(|version| version.has(label))
    }

    /// The version that is AWSCURRENT.
    pub fn current(&self) -> Option<&StoredVersion> {
        self.labelled(&StagingLabel::Current)
    }

    /// The version that is AWSPENDING and not AWSCURRENT as well: on AWS, the label may stay after a promotion.
    pub fn staged(&self) -> Option<&StoredVersion> {
        self.labelled(&StagingLabel::Pending)
            .filter(|version| !version.has(&StagingLabel::Current))
    }

    /// The version that is AWSPREVIOUS.
    pub fn previous(&self) -> Option<&StoredVersion> {
        self.labelled(&StagingLabel::Previous)
    }

    /// One version.
    pub fn version(&self, id: &str) -> Option<&StoredVersion> {
        self.versions.iter().find(|version| version.id == id)
    }
}

/// What one running service says of the keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replica {
    /// Where it is.
    pub url: String,
    /// Its keyring, or why it did not tell.
    pub listing: Result<ServedKeys, String>,
}

/// A running service's keyring.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServedKeys {
    /// Its keys.
    pub keys: Vec<ListedKey>,
    /// What is wrong with its source.
    pub faults: Vec<String>,
    /// Why it signs nothing now, whatever its keys; none while it signs.
    pub signing_refused: Option<String>,
    /// Whether the record itself was read, and no service asked.
    pub of_record: bool,
    /// Where its keys come from, as it says; empty where it is not told.
    pub source: String,
    /// By how much the clock of the machine that asked is ahead of its one, where its answer showed that.
    pub ahead: Option<Ahead>,
}

/// One key of a running service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedKey {
    /// Its name, as the service told it.
    pub key_id: String,
    /// Its RFC 7638 thumbprint: of the public key alone.
    pub thumbprint: String,
    /// Its fingerprint: of key, name, window and algorithm.
    pub fingerprint: String,
    /// Its window, where it is told.
    pub window: Option<ValidityWindow>,
    /// Its algorithm, where this program knows it.
    pub algorithm: Option<Algorithm>,
    /// Where it is in its life.
    pub state: KeyState,
    /// From which instant on it is distrusted, where it is revoked.
    pub revoked_from: Option<DateTime<Utc>>,
    /// Whether a signature asked for now is made with it.
    pub signing: bool,
}

impl Replica {
    /// What a record says, as a service on it would.
    pub(super) fn of_record(place: String, keyring: &Keyring, now: DateTime<Utc>) -> Self {
        let listed = keyring.entries().into_iter().map(|entry| ListedKey {
            key_id: entry.version().key_id.to_string(),
            thumbprint: entry.version().public_key.thumbprint(),
            fingerprint: entry.version().fingerprint().to_string(),
            window: Some(entry.version().window),
            algorithm: Some(entry.version().algorithm),
            state: entry.state(now),
            revoked_from: entry
                .revocation()
                .map(|revocation| revocation.distrust_after),
            signing: false,
        });
        Self {
            url: place,
            listing: Ok(ServedKeys {
                keys: listed.collect(),
                faults: Vec::new(),
                signing_refused: None,
                of_record: true,
                source: String::new(),
                ahead: None,
            }),
        }
    }

    /// The keys that it told; none, if it did not answer.
    pub fn keys(&self) -> &[ListedKey] {
        self.listing
            .as_ref()
            .map_or(&[], |listing| listing.keys.as_slice())
    }

    /// What it says of this key once it trusts or has trusted it; another key, window or algorithm of the same name is
    /// none.
    pub fn state_of(&self, version: &KeyVersion) -> Option<KeyState> {
        let fingerprint = version.fingerprint().to_string();
        let mut keys = self.keys().iter();
        keys.find(|key| key.fingerprint == fingerprint && key.state != KeyState::Pending)
            .map(|key| key.state)
    }

    /// How what it has differs from this key, so that it refuses it: under its name another key, window or algorithm, or the same
    /// public key under another name.
    pub fn difference(&self, version: &KeyVersion) -> Option<String> {
        let (name, thumbprint) = (version.key_id.as_str(), version.public_key.thumbprint());
        let fingerprint = version.fingerprint().to_string();
        let had =
            |key: &&ListedKey| key.state != KeyState::Pending && key.fingerprint != fingerprint;
        let mut keys = self.keys().iter().filter(had);
        let other = keys.find(|key| key.key_id == name || key.thumbprint == thumbprint)?;
        if other.key_id != name {
            return Some(format!(
                "has the same public key under the name {}",
                other.key_id
            ));
        }
        let mut differ = Vec::new();
        if other.thumbprint != thumbprint {
            differ.push("another public key".to_owned());
        }
        if let Some(there) = other.window.filter(|there| *there != version.window) {
            differ.push(format!("the window {there}, here {}", version.window));
        }
        if let Some(there) = other.algorithm.filter(|there| *there != version.algorithm) {
            differ.push(format!("the algorithm {there}, here {}", version.algorithm));
        }
        let differ = match differ.is_empty() {
            true => "another window or algorithm".into(),
            false => differ.join(" and "),
        };
        Some(format!(
            "has {differ} under the name {name} (its fingerprint is {}, here {fingerprint})",
            other.fingerprint
        ))
    }

    /// Whether it says that the key is revoked: under this name, or this public key under whatever name, window and
    /// algorithm. Doubt is for the revocation.
    pub fn says_revoked(&self, version: &KeyVersion) -> bool {
        let thumbprint = version.public_key.thumbprint();
        let mut keys = self.keys().iter();
        keys.any(|key| {
            let same = key.key_id == version.key_id.as_str() || key.thumbprint == thumbprint;
            same && key.state == KeyState::Revoked
        })
    }

    /// What is said of a service whose keys are another environment's, by the name of the secret that it reads.
    fn of_another_environment(&self, secret: &str) -> Option<String> {
        let source = &self.listing.as_ref().ok()?.source;
        let there = Environment::of_secret(source.strip_prefix("secretsmanager:")?)?;
        let here = Environment::of_secret(secret)?;
        (there != here).then(|| {
            format!(
                "{OF_ANOTHER}, {there} ({source}), and this is the secret of {here} ({secret}): is it a service of this secret, and of its \
                 record?"
            )
        })
    }

    /// A service of another environment, or one that has keys, and none of those that the secret trusts or has had, is one of another secret or record: what it says
    /// of names that are the same by chance is not to be gone by.
    pub(super) fn distrust_a_stranger(&mut self, snapshot: &Snapshot) {
        if let Some(problem) = self.of_another_environment(&snapshot.secret) {
            self.listing = Err(problem);
            return;
        }
        let keys = snapshot
            .versions
            .iter()
            .filter_map(|version| version.content.as_ref().ok());
        let mut keys = keys
            .map(|key| key.version.fingerprint().to_string())
            .peekable();
        if self.is_record() && self.keys().is_empty() && keys.peek().is_some() {
            self.listing = Err(EMPTY_RECORD.into());
            return;
        }
        let mut listed = self.keys().iter();
        let is_stranger = !self.keys().is_empty()
            && keys.peek().is_some()
            && !keys.any(|here| listed.clone().any(|there| there.fingerprint == here));
        if is_stranger && listed.next().is_some() {
            self.listing = Err(STRANGER.into());
        }
    }

    /// Whether it was found to be one of another secret or record.
    pub(super) fn is_stranger(&self) -> bool {
        self.listing
            .as_ref()
            .is_err_and(|problem| problem == STRANGER || problem.starts_with(OF_ANOTHER))
    }

    /// Whether it is of another environment, by its own words or by its name.
    pub(super) fn is_of_another_environment(&self) -> bool {
        let says = |problem: &String| {
            problem.starts_with(OF_ANOTHER)
                || (self.names_a_record() && OTHER_RECORD.iter().any(|said| problem.contains(said)))
        };
        self.listing.as_ref().is_err_and(says)
    }

    /// Whether it is where a record is, read or not, and no service.
    pub(super) fn names_a_record(&self) -> bool {
        self.url.starts_with("--record ")
    }

    /// Whether it is the record, and that was not read, or is another secret's.
    pub(super) fn is_unread_record(&self) -> bool {
        self.names_a_record() && self.listing.is_err()
    }

    /// Whether a key of this name ever was more than staged there.
    pub fn knows(&self, key_id: &KeyId) -> bool {
        let mut keys = self.keys().iter();
        keys.any(|key| key.key_id == key_id.as_str() && key.state != KeyState::Pending)
    }

    /// Whether it is the record itself, which signs nothing and says nothing of that.
    pub fn is_record(&self) -> bool {
        self.listing.as_ref().is_ok_and(|listing| listing.of_record)
    }

    /// Why it signs nothing now; none while it signs, and where it did not answer.
    pub fn signs_nothing(&self) -> Option<&str> {
        self.listing.as_ref().ok()?.signing_refused.as_deref()
    }

    /// The key that it signs with now.
    pub fn signs_with(&self) -> Option<&str> {
        let mut keys = self.keys().iter();
        keys.find(|key| key.signing).map(|key| key.key_id.as_str())
    }
}
