//! `RecordService`.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use prost::Message as _;
use sha2::{Digest, Sha256};
use tonic::{Request, Response, Status};

use super::proto::record_service_server::RecordService;
use super::proto::{
    GetSignedCheckpointRequest, GetSignedCheckpointResponse, ListSignedCheckpointsRequest,
    ListSignedCheckpointsResponse,
};
use super::{Inner, convert, status};
use crate::identifier::IdentifierError;
use crate::record::Filter;

const DEFAULT_PAGE: u32 = 100;
const MAX_PAGE: u32 = 1000;

/// Largest page in bytes, so that it stays below the 4 MiB that clients accept by default. One item is always
/// given, and one item is always smaller.
const MAX_PAGE_BYTES: usize = 3 * 1024 * 1024 + 512 * 1024;

/// Bytes of the filters' digest in a page token: enough to notice a mistake.
const FILTER_DIGEST_BYTES: usize = 8;

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
        let after = read_token(&request.page_token, digest).ok_or_else(|| {
            status::invalid_request(
                "page_token",
                "is none of these filters; expected the next_page_token of a page with the same filters",
            )
        })?;
        // One more than asked for tells whether there is a next page.
        let rows = self.0.record.list(&filter, after, page_size + 1).await?;
        let mut page = ListSignedCheckpointsResponse::default();
        let (mut bytes, mut last) = (0, after);
        let mut rows = rows.iter().peekable();
        while let Some(row) = rows.next_if(|_| page.signed_checkpoints.len() < page_size as usize) {
            let signed = super::proto::SignedCheckpoint::from(&row.signed);
            bytes += signed.encoded_len();
            if bytes > MAX_PAGE_BYTES && last != after {
                page.next_page_token = token(last, digest);
                return Ok(Response::new(page));
            }
            page.signed_checkpoints.push(signed);
            last = row.position;
        }
        // The store may have given fewer rows than there are, when they are large.
        let may_go_on = rows.peek().is_some()
            || (last != after && !self.0.record.list(&filter, last, 1).await?.is_empty());
        if may_go_on {
            page.next_page_token = token(last, digest);
        }
        Ok(Response::new(page))
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

fn filter_digest(request: &ListSignedCheckpointsRequest) -> [u8; FILTER_DIGEST_BYTES] {
    let filters = ListSignedCheckpointsRequest {
        page_size: 0,
        page_token: String::new(),
        ..request.clone()
    };
    let digest = Sha256::digest(filters.encode_to_vec());
    std::array::from_fn(|index| digest.get(index).copied().unwrap_or_default())
}

/// The position of the last row of the page, and the digest of the filters.
fn token(last: u64, filters: [u8; FILTER_DIGEST_BYTES]) -> String {
    URL_SAFE_NO_PAD.encode([last.to_be_bytes(), filters].concat())
}

fn read_token(token: &str, filters: [u8; FILTER_DIGEST_BYTES]) -> Option<u64> {
    if token.is_empty() {
        return Some(0);
    }
    let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
    let (last, found) = bytes.split_first_chunk()?;
    (found == filters).then(|| u64::from_be_bytes(*last))
}
