//! What a call brings along: its name (`x-request-id`) and its place in a trace of the caller's (W3C Trace Context), for
//! logs and traces.

use std::sync::Arc;

use tonic::codegen::http::{HeaderMap, HeaderName, HeaderValue};
use tracing::instrument::Instrumented;
use tracing::{Instrument as _, Span};

use super::otlp::Remote;

/// The name that a caller gave to a call, or that was made up for it: told back, in the log and in the trace.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Longest name of a call, in bytes.
const MAX_REQUEST_ID_BYTES: usize = 128;

/// A call, as it is named in logs and traces.
pub struct CallContext {
    request_id: Arc<str>,
    /// The caller's span, if it told us.
    remote: Option<Remote>,
}

impl CallContext {
    /// Takes what is fit to be logged, and makes up a name where none is.
    pub fn of(headers: &HeaderMap) -> Self {
        Self {
            request_id: request_id(headers),
            remote: Remote::told(headers),
        }
    }

    /// The call's name: visible ASCII.
    pub fn request_id(&self) -> &Arc<str> {
        &self.request_id
    }

    /// Tells the caller the call's name, with the answer.
    pub fn name(&self, answer: &mut HeaderMap) {
        if let Ok(name) = HeaderValue::from_str(&self.request_id) {
            answer.insert(REQUEST_ID, name);
        }
    }

    /// Its spans; `what` is called, and `traced` makes its span in a trace.
    pub fn spans(&self, what: &str, traced: impl FnOnce(&str) -> Span) -> CallSpans {
        let remote = self.remote.as_ref();
        let trace_id = remote.map(Remote::trace_id);
        // Of the highest level, so that whatever is logged on the way has the call's name.
        let logged =
            tracing::error_span!("call", request_id = &*self.request_id, trace_id, rpc = what);
        let traced = logged.in_scope(|| traced(&self.request_id));
        if let (Some(remote), false) = (remote, traced.is_disabled()) {
            remote.is_parent_of(&traced);
        }
        CallSpans { logged, traced }
    }
}

/// Two spans of one call, since a trace has another level, another name and other fields than the log.
#[derive(Clone)]
pub struct CallSpans {
    logged: Span,
    /// None while no trace is exported.
    pub traced: Span,
}

impl CallSpans {
    /// Runs a task in them.
    pub fn around<T>(&self, task: T) -> Instrumented<Instrumented<T>> {
        task.instrument(self.traced.clone())
            .instrument(self.logged.clone())
    }

    /// The call ends now: a span in a trace ends when it was left for the last time.
    pub fn end(&self) {
        self.traced.in_scope(|| {});
    }

    /// Does something in them.
    pub fn within<T>(&self, act: impl FnOnce() -> T) -> T {
        self.logged.in_scope(|| self.traced.in_scope(act))
    }
}

fn request_id(headers: &HeaderMap) -> Arc<str> {
    let given = headers
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
