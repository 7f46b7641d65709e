//! The synchronous standby is away, and those who wait for it are cancelled, terminated, or lose their server. Rows are on the
//! primary alone then: whoever reads one is not given it before the standby has it, for a promotion would lose it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use checkpoint_signer::wire::proto::VerifyCheckpointRequest;
use checkpoint_signer::wire::proto::verification_service_client::VerificationServiceClient;
use checkpoint_signer::wire::proto::verify_checkpoint_request::Subject;
use tokio_postgres::Client;

use crate::backup::request;
use crate::cluster::Replica;
use crate::one_owner::run;
use crate::wait;

use super::servers::Servers;
use super::told::{PATIENCE, Told, get, head, list, sign, unavailable};

/// Ends the waits of all backends for the standby by this function until it is told to stop.
pub fn end_waits(
    client: Client,
    how: &'static str,
    stop: Arc<AtomicBool>,
) -> tokio::task::JoinHandle<u64> {
    tokio::spawn(async move {
        let sql =
            format!("SELECT count({how}(pid)) FROM pg_stat_activity WHERE wait_event = 'SyncRep'");
        let mut ended = 0;
        while !stop.load(Ordering::Relaxed) {
            // Until the server is ended.
            let Ok(row) = client.query_one(&sql, &[]).await else {
                break;
            };
            ended += row.get::<_, i64>(0).unsigned_abs();
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        ended
    })
}

async fn rows_on(servers: &Servers, server: &str) -> i64 {
    let client = servers.client(server).await;
    let count = "SELECT count(*) FROM signed_checkpoint";
    client.query_one(count, &[]).await.unwrap().get(0)
}

/// Two rows that the standby has, and then one more that is on the primary alone.
async fn one_row_alone(servers: &Servers, replicas: [&Replica; 2], how: &'static str) -> Told {
    one_row_away(servers, replicas, how, || servers.control("sync", "freeze")).await
}

/// The same, where something else takes the standby away.
pub async fn one_row_away(
    servers: &Servers,
    [signer, reader]: [&Replica; 2],
    how: &'static str,
    away: impl FnOnce(),
) -> Told {
    let mut told = Told::default();
    for count in 1..=2 {
        told.sign(signer, count).await.unwrap();
    }
    told.note("chk_2", get(reader, "chk_2").await.unwrap());
    away();
    let stop = Arc::new(AtomicBool::new(false));
    let ending = match how {
        "restart" => None,
        how => Some(end_waits(servers.client("a").await, how, Arc::clone(&stop))),
    };
    let asked = tokio::spawn({
        let channel = signer.channel();
        async move {
            let mut client =
                checkpoint_signer::wire::proto::signing_service_client::SigningServiceClient::new(
                    channel,
                );
            let checkpoint = Some(request(3).checkpoint());
            let request = checkpoint_signer::wire::proto::SignCheckpointRequest {
                checkpoint,
                ..Default::default()
            };
            client.sign_checkpoint(request).await.map(|_| ())
        }
    });
    if how == "restart" {
        wait_for_a_wait(servers).await;
        servers.control("a", "kill");
        servers.control("a", "start");
    }
    let begun = std::time::Instant::now();
    while rows_on(servers, "a").await < 3 {
        assert!(
            begun.elapsed() < PATIENCE,
            "the third row is on the primary"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // A deadline, or the refusal: not the row.
    asked
        .await
        .unwrap()
        .expect_err("the standby does not have it");
    stop.store(true, Ordering::Relaxed);
    if let Some(ending) = ending {
        assert!(ending.await.unwrap() > 0, "waits were ended");
    }
    told
}

async fn wait_for_a_wait(servers: &Servers) {
    let client = servers.client("a").await;
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
    let begun = std::time::Instant::now();
    loop {
        let row = client.query_one(waits, &[]).await.unwrap();
        if row.get::<_, i64>(0) > 0 {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "nobody waits for the standby");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The operator's tools end with 2, and hand nothing out.
fn is_not_exported(servers: &Servers) {
    let out = servers.files().join("export.ndjson");
    for further in [
        vec!["verify"],
        vec!["export", "--out", out.to_str().unwrap()],
    ] {
        let output = crate::starter::binary()
            .arg("record")
            .args(&further)
            .args(["--record", &servers.place("clients")])
            .output()
            .unwrap();
        let shown = String::from_utf8(output.stderr.clone()).unwrap();
        assert_eq!(output.status.code(), Some(2), "{further:?} {output:?}");
        assert!(shown.contains("standby does not confirm"), "{shown}");
        assert!(output.stdout.is_empty(), "{output:?}");
    }
    assert!(!out.exists());
}

/// Everything that could give the third row away does not.
pub async fn keeps_it(replica: &Replica, published: Option<&str>) {
    unavailable(sign(replica, &request(3)).await);
    // Nor is its ledger called false by it.
    let other = crate::history::Request {
        checkpoint_id: "chk_other".into(),
        ..request(3)
    };
    let message = unavailable(sign(replica, &other).await);
    assert!(!message.contains("chk_3"), "{message}");
    unavailable(get(replica, "chk_3").await);
    unavailable(list(replica).await);
    match head(replica).await {
        // The one of before may be given for a while.
        Ok(rows) => assert_eq!(rows, 2),
        Err(status) => assert_eq!(status.code(), tonic::Code::Unavailable, "{status:?}"),
    }
    let Some(published) = published else {
        return;
    };
    let mut client = VerificationServiceClient::new(replica.channel());
    let subject = Some(Subject::PublishedJson(published.into()));
    let verdict = client
        .verify_checkpoint(VerifyCheckpointRequest { subject })
        .await;
    unavailable(verdict);
}

async fn nothing_on_the_primary_alone_is_given(how: &'static str) {
    nothing_on_the_primary_alone_is_given_where(how, "SELECT 1").await;
}

/// `set` is how the operator has set up the database.
async fn nothing_on_the_primary_alone_is_given_where(how: &'static str, set: &str) {
    let servers = Servers::new(&["sync"]).await;
    let postgres = servers.client_of("a", "postgres").await;
    postgres.batch_execute(set).await.unwrap();
    let (signer, reader) = (
        servers.replica("clients", &[]).await,
        servers.replica("clients", &[]).await,
    );
    let mut told = one_row_alone(&servers, [&signer, &reader], how).await;
    let row =
        "SELECT convert_from(payload, 'UTF8'), signature FROM signed_checkpoint WHERE position = 3";
    let row = servers.client("a").await.query_one(row, &[]).await.unwrap();
    let mut json: serde_json::Value = serde_json::from_str(row.get(0)).unwrap();
    json["signature"] = row.get::<_, String>(1).into();
    let published = json.to_string();
    keeps_it(&signer, Some(&published)).await;
    keeps_it(&reader, Some(&published)).await;
    is_not_exported(&servers);
    // What the standby has is given as ever.
    told.note("chk_2", get(&reader, "chk_2").await.unwrap());
    told.sign(&reader, 1).await.unwrap();
    // The primary is lost for good, and with it the row.
    servers.control("a", "kill");
    servers.control("sync", "thaw");
    servers.control("sync", "promote");
    servers.point("clients", "sync");
    let accepted = crate::starter::binary()
        .args([
            "record",
            "accept-promotion",
            "--reason",
            "the synchronous standby",
        ])
        .args(["--record", &servers.place("clients")])
        .output()
        .unwrap();
    assert!(accepted.status.success(), "{accepted:?}");
    let took = told.sign_until_done(&reader, 3).await;
    eprintln!("{how}: signing resumes {took:?} after the operator's word");
    told.sign_until_done(&signer, 4).await;
    told.is_in(&reader).await;
    assert_eq!(told.len(), 4);
    signer.stop().await;
    reader.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_whose_wait_was_cancelled_is_not_given_out() {
    nothing_on_the_primary_alone_is_given("pg_cancel_backend").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_whose_wait_was_cancelled_is_not_given_out_where_the_database_keeps_warnings_to_itself()
 {
    nothing_on_the_primary_alone_is_given_where(
        "pg_cancel_backend",
        "ALTER DATABASE app SET client_min_messages = error",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_whose_wait_was_terminated_is_not_given_out() {
    nothing_on_the_primary_alone_is_given("pg_terminate_backend").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_whose_server_was_restarted_is_not_given_out() {
    nothing_on_the_primary_alone_is_given("restart").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_standby_is_back_the_row_is_given_to_all() {
    let servers = Servers::new(&["sync"]).await;
    let (signer, reader) = (
        servers.replica("clients", &[]).await,
        servers.replica("clients", &[]).await,
    );
    let mut told = one_row_alone(&servers, [&signer, &reader], "pg_cancel_backend").await;
    keeps_it(&reader, None).await;
    servers.control("sync", "thaw");
    let took = told.sign_until_done(&reader, 3).await;
    eprintln!("a row is given {took:?} after the standby is back");
    told.sign_until_done(&signer, 4).await;
    told.is_in(&signer).await;
    told.is_in(&reader).await;
    signer.stop().await;
    reader.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn busy_replicas_hand_out_nothing_that_a_promotion_loses() {
    let servers = Servers::new(&["sync"]).await;
    let replicas = [
        servers.replica("clients", &[]).await,
        servers.replica("clients", &[]).await,
    ];
    let stop = Arc::new(AtomicBool::new(false));
    let ending = end_waits(
        servers.client("a").await,
        "pg_cancel_backend",
        Arc::clone(&stop),
    );
    let mut clients = Vec::new();
    for client in 0..6_usize {
        let channel = replicas[client % 2].channel();
        let stop = Arc::clone(&stop);
        clients.push(tokio::spawn(async move {
            let mut given = Vec::new();
            for count in 1.. {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                let request = crate::history::Request {
                    ledger_id: format!("org_{client}"),
                    ..request(count)
                };
                let mut client = checkpoint_signer::wire::proto::signing_service_client::SigningServiceClient::new(channel.clone());
                let checkpoint = Some(request.checkpoint());
                let sign = checkpoint_signer::wire::proto::SignCheckpointRequest { checkpoint, ..Default::default() };
                if let Ok(answer) = client.sign_checkpoint(sign).await {
                    let signed = answer.into_inner().signed_checkpoint.unwrap();
                    given.push((request, signed.published_json));
                }
            }
            given
        }));
    }
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(700)).await;
        servers.control("sync", "freeze");
        tokio::time::sleep(Duration::from_millis(900)).await;
        servers.control("sync", "thaw");
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    servers.control("sync", "freeze");
    tokio::time::sleep(Duration::from_millis(700)).await;
    servers.control("a", "kill");
    stop.store(true, Ordering::Relaxed);
    let _ = ending.await;
    servers.control("sync", "thaw");
    servers.control("sync", "promote");
    let given: Vec<_> = futures_util::future::try_join_all(clients).await.unwrap();
    let given: Vec<_> = given.into_iter().flatten().collect();
    assert!(!given.is_empty(), "nothing was signed");
    let client = servers.client("sync").await;
    let rows = crate::judgement::postgres_rows(&client).await;
    let signatures: std::collections::HashMap<_, _> = rows
        .iter()
        .map(|row| {
            (
                (row.ledger_id.clone(), row.checkpoint_id.clone()),
                &row.signature,
            )
        })
        .collect();
    let lost = given.iter().filter(|(request, published)| {
        let place = (request.ledger_id.clone(), request.checkpoint_id.clone());
        let json: serde_json::Value = serde_json::from_str(published).unwrap();
        signatures.get(&place).map(|s| s.as_str()) != json["signature"].as_str()
    });
    assert_eq!(lost.count(), 0, "handed out and lost");
    eprintln!(
        "{} were handed out, {} rows are left",
        given.len(),
        rows.len()
    );
    for replica in replicas {
        replica.kill().await;
    }
}

const NOT_DURABLE: &str = "is not yet as durable as the database was told to make it";

async fn health_says(replica: &Replica, code: i32, expected: &str) {
    let service = "amply.checkpoint.v1.SigningService";
    let url = replica.url();
    wait::until(&format!("health to say {expected}"), async || {
        let (found, said) = run(&["health", "--server", &url, "--service", service]);
        found == Some(code) && said.contains(expected)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn health_and_every_refusal_tell_of_a_standby_that_is_away_and_health_of_one_that_is_back() {
    let servers = Servers::new(&["sync"]).await;
    let replica = servers.replica("clients", &[]).await;
    let mut told = Told::default();
    told.sign(&replica, 1).await.unwrap();
    health_says(&replica, 0, "SERVING").await;
    // Nobody calls.
    servers.control("sync", "stop");
    health_says(&replica, 1, NOT_DURABLE).await;
    wait::until("a refusal that names the cause", async || {
        let refused = sign(&replica, &request(2)).await;
        refused.is_err_and(|status| status.message().contains(NOT_DURABLE))
    })
    .await;
    health_says(&replica, 1, NOT_DURABLE).await;
    servers.control("sync", "start");
    health_says(&replica, 0, "SERVING").await;
    told.sign_until_done(&replica, 2).await;
    // One that is connected, and confirms nothing.
    servers.control("sync", "freeze");
    let refused = sign(&replica, &request(3)).await;
    refused.expect_err("the standby confirms nothing");
    health_says(&replica, 1, NOT_DURABLE).await;
    servers.control("sync", "thaw");
    health_says(&replica, 0, "SERVING").await;
    told.sign_until_done(&replica, 3).await;
}
