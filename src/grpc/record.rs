//! `RecordService`.

use prost::Message as _;
use tonic::{Request, Response, Status};

use super::proto::record_service_server::RecordService;
use super::proto::{
    GetSignedCheckpointRequest, GetSignedCheckpointResponse, ListSignedCheckpointsRequest,
    ListSignedCheckpointsResponse, SignedCheckpoint as WireSignedCheckpoint,
};
use super::{Inner, convert, status};
use crate::identifier::IdentifierError;
use crate::paging::{self, FilterDigest};
use crate::record::{Filter, Receipt};

const DEFAULT_PAGE: u32 = 100;
const MAX_PAGE: u32 = 1000;

/// Answers `RecordService`.
pub(super) struct Records(pub(super) Inner);

#[tonic::async_trait]
impl RecordService for Records {
    async fn get_signed_checkpoint(
        &self,
        request: Request<GetSignedCheckpointRequest>,
    ) -> Result<Response<GetSignedCheckpointResponse>, Status> {
        let request = request.into_inner();
        let ledger_id = identifier("ledger_id", &request.ledger_id)?;
        let checkpoint_id = identifier("checkpoint_id", &request.checkpoint_id)?;
        let receipt = self.0.record.get(&ledger_id, &checkpoint_id).await?;
        let receipt = receipt.ok_or_else(|| {
            status::not_found(
                "CHECKPOINT_NOT_FOUND",
                format!(
                    "checkpoint_id: ledger {ledger_id} has no signed checkpoint {checkpoint_id}"
                ),
            )
        })?;
        Ok(Response::new(GetSignedCheckpointResponse {
            signed_checkpoint: Some((&receipt.signed).into()),
            position: receipt.position,
        }))
    }

    async fn list_signed_checkpoints(
        &self,
        request: Request<ListSignedCheckpointsRequest>,
    ) -> Result<Response<ListSignedCheckpointsResponse>, Status> {
        let request = request.into_inner();
        let filter = filter(&request)?;
        let page_size = match u32::try_from(request.page_size) {
            Ok(0) => DEFAULT_PAGE,
            Ok(size) if size <= MAX_PAGE => size,
            _ => {
                let problem = format!("is {}; expected 0 to {MAX_PAGE}", request.page_size);
                return Err(status::invalid_request("page_size", &problem));
            }
        };
        let digest = filter_digest(&request);
        let after = digest.position(&request.page_token).ok_or_else(|| {
            status::invalid_request(
                "page_token",
                "is none of these filters; expected the next_page_token of a page with the same filters",
            )
        })?;
        let show = |row: &Receipt| {
            let signed = WireSignedCheckpoint::from(&row.signed);
            let bytes = signed.encoded_len();
            (signed, bytes)
        };
        let record = self.0.record.as_ref();
        let page = paging::read(record, &filter, after, page_size, show).await?;
        Ok(Response::new(ListSignedCheckpointsResponse {
            signed_checkpoints: page.items,
            next_page_token: page
                .next
                .map_or_else(String::new, |last| digest.token(last)),
        }))
    }
}

fn identifier<T: std::str::FromStr<Err = IdentifierError>>(
    field: &str,
    text: &str,
) -> Result<T, Status> {
    text.parse()
        .map_err(|error: IdentifierError| status::invalid_request(field, &error.to_string()))
}

fn filter(request: &ListSignedCheckpointsRequest) -> Result<Filter, Status> {
    let instant = |field, wire: Option<prost_types::Timestamp>| {
        wire.map(convert::instant)
            .transpose()
            .map_err(|error| status::invalid_request(field, &error.to_string()))
    };
    Ok(Filter {
        ledger_id: match request.ledger_id.as_str() {
            "" => None,
            text => Some(identifier("ledger_id", text)?),
        },
        key_id: match request.key_id.as_str() {
            "" => None,
            text => Some(identifier("key_id", text)?),
        },
        signed_from: instant("signed_from", request.signed_from)?,
        signed_until: instant("signed_until", request.signed_until)?,
    })
}

fn filter_digest(request: &ListSignedCheckpointsRequest) -> FilterDigest {
    FilterDigest::of(
        ListSignedCheckpointsRequest {
            page_size: 0,
            page_token: String::new(),
            ..request.clone()
        }
        .encode_to_vec(),
    )
}
