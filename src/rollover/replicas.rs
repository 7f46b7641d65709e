//! What the running services say: asked over gRPC, all at the same time.

use std::time::Duration;

use tonic::Status;

use super::snapshot::{ListedKey, Listing, Replica};
use crate::client::{self, ClientTls, ConnectError, Servers};
use crate::grpc::proto;
use crate::grpc::proto::key_service_client::KeyServiceClient;
use crate::grpc::proto::{ListKeysRequest, RefreshKeysRequest};
use crate::key::{KeyState, KeyVersion};

/// How often a service is asked while waiting for it.
const ASK_EVERY: Duration = Duration::from_secs(2);

/// Asks every service for its keyring; `refresh` has it read its source first.
pub(super) async fn ask(servers: &Servers, refresh: bool) -> Vec<Replica> {
    let asked = servers.urls.iter().map(async |url| Replica {
        url: url.clone(),
        listing: listing(url, &servers.tls, refresh).await,
    });
    futures_util::future::join_all(asked).await
}

async fn listing(url: &str, tls: &ClientTls, refresh: bool) -> Result<Listing, String> {
    let channel = client::connect(url, tls).await;
    let channel = channel.map_err(|error| match error {
        ConnectError::NoAnswer { reason, .. } => format!("does not answer: {reason}"),
        ConnectError::Url(_) => "is not the URL of a service".into(),
        ours @ (ConnectError::File { .. } | ConnectError::Unused { .. }) => ours.to_string(),
    })?;
    let mut client = KeyServiceClient::new(channel);
    if refresh {
        // What is wrong with its source, it lists as well.
        let _ = client.refresh_keys(RefreshKeysRequest {}).await;
    }
    let told = |status: Status| format!("does not tell its keys: {}", status.message());
    let answer = client.list_keys(ListKeysRequest {}).await.map_err(told)?;
    let answer = answer.into_inner();
    Ok(Listing {
        keys: answer.keys.into_iter().filter_map(listed).collect(),
        faults: answer.source_status.unwrap_or_default().faults,
    })
}

/// None for a state that this program does not know.
fn listed(key: proto::Key) -> Option<ListedKey> {
    let state = match key.state() {
        proto::KeyState::Unspecified => return None,
        proto::KeyState::Pending => KeyState::Pending,
        proto::KeyState::Scheduled => KeyState::Scheduled,
        proto::KeyState::Active => KeyState::Active,
        proto::KeyState::Retired => KeyState::Retired,
        proto::KeyState::Revoked => KeyState::Revoked,
    };
    Some(ListedKey {
        key_id: key.key_id,
        thumbprint: key.thumbprint,
        fingerprint: key.fingerprint,
        state,
        signing: key.signing,
    })
}

/// Waits until every service lists the key.
///
/// # Errors
/// Which do not, and why, once `patience` has passed.
pub(super) async fn wait_for(
    servers: &Servers,
    version: &KeyVersion,
    patience: Duration,
) -> Result<Vec<Replica>, Vec<String>> {
    let start = tokio::time::Instant::now();
    loop {
        let replicas = ask(servers, true).await;
        let missing: Vec<String> = replicas
            .iter()
            .filter_map(|replica| missing(replica, version))
            .collect();
        if missing.is_empty() {
            return Ok(replicas);
        }
        if start.elapsed() + ASK_EVERY > patience {
            return Err(missing);
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
}

/// Why the service cannot be taken to have the key.
pub(super) fn missing(replica: &Replica, version: &KeyVersion) -> Option<String> {
    let problem = match &replica.listing {
        Err(problem) => problem.clone(),
        Ok(_) if replica.state_of(version).is_some() => return None,
        Ok(_) if let Some(difference) = replica.difference(version) => difference,
        Ok(listing) if listing.faults.is_empty() => {
            format!("does not list {}", version.key_id)
        }
        Ok(listing) => format!(
            "does not list {}: {}",
            version.key_id,
            listing.faults.join("; ")
        ),
    };
    Some(format!("{}: {problem}", replica.url))
}
