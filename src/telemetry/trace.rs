//! The spans of a trace: one for a call, and within it what a signature takes. They are for export (`otlp`), never for
//! the log; while nobody exports, they are not made.

use std::fmt::Display;

use tonic::codegen::http::HeaderMap;
use tonic::{Code, Status};
use tracing::Span;
use tracing::field::Empty;

use checkpoint::key::KeyId;

/// The target of all of them.
pub(super) const TARGET: &str = "trace";

/// A call of `/package.Service/Method`, named as OpenTelemetry's conventions for RPC say.
pub(crate) fn grpc_call(path: &str, request_id: &str) -> Span {
    let name = path.trim_start_matches('/');
    let (service, method) = name.split_once('/').unwrap_or((name, ""));
    tracing::debug_span!(
        target: TARGET,
        "grpc",
        otel.name = name,
        otel.kind = "server",
        otel.status_code = Empty,
        otel.status_description = Empty,
        rpc.system = "grpc",
        rpc.service = service,
        rpc.method = method,
        rpc.grpc.status_code = Empty,
        request_id,
    )
}

/// The status of a gRPC call, once it is among the headers or the trailers. Only what is the server's fault is an error of
/// the span.
pub(crate) fn grpc_answered(span: &Span, told: &HeaderMap) {
    if span.is_disabled() {
        return;
    }
    let Some(status) = Status::from_header_map(told) else {
        return;
    };
    span.record("rpc.grpc.status_code", status.code() as i32);
    if matches!(
        status.code(),
        Code::Unknown
            | Code::DeadlineExceeded
            | Code::Unimplemented
            | Code::Internal
            | Code::Unavailable
            | Code::DataLoss
    ) {
        span.record("otel.status_code", "ERROR");
        span.record("otel.status_description", status.message());
    }
}

/// A request over HTTP; `route` is the path's pattern.
pub(crate) fn http_request(method: &str, route: &str, request_id: &str) -> Span {
    tracing::debug_span!(
        target: TARGET,
        "http",
        otel.name = format!("{method} {route}"),
        otel.kind = "server",
        otel.status_code = Empty,
        http.request.method = method,
        http.route = route,
        http.response.status_code = Empty,
        request_id,
    )
}

/// What a request over HTTP was answered with.
pub(crate) fn http_answered(span: &Span, status: u16) {
    span.record("http.response.status_code", status);
    if status >= 500 {
        span.record("otel.status_code", "ERROR");
    }
}

/// A checkpoint on its way to its signature, from its submission to its answer; within the span of its call.
pub(crate) fn checkpoint(ledger_id: &str, checkpoint_id: &str) -> Span {
    tracing::debug_span!(
        target: TARGET,
        "sign checkpoint",
        ledger_id,
        checkpoint_id,
        key_id = Empty,
        refusal = Empty,
    )
}

/// How a checkpoint's way ended: signed by which key, or why not.
pub(crate) fn ended(checkpoint: &Span, signed: Result<&KeyId, &impl Display>) {
    match signed {
        Ok(key_id) => checkpoint.record("key_id", key_id.as_str()),
        Err(refusal) => checkpoint.record("refusal", tracing::field::display(refusal)),
    };
}

/// The record is asked for a checkpoint's place.
pub(crate) fn look_up(checkpoint: &Span) -> Span {
    tracing::debug_span!(target: TARGET, parent: checkpoint, "record.look_up")
}

/// A checkpoint waits for a core.
pub(crate) fn queue(checkpoint: &Span) -> Span {
    tracing::debug_span!(target: TARGET, parent: checkpoint, "queue")
}

/// One RSA signature.
pub(crate) fn rsa(checkpoint: &Span) -> Span {
    tracing::debug_span!(target: TARGET, parent: checkpoint, "rsa")
}

/// The transaction of the record that a signature is in, with all that are in it.
pub(crate) fn append(checkpoint: &Span, signatures: usize) -> Span {
    tracing::debug_span!(target: TARGET, parent: checkpoint, "record.append", signatures)
}
