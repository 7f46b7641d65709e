//! The changes of labels, as values: decided first, shown by `--dry-run`, and made one at a time; and the token of
//! the one key that may be staged.

use std::fmt;

use sha2::{Digest, Sha256};

use super::snapshot::Snapshot;
use checkpoint::hex::Hex;
use checkpoint::key::StagingLabel;

/// One call of UpdateSecretVersionStage. It names the version that has the label now, so that it is carried out
/// only if nobody has moved it meanwhile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum LabelChange {
    /// Moves AWSCURRENT; AWSPREVIOUS follows to the version that it is taken from (AWS,
    /// UpdateSecretVersionStage).
    Promote {
        /// The version that has it.
        from: String,
        /// The version that gets it.
        to: String,
    },
    /// Takes a label away.
    Remove {
        /// The label.
        label: StagingLabel,
        /// The version that has it.
        from: String,
    },
}

impl LabelChange {
    /// The version whose key it is about.
    pub(super) fn version(&self) -> &str {
        match self {
            Self::Promote { to, .. } => to,
            Self::Remove { from, .. } => from,
        }
    }

    /// Whether it was carried out.
    pub(super) fn holds_in(&self, snapshot: &Snapshot) -> bool {
        match self {
            Self::Promote { to, .. } => {
                let to = snapshot.version(to);
                to.is_some_and(|version| version.has(&StagingLabel::Current))
            }
            Self::Remove { label, from } => {
                let from = snapshot.version(from);
                !from.is_some_and(|version| version.has(label))
            }
        }
    }
}

impl fmt::Display for LabelChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Promote { from, to } => write!(
                f,
                "UpdateSecretVersionStage VersionStage=AWSCURRENT RemoveFromVersionId={from} \
                 MoveToVersionId={to}"
            ),
            Self::Remove { label, from } => write!(
                f,
                "UpdateSecretVersionStage VersionStage={} RemoveFromVersionId={from}",
                label.as_str()
            ),
        }
    }
}

impl Snapshot {
    /// The ClientRequestToken of the one key that may be staged as things are: made from the secret's name and
    /// the versions that it has. Two operators who see the same get the same, and Secrets Manager takes only one
    /// of their keys; after a key was staged or given up, it is another one.
    pub fn stage_token(&self) -> String {
        let mut digest = Sha256::new();
        digest.update(b"checkpoint-signer rollover stage");
        // In the order of their ids already.
        let ids = self.versions.iter().map(|version| version.id.as_str());
        for part in std::iter::once(self.secret.as_str()).chain(ids) {
            digest.update([0]);
            digest.update(part);
        }
        // 32 to 64 characters are allowed (AWS, PutSecretValue).
        Hex(&digest.finalize()).to_string()
    }
}
