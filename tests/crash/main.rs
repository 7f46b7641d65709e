//! Kills the service at random moments while clients sign, on each store, and checks that nothing was lost and no
//! history was forked.
//!
//! `cargo test --test crash -- --kills 10000` kills more often.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    dead_code
)]

use testing::{cluster, history, judgement, postgres, starter, support, wait, workload};

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use clap::Parser;
use tonic::transport::Channel;

use cluster::{Replica, Trouble, sign};
use history::{Answer, Request};
use judgement::Row;
use workload::Workload;

const CLIENTS: usize = 16;

/// Answers of each kind, at the least.
const ENOUGH: usize = 100;

/// Most answers that a process gives before it is killed.
const MOST_ANSWERS: usize = 60;

/// How long it lives after them at most, in milliseconds: it is killed at any moment of its work.
const LONGEST_REST: u64 = 50;

#[derive(Parser)]
// What `cargo test -- ...` passes to all tests is not for this one.
#[command(ignore_errors = true)]
struct Settings {
    /// How often the service is killed, on each store
    #[arg(long, default_value_t = 150)]
    kills: u32,
}

fn main() {
    let kills = Settings::parse().kills;
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        tokio::join!(on_sqlite(kills), on_postgres(kills));
    });
}

async fn on_sqlite(kills: u32) {
    let folder = folder();
    let path = folder.path().join("record.sqlite");
    let place = format!("sqlite:{}", path.display());
    crash("SQLite", folder.path(), &place, kills, async || {
        judgement::sqlite_rows(&path)
    })
    .await;
}

async fn on_postgres(kills: u32) {
    let folder = folder();
    let database = postgres::Database::new().await;
    let client = database.client().await;
    crash(
        "PostgreSQL",
        folder.path(),
        &database.url(),
        kills,
        async || judgement::postgres_rows(&client).await,
    )
    .await;
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let keys = support::key_with("key-crash", "2020-01-01", "2099-01-01", 0);
    support::write_keys(folder.path(), &keys);
    folder
}

async fn crash(
    name: &str,
    folder: &Path,
    place: &str,
    kills: u32,
    rows: impl AsyncFn() -> Vec<Row>,
) {
    program(&["record", "init", "--record", place]);
    let mut replica = Replica::start(folder, place).await;
    let workload = Arc::new(Workload::default());
    let channel = [replica.channel()];
    let clients = (0..CLIENTS).map(|client| {
        let (workload, channel) = (Arc::clone(&workload), channel.clone());
        tokio::spawn(async move { workload.run(client, &channel, Trouble::Service).await })
    });
    let clients: Vec<_> = clients.collect();
    for _ in 0..kills {
        // A life is counted in answers, so that a slow machine gives as many. One of four ends before there is any.
        let answers = match rand::random_range(0..4) {
            0 => 0,
            _ => rand::random_range(1..=MOST_ANSWERS),
        };
        let answered = workload.log.answered() + answers;
        wait::until("a few answers", async || {
            workload.log.answered() >= answered
        })
        .await;
        let rest = Duration::from_millis(rand::random_range(0..LONGEST_REST));
        tokio::time::sleep(rest).await;
        replica.kill_and_restart().await;
    }
    wait::until("enough answers of each kind", async || {
        let asked = workload.log.asked();
        let count = |is_it: fn(&Answer) -> bool| asked.iter().filter(|c| is_it(&c.answer)).count();
        count(|answer| matches!(answer, Answer::Signed(_))) > ENOUGH
            && count(|answer| matches!(answer, Answer::Equivocation)) > ENOUGH
            && count(|answer| matches!(answer, Answer::Rollback)) > ENOUGH
    })
    .await;
    workload.stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.unwrap();
    }
    let workload = Arc::into_inner(workload).unwrap();
    retry_everything(&workload, &channel).await;
    assert!(!replica.log().contains("panicked"), "{}", replica.log());
    replica.stop().await;
    program(&["record", "verify", "--record", place]);
    let counts = judgement::judge(&rows().await, &workload.log.into_calls());
    println!("{name}: {kills} kills, {counts:?}");
    let answered = [counts.signed, counts.equivocations, counts.rollbacks];
    assert!(answered.iter().all(|count| *count > ENOUGH), "{counts:?}");
    assert!(counts.unknown as u64 > u64::from(kills), "{counts:?}");
}

/// Sends everything that was ever asked once more. The judgement compares the answers.
async fn retry_everything(workload: &Workload, channel: &[Channel]) {
    let asked = workload.log.asked();
    let asked: BTreeSet<(bool, Request)> = asked
        .into_iter()
        .map(|call| (matches!(call.answer, Answer::Signed(_)), call.request))
        .collect();
    let retries = asked.iter().map(|(signed, request)| async move {
        let answer = sign(channel, 0, request, &workload.log, Trouble::None).await;
        let again = matches!(answer, Answer::Signed(_));
        assert!(
            again || !signed,
            "signed before, and now {answer:?}: {request:?}"
        );
    });
    use futures_util::StreamExt as _;
    let retries = futures_util::stream::iter(retries);
    retries.buffer_unordered(CLIENTS).collect::<Vec<()>>().await;
}

fn program(arguments: &[&str]) {
    let output = wait::output(starter::binary().args(arguments));
    assert!(output.status.success(), "{arguments:?}: {output:?}");
}
