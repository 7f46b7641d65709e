//! What the running services say of their keys, for the rollover: asked over gRPC, all at the same time.

use std::time::Duration;

use async_trait::async_trait;
use checkpoint::key::ValidityWindow;
use chrono::Utc;
use futures_util::future::join_all;
use prost_types::Timestamp;
use tonic::{Request, Status};

use super::{ClientTls, ConnectError, Servers};
use crate::rollover::{Ahead, ListedKey, Replica, ServedKeys, Services};
use crate::source::date::read_date;
use crate::wire;
use crate::wire::proto;
use crate::wire::proto::key_service_client::KeyServiceClient;
use crate::wire::proto::{ListKeysRequest, RefreshKeysRequest};

/// How long a service may take to list its keys.
const LIST_TIMEOUT: Duration = Duration::from_secs(5);

/// How long it may take to read its source first, for which it gives itself ten seconds.
const REFRESH_TIMEOUT: Duration = Duration::from_secs(12);

/// After what time it is told who is waited for.
const TELL_AFTER: Duration = Duration::from_secs(4);

#[async_trait]
impl Services for Servers {
    fn is_empty(&self) -> bool {
        self.urls.is_empty()
    }

    async fn ask(&self, refresh: bool) -> Vec<Replica> {
        let asked = self.urls.iter().map(async |url| {
            let shown = super::shown(url).into_owned();
            let asking = listing(url, &self.tls, refresh);
            // What it reads first takes its time.
            let listing = match refresh {
                true => asking.await,
                false => self.telling(&shown, asking).await,
            };
            Replica {
                url: shown,
                listing,
            }
        });
        join_all(asked).await
    }
}

impl Servers {
    /// Says for whom it is waited, once that takes long.
    async fn telling<T>(&self, url: &str, asking: impl Future<Output = T>) -> T {
        let mut asking = std::pin::pin!(asking);
        match tokio::time::timeout(TELL_AFTER, &mut asking).await {
            Ok(answer) => answer,
            Err(_) => {
                if let Some(tell) = self.waiting {
                    tell(&format!("{url} has not answered yet; it is waited for"));
                }
                asking.await
            }
        }
    }
}

async fn listing(url: &str, tls: &ClientTls, refresh: bool) -> Result<ServedKeys, String> {
    let channel = super::connect(url, tls).await;
    let channel = channel.map_err(|error| match error {
        ConnectError::NoAnswer { reason, .. } => format!("does not answer: {reason}"),
        ConnectError::Mistake { mistake, .. } => mistake.to_string(),
        ConnectError::Url(url) => not_a_url(&url),
        ours @ (ConnectError::Credentials(_)
        | ConnectError::File { .. }
        | ConnectError::Unused { .. }) => ours.to_string(),
    })?;
    let mut client = KeyServiceClient::new(channel);
    if refresh {
        // What is wrong with its source, it lists as well.
        let mut request = Request::new(RefreshKeysRequest {});
        request.set_timeout(REFRESH_TIMEOUT);
        let _ = client.refresh_keys(request).await;
    }
    let asked = Utc::now();
    let mut request = Request::new(ListKeysRequest {});
    // It has them in memory.
    request.set_timeout(LIST_TIMEOUT);
    let answer = match client.list_keys(request).await {
        Ok(answer) => answer,
        Err(status) => return Err(untold(url, tls, &status).await),
    };
    let date = answer.metadata().get("date");
    let date = date.and_then(|date| read_date(date.to_str().ok()).ok());
    let ahead = date.map(|showed| Ahead::of(showed, asked, Utc::now()));
    let answer = answer.into_inner();
    let source = answer.source_status.unwrap_or_default();
    Ok(ServedKeys {
        keys: answer.keys.into_iter().filter_map(listed).collect(),
        signing_refused: Some(answer.signing_refused).filter(|reason| !reason.is_empty()),
        faults: source.faults,
        source: source.source,
        of_record: false,
        ahead,
    })
}

fn not_a_url(found: &str) -> String {
    let expected = match found.contains("://") {
        true => "http://127.0.0.1:50051".into(),
        false => format!("http://{found} or https://{found}"),
    };
    format!("is not the URL of a service; expected for example {expected}")
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
