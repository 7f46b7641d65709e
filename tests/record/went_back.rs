//! A record that is put back to an older state beneath a service that runs.

use std::time::Duration;

use checkpoint_signer::wire::proto::key_service_client::KeyServiceClient;
use checkpoint_signer::wire::proto::record_service_client::RecordServiceClient;
use checkpoint_signer::wire::proto::signing_service_client::SigningServiceClient;
use checkpoint_signer::wire::proto::{
    GetRecordHeadRequest, ListSignedCheckpointsRequest, RevokeKeyRequest, SignCheckpointRequest,
};

use crate::backup::{Store, request, sign_all};
use crate::client::get as get_http;
use crate::cluster::Replica;
use crate::support::refusal;

/// The message with which a checkpoint is refused.
async fn not_signed(replica: &Replica, entry_count: u64) -> String {
    let checkpoint = Some(request(entry_count).checkpoint());
    let mut client = SigningServiceClient::new(replica.channel());
    let status = client
        .sign_checkpoint(SignCheckpointRequest {
            checkpoint,
            ..Default::default()
        })
        .await
        .unwrap_err();
    let message = status.message().to_owned();
    let expected = (
        tonic::Code::Unavailable,
        "RECORD_STORE_UNAVAILABLE".to_owned(),
    );
    assert_eq!(refusal(status), expected, "{message}");
    message
}

async fn no_head(replica: &Replica) -> String {
    let mut client = RecordServiceClient::new(replica.channel());
    let status = client.get_record_head(GetRecordHeadRequest {}).await;
    status.unwrap_err().message().to_owned()
}

fn is_healthy(replica: &Replica) -> bool {
    let service = "amply.checkpoint.v1.SigningService";
    let health = crate::starter::binary()
        .args(["health", "--server", &replica.url(), "--service", service])
        .output()
        .unwrap();
    health.status.success()
}

/// Health follows within moments.
pub async fn becomes_healthy(replica: &Replica, healthy: bool) {
    for _ in 0..200 {
        if is_healthy(replica) == healthy {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("healthy: {}: {}", !healthy, replica.log());
}

/// Lets two databases change their names, and ends all their sessions.
async fn swap(store: &Store, other: &str) {
    let database = store.database.as_ref().unwrap();
    let (name, server) = (&database.name, database.server);
    let client = server.client("postgres").await;
    let closed =
        |name: &str, allowed: bool| format!("ALTER DATABASE {name} ALLOW_CONNECTIONS {allowed}");
    for name in [name.as_str(), other] {
        client.batch_execute(&closed(name, false)).await.unwrap();
        let end = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = $1";
        client.query(end, &[&name]).await.unwrap();
    }
    for (from, to) in [
        (name.as_str(), "swapped"),
        (other, name),
        ("swapped", other),
    ] {
        let (from, to) = (from.to_owned(), to.to_owned());
        let (from, to) = (unique(&from, name), unique(&to, name));
        let rename = format!("ALTER DATABASE {from} RENAME TO {to}");
        client.batch_execute(&rename).await.unwrap();
    }
    for name in [name.as_str(), other] {
        client.batch_execute(&closed(name, true)).await.unwrap();
    }
}

/// Tests of this process share the server.
fn unique(name: &str, of: &str) -> String {
    match name {
        "swapped" => format!("swapped_{of}"),
        name => name.to_owned(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_restored_beneath_its_replicas_is_not_signed_on() {
    let store = Store::new(true).await;
    let first = store.start(&store.place(), &[]).await;
    sign_all(&first, 1..=5).await;
    first.stop().await;
    store.backup("backup").await;
    let backup = format!("{}_backup", store.database.as_ref().unwrap().name);
    let (one, two) = (
        store.start(&store.place(), &[]).await,
        store.start(&store.place(), &[]).await,
    );
    sign_all(&one, 6..=8).await;
    sign_all(&two, 9..=9).await;
    swap(&store, &backup).await;

    let message = not_signed(&two, 10).await;
    assert!(message.contains("went back from 9 rows to 5"), "{message}");
    // It may have heard of the ninth row before that.
    let message = not_signed(&one, 10).await;
    let seen = ["went back from 8 rows to 5", "went back from 9 rows to 5"];
    assert!(seen.iter().any(|seen| message.contains(seen)), "{message}");
    assert!(
        two.log().contains("went back from 9 rows to 5"),
        "{}",
        two.log()
    );
    assert_eq!(no_head(&two).await, not_signed(&two, 10).await);
    becomes_healthy(&two, false).await;
    // What it has signed already is given again as ever.
    sign_all(&two, 3..=3).await;
    // Who starts now has seen nothing, but hears of it.
    let peer = ["--peer", &two.url()];
    let message = store.refused(&store.place(), &peer).await;
    assert!(message.contains("went back from 9 rows to 5"), "{message}");

    // Another one that is told to fills the places.
    let blind = store.start(&store.place(), &[]).await;
    not_signed(&blind, 6).await;
    let accept = crate::starter::binary()
        .args(["record", "accept-restore", "--reason", "a test"])
        .args(["--record", &store.place()])
        .status();
    assert!(accept.unwrap().success());
    becomes_healthy(&blind, true).await;
    sign_all(&blind, 6..=12).await;
    let message = not_signed(&two, 13).await;
    assert!(
        message.contains("has 12 rows, but the first 9"),
        "{message}"
    );
    let message = no_head(&one).await;
    let seen = [
        "has 12 rows, but the first 8",
        "has 12 rows, but the first 9",
    ];
    assert!(seen.iter().any(|seen| message.contains(seen)), "{message}");
    blind.stop().await;

    swap(&store, &backup).await;
    sign_all(&one, 10..=10).await;
    becomes_healthy(&two, true).await;
    sign_all(&two, 11..=11).await;
    one.stop().await;
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_file_that_is_replaced_beneath_its_service_is_not_signed_on() {
    let store = Store::new(false).await;
    let first = store.start(&store.place(), &[]).await;
    sign_all(&first, 1..=5).await;
    first.stop().await;
    store.backup("backup.sqlite").await;
    let service = store.start(&store.place(), &[]).await;
    sign_all(&service, 6..=9).await;
    let (record, away) = (store.file("record.sqlite"), store.file("away.sqlite"));
    std::fs::rename(&record, &away).unwrap();
    let message = not_signed(&service, 10).await;
    assert!(message.contains("taken away, after 9 rows"), "{message}");
    std::fs::rename(store.file("backup.sqlite"), &record).unwrap();
    let message = not_signed(&service, 10).await;
    assert!(
        message.contains("was replaced by another file"),
        "{message}"
    );
    assert_eq!(no_head(&service).await, message);
    becomes_healthy(&service, false).await;
    let mut keys = KeyServiceClient::new(service.channel());
    let revocation = RevokeKeyRequest {
        key_id: "key-old".into(),
        reason: "leaked".into(),
        ..Default::default()
    };
    let lost = keys.revoke_key(revocation).await.unwrap_err();
    assert_eq!(lost.message(), message, "a revocation would be lost, too");
    std::fs::rename(&away, &record).unwrap();
    sign_all(&service, 10..=10).await;
    becomes_healthy(&service, true).await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_are_taken_out_of_a_record_file_are_noticed_at_the_next_call() {
    let store = Store::new(false).await;
    let first = store.start(&store.place(), &[]).await;
    sign_all(&first, 1..=5).await;
    first.stop().await;
    store.backup("backup.sqlite").await;
    let mut service = store
        .start(&store.place(), &["--http", "127.0.0.1:0"])
        .await;
    sign_all(&service, 6..=9).await;
    restore_in_place(&store);
    let message = not_signed(&service, 10).await;
    assert!(message.contains("went back from 9 rows to 5"), "{message}");
    // A list would end as if that were all.
    let mut records = RecordServiceClient::new(service.channel());
    let listed = records
        .list_signed_checkpoints(ListSignedCheckpointsRequest::default())
        .await;
    let told = listed.unwrap_err().message().to_owned();
    assert!(
        told.contains("went back from 9 rows to 5") && told.contains("docs/incidents.md"),
        "{told}"
    );
    let http = format!("http://{}", service.next_address().await);
    for path in [
        "/v1/checkpoints",
        "/v1/checkpoints/newest",
        "/.well-known/jwks.jwt",
    ] {
        let http = http.clone();
        let answer = tokio::task::spawn_blocking(move || get_http(&http, path));
        let answer = answer.await.unwrap();
        assert_eq!(answer.status, 503, "{path}: {}", answer.body);
        let helps = answer.body.contains("a retry alone does not help");
        assert!(helps || path.ends_with("jwt"), "{}", answer.body);
    }
    becomes_healthy(&service, false).await;
    service.stop().await;
}

/// What `.restore` of SQLite's shell does, through SQL: the file stays, and its rows become those of the backup.
fn restore_in_place(store: &Store) {
    let raw = rusqlite::Connection::open(store.file("record.sqlite")).unwrap();
    raw.busy_timeout(Duration::from_secs(5)).unwrap();
    let backup = store.file("backup.sqlite");
    let attach = "ATTACH ?1 AS backup";
    raw.execute(attach, [backup.to_str().unwrap()]).unwrap();
    let names = |kind: &str| -> Vec<String> {
        let sql = "SELECT name FROM main.sqlite_schema WHERE type = ?1 AND name NOT LIKE 'sqlite%'";
        let mut statement = raw.prepare(sql).unwrap();
        let names = statement.query_map([kind], |row| row.get(0)).unwrap();
        names.map(Result::unwrap).collect()
    };
    let mut script = String::from("PRAGMA foreign_keys = OFF; BEGIN IMMEDIATE;");
    for trigger in names("trigger") {
        script += &format!("DROP TRIGGER main.{trigger};");
    }
    for table in names("table") {
        script += &format!(
            "DELETE FROM main.{table}; INSERT INTO main.{table} SELECT * FROM backup.{table};"
        );
    }
    let triggers = "SELECT sql FROM backup.sqlite_schema WHERE type = 'trigger'";
    let mut statement = raw.prepare(triggers).unwrap();
    for sql in statement
        .query_map([], |row| row.get::<_, String>(0))
        .unwrap()
    {
        script += &format!("{};", sql.unwrap());
    }
    raw.execute_batch(&(script + "COMMIT;")).unwrap();
}
