//! Calls that are not as gRPC over HTTP/2 has them: each has its status, with a reason, and none that is sent again in vain.

use std::io::{Read as _, Write as _};
use std::time::Duration;

use bytes::Bytes;
use h2::client::SendRequest;
use http::{HeaderMap, Request};
use tonic::Status;

use crate::support::{TestService, checkpoint, refusal};
use checkpoint_signer::wire::proto::SignCheckpointRequest;
use prost::Message as _;

const VERIFY: &str = "/amply.checkpoint.v1.VerificationService/VerifyCheckpoint";
pub(crate) const SIGN: &str = "/amply.checkpoint.v1.SigningService/SignCheckpoint";
const LIST: &str = "/amply.checkpoint.v1.KeyService/ListKeys";
const WATCH: &str = "/amply.checkpoint.v1.KeyService/WatchKeys";

/// A test that hangs ends here.
const DEADLINE: Duration = Duration::from_secs(120);

/// What came back: the status of HTTP, the code and the reason of gRPC.
type Told = (u16, String, String);

pub(crate) async fn connect(service: &TestService) -> SendRequest<Bytes> {
    let address = service.grpc().replace("http://", "");
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let (requests, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    requests.ready().await.unwrap()
}

pub(crate) fn good(path: &str) -> http::request::Builder {
    Request::post(format!("http://localhost{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
}

/// Sends a request, and reads the status from its headers or its trailers.
async fn told(service: &TestService, request: http::request::Builder, body: &[&[u8]]) -> Told {
    tokio::time::timeout(DEADLINE, answer(service, request, body))
        .await
        .expect("there is an answer within two minutes")
}

async fn answer(service: &TestService, request: http::request::Builder, body: &[&[u8]]) -> Told {
    let mut requests = connect(service).await;
    let (answer, mut stream) = requests
        .send_request(request.body(()).unwrap(), false)
        .unwrap();
    for piece in body {
        stream.reserve_capacity(piece.len());
        let sent = stream.send_data(Bytes::copy_from_slice(piece), false);
        if sent.is_err() {
            break;
        }
    }
    // `None` at the end of the body leaves it open.
    if body.last().is_none_or(|last| !last.is_empty()) {
        let _ = stream.send_data(Bytes::new(), true);
    }
    let answer = answer.await.unwrap();
    let http = answer.status().as_u16();
    let headers = answer.headers().clone();
    let mut body = answer.into_body();
    while let Some(Ok(data)) = body.data().await {
        let _ = body.flow_control().release_capacity(data.len());
    }
    let trailers = body.trailers().await.ok().flatten();
    let (code, reason) = status_of(&headers, trailers.as_ref());
    (http, code, reason)
}

pub(crate) fn status_of(headers: &HeaderMap, trailers: Option<&HeaderMap>) -> (String, String) {
    let status = Status::from_header_map(headers);
    let status = status.or_else(|| Status::from_header_map(trailers?));
    let status = status.expect("there is a grpc-status");
    match status.code() {
        tonic::Code::Ok => ("Ok".into(), String::new()),
        _ => {
            let (code, reason) = refusal(status);
            (format!("{code:?}"), reason)
        }
    }
}

pub(crate) fn framed(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    [&[0], &length[..], message].concat()
}

fn is(http: u16, code: &str, reason: &str) -> Told {
    (http, code.into(), reason.into())
}

#[tokio::test]
async fn a_head_that_is_not_grpcs_is_refused_with_its_reason() {
    let service = TestService::new().await;
    let empty = framed(&[]);
    let post = || Request::post(format!("http://localhost{LIST}"));
    let grpc = "application/grpc";
    let not_content = is(415, "InvalidArgument", "CONTENT_TYPE_NOT_SUPPORTED");
    let not_encoding = is(200, "Unimplemented", "COMPRESSION_NOT_SUPPORTED");
    let not_timeout = is(200, "InvalidArgument", "INVALID_TIMEOUT");
    let unknown = is(200, "Unimplemented", "UNKNOWN_METHOD");
    let not_post = is(405, "Unimplemented", "HTTP_METHOD_NOT_ALLOWED");
    let well = is(200, "Ok", "");
    let many = (0..7).fold(good(LIST), |request, n| {
        request.header(format!("x-{n}"), "x".repeat(1000))
    });
    let cases = [
        (post().header("content-type", grpc), well.clone()),
        (
            post().header("content-type", "application/grpc+proto"),
            well.clone(),
        ),
        (good(LIST).header("grpc-encoding", "identity"), well.clone()),
        (good(LIST).header("grpc-timeout", "60S"), well),
        (post(), not_content.clone()),
        (
            post().header("content-type", "application/json"),
            not_content.clone(),
        ),
        (
            post().header("content-type", "application/grpc-web+proto"),
            not_content.clone(),
        ),
        (
            post().header("content-type", "application/grpc+json"),
            not_content,
        ),
        (
            good(LIST).header("grpc-encoding", "gzip"),
            not_encoding.clone(),
        ),
        (good(LIST).header("grpc-encoding", "zstd"), not_encoding),
        (
            good(LIST).header("grpc-timeout", "soon"),
            not_timeout.clone(),
        ),
        (
            good(LIST).header("grpc-timeout", "123456789S"),
            not_timeout.clone(),
        ),
        (good(LIST).header("grpc-timeout", ""), not_timeout),
        (
            good("/amply.checkpoint.v1.KeyService/Nothing"),
            unknown.clone(),
        ),
        (good("/no.Such/Service"), unknown.clone()),
        (good("/"), unknown),
        (
            Request::get(format!("http://localhost{LIST}")).header("content-type", grpc),
            not_post.clone(),
        ),
        (Request::put(format!("http://localhost{LIST}")), not_post),
        (many, is(200, "InvalidArgument", "METADATA_TOO_LARGE")),
    ];
    for (number, (request, expected)) in cases.into_iter().enumerate() {
        let found = told(&service, request, &[&empty]).await;
        assert_eq!(found, expected, "case {number}");
    }
}

#[tokio::test]
async fn a_body_that_is_not_one_whole_message_is_refused_with_its_reason() {
    let service = TestService::new().await;
    let invalid = is(200, "InvalidArgument", "INVALID_REQUEST");
    let too_large = is(200, "InvalidArgument", "REQUEST_TOO_LARGE");
    let empty = framed(&[]);
    let two = [&empty[..], &empty[..]].concat();
    let request = SignCheckpointRequest {
        checkpoint: Some(checkpoint("chk_1", 1, "a")),
        ..Default::default()
    };
    let sign = framed(&request.encode_to_vec());
    let more = [&sign[..], &[0, 0, 0]].concat();
    let compressed = [&[1], &sign[1..]].concat();
    let cases: [(&str, &[&[u8]], &Told); 12] = [
        (LIST, &[], &invalid),
        (LIST, &[&empty[..3]], &invalid),
        (LIST, &[&[0, 0, 0, 0, 9, 1, 2]], &invalid),
        (LIST, &[&two], &invalid),
        (SIGN, &[&more], &invalid),
        (SIGN, &[&compressed], &invalid),
        (SIGN, &[&[9, 0, 0, 0, 0]], &invalid),
        (SIGN, &[&framed(&[0xff, 0xff, 0xff])], &invalid),
        (LIST, &[&framed(&vec![0; 70_000])], &too_large),
        // It is announced, and nothing comes: nobody waits for that.
        (SIGN, &[&[0, 0xff, 0xff, 0xff, 0xff], &[]], &too_large),
        (VERIFY, &[&[0, 0, 0x40, 0, 0], &[]], &too_large),
        (
            "/grpc.health.v1.Health/Check",
            &[&[0, 0, 2, 0, 0], &[]],
            &too_large,
        ),
    ];
    for (number, (path, body, expected)) in cases.into_iter().enumerate() {
        let found = told(&service, good(path), body).await;
        assert_eq!(&found, expected, "case {number}: {path}");
    }
    let signed = told(&service, good(SIGN), &[&sign]).await;
    assert_eq!(signed, is(200, "Ok", ""), "the place is still free");
}

#[tokio::test]
async fn a_deadline_that_has_passed_is_told_so_before_and_in_the_answer() {
    let service = TestService::new().await;
    let expired = is(200, "DeadlineExceeded", "TOO_SLOW");
    for timeout in ["300m", "1n", "0S"] {
        // Half a message: it is never answered.
        let request = good(VERIFY).header("grpc-timeout", timeout);
        let found = told(&service, request, &[&[0, 0, 0], &[]]).await;
        assert_eq!(found, expired, "{timeout}");
    }
    let request = good(WATCH).header("grpc-timeout", "500m");
    let found = told(&service, request, &[&framed(&[])]).await;
    assert_eq!(found, expired, "a stream ends at its deadline");
}

#[tokio::test]
async fn a_call_whose_deadline_has_passed_is_not_carried_out() {
    let service = TestService::new().await;
    let sign = |hash: &str| {
        let request = SignCheckpointRequest {
            checkpoint: Some(checkpoint("chk_1", 1, hash)),
            ..Default::default()
        };
        framed(&request.encode_to_vec())
    };
    for timeout in ["0S", "0m", "0n", "0H", "00000000u", "1n"] {
        let request = good(SIGN).header("grpc-timeout", timeout);
        let found = told(&service, request, &[&sign("a")]).await;
        assert_eq!(found, is(200, "DeadlineExceeded", "TOO_SLOW"), "{timeout}");
    }
    // Had it been, this would be another content of the same name.
    let signed = told(&service, good(SIGN), &[&sign("b")]).await;
    assert_eq!(signed, is(200, "Ok", ""));
}

#[tokio::test]
async fn a_service_that_the_health_service_does_not_know_has_a_reason_too() {
    let service = TestService::new().await;
    let asked = framed(&[0x0a, 1, b'x']);
    let found = told(&service, good("/grpc.health.v1.Health/Check"), &[&asked]).await;
    assert_eq!(found, is(200, "NotFound", "SERVICE_NOT_FOUND"));
}

#[tokio::test]
async fn a_client_of_http_1_is_told_that_this_is_grpc() {
    let service = TestService::new().await;
    let address = service.grpc().replace("http://", "");
    for request in [
        "GET / HTTP/1.1\r\n\r\n",
        "POST /v1/verify HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
        "PRI * HTTP/1.1\r\n\r\n",
    ] {
        let address = address.clone();
        let answer = tokio::task::spawn_blocking(move || {
            let mut stream = std::net::TcpStream::connect(address).unwrap();
            stream.set_read_timeout(Some(DEADLINE)).unwrap();
            stream.write_all(request.as_bytes()).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            answer
        });
        let answer = answer.await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 505 "), "{answer}");
        assert!(
            head.contains(&format!("content-length: {}", body.len())),
            "{answer}"
        );
        let problem: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(problem["reason"], "HTTP2_REQUIRED");
    }
}
