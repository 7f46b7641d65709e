//! Sixteen clients of each kind that take memory and time, all at once, beside a good one: anonymous JSON of tiny objects, protobuf
//! of empty structs, answers that nobody reads, heads that never end, and large messages that are announced and do not come.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use checkpoint_signer::record::sqlite::SqliteRecord;
use checkpoint_signer::wire::proto::signing_service_client::SigningServiceClient;
use checkpoint_signer::wire::proto::{Checkpoint, SignCheckpointRequest, SignedCheckpoint};
use h2::client::SendRequest;
use http::Request;
use prost::Message as _;
use prost_types::{Struct, Value};
use tokio::task::JoinSet;
use tonic::transport::Endpoint;

use crate::client::post_json;
use crate::cluster::Replica;
use crate::support::{checkpoint, key_with, write_keys};

/// Clients of each kind.
const CLIENTS: usize = 16;

/// Calls of the good client, before, during and after the attack.
const GOOD_CALLS: u64 = 100;

/// The promise.
const MOST_MEMORY_KIB: u64 = 256 * 1024;

/// Between two requests of an attacker: they run on the same machine as what they attack.
const PAUSE: Duration = Duration::from_millis(20);

/// Every wait ends here.
const PATIENCE: Duration = Duration::from_secs(300);

/// What the attacks did, so that the test does not pass for want of any.
#[derive(Debug, Default)]
struct Done {
    over: AtomicBool,
    json: AtomicUsize,
    protobuf: AtomicUsize,
    unread: AtomicUsize,
    heads: AtomicUsize,
    announced: AtomicUsize,
}

impl Done {
    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// Whether each attack has had its turns.
    fn is_attacked(&self) -> bool {
        let all = [
            &self.json,
            &self.protobuf,
            &self.unread,
            &self.heads,
            &self.announced,
        ];
        let has_attacked = |what: &&AtomicUsize| what.load(Ordering::Relaxed) >= 2 * CLIENTS;
        all.iter().all(has_attacked)
    }
}

fn count(done: &AtomicUsize) {
    done.fetch_add(1, Ordering::Relaxed);
}

/// As large as a body may be, and far more in memory if it were made into maps.
fn pathological_json() -> Vec<String> {
    let list = |item: &str| {
        let count = 520_000 / (item.len() + 1);
        format!(r#"{{"a":[{}]}}"#, vec![item; count].join(","))
    };
    let mut flat = String::from("{");
    for n in 0..60_000 {
        flat.push_str(&format!(r#""{n}":0,"#));
    }
    flat.push_str(r#""a":0}"#);
    let within = format!(r#"{{"a":[{}]}}"#, vec![r#"{"":0}"#; 32_000].join(","));
    vec![list(r#"{"":0}"#), list("[]"), list(r#""a""#), flat, within]
}

pub(crate) fn framed(message: &[u8]) -> Bytes {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    [&[0], &length[..], message].concat().into()
}

/// Requests to verify: millions of empty structs, and as many objects as are taken.
fn pathological_protobuf() -> Vec<Bytes> {
    let request = |summaries: Vec<Struct>| {
        let checkpoint = Some(Checkpoint {
            organization_summaries: summaries,
            ..Default::default()
        });
        let signed = SignedCheckpoint {
            checkpoint,
            ..Default::default()
        };
        use checkpoint_signer::wire::proto::VerifyCheckpointRequest;
        use checkpoint_signer::wire::proto::verify_checkpoint_request::Subject;
        let subject = Some(Subject::SignedCheckpoint(signed));
        framed(&VerifyCheckpointRequest { subject }.encode_to_vec())
    };
    let member = Struct {
        fields: [(String::new(), Value::from(true))].into(),
    };
    vec![
        request(vec![Struct::default(); 1_500_000]),
        request(vec![member; 32_000]),
        request(vec![Struct::default(); 65_000]),
    ]
}

struct Target {
    grpc: String,
    http: String,
    done: Done,
}

impl Target {
    /// HTTP/2, with windows of this size for what the server sends.
    async fn speak(&self, window: u32) -> Option<SendRequest<Bytes>> {
        let address = self.grpc.trim_start_matches("http://");
        let stream = tokio::net::TcpStream::connect(address).await.ok()?;
        let mut builder = h2::client::Builder::new();
        let spoken = builder.initial_window_size(window).handshake(stream).await;
        let (requests, connection) = spoken.ok()?;
        tokio::spawn(connection);
        requests.ready().await.ok()
    }

    fn request(path: &str) -> Request<()> {
        Request::post(format!("http://localhost/amply.checkpoint.v1.{path}"))
            .header("content-type", "application/grpc")
            .body(())
            .unwrap()
    }

    fn dial(&self) -> std::io::Result<TcpStream> {
        let stream = TcpStream::connect(self.http.trim_start_matches("http://"))?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        stream.set_write_timeout(Some(Duration::from_secs(20)))?;
        Ok(stream)
    }
}

fn send_json(target: &Target, bodies: &[String]) {
    for body in bodies.iter().cycle() {
        if target.done.is_over() {
            return;
        }
        std::thread::sleep(PAUSE);
        let Ok(mut stream) = target.dial() else {
            continue;
        };
        let head = format!(
            "POST /v1/verify HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        let _ = stream.write_all(head.as_bytes());
        let _ = stream.write_all(body.as_bytes());
        let _ = stream.read_to_end(&mut Vec::new());
        count(&target.done.json);
    }
}

/// Pages are asked for, and nobody reads them; then it begins again.
fn read_nothing_of_http(target: &Target) {
    let mut held = Vec::new();
    while !target.done.is_over() {
        if let Ok(mut stream) = target.dial() {
            let _ = stream.write_all(b"GET /v1/checkpoints HTTP/1.1\r\nHost: a\r\n\r\n");
            count(&target.done.unread);
            held.push(stream);
        }
        if held.len() > 12 {
            held.clear();
        }
        std::thread::sleep(Duration::from_millis(30));
    }
}

fn send_heads_without_end(target: &Target) {
    let mut held: Vec<TcpStream> = (0..8).filter_map(|_| target.dial().ok()).collect();
    for stream in &mut held {
        let _ = stream.write_all(b"GET / HTTP/1.1\r\n");
    }
    while !target.done.is_over() {
        for stream in &mut held {
            let sent = stream.write_all(b"x-more: and more\r\n");
            count(&target.done.heads);
            if sent.is_err()
                && let Ok(mut new) = target.dial()
            {
                let _ = new.write_all(b"GET / HTTP/1.1\r\n");
                *stream = new;
            }
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

async fn send_protobuf(target: Arc<Target>, messages: Arc<Vec<Bytes>>) {
    while !target.done.is_over() {
        let Some(mut requests) = target.speak(65_535).await else {
            continue;
        };
        // Whole messages whose requests do not end: what is made of them must not wait for that.
        let mut held = Vec::new();
        for message in messages.iter().skip(1) {
            let path = "VerificationService/VerifyCheckpoint";
            if let Ok((answer, mut stream)) = requests.send_request(Target::request(path), false) {
                let _ = stream.send_data(message.clone(), false);
                held.push((answer, stream));
            }
        }
        for message in messages.iter() {
            tokio::time::sleep(PAUSE).await;
            let path = "VerificationService/VerifyCheckpoint";
            let Ok((answer, mut stream)) = requests.send_request(Target::request(path), false)
            else {
                break;
            };
            let _ = stream.send_data(message.clone(), true);
            drop(tokio::time::timeout(Duration::from_secs(30), answer).await);
            count(&target.done.protobuf);
        }
    }
}

async fn read_nothing(target: Arc<Target>) {
    while !target.done.is_over() {
        let Some(mut requests) = target.speak(0).await else {
            continue;
        };
        let mut held = Vec::new();
        for _ in 0..100 {
            let path = "RecordService/ListSignedCheckpoints";
            let Ok((answer, mut stream)) = requests.send_request(Target::request(path), false)
            else {
                break;
            };
            let _ = stream.send_data(framed(&[]), true);
            count(&target.done.unread);
            held.push((answer, stream));
        }
        for _ in 0..50 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            if target.done.is_over() {
                return;
            }
        }
    }
}

async fn announce(target: Arc<Target>) {
    while !target.done.is_over() {
        let Some(mut requests) = target.speak(65_535).await else {
            continue;
        };
        let mut held = Vec::new();
        for _ in 0..64 {
            let path = "SigningService/SignCheckpoint";
            let Ok((answer, mut stream)) = requests.send_request(Target::request(path), false)
            else {
                break;
            };
            let announced = [&[0][..], &3_000_000_u32.to_be_bytes(), &[10; 60_000]].concat();
            let _ = stream.send_data(announced.into(), false);
            count(&target.done.announced);
            held.push((answer, stream));
        }
        for _ in 0..50 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            if target.done.is_over() {
                return;
            }
        }
    }
}

/// Attackers have machines of their own; here, they have what is left of the service's.
fn leave_the_rest() {
    rustix::process::setpriority_process(None, 15).unwrap();
}

pub(crate) fn memory_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let mut lines = status.lines();
    let line = lines.find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Signs over gRPC and verifies over HTTP, until there was enough of it; gives the medians of both.
async fn go_on(
    service: &Replica,
    http: &str,
    from: u64,
    is_enough: impl Fn() -> bool,
) -> (Duration, Duration) {
    let channel = Endpoint::from_shared(service.url()).unwrap().connect_lazy();
    let mut client = SigningServiceClient::new(channel);
    let (mut signing, mut verifying) = (Vec::new(), Vec::new());
    for n in from.. {
        if n >= from + GOOD_CALLS && is_enough() {
            break;
        }
        let request = SignCheckpointRequest {
            checkpoint: Some(checkpoint(&format!("chk_{n}"), n, &n.to_string())),
            ..Default::default()
        };
        let begun = Instant::now();
        let answer = client.sign_checkpoint(request).await;
        signing.push(begun.elapsed());
        let signed = answer.unwrap_or_else(|status| panic!("call {n}: {status:?}"));
        let signed = signed.into_inner().signed_checkpoint.unwrap();
        let http = http.to_owned();
        let begun = Instant::now();
        let verdict = tokio::task::spawn_blocking(move || {
            post_json(&http, "/v1/verify", &signed.published_json)
        });
        let verdict = verdict.await.unwrap();
        verifying.push(begun.elapsed());
        assert_eq!(verdict.status, 200, "call {n}: {}", verdict.body);
        assert_eq!(verdict.json()["verdict"], "VALID", "call {n}");
    }
    let median = |mut times: Vec<Duration>| {
        times.sort();
        times[times.len() / 2]
    };
    (median(signing), median(verifying))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixteen_attackers_of_each_kind_take_little_memory_and_keep_no_good_client_out() {
    let folder = tempfile::tempdir().unwrap();
    let record = folder.path().join("record.sqlite");
    SqliteRecord::init(&record).unwrap();
    let key = key_with("key", "2020-01-01", "2120-01-01", 0);
    write_keys(folder.path(), &key);
    let place = format!("sqlite:{}", record.display());
    let mut service = Replica::start_with(folder.path(), &place, &["--http", "127.0.0.1:0"]).await;
    let http = service.next_address().await;
    let http = http.trim_end_matches('/').to_owned();
    // Large rows, so that pages are as large as they may be.
    let mut client = SigningServiceClient::new(service.channel());
    for n in 1..=8 {
        let mut large = checkpoint(&format!("large_{n}"), n, "large");
        large.ledger_id = "org_large".into();
        large.additional_members = Some(Struct {
            fields: [("more".to_owned(), Value::from("x".repeat(480_000)))].into(),
        });
        let request = SignCheckpointRequest {
            checkpoint: Some(large),
            ..Default::default()
        };
        client.sign_checkpoint(request).await.unwrap();
    }
    let quiet = go_on(&service, &http, 1, || true).await;
    let before = memory_kib(service.id());

    let target = Arc::new(Target {
        grpc: service.url(),
        http: http.clone(),
        done: Done::default(),
    });
    let (json, protobuf) = (
        Arc::new(pathological_json()),
        Arc::new(pathological_protobuf()),
    );
    let (mut threads, mut tasks) = (Vec::new(), JoinSet::new());
    let elsewhere = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .on_thread_start(leave_the_rest)
        .enable_all()
        .build()
        .unwrap();
    let on = elsewhere.handle();
    for _ in 0..CLIENTS {
        let (one, bodies) = (Arc::clone(&target), Arc::clone(&json));
        threads.push(std::thread::spawn(move || {
            leave_the_rest();
            send_json(&one, &bodies);
        }));
        for attack in [read_nothing_of_http, send_heads_without_end] {
            let one = Arc::clone(&target);
            threads.push(std::thread::spawn(move || {
                leave_the_rest();
                attack(&one);
            }));
        }
        tasks.spawn_on(
            send_protobuf(Arc::clone(&target), Arc::clone(&protobuf)),
            on,
        );
        tasks.spawn_on(read_nothing(Arc::clone(&target)), on);
        tasks.spawn_on(announce(Arc::clone(&target)), on);
    }
    let done = &target.done;
    let attacked = go_on(&service, &http, 1000, || done.is_attacked());
    let attacked = tokio::time::timeout(PATIENCE, attacked).await;
    let attacked = attacked.unwrap_or_else(|_| {
        panic!("the good client is served, and each attack takes place, within 5 minutes: {done:?}")
    });
    let memory = memory_kib(service.id());
    done.over.store(true, Ordering::Relaxed);
    println!(
        "memory {before} -> {memory} KiB; median to sign and to verify {quiet:?} -> {attacked:?}; {done:?}"
    );
    assert!(memory < MOST_MEMORY_KIB, "it took {memory} KiB");
    tasks.shutdown().await;
    elsewhere.shutdown_background();
    tokio::task::spawn_blocking(move || {
        threads
            .into_iter()
            .for_each(|thread| thread.join().unwrap())
    })
    .await
    .unwrap();
    let afterwards = go_on(&service, &http, 1_000_000, || true).await;
    println!("afterwards {afterwards:?}");
    service.kill().await;
}
