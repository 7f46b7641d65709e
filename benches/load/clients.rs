//! The clients: each signs the next days of its ledgers over a connection of its own.

use std::time::{Duration, Instant};

use checkpoint_signer::wire::proto::sign_checkpoints_response::Outcome;
use checkpoint_signer::wire::proto::signing_service_client::SigningServiceClient;
use checkpoint_signer::wire::proto::{SignCheckpointRequest, SignCheckpointsRequest};
use hdrhistogram::Histogram;
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;

use crate::ledgers::Ledgers;
use crate::settings::{Mode, Settings};
use crate::yardsticks::micros;

/// Items of a stream that one client has under way.
pub const STREAM_WINDOW: usize = 64;

/// How long a round of single calls on one record takes: short, so that all records see the same drift.
const ROUND: Duration = Duration::from_millis(250);

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

    fn note(&mut self, latency: Duration, signed: bool) {
        match signed {
            true => self.latency.record(micros(latency)).unwrap(),
            false => self.refused += 1,
        }
    }

    fn add(&mut self, other: &Self) {
        self.latency.add(&other.latency).unwrap();
        self.refused += other.refused;
    }
}

/// Load by all clients at once.
pub async fn load(url: &str, settings: &Settings, duration: Duration) -> Measured {
    let end = Instant::now() + duration;
    let pause = Duration::from_secs_f64(settings.clients as f64 / settings.rate);
    let mut tasks = Vec::new();
    for index in 0..settings.clients {
        let client = Client::connect(url, index, settings.clients).await;
        tasks.push(match settings.mode {
            Mode::Unary => tokio::spawn(client.unary(end)),
            Mode::Stream => tokio::spawn(client.stream(end)),
            // One after the other within a pause, not all at once.
            Mode::Open => {
                let first = Instant::now() + pause.mul_f64(index as f64 / settings.clients as f64);
                tokio::spawn(client.open(first, end, pause))
            }
        });
    }
    let mut all = Measured::new();
    for task in tasks {
        all.add(&task.await.unwrap());
    }
    all
}

/// Single calls, one at a time, to one server after the other in short rounds, with something else to measure after
/// each of these; `duration` for each server.
pub async fn unloaded(
    urls: &[&str],
    duration: Duration,
    mut between: impl FnMut(),
) -> Vec<Measured> {
    let mut clients = Vec::new();
    for url in urls {
        let mut client = Client::connect(url, 0, 1).await;
        // Everything is loaded and every thread has run once.
        client.round(&mut Measured::new()).await;
        clients.push((client, Measured::new()));
    }
    let rounds = (duration.as_millis() / ROUND.as_millis())
        .try_into()
        .unwrap();
    for round in 0..rounds {
        for turn in 0..clients.len() {
            // Whatever it does to be the first of a round, each is so in its turn.
            let place = (round + turn) % clients.len();
            let (client, measured) = &mut clients[place];
            client.round(measured).await;
        }
        between();
    }
    clients.into_iter().map(|(_, measured)| measured).collect()
}

struct Client {
    signing: SigningServiceClient<Channel>,
    ledgers: Ledgers,
}

impl Client {
    async fn connect(url: &str, index: u64, clients: u64) -> Self {
        Self {
            signing: SigningServiceClient::connect(url.to_owned()).await.unwrap(),
            ledgers: Ledgers::new(index, clients),
        }
    }

    async fn call(&mut self, measured: &mut Measured) {
        let request = SignCheckpointRequest {
            checkpoint: Some(self.ledgers.next()),
            ..Default::default()
        };
        let sent = Instant::now();
        let answer = self.signing.sign_checkpoint(request).await;
        measured.note(sent.elapsed(), answer.is_ok());
    }

    async fn round(&mut self, measured: &mut Measured) {
        let end = Instant::now() + ROUND;
        while Instant::now() < end {
            self.call(measured).await;
        }
    }

    async fn unary(mut self, end: Instant) -> Measured {
        let mut measured = Measured::new();
        while Instant::now() < end {
            self.call(&mut measured).await;
        }
        measured
    }

    /// Calls overtake one another, but not so far that a ledger would have its next turn meanwhile.
    async fn open(mut self, first: Instant, end: Instant, pause: Duration) -> Measured {
        let mut measured = Measured::new();
        let (done, mut answers) = mpsc::unbounded_channel();
        let mut due = first;
        while due < end {
            tokio::time::sleep_until(due.into()).await;
            let request = SignCheckpointRequest {
                checkpoint: Some(self.ledgers.next()),
                ..Default::default()
            };
            let (mut signing, done) = (self.signing.clone(), done.clone());
            tokio::spawn(async move {
                let answer = signing.sign_checkpoint(request).await;
                let _ = done.send((due.elapsed(), answer.is_ok()));
            });
            due += pause;
        }
        drop(done);
        while let Some((latency, signed)) = answers.recv().await {
            measured.note(latency, signed);
        }
        measured
    }

    async fn stream(mut self, end: Instant) -> Measured {
        let mut measured = Measured::new();
        let (send, requests) = mpsc::channel(STREAM_WINDOW);
        let (times, mut sent) = mpsc::channel(STREAM_WINDOW);
        let mut ledgers = self.ledgers;
        let sender = tokio::spawn(async move {
            while Instant::now() < end {
                let request = SignCheckpointsRequest {
                    request_id: String::new(),
                    checkpoint: Some(ledgers.next()),
                    ..Default::default()
                };
                // The first channel bounds what is under way: it has a place again when an answer has come.
                if times.send(Instant::now()).await.is_err() || send.send(request).await.is_err() {
                    return;
                }
            }
        });
        let requests = ReceiverStream::new(requests);
        let answers = self.signing.sign_checkpoints(requests).await.unwrap();
        let mut answers = answers.into_inner();
        while let Some(answer) = answers.next().await {
            let since = sent.recv().await.unwrap();
            let signed = matches!(answer.unwrap().outcome, Some(Outcome::SignedCheckpoint(_)));
            measured.note(since.elapsed(), signed);
        }
        sender.await.unwrap();
        measured
    }
}
