//! The changes of labels, as values: decided first, shown by `--dry-run`, and made one at a time; and the token of
//! the one key that may be staged.

use std::fmt;

use sha2::{Digest, Sha256};

use super::snapshot::Snapshot;
use checkpoint::hex::Hex;
use checkpoint::key::StagingLabel;

/// How the token of a rotation's second key begins.
const OF_ROTATION: &str = "rotation-";

/// One call of UpdateSecretVersionStage (AWS, API reference). It names the version that has the label now, so that it is
/// carried out only if nobody has moved it meanwhile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelChange {
    /// The label.
    pub label: StagingLabel,
    /// The version that has it; none when no version has.
    pub from: Option<String>,
    /// The version that gets it; none when it is taken away. Where AWSCURRENT is moved, AWSPREVIOUS follows to the version that
    /// it is taken from.
    pub to: Option<String>,
}

impl LabelChange {
    /// Moves a label from where it is, if it is anywhere.
    pub(super) fn give(label: StagingLabel, snapshot: &Snapshot, to: &str) -> Self {
        let from = snapshot.labelled(&label).map(|version| version.id.clone());
        Self {
            label,
            from,
            to: Some(to.into()),
        }
    }

    /// Takes a label away.
    pub(super) fn take(label: StagingLabel, from: &str) -> Self {
        Self {
            label,
            from: Some(from.into()),
            to: None,
        }
    }

    /// The version whose key it is about.
    pub(super) fn version(&self) -> &str {
        let version = self.to.as_ref().or(self.from.as_ref());
        version.map_or("", String::as_str)
    }

    /// Whether it was carried out.
    pub(super) fn holds_in(&self, snapshot: &Snapshot) -> bool {
        let has = |id: &String| {
            let version = snapshot.version(id);
            version.is_some_and(|version| version.has(&self.label))
        };
        match (&self.to, &self.from) {
            (Some(to), _) => has(to),
            (None, Some(from)) => !has(from),
            (None, None) => true,
        }
    }
}

impl fmt::Display for LabelChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let label = self.label.as_str();
        write!(f, "UpdateSecretVersionStage VersionStage={label}")?;
        if let Some(from) = &self.from {
            write!(f, " RemoveFromVersionId={from}")?;
        }
        match &self.to {
            Some(to) => write!(f, " MoveToVersionId={to}"),
            None => Ok(()),
        }
    }
}

impl Snapshot {
    /// As Secrets Manager leaves it after a change.
    pub(super) fn after(&self, change: &LabelChange) -> Self {
        let mut after = self.clone();
        after.put_label(&change.label, change.to.as_deref());
        if change.label == StagingLabel::Current && change.from != change.to {
            after.put_label(&StagingLabel::Previous, change.from.as_deref());
        }
        after
    }

    fn put_label(&mut self, label: &StagingLabel, to: Option<&str>) {
        for version in &mut self.versions {
            version.stages.retain(|found| found != label);
            if to == Some(version.id.as_str()) {
                version.stages.push(label.clone());
                version.stages.sort();
            }
        }
    }

    /// The ClientRequestToken of the one key that may be staged as things are: made from the secret's name and
    /// the versions that it has. Two operators who see the same get the same, and Secrets Manager takes only one
    /// of their keys; after a key was staged or given up, it is another one.
    pub fn stage_token(&self) -> String {
        // 32 to 64 characters are allowed (AWS, PutSecretValue).
        Hex(&self.token(b"checkpoint-signer rollover stage")).to_string()
    }

    /// The same of a key that a rotation puts in place of another one: told apart from what a person has staged.
    pub(super) fn rotation_token(&self) -> String {
        let token = self.token(b"checkpoint-signer rotation");
        let half = token.get(..16).unwrap_or(&token);
        format!("{OF_ROTATION}{}", Hex(half))
    }

    /// Whether a version was put by `rollover stage`: Secrets Manager's own tokens are UUIDs.
    pub(super) fn is_of_stage(id: &str) -> bool {
        id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit())
    }

    fn token(&self, purpose: &[u8]) -> Vec<u8> {
        let mut digest = Sha256::new();
        digest.update(purpose);
        // In the order of their ids already.
        let ids = self.versions.iter().map(|version| version.id.as_str());
        for part in std::iter::once(self.secret.as_str()).chain(ids) {
            digest.update([0]);
            digest.update(part);
        }
        digest.finalize().to_vec()
    }
}
