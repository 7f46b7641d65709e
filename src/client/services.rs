//! What the running services say of their keys, for the rollover: asked over gRPC, all at the same time.

use async_trait::async_trait;
use checkpoint::key::ValidityWindow;
use futures_util::future::join_all;
use prost_types::Timestamp;
use tonic::Status;

use super::{ClientTls, ConnectError, Servers};
use crate::rollover::{ListedKey, Replica, ServedKeys, Services};
use crate::wire;
use crate::wire::proto;
use crate::wire::proto::key_service_client::KeyServiceClient;
use crate::wire::proto::{ListKeysRequest, RefreshKeysRequest};

#[async_trait]
impl Services for Servers {
    fn is_empty(&self) -> bool {
        self.urls.is_empty()
    }

    async fn ask(&self, refresh: bool) -> Vec<Replica> {
        let asked = self.urls.iter().map(async |url| Replica {
            url: super::shown(url).into_owned(),
            listing: listing(url, &self.tls, refresh).await,
        });
        join_all(asked).await
    }
}

async fn listing(url: &str, tls: &ClientTls, refresh: bool) -> Result<ServedKeys, String> {
    let channel = super::connect(url, tls).await;
    let channel = channel.map_err(|error| match error {
        ConnectError::NoAnswer { reason, .. } => format!("does not answer: {reason}"),
        ConnectError::Mistake { mistake, .. } => mistake.to_string(),
        ConnectError::Url(_) => "is not the URL of a service".into(),
        ours @ (ConnectError::Credentials(_)
        | ConnectError::File { .. }
        | ConnectError::Unused { .. }) => ours.to_string(),
    })?;
    let mut client = KeyServiceClient::new(channel);
    if refresh {
        // What is wrong with its source, it lists as well.
        let _ = client.refresh_keys(RefreshKeysRequest {}).await;
    }
    let answer = match client.list_keys(ListKeysRequest {}).await {
        Ok(answer) => answer.into_inner(),
        Err(status) => return Err(untold(url, tls, &status).await),
    };
    Ok(ServedKeys {
        keys: answer.keys.into_iter().filter_map(listed).collect(),
        signing_refused: Some(answer.signing_refused).filter(|reason| !reason.is_empty()),
        faults: answer.source_status.unwrap_or_default().faults,
        of_record: false,
    })
}

async fn untold(url: &str, tls: &ClientTls, status: &Status) -> String {
    match super::why_lost(url, tls, status).await {
        Some(why) => why,
        None => format!("does not tell its keys: {}", status.message()),
    }
}

/// None for a state that this program does not know.
fn listed(key: proto::Key) -> Option<ListedKey> {
    let (state, algorithm) = (wire::read_state(key.state())?, key.algorithm());
    Some(ListedKey {
        key_id: key.key_id,
        thumbprint: key.thumbprint,
        fingerprint: key.fingerprint,
        window: window(key.valid_from, key.valid_until),
        algorithm: wire::read_algorithm(algorithm),
        state,
        revoked_from: key
            .revocation
            .and_then(|r| wire::read_instant(r.distrust_after)),
        signing: key.signing,
    })
}

fn window(from: Option<Timestamp>, until: Option<Timestamp>) -> Option<ValidityWindow> {
    ValidityWindow::new(wire::read_instant(from)?, wire::read_instant(until)?).ok()
}
