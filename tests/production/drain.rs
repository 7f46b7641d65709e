//! SIGTERM while calls are in flight. Those that have reached the process are answered, it ends well within its grace
//! period, and what is on record is what was handed out.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::process::Command;
use tokio::task::JoinSet;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};

use crate::authority::{Identity, read, replace};
use crate::calls::{Answer, Calls, ask};
use crate::certificates::Certificates;
use crate::judgement::assert_published;
use crate::postgres::Database;
use crate::replica::{PROGRAM, Replica, Settings};
use crate::store::Store;
use crate::support::{key_with, write_keys};

const ROLES: &str = "[clients.\"URI:spiffe://amply.example/ledger\"]\nroles = [\"signer\"]\n";

/// Connections.
const CHANNELS: usize = 4;

/// Calls of their own.
const CALLS: usize = 100;

/// Streams, and what is in flight on each.
const STREAMS: usize = 2;
const ITEMS: usize = 30;

/// Far longer than anything here should take.
const PATIENCE: Duration = Duration::from_secs(180);

struct Drained {
    folder: TempDir,
    store: Store,
    replica: Replica,
    channels: Vec<Channel>,
}

impl Drained {
    async fn start(store: Store) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Certificates::new(folder.path());
        replace(&folder.path().join("roles.toml"), ROLES);
        let keys = key_with("key-drain", "2020-01-01", "2099-01-01", 0);
        write_keys(folder.path(), &keys);
        program(&folder, &["record", "init", "--record", &store.place()]).await;
        let replica = Replica::start(Settings {
            folder: folder.path(),
            name: "replica",
            aws: "",
            source: "file:keys.json",
            record: &store.place(),
        })
        .await;
        let tls = ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(read(&folder.path().join("ca.crt"))))
            .identity(Identity::in_folder(folder.path(), "ledger").pem());
        let endpoint = Endpoint::from_shared(replica.url()).unwrap();
        let endpoint = endpoint.tls_config(tls).unwrap();
        Self {
            channels: (0..CHANNELS).map(|_| endpoint.connect_lazy()).collect(),
            folder,
            store,
            replica,
        }
    }

    /// Waits until so many checkpoints have reached the process: each is answered, or has its place in the queue.
    async fn all_in(&self, calls: &Calls, count: usize) {
        let begun = Instant::now();
        loop {
            // In this order, so that none is counted twice.
            let answered = calls.answered();
            let waiting = self.replica.scrape().value("queue_depth");
            if answered + waiting as usize == count {
                return;
            }
            assert!(
                begun.elapsed() < PATIENCE,
                "{answered} answered, {waiting} waiting"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn is_draining(&self) {
        let begun = Instant::now();
        while !self.replica.log().text().contains("draining: ") {
            assert!(begun.elapsed() < PATIENCE, "{}", self.replica.log().text());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// What was handed out is on record, and what is on record was answered. What was answered is then asked for again.
    async fn check(mut self, answers: &BTreeMap<String, Answer>) {
        let rows = self.store.rows(self.folder.path()).await;
        let rows: BTreeMap<&str, _> = rows.iter().map(|row| (&*row.ledger_id, row)).collect();
        for (name, answer) in answers {
            match (answer, rows.get(name.as_str())) {
                (Answer::Signed(published), Some(row)) => assert_published(published, row),
                (Answer::Signed(published), None) => panic!("lost: {published}"),
                (Answer::Lost(_), Some(row)) => panic!("{answer:?}, and on record: {row:?}"),
                // One that is on record all the same is given below.
                (Answer::Refused(_), _) | (Answer::Lost(_), None) => {}
            }
        }
        assert!(rows.keys().all(|name| answers.contains_key(*name)));
        self.replica.start_again().await;
        let mut count = 0;
        for (name, answer) in answers {
            let again = match answer {
                Answer::Lost(_) => continue,
                _ => ask(&self.channels[0], name).await,
            };
            match answer {
                Answer::Signed(_) => assert_eq!(&again, answer),
                _ => assert!(matches!(again, Answer::Signed(_)), "{name}: {again:?}"),
            }
            count += 1;
        }
        let verify = ["record", "verify", "--record", &self.store.place()];
        let verified = program(&self.folder, &verify).await;
        assert!(verified.contains(&format!("{count} rows")), "{verified}");
    }
}

async fn program(folder: &TempDir, arguments: &[&str]) -> String {
    let command = Command::from(crate::starter::program(PROGRAM))
        .current_dir(folder)
        .args(arguments)
        .output();
    let output = command.await.unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The record is held up, so that everything is in flight when the signal comes.
async fn everything_in_flight_is_answered(store: Store) {
    let mut drained = Drained::start(store).await;
    let calls = Arc::new(Calls::default());
    let held = drained.store.hold(drained.folder.path()).await;
    let mut flying = JoinSet::new();
    for n in 0..CALLS {
        let (calls, channel) = (Arc::clone(&calls), drained.channels[n % CHANNELS].clone());
        flying.spawn(async move {
            let _ = calls.call(&channel).await;
        });
    }
    for n in 0..STREAMS {
        let (calls, channel) = (Arc::clone(&calls), drained.channels[n % CHANNELS].clone());
        flying.spawn(async move {
            assert_eq!(calls.stream(&channel, ITEMS).await, "SHUTTING_DOWN");
        });
    }
    let count = CALLS + STREAMS * ITEMS;
    drained.all_in(&calls, count).await;
    drained.replica.terminate();
    drained.is_draining().await;
    drop(held);
    flying.join_all().await;
    drained.replica.ended().await;
    let answers = calls.answers();
    assert_eq!(answers.len(), count);
    for (name, answer) in &answers {
        match answer {
            Answer::Signed(_) => {}
            // On a machine that took seconds for the above.
            Answer::Refused(reason) if reason == "RECORD_STORE_UNAVAILABLE" => {}
            answer => panic!("{name}: {answer:?}"),
        }
    }
    drained.check(&answers).await;
}

/// Clients go on until nobody takes their calls any more.
async fn what_reached_the_process_is_answered(store: Store) {
    let mut drained = Drained::start(store).await;
    let calls = Arc::new(Calls::default());
    let mut flying = JoinSet::new();
    for n in 0..16 {
        let (calls, channel) = (Arc::clone(&calls), drained.channels[n % CHANNELS].clone());
        flying.spawn(async move { while calls.call(&channel).await {} });
    }
    for n in 0..STREAMS {
        let (calls, channel) = (Arc::clone(&calls), drained.channels[n % CHANNELS].clone());
        flying.spawn(async move {
            assert_eq!(calls.stream(&channel, 100_000).await, "SHUTTING_DOWN");
        });
    }
    let begun = Instant::now();
    while calls.answered() < 300 {
        assert!(begun.elapsed() < PATIENCE, "{} answered", calls.answered());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    drained.replica.terminate();
    flying.join_all().await;
    drained.replica.ended().await;
    let answers = calls.answers();
    for event in drained.replica.log().signing() {
        let name = event["request_id"].as_str().unwrap();
        let answer = &answers[name];
        assert!(
            !matches!(answer, Answer::Lost(_)),
            "{answer:?}, and {event}"
        );
    }
    drained.check(&answers).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_answers_everything_in_flight_with_sqlite() {
    everything_in_flight_is_answered(Store::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_answers_everything_in_flight_with_postgres() {
    everything_in_flight_is_answered(Store::Postgres(Database::new().await)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_loses_no_call_that_was_taken_with_sqlite() {
    what_reached_the_process_is_answered(Store::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_loses_no_call_that_was_taken_with_postgres() {
    what_reached_the_process_is_answered(Store::Postgres(Database::new().await)).await;
}
