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
use crate::budget::Part;
use crate::pools::Pool;
use crate::wire;
use crate::wire::proto::{
    SignedCheckpoint as WireSignedCheckpoint, Verdict as WireVerdict, VerifyCheckpointRequest,
    VerifyCheckpointResponse, VerifyCheckpointsRequest, VerifyCheckpointsResponse,
    verify_checkpoint_request, verify_checkpoints_request,
};
use crate::wire::served::verification_service_server::VerificationService;
use checkpoint::checkpoint::InvalidCheckpoint;
use checkpoint::jws::SignedCheckpoint;
use checkpoint::verdict;
use checkpoint::verdict::{Verdict, VerdictKind};

const NO_SUBJECT: &str = "is missing; expected signed_checkpoint or published_json";

/// Answers `VerificationService`.
#[derive(Clone)]
pub(super) struct Verification(pub(super) Inner);

/// What is to be verified, in one of its two forms, read: a message takes many times what it says, and is not held while anything waits.
struct Subject {
    pool: Pool,
    form: Form,
}

enum Form {
    Message(Result<Box<SignedCheckpoint>, InvalidCheckpoint>),
    Json(String),
}

impl Subject {
    fn read(message: WireSignedCheckpoint) -> Self {
        let pool = Pool::of(message.encoded_len());
        let signed = pool.read(|| SignedCheckpoint::try_from(message).map(Box::new));
        let form = Form::Message(signed);
        Self { pool, form }
    }

    fn json(text: String) -> Self {
        let pool = Pool::of(text.len());
        let form = Form::Json(text);
        Self { pool, form }
    }
}

impl From<verify_checkpoint_request::Subject> for Subject {
    fn from(subject: verify_checkpoint_request::Subject) -> Self {
        use verify_checkpoint_request::Subject::{PublishedJson, SignedCheckpoint};
        match subject {
            SignedCheckpoint(message) => Self::read(message),
            PublishedJson(text) => Self::json(text),
        }
    }
}

impl From<verify_checkpoints_request::Subject> for Subject {
    fn from(subject: verify_checkpoints_request::Subject) -> Self {
        use verify_checkpoints_request::Subject::{PublishedJson, SignedCheckpoint};
        match subject {
            SignedCheckpoint(message) => Self::read(message),
            PublishedJson(text) => Self::json(text),
        }
    }
}

impl Verification {
    async fn verdict(&self, subject: Subject) -> Result<WireVerdict, Status> {
        let keys = Arc::clone(&self.0.key_manager.keys().borrow());
        let Subject { pool, form } = subject;
        let verified = pool.work(move || match form {
            Form::Json(text) => verdict::verify_published(&keys.keyring, text.as_bytes()),
            Form::Message(Ok(signed)) => (verdict::verify(&keys.keyring, &signed), Some(*signed)),
            Form::Message(Err(invalid)) => (Verdict::malformed(invalid), None),
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
        let subject = request.into_inner().subject.map(Subject::from);
        load.is_read(1);
        let subject = subject.ok_or_else(|| status::invalid_request("subject", NO_SUBJECT))?;
        Ok(Response::new(VerifyCheckpointResponse {
            verdict: Some(self.verdict(subject).await?),
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
        let shutdown = self.0.shutdown.clone();
        let requests = tokio_stream::StreamExt::timeout(request.into_inner(), ITEM_PATIENCE);
        let mut items = 0;
        let requests = tokio_stream::StreamExt::map(requests, move |request| {
            items += 1;
            let item = match request {
                _ if shutdown.is_cancelled() => Err(status::shutting_down()),
                Err(_) => Err(status::too_slow("the stream's next item")),
                Ok(_) if items > MAX_STREAM_ITEMS => Err(status::stream_too_long(MAX_STREAM_ITEMS)),
                // With what it holds until it is answered. It is read here: whoever reads no answers has nobody wait for his turn.
                Ok(request) => request.map(|request| Item {
                    _held: load.take_part(items),
                    request_id: request.request_id,
                    subject: request.subject.map(Subject::from),
                }),
            };
            load.is_read(items);
            item
        });
        let width = std::thread::available_parallelism().map_or(1, usize::from);
        let verdicts = requests.map(move |request| {
            let this = this.clone();
            async move {
                let Item {
                    _held,
                    request_id,
                    subject,
                } = request?;
                // An item that cannot be verified does not end the stream.
                let verdict = match (status::check_request_id(&request_id), subject) {
                    (Ok(()), Some(subject)) => this.verdict(subject).await?,
                    (Ok(()), None) => this.malformed(&format!("subject: {NO_SUBJECT}")),
                    (Err(fault), _) => this.malformed(&fault),
                };
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

/// An item of a stream.
struct Item {
    _held: Option<Arc<Part>>,
    request_id: String,
    subject: Option<Subject>,
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
