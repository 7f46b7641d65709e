//! Logs, metrics and traces. Logs: text on a terminal, JSON lines otherwise, on standard error. Nothing here ever sees
//! key material: what libraries that carry the secret may log is bounded, whatever the filter asks for.

mod backlog;
pub mod call;
mod filter;
mod json;
mod metrics;
#[cfg(not(feature = "otlp"))]
mod no_otlp;
#[cfg(feature = "otlp")]
mod otlp;
pub(crate) mod trace;

use std::io::{IsTerminal, Stderr, Write};

use tracing::{Level, Metadata};
use tracing_subscriber::filter::{FilterExt as _, LevelFilter, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, Registry};

use crate::audit;
use checkpoint::visible::visible;

pub(crate) use backlog::lost;
use backlog::{Backlog, Worth};
pub(crate) use filter::leaves_out_warnings;
pub use filter::{AuditLog, OwnWarnings, log_filter};
pub use json::JsonLines;
pub use metrics::Metrics;
pub(crate) use metrics::{DaysLabel, Gauges, KeyLabels};
#[cfg(not(feature = "otlp"))]
use no_otlp as otlp;

pub use otlp::{Collector, NoCollector};

/// A part of what becomes of events and spans.
type Layer = Box<dyn tracing_subscriber::Layer<Registry> + Send + Sync>;

/// The most that targets with these beginnings may log; the first that fits holds. On trace the AWS SDK prints
/// requests whole (the secret that a rollover puts), and answers whose bodies it was told to show. What it tells of
/// credentials on debug is of use, and holds none.
const BOUNDS: [(&str, LevelFilter); 2] = [
    ("aws_config", LevelFilter::DEBUG),
    ("aws_", LevelFilter::INFO),
];

/// What becomes of a log that nobody reads for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StalledLog {
    /// It stops who logs: for a command, which has time.
    Stops,
    /// It waits, within bounds: for a service, which has to sign.
    Waits,
}

/// Logging and tracing, while it lives. When it is dropped, the last spans are sent, and the log is written to its end.
#[must_use = "traces are sent while it lives"]
pub struct Started {
    backlog: Option<Backlog<Stderr>>,
    _export: Option<otlp::Export>,
}

impl Drop for Started {
    fn drop(&mut self) {
        if let Some(backlog) = &self.backlog {
            backlog.end();
        }
    }
}

/// Starts logging with a filter such as `info` or `checkpoint_signer=debug,warn`, and sending traces to a collector when
/// there is one.
///
/// # Errors
/// What is wrong with the filter, or why traces cannot be sent.
pub fn start(
    filter: &str,
    audit: AuditLog,
    warnings: OwnWarnings,
    stalled: StalledLog,
    collector: Option<&Collector>,
) -> Result<Started, String> {
    let filter = filter::parse(filter, audit, warnings)?.and(filter_fn(is_for_the_log));
    let waits = (stalled == StalledLog::Waits).then(|| Backlog::new(std::io::stderr()));
    let backlog = waits.transpose();
    let backlog = backlog.map_err(|error| format!("the log cannot be started: {error}"))?;
    let sink = Sink(backlog.clone());
    let log: Layer = match std::io::stderr().is_terminal() {
        true => tracing_subscriber::fmt::layer()
            .with_writer(VisibleLines(sink))
            // Colours are control characters, too: none is let through.
            .with_ansi(false)
            // It would tell of a failed write on standard error, which panics when that is what cannot be written.
            .log_internal_errors(false)
            .with_filter(filter)
            .boxed(),
        false => JsonLines::new(sink).with_filter(filter).boxed(),
    };
    let export = collector.map(otlp::Export::start).transpose()?;
    let layers: Vec<Layer> = [Some(log), export.as_ref().map(otlp::Export::layer)]
        .into_iter()
        .flatten()
        .collect();
    // A second start in one process (a test) keeps the first one.
    let _ = tracing_subscriber::registry().with(layers).try_init();
    Ok(Started {
        backlog,
        _export: export,
    })
}

/// What each event is written to.
struct Sink(Option<Backlog<Stderr>>);

impl Sink {
    fn writer(&self, worth: Worth) -> Box<dyn Write + '_> {
        match &self.0 {
            Some(backlog) => Box::new(backlog.writer(worth)),
            None => Box::new(std::io::stderr()),
        }
    }
}

impl<'a> MakeWriter<'a> for Sink {
    type Writer = Box<dyn Write + 'a>;

    fn make_writer(&'a self) -> Self::Writer {
        self.writer(Worth::Ordinary)
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> Self::Writer {
        self.writer(match metadata.target() {
            backlog::TARGET => Worth::Notice,
            audit::TARGET => Worth::Kept,
            _ if *metadata.level() == Level::ERROR => Worth::Kept,
            _ => Worth::Ordinary,
        })
    }
}

/// Writes what a terminal shows as it stands: an event is one line, whatever was logged in it.
struct VisibleLines<W>(W);

impl<'a> MakeWriter<'a> for VisibleLines<Sink> {
    type Writer = VisibleLines<Box<dyn Write + 'a>>;

    fn make_writer(&'a self) -> Self::Writer {
        VisibleLines(self.0.make_writer())
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> Self::Writer {
        VisibleLines(self.0.make_writer_for(metadata))
    }
}

impl<W: Write> Write for VisibleLines<W> {
    // The layer writes each event at once.
    fn write(&mut self, event: &[u8]) -> std::io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let line = visible(text.strip_suffix('\n').unwrap_or(&text));
        self.0.write_all(format!("{line}\n").as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}

fn is_for_the_log(metadata: &Metadata<'_>) -> bool {
    if metadata.target() == trace::TARGET {
        return false;
    }
    let bound = BOUNDS
        .iter()
        .find(|(target, _)| metadata.target().starts_with(target));
    bound.is_none_or(|(_, most)| metadata.level() <= most)
}
