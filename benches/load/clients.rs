//! The clients: each has a ledger of its own, and signs it forwards.

use std::time::{Duration, Instant};

use checkpoint_signer::grpc::proto::sign_checkpoints_response::Outcome;
use checkpoint_signer::grpc::proto::signing_service_client::SigningServiceClient;
use checkpoint_signer::grpc::proto::{Checkpoint, SignCheckpointRequest, SignCheckpointsRequest};
use hdrhistogram::Histogram;
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;

use crate::{Mode, Settings};

/// Items of a stream that one client has under way.
const STREAM_WINDOW: usize = 64;

pub struct Measured {
    /// In microseconds.
    pub latency: Histogram<u64>,
    pub refused: u64,
}

impl Measured {
    fn new() -> Self {
        Self {
            latency: Histogram::new(3).unwrap(),
            refused: 0,
        }
    }

    fn note(&mut self, since: Instant, signed: bool) {
        match signed {
            true => self
                .latency
                .record(since.elapsed().as_micros() as u64)
                .unwrap(),
            false => self.refused += 1,
        }
    }
}

pub async fn run(url: &str, settings: &Settings, duration: Duration) -> Measured {
    let end = Instant::now() + duration;
    let mut tasks = Vec::new();
    for client in 0..settings.clients {
        let signing = SigningServiceClient::connect(url.to_owned()).await.unwrap();
        let ledger = Ledger::new(client);
        let pause = Duration::from_secs_f64(settings.clients as f64 / settings.rate);
        tasks.push(match settings.mode {
            Mode::Unary => tokio::spawn(unary(signing, ledger, end)),
            Mode::Stream => tokio::spawn(stream(signing, ledger, end)),
            Mode::Open => tokio::spawn(open(signing, ledger, end, pause)),
        });
    }
    let mut all = Measured::new();
    for task in tasks {
        let measured = task.await.unwrap();
        all.latency.add(measured.latency).unwrap();
        all.refused += measured.refused;
    }
    all
}

struct Ledger {
    ledger_id: String,
    count: u64,
}

impl Ledger {
    fn new(client: usize) -> Self {
        let now = std::time::SystemTime::now();
        let nanos = now
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .as_nanos();
        Self {
            ledger_id: format!("org_{client}_{nanos}"),
            count: 0,
        }
    }

    fn next(&mut self) -> Checkpoint {
        self.count += 1;
        Checkpoint {
            checkpoint_id: format!("chk_{}", self.count),
            ledger_id: self.ledger_id.clone(),
            timestamp: Some(prost_types::Timestamp {
                seconds: 1_736_985_599,
                nanos: 0,
            }),
            cumulative_hash: format!("sha256:{:064x}", self.count),
            entry_count: self.count,
            total_volume: 284_729_340,
            ..Default::default()
        }
    }

    fn request(&mut self) -> SignCheckpointRequest {
        SignCheckpointRequest {
            checkpoint: Some(self.next()),
        }
    }
}

async fn unary(
    mut signing: SigningServiceClient<Channel>,
    mut ledger: Ledger,
    end: Instant,
) -> Measured {
    let mut measured = Measured::new();
    while Instant::now() < end {
        let sent = Instant::now();
        let answer = signing.sign_checkpoint(ledger.request()).await;
        measured.note(sent, answer.is_ok());
    }
    measured
}

async fn open(
    signing: SigningServiceClient<Channel>,
    mut ledger: Ledger,
    end: Instant,
    pause: Duration,
) -> Measured {
    let mut measured = Measured::new();
    let (done, mut answers) = mpsc::unbounded_channel();
    let mut due = Instant::now();
    while due < end {
        tokio::time::sleep_until(due.into()).await;
        // Calls overtake one another, so each has a ledger of its own.
        let mut request = ledger.request();
        let checkpoint = request.checkpoint.as_mut().unwrap();
        checkpoint.ledger_id = format!("{}_{}", ledger.ledger_id, ledger.count);
        let (mut signing, done) = (signing.clone(), done.clone());
        tokio::spawn(async move {
            let answer = signing.sign_checkpoint(request).await;
            let _ = done.send((due, answer.is_ok()));
        });
        due += pause;
    }
    drop(done);
    while let Some((due, signed)) = answers.recv().await {
        measured.note(due, signed);
    }
    measured
}

async fn stream(
    mut signing: SigningServiceClient<Channel>,
    mut ledger: Ledger,
    end: Instant,
) -> Measured {
    let mut measured = Measured::new();
    let (send, requests) = mpsc::channel(STREAM_WINDOW);
    let (times, mut sent) = mpsc::channel(STREAM_WINDOW);
    let sender = tokio::spawn(async move {
        while Instant::now() < end {
            let request = SignCheckpointsRequest {
                request_id: String::new(),
                checkpoint: Some(ledger.next()),
            };
            // The first channel bounds what is under way: it has a place again when an answer has come.
            if times.send(Instant::now()).await.is_err() || send.send(request).await.is_err() {
                return;
            }
        }
    });
    let answers = signing
        .sign_checkpoints(ReceiverStream::new(requests))
        .await
        .unwrap();
    let mut answers = answers.into_inner();
    while let Some(answer) = answers.next().await {
        let since = sent.recv().await.unwrap();
        let signed = matches!(answer.unwrap().outcome, Some(Outcome::SignedCheckpoint(_)));
        measured.note(since, signed);
    }
    sender.await.unwrap();
    measured
}
