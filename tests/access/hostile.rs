//! A client that means harm, with no certificate and with a stolen one, while a good client signs.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use checkpoint_signer::wire::proto::key_service_client::KeyServiceClient;
use checkpoint_signer::wire::proto::signing_service_client::SigningServiceClient;
use checkpoint_signer::wire::proto::{ListKeysRequest, SignCheckpointRequest};
use h2::SendStream;
use h2::client::SendRequest;
use http::Request;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::Code;
use tonic::transport::Channel;

use crate::authority::Authority;
use crate::guarded::{Running, prepare};
use crate::support::checkpoint;
use crate::wait::{PATIENCE, until};

/// What the good client signs at the least while the attacks go on.
const SIGNED: u64 = 100;

/// Connections that say nothing, at the same time. All of them are dialled several times over.
const SILENT: usize = 2000;

/// Handshakes that are begun and not ended, at the same time.
const BEGUN: usize = 1500;

/// Messages that arrive a bit at a time.
const SLOW: usize = 800;

/// Calls whose answers nobody takes.
const UNREAD: usize = 2000;

/// Far above what the service needs for its limits, far below what it would need without them.
const MOST_MEMORY_KIB: u64 = 400 * 1024;

/// What the attacks did, so that the test does not pass for want of any.
#[derive(Debug, Default)]
struct Done {
    silent: AtomicUsize,
    begun: AtomicUsize,
    resets: AtomicUsize,
    giants: AtomicUsize,
    slow: AtomicUsize,
    unread: AtomicUsize,
}

impl Done {
    /// The attacks that have not happened often enough, with how often they have.
    fn wanting(&self) -> Vec<(&'static str, usize)> {
        let least = [
            ("silent", &self.silent, SILENT),
            ("begun", &self.begun, BEGUN),
            ("resets", &self.resets, 1000),
            ("giants", &self.giants, 10),
            ("slow", &self.slow, 100),
            ("unread", &self.unread, 100),
        ];
        let done = least.map(|(what, done, least)| (what, done.load(Ordering::Relaxed), least));
        let wanting = done.into_iter().filter(|(_, done, least)| done < least);
        wanting.map(|(what, done, _)| (what, done)).collect()
    }
}

fn count(done: &AtomicUsize) {
    done.fetch_add(1, Ordering::Relaxed);
}

struct Attacker {
    done: Done,
    server: SocketAddr,
    tls: TlsConnector,
}

impl Attacker {
    fn new(folder: &Path, authority: &Authority, port: u16) -> Self {
        let mut roots = rustls::RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap())
            .unwrap();
        let certificate = CertificateDer::from_pem_file(folder.join("auditor.crt")).unwrap();
        let key = PrivateKeyDer::from_pem_file(folder.join("auditor.key")).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_client_auth_cert(vec![certificate], key)
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec()];
        Self {
            done: Done::default(),
            server: ([127, 0, 0, 1], port).into(),
            tls: TlsConnector::from(Arc::new(config)),
        }
    }

    /// A connection from an address that no good client has.
    async fn dial(&self) -> std::io::Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(([127, 0, 0, 2], 0).into())?;
        socket.connect(self.server).await
    }

    async fn shake_hands(&self) -> std::io::Result<TlsStream<TcpStream>> {
        let stream = self.dial().await?;
        self.tls
            .connect(ServerName::try_from("localhost").unwrap(), stream)
            .await
    }

    /// HTTP/2 with the stolen certificate, with windows of this size for what the server sends.
    async fn speak(&self, window: u32) -> Option<SendRequest<Bytes>> {
        let stream = self.shake_hands().await.ok()?;
        let mut builder = h2::client::Builder::new();
        let spoken = builder
            .initial_window_size(window)
            .max_concurrent_reset_streams(100_000)
            .handshake(stream);
        let (requests, connection) = spoken.await.ok()?;
        tokio::spawn(connection);
        requests.ready().await.ok()
    }

    fn request(&self, path: &str) -> http::request::Builder {
        Request::post(format!("https://localhost{path}")).header("content-type", "application/grpc")
    }
}

/// Calls that go on, with their connection.
type Held = (
    SendRequest<Bytes>,
    Vec<(tokio::task::JoinHandle<()>, SendStream<Bytes>)>,
);

impl Attacker {
    /// So many calls on one connection, and how many of them are let in. None when the connection is not.
    async fn call_and_stay(&self, calls: usize) -> Option<(usize, Held)> {
        let mut requests = self.speak(65_535).await?;
        let (mut let_in, mut held) = (0, Vec::new());
        for _ in 0..calls {
            requests = requests.ready().await.ok()?;
            let path = "/amply.checkpoint.v1.KeyService/WatchKeys";
            let request = self.request(path).body(()).unwrap();
            let (answer, mut sent) = requests.send_request(request, false).ok()?;
            sent.send_data(Bytes::from_static(&[0; 5]), true).ok()?;
            let answer = answer.await.ok()?;
            let_in += usize::from(!answer.headers().contains_key("grpc-status"));
            // What is not read for half a minute is ended.
            let mut body = answer.into_body();
            let reads = tokio::spawn(async move {
                while let Some(Ok(data)) = body.data().await {
                    let _ = body.flow_control().release_capacity(data.len());
                }
            });
            held.push((reads, sent));
        }
        Some((let_in, (requests, held)))
    }
}

/// Thousands of connections that never say a word.
async fn say_nothing(attacker: Arc<Attacker>) {
    let mut held = Vec::new();
    loop {
        let dialled = tokio::time::timeout(Duration::from_millis(200), attacker.dial()).await;
        let Ok(Ok(stream)) = dialled else { continue };
        count(&attacker.done.silent);
        held.push(stream);
        if held.len() >= SILENT {
            held.drain(..SILENT / 2);
        }
    }
}

/// Half a handshake, and half a preface.
async fn begin_and_stop(attacker: Arc<Attacker>) {
    let mut held = Vec::new();
    for round in 0.. {
        if let Ok(mut stream) = attacker.dial().await {
            let _ = stream.write_all(&[22, 3, 1, 2, 0, 1]).await;
            count(&attacker.done.begun);
            held.push(stream);
        }
        if held.len() >= BEGUN {
            held.drain(..BEGUN / 2);
        }
        if round % 10 == 0
            && let Ok(mut stream) = attacker.shake_hands().await
        {
            let _ = stream.write_all(b"PRI * HT").await;
            held.push(stream.into_inner().0);
        }
    }
}

/// Streams that are opened and reset, as fast as it goes (CVE-2023-44487).
async fn reset(attacker: Arc<Attacker>) {
    loop {
        let Some(mut requests) = attacker.speak(65_535).await else {
            continue;
        };
        for _ in 0..10_000 {
            let request = attacker.request("/amply.checkpoint.v1.KeyService/ListKeys");
            match requests.send_request(request.body(()).unwrap(), false) {
                Ok((_, mut stream)) => {
                    stream.send_reset(h2::Reason::CANCEL);
                    count(&attacker.done.resets);
                }
                Err(_) => break,
            }
            tokio::task::yield_now().await;
        }
    }
}

/// Metadata of a megabyte.
async fn send_giant_metadata(attacker: Arc<Attacker>) {
    loop {
        let Some(mut requests) = attacker.speak(65_535).await else {
            continue;
        };
        for _ in 0..100 {
            let mut request = attacker.request("/amply.checkpoint.v1.KeyService/ListKeys");
            for number in 0..100 {
                request = request.header(format!("x-{number}"), "x".repeat(10_000));
            }
            match requests.send_request(request.body(()).unwrap(), true) {
                Ok((answer, _)) => {
                    drop(answer.await);
                    count(&attacker.done.giants);
                }
                Err(_) => break,
            }
        }
    }
}

/// Many large messages that are announced, and arrive a bit at a time, for ever.
async fn send_slowly(attacker: Arc<Attacker>) {
    let mut streams = Vec::new();
    let mut held = Vec::new();
    while attacker.done.slow.load(Ordering::Relaxed) < SLOW {
        let Some(mut requests) = attacker.speak(65_535).await else {
            continue;
        };
        for _ in 0..100 {
            let request =
                attacker.request("/amply.checkpoint.v1.VerificationService/VerifyCheckpoint");
            let Ok((answer, mut stream)) = requests.send_request(request.body(()).unwrap(), false)
            else {
                break;
            };
            let announced = 15_000_000u32.to_be_bytes();
            let _ = stream.send_data([&[0], &announced[..]].concat().into(), false);
            count(&attacker.done.slow);
            streams.push(stream);
            held.push(answer);
        }
    }
    loop {
        for stream in &mut streams {
            stream.reserve_capacity(8192);
            let capacity = stream.capacity().min(8192);
            let _ = stream.send_data(vec![7; capacity].into(), false);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Calls whose answers nobody takes.
async fn read_nothing(attacker: Arc<Attacker>) {
    let mut held = Vec::new();
    while attacker.done.unread.load(Ordering::Relaxed) < UNREAD {
        let Some(mut requests) = attacker.speak(0).await else {
            continue;
        };
        for _ in 0..100 {
            let request = attacker.request("/amply.checkpoint.v1.KeyService/ListKeys");
            let Ok((answer, mut stream)) = requests.send_request(request.body(()).unwrap(), false)
            else {
                break;
            };
            let _ = stream.send_data(vec![0; 5].into(), true);
            count(&attacker.done.unread);
            held.push((answer, stream));
        }
    }
    std::future::pending().await
}

/// More calls at once than one client may have, by the good library.
async fn call_too_much(channel: Channel) -> usize {
    let mut calls = JoinSet::new();
    for _ in 0..3000 {
        let mut client = KeyServiceClient::new(channel.clone());
        calls.spawn(async move { client.list_keys(ListKeysRequest {}).await });
    }
    let answers = calls.join_all().await;
    answers.iter().filter(|answer| answer.is_ok()).count()
}

fn memory_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn open_files(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd"))
        .unwrap()
        .count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hostile_client_keeps_no_good_one_from_signing() {
    let (folder, authority) = prepare();
    let running = Running::start(folder.path());
    let pid = running.child.id();
    let attacker = Arc::new(Attacker::new(folder.path(), &authority, running.port));
    let files_before = open_files(pid);

    let mut attacks = JoinSet::new();
    attacks.spawn(say_nothing(Arc::clone(&attacker)));
    attacks.spawn(begin_and_stop(Arc::clone(&attacker)));
    attacks.spawn(reset(Arc::clone(&attacker)));
    attacks.spawn(send_giant_metadata(Arc::clone(&attacker)));
    attacks.spawn(send_slowly(Arc::clone(&attacker)));
    attacks.spawn(read_nothing(Arc::clone(&attacker)));
    let too_much = tokio::spawn(call_too_much(running.client(
        folder.path(),
        &authority,
        "operator",
    )));

    // The good client, which also connects anew every now and then.
    let start = Instant::now();
    let mut signed = 0;
    while signed < SIGNED || !attacker.done.wanting().is_empty() {
        assert!(
            start.elapsed() < PATIENCE,
            "{signed} are signed, and of the attacks are wanting: {:?}",
            attacker.done.wanting()
        );
        let mut client =
            SigningServiceClient::new(running.client(folder.path(), &authority, "ledger"));
        for _ in 0..10 {
            signed += 1;
            let request = SignCheckpointRequest {
                checkpoint: Some(checkpoint(
                    &format!("chk_{signed}"),
                    signed,
                    &signed.to_string(),
                )),
                ..Default::default()
            };
            let answer = client.sign_checkpoint(request).await;
            assert!(answer.is_ok(), "call {signed}: {answer:?}");
        }
    }
    assert!(too_much.await.unwrap() > 0);
    attacks.shutdown().await;
    let memory = memory_kib(pid);
    assert!(memory < MOST_MEMORY_KIB, "it took {memory} KiB");
    // Afterwards it is as before: whoever gave up is forgotten.
    until("the files of those who gave up to be closed", async || {
        open_files(pid) <= files_before + 20
    })
    .await;
    let mut client = SigningServiceClient::new(running.client(folder.path(), &authority, "ledger"));
    let request = SignCheckpointRequest {
        checkpoint: Some(checkpoint("chk_0", 0, "0")),
        ..Default::default()
    };
    let status = client.sign_checkpoint(request).await.unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition, "{status:?}");
    eprintln!(
        "{signed} signed meanwhile; {memory} KiB at most; {:?}",
        attacker.done
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_peer_has_so_many_calls_and_connections_and_keeps_nobody_out() {
    let (folder, authority) = prepare();
    let running = Running::start(folder.path());
    let attacker = Attacker::new(folder.path(), &authority, running.port);
    let mut held = Vec::new();
    let cores = std::thread::available_parallelism().unwrap().get();
    let full = 5 * cores.max(2);
    for _ in 0..full {
        let (let_in, calls) = attacker.call_and_stay(128).await.unwrap();
        assert_eq!(let_in, 128);
        held.push(calls);
    }
    // Past 640 calls a core, each connection has four; past 128 connections, there are no further ones.
    for _ in full..128 {
        let (let_in, calls) = attacker
            .call_and_stay(5)
            .await
            .unwrap_or_else(|| panic!("connection {}", held.len()));
        assert_eq!(let_in, 4);
        held.push(calls);
    }
    assert!(attacker.call_and_stay(1).await.is_none());
    let mut client = SigningServiceClient::new(running.client(folder.path(), &authority, "ledger"));
    let request = SignCheckpointRequest {
        checkpoint: Some(checkpoint("chk_1", 1, "1")),
        ..Default::default()
    };
    let answer = client.sign_checkpoint(request).await;
    assert!(answer.is_ok(), "{answer:?}");
}
