//! Which revocations are known outside of the record: to this process, and to its peers. None of them may be missing from a record
//! that was promoted or put back before anything is signed on it. Whoever knows of one puts it on record again by itself.

use futures_util::future::join_all;

use super::Witnesses;
use super::witnesses::{PEER_PATIENCE, place};
use crate::client::{self, ClientTls};
use crate::grpc::proto::key_service_client::KeyServiceClient;
use crate::grpc::proto::{self, ListKeysRequest};
use crate::key::Keyring;

/// Seconds since 1970, from which on a peer says that a key is distrusted.
pub(super) struct Revoked {
    key_id: String,
    distrust_after: i64,
}

/// Asks each peer. One that does not answer tells why.
pub(super) async fn ask_all(witnesses: &Witnesses) -> Vec<Result<Vec<Revoked>, String>> {
    let peers = witnesses.peers.iter();
    join_all(peers.map(|url| ask(url, &witnesses.peer_tls))).await
}

async fn ask(url: &str, tls: &ClientTls) -> Result<Vec<Revoked>, String> {
    let asked = async {
        let channel = client::connect(url, tls).await;
        let channel = channel.map_err(|error| error.to_string())?;
        let mut client = KeyServiceClient::new(channel);
        let answer = client.list_keys(ListKeysRequest {}).await;
        answer.map_err(|status| status.message().to_owned())
    };
    let answer = tokio::time::timeout(PEER_PATIENCE, asked).await;
    let answer = answer.unwrap_or_else(|_| Err("no answer in time".into()));
    let answer = answer.map_err(|problem| {
        format!(
            "{}: does not tell which keys are revoked: {problem}",
            place(url)
        )
    })?;
    Ok(answer.into_inner().keys.iter().filter_map(read).collect())
}

fn read(key: &proto::Key) -> Option<Revoked> {
    let distrust_after = key.revocation.as_ref()?.distrust_after?;
    Some(Revoked {
        key_id: key.key_id.clone(),
        distrust_after: distrust_after.seconds,
    })
}

/// The first that is not on record.
pub(super) fn missing<'a>(recorded: &Keyring, revoked: &'a [Revoked]) -> Option<&'a str> {
    let is_on_record = |revoked: &&Revoked| {
        let key_id = revoked.key_id.parse().ok();
        let entry = key_id.and_then(|key_id| recorded.get(&key_id));
        let known = entry.and_then(|entry| entry.revocation());
        known.is_some_and(|known| known.distrust_after.timestamp() <= revoked.distrust_after)
    };
    let missing = revoked.iter().find(|revoked| !is_on_record(revoked))?;
    Some(&missing.key_id)
}
