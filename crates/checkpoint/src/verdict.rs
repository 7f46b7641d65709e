//! Verdicts on published checkpoints: the same code for the service, the command line and bulk checks.
//!
//! A verdict needs nothing but the checkpoint and a keyring. It does not ask for the time now: an expired key
//! verifies for ever what it signed inside of its window.

use std::fmt;

use chrono::{DateTime, Utc};

use crate::checkpoint::InvalidCheckpoint;
use crate::jws::{DetachedJws, ProtectedHeader, SignedCheckpoint};
use crate::key::{KeyId, PublicKey, instant_text};
use crate::keyring::{Keyring, KeyringEntry};

/// What a verification found. The order is that of the checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
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
    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::Malformed,
        Self::UnknownKey,
        Self::AlgorithmMismatch,
        Self::InvalidSignature,
        Self::OutsideValidity,
        Self::KeyRevoked,
        Self::Valid,
    ];

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
    let payload = signed.checkpoint.payload().as_bytes();
    let kind = judge(keyring, &signed.jws, payload);
    Verdict {
        kind,
        key_id: Some(signed.jws.header().kid.clone()),
        signed_at: Some(signed.jws.header().iat),
        explanation: explain(keyring, kind, signed.jws.header()),
    }
}

/// The verdict on a signature over a payload (the RFC 8785 bytes).
pub fn judge(keyring: &Keyring, jws: &DetachedJws, payload: &[u8]) -> VerdictKind {
    let made_by = |key: &PublicKey| jws.check(payload, key).is_ok();
    judge_header(keyring, jws.header(), made_by)
}

/// The verdict on a signature of which this is the header, and `made_by` says whether a key made it.
pub fn judge_header(
    keyring: &Keyring,
    header: &ProtectedHeader,
    made_by: impl FnOnce(&PublicKey) -> bool,
) -> VerdictKind {
    let Some(entry) = keyring.verifying(&header.kid) else {
        return VerdictKind::UnknownKey;
    };
    let version = entry.version();
    if header.alg != version.algorithm {
        return VerdictKind::AlgorithmMismatch;
    }
    if !made_by(&version.public_key) {
        return VerdictKind::InvalidSignature;
    }
    if !version.window.contains(header.iat) {
        return VerdictKind::OutsideValidity;
    }
    match entry.revocation() {
        Some(revocation) if header.iat >= revocation.distrust_after => VerdictKind::KeyRevoked,
        _ => VerdictKind::Valid,
    }
}

/// A verdict of [`judge`] as a sentence.
pub fn explain(keyring: &Keyring, kind: VerdictKind, header: &ProtectedHeader) -> String {
    let (kid, iat) = (&header.kid, instant_text(header.iat));
    let entry = keyring.verifying(kid);
    let version = entry.map(KeyringEntry::version);
    let window = version.map_or_else(String::new, |version| version.window.to_string());
    match kind {
        VerdictKind::Malformed => "this is not a signed checkpoint".into(),
        VerdictKind::UnknownKey => format!("the keyring has no trusted key {kid}"),
        VerdictKind::AlgorithmMismatch => {
            let algorithm = version.map_or("another algorithm", |v| v.algorithm.as_str());
            let alg = header.alg;
            format!("the signature says {alg}, but {kid} signs with {algorithm} only")
        }
        VerdictKind::InvalidSignature => {
            format!("{kid} did not make this signature over this content: it was changed")
        }
        VerdictKind::OutsideValidity => {
            format!("{kid} signed at {iat}, outside of its window {window}")
        }
        VerdictKind::KeyRevoked => {
            let (from, reason) = entry.and_then(KeyringEntry::revocation).map_or_else(
                Default::default,
                |revocation| {
                    (
                        instant_text(revocation.distrust_after),
                        revocation.reason.as_str(),
                    )
                },
            );
            format!("{kid} signed at {iat}, and is distrusted from {from} on: {reason}")
        }
        VerdictKind::Valid => format!("{kid} signed at {iat}, inside of its window {window}"),
    }
}
