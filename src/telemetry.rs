//! Logs: text on a terminal, JSON lines otherwise, on standard error. Nothing here ever sees key material.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// Starts logging with a filter such as `info` or `checkpoint_signer=debug,warn`.
///
/// # Errors
/// What is wrong with the filter.
pub fn start(filter: &str) -> Result<(), String> {
    let filter = EnvFilter::try_new(filter)
        .map_err(|error| format!("--log: {error}; expected a filter such as info"))?;
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    // A second start in one process (a test) keeps the first one.
    let _ = match std::io::stderr().is_terminal() {
        true => subscriber.try_init(),
        false => subscriber.json().flatten_event(true).try_init(),
    };
    Ok(())
}
