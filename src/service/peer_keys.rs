//! Which revocations are known outside of the record: to this process, and to its peers. None of them may be missing from a record
//! that was promoted or put back before anything is signed on it. Whoever knows of one puts it on record again by itself.

use std::sync::Arc;

use futures_util::future::join_all;

use super::peer::{Peer, RevokedKey, revoked_in_time};
use checkpoint::keyring::Keyring;

/// Asks each peer. One that does not answer tells why.
pub(super) async fn ask_all(peers: &[Arc<dyn Peer>]) -> Vec<Result<Vec<RevokedKey>, String>> {
    let peers = peers.iter();
    join_all(peers.map(|peer| revoked_in_time(peer.as_ref()))).await
}

/// The first that is not on record.
pub(super) fn missing<'a>(recorded: &Keyring, revoked: &'a [RevokedKey]) -> Option<&'a str> {
    let is_on_record = |revoked: &&RevokedKey| {
        let key_id = revoked.key_id.parse().ok();
        let entry = key_id.and_then(|key_id| recorded.get(&key_id));
        let known = entry.and_then(|entry| entry.revocation());
        known.is_some_and(|known| known.distrust_after.timestamp() <= revoked.distrust_after)
    };
    let missing = revoked.iter().find(|revoked| !is_on_record(revoked))?;
    Some(&missing.key_id)
}
