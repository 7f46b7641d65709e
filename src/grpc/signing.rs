//! `SigningService`.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt};
use tonic::{Request, Response, Status, Streaming};
use tonic_types::{Status as RpcStatus, pb};

use super::access::Call;
use super::proto::sign_checkpoints_response::Outcome;
use super::proto::signing_service_server::SigningService;
use super::proto::{
    Checkpoint as WireCheckpoint, SignCheckpointRequest, SignCheckpointResponse,
    SignCheckpointsRequest, SignCheckpointsResponse,
};
use super::transport::{ITEM_PATIENCE, MAX_STREAM_ITEMS};
use super::{Inner, STREAM_WINDOW, status};
use crate::audit::{self, Asked};
use crate::checkpoint::{Checkpoint, InvalidCheckpoint};
use crate::fault::FieldFault;
use crate::record::Receipt;
use crate::signer::{Submission, WhenFull};
use crate::telemetry::Metrics;

/// Answers `SigningService`.
pub(super) struct Signing(pub(super) Inner);

#[tonic::async_trait]
impl SigningService for Signing {
    async fn sign_checkpoint(
        &self,
        request: Request<SignCheckpointRequest>,
    ) -> Result<Response<SignCheckpointResponse>, Status> {
        let call = Call::of(&request)?;
        let checkpoint = read(request.into_inner().checkpoint);
        let pending = Pending::submit(&self.0, &call, checkpoint, WhenFull::Refuse).await;
        let receipt = pending.outcome(call.asked()).await?;
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
        let call = Call::of(&request)?;
        // The channel between taking in and answering bounds what is in flight.
        let (taken, waiting) = mpsc::channel(STREAM_WINDOW);
        let requests = request.into_inner();
        tokio::spawn(take_in(self.0.clone(), call.clone(), requests, taken));
        let answers = ReceiverStream::new(waiting).then(move |item| {
            let call = call.clone();
            async move {
                match item {
                    Item::Taken(request_id, pending) => {
                        let who = call.caller.name();
                        let request_id_shown = match request_id.as_str() {
                            "" => &call.request_id,
                            request_id => request_id,
                        };
                        let asked = Asked {
                            who,
                            request_id: request_id_shown,
                        };
                        let outcome = pending.outcome(asked).await;
                        Ok(answer(request_id, outcome))
                    }
                    Item::End(status) => Err(status),
                }
            }
        });
        Ok(Response::new(Box::pin(answers)))
    }
}

fn read(wire: Option<WireCheckpoint>) -> Result<Checkpoint, InvalidCheckpoint> {
    wire.ok_or_else(|| FieldFault::new("checkpoint", "is missing; expected a checkpoint"))?
        .try_into()
}

/// A checkpoint that was taken in: what it is for the audit log, and its submission or why there is none.
struct Pending {
    subject: audit::Subject,
    submission: Result<Submission, Status>,
    /// When it was taken in.
    begun: Instant,
    metrics: Arc<Metrics>,
}

impl Pending {
    async fn submit(
        inner: &Inner,
        call: &Call,
        checkpoint: Result<Checkpoint, InvalidCheckpoint>,
        when_full: WhenFull,
    ) -> Self {
        let (begun, metrics) = (Instant::now(), Arc::clone(&inner.metrics));
        let checkpoint = match checkpoint {
            Ok(checkpoint) => checkpoint,
            Err(invalid) => {
                let submission = Err(invalid.into());
                return Self {
                    subject: audit::Subject::default(),
                    submission,
                    begun,
                    metrics,
                };
            }
        };
        let fields = checkpoint.fields();
        let subject = audit::Subject {
            ledger_id: fields.ledger_id.to_string(),
            checkpoint_id: fields.checkpoint_id.to_string(),
            entry_count: fields.entry_count.get(),
        };
        let submission = match call.caller.may_sign(&subject.ledger_id) {
            true => Ok(inner.signer.submit(checkpoint, when_full).await),
            false => Err(status::ledger_not_permitted(
                &call.caller,
                &fields.ledger_id,
            )),
        };
        Self {
            subject,
            submission,
            begun,
            metrics,
        }
    }

    /// The receipt, or the refusal as the caller is told it.
    async fn outcome(self, asked: Asked<'_>) -> Result<Receipt, Status> {
        if let Ok(Submission::Decided(decided)) = &self.submission
            && decided.is_ok()
        {
            self.metrics.repeated();
        }
        let outcome = match self.submission {
            Ok(submission) => submission.outcome().await.map_err(Status::from),
            Err(status) => Err(status),
        };
        self.metrics.answered(self.begun.elapsed());
        match &outcome {
            Ok(receipt) => {
                let key_id = receipt.signed.jws.header().kid.as_str();
                audit::sign(asked, &self.subject, key_id, audit::Outcome::DONE);
            }
            Err(status) => {
                let reason = status::reason(status);
                self.metrics.refused(&reason);
                audit::sign(asked, &self.subject, "", audit::Outcome::refused(&reason));
            }
        }
        outcome
    }
}

enum Item {
    Taken(String, Pending),
    End(Status),
}

/// Submits the items one after the other, which is what keeps a ledger's order.
async fn take_in(
    inner: Inner,
    mut call: Call,
    mut requests: Streaming<SignCheckpointsRequest>,
    taken: mpsc::Sender<Item>,
) {
    let mut items = 0;
    loop {
        let request = tokio::select! {
            biased;
            () = inner.shutdown.cancelled() => Err(status::shutting_down()),
            request = tokio::time::timeout(ITEM_PATIENCE, requests.message()) => {
                request.unwrap_or_else(|_| Err(status::too_slow("the stream's next item")))
            }
        };
        items += 1;
        let request = match request {
            Ok(Some(request)) => call.judge_again().map(|()| Some(request)),
            ended => ended,
        };
        let item = match request {
            Ok(None) => return,
            Err(status) => Item::End(status),
            Ok(Some(_)) if items > MAX_STREAM_ITEMS => {
                Item::End(status::stream_too_long(MAX_STREAM_ITEMS))
            }
            Ok(Some(request)) => {
                let checkpoint = status::check_request_id(&request.request_id)
                    .map_err(InvalidCheckpoint::from)
                    .and_then(|()| read(request.checkpoint));
                let pending = Pending::submit(&inner, &call, checkpoint, WhenFull::Wait).await;
                Item::Taken(request.request_id, pending)
            }
        };
        let is_end = matches!(item, Item::End(_));
        if taken.send(item).await.is_err() || is_end {
            return;
        }
    }
}

fn answer(request_id: String, outcome: Result<Receipt, Status>) -> SignCheckpointsResponse {
    let outcome = match outcome {
        Ok(receipt) => Outcome::SignedCheckpoint((&receipt.signed).into()),
        Err(status) => Outcome::Refusal(rpc_status(&status)),
    };
    SignCheckpointsResponse {
        request_id,
        outcome: Some(outcome),
    }
}

/// The status as a message; its details are one already.
fn rpc_status(status: &Status) -> RpcStatus {
    let decoded = <pb::Status as prost::Message>::decode(status.details());
    decoded.unwrap_or_else(|_| RpcStatus {
        code: status.code() as i32,
        message: status.message().into(),
        details: Vec::new(),
    })
}
