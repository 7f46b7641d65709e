//! Logs: text on a terminal, JSON lines otherwise, on standard error. Nothing here ever sees key material: what
//! libraries that carry the secret may log is bounded, whatever the filter asks for.

use std::io::IsTerminal;

use tracing::Metadata;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::{EnvFilter, FilterExt as _, filter_fn};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

/// The most that targets with these beginnings may log; the first that fits holds. On trace the AWS SDK prints
/// requests whole (the secret that a rollover puts), and answers whose bodies it was told to show. What it tells of
/// credentials on debug is of use, and holds none.
const BOUNDS: [(&str, LevelFilter); 2] = [
    ("aws_config", LevelFilter::DEBUG),
    ("aws_", LevelFilter::INFO),
];

/// Starts logging with a filter such as `info` or `checkpoint_signer=debug,warn`.
///
/// # Errors
/// What is wrong with the filter.
pub fn start(filter: &str) -> Result<(), String> {
    let filter = EnvFilter::try_new(filter)
        .map_err(|error| format!("--log-level: {error}; expected a filter such as info"))?;
    let filter = filter.and(filter_fn(is_harmless));
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let layer = match std::io::stderr().is_terminal() {
        true => layer.boxed(),
        false => layer.json().flatten_event(true).boxed(),
    };
    // A second start in one process (a test) keeps the first one.
    let _ = tracing_subscriber::registry()
        .with(layer.with_filter(filter))
        .try_init();
    Ok(())
}

fn is_harmless(metadata: &Metadata<'_>) -> bool {
    let bound = BOUNDS
        .iter()
        .find(|(target, _)| metadata.target().starts_with(target));
    bound.is_none_or(|(_, most)| metadata.level() <= most)
}
