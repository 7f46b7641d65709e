//! Calls of their own and streams, each checkpoint under a name that is in the audit log, too.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use checkpoint_signer::wire::proto::sign_checkpoints_response::Outcome;
use checkpoint_signer::wire::proto::signing_service_client::SigningServiceClient;
use checkpoint_signer::wire::proto::{
    Checkpoint, SignCheckpointRequest, SignCheckpointsRequest, SignCheckpointsResponse,
};
use tokio::sync::mpsc;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;

/// What became of a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The published JSON.
    Signed(String),
    /// The service's reason.
    Refused(String),
    /// The connection ended before there was an answer.
    Lost(String),
}

/// All checkpoints that were asked for, by the name of the call, and what became of them.
#[derive(Default)]
pub struct Calls {
    answers: Mutex<BTreeMap<String, Answer>>,
    count: AtomicUsize,
}

/// The checkpoint of a ledger of its own.
pub fn checkpoint(name: &str) -> Checkpoint {
    Checkpoint {
        ledger_id: name.into(),
        ..crate::support::checkpoint("chk_1", 1, name)
    }
}

impl Calls {
    pub fn answers(&self) -> BTreeMap<String, Answer> {
        self.answers.lock().unwrap().clone()
    }

    pub fn answered(&self) -> usize {
        self.answers.lock().unwrap().len()
    }

    fn note(&self, name: String, answer: Answer) {
        let before = self.answers.lock().unwrap().insert(name, answer);
        assert_eq!(before, None, "one answer each");
    }

    fn name(&self) -> String {
        format!("org_{}", self.count.fetch_add(1, Ordering::Relaxed))
    }

    /// Has one signed by a call of its own; whether it was answered with a signature.
    pub async fn call(&self, channel: &Channel) -> bool {
        let name = self.name();
        let answer = ask(channel, &name).await;
        let is_signed = matches!(answer, Answer::Signed(_));
        self.note(name, answer);
        is_signed
    }

    /// Has so many signed on a stream that it leaves open. Gives the reason with which the service ended it.
    pub async fn stream(&self, channel: &Channel, count: usize) -> String {
        let (sender, receiver) = mpsc::channel(1);
        let (sent, names) = mpsc::unbounded_channel();
        let send = async move {
            for _ in 0..count {
                let name = self.name();
                let item = item(&name);
                sent.send(name).unwrap();
                if sender.send(item).await.is_err() {
                    break;
                }
            }
            sender.closed().await;
        };
        let receive = self.receive(channel, ReceiverStream::new(receiver), names);
        tokio::join!(send, receive).1
    }

    async fn receive(
        &self,
        channel: &Channel,
        requests: ReceiverStream<SignCheckpointsRequest>,
        mut names: mpsc::UnboundedReceiver<String>,
    ) -> String {
        let mut client = SigningServiceClient::new(channel.clone());
        let mut answers = client
            .sign_checkpoints(requests)
            .await
            .unwrap()
            .into_inner();
        let end = loop {
            match answers.next().await {
                Some(Ok(answer)) => {
                    let name = names.recv().await.unwrap();
                    assert_eq!(answer.request_id, name, "in their order");
                    self.note(name, read(answer));
                }
                Some(Err(status)) => break refused(&status),
                None => break Answer::Lost("the stream ended well".into()),
            }
        };
        drop(answers);
        while let Some(name) = names.recv().await {
            self.note(name, Answer::Lost(format!("{end:?}")));
        }
        match end {
            Answer::Refused(reason) => reason,
            end => panic!("a stream ended with {end:?}"),
        }
    }
}

/// Has one signed by a call.
pub async fn ask(channel: &Channel, name: &str) -> Answer {
    let checkpoint = Some(checkpoint(name));
    let mut request = Request::new(SignCheckpointRequest {
        checkpoint,
        ..Default::default()
    });
    let metadata = request.metadata_mut();
    metadata.insert("x-request-id", name.parse().unwrap());
    let mut client = SigningServiceClient::new(channel.clone());
    match client.sign_checkpoint(request).await {
        Ok(answer) => {
            let signed = answer.into_inner().signed_checkpoint;
            Answer::Signed(signed.unwrap().published_json)
        }
        Err(status) => refused(&status),
    }
}

fn item(name: &str) -> SignCheckpointsRequest {
    SignCheckpointsRequest {
        request_id: name.into(),
        checkpoint: Some(checkpoint(name)),
        ..Default::default()
    }
}

fn read(answer: SignCheckpointsResponse) -> Answer {
    match answer.outcome.unwrap() {
        Outcome::SignedCheckpoint(signed) => Answer::Signed(signed.published_json),
        Outcome::Refusal(refusal) => {
            use prost::Message as _;
            let details = refusal.encode_to_vec().into();
            let code = Code::from_i32(refusal.code);
            refused(&Status::with_details(code, refusal.message, details))
        }
    }
}

/// The service gives each refusal a reason: without one, it is the client's own word about a lost connection.
fn refused(status: &Status) -> Answer {
    match status.get_details_error_info() {
        Some(info) => Answer::Refused(info.reason),
        None => Answer::Lost(format!("{status:?}")),
    }
}
