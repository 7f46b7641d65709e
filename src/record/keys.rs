//! The keyring as the rows of a store make it: a row that says something else than it may is damage.

use super::RecordError;
use super::row::{instant, parse};
use checkpoint::key::{KeyId, KeyVersion, PublicKey, ValidityWindow};
use checkpoint::keyring::{Endorsement, Keyring, Revocation};

/// A key version as a store gives it; times are seconds since 1970.
pub(super) struct VersionRow {
    pub(super) key_id: String,
    /// SubjectPublicKeyInfo, in DER.
    pub(super) public_key: Vec<u8>,
    pub(super) algorithm: String,
    pub(super) valid_from: i64,
    pub(super) valid_until: i64,
}

/// The same of a revocation.
pub(super) struct RevocationRow {
    pub(super) key_id: String,
    pub(super) distrust_after: i64,
    pub(super) reason: String,
    pub(super) revoked_at: i64,
}

/// Takes rows: the versions first.
#[derive(Default)]
pub(super) struct Rows(Keyring);

impl Rows {
    pub(super) fn version(&mut self, row: &VersionRow) -> Result<(), RecordError> {
        let key_id = &row.key_id;
        let damaged = |problem: String| RecordError::Damaged(format!("key {key_id}: {problem}"));
        let public_key = PublicKey::from_der(&row.public_key);
        let window = ValidityWindow::new(instant(row.valid_from)?, instant(row.valid_until)?);
        let version = KeyVersion {
            key_id: parse("key_id", key_id)?,
            public_key: public_key.map_err(|e| damaged(e.to_string()))?,
            algorithm: parse("algorithm", &row.algorithm)?,
            window: window.map_err(|e| damaged(e.to_string()))?,
        };
        self.0.insert(version).map_err(|e| damaged(e.to_string()))
    }

    pub(super) fn endorsement(&mut self, key_id: &str, jws: &str) -> Result<(), RecordError> {
        let key_id: KeyId = parse("key_id", key_id)?;
        let endorsement = Endorsement::parse(jws)
            .map_err(|error| RecordError::Damaged(format!("endorsement of {key_id}: {error}")))?;
        self.0.endorse(&key_id, endorsement);
        Ok(())
    }

    pub(super) fn revocation(&mut self, row: RevocationRow) -> Result<(), RecordError> {
        let key_id: KeyId = parse("key_id", &row.key_id)?;
        let (after, at) = (instant(row.distrust_after)?, instant(row.revoked_at)?);
        let revocation = Revocation::new(after, row.reason, at)
            .map_err(|fault| RecordError::Damaged(format!("revocation of {key_id}: {fault}")))?;
        self.0.revoke(&key_id, revocation);
        Ok(())
    }

    pub(super) fn keyring(self) -> Keyring {
        self.0
    }
}
