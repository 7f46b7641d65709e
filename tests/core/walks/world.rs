//! Secrets Manager and the services, as models: what the labels and the record are, and what the services make of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use checkpoint::key::{
    Algorithm, KeyId, KeyVersion, StagingLabel, ValidityWindow, instant_text, parse_instant,
};
use checkpoint::keyring::KeyState;
use checkpoint::signing::KeySecret;
use checkpoint_signer::rollover::{
    Ahead, LabelChange, ListedKey, Replica, ServedKeys, Situation, Snapshot, StoredKey,
    StoredVersion,
};
use chrono::{DateTime, TimeDelta, Utc};
use zeroize::Zeroizing;

use StagingLabel::{Current, Previous};

/// Private keys, enough for the longest walk.
static KEYS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let window = ValidityWindow::new(at("2025-01-01"), at("2026-01-01")).unwrap();
    let make = |_| {
        let made = KeySecret::generate(name("any"), window, Algorithm::Ps256, 2048, None);
        let document: serde_json::Value = serde_json::from_str(&made.unwrap().0).unwrap();
        document["private_key"].as_str().unwrap().to_owned()
    };
    (0..16).map(make).collect()
});

/// As a service tells it.
const DENIED: &str = "AWSPREVIOUS: secret: the key source cannot be read: amply/checkpoint-signing-key (eu-central-1, AWSPREVIOUS): \
                      AccessDeniedException: not authorized";

pub fn at(text: &str) -> DateTime<Utc> {
    parse_instant(text).unwrap()
}

pub fn name(text: &str) -> KeyId {
    text.parse().unwrap()
}

/// A key as a document has it: which of the private keys, its name and window.
#[derive(Clone)]
pub struct Document {
    pub private: usize,
    pub stored: StoredKey,
}

impl Document {
    pub fn new(private: usize, key_id: &KeyId, window: ValidityWindow) -> Self {
        let secret = secret(private, key_id, window);
        Self {
            private,
            stored: StoredKey {
                version: secret.version().clone(),
                endorsement: None,
                oddities: Default::default(),
            },
        }
    }
}

pub fn secret(private: usize, key_id: &KeyId, window: ValidityWindow) -> KeySecret {
    let document = serde_json::json!({
        "private_key": KEYS[private], "key_id": key_id.as_str(),
        "valid_from": instant_text(window.from()), "valid_until": instant_text(window.until()),
    });
    KeySecret::parse(&Zeroizing::new(document.to_string()), None).unwrap()
}

/// One version of the secret.
#[derive(Clone)]
pub struct Stored {
    pub id: String,
    pub stages: BTreeSet<StagingLabel>,
    pub content: Option<Document>,
}

/// Secrets Manager, as its API reference has it, and the services on it.
pub struct World {
    pub now: DateTime<Utc>,
    pub versions: Vec<Stored>,
    pub made: usize,
    pub keys_made: usize,
    /// What the record has.
    pub known: BTreeMap<KeyId, KeyVersion>,
    pub revoked: BTreeSet<KeyId>,
    /// What the services trust: from the labels, or, where these cannot be read, from before.
    pub trusted: Vec<KeyVersion>,
    /// What they say is wrong with what they read.
    pub faults: Vec<String>,
    /// Whether they are denied what is AWSPREVIOUS.
    pub denied: bool,
    /// By how much the operator's clock is wrong.
    pub ahead: TimeDelta,
    /// What has happened, for who reads of a failure.
    pub story: Vec<String>,
}

impl World {
    pub fn new() -> Self {
        let mut world = Self {
            now: at("2025-06-01"),
            versions: Vec::new(),
            made: 0,
            keys_made: 0,
            known: BTreeMap::new(),
            revoked: BTreeSet::new(),
            trusted: Vec::new(),
            faults: Vec::new(),
            denied: false,
            ahead: TimeDelta::zero(),
            story: Vec::new(),
        };
        let window = ValidityWindow::new(at("2025-01-01"), at("2026-01-01")).unwrap();
        let first = world.new_key(&name("key-2025"), window);
        world.put(Some(first), Current);
        world.refresh();
        world
    }

    pub fn new_key(&mut self, key_id: &KeyId, window: ValidityWindow) -> Document {
        self.keys_made += 1;
        Document::new(self.keys_made - 1, key_id, window)
    }

    pub fn tell(&mut self, what: impl Into<String>) {
        self.story.push(what.into());
    }

    pub fn put(&mut self, content: Option<Document>, label: StagingLabel) {
        self.made += 1;
        let id = format!("version-{:02}", self.made);
        self.versions.push(Stored {
            id: id.clone(),
            stages: BTreeSet::new(),
            content,
        });
        self.label(&label, Some(&id));
    }

    /// A version has a label, or none has; AWSPREVIOUS follows where AWSCURRENT moves.
    pub fn label(&mut self, label: &StagingLabel, to: Option<&str>) {
        let before = self.labelled(label).map(|version| version.id.clone());
        for version in &mut self.versions {
            version.stages.remove(label);
            if to == Some(version.id.as_str()) {
                version.stages.insert(label.clone());
            }
        }
        if *label == Current
            && let Some(before) = before
            && to != Some(before.as_str())
        {
            self.label(&Previous, Some(&before));
        }
    }

    pub fn labelled(&self, label: &StagingLabel) -> Option<&Stored> {
        let mut versions = self.versions.iter();
        versions.find(|version| version.stages.contains(label))
    }

    /// Every service reads the secret.
    pub fn refresh(&mut self) {
        let (mut fresh, mut faults) = (Vec::new(), Vec::new());
        for label in [Current, Previous] {
            if self.denied && label == Previous {
                faults.push(DENIED.to_owned());
                continue;
            }
            let Some(version) = self.labelled(&label) else {
                continue;
            };
            match version
                .content
                .as_ref()
                .map(|key| key.stored.version.clone())
            {
                Some(key) if self.takes(&key) => {
                    self.known.insert(key.key_id.clone(), key.clone());
                    fresh.push(key);
                }
                _ => faults.push(format!("{}: is refused", label.as_str())),
            }
        }
        if !faults.is_empty() {
            fresh.append(&mut self.trusted);
        }
        (self.trusted, self.faults) = (fresh, faults);
    }

    pub fn takes(&self, key: &KeyVersion) -> bool {
        self.known
            .values()
            .all(|known| match known.key_id == key.key_id {
                true => known == key,
                false => known.public_key != key.public_key,
            })
    }

    pub fn restart(&mut self) {
        self.trusted.clear();
        self.refresh();
    }

    fn can_sign(&self, key: &KeyVersion) -> bool {
        key.window.contains(self.now) && !self.revoked.contains(&key.key_id)
    }

    pub fn signs(&self) -> Option<&KeyVersion> {
        let trusted = self.trusted.iter().filter(|key| self.can_sign(key));
        trusted.max_by_key(|key| (key.window.from(), key.key_id.clone()))
    }

    /// Whether one that was started now would sign: with what it can read alone.
    pub fn would_sign(&self) -> bool {
        let read = |label: &StagingLabel| !self.denied || *label != Previous;
        let labels = [Current, Previous].into_iter().filter(read);
        let mut keys = labels.filter_map(|label| self.labelled(&label)?.content.as_ref());
        keys.any(|key| {
            let version = &key.stored.version;
            self.takes(version) && self.can_sign(version)
        })
    }

    pub fn situation(&self) -> Situation {
        let mut versions: Vec<StoredVersion> = self
            .versions
            .iter()
            .map(|version| StoredVersion {
                id: version.id.clone(),
                stages: version.stages.iter().cloned().collect(),
                content: match &version.content {
                    Some(key) => Ok(key.stored.clone()),
                    None => Err("private_key: is missing".into()),
                },
                hidden: false,
            })
            .collect();
        versions.sort_by(|a, b| a.id.cmp(&b.id));
        let signs = self.signs().map(|key| &key.key_id);
        let keys = self.known.values().map(|key| ListedKey {
            key_id: key.key_id.to_string(),
            thumbprint: key.public_key.thumbprint(),
            fingerprint: key.fingerprint().to_string(),
            window: Some(key.window),
            algorithm: Some(key.algorithm),
            state: self.state(key),
            revoked_from: None,
            signing: signs == Some(&key.key_id),
        });
        Situation {
            snapshot: Snapshot {
                secret: "amply/checkpoint-signing-key".into(),
                versions,
            },
            replicas: vec![Replica {
                url: "http://replica".into(),
                listing: Ok(ServedKeys {
                    keys: keys.collect(),
                    faults: self.faults.clone(),
                    signing_refused: None,
                    of_record: false,
                    source: String::new(),
                    ahead: None,
                }),
            }],
            now: self.now + self.ahead,
            secrets_manager: {
                let shows = self.now + self.ahead;
                Some(Ahead::of(self.now, shows, shows))
            },
            without_asking: false,
        }
    }

    pub fn state(&self, key: &KeyVersion) -> KeyState {
        match () {
            () if self.revoked.contains(&key.key_id) => KeyState::Revoked,
            () if !self.trusted.contains(key) || key.window.until() <= self.now => {
                KeyState::Retired
            }
            () if self.now < key.window.from() => KeyState::Scheduled,
            () => KeyState::Active,
        }
    }

    pub fn apply(&mut self, changes: &[LabelChange]) {
        for change in changes {
            let found = self
                .labelled(&change.label)
                .map(|version| version.id.clone());
            if found == change.to {
                continue;
            }
            assert_eq!(found, change.from, "the label is not where the call says");
            self.label(&change.label, change.to.as_deref());
            // They may read at any moment.
            self.refresh();
        }
    }
}
