//! `VerificationService`: on threads that give way to those that sign.

use std::sync::Arc;

use prost::Message as _;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::task::AbortOnDropHandle;
use tonic::{Request, Response, Status, Streaming};

use super::gate::Call;
use super::streams::{self, Messages, Untold};
use super::transport::{ITEM_PATIENCE, MAX_STREAM_ITEMS};
use super::{Inner, status};
use crate::budget::Part;
use crate::net::Works;
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

    type VerifyCheckpointsStream = Untold<VerifyCheckpointsResponse>;

    async fn verify_checkpoints(
        &self,
        mut request: Request<Streaming<VerifyCheckpointsRequest>>,
    ) -> Result<Response<Self::VerifyCheckpointsStream>, Status> {
        let call = Call::of(&request)?;
        // As many at once as there are cores, twice: one is read while another is verified.
        let width = std::thread::available_parallelism().map_or(1, usize::from);
        let (taken, waiting) = mpsc::channel(2 * width);
        let (told, answers) = mpsc::channel(1);
        let requests = Messages::of(&mut request)?;
        let taking = self.clone().take_in(requests, call.clone(), taken);
        self.0.aside.spawn(call.spans.around(taking));
        self.0.aside.spawn(call.spans.around(tell(waiting, told)));
        Ok(streams::answers(ReceiverStream::new(answers)))
    }
}

impl Verification {
    /// Reads the items, and has them verified. Whatever comes next is waited for until it is there, and what waits for its turn to be read is so
    /// never left alone with it; whoever reads no answers has this wait behind an item, and not in one.
    async fn take_in(
        self,
        mut requests: Messages<VerifyCheckpointsRequest>,
        call: Call,
        taken: mpsc::Sender<Answering>,
    ) {
        for items in 1.. {
            let request = tokio::select! {
                request = tokio::time::timeout(ITEM_PATIENCE, requests.message()) => {
                    request.unwrap_or_else(|_| Err(status::too_slow("the stream's next item")))
                }
                () = taken.closed() => return,
            };
            let item = match request.transpose() {
                None => return,
                Some(_) if self.0.shutdown.is_cancelled() => Err(status::shutting_down()),
                Some(Ok(_)) if items > MAX_STREAM_ITEMS => {
                    Err(status::stream_too_long(MAX_STREAM_ITEMS))
                }
                Some(request) => request.map(|request| Item {
                    // Until it is answered.
                    _held: call.load.take_part(items),
                    _works: call.asking.works(),
                    request_id: request.request_id,
                    subject: request.subject.map(Subject::from),
                }),
            };
            call.load.is_read(items);
            let is_last = item.is_err();
            let answer = self.clone().answer(item);
            let answering = AbortOnDropHandle::new(self.0.aside.spawn(answer));
            if taken.send(answering).await.is_err() || is_last {
                return;
            }
        }
    }

    /// An item that cannot be verified does not end the stream.
    async fn answer(self, item: Result<Item, Status>) -> Result<VerifyCheckpointsResponse, Status> {
        let Item {
            _held,
            _works,
            request_id,
            subject,
        } = item?;
        let verdict = match (status::check_request_id(&request_id), subject) {
            (Ok(()), Some(subject)) => self.verdict(subject).await?,
            (Ok(()), None) => self.malformed(&format!("subject: {NO_SUBJECT}")),
            (Err(fault), _) => self.malformed(&fault),
        };
        Ok(VerifyCheckpointsResponse {
            request_id,
            verdict: Some(verdict),
        })
    }
}

/// An answer that is made.
type Answering = AbortOnDropHandle<Result<VerifyCheckpointsResponse, Status>>;

/// An item of a stream.
struct Item {
    _held: Option<Arc<Part>>,
    _works: Works,
    request_id: String,
    subject: Option<Subject>,
}

/// Tells them in order; ends when nobody wants them any more.
async fn tell(
    mut waiting: mpsc::Receiver<Answering>,
    told: mpsc::Sender<Result<VerifyCheckpointsResponse, Status>>,
) {
    loop {
        let answering = tokio::select! {
            answering = waiting.recv() => answering,
            () = told.closed() => return,
        };
        let Some(answering) = answering else { return };
        let answer = answering
            .await
            .unwrap_or_else(|_| Err(status::shutting_down()));
        if told.send(answer).await.is_err() {
            return;
        }
    }
}
