//! Clients that leave much unread, or have much left unread, from addresses of their own: what they take is bounded, and others go on.

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use checkpoint_signer::record::sqlite::SqliteRecord;
use checkpoint_signer::wire::proto::signing_service_client::SigningServiceClient;
use checkpoint_signer::wire::proto::verify_checkpoints_request::Subject;
use checkpoint_signer::wire::proto::{
    Checkpoint, SignCheckpointRequest, SignCheckpointsRequest, VerifyCheckpointsRequest,
};
use h2::client::{ResponseFuture, SendRequest};
use h2::{RecvStream, SendStream};
use http::Request;
use prost::Message as _;
use prost_types::{Struct, Value};
use tempfile::TempDir;
use testing::wait;
use tokio::net::{TcpSocket, TcpStream};
use tonic_types::StatusExt as _;

use crate::attack::{framed, memory_kib};
use crate::cluster::Replica;
use crate::support::{checkpoint, key_with, write_keys};

/// The promise.
pub(crate) const MOST_MEMORY_KIB: u64 = 256 * 1024;

/// Every wait ends here.
const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) const SIGN: &str = "/amply.checkpoint.v1.SigningService/SignCheckpoint";

pub(crate) async fn start() -> (TempDir, Replica) {
    let folder = TempDir::new().unwrap();
    let record = folder.path().join("record.sqlite");
    SqliteRecord::init(&record).unwrap();
    let key = key_with("key", "2020-01-01", "2120-01-01", 0);
    write_keys(folder.path(), &key);
    let place = format!("sqlite:{}", record.display());
    let service = Replica::start_with(folder.path(), &place, &[]).await;
    (folder, service)
}

/// A connection from an address of the client's own: without certificates, that is who it is.
async fn connect(service: &Replica, client: u8) -> TcpStream {
    connect_from(service, [127, 0, 2, client]).await
}

pub(crate) async fn connect_from(service: &Replica, client: [u8; 4]) -> TcpStream {
    let address: SocketAddr = service.url().replace("http://", "").parse().unwrap();
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((client, 0).into()).unwrap();
    socket.connect(address).await.unwrap()
}

/// HTTP/2, with windows of this size for what the server sends.
async fn speak(service: &Replica, client: u8, window: u32) -> SendRequest<Bytes> {
    let spoken = speak_from(service, [127, 0, 2, client], window).await;
    spoken.unwrap()
}

pub(crate) async fn speak_from(
    service: &Replica,
    client: [u8; 4],
    window: u32,
) -> Result<SendRequest<Bytes>, h2::Error> {
    let stream = connect_from(service, client).await;
    let mut builder = h2::client::Builder::new();
    builder.initial_window_size(window);
    let (requests, connection) = builder.handshake(stream).await?;
    tokio::spawn(connection);
    requests.ready().await
}

/// There may be no room for one more connection, until the service has seen that others have ended.
async fn speak_when_there_is_room(service: &Replica, client: u8) -> SendRequest<Bytes> {
    let mut spoken = None;
    wait::until("room for a connection", async || {
        spoken = speak_from(service, [127, 0, 2, client], 65_535).await.ok();
        spoken.is_some()
    })
    .await;
    spoken.unwrap()
}

pub(crate) fn begin(
    requests: &mut SendRequest<Bytes>,
    path: &str,
) -> (ResponseFuture, SendStream<Bytes>) {
    try_to_begin(requests, path).unwrap()
}

pub(crate) fn try_to_begin(
    requests: &mut SendRequest<Bytes>,
    path: &str,
) -> Result<(ResponseFuture, SendStream<Bytes>), h2::Error> {
    let request = Request::post(format!("http://localhost{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    requests.send_request(request.body(()).unwrap(), false)
}

pub(crate) fn large(name: &str) -> SignCheckpointRequest {
    let mut large: Checkpoint = checkpoint("chk_1", 1, "a");
    large.ledger_id = name.into();
    large.additional_members = Some(Struct {
        fields: [("a".to_owned(), Value::from("x".repeat(450_000)))].into(),
    });
    SignCheckpointRequest {
        checkpoint: Some(large),
        ..Default::default()
    }
}

/// Another client has large checkpoints signed, one after the other.
async fn good(service: &Replica) {
    let mut signing = SigningServiceClient::new(service.channel());
    for n in 0..5 {
        let signed = signing.sign_checkpoint(large(&format!("good-{n}")));
        let signed = tokio::time::timeout(PATIENCE, signed).await;
        let signed = signed.expect("a large checkpoint of another client is answered");
        signed.unwrap_or_else(|status| panic!("checkpoint {n}: {status}"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_read_no_answer_keep_nobody_from_having_large_checkpoints_signed() {
    let (_folder, service) = start().await;
    let mut held = Vec::new();
    for client in 1..=3 {
        let mut requests = speak(&service, client, 0).await;
        for _ in 0..20 {
            let (answer, mut stream) = begin(&mut requests, SIGN);
            let message = framed(&large(&format!("held-{client}")).encode_to_vec());
            stream.send_data(message, true).unwrap();
            held.push((answer, stream));
        }
    }
    // Those of each whose head has come are answered, and unread.
    for (answer, _) in held.iter_mut().step_by(20) {
        tokio::time::timeout(PATIENCE, answer)
            .await
            .expect("an answer begins")
            .unwrap();
    }
    good(&service).await;
    service.kill().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_send_slowly_keep_nobody_from_having_large_checkpoints_signed() {
    let (_folder, service) = start().await;
    let mut held = Vec::new();
    for client in 1..=3 {
        let mut requests = speak(&service, client, 65_535).await;
        for _ in 0..30 {
            let (answer, mut stream) = begin(&mut requests, SIGN);
            let announced = [&[0][..], &500_000_u32.to_be_bytes(), &[10; 1000]].concat();
            stream.send_data(announced.into(), false).unwrap();
            held.push((answer, stream));
        }
    }
    good(&service).await;
    service.kill().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_client_has_so_many_streams_of_requests_and_leaves_some_to_others() {
    let (_folder, service) = start().await;
    let mut held = Vec::new();
    for (client, streams) in [(1, 33), (2, 17)] {
        let (mut let_in, mut requests) = (0, speak(&service, client, 65_535).await);
        for n in 1..=streams {
            let path = "/amply.checkpoint.v1.SigningService/SignCheckpoints";
            let (answer, stream) = begin(&mut requests, path);
            let answer = tokio::time::timeout(PATIENCE, answer).await;
            let answer = answer.expect("a stream is let in or refused").unwrap();
            let_in += usize::from(!answer.headers().contains_key("grpc-status"));
            held.push((requests.clone(), stream));
            // A connection has six at most.
            if n % 6 == 0 {
                requests = speak(&service, client, 65_535).await;
            }
        }
        assert_eq!(let_in, streams - 1, "client {client}");
    }
    service.kill().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn as_many_streams_as_a_connection_has_end_well_however_small_their_items_are() {
    let (_folder, service) = start().await;
    let channel = service.channel();
    let mut open = Vec::new();
    for stream in 0..6 {
        let items = (0..700).map(move |n| {
            let mut checkpoint = checkpoint(&n.to_string(), n, "a");
            checkpoint.ledger_id = stream.to_string();
            SignCheckpointsRequest {
                checkpoint: Some(checkpoint),
                omit_content: true,
                ..Default::default()
            }
        });
        let mut client = SigningServiceClient::new(channel.clone());
        let answers = client.sign_checkpoints(tokio_stream::iter(items)).await;
        open.push((client, answers.expect("a stream is let in").into_inner()));
    }
    let mut client = SigningServiceClient::new(channel);
    let one_more = client.sign_checkpoints(tokio_stream::empty()).await;
    let reason = one_more.unwrap_err().get_error_details();
    assert_eq!(reason.error_info().unwrap().reason, "TOO_MANY_CALLS");
    for (_, mut answers) in open {
        for n in 0..700 {
            let answer = tokio::time::timeout(PATIENCE, answers.message()).await;
            let answer = answer.expect("an item is answered");
            answer.unwrap_or_else(|status| panic!("item {n}: {status}"));
        }
    }
    service.kill().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_whose_verdicts_nobody_reads_keep_no_turn_from_others() {
    let (_folder, service) = start().await;
    let item = VerifyCheckpointsRequest {
        request_id: "one".into(),
        subject: Some(Subject::PublishedJson("x".repeat(16_000))),
    };
    let items = framed(&item.encode_to_vec()).repeat(60);
    let mut held = Vec::new();
    for client in 1..=3 {
        let mut requests = speak(&service, client, 0).await;
        for _ in 0..16 {
            let path = "/amply.checkpoint.v1.VerificationService/VerifyCheckpoints";
            let (answer, mut stream) = begin(&mut requests, path);
            let _ = stream.send_data(items.clone().into(), false);
            held.push((answer, stream));
        }
    }
    good(&service).await;
    service.kill().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_that_never_end_take_little_memory_and_keep_nobody_out() {
    let (_folder, service) = start().await;
    let mut held = Vec::new();
    // As much of an ordinary one as is never asked for room, on more calls than there may be; and large ones to verify.
    for client in 1..=16 {
        for connection in 0..8 {
            let mut requests = speak(&service, client, 65_535).await;
            for _ in 0..120 {
                let (answer, mut stream) = begin(&mut requests, SIGN);
                let (announced, sent) = match connection {
                    0 => (1_500_000_u32, 60_000),
                    _ => (8_000, 7_900),
                };
                let begun = [&[0][..], &announced.to_be_bytes(), &vec![10; sent]].concat();
                let _ = stream.send_data(begun.into(), false);
                held.push((answer, stream));
            }
        }
    }
    let small = SignCheckpointRequest {
        checkpoint: Some(checkpoint("chk_1", 1, "a")),
        ..Default::default()
    };
    let mut signing = SigningServiceClient::new(service.channel());
    signing.sign_checkpoint(small).await.unwrap();
    let memory = memory_kib(service.id());
    println!("{memory} KiB");
    assert!(memory < MOST_MEMORY_KIB, "it took {memory} KiB");
    service.kill().await;
}

/// Sends one large message on a stream of requests, and reads until it is answered.
async fn answered_on_a_stream(
    requests: &mut SendRequest<Bytes>,
    path: &str,
    message: &[u8],
) -> (SendStream<Bytes>, RecvStream) {
    let (answer, mut stream) = begin(requests, path);
    stream.send_data(framed(message), false).unwrap();
    let answered = async {
        let mut answers = answer.await.unwrap().into_body();
        let mut missing = None;
        while missing != Some(0) {
            let piece = answers.data().await.unwrap().unwrap();
            answers
                .flow_control()
                .release_capacity(piece.len())
                .unwrap();
            let announced = || u32::from_be_bytes(piece[1..5].try_into().unwrap());
            let before = missing.unwrap_or_else(|| 5 + announced() as usize);
            missing = Some(before - piece.len());
        }
        answers
    };
    let answers = tokio::time::timeout(PATIENCE, answered).await;
    (stream, answers.expect("the message is answered"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_keep_nothing_of_a_large_message_that_is_answered() {
    let (_folder, service) = start().await;
    let mut held = Vec::new();
    for client in 1..=8 {
        let mut requests = speak(&service, client, 65_535).await;
        for n in 0..3 {
            let checked = VerifyCheckpointsRequest {
                request_id: "one".into(),
                subject: Some(Subject::PublishedJson("x".repeat(2_900_000))),
            };
            let path = "/amply.checkpoint.v1.VerificationService/VerifyCheckpoints";
            let message = checked.encode_to_vec();
            held.push(answered_on_a_stream(&mut requests, path, &message).await);
            let signed = SignCheckpointsRequest {
                request_id: "one".into(),
                checkpoint: large(&format!("kept-{client}-{n}")).checkpoint,
                ..Default::default()
            };
            let path = "/amply.checkpoint.v1.SigningService/SignCheckpoints";
            let message = signed.encode_to_vec();
            held.push(answered_on_a_stream(&mut requests, path, &message).await);
        }
    }
    let memory = memory_kib(service.id());
    println!("{memory} KiB");
    // Kept, what was sent and answered would be 110 MiB.
    assert!(memory < 128 * 1024, "it took {memory} KiB");
    service.kill().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_messages_that_are_called_off_leave_no_memory_behind() {
    let (_folder, service) = start().await;
    let begun = [&[0][..], &500_000_u32.to_be_bytes(), &[10; 9_000]].concat();
    let mut called_off = 0;
    for _ in 0..20 {
        for client in 1..=48 {
            // Who calls off too many is told to go away, and comes again.
            let mut requests = speak_when_there_is_room(&service, client).await;
            let mut open = Vec::new();
            while open.len() < 60
                && requests.clone().ready().await.is_ok()
                && let Ok((answer, mut stream)) = try_to_begin(&mut requests, SIGN)
            {
                let _ = stream.send_data(begun.clone().into(), false);
                open.push((answer, stream));
            }
            for (_, stream) in &mut open {
                stream.send_reset(h2::Reason::CANCEL);
            }
            called_off += open.len();
        }
    }
    assert!(called_off > 10_000, "the attack takes place");
    good(&service).await;
    let memory = memory_kib(service.id());
    println!("{memory} KiB");
    assert!(memory < MOST_MEMORY_KIB, "it took {memory} KiB");
    service.kill().await;
}

/// What a client of HTTP/2 says first, with no settings.
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// A frame of HTTP/2 (RFC 9113, section 4.1).
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Headers that are written out (RFC 7541, section 6.2.2).
pub(crate) fn headers(stream: u32, more: usize) -> Vec<u8> {
    let mut block = Vec::new();
    let mut add = |name: &str, value: &str| {
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).unwrap());
            block.extend_from_slice(text.as_bytes());
        }
    };
    add(":method", "POST");
    add(":scheme", "http");
    add(":path", SIGN);
    add(":authority", "localhost");
    add("content-type", "application/grpc");
    add("te", "trailers");
    (0..more).for_each(|n| add(&format!("x{n}"), ""));
    frame(1, 4, stream, &block)
}

/// Streams on one connection, of which each announces a large message.
const ANNOUNCED: u32 = 120;

/// What one connection sends until it is told to go away: each frame of 256 bytes, which h2 counts as an ordinary one, stands behind one that nobody
/// knows, and would keep all that was read beside it.
fn small_frames_among_others(mut stream: std::net::TcpStream) -> usize {
    let begun = [&[0][..], &500_000_u32.to_be_bytes(), &[10; 30]].concat();
    let mut hello = PREFACE.to_vec();
    for id in (1..2 * ANNOUNCED).step_by(2) {
        hello.extend(headers(id, 0));
        hello.extend(frame(0, 0, id, &begun));
    }
    if stream.write_all(&hello).is_err() {
        return 0;
    }
    stream.set_nonblocking(false).unwrap();
    stream
        .set_write_timeout(Some(Duration::from_secs(2)))
        .unwrap();
    stream
        .set_read_timeout(Some(Duration::from_millis(1)))
        .unwrap();
    let (unknown, mut told) = (frame(0x7f, 0, 0, &[b'z'; 4096]), [0; 16_384]);
    for count in 0..3000 {
        let id = 1 + 2 * (30 + u32::try_from(count).unwrap() % (ANNOUNCED - 30));
        let small = frame(0, 0, id, &[b'y'; 256]);
        if stream.write_all(&[&unknown[..], &small].concat()).is_err() {
            return count;
        }
        if count % 64 == 0 {
            let _ = stream.read(&mut told);
        }
    }
    std::thread::sleep(Duration::from_secs(1));
    3000
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_that_nobody_reads_take_little_memory() {
    let (_folder, service) = start().await;
    let mut threads = Vec::new();
    for client in 1..=16 {
        for _ in 0..4 {
            let stream = connect(&service, client).await.into_std().unwrap();
            stream.set_nonblocking(false).unwrap();
            threads.push(std::thread::spawn(|| small_frames_among_others(stream)));
        }
    }
    let sent = tokio::task::spawn_blocking(|| threads.into_iter().map(|one| one.join().unwrap()));
    let sent: usize = sent.await.unwrap().sum();
    let memory = memory_kib(service.id());
    println!("{sent} frames; {memory} KiB");
    assert!(sent > 64, "the attack takes place");
    assert!(memory < MOST_MEMORY_KIB, "it took {memory} KiB");
    service.kill().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_are_left_open_with_much_metadata_or_a_full_window_take_little_memory() {
    let (_folder, service) = start().await;
    let mut held = Vec::new();
    for client in 1..=16 {
        for _ in 0..16 {
            let mut stream = connect(&service, client).await.into_std().unwrap();
            stream.set_nonblocking(false).unwrap();
            stream
                .set_write_timeout(Some(Duration::from_secs(2)))
                .unwrap();
            let mut said = PREFACE.to_vec();
            for id in (1..200).step_by(2) {
                said.extend(headers(id, 180));
                let begun = [&[0][..], &500_000_u32.to_be_bytes(), &[10; 16_000]].concat();
                said.extend(frame(0, 0, id, &begun));
            }
            // It may be told to go away before all is said.
            let _ = stream.write_all(&said);
            held.push(stream);
        }
    }
    let small = SignCheckpointRequest {
        checkpoint: Some(checkpoint("chk_1", 1, "a")),
        ..Default::default()
    };
    let mut signing = SigningServiceClient::new(service.channel());
    signing.sign_checkpoint(small).await.unwrap();
    let memory = memory_kib(service.id());
    println!("{memory} KiB");
    assert!(memory < MOST_MEMORY_KIB, "it took {memory} KiB");
    service.kill().await;
}
