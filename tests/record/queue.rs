//! More than the service can do at once.

use std::path::PathBuf;
use std::time::Duration;

use checkpoint::key::{Algorithm, ValidityWindow};
use checkpoint::signing::KeySecret;
use checkpoint_signer::record::sqlite::SqliteRecord;
use checkpoint_signer::wire::proto::signing_service_client::SigningServiceClient;
use checkpoint_signer::wire::proto::{Checkpoint, SignCheckpointRequest, SignCheckpointsRequest};
use futures_util::future::join_all;
use tempfile::TempDir;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;

use crate::cluster::Replica;
use crate::scrape::Scrape;
use crate::support::{TestService, at, checkpoint, write_keys};

/// Calls that one connection carries at once.
const STREAMS: usize = 100;

/// The secret document of a key so large that its signatures take a while.
fn large_key() -> String {
    let window = ValidityWindow::new(at("2020-01-01"), at("2099-01-01")).unwrap();
    let key_id = "large".parse().unwrap();
    let generated = KeySecret::generate(key_id, window, Algorithm::Ps256, 4096, None);
    generated.unwrap().0.to_string()
}

async fn start() -> (TempDir, PathBuf, Replica) {
    let folder = tempfile::tempdir().unwrap();
    write_keys(folder.path(), &large_key());
    let path = folder.path().join("record.sqlite");
    SqliteRecord::init(&path).unwrap();
    let place = format!("sqlite:{}", path.display());
    let replica = Replica::start(folder.path(), &place).await;
    (folder, path, replica)
}

/// A connection whose calls wait as long as it takes: there are many, and one core or two.
fn patient(replica: &Replica) -> Channel {
    Endpoint::from_shared(replica.url()).unwrap().connect_lazy()
}

async fn sign(channel: Channel, ledger: String, timeout: Option<Duration>) -> Result<(), Status> {
    let mut checkpoint = checkpoint("chk_1", 1, "x");
    checkpoint.ledger_id = ledger;
    let mut request = Request::new(SignCheckpointRequest {
        checkpoint: Some(checkpoint),
        ..Default::default()
    });
    if let Some(timeout) = timeout {
        request.set_timeout(timeout);
    }
    let mut client = SigningServiceClient::new(channel);
    client.sign_checkpoint(request).await.map(|_| ())
}

/// Calls for one ledger each, all at once, over as many connections as they need.
fn calls(
    connect: &dyn Fn() -> Channel,
    name: &str,
    count: usize,
    timeout: Option<Duration>,
) -> Vec<impl Future<Output = Result<(), Status>> + use<>> {
    let channels: Vec<_> = (0..count.div_ceil(STREAMS)).map(|_| connect()).collect();
    let call = |n: usize| {
        let channel = channels[n / STREAMS].clone();
        sign(channel, format!("{name}_{n}"), timeout)
    };
    (0..count).map(call).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_much_is_refused_and_may_be_retried() {
    let (_folder, path, replica) = start().await;
    let cores = std::thread::available_parallelism().unwrap().get();
    let (room, too_many) = (512 * cores, 150);
    // Nothing can be recorded while somebody else writes, so that what is accepted stays in the queue.
    let mut other = rusqlite::Connection::open(&path).unwrap();
    let lock = other
        .transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)
        .unwrap();
    let calls = calls(&|| patient(&replica), "org", room + too_many, None);
    let calls: Vec<_> = calls.into_iter().map(tokio::spawn).collect();
    while calls.iter().filter(|call| call.is_finished()).count() < too_many {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    drop(lock);
    let mut refused = Vec::new();
    for (n, call) in calls.into_iter().enumerate() {
        if let Err(status) = call.await.unwrap() {
            assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
            let details = status.get_error_details();
            assert_eq!(details.error_info().unwrap().reason, "OVERLOADED");
            let delay = details.retry_info().unwrap().retry_delay;
            assert!(delay.is_some_and(|delay| delay > Duration::ZERO));
            refused.push(n);
        }
    }
    assert_eq!(refused.len(), too_many);
    for n in refused {
        let again = sign(replica.channel(), format!("org_{n}"), None).await;
        again.expect("there is room again");
    }
    replica.stop().await;
}

/// A stream that goes on until it is called off.
fn endless(channel: &Channel, name: usize) -> tokio::task::JoinHandle<()> {
    let items = (0..).map(move |n| {
        let mut checkpoint = checkpoint(&format!("chk_{n}"), n, &n.to_string());
        checkpoint.ledger_id = format!("stream_{name}");
        SignCheckpointsRequest {
            checkpoint: Some(checkpoint),
            omit_content: true,
            ..Default::default()
        }
    });
    let mut client = SigningServiceClient::new(channel.clone());
    tokio::spawn(async move {
        let answers = client.sign_checkpoints(tokio_stream::iter(items)).await;
        let mut answers = answers.unwrap().into_inner();
        while answers.message().await.unwrap().is_some() {}
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_leave_room_for_single_calls_however_many_they_are() {
    let (_folder, path, replica) = start().await;
    let channels = [(); 2].map(|()| patient(&replica));
    let cores = std::thread::available_parallelism().unwrap().get();
    // Each has up to 256 items on their way, and the queue 512 places a core.
    let streams = (0..8 * cores).map(|n| endless(&channels[n % 2], n));
    let streams: Vec<_> = streams.collect();
    let filled = 128 * cores;
    while crate::judgement::sqlite_rows(&path).len() < filled {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for n in 0..10 {
        let single = sign(replica.channel(), format!("single_{n}"), None).await;
        single.expect("it is not refused, whatever streams bring");
    }
    for stream in streams {
        stream.abort();
    }
    replica.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_whose_deadline_has_passed_costs_no_signature() {
    let service = TestService::with(&large_key(), "2025-06-01T12:00:00Z").await;
    let endpoint = Endpoint::from_shared(service.grpc()).unwrap();
    let connect = || endpoint.connect_lazy();
    // So many that even the last of them waits for longer than the hasty ones do.
    let number = 150 * std::thread::available_parallelism().unwrap().get();
    let patient = calls(&connect, "patient", number, None).into_iter();
    let patient: Vec<_> = patient.map(tokio::spawn).collect();
    // As many behind them do not wait until it is their turn.
    let hasty = calls(&connect, "hasty", number, Some(Duration::from_millis(20)));
    let hasty = join_all(hasty).await;
    let in_time = hasty.iter().filter(|answer| answer.is_ok()).count();
    for call in patient {
        call.await.unwrap().unwrap();
    }
    let made = Scrape::of(&service.http()).value("rsa_seconds_count");
    let recorded = crate::judgement::sqlite_rows(&service.record_path()).len();
    assert!(in_time < number / 3, "{in_time} were in time");
    assert!(recorded >= number + in_time, "{recorded} are on record");
    let at_most = f64::from(u32::try_from(number + number / 2).unwrap());
    assert!(made < at_most, "{made} signatures were made");
    service.stop().await;
}

/// The largest checkpoints of one client that are taken in at once: together they hold no more than is left of 36 MiB, each four times its message.
const LARGEST_AT_ONCE: usize = 9;

/// Most memory that it may take while the largest wait: 20 MiB when idle, those that are taken in, what is read of one, and a debug build.
const MOST_MEMORY_KIB: u64 = 160 * 1024;

/// Of the largest size, with a name of its own.
fn largest(n: usize) -> Checkpoint {
    let mut largest = checkpoint("chk_1", 1, "x");
    largest.ledger_id = format!("large_{n}");
    let more = "x".repeat(520_000);
    largest.additional_members = Some(prost_types::Struct {
        fields: [("more".to_owned(), more.into())].into(),
    });
    largest
}

async fn sign_largest(channel: Channel, n: usize, timeout: Option<Duration>) -> Result<(), Status> {
    let mut request = Request::new(SignCheckpointRequest {
        checkpoint: Some(largest(n)),
        omit_content: true,
    });
    if let Some(timeout) = timeout {
        request.set_timeout(timeout);
    }
    let mut client = SigningServiceClient::new(channel);
    client.sign_checkpoint(request).await.map(|_| ())
}

fn memory_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kib = line.unwrap().split_whitespace().nth(1);
    kib.unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_largest_wait_within_bounds_also_when_they_are_called_off_and_small_ones_beside_them() {
    let (folder, path, replica) = start().await;
    replica.stop().await;
    let place = format!("sqlite:{}", path.display());
    let metrics = ["--metrics", "127.0.0.1:0"];
    let mut replica = Replica::start_with(folder.path(), &place, &metrics).await;
    let metrics = replica.next_address().await;
    let depth = || Scrape::of(metrics.trim_end_matches("/metrics")).value("queue_depth");
    let mut other = rusqlite::Connection::open(&path).unwrap();
    let lock = other
        .transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)
        .unwrap();
    // What waits for the lock stands before all others.
    let first = tokio::spawn(sign(patient(&replica), "first".into(), None));
    while depth() < 1.0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // Each gives up, and another one comes, for as long as the first one waits.
    let until = tokio::time::Instant::now() + Duration::from_millis(3500);
    let hasty = (0..16).map(|client| {
        let channel = patient(&replica);
        tokio::spawn(async move {
            for n in 0.. {
                let timeout = Some(Duration::from_millis(200));
                let call = sign_largest(channel.clone(), 1000 * (client + 1) + n, timeout);
                if tokio::time::timeout_at(until, call).await.is_err() {
                    break;
                }
            }
        })
    });
    for client in hasty.collect::<Vec<_>>() {
        client.await.unwrap();
    }
    let small = calls(&|| patient(&replica), "small", 50, None);
    let small: Vec<_> = small.into_iter().map(tokio::spawn).collect();
    let patient_ones = 0..3 * LARGEST_AT_ONCE;
    let patient_ones =
        patient_ones.map(|n| (n, tokio::spawn(sign_largest(patient(&replica), n, None))));
    let patient_ones: Vec<_> = patient_ones.collect();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let waiting = depth();
    drop(lock);
    let may_wait = f64::from(u32::try_from(1 + small.len() + LARGEST_AT_ONCE).unwrap());
    assert!(waiting <= may_wait, "{waiting} are in the queue");
    // None is lost: whoever is refused is told to come again, and is signed then.
    let may_retry = |status: &Status| {
        let codes = [Code::ResourceExhausted, Code::Unavailable];
        assert!(codes.contains(&status.code()), "{status:?}");
    };
    first
        .await
        .unwrap()
        .unwrap_or_else(|status| may_retry(&status));
    for (n, call) in small.into_iter().enumerate() {
        if let Err(status) = call.await.unwrap() {
            may_retry(&status);
            let again = sign(replica.channel(), format!("small_{n}"), None).await;
            again.expect("small ones are signed");
        }
    }
    for (n, call) in patient_ones {
        let mut outcome = call.await.unwrap();
        while let Err(status) = outcome {
            may_retry(&status);
            outcome = sign_largest(patient(&replica), n, None).await;
        }
    }
    let memory = memory_kib(replica.pid());
    println!("{waiting} in the queue, {memory} KiB");
    assert!(memory < MOST_MEMORY_KIB, "it took {memory} KiB");
    let recorded = crate::judgement::sqlite_rows(&path).len();
    assert!(
        recorded >= 50 + 3 * LARGEST_AT_ONCE,
        "{recorded} are on record"
    );
    replica.stop().await;
}
