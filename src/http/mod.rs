//! The HTTP edge, for the public: the page for auditors, the published keys and checkpoints, verdicts; and the state
//! of the service for a person or a load balancer; the latter and metrics on a port of the operator's own, too.
//!
//! It reads and never writes, and nothing behind it is secret. Its description is `openapi.json`, served as
//! `/openapi.json`. Whatever is asked of it is bounded: connections and their time in `transport`, bodies and answers in `limits`, verifications at
//! once, pages of the record, RSA signatures (`signed_keyring`).

mod checkpoints;
mod health;
mod keys;
mod limits;
mod metrics;
mod page;
mod problem;
mod query;
mod reasons;
mod representation;
mod resumptions;
mod signed_keyring;
mod transport;
mod verdicts;

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tower_http::cors::{Any, CorsLayer};
use url::Url;

use crate::aside::Turns;
use crate::signer::{Core, Readiness};
use crate::telemetry::call::{CallContext, REQUEST_ID};
use crate::telemetry::trace;
use checkpoint::reason::Reason;
use limits::Limits;
pub use metrics::{MetricsPlace, NoPlace, Scraped, serve_metrics};
use problem::Problem;
use representation::{Keep, Representation};
use signed_keyring::SignedKeyring;

/// Verifications at once, for each core: a few milliseconds of RSA and JSON.
const VERIFICATIONS_PER_CORE: usize = 8;

/// How long a request may take, its body included.
const PATIENCE: Duration = Duration::from_secs(15);

/// How long a browser may remember that other sites may ask.
const PREFLIGHT_KEPT: Duration = Duration::from_secs(86_400);

/// How long a cache may keep the description of the API.
const DESCRIPTION_KEPT: Duration = Duration::from_secs(3600);

const DESCRIPTION: &str = include_str!("openapi.json");

/// The headers of every answer. Only the page has a policy of its own; no other answer is for a browser to render.
const PROTECTION: [(HeaderName, &str); 5] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "cross-origin",
    ),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    ),
];

/// The URL under which the public finds this edge: `https` or `http`, without a query or a fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl(Arc<str>);

impl PublicUrl {
    /// Without a slash at its end.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The text is no such URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a URL such as https://checkpoints.example.org, without a query or a fragment")]
pub struct NotPublic;

impl FromStr for PublicUrl {
    type Err = NotPublic;

    fn from_str(text: &str) -> Result<Self, NotPublic> {
        let url = Url::parse(text).map_err(|_| NotPublic)?;
        let is_anybodys = url.username().is_empty() && url.password().is_none();
        let is_plain = url.query().is_none() && url.fragment().is_none() && is_anybodys;
        match is_plain && matches!(url.scheme(), "https" | "http") {
            true => Ok(Self(url.as_str().trim_end_matches('/').into())),
            false => Err(NotPublic),
        }
    }
}

/// What the edge asks.
#[derive(Clone)]
pub struct Inner {
    core: Core,
    signed_keyring: SignedKeyring,
    verifications: Arc<Semaphore>,
    limits: Limits,
    turns: Turns,
    readiness: Readiness,
}

impl Inner {
    /// Takes the parts of a service; `issuer` is who the signed keyring says it is from.
    pub fn new(core: Core, issuer: Option<PublicUrl>) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            signed_keyring: SignedKeyring::start(core.signer.warrant(), issuer),
            verifications: Arc::new(Semaphore::new(VERIFICATIONS_PER_CORE * cores)),
            limits: Limits::default(),
            turns: Turns::default(),
            readiness: core.signer.readiness(),
            core,
        }
    }
}

/// Serves until the token is cancelled and what was in flight then is answered; metrics, too, when they are given.
pub async fn serve(
    listener: TcpListener,
    inner: Inner,
    scraped: Option<Scraped>,
    shutdown: CancellationToken,
) {
    transport::serve(listener, router(inner, scraped), shutdown).await;
}

fn router(inner: Inner, scraped: Option<Scraped>) -> Router {
    let cors = CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::HEAD, Method::POST])
        .allow_headers([header::CONTENT_TYPE, header::IF_NONE_MATCH])
        .expose_headers([header::ETAG, header::RETRY_AFTER, REQUEST_ID])
        .max_age(PREFLIGHT_KEPT);
    let metrics = match scraped {
        Some(scraped) => scraped.router(),
        None => Router::new().route(metrics::PATH, get(no_metrics)),
    };
    let bounds = inner.limits.clone();
    Router::new()
        .route("/", get(page::page))
        .route("/.well-known/jwks.json", get(keys::jwks))
        .route("/.well-known/jwks.jwt", get(keys::signed_jwks))
        .route("/v1/keys", get(keys::list))
        .route("/v1/keys/{kid}", get(keys::one))
        .route("/v1/checkpoints", get(checkpoints::page))
        .route("/v1/checkpoints/newest", get(checkpoints::newest))
        .route("/v1/checkpoints/{ledger}/{id}", get(checkpoints::one))
        .route("/v1/clock-resumptions", get(resumptions::list))
        .route("/v1/verify", post(verdicts::verify))
        .route("/openapi.json", get(description))
        .route(health::PATH, get(health))
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        .with_state(inner)
        .merge(metrics)
        .layer(from_fn(representation::spare_what_is_known))
        .layer(from_fn(limits::check_head))
        .layer(from_fn(in_time))
        .layer(from_fn_with_state(bounds, limits::bound_answers))
        .layer(cors)
        .layer(from_fn(limits::check_host))
        .layer(from_fn(protect))
        .layer(from_fn(named))
}

/// Gives each request its name in the log, and its span in a trace.
async fn named(request: Request, next: Next) -> Response {
    let context = CallContext::of(request.headers());
    let route = request.extensions().get::<MatchedPath>();
    let route = route.map_or("unknown", MatchedPath::as_str);
    let method = match request.method() {
        known @ (&Method::GET | &Method::HEAD | &Method::POST | &Method::OPTIONS) => known.as_str(),
        // As OpenTelemetry's conventions for HTTP say.
        _ => "_OTHER",
    };
    let spans = context.spans(route, |id| trace::http_request(method, route, id));
    let mut response = spans.around(next.run(request)).await;
    trace::http_answered(&spans.traced, response.status().as_u16());
    context.name(response.headers_mut());
    response
}

async fn in_time(request: Request, next: Next) -> Response {
    let answer = tokio::time::timeout(PATIENCE, next.run(request)).await;
    answer.unwrap_or_else(|_| {
        let detail = format!("the request took longer than {} s", PATIENCE.as_secs());
        Problem::new(Reason::Timeout, detail).into_response()
    })
}

async fn protect(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in PROTECTION {
        let value = HeaderValue::from_static(value);
        headers.entry(name).or_insert(value);
    }
    response
}

async fn no_such_path() -> Problem {
    let detail = "path: nothing is here; /openapi.json tells what there is";
    Problem::new(Reason::NotFound, detail)
}

async fn no_metrics() -> Problem {
    let detail = "path: metrics are not served to the public; see the flag --metrics of serve";
    Problem::new(Reason::NotFound, detail)
}

async fn no_such_method(method: Method) -> Problem {
    let detail = format!("method: is {method}; expected one of those in the header Allow");
    Problem::new(Reason::MethodNotAllowed, detail)
}

async fn description() -> Representation {
    Representation::json(Keep::For(DESCRIPTION_KEPT), DESCRIPTION)
}

async fn health(State(inner): State<Inner>) -> Response {
    health::answer(&inner.core.keys, &inner.readiness, &inner.core.clock)
}
