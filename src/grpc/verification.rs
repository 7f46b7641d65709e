//! `VerificationService`: on threads that give way to those that sign.

use std::pin::{Pin, pin};
use std::sync::Arc;

use prost::Message as _;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt};
use tonic::{Request, Response, Status, Streaming};

use super::gate::Call;
use super::transport::{ITEM_PATIENCE, MAX_STREAM_ITEMS};
use super::{Inner, status};
use crate::pools::Pool;
use crate::wire;
use crate::wire::proto::{
    SignedCheckpoint as WireSignedCheckpoint, Verdict as WireVerdict, VerifyCheckpointRequest,
    VerifyCheckpointResponse, VerifyCheckpointsRequest, VerifyCheckpointsResponse,
    verify_checkpoint_request, verify_checkpoints_request,
};
use crate::wire::served::verification_service_server::VerificationService;
use checkpoint::jws::SignedCheckpoint;
use checkpoint::verdict;
use checkpoint::verdict::{Verdict, VerdictKind};

const NO_SUBJECT: &str = "is missing; expected signed_checkpoint or published_json";

/// Answers `VerificationService`.
#[derive(Clone)]
pub(super) struct Verification(pub(super) Inner);

/// What is to be verified, in one of its two forms.
enum Subject {
    Message(Box<WireSignedCheckpoint>),
    Json(String),
}

impl Subject {
    fn pool(&self) -> Pool {
        Pool::of(match self {
            Self::Message(message) => message.encoded_len(),
            Self::Json(text) => text.len(),
        })
    }
}

impl From<verify_checkpoint_request::Subject> for Subject {
    fn from(subject: verify_checkpoint_request::Subject) -> Self {
        use verify_checkpoint_request::Subject::{PublishedJson, SignedCheckpoint};
        match subject {
            SignedCheckpoint(message) => Self::Message(Box::new(message)),
            PublishedJson(text) => Self::Json(text),
        }
    }
}

impl From<verify_checkpoints_request::Subject> for Subject {
    fn from(subject: verify_checkpoints_request::Subject) -> Self {
        use verify_checkpoints_request::Subject::{PublishedJson, SignedCheckpoint};
        match subject {
            SignedCheckpoint(message) => Self::Message(Box::new(message)),
            PublishedJson(text) => Self::Json(text),
        }
    }
}

impl Verification {
    /// `is_read` is called when the message is no longer held.
    async fn verdict(
        &self,
        subject: Subject,
        is_read: impl FnOnce(),
    ) -> Result<WireVerdict, Status> {
        let keys = Arc::clone(&self.0.key_manager.keys().borrow());
        let pool = subject.pool();
        // A message takes many times what it says: it is read before anything waits.
        let subject = match subject {
            Subject::Json(text) => Ok(text),
            Subject::Message(message) => Err(pool.read(|| SignedCheckpoint::try_from(*message))),
        };
        is_read();
        let verified = pool.work(move || match subject {
            Ok(text) => verdict::verify_published(&keys.keyring, text.as_bytes()),
            Err(Ok(signed)) => (verdict::verify(&keys.keyring, &signed), Some(signed)),
            Err(Err(invalid)) => (Verdict::malformed(invalid), None),
        });
        let (verdict, signed) = verified.await.ok_or_else(status::shutting_down)?;
        self.0.core.metrics.judged(verdict.kind);
        let recorded = match &signed {
            Some(signed) if verdict.kind == VerdictKind::Valid => {
                Some(self.recorded(signed).await?)
            }
            _ => None,
        };
        Ok(wire::verdict(verdict, recorded))
    }

    fn malformed(&self, problem: &dyn std::fmt::Display) -> WireVerdict {
        let verdict = Verdict::malformed(problem);
        self.0.core.metrics.judged(verdict.kind);
        wire::verdict(verdict, None)
    }

    async fn recorded(&self, signed: &SignedCheckpoint) -> Result<bool, Status> {
        let fields = signed.checkpoint.fields();
        let row = self
            .0
            .core
            .record
            .get(&fields.ledger_id, &fields.checkpoint_id);
        Ok(row.await?.is_some_and(|row| row.signed.jws == signed.jws))
    }
}

#[tonic::async_trait]
impl VerificationService for Verification {
    async fn verify_checkpoint(
        &self,
        request: Request<VerifyCheckpointRequest>,
    ) -> Result<Response<VerifyCheckpointResponse>, Status> {
        let load = Arc::clone(&Call::of(&request)?.load);
        let Some(subject) = request.into_inner().subject else {
            load.is_read(1);
            return Err(status::invalid_request("subject", NO_SUBJECT));
        };
        Ok(Response::new(VerifyCheckpointResponse {
            verdict: Some(self.verdict(subject.into(), || load.is_read(1)).await?),
        }))
    }

    type VerifyCheckpointsStream =
        Pin<Box<dyn Stream<Item = Result<VerifyCheckpointsResponse, Status>> + Send>>;

    async fn verify_checkpoints(
        &self,
        request: Request<Streaming<VerifyCheckpointsRequest>>,
    ) -> Result<Response<Self::VerifyCheckpointsStream>, Status> {
        let this = self.clone();
        let call = Call::of(&request)?;
        let load = Arc::clone(&call.load);
        let reading = Arc::clone(&load);
        let shutdown = self.0.shutdown.clone();
        let requests = tokio_stream::StreamExt::timeout(request.into_inner(), ITEM_PATIENCE);
        let mut items = 0;
        let requests = tokio_stream::StreamExt::map(requests, move |request| {
            items += 1;
            let item = match request {
                _ if shutdown.is_cancelled() => Err(status::shutting_down()),
                Err(_) => Err(status::too_slow("the stream's next item")),
                Ok(_) if items > MAX_STREAM_ITEMS => Err(status::stream_too_long(MAX_STREAM_ITEMS)),
                // With what it holds until it is answered.
                Ok(request) => request.map(|request| (load.take_part(items), items, request)),
            };
            if item.is_err() {
                load.is_read(items);
            }
            item
        });
        let width = std::thread::available_parallelism().map_or(1, usize::from);
        let verdicts = requests.map(move |request| {
            let (this, load) = (this.clone(), Arc::clone(&reading));
            async move {
                let (_held, item, request) = request?;
                let request_id = request.request_id;
                // An item that cannot be verified does not end the stream.
                let verdict = match (status::check_request_id(&request_id), request.subject) {
                    (Ok(()), Some(subject)) => {
                        this.verdict(subject.into(), || load.is_read(item)).await?
                    }
                    (Ok(()), None) => this.malformed(&format!("subject: {NO_SUBJECT}")),
                    (Err(fault), _) => this.malformed(&fault),
                };
                load.is_read(item);
                Ok(VerifyCheckpointsResponse {
                    request_id,
                    verdict: Some(verdict),
                })
            }
        });
        // In order, and as many at once as there are cores, twice: one is read while another is verified.
        let verdicts = futures_util::StreamExt::buffered(verdicts, 2 * width);
        let (told, answers) = mpsc::channel(1);
        let spans = call.spans.clone();
        let telling = tell(verdicts, told);
        self.0.aside.spawn(spans.around(telling));
        Ok(Response::new(Box::pin(ReceiverStream::new(answers))))
    }
}

/// Reads, decodes and answers where it is run, and not where the answers are sent; ends when nobody wants them any more.
async fn tell<T>(verdicts: impl Stream<Item = T>, told: mpsc::Sender<T>) {
    let mut verdicts = pin!(verdicts);
    loop {
        let verdict = tokio::select! {
            verdict = verdicts.next() => verdict,
            () = told.closed() => return,
        };
        let Some(verdict) = verdict else { return };
        if told.send(verdict).await.is_err() {
            return;
        }
    }
}
