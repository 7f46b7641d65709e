//! The gate before all RPCs: who calls, may they, is there room for one more.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use tokio_util::sync::CancellationToken;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http::{Request, Response};
use tower::{Layer, Service};

use super::{Access, Caller, Judge, Lasts, Peer, Rpc};
use crate::audit::Asked;
use crate::budget::Budget;
use crate::grpc::protocol;
use crate::grpc::status;
use crate::grpc::transport::{
    Answer, Arrival, Belongings, CALLS_KEPT_PER_CONNECTION, Counts, Ending, HANDLER_PATIENCE, Load,
    MAX_CALLS_PER_PEER, Place, Unread, budget,
};
use crate::telemetry::call::{CallContext, CallSpans};
use crate::telemetry::{Metrics, trace};

/// What is known of a call, for the handler and for the audit log.
#[derive(Clone)]
pub(in crate::grpc) struct Call {
    /// Who called.
    pub(in crate::grpc) caller: Arc<Caller>,
    /// Whether they still may.
    pub(in crate::grpc) judge: Judge,
    /// The call's name: visible ASCII.
    pub(in crate::grpc) request_id: Arc<str>,
    /// For what goes on in other tasks.
    pub(in crate::grpc) spans: CallSpans,
    /// What its messages hold.
    pub(in crate::grpc) load: Arc<Load>,
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
    access: Access,
    calls: Arc<Counts>,
    kept: Arc<Counts>,
    budget: Arc<Budget>,
    unread: Unread,
    metrics: Arc<Metrics>,
    shutdown: CancellationToken,
}

impl GateLayer {
    pub(in crate::grpc) fn new(
        access: Access,
        metrics: Arc<Metrics>,
        shutdown: CancellationToken,
    ) -> Self {
        Self {
            access,
            metrics,
            shutdown,
            calls: Counts::up_to(MAX_CALLS_PER_PEER),
            kept: Counts::up_to(CALLS_KEPT_PER_CONNECTION),
            budget: budget(),
            unread: Unread::default(),
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
        let context = CallContext::of(request.headers());
        let admitted = protocol::check(&request)
            .and_then(|until| Ok((until, self.gate.admit(&request, &context)?)));
        let (until, (call, place)) = match admitted {
            Ok(admitted) => admitted,
            Err(unfit) => {
                let mut answer = unfit.into_answer();
                context.name(answer.headers_mut());
                return Box::pin(async { Ok(answer) });
            }
        };
        let rpc = call.judge.rpc;
        let (peer, shutdown) = (&call.judge.peer, self.gate.shutdown.clone());
        let of = Belongings {
            answers: Arc::clone(peer.answers()),
            unread: self.gate.unread.clone(),
            connection: Arc::clone(peer.connection()),
            ending: ending(&call.judge, until),
            spans: call.spans.clone(),
            load: Arc::clone(&call.load),
            _place: place,
        };
        let shutdown = (rpc.lasts == Lasts::Open).then_some(shutdown);
        let budget = (Arc::clone(&self.gate.budget), Arc::clone(peer.counted_as()));
        request.extensions_mut().insert(call);
        let load = Arc::clone(&of.load);
        let request =
            request.map(|body| Body::new(Arrival::new(body, budget, rpc.takes, load, shutdown)));
        let spans = of.spans.clone();
        let answered = spans.around(spans.within(|| self.inner.call(request)));
        Box::pin(async move {
            let latest = Instant::now() + HANDLER_PATIENCE;
            let waits_less = until.filter(|until| *until < latest);
            let answered = tokio::time::timeout_at(waits_less.unwrap_or(latest).into(), answered);
            let (mut head, mut body) = match (answered.await, waits_less) {
                (Ok(answer), _) => answer?,
                (Err(_), Some(_)) => status::deadline_expired().into_http(),
                (Err(_), None) => status::too_slow("the request or its answer").into_http(),
            }
            .into_parts();
            let mut first = None;
            if rpc.lasts == Lasts::Once {
                match of.unread.make(&of.connection, &mut body).await {
                    Ok(made) => first = made,
                    Err(status) => (head, body) = status.into_http().into_parts(),
                }
            }
            status::give_reason(&mut head.headers);
            // A refusal has its status here, an answer after it.
            trace::grpc_answered(&spans.traced, &head.headers);
            context.name(&mut head.headers);
            let body = Body::new(Answer::new(first, body, of));
            Ok(Response::from_parts(head, body))
        })
    }
}

/// What ends the answer to a call before it is over: its caller's patience, and of a stream that nobody else ends, that its
/// caller may not go on.
fn ending(judge: &Judge, until: Option<Instant>) -> Option<Ending> {
    let judged = (judge.rpc.lasts == Lasts::Open).then(|| judge.clone().until_turned_away());
    let expired = until
        .filter(|_| judge.rpc.lasts != Lasts::Once)
        .map(|until| async move {
            tokio::time::sleep_until(until.into()).await;
            status::deadline_expired()
        });
    match (judged, expired) {
        (None, None) => None,
        (Some(judged), None) => Some(Box::pin(judged)),
        (None, Some(expired)) => Some(Box::pin(expired)),
        (Some(judged), Some(expired)) => Some(Box::pin(async move {
            tokio::select! {
                status = judged => status,
                status = expired => status,
            }
        })),
    }
}

impl GateLayer {
    fn admit(
        &self,
        request: &Request<Body>,
        context: &CallContext,
    ) -> Result<(Call, Place), Status> {
        let peer = request.extensions().get::<Arc<Peer>>();
        let peer = peer.ok_or_else(|| status::not_let_in("nobody knows who calls"))?;
        let path = request.uri().path();
        let rpc = Rpc::of(path).ok_or_else(|| status::unknown_method(path))?;
        let judge = Judge {
            peer: Arc::clone(peer),
            access: self.access.clone(),
            rpc,
            metrics: Arc::clone(&self.metrics),
            request_id: Arc::clone(context.request_id()),
        };
        let caller = judge.judge()?;
        let place = self.calls.take(peer.counted_as());
        let place = place.or_else(|| self.kept.take(peer.connection()));
        let place = place.ok_or_else(|| {
            self.metrics.turned_away(status::TOO_MANY_CALLS);
            status::too_many_calls(MAX_CALLS_PER_PEER)
        })?;
        let call = Call {
            caller,
            judge,
            request_id: Arc::clone(context.request_id()),
            spans: context.spans(path, |id| trace::grpc_call(path, id)),
            load: Arc::default(),
        };
        Ok((call, place))
    }
}
