//! Logs and metrics. Logs: text on a terminal, JSON lines otherwise, on standard error. Nothing here ever sees
//! key material.

mod json;
mod metrics;

use std::io::IsTerminal;

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, Registry};

use crate::audit;

pub use json::JsonLines;
pub use metrics::Metrics;
pub(crate) use metrics::{DaysLabel, Gauges, KeyLabels};

/// A part of what becomes of events and spans.
type Layer = Box<dyn tracing_subscriber::Layer<Registry> + Send + Sync>;

/// Whether the audit log is written whatever the filter says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audit {
    /// It is: for whoever does privileged acts.
    Always,
    /// As the filter says.
    AsFiltered,
}

/// Starts logging with a filter such as `info` or `checkpoint_signer=debug,warn`.
///
/// # Errors
/// What is wrong with the filter.
pub fn start(filter: &str, audit: Audit) -> Result<(), String> {
    let filter = parse_filter(filter, audit)?;
    let log: Layer = match std::io::stderr().is_terminal() {
        true => tracing_subscriber::fmt::layer()
            .with_writer(std::io::stderr)
            .with_filter(filter)
            .boxed(),
        false => JsonLines::new(std::io::stderr).with_filter(filter).boxed(),
    };
    // A second start in one process (a test) keeps the first one.
    let _ = tracing_subscriber::registry().with(log).try_init();
    Ok(())
}

fn parse_filter(filter: &str, audit: Audit) -> Result<EnvFilter, String> {
    let wrong = |error: &dyn std::fmt::Display| {
        format!("--log-level: {error}; expected a filter such as info")
    };
    let mut filter = EnvFilter::try_new(filter).map_err(|error| wrong(&error))?;
    if audit == Audit::Always {
        let directive = format!("{}={}", audit::TARGET, LevelFilter::INFO);
        filter = filter.add_directive(directive.parse().map_err(|error| wrong(&error))?);
    }
    Ok(filter)
}
