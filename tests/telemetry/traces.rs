//! Traces, as a collector gets them from the real binary.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use checkpoint_signer::record::sqlite::SqliteRecord;
use checkpoint_signer::wire::proto::signing_service_client::SigningServiceClient;
use checkpoint_signer::wire::proto::{SignCheckpointRequest, SignCheckpointsRequest};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span;
use tempfile::TempDir;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

use crate::client::request;
use crate::cluster::Replica;
use crate::support::{checkpoint, key_with, write_keys};

/// The example of W3C Trace Context, section 3.2.
const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const TRACE_ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT_ID: &str = "00f067aa0ba902b7";

/// What was sent to a collector.
#[derive(Clone, Default)]
struct Collected(Arc<Mutex<Vec<ExportTraceServiceRequest>>>);

#[tonic::async_trait]
impl TraceService for Collected {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.0.lock().unwrap().push(request.into_inner());
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

impl Collected {
    /// A collector, and its address.
    async fn start() -> (Self, String) {
        let collected = Self::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let service = TraceServiceServer::new(collected.clone());
        let server = Server::builder().add_service(service);
        tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        (collected, url)
    }

    fn spans(&self) -> Vec<Span> {
        let requests = self.0.lock().unwrap();
        let resources = requests.iter().flat_map(|r| &r.resource_spans);
        let scopes = resources.flat_map(|r| &r.scope_spans);
        scopes.flat_map(|s| s.spans.clone()).collect()
    }

    fn resource(&self) -> HashMap<String, String> {
        let requests = self.0.lock().unwrap();
        let resource = requests[0].resource_spans[0].resource.as_ref().unwrap();
        attributes(&resource.attributes)
    }
}

fn attributes(list: &[KeyValue]) -> HashMap<String, String> {
    let shown = |value: &Option<AnyValue>| match value.as_ref().and_then(|v| v.value.clone()) {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    };
    let pair = |pair: &KeyValue| (pair.key.clone(), shown(&pair.value));
    list.iter().map(pair).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn named<'a>(spans: &'a [Span], name: &str) -> Vec<&'a Span> {
    spans.iter().filter(|span| span.name == name).collect()
}

fn one<'a>(spans: &'a [Span], name: &str) -> &'a Span {
    let found = named(spans, name);
    assert_eq!(found.len(), 1, "{name} in {spans:#?}");
    found[0]
}

async fn start(further: &[&str]) -> (TempDir, Replica) {
    let folder = tempfile::tempdir().unwrap();
    write_keys(
        folder.path(),
        &key_with("key-traced", "2020-01-01", "2099-01-01", 0),
    );
    let path = folder.path().join("record.sqlite");
    SqliteRecord::init(&path).unwrap();
    let place = format!("sqlite:{}", path.display());
    let replica = Replica::start_with(folder.path(), &place, further).await;
    (folder, replica)
}

fn call(id: &str, history: &str) -> Request<SignCheckpointRequest> {
    let checkpoint = Some(checkpoint(id, 1, history));
    let mut request = Request::new(SignCheckpointRequest {
        checkpoint,
        ..Default::default()
    });
    let metadata = request.metadata_mut();
    metadata.insert("traceparent", TRACEPARENT.parse().unwrap());
    metadata.insert("x-request-id", "night-7".parse().unwrap());
    request
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_goes_on_the_caller_s_trace_with_what_its_signature_took() {
    let (collected, url) = Collected::start().await;
    let (_folder, replica) = start(&["--otlp", &url]).await;
    let mut client = SigningServiceClient::new(replica.channel());
    client.sign_checkpoint(call("chk_1", "a")).await.unwrap();
    client
        .sign_checkpoint(call("chk_2", "b"))
        .await
        .unwrap_err();
    let log = replica.log();
    // At its end it sends what it did not send before.
    replica.stop().await;

    let spans = collected.spans();
    assert!(spans.iter().all(|span| hex(&span.trace_id) == TRACE_ID));
    let calls = named(&spans, "amply.checkpoint.v1.SigningService/SignCheckpoint");
    let status = |span: &&Span| attributes(&span.attributes)["rpc.grpc.status_code"].clone();
    let mut codes: Vec<String> = calls.iter().map(status).collect();
    codes.sort();
    assert_eq!(codes, ["0", "6"]);
    for span in &calls {
        assert_eq!(hex(&span.parent_span_id), PARENT_ID);
        assert_eq!(span.kind, 2, "a server's");
        let attributes = attributes(&span.attributes);
        assert_eq!(attributes["request_id"], "night-7");
        assert_eq!(attributes["rpc.method"], "SignCheckpoint");
        // A second history is the caller's fault: no error of the server.
        assert_eq!(span.status.as_ref().map_or(0, |status| status.code), 0);
    }
    let signed = calls.iter().find(|span| status(span) == "0").unwrap();

    let checkpoints = named(&spans, "sign checkpoint");
    assert_eq!(checkpoints.len(), 2);
    let of = |id| {
        let mut found = checkpoints.iter();
        let found = found.find(|span| attributes(&span.attributes)["checkpoint_id"] == id);
        found.unwrap()
    };
    assert_eq!(of("chk_1").parent_span_id, signed.span_id);
    assert_eq!(attributes(&of("chk_1").attributes)["key_id"], "key-traced");
    assert!(attributes(&of("chk_2").attributes)["refusal"].contains("org_1"));
    assert_eq!(named(&spans, "record.look_up").len(), 2);
    for name in ["queue", "rsa", "record.append"] {
        let span = one(&spans, name);
        assert_eq!(span.parent_span_id, of("chk_1").span_id, "{name}");
        assert!(span.start_time_unix_nano >= of("chk_1").start_time_unix_nano);
        assert!(span.end_time_unix_nano >= span.start_time_unix_nano);
    }
    assert_eq!(collected.resource()["service.name"], "checkpoint-signer");

    let lines = log.lines().filter(|line| line.contains("\"act\":\"sign\""));
    let lines: Vec<serde_json::Value> = lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 2);
    for line in lines {
        assert_eq!(
            (&line["trace_id"], &line["request_id"]),
            (&TRACE_ID.into(), &"night-7".into())
        );
        assert!(line.get("key_id").is_some() && line.get("rpc").is_none());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_record_is_not_asked_before_what_goes_beyond_the_newest_that_was_recorded_here() {
    let (collected, url) = Collected::start().await;
    let (_folder, replica) = start(&["--otlp", &url]).await;
    let mut client = SigningServiceClient::new(replica.channel());
    for (id, entry_count) in [("chk_1", 1), ("chk_2", 2), ("chk_3", 3), ("chk_2", 2)] {
        let checkpoint = Some(checkpoint(id, entry_count, id));
        let request = SignCheckpointRequest {
            checkpoint,
            ..Default::default()
        };
        client.sign_checkpoint(request).await.unwrap();
    }
    replica.stop().await;
    let spans = collected.spans();
    assert_eq!(named(&spans, "record.append").len(), 3);
    // Of chk_1 nothing was known, and chk_2 was a retry at the end.
    assert_eq!(named(&spans, "record.look_up").len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_one_call_with_a_span_for_each_checkpoint() {
    let (collected, url) = Collected::start().await;
    let (_folder, replica) = start(&["--otlp", &url]).await;
    let mut client = SigningServiceClient::new(replica.channel());
    let items = (1..=3).map(|n| SignCheckpointsRequest {
        request_id: String::new(),
        checkpoint: Some(checkpoint(&format!("chk_{n}"), n, &n.to_string())),
        ..Default::default()
    });
    let stream = client.sign_checkpoints(tokio_stream::iter(items.collect::<Vec<_>>()));
    let mut answers = stream.await.unwrap().into_inner();
    while let Some(answer) = answers.message().await.unwrap() {
        assert!(answer.outcome.is_some());
    }
    replica.stop().await;
    let spans = collected.spans();
    let call = one(&spans, "amply.checkpoint.v1.SigningService/SignCheckpoints");
    assert!(call.parent_span_id.is_empty());
    assert_eq!(attributes(&call.attributes)["rpc.grpc.status_code"], "0");
    let checkpoints = named(&spans, "sign checkpoint");
    assert_eq!(checkpoints.len(), 3);
    for span in checkpoints {
        assert_eq!(span.parent_span_id, call.span_id);
        assert!(span.end_time_unix_nano <= call.end_time_unix_nano);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_over_http_is_named_by_its_route() {
    let (collected, url) = Collected::start().await;
    let (_folder, mut replica) = start(&["--otlp", &url, "--http", "127.0.0.1:0"]).await;
    let http = replica.next_address().await;
    let headers = [("traceparent", TRACEPARENT), ("x-request-id", "audit-1")];
    let answer = request(&http, "GET", "/v1/keys/nobody", &headers, b"");
    assert_eq!(answer.status, 404);
    assert_eq!(answer.header("x-request-id"), "audit-1");
    let answer = request(&http, "PROPFIND", "/anything", &[], b"");
    assert_eq!(answer.header("x-request-id").len(), 32);
    replica.stop().await;
    let spans = collected.spans();
    let span = one(&spans, "GET /v1/keys/{kid}");
    assert_eq!(hex(&span.trace_id), TRACE_ID);
    let attributes = attributes(&span.attributes);
    assert_eq!(attributes["http.response.status_code"], "404");
    one(&spans, "_OTHER unknown");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_the_caller_does_not_sample_is_not_sent() {
    let (collected, url) = Collected::start().await;
    let (_folder, replica) = start(&["--otlp", &url]).await;
    let mut client = SigningServiceClient::new(replica.channel());
    let mut quiet = call("chk_1", "a");
    let not_sampled = TRACEPARENT.replace("-01", "-00");
    let metadata = quiet.metadata_mut();
    metadata.insert("traceparent", not_sampled.parse().unwrap());
    client.sign_checkpoint(quiet).await.unwrap();
    replica.stop().await;
    assert!(collected.spans().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_away_costs_its_traces_and_nothing_else() {
    // Nobody listens there, and nobody will.
    let away = crate::port::HeldPort::new();
    let url = format!("http://127.0.0.1:{}", away.port);
    let (_folder, replica) = start(&["--otlp", &url]).await;
    let mut client = SigningServiceClient::new(replica.channel());
    let warned = || {
        let log = replica.log();
        log.matches("traces cannot be sent").count()
    };
    for _ in 0..600 {
        client.sign_checkpoint(call("chk_1", "a")).await.unwrap();
        if warned() > 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(warned(), 1);
    // In order, although the last spans cannot be sent either.
    replica.stop().await;
}
