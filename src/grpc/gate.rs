//! The gate before all RPCs: who calls, may they, is there room for one more.
//!
//! Attack: calls without number, on many connections: tower and h2 bound those of one. Shown by `tests/access/hostile.rs`
//! (`one_peer_has_so_many_calls_and_connections_and_keeps_nobody_out`).

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use http_body::Frame;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http::{HeaderName, HeaderValue, Request, Response, Uri};
use tower::{Layer, Service};

use super::access::{Access, Caller, Judge, Lasts, Peer, Rpc, Runs, Takes};
use super::transport::{
    AnswerBudget, Arriving, Belongings, CALLS_KEPT, CALLS_KEPT_PER_CONNECTION, ConnectInfo, Ending,
    HANDLER_PATIENCE, LargeMessages, MessageBudget, Origin, Place, RequestBody, ResponseBody,
    STREAMS, STREAMS_PER_CONNECTION, StreamPlace, WaitingAnswers, max_calls,
};
use super::{protocol, status, streams};
use crate::aside::Turn;
use crate::audit::Asked;
use crate::budget::Budget;
use crate::counts::Counts;
use crate::net::{Asking, Listed};
use crate::telemetry::call::{CallContext, CallSpans};
use crate::telemetry::{Metrics, trace};
use checkpoint::reason::Reason;

/// What is known of a call, for the handler and for the audit log.
#[derive(Clone)]
pub(super) struct Call {
    /// Who called.
    pub(super) caller: Arc<Caller>,
    /// Whether they still may.
    pub(super) judge: Judge,
    /// The call's name: visible ASCII.
    pub(super) request_id: Arc<str>,
    /// For what goes on in other tasks.
    pub(super) spans: CallSpans,
    /// What its messages hold.
    pub(super) load: Arc<LargeMessages>,
    /// What its answers may have waiting.
    pub(super) unread: AnswerBudget,
    /// Whether something is worked on.
    pub(super) asking: Arc<Asking>,
}

impl Call {
    /// The call of a request that came through the gate.
    ///
    /// # Errors
    /// None came through it: then nobody knows who calls.
    pub(super) fn of<T>(request: &tonic::Request<T>) -> Result<Self, Status> {
        let call = request.extensions().get::<Self>().cloned();
        call.ok_or_else(|| status::not_let_in("nobody knows who calls"))
    }

    /// For the audit log.
    pub(super) fn asked(&self) -> Asked<'_> {
        Asked {
            who: self.caller.name(),
            request_id: &self.request_id,
        }
    }
}

/// Puts the gate before a service.
#[derive(Clone)]
pub(super) struct GateLayer {
    access: Access,
    calls: Arc<Budget>,
    kept: Arc<Counts>,
    /// Of all connections.
    all_kept: Arc<Budget>,
    room: MessageBudget,
    unread: AnswerBudget,
    /// Of those who sign, so that nobody else's answers take their place.
    unread_signatures: AnswerBudget,
    aside: Handle,
    metrics: Arc<Metrics>,
    shutdown: CancellationToken,
}

impl GateLayer {
    pub(super) fn new(
        access: Access,
        metrics: Arc<Metrics>,
        shutdown: CancellationToken,
        aside: Handle,
    ) -> Self {
        Self {
            access,
            metrics,
            shutdown,
            calls: Budget::new(max_calls()),
            kept: Counts::up_to(CALLS_KEPT_PER_CONNECTION),
            all_kept: Budget::new(CALLS_KEPT),
            room: MessageBudget::default(),
            unread: AnswerBudget::of_all(),
            unread_signatures: AnswerBudget::of_signatures(),
            aside,
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
pub(super) struct Gate<S> {
    inner: S,
    gate: GateLayer,
}

impl<S> Service<Request<Body>> for Gate<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
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
        let (
            until,
            Admitted {
                call,
                answers,
                place,
                stream,
            },
        ) = match admitted {
            Ok(admitted) => admitted,
            Err(unfit) => {
                let mut answer = unfit.into_answer();
                self.gate.note_unread(&request, &context, &answer);
                context.name(answer.headers_mut());
                return Box::pin(async { Ok(answer) });
            }
        };
        let (rpc, judge) = (call.judge.rpc, call.judge.clone());
        let (peer, shutdown) = (&judge.peer, self.gate.shutdown.clone());
        let unread = self.gate.unread(rpc);
        let of = Belongings {
            answers,
            unread: (rpc.takes != Takes::Checkpoints).then(|| unread.clone()),
            peer: Arc::clone(peer.counted_as()),
            ending: ending(&call.judge, until, stream.as_ref()),
            spans: call.spans.clone(),
            load: Arc::clone(&call.load),
            asking: Arc::clone(&call.asking),
            _place: place,
            _stream: stream,
        };
        let shutdown = (rpc.lasts == Lasts::Open).then_some(shutdown);
        let only_message = (rpc.lasts == Lasts::Once).then(|| Arc::clone(&call.asking));
        let origin = Origin {
            peer: Arc::clone(peer.counted_as()),
            connection: Arc::clone(peer.connection()),
        };
        let room = (self.gate.room.clone(), origin);
        forget_head(&mut request, rpc.path);
        request.extensions_mut().insert(call);
        let load = Arc::clone(&of.load);
        let request = arrives(request, rpc.takes, |body| {
            Arriving::new(body, room, rpc.takes, load, shutdown).telling(only_message)
        });
        let spans = of.spans.clone();
        let signs = rpc.signs().then(|| judge.clone());
        let answering = answer(
            spans.within(|| self.inner.call(request)),
            (rpc.lasts == Lasts::Once).then(|| (unread, Arc::clone(&of.peer))),
        );
        let answering = spans.around(answering);
        let answered: Answering<S::Error> = match rpc.runs {
            Runs::Here => Box::pin(answering),
            Runs::Aside => {
                let task = AbortOnDropHandle::new(self.gate.aside.spawn(answering));
                Box::pin(async move { task.await.unwrap_or_else(|_| Ok(ended())) })
            }
        };
        Box::pin(async move {
            let latest = Instant::now() + HANDLER_PATIENCE;
            let waits_less = until.filter(|until| *until < latest);
            let answered = tokio::time::timeout_at(waits_less.unwrap_or(latest).into(), answered);
            let (mut head, (first, body)) = match (answered.await, waits_less) {
                (Ok(answer), _) => answer?,
                (Err(_), Some(_)) => refused(status::deadline_expired()),
                (Err(_), None) => refused(status::too_slow("the request or its answer")),
            }
            .into_parts();
            status::give_reason(&mut head.headers);
            if let Some((judge, reason)) = signs.zip(status::unread_of(&head.headers)) {
                judge.unread(reason);
            }
            // A refusal has its status here, an answer after it.
            trace::grpc_answered(&spans.traced, &head.headers);
            context.name(&mut head.headers);
            let body = Body::new(ResponseBody::new(first, body, of));
            Ok(Response::from_parts(head, body))
        })
    }
}

/// The messages of a request are followed as they arrive. Of a stream of checkpoints, its service reads them, and of all else tonic.
fn arrives(
    request: Request<Body>,
    takes: Takes,
    follow: impl FnOnce(Body) -> Arriving,
) -> Request<Body> {
    let (mut head, body) = request.into_parts();
    let arriving = follow(body);
    let body = match takes {
        Takes::Checkpoints => {
            streams::go_along(&mut head.extensions, arriving);
            Body::empty()
        }
        Takes::Few | Takes::FewEach | Takes::Checkpoint => Body::new(RequestBody::new(arriving)),
    };
    Request::from_parts(head, body)
}

/// Keeps of a head what the transport looks at, in memory of its own: the rest was judged, and would be held for as long as the call goes on.
fn forget_head(request: &mut Request<Body>, path: &'static str) {
    let head = std::mem::take(request.headers_mut());
    let kept = KEPT.into_iter().filter_map(|name| {
        let value = HeaderValue::from_bytes(head.get(name)?.as_bytes()).ok()?;
        Some((HeaderName::from_static(name), value))
    });
    request.headers_mut().extend(kept);
    *request.uri_mut() = Uri::from_static(path);
}

/// See [`forget_head`].
const KEPT: [&str; 4] = ["content-type", "te", "grpc-timeout", "grpc-accept-encoding"];

/// A call that may be made, and what it holds until it is over.
struct Admitted {
    call: Call,
    answers: Arc<WaitingAnswers>,
    place: Place,
    stream: Option<StreamPlace>,
}

/// An answer, with what was made of its body already.
type Made = Response<(Option<Frame<Bytes>>, Body)>;

type Answering<E> = Pin<Box<dyn Future<Output = Result<Made, E>> + Send>>;

/// Waits for an answer; one that is a single message is made now, and its turn is over then.
async fn answer<E>(
    answered: impl Future<Output = Result<Response<Body>, E>>,
    once: Option<(AnswerBudget, Arc<str>)>,
) -> Result<Made, E> {
    let (mut head, mut body) = answered.await?.into_parts();
    let mut first = None;
    if let Some((unread, connection)) = once {
        match unread.make(&connection, &mut body).await {
            Ok(made) => first = made,
            Err(status) => (head, body) = status.into_http().into_parts(),
        }
    }
    if let Some(came_along) = streams::came_along(&mut head.extensions) {
        body = came_along;
    }
    head.extensions.remove::<Turn>();
    Ok(Response::from_parts(head, (first, body)))
}

fn refused(status: Status) -> Made {
    status.into_http().map(|body| (None, body))
}

/// The answer when its task has ended without one.
fn ended() -> Made {
    refused(status::shutting_down())
}

/// What ends the answer to a call before it is over: its caller's patience, that another client needs the place of a stream, and of a stream that nobody
/// else ends, that its caller may not go on.
fn ending(judge: &Judge, until: Option<Instant>, stream: Option<&StreamPlace>) -> Option<Ending> {
    if judge.rpc.lasts == Lasts::Once {
        return None;
    }
    let judged = (judge.rpc.lasts == Lasts::Open).then(|| judge.clone().until_turned_away());
    let listed = stream.map(|stream| Arc::clone(&stream.listed));
    Some(Box::pin(async move {
        tokio::select! {
            status = or_never(judged) => status,
            status = or_never(until.map(expires)) => status,
            status = or_never(listed.map(gives_way)) => status,
        }
    }))
}

async fn expires(until: Instant) -> Status {
    tokio::time::sleep_until(until.into()).await;
    status::deadline_expired()
}

async fn gives_way(listed: Arc<Listed>) -> Status {
    listed.ends().await;
    status::stream_gives_way()
}

async fn or_never<T>(ends: Option<impl Future<Output = T>>) -> T {
    match ends {
        Some(ends) => ends.await,
        None => std::future::pending().await,
    }
}

impl GateLayer {
    fn judge(&self, request: &Request<Body>, context: &CallContext) -> Result<Judge, Status> {
        let connection = request.extensions().get::<ConnectInfo>();
        let ConnectInfo { peer, .. } =
            connection.ok_or_else(|| status::not_let_in("nobody knows who calls"))?;
        let path = request.uri().path();
        Ok(Judge {
            peer: Arc::clone(peer),
            access: self.access.clone(),
            rpc: Rpc::of(path).ok_or_else(|| status::unknown_method(path))?,
            metrics: Arc::clone(&self.metrics),
            request_id: Arc::clone(context.request_id()),
        })
    }

    /// Tells of a request to sign whose head is refused. Who may not call was told already.
    fn note_unread(&self, request: &Request<Body>, context: &CallContext, answer: &Response<Body>) {
        if let Ok(judge) = self.judge(request, context)
            && judge.rpc.signs()
            && let Some(reason) = status::unread_of(answer.headers())
        {
            judge.unread(reason);
        }
    }

    fn admit(&self, request: &Request<Body>, context: &CallContext) -> Result<Admitted, Status> {
        let judge = self.judge(request, context)?;
        let caller = judge.judge()?;
        let turned_away = |status| {
            self.metrics.turned_away(Reason::TooManyCalls);
            status
        };
        let place = self.place(&judge.peer);
        let place = place.ok_or_else(|| turned_away(status::too_many_calls(max_calls())))?;
        let stream = match judge.rpc.takes.many() {
            true => {
                let of = Origin {
                    peer: Arc::clone(judge.peer.counted_as()),
                    connection: Arc::clone(judge.peer.connection()),
                };
                let stream = self.room.stream(&of);
                let too_many = || status::too_many_streams(STREAMS, STREAMS_PER_CONNECTION);
                Some(stream.ok_or_else(|| turned_away(too_many()))?)
            }
            false => None,
        };
        let connection = request.extensions().get::<ConnectInfo>();
        let connection = connection.ok_or_else(|| status::not_let_in("nobody knows who calls"))?;
        let own = stream.as_ref().map(|stream| Arc::clone(&stream.listed));
        let path = request.uri().path();
        let call = Call {
            caller,
            unread: self.unread(judge.rpc),
            judge,
            request_id: Arc::clone(context.request_id()),
            spans: context.spans(path, |id| trace::grpc_call(path, id)),
            load: Arc::default(),
            asking: Arc::new(Asking::on(&connection.listed).with(own)),
        };
        Ok(Admitted {
            call,
            answers: Arc::clone(&connection.answers),
            place,
            stream,
        })
    }

    fn unread(&self, rpc: &Rpc) -> AnswerBudget {
        match rpc.signs() {
            true => self.unread_signatures.clone(),
            false => self.unread.clone(),
        }
    }

    /// A place for one more call of this peer.
    fn place(&self, peer: &Peer) -> Option<Place> {
        if let Some(place) = self.calls.try_take(peer.counted_as(), 1) {
            return Some((place, None));
        }
        let kept = self.kept.take(peer.connection())?;
        let place = self.all_kept.try_take(peer.counted_as(), 1)?;
        Some((place, Some(kept)))
    }
}
