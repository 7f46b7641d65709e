//! `SigningService`.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};
use tonic_types::{Status as RpcStatus, pb};

use super::codec::{Unread, written};
use super::gate::Call;
use super::streams::{self, Messages, Untold};
use super::transport::{AnswerBudget, ITEM_PATIENCE, MAX_STREAM_ITEMS};
use super::{Inner, STREAM_WINDOW, STREAM_WINDOW_KIB, status};
use crate::audit::{self, Asked, Outcome, Subject};
use crate::budget::Part;
use crate::net::Works;
use crate::signer::{Made, OnDecision, Submission, WhenFull};
use crate::telemetry::Metrics;
use crate::telemetry::call::CallSpans;
use crate::wire::served::signing_service_server::SigningService;
use crate::wire::signing::{
    Answered, Asked as AskedCheckpoint, SignCheckpointRequest, SignCheckpointResponse,
    SignCheckpointsRequest, SignCheckpointsResponse,
};
use checkpoint::checkpoint::InvalidCheckpoint;
use checkpoint::history::Receipt;
use checkpoint::reason::Reason;

/// Answers `SigningService`.
pub(super) struct Signing(pub(super) Inner);

#[tonic::async_trait]
impl SigningService for Signing {
    async fn sign_checkpoint(
        &self,
        request: Request<Unread>,
    ) -> Result<Response<SignCheckpointResponse>, Status> {
        let call = Call::of(&request)?;
        let SignCheckpointRequest {
            checkpoint,
            omit_content,
        } = request.into_inner().read().await?;
        call.load.is_read(1);
        let told = SigningTrail::of(&self.0, &call, Arc::clone(&call.request_id));
        let checkpoint = holding(checkpoint, call.load.part_of(1));
        let pending = Pending::submit(&self.0, &call, checkpoint, told, WhenFull::Refuse).await;
        let answered = Answered {
            signed: pending.outcome().await?.signed,
            omit_content,
        };
        let answer = SignCheckpointResponse::Answered(Box::new(answered));
        Ok(Response::new(written(answer, None).await?))
    }

    type SignCheckpointsStream = Untold<SignCheckpointsResponse>;

    async fn sign_checkpoints(
        &self,
        mut request: Request<Streaming<SignCheckpointsRequest>>,
    ) -> Result<Response<Self::SignCheckpointsStream>, Status> {
        let call = Call::of(&request)?;
        // The channel between taking in and answering bounds what is in flight.
        let (taken, waiting) = mpsc::channel(STREAM_WINDOW);
        let requests = Messages::of(&mut request)?;
        let taking_in = take_in(self.0.clone(), call.clone(), requests, taken);
        tokio::spawn(call.spans.around(taking_in));
        let room = (call.unread, Arc::clone(call.judge.peer.counted_as()));
        let waiting = ReceiverStream::new(waiting);
        let answers = waiting.then(move |item| answered(item, room.clone()));
        Ok(streams::answers(answers))
    }
}

/// Tells the audit log and the metrics how a checkpoint's way ended.
struct SigningTrail {
    who: Arc<str>,
    request_id: Arc<str>,
    spans: CallSpans,
    subject: Subject,
    /// When it was taken in.
    begun: Instant,
    metrics: Arc<Metrics>,
}

impl SigningTrail {
    fn of(inner: &Inner, call: &Call, request_id: Arc<str>) -> Self {
        Self {
            who: Arc::clone(call.caller.name()),
            request_id,
            spans: call.spans.clone(),
            subject: Subject::default(),
            begun: Instant::now(),
            metrics: Arc::clone(&inner.core.metrics),
        }
    }

    fn signed(self, key_id: &str, made: Made) {
        let outcome = match made {
            Made::Now => Outcome::Done,
            Made::Before => {
                self.metrics.repeated();
                Outcome::Recorded
            }
        };
        self.tell(key_id, outcome);
    }

    fn refused(self, reason: Reason) {
        self.metrics.refused(reason);
        self.tell("", Outcome::Refused(reason.as_str()));
    }

    fn tell(&self, key_id: &str, outcome: Outcome<'_>) {
        self.metrics.answered(self.begun.elapsed());
        let asked = Asked {
            who: &self.who,
            request_id: &self.request_id,
        };
        self.spans
            .within(|| audit::sign(asked, &self.subject, key_id, outcome));
    }
}

/// A checkpoint that was taken in: its submission, or why there is none.
struct Pending(Result<Submission, Status>);

impl Pending {
    async fn submit(
        inner: &Inner,
        call: &Call,
        checkpoint: AskedCheckpoint,
        mut told: SigningTrail,
        when_full: WhenFull,
    ) -> Self {
        let refused = |told: SigningTrail, reason, status: Status| {
            told.refused(reason);
            Self(Err(status))
        };
        let checkpoint = match checkpoint {
            Ok(checkpoint) => checkpoint,
            Err(invalid) => {
                let status = status::invalid_checkpoint(invalid);
                return refused(told, Reason::InvalidCheckpoint, status);
            }
        };
        let fields = checkpoint.fields();
        told.subject = Subject {
            ledger_id: fields.ledger_id.to_string(),
            checkpoint_id: fields.checkpoint_id.to_string(),
            entry_count: fields.entry_count.get(),
        };
        if !call.caller.may_sign(&told.subject.ledger_id) {
            let status = status::ledger_not_permitted(call.caller.name(), &fields.ledger_id);
            return refused(told, Reason::LedgerNotPermitted, status);
        }
        // Whoever called may be gone by then: what is recorded is told all the same.
        let told: OnDecision = Box::new(move |decision, made| match decision {
            Ok(receipt) => told.signed(receipt.signed.jws.header().kid.as_str(), made),
            Err(refusal) => told.refused(refusal.reason()),
        });
        Self(Ok(inner
            .core
            .signer
            .submit(checkpoint, when_full, told)
            .await))
    }

    /// The receipt, or the refusal as the caller is told it.
    async fn outcome(self) -> Result<Receipt, Status> {
        Ok(self.0?.outcome().await?)
    }
}

/// A checkpoint that is large holds its part of what such messages may take until nothing of it is left, wherever it waits, also when its
/// call was cancelled long before.
fn holding(checkpoint: AskedCheckpoint, part: Option<Arc<Part>>) -> AskedCheckpoint {
    let checkpoint = checkpoint?;
    Ok(match part {
        Some(part) => checkpoint.holding(part),
        None => checkpoint,
    })
}

enum Item {
    Taken(Taken),
    End(Status),
}

struct Taken {
    request_id: String,
    pending: Pending,
    omit_content: bool,
    /// Of what a stream may have in flight.
    _part: OwnedSemaphorePermit,
    _works: Works,
}

/// A stream ends by what cannot be read, or is one item too many.
fn ended(call: &Call, status: Status) -> Item {
    if let Some(reason) = status::unread(&status) {
        call.judge.unread(reason);
    }
    Item::End(status)
}

/// Submits the items one after the other, which is what keeps a ledger's order.
async fn take_in(
    inner: Inner,
    mut call: Call,
    mut requests: Messages<SignCheckpointsRequest>,
    taken: mpsc::Sender<Item>,
) {
    let window = Arc::new(Semaphore::new(STREAM_WINDOW_KIB as usize));
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
        // A stream may outlive what its caller may do.
        let judged = call.judge.judge();
        let item = match request.and_then(|request| Ok((request, judged?))) {
            Ok((None, _)) => return,
            Err(status) => ended(&call, status),
            Ok((Some(_), _)) if items > MAX_STREAM_ITEMS => {
                ended(&call, status::stream_too_long(MAX_STREAM_ITEMS))
            }
            Ok((Some(request), caller)) => {
                call.caller = caller;
                let works = call.asking.works();
                let held = call.load.take_part(items);
                let kib = u32::try_from(request.bytes / 1024).unwrap_or(u32::MAX);
                let part = Arc::clone(&window).acquire_many_owned(kib.clamp(1, STREAM_WINDOW_KIB));
                let fit = status::check_request_id(&request.request_id);
                let name = match request.request_id.as_str() {
                    request_id if fit.is_ok() && !request_id.is_empty() => request_id.into(),
                    _ => Arc::clone(&call.request_id),
                };
                let checkpoint = fit.map_err(InvalidCheckpoint::from).and(request.checkpoint);
                let checkpoint = holding(checkpoint, held);
                call.load.is_read(items);
                // It waits as what it is, and not as what it came as, which takes many times that. It is never closed.
                let Ok(part) = part.await else { return };
                let told = SigningTrail::of(&inner, &call, name);
                let pending =
                    Pending::submit(&inner, &call, checkpoint, told, WhenFull::Wait).await;
                Item::Taken(Taken {
                    request_id: request.request_id,
                    pending,
                    omit_content: request.omit_content,
                    _part: part,
                    _works: works,
                })
            }
        };
        let is_end = matches!(item, Item::End(_));
        if is_end {
            call.load.is_read(items);
        }
        if taken.send(item).await.is_err() || is_end {
            return;
        }
    }
}

/// The answer to an item, written when there is room for it if it is large.
async fn answered(
    item: Item,
    room: (AnswerBudget, Arc<str>),
) -> Result<SignCheckpointsResponse, Status> {
    let Taken {
        request_id,
        pending,
        omit_content,
        _part,
        _works,
    } = match item {
        Item::Taken(taken) => taken,
        Item::End(status) => return Err(status),
    };
    let answered = pending.outcome().await.map(|receipt| Answered {
        signed: receipt.signed,
        omit_content,
    });
    written(answer(request_id, answered), Some(room)).await
}

fn answer(request_id: String, outcome: Result<Answered, Status>) -> SignCheckpointsResponse {
    let outcome = outcome.map_err(|status| rpc_status(&status));
    SignCheckpointsResponse::Item {
        request_id,
        outcome: Box::new(outcome),
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
