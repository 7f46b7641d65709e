//! The record alone: rows a second, and CPU time for a row, by the size of a batch. `Record::append` is called by this process, one
//! batch after the other, as the service's one committer does.
//!
//! `cargo bench --bench record -- --help` lists the settings. What is appended was made before the clock starts; the signatures are
//! random bytes, since a record keeps them and does not verify them. Bounded: each size of a batch has its seconds.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    unreachable_pub
)]

mod rows;
mod store;

use std::time::{Duration, Instant};

use checkpoint::history::rules::MaxEntryJump;
use checkpoint_signer::record::Record;
use clap::Parser;
use rustix::time::{ClockId, clock_gettime};

use rows::Rows;
use store::{Store, StoreKind};

/// Rows that are made at once, while the clock stands still: what they take of memory is bounded by it.
const MADE_AT_ONCE: usize = 16_384;

/// Batches before it is measured, so that statements are prepared and every page was touched.
const WARM_UP: usize = 16;

/// Rows a second of a record alone, and CPU time for each of them.
///
/// Records and databases are made in temporary folders: TMPDIR says where, and so on which disk.
#[derive(Parser)]
struct Settings {
    /// Where the record is kept; each if it is not said
    #[arg(long, value_enum, value_delimiter = ',', default_values = ["sqlite", "postgres"])]
    store: Vec<StoreKind>,
    /// Rows of a batch
    #[arg(long, value_delimiter = ',', default_values_t = [1, 16, 256],
        value_parser = clap::value_parser!(u64).range(1..=10_000))]
    batches: Vec<u64>,
    /// Ledgers, of which each has its turn: no batch that is smaller has one twice
    #[arg(long, default_value_t = 3000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    ledgers: u64,
    /// How long batches of one size are appended, in seconds
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// What cargo passes to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

/// What it took to append some rows.
#[derive(Default)]
struct Taken {
    rows: usize,
    elapsed: Duration,
    /// CPU time of this process.
    own: Duration,
    /// The time of each batch.
    batches: Vec<Duration>,
}

fn main() {
    let settings = Settings::parse();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    println!(
        "{:<8} {:>6} {:>10} {:>12} {:>16} {:>16} {:>10}",
        "store", "batch", "rows/s", "batch p50", "CPU a row", "database CPU", "rows"
    );
    for kind in &settings.store {
        runtime.block_on(measure(*kind, &settings));
    }
}

async fn measure(kind: StoreKind, settings: &Settings) {
    let mut rows = Rows::new(settings.ledgers);
    let store = Store::make(kind).await;
    let record = store.open().await;
    let registered = record.register_key(rows.key(), None, rows.signed_at());
    registered.await.unwrap();
    for batch in &settings.batches {
        let (batch, limit) = (
            usize::try_from(*batch).unwrap(),
            Duration::from_secs(settings.seconds),
        );
        let mut taken = Taken::default();
        append(&*record, &mut rows, batch, WARM_UP, &mut taken).await;
        let (mut taken, before) = (Taken::default(), store.database_cpu_seconds());
        while taken.elapsed < limit {
            let batches = (MADE_AT_ONCE / batch).clamp(1, 1024);
            append(&*record, &mut rows, batch, batches, &mut taken).await;
        }
        let database = store.database_cpu_seconds() - before;
        print(kind, batch, taken, database);
    }
}

/// Makes some batches, and then appends them.
async fn append(
    record: &dyn Record,
    rows: &mut Rows,
    batch: usize,
    batches: usize,
    taken: &mut Taken,
) {
    let made: Vec<_> = (0..batches).map(|_| rows.next(batch)).collect();
    let (start, own) = (Instant::now(), own_cpu());
    for batch in made {
        let (rows, start) = (batch.len(), Instant::now());
        for answer in record.append(batch, MaxEntryJump::default()).await {
            answer.unwrap();
        }
        taken.rows += rows;
        taken.batches.push(start.elapsed());
    }
    taken.elapsed += start.elapsed();
    taken.own += own_cpu() - own;
}

fn own_cpu() -> Duration {
    clock_gettime(ClockId::ProcessCPUTime).try_into().unwrap()
}

fn print(kind: StoreKind, batch: usize, mut taken: Taken, database: f64) {
    taken.batches.sort_unstable();
    let p50 = taken.batches[taken.batches.len() / 2];
    let rows = taken.rows as f64;
    let database = match kind {
        // It is this process.
        StoreKind::Sqlite => "-".to_owned(),
        StoreKind::Postgres => format!("{:.1} us", database * 1e6 / rows),
    };
    println!(
        "{:<8} {batch:>6} {:>10.0} {:>9.3} ms {:>13.1} us {database:>16} {rows:>10}",
        format!("{kind:?}"),
        rows / taken.elapsed.as_secs_f64(),
        p50.as_secs_f64() * 1e3,
        taken.own.as_secs_f64() * 1e6 / rows,
    );
}
