//! `SigningService`.

use std::pin::Pin;

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt};
use tonic::{Request, Response, Status, Streaming};
use tonic_types::{Status as RpcStatus, pb};

use super::proto::sign_checkpoints_response::Outcome;
use super::proto::signing_service_server::SigningService;
use super::proto::{
    Checkpoint as WireCheckpoint, SignCheckpointRequest, SignCheckpointResponse,
    SignCheckpointsRequest, SignCheckpointsResponse,
};
use super::{Inner, STREAM_WINDOW, status};
use crate::checkpoint::{Checkpoint, InvalidCheckpoint};
use crate::fault::FieldFault;
use crate::record::Receipt;
use crate::signer::{Refusal, Submission, WhenFull};

/// Answers `SigningService`.
pub(super) struct Signing(pub(super) Inner);

fn read(wire: Option<WireCheckpoint>) -> Result<Checkpoint, InvalidCheckpoint> {
    wire.ok_or_else(|| FieldFault::new("checkpoint", "is missing; expected a checkpoint"))?
        .try_into()
}

#[tonic::async_trait]
impl SigningService for Signing {
    async fn sign_checkpoint(
        &self,
        request: Request<SignCheckpointRequest>,
    ) -> Result<Response<SignCheckpointResponse>, Status> {
        let checkpoint = read(request.into_inner().checkpoint)?;
        let submission = self.0.signer.submit(checkpoint, WhenFull::Refuse).await;
        let receipt = submission.outcome().await?;
        Ok(Response::new(SignCheckpointResponse {
            signed_checkpoint: Some((&receipt.signed).into()),
        }))
    }

    type SignCheckpointsStream =
        Pin<Box<dyn Stream<Item = Result<SignCheckpointsResponse, Status>> + Send>>;

    async fn sign_checkpoints(
        &self,
        request: Request<Streaming<SignCheckpointsRequest>>,
    ) -> Result<Response<Self::SignCheckpointsStream>, Status> {
        // The channel between taking in and answering bounds what is in flight.
        let (taken, waiting) = mpsc::channel(STREAM_WINDOW);
        tokio::spawn(take_in(self.0.clone(), request.into_inner(), taken));
        let answers = ReceiverStream::new(waiting).then(|item| async {
            match item {
                Item::Taken(request_id, submission) => {
                    Ok(answer(request_id, submission.outcome().await))
                }
                Item::End(status) => Err(status),
            }
        });
        Ok(Response::new(Box::pin(answers)))
    }
}

enum Item {
    Taken(String, Submission),
    End(Status),
}

/// Submits the items one after the other, which is what keeps a ledger's order.
async fn take_in(
    inner: Inner,
    mut requests: Streaming<SignCheckpointsRequest>,
    taken: mpsc::Sender<Item>,
) {
    loop {
        let request = tokio::select! {
            biased;
            () = inner.shutdown.cancelled() => Err(status::shutting_down()),
            request = requests.message() => request,
        };
        let item = match request {
            Ok(None) => return,
            Err(status) => Item::End(status),
            Ok(Some(request)) => {
                let checkpoint = status::check_request_id(&request.request_id)
                    .map_err(InvalidCheckpoint::from)
                    .and_then(|()| read(request.checkpoint));
                let submission = match checkpoint {
                    Ok(checkpoint) => inner.signer.submit(checkpoint, WhenFull::Wait).await,
                    Err(invalid) => Submission::Decided(Box::new(Err(invalid.into()))),
                };
                Item::Taken(request.request_id, submission)
            }
        };
        let is_end = matches!(item, Item::End(_));
        if taken.send(item).await.is_err() || is_end {
            return;
        }
    }
}

fn answer(request_id: String, outcome: Result<Receipt, Refusal>) -> SignCheckpointsResponse {
    let outcome = match outcome {
        Ok(receipt) => Outcome::SignedCheckpoint((&receipt.signed).into()),
        Err(refusal) => Outcome::Refusal(rpc_status(refusal.into())),
    };
    SignCheckpointsResponse {
        request_id,
        outcome: Some(outcome),
    }
}

/// The status as a message; its details are one already.
fn rpc_status(status: Status) -> RpcStatus {
    let decoded = <pb::Status as prost::Message>::decode(status.details());
    decoded.unwrap_or_else(|_| RpcStatus {
        code: status.code() as i32,
        message: status.message().into(),
        details: Vec::new(),
    })
}
