//! What a process once read of the keys on record is never forgotten: a restored backup, or a standby that lagged and was promoted,
//! takes no revocation back. It is put on record again, by every replica that knows of it.

use chrono::{DateTime, Utc};

use crate::audit::{self, Asked, Outcome};
use crate::record::{Record, RecordError, RegisterError};
use checkpoint::keyring::Keyring;

/// Puts on record again what it has lost of the keys. Meanwhile, `known` holds.
///
/// # Errors
/// [`RecordError`] when it cannot be written now; to be tried again.
pub(super) async fn put_right(
    record: &dyn Record,
    found: &Keyring,
    known: &Keyring,
    now: DateTime<Utc>,
) -> Result<(), RecordError> {
    for entry in found.lacks(known) {
        let key_id = &entry.version().key_id;
        let is_revoked = entry.revocation().is_some();
        tracing::error!(
            %key_id,
            revoked = is_revoked,
            "the record has lost what it said of a key: an older state was put in its place; what was read before holds, and is put \
             on record again"
        );
        let registered = record.register_key(entry.version(), entry.endorsement(), now);
        match registered.await {
            Ok(()) => {}
            Err(RegisterError::Store(error)) => return Err(error),
            Err(RegisterError::Conflict(conflict)) => {
                tracing::error!(%key_id, %conflict, "the key is not put on record again");
                continue;
            }
        }
        if let Some(revocation) = entry.revocation() {
            record.revoke_key(key_id, revocation.clone()).await?;
        }
        let act = match is_revoked {
            true => "revoke again",
            false => "register again",
        };
        let asked = Asked {
            who: "the replica",
            request_id: "",
        };
        audit::keys(act, asked, key_id.as_str(), Outcome::Done);
    }
    Ok(())
}
