//! Keys and their states.

use chrono::{DateTime, Utc};

use super::{proto, timestamp};
#[cfg(feature = "aws")]
use checkpoint::key::Algorithm;
use checkpoint::key::StagingLabel;
use checkpoint::keyring::{Endorsement, KeyState, KeyringEntry, Revocation};

/// A key version, with its state now.
pub(crate) fn key(entry: &KeyringEntry, signs: bool, now: DateTime<Utc>) -> proto::Key {
    let version = entry.version();
    let endorsement = entry.endorsement().map(Endorsement::compact);
    let stages = entry.stages().iter();
    proto::Key {
        key_id: version.key_id.to_string(),
        state: proto::KeyState::from(entry.state(now)).into(),
        algorithm: proto::SignatureAlgorithm::from(version.algorithm).into(),
        valid_from: Some(timestamp(version.window.from())),
        valid_until: Some(timestamp(version.window.until())),
        modulus_bits: version.public_key.bits(),
        jwk: entry.to_jwk(),
        public_key_pem: version.public_key.to_pem(),
        thumbprint: version.public_key.thumbprint(),
        fingerprint: version.fingerprint().to_string(),
        version_stages: stages.map(|s| StagingLabel::as_str(s).into()).collect(),
        signing: signs,
        endorsement: endorsement.unwrap_or_default(),
        revocation: entry.revocation().map(proto::Revocation::from),
    }
}

impl From<&Revocation> for proto::Revocation {
    fn from(revocation: &Revocation) -> Self {
        Self {
            distrust_after: Some(timestamp(revocation.distrust_after)),
            reason: revocation.reason.clone(),
            revoked_at: Some(timestamp(revocation.revoked_at)),
        }
    }
}

impl From<KeyState> for proto::KeyState {
    fn from(state: KeyState) -> Self {
        match state {
            KeyState::Pending => Self::Pending,
            KeyState::Scheduled => Self::Scheduled,
            KeyState::Active => Self::Active,
            KeyState::Retired => Self::Retired,
            KeyState::Revoked => Self::Revoked,
        }
    }
}

/// None for an algorithm that this program does not know.
#[cfg(feature = "aws")]
pub(crate) fn read_algorithm(algorithm: proto::SignatureAlgorithm) -> Option<Algorithm> {
    match algorithm {
        proto::SignatureAlgorithm::Unspecified => None,
        proto::SignatureAlgorithm::Ps256 => Some(Algorithm::Ps256),
        proto::SignatureAlgorithm::Rs256 => Some(Algorithm::Rs256),
    }
}

/// None for a state that this program does not know.
pub(crate) fn read_state(state: proto::KeyState) -> Option<KeyState> {
    match state {
        proto::KeyState::Unspecified => None,
        proto::KeyState::Pending => Some(KeyState::Pending),
        proto::KeyState::Scheduled => Some(KeyState::Scheduled),
        proto::KeyState::Active => Some(KeyState::Active),
        proto::KeyState::Retired => Some(KeyState::Retired),
        proto::KeyState::Revoked => Some(KeyState::Revoked),
    }
}
