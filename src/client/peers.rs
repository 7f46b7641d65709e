//! Other replicas of the same record, for the service: asked over gRPC.

use std::collections::HashMap;

use async_trait::async_trait;
use tonic::metadata::MetadataMap;
use tonic_types::StatusExt as _;

use super::{ClientTls, connect, why_lost};
use crate::grpc::record::{RECORD_HOME, RECORD_HOME_NAME};
use crate::grpc::status::{IS_AT, NEWEST_HOME, SEEN_ROOT, SEEN_ROWS, WAS_AT};
use crate::record::home::Home;
use crate::record::witness::KnownHead;
use crate::service::{Peer, PeerAnswer, PeerReply, RevokedKey, SeenBeforeMove, Wrong, place};
use crate::wire;
use crate::wire::proto::key_service_client::KeyServiceClient;
use crate::wire::proto::record_service_client::RecordServiceClient;
use crate::wire::proto::{self, GetRecordHeadRequest, ListKeysRequest};
use checkpoint::log::AnyHead;
use checkpoint::log::head::SignedHead;
use checkpoint::log::proof::TreeHead;

/// Another replica of the same record.
#[derive(Clone, Debug)]
pub struct RemotePeer {
    /// Where it is.
    pub url: String,
    /// How to speak TLS with it.
    pub tls: ClientTls,
}

#[async_trait]
impl Peer for RemotePeer {
    fn url(&self) -> &str {
        &self.url
    }

    async fn tell(&self) -> PeerReply {
        let channel = match connect(&self.url, &self.tls).await {
            Ok(channel) => channel,
            Err(error) => return PeerReply::nothing(error.to_string()),
        };
        let mut client = RecordServiceClient::new(channel);
        let answer = match client.get_record_head(GetRecordHeadRequest {}).await {
            Ok(answer) => answer,
            Err(status) => {
                return match why_lost(&self.url, &self.tls, &status).await {
                    Some(why) => PeerReply::nothing(why),
                    None => refused(&status),
                };
            }
        };
        let (metadata, answer, _) = answer.into_parts();
        let head = answer.record_head.unwrap_or_default();
        let answer = match SignedHead::parse(&head.jws) {
            Ok(head) => {
                let known = KnownHead {
                    place: place(&self.url),
                    head: AnyHead::Jws(Box::new(head)),
                };
                PeerAnswer::Head(known)
            }
            Err(error) => PeerAnswer::Wrong(Wrong::Head(error.to_string())),
        };
        told(answer, &metadata, None)
    }

    async fn revoked(&self) -> Result<Vec<RevokedKey>, String> {
        let channel = connect(&self.url, &self.tls).await;
        let channel = channel.map_err(|error| error.to_string())?;
        let mut client = KeyServiceClient::new(channel);
        let answer = client.list_keys(ListKeysRequest {}).await;
        let answer = answer.map_err(|status| status.message().to_owned())?;
        Ok(answer
            .into_inner()
            .keys
            .iter()
            .filter_map(revoked)
            .collect())
    }
}

fn told(answer: PeerAnswer, metadata: &MetadataMap, seen_at: Option<&str>) -> PeerReply {
    let text = |name| metadata.get(name).and_then(|value| value.to_str().ok());
    let home: Option<Home> = text(RECORD_HOME).and_then(|home| home.parse().ok());
    let seen_at = seen_at.and_then(|home| home.parse().ok());
    PeerReply {
        newest: seen_at.or_else(|| home.clone()),
        signs_at: home.zip(text(RECORD_HOME_NAME).map(str::to_owned)),
        answer,
    }
}

fn refused(status: &tonic::Status) -> PeerReply {
    let problem = status.message().to_owned();
    let info = status.get_details_error_info();
    let details = info.map_or_else(HashMap::new, |info| info.metadata);
    let is_at = details
        .get(IS_AT)
        .and_then(|is_at| is_at.split_once(", started "));
    let seen_at = is_at.map(|(home, _)| home);
    let seen_at = seen_at.or_else(|| details.get(NEWEST_HOME).map(String::as_str));
    let answer = match (vouched(&details), details.contains_key(SEEN_ROWS)) {
        (Some(vouched), _) => PeerAnswer::Moved(vouched),
        (None, true) => PeerAnswer::Wrong(Wrong::WentBack(problem)),
        (None, false) => PeerAnswer::None(problem),
    };
    told(answer, status.metadata(), seen_at)
}

fn vouched(details: &HashMap<String, String>) -> Option<SeenBeforeMove> {
    Some(SeenBeforeMove {
        seen: TreeHead {
            size: details.get(SEEN_ROWS)?.parse().ok()?,
            root: details.get(SEEN_ROOT)?.parse().ok()?,
        },
        was_at: details.get(WAS_AT)?.clone(),
        is_at: details.get(IS_AT)?.clone(),
    })
}

fn revoked(key: &proto::Key) -> Option<RevokedKey> {
    let distrust_after = wire::read_instant(key.revocation.as_ref()?.distrust_after)?;
    Some(RevokedKey {
        key_id: key.key_id.clone(),
        distrust_after: distrust_after.timestamp(),
    })
}
