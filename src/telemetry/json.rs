//! The log as JSON, a line an event: `timestamp` (RFC 3339, UTC), `level`, `logger` (who says it), `message`, `request_id`
//! where the event belongs to a call, `trace_id` where the caller told it, and the event's own fields beside them.

use std::cell::RefCell;
use std::fmt;
use std::io::Write;

use chrono::{SecondsFormat, Utc};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Event, Subscriber};
use tracing_log::NormalizeEvent;
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use checkpoint::visible::visible_json;

/// The member that names the call, of an event or of the span around it.
const REQUEST_ID: &str = "request_id";

/// The member that names the trace of the span around an event.
const TRACE_ID: &str = "trace_id";

/// The members of every line. A field of the same name gets an underscore at its end.
const OWN: [&str; 3] = ["timestamp", "level", "logger"];

/// Writes events to what `writer` makes, each in one write.
pub struct JsonLines<W> {
    writer: W,
}

impl<W> JsonLines<W>
where
    W: for<'a> MakeWriter<'a> + 'static,
{
    /// A layer that asks for a writer for each event.
    pub fn new(writer: W) -> Self {
        Self { writer }
    }
}

/// A call's [`REQUEST_ID`] and [`TRACE_ID`], from its span.
#[derive(Default)]
struct CallName {
    request_id: Option<String>,
    trace_id: Option<String>,
}

impl<S, W> Layer<S> for JsonLines<W>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    W: for<'a> MakeWriter<'a> + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut name = CallName::default();
        attributes.record(&mut name);
        if let (Some(_), Some(span)) = (&name.request_id, context.span(id)) {
            span.extensions_mut().insert(name);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        thread_local! {
            static LINE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
        }
        LINE.with(|line| {
            // Writing to standard error logs nothing, so nobody holds it.
            let Ok(mut line) = line.try_borrow_mut() else {
                return;
            };
            line.clear();
            write_line(&mut line, event, &context);
            // A log is read on terminals, too. Its strings are UTF-8, and then none of this is copied but what is unseen.
            let shown = String::from_utf8_lossy(&line);
            let shown = visible_json(&shown);
            // A log that cannot be written is no reason to end.
            let mut writer = self.writer.make_writer_for(event.metadata());
            let _ = writer.write_all(shown.as_bytes());
        });
    }
}

fn write_line<S>(line: &mut Vec<u8>, event: &Event<'_>, context: &Context<'_, S>)
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    // Events of the crate `log` have their names among their fields.
    let normalized = event.normalized_metadata();
    let metadata = normalized.as_ref().unwrap_or_else(|| event.metadata());
    let timestamp = Utc::now().to_rfc3339_opts(SecondsFormat::Micros, true);
    line.extend_from_slice(b"{\"timestamp\":\"");
    line.extend_from_slice(timestamp.as_bytes());
    line.extend_from_slice(b"\",\"level\":\"");
    line.extend_from_slice(metadata.level().as_str().as_bytes());
    line.push(b'"');
    let mut members = Members {
        line,
        is_log: normalized.is_some(),
        has_call: false,
    };
    members.put("logger", metadata.target());
    event.record(&mut members);
    for span in context.event_scope(event).into_iter().flatten() {
        if let Some(name) = span.extensions().get::<CallName>() {
            members.put_name(name);
            break;
        }
    }
    line.extend_from_slice(b"}\n");
}

/// Writes fields as members.
struct Members<'a> {
    line: &'a mut Vec<u8>,
    is_log: bool,
    has_call: bool,
}

impl Members<'_> {
    fn put<T: serde::Serialize + ?Sized>(&mut self, name: &str, value: &T) {
        self.line.push(b',');
        // A string, a number and a Vec cannot fail.
        let _ = serde_json::to_writer(&mut *self.line, name);
        self.line.push(b':');
        let _ = serde_json::to_writer(&mut *self.line, value);
    }

    /// The name of the call around an event, which may have told it itself.
    fn put_name(&mut self, name: &CallName) {
        if let (Some(request_id), false) = (&name.request_id, self.has_call) {
            self.put(REQUEST_ID, request_id);
        }
        if let Some(trace_id) = &name.trace_id {
            self.put(TRACE_ID, trace_id);
        }
    }

    fn field<T: serde::Serialize + ?Sized>(&mut self, field: &Field, value: &T) {
        let name = field.name();
        if self.is_log && name.starts_with("log.") {
            return;
        }
        self.has_call |= name == REQUEST_ID;
        match OWN.contains(&name) {
            true => self.put(&format!("{name}_"), value),
            false => self.put(name, value),
        }
    }
}

impl Visit for Members<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.field(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.field(field, &value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.field(field, &value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.field(field, &value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.field(field, &value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.field(field, &value.to_string());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.field(field, &format!("{value:?}"));
    }
}

impl Visit for CallName {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            REQUEST_ID => self.request_id = Some(value.into()),
            TRACE_ID => self.trace_id = Some(value.into()),
            _ => {}
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
}
