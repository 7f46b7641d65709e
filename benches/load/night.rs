//! A night: one checkpoint of each of so many ledgers, by several clients, to one or more replicas on the same record.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use checkpoint_signer::wire::proto::sign_checkpoints_response::Outcome;
use checkpoint_signer::wire::proto::signing_service_client::SigningServiceClient;
use checkpoint_signer::wire::proto::{Checkpoint, SignCheckpointRequest, SignCheckpointsRequest};
use futures_util::stream::poll_fn;
use tokio::runtime::Runtime;
use tokio_stream::StreamExt;
use tonic::transport::Channel;

use crate::clients::STREAM_WINDOW;
use crate::ledgers::TOTAL_VOLUME;
use crate::place::Place;
use crate::process::{cpu_seconds, peak_mib};
use crate::server::Server;
use crate::settings::{Mode, Settings};

/// How often the progress is told.
const TELL_EVERY: Duration = Duration::from_secs(30);

/// Those that are still to be signed.
struct Night {
    ledgers: u64,
    taken: AtomicU64,
    signed: AtomicU64,
}

impl Night {
    /// The checkpoint of the next ledger; none when all are taken.
    fn next(&self) -> Option<Checkpoint> {
        let ledger = self.taken.fetch_add(1, Ordering::Relaxed);
        (ledger < self.ledgers).then(|| Checkpoint {
            checkpoint_id: "chk_2025-01-15".into(),
            ledger_id: format!("night_{ledger:08}"),
            timestamp: Some(prost_types::Timestamp {
                seconds: 1_736_985_599,
                nanos: 0,
            }),
            cumulative_hash: format!("sha256:{ledger:064x}"),
            entry_count: ledger + 1,
            total_volume: TOTAL_VOLUME,
            ..Default::default()
        })
    }

    fn signed(&self) {
        self.signed.fetch_add(1, Ordering::Relaxed);
    }
}

/// Prints how long it took, and the CPU time of all that had a part in it.
pub fn run(settings: &Settings, runtime: &Runtime, place: &Place, ledgers: u64) {
    let replicas: Vec<Server> = (0..settings.replicas)
        .map(|_| Server::start(place))
        .collect();
    let night = Arc::new(Night {
        ledgers,
        taken: AtomicU64::new(0),
        signed: AtomicU64::new(0),
    });
    let cpu = || {
        let service: Vec<f64> = replicas.iter().map(Server::cpu_seconds).collect();
        let clients = cpu_seconds(std::process::id());
        (service, place.database_cpu_seconds(), clients)
    };
    let (before, start) = (cpu(), Instant::now());
    runtime.block_on(sign_all(settings, &replicas, &night));
    let (elapsed, after) = (start.elapsed().as_secs_f64(), cpu());
    let signed = night.signed.load(Ordering::Relaxed);
    let service = after.0.iter().zip(&before.0);
    let service: Vec<f64> = service.map(|(after, before)| after - before).collect();
    let (database, clients) = (after.1 - before.1, after.2 - before.2);
    println!(
        "{:?}, {} bit, {} replicas, {} clients, {:?}: {signed} of {ledgers} ledgers in {:.1} min, {:.0} /s",
        settings.store,
        settings.bits,
        settings.replicas,
        settings.clients,
        settings.mode,
        elapsed / 60.0,
        signed as f64 / elapsed,
    );
    let of_each = |seconds: f64| seconds * 1000.0 / signed as f64;
    let each: Vec<String> = service
        .iter()
        .map(|seconds| format!("{seconds:.0}"))
        .collect();
    let service: f64 = service.iter().sum();
    println!(
        "  CPU: service {service:.0} s ({}), {:.3} ms a signature; database {database:.0} s, {:.3} ms; clients {clients:.0} s, {:.3} ms",
        each.join(" + "),
        of_each(service),
        of_each(database),
        of_each(clients),
    );
    for replica in &replicas {
        println!(
            "  most memory of a replica: {:.0} MiB",
            peak_mib(replica.pid()).unwrap()
        );
    }
    let rows = runtime.block_on(async { place.open().await.head().await.unwrap().size() });
    println!("  rows on record: {rows}");
}

async fn sign_all(settings: &Settings, replicas: &[Server], night: &Arc<Night>) {
    let mut clients = Vec::new();
    for (_, replica) in (0..settings.clients).zip(replicas.iter().cycle()) {
        let client = SigningServiceClient::connect(replica.url.clone());
        let (client, night) = (client.await.unwrap(), Arc::clone(night));
        clients.push(match settings.mode {
            Mode::Stream => tokio::spawn(stream(client, night)),
            Mode::Unary | Mode::Open => tokio::spawn(unary(client, night)),
        });
    }
    let (telling, start) = (Arc::clone(night), Instant::now());
    let told = tokio::spawn(async move {
        loop {
            tokio::time::sleep(TELL_EVERY).await;
            let signed = telling.signed.load(Ordering::Relaxed);
            eprintln!(
                "{signed} signed after {:.0} s",
                start.elapsed().as_secs_f64()
            );
        }
    });
    for client in clients {
        client.await.unwrap();
    }
    told.abort();
}

async fn unary(mut client: SigningServiceClient<Channel>, night: Arc<Night>) {
    while let Some(checkpoint) = night.next() {
        let request = SignCheckpointRequest {
            checkpoint: Some(checkpoint),
            ..Default::default()
        };
        client.sign_checkpoint(request).await.unwrap();
        night.signed();
    }
}

async fn stream(mut client: SigningServiceClient<Channel>, night: Arc<Night>) {
    // It bounds what is under way: a place is free again when an answer has come.
    let (free, mut places) = tokio::sync::mpsc::channel(STREAM_WINDOW);
    for _ in 0..STREAM_WINDOW {
        free.send(()).await.unwrap();
    }
    let taking = Arc::clone(&night);
    let requests = poll_fn(move |context| {
        let next = || taking.next().map(request);
        places.poll_recv(context).map(|_| next())
    });
    let answers = client.sign_checkpoints(requests).await.unwrap();
    let mut answers = answers.into_inner();
    while let Some(answer) = answers.next().await {
        match answer.unwrap().outcome {
            Some(Outcome::SignedCheckpoint(_)) => night.signed(),
            other => panic!("not signed: {other:?}"),
        }
        let _ = free.send(()).await;
    }
}

fn request(checkpoint: Checkpoint) -> SignCheckpointsRequest {
    SignCheckpointsRequest {
        request_id: String::new(),
        checkpoint: Some(checkpoint),
        ..Default::default()
    }
}
