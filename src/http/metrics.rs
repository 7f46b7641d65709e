//! `/metrics`, for Prometheus: what was counted, and what is true now. For the operator, so the public's port has it only
//! when the operator says so.

use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::middleware::from_fn;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use chrono::{DateTime, Utc};
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::health;
use super::limits::check_host;
use super::problem::Problem;
use crate::signer::{Core, KeysInForce};
use crate::telemetry;
use checkpoint::key::WARN_DAYS;
use checkpoint::reason::Reason;

/// The path on either port.
pub(super) const PATH: &str = "/metrics";

/// OpenMetrics 1.0, section "Content-Type".
const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// How long the record may take to say how large it is: what it cannot say is left out, not waited for.
const RECORD_PATIENCE: Duration = Duration::from_secs(2);

/// Where metrics are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricsPlace {
    /// On the HTTP port.
    Http,
    /// On a port of their own; port 0 takes a free one.
    Own(SocketAddr),
}

/// The text is no such place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected http (the HTTP port) or an address such as 127.0.0.1:9464")]
pub struct NoPlace;

impl FromStr for MetricsPlace {
    type Err = NoPlace;

    fn from_str(text: &str) -> Result<Self, NoPlace> {
        match text {
            "http" => Ok(Self::Http),
            address => address.parse().map(Self::Own).map_err(|_| NoPlace),
        }
    }
}

/// What `/metrics` asks. Clones share it.
#[derive(Clone)]
pub struct Scraped(Arc<Parts>);

struct Parts {
    core: Core,
    /// Held while the gauges are set and written: two scrapes at once would show each other's half.
    showing: Mutex<()>,
}

impl Scraped {
    /// Takes the parts of a service.
    pub fn new(core: Core) -> Self {
        let showing = Mutex::default();
        Self(Arc::new(Parts { core, showing }))
    }

    /// The path with its state, for a router.
    pub(super) fn router(self) -> Router {
        Router::new().route(PATH, get(show)).with_state(self)
    }

    async fn text(&self) -> Result<String, std::fmt::Error> {
        let parts = &self.0;
        let _held = parts.showing.lock().await;
        let rows = tokio::time::timeout(RECORD_PATIENCE, parts.core.record.head()).await;
        let rows = rows.ok().and_then(Result::ok).map(|head| head.size());
        let gauges = &parts.core.metrics.gauges;
        gauges.record_rows.clear();
        if let Some(rows) = rows {
            gauges.record_rows.get_or_create(&[]).set(rows as f64);
        }
        let (depth, capacity) = parts.core.signer.queue();
        gauges.queue_depth.set(depth as f64);
        gauges.queue_capacity.set(capacity as f64);
        let keys = Arc::clone(&parts.core.keys.borrow());
        let now = parts.core.clock.now();
        let reason = parts.core.signer.readiness().why_not();
        gauges.signing.set(f64::from(u8::from(reason.is_none())));
        show_keys(gauges, &keys, now);
        let lost = telemetry::lost();
        gauges.lines_lost.inner().store(lost, Ordering::Relaxed);
        parts.core.metrics.text()
    }
}

/// Sets what the keys and the time tell.
fn show_keys(gauges: &telemetry::Gauges, keys: &KeysInForce, now: DateTime<Utc>) {
    let seconds = |until: DateTime<Utc>| (until - now).as_seconds_f64();
    gauges.window_remaining.clear();
    for entry in keys.keyring.entries() {
        let version = entry.version();
        let labels = telemetry::KeyLabels {
            key_id: version.key_id.to_string(),
            state: entry.state(now).as_str(),
        };
        let remaining = seconds(version.window.until());
        gauges
            .window_remaining
            .get_or_create(&labels)
            .set(remaining);
    }
    let covered = keys.covered_until(now).map_or(0.0, seconds);
    gauges.coverage_remaining.set(covered);
    let last = keys.last_window_end().map_or(0.0, seconds);
    gauges.last_window_remaining.set(last.max(0.0));
    for days in WARN_DAYS {
        let is_near = covered <= Duration::from_hours(24).as_secs_f64() * days as f64;
        let warning = gauges
            .coverage_warning
            .get_or_create_owned(&telemetry::DaysLabel { days });
        warning.set(f64::from(u8::from(is_near)));
    }
    gauges.source_faults.set(keys.source.faults.len() as f64);
    if let Some(read) = keys.source.last_success {
        let read = read.timestamp_millis() as f64 / 1000.0;
        gauges.source_read.get_or_create(&[]).set(read);
    }
    let calls = keys.source.api_calls.unwrap_or_default();
    gauges.source_calls.inner().store(calls, Ordering::Relaxed);
}

async fn show(State(scraped): State<Scraped>) -> Response {
    match scraped.text().await {
        Ok(text) => {
            let headers = [
                (header::CONTENT_TYPE, CONTENT_TYPE),
                (header::CACHE_CONTROL, "no-store"),
            ];
            (headers, text).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "the metrics cannot be written");
            Problem::new(Reason::MetricsFailed, "the metrics cannot be written").into_response()
        }
    }
}

async fn show_health(State(Scraped(parts)): State<Scraped>) -> Response {
    health::answer(
        &parts.core.keys,
        &parts.core.signer.readiness(),
        &parts.core.clock,
    )
}

/// Serves metrics and health until the token is cancelled, with connections of their own: whatever the public does on its
/// port, the operator and the load balancer are answered.
pub async fn serve_metrics(listener: TcpListener, scraped: Scraped, shutdown: CancellationToken) {
    let health = Router::new().route(health::PATH, get(show_health));
    let health = health.with_state(scraped.clone());
    let router = scraped.router().merge(health).fallback(super::no_such_path);
    let router = router.layer(from_fn(check_host));
    super::transport::serve(listener, router, shutdown).await;
}
