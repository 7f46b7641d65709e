//! Verdicts on published checkpoints: the same code for the service, the command line and bulk checks.
//!
//! A verdict needs nothing but the checkpoint and a keyring. It does not ask for the time now: an expired key
//! verifies for ever what it signed inside of its window.

use std::fmt;

use chrono::{DateTime, Utc};

use crate::checkpoint::InvalidCheckpoint;
use crate::key::{KeyId, Keyring, instant_text};
use crate::signature::SignedCheckpoint;

/// What a verification found. The order is that of the checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VerdictKind {
    /// It is not a signed checkpoint.
    Malformed,
    /// No trusted key has this `kid`.
    UnknownKey,
    /// The header's `alg` is not the key's.
    AlgorithmMismatch,
    /// The key did not make this signature over this content.
    InvalidSignature,
    /// The header's `iat` is not in the key's window.
    OutsideValidity,
    /// Signed at or after the instant from which the key is distrusted.
    KeyRevoked,
    /// All is well.
    Valid,
}

impl VerdictKind {
    /// The name of the contract, `INVALID_SIGNATURE`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "MALFORMED",
            Self::UnknownKey => "UNKNOWN_KEY",
            Self::AlgorithmMismatch => "ALGORITHM_MISMATCH",
            Self::InvalidSignature => "INVALID_SIGNATURE",
            Self::OutsideValidity => "OUTSIDE_VALIDITY",
            Self::KeyRevoked => "KEY_REVOKED",
            Self::Valid => "VALID",
        }
    }
}

impl fmt::Display for VerdictKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What was found, by whom it claims to be signed and when, and a sentence for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What was found.
    pub kind: VerdictKind,
    /// The header's `kid`.
    pub key_id: Option<KeyId>,
    /// The header's `iat`.
    pub signed_at: Option<DateTime<Utc>>,
    /// A sentence.
    pub explanation: String,
}

impl Verdict {
    /// The verdict on something that is no signed checkpoint.
    pub fn malformed(problem: impl fmt::Display) -> Self {
        Self {
            kind: VerdictKind::Malformed,
            key_id: None,
            signed_at: None,
            explanation: format!("this is not a signed checkpoint: {problem}"),
        }
    }
}

/// Verifies the published JSON, and gives the checkpoint too when it is one.
pub fn verify_published(keyring: &Keyring, text: &[u8]) -> (Verdict, Option<SignedCheckpoint>) {
    match SignedCheckpoint::from_published_json(text) {
        Ok(signed) => (verify(keyring, &signed), Some(signed)),
        Err(error @ InvalidCheckpoint(_)) => (Verdict::malformed(error), None),
    }
}

/// Verifies a signed checkpoint. This is RSA: tens of microseconds of work.
pub fn verify(keyring: &Keyring, signed: &SignedCheckpoint) -> Verdict {
    let header = signed.jws.header();
    let (kid, iat) = (&header.kid, instant_text(header.iat));
    let (kind, explanation) = match keyring.verifying(kid) {
        None => (
            VerdictKind::UnknownKey,
            format!("the keyring has no trusted key {kid}"),
        ),
        Some(entry) => {
            let version = entry.version();
            let revocation = entry.revocation();
            let revocation = revocation.filter(|r| header.iat >= r.distrust_after);
            if header.alg != version.algorithm {
                (
                    VerdictKind::AlgorithmMismatch,
                    format!(
                        "the signature says {}, but {kid} signs with {} only",
                        header.alg, version.algorithm
                    ),
                )
            } else if signed.check(&version.public_key).is_err() {
                (
                    VerdictKind::InvalidSignature,
                    format!("{kid} did not make this signature over this content: it was changed"),
                )
            } else if !version.window.contains(header.iat) {
                (
                    VerdictKind::OutsideValidity,
                    format!(
                        "{kid} signed at {iat}, outside of its window {}",
                        version.window
                    ),
                )
            } else if let Some(revocation) = revocation {
                (
                    VerdictKind::KeyRevoked,
                    format!(
                        "{kid} signed at {iat}, and is distrusted from {} on: {}",
                        instant_text(revocation.distrust_after),
                        revocation.reason
                    ),
                )
            } else {
                (
                    VerdictKind::Valid,
                    format!(
                        "{kid} signed at {iat}, inside of its window {}",
                        version.window
                    ),
                )
            }
        }
    };
    Verdict {
        kind,
        key_id: Some(kid.clone()),
        signed_at: Some(header.iat),
        explanation,
    }
}
