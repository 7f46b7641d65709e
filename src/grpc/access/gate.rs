//! The gate before all RPCs: who calls, may they, is there room for one more.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio_util::sync::CancellationToken;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http::{Request, Response};
use tower::{Layer, Service};

use super::{Access, Caller, Judge, Lasts, Peer, Rpc};
use crate::audit::Asked;
use crate::grpc::status;
use crate::grpc::transport::{
    Answer, Arrival, Budget, Counts, Ending, HANDLER_PATIENCE, MAX_CALLS_PER_PEER, Place,
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
    budget: Budget,
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
        let context = CallContext::of(request.headers());
        let (call, place) = match self.gate.admit(&request, &context) {
            Ok(admitted) => admitted,
            Err(status) => {
                let mut answer = status.into_http();
                context.name(answer.headers_mut());
                return Box::pin(async { Ok(answer) });
            }
        };
        let (spans, answers) = (call.spans.clone(), Arc::clone(call.judge.peer.answers()));
        let ending = self.gate.ending(&call.judge);
        request.extensions_mut().insert(call);
        let budget = self.gate.budget.clone();
        let request = request.map(|body| Body::new(Arrival::new(body, budget)));
        let answered = spans.around(spans.within(|| self.inner.call(request)));
        let answered = tokio::time::timeout(HANDLER_PATIENCE, answered);
        Box::pin(async move {
            let mut answer = match answered.await {
                Ok(answer) => answer?,
                Err(_) => status::too_slow("the request or its answer").into_http(),
            };
            // A refusal has its status here, an answer after it.
            trace::grpc_answered(&spans.traced, answer.headers());
            context.name(answer.headers_mut());
            Ok(answer.map(|body| Body::new(Answer::new(body, answers, ending, spans, place))))
        })
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
        let rpc = Rpc::of(path).ok_or_else(|| Status::unimplemented("there is no such method"))?;
        let judge = Judge {
            peer: Arc::clone(peer),
            access: self.access.clone(),
            rpc,
            metrics: Arc::clone(&self.metrics),
            request_id: Arc::clone(context.request_id()),
        };
        let caller = judge.judge()?;
        let place = self.calls.take(peer.counted_as());
        let place = place.ok_or_else(|| {
            self.metrics.turned_away(status::TOO_MANY_CALLS);
            status::too_many_calls(MAX_CALLS_PER_PEER)
        })?;
        let call = Call {
            caller,
            judge,
            request_id: Arc::clone(context.request_id()),
            spans: context.spans(path, |id| trace::grpc_call(path, id)),
        };
        Ok((call, place))
    }

    /// What ends an answer that would go on for ever.
    fn ending(&self, judge: &Judge) -> Option<Ending> {
        if judge.rpc.lasts != Lasts::Open {
            return None;
        }
        let (judge, shutdown) = (judge.clone(), self.shutdown.clone());
        Some(Box::pin(async move {
            tokio::select! {
                () = shutdown.cancelled() => status::shutting_down(),
                status = judge.until_turned_away() => status,
            }
        }))
    }
}
