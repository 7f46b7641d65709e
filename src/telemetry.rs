//! Logs: text on a terminal, JSON lines otherwise, on standard error. Nothing here ever sees key material.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::audit;

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
    let wrong = |error: &dyn std::fmt::Display| {
        format!("--log-level: {error}; expected a filter such as info")
    };
    let mut filter = EnvFilter::try_new(filter).map_err(|error| wrong(&error))?;
    if audit == Audit::Always {
        let directive = format!("{}={}", audit::TARGET, LevelFilter::INFO);
        filter = filter.add_directive(directive.parse().map_err(|error| wrong(&error))?);
    }
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        // It would tell of a failed write on standard error, which panics when that is what cannot be written.
        .log_internal_errors(false)
        .with_writer(std::io::stderr);
    // A second start in one process (a test) keeps the first one.
    let _ = match std::io::stderr().is_terminal() {
        true => subscriber.try_init(),
        false => subscriber.json().flatten_event(true).try_init(),
    };
    Ok(())
}
