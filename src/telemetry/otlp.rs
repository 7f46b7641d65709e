//! Traces go to a collector, by OTLP over gRPC. A collector that is slow or away costs its own traces and nothing else:
//! spans wait in a bounded queue, are sent by a thread of their own, and are dropped when there is no room.

use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry::propagation::{Extractor, TextMapPropagator as _};
use opentelemetry::trace::{TraceContextExt as _, TracerProvider as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{SpanExporter as OtlpExporter, WithTonicConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, SdkTracerProvider, SpanData, SpanExporter,
};
use tokio::runtime::Runtime;
use tonic::codegen::http::{HeaderMap, HeaderName};
use tonic::transport::{ClientTlsConfig, Endpoint};
use tracing::Span;
use tracing_opentelemetry::{OpenTelemetryLayer, OpenTelemetrySpanExt as _};
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::filter_fn;

use super::{Layer, trace};

/// W3C Trace Context, section 3.2.
const TRACEPARENT: &str = "traceparent";

/// Spans that wait to be sent: about a second of signatures, 10 MiB at most.
const QUEUE: usize = 16_384;

/// How often they are sent, even if there are few.
const SEND_EVERY: Duration = Duration::from_secs(2);

/// How long the collector may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long the end of the process may wait for the last spans.
const LAST_SPANS: Duration = Duration::from_secs(2);

/// Where a collector takes OTLP over gRPC: `http://host:4317`, or `https` with the machine's authorities.
#[derive(Clone, Debug)]
pub struct Collector(Endpoint);

/// The text is no such place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a URL such as http://127.0.0.1:4317, where a collector takes OTLP over gRPC")]
pub struct NoCollector;

impl FromStr for Collector {
    type Err = NoCollector;

    fn from_str(text: &str) -> Result<Self, NoCollector> {
        let endpoint = Endpoint::from_shared(text.to_owned()).map_err(|_| NoCollector)?;
        let endpoint = endpoint.connect_timeout(PATIENCE).timeout(PATIENCE);
        let uri = endpoint.uri().clone();
        match (uri.scheme_str(), uri.host()) {
            (Some("http"), Some(_)) => Ok(Self(endpoint)),
            (Some("https"), Some(_)) => {
                let roots = ClientTlsConfig::new().with_native_roots();
                let endpoint = endpoint.tls_config(roots);
                endpoint.map(Self).map_err(|_| NoCollector)
            }
            _ => Err(NoCollector),
        }
    }
}

/// Sends spans while it lives, and the last ones when it is dropped.
pub(super) struct Export {
    provider: SdkTracerProvider,
    /// The connection's tasks: not on the runtime of the service, which ends before the last spans are sent.
    _runtime: Runtime,
}

impl Export {
    pub(super) fn start(collector: &Collector) -> Result<Self, String> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("otlp")
            .enable_all()
            .build()
            .map_err(|error| format!("--otlp: {error}"))?;
        let in_runtime = runtime.enter();
        let exporter = OtlpExporter::builder()
            .with_tonic()
            .with_channel(collector.0.connect_lazy())
            .build()
            .map_err(|error| format!("--otlp: {error}"))?;
        drop(in_runtime);
        let batches = BatchConfigBuilder::default()
            .with_max_queue_size(QUEUE)
            .with_scheduled_delay(SEND_EVERY)
            .build();
        let processor = BatchSpanProcessor::builder(Watched::new(exporter))
            .with_batch_config(batches)
            .build();
        let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
        let resource = Resource::builder()
            .with_service_name(env!("CARGO_PKG_NAME"))
            .with_attribute(version);
        let provider = SdkTracerProvider::builder()
            .with_span_processor(processor)
            .with_resource(resource.build())
            .build();
        Ok(Self {
            provider,
            _runtime: runtime,
        })
    }

    /// What makes spans of those that are for traces; nothing that is logged becomes a part of them.
    pub(super) fn layer(&self) -> Layer {
        OpenTelemetryLayer::new(self.provider.tracer(env!("CARGO_PKG_NAME")))
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_level(false)
            .with_tracked_inactivity(false)
            .with_filter(filter_fn(|metadata| {
                metadata.is_span() && metadata.target() == trace::TARGET
            }))
            .boxed()
    }
}

impl Drop for Export {
    fn drop(&mut self) {
        // Whatever could not be sent was told by `Watched`.
        let _ = self.provider.shutdown_with_timeout(LAST_SPANS);
    }
}

/// Tells when sending begins to fail, and when it works again.
#[derive(Debug)]
struct Watched {
    exporter: OtlpExporter,
    fails: AtomicBool,
}

impl Watched {
    fn new(exporter: OtlpExporter) -> Self {
        Self {
            exporter,
            fails: AtomicBool::new(false),
        }
    }
}

impl SpanExporter for Watched {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let sent = self.exporter.export(batch).await;
        let failed_before = self.fails.swap(sent.is_err(), Ordering::Relaxed);
        match &sent {
            Err(error) if !failed_before => {
                tracing::warn!(%error, "traces cannot be sent to the collector; they are lost until it takes them");
            }
            Ok(()) if failed_before => tracing::warn!("traces are sent to the collector again"),
            _ => {}
        }
        sent
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

/// The caller's span, as its headers name it.
#[derive(Clone)]
pub(super) struct Remote(Context);

impl Remote {
    /// None where none is told.
    pub(super) fn told(headers: &HeaderMap) -> Option<Self> {
        headers.get(TRACEPARENT)?;
        let context = TraceContextPropagator::new()
            .extract_with_context(&Context::new(), &HeaderExtractor(headers));
        context.has_active_span().then_some(Self(context))
    }

    pub(super) fn trace_id(&self) -> String {
        self.0.span().span_context().trace_id().to_string()
    }

    /// Makes a span of ours one of the caller's trace.
    pub(super) fn is_parent_of(&self, span: &Span) {
        // It fails when nobody exports, or when the span has begun: not now.
        let _ = span.set_parent(self.0.clone());
    }
}

/// Headers, as the propagator reads them.
struct HeaderExtractor<'a>(&'a HeaderMap);

impl Extractor for HeaderExtractor<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(|value| value.to_str().ok())
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}
