//! The gate before all RPCs: who calls, may they, is there room for one more.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio_util::sync::CancellationToken;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http::{HeaderName, HeaderValue, Request, Response, Uri};
use tower::{Layer, Service};
use tracing::Instrument as _;

use super::{Access, Caller, Need, Peer};
use crate::audit::{self, Asked};
use crate::grpc::status;
use crate::grpc::transport::{
    Answer, Arrival, Budget, Counts, HANDLER_PATIENCE, MAX_CALLS_PER_PEER, Place,
};
use crate::telemetry::Metrics;

/// The name that a caller gave to a call, or that was made up for it: told back, and in the audit log.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Longest name of a call, in bytes.
const MAX_REQUEST_ID_BYTES: usize = 128;

/// Streams of a client that would keep an ending service waiting for what comes next. (That of signing ends by itself.)
const STREAMS: [&str; 3] = [
    "/amply.checkpoint.v1.VerificationService/VerifyCheckpoints",
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];

/// What is known of a call, for the handler and for the audit log.
#[derive(Clone)]
pub(in crate::grpc) struct Call {
    /// Who calls.
    pub(in crate::grpc) caller: Arc<Caller>,
    /// The call's name: visible ASCII.
    pub(in crate::grpc) request_id: Arc<str>,
    judge: Judge,
    peer: Arc<Peer>,
    uri: Uri,
}

impl Call {
    /// The call of a request that came through the gate.
    ///
    /// # Errors
    /// None came through it: then nobody knows who calls.
    pub(in crate::grpc) fn of<T>(request: &tonic::Request<T>) -> Result<Self, Status> {
        let call = request.extensions().get::<Self>().cloned();
        call.ok_or_else(|| status::not_let_in("nobody knows who calls"))
    }

    /// Judges the caller anew, for each item of a stream: certificates end and roles are taken away meanwhile.
    ///
    /// # Errors
    /// As at the call's beginning.
    pub(in crate::grpc) fn judge_again(&mut self) -> Result<(), Status> {
        let caller = self.judge.caller(&self.peer, &self.uri, &self.request_id);
        self.caller = caller?;
        Ok(())
    }

    /// For the audit log.
    pub(in crate::grpc) fn asked(&self) -> Asked<'_> {
        Asked {
            who: self.caller.name(),
            request_id: &self.request_id,
        }
    }
}

/// Puts the gate before a service.
#[derive(Clone)]
pub(in crate::grpc) struct GateLayer {
    judge: Judge,
    calls: Arc<Counts>,
    budget: Budget,
    shutdown: CancellationToken,
}

impl GateLayer {
    pub(in crate::grpc) fn new(
        access: Access,
        metrics: Arc<Metrics>,
        shutdown: CancellationToken,
    ) -> Self {
        Self {
            judge: Judge { access, metrics },
            shutdown,
            calls: Counts::up_to(MAX_CALLS_PER_PEER),
            budget: Budget::default(),
        }
    }
}

impl<S> Layer<S> for GateLayer {
    type Service = Gate<S>;

    fn layer(&self, inner: S) -> Gate<S> {
        Gate {
            inner,
            gate: self.clone(),
        }
    }
}

/// See [`GateLayer`].
#[derive(Clone)]
pub(in crate::grpc) struct Gate<S> {
    inner: S,
    gate: GateLayer,
}

impl<S> Service<Request<Body>> for Gate<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let request_id = request_id(&request);
        let shown = HeaderValue::from_str(&request_id);
        // Of the highest level, so that whatever is logged on the way has the call's name.
        let span = tracing::error_span!(
            "call",
            request_id = &*request_id,
            rpc = request.uri().path()
        );
        let admitted = self.gate.admit(&request, request_id);
        let (call, peer, place) = match admitted {
            Ok(admitted) => admitted,
            Err(status) => return Box::pin(async { Ok(status.into_http()) }),
        };
        request.extensions_mut().insert(call);
        let budget = self.gate.budget.clone();
        let is_stream = STREAMS.contains(&request.uri().path());
        let shutdown = is_stream.then(|| self.gate.shutdown.clone());
        let request = request.map(|body| Body::new(Arrival::new(body, budget, shutdown)));
        let answered = span.in_scope(|| self.inner.call(request)).instrument(span);
        let answered = tokio::time::timeout(HANDLER_PATIENCE, answered);
        Box::pin(async move {
            let mut answer = match answered.await {
                Ok(answer) => answer?,
                Err(_) => status::too_slow("the request or its answer").into_http(),
            };
            if let Ok(shown) = shown {
                answer.headers_mut().insert(REQUEST_ID, shown);
            }
            let answers = Arc::clone(peer.answers());
            Ok(answer.map(|body| Body::new(Answer::new(body, answers, place))))
        })
    }
}

impl GateLayer {
    fn admit(
        &self,
        request: &Request<Body>,
        request_id: Arc<str>,
    ) -> Result<(Call, Arc<Peer>, Place), Status> {
        let peer = request.extensions().get::<Arc<Peer>>();
        let peer = peer.ok_or_else(|| status::not_let_in("nobody knows who calls"))?;
        let caller = self.judge.caller(peer, request.uri(), &request_id)?;
        let place = self.calls.take(peer.counted_as());
        let place = place.ok_or_else(|| {
            self.judge.metrics.turned_away(status::TOO_MANY_CALLS);
            status::too_many_calls(MAX_CALLS_PER_PEER)
        })?;
        let call = Call {
            caller,
            request_id,
            judge: self.judge.clone(),
            peer: Arc::clone(peer),
            uri: request.uri().clone(),
        };
        Ok((call, Arc::clone(peer), place))
    }
}

/// Says who may do what, by the certificates and roles in force.
#[derive(Clone)]
struct Judge {
    access: Access,
    metrics: Arc<Metrics>,
}

impl Judge {
    /// The caller, if it may do this now.
    fn caller(&self, peer: &Peer, uri: &Uri, request_id: &str) -> Result<Arc<Caller>, Status> {
        let turned_away = |who: &str, reason| {
            self.metrics.turned_away(reason);
            audit::turned_away(Asked { who, request_id }, uri.path(), reason);
        };
        let caller = peer.caller(&self.access).map_err(|error| {
            turned_away(peer.counted_as(), status::CERTIFICATE_REFUSED);
            status::not_let_in(&error.to_string())
        })?;
        let Some(need) = Need::of(uri.path()) else {
            return Err(Status::unimplemented("there is no such method"));
        };
        if !need.is_met_by(&caller) {
            turned_away(caller.name(), status::ROLE_REQUIRED);
            return Err(status::role_required(&caller, need));
        }
        Ok(caller)
    }
}

/// The caller's, if it is fit to be logged, or one of our own.
fn request_id(request: &Request<Body>) -> Arc<str> {
    let given = request
        .headers()
        .get(&REQUEST_ID)
        .and_then(|value| value.to_str().ok());
    let is_fit = |id: &&str| {
        (1..=MAX_REQUEST_ID_BYTES).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic())
    };
    match given.filter(is_fit) {
        Some(id) => id.into(),
        None => format!("{:032x}", rand::random::<u128>()).into(),
    }
}
