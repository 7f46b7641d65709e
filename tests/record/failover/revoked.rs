//! What a replica has read of revocations holds, whatever older state is put in the place of its record.

use checkpoint_signer::record::sqlite::SqliteRecord;
use checkpoint_signer::wire::proto::key_service_client::KeyServiceClient;
use checkpoint_signer::wire::proto::{ListKeysRequest, RevokeKeyRequest};

use crate::client::get as get_http;
use crate::cluster::Replica;
use crate::support::refusal;
use crate::wait;

use super::promotion::{accept, fail_over};
use super::servers::Servers;
use super::told::Told;

/// The instants and reasons of the revocations that it publishes.
async fn revocations(replica: &Replica) -> Vec<(i64, String)> {
    let mut client = KeyServiceClient::new(replica.channel());
    let answer = client.list_keys(ListKeysRequest {}).await.unwrap();
    let keys = answer.into_inner().keys.into_iter();
    let revoked = keys.filter_map(|key| key.revocation);
    let read = |revoked: checkpoint_signer::wire::proto::Revocation| {
        (revoked.distrust_after.unwrap().seconds, revoked.reason)
    };
    revoked.map(read).collect()
}

/// Revokes the key by the first, and waits until all know of it.
async fn revoke(replicas: &[&Replica]) -> Vec<(i64, String)> {
    let mut client = KeyServiceClient::new(replicas[0].channel());
    let keys = client.list_keys(ListKeysRequest {}).await.unwrap();
    let revoke = RevokeKeyRequest {
        key_id: keys.into_inner().keys[0].key_id.clone(),
        reason: "leaked".into(),
        distrust_after: None,
    };
    client.revoke_key(revoke).await.unwrap();
    let revoked = revocations(replicas[0]).await;
    assert_eq!(revoked.len(), 1);
    for replica in replicas {
        wait::until("the revocation in every keyring", async || {
            revocations(replica).await == revoked
        })
        .await;
    }
    revoked
}

/// What the database says.
async fn on_record(servers: &Servers, server: &str) -> Vec<(i64, String)> {
    let client = servers.client(server).await;
    let sql = "SELECT distrust_after, reason FROM key_revocation";
    let rows = client.query(sql, &[]).await.unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

/// Nothing is signed, while the record is put right and after it.
async fn never_signs(told: &mut Told, replicas: &[&Replica]) {
    for replica in replicas {
        let status = told.sign(replica, 4).await.unwrap_err();
        let message = status.message().to_owned();
        let reason = refusal(status).1;
        assert!(
            ["RECORD_STORE_UNAVAILABLE", "KEY_REVOKED"].contains(&reason.as_str()),
            "{reason}: {message}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promotion_of_a_standby_that_lacks_a_revocation_does_not_undo_it() {
    let servers = Servers::new(&["lags"]).await;
    let mut told = Told::default();
    let first = servers.replica("clients", &[]).await;
    let further = ["--peer", &first.url(), "--http", "127.0.0.1:0"];
    let mut second = servers.replica("clients", &further).await;
    for count in 1..=3 {
        told.sign(&first, count).await.unwrap();
    }
    servers.caught_up("lags").await;
    servers.control("lags", "stop");
    let revoked = revoke(&[&first, &second]).await;
    // It has all rows.
    fail_over(&servers);
    let http = format!("http://{}", second.next_address().await);
    wait::until("the revocation on the new primary", async || {
        never_signs(&mut told, &[&first, &second]).await;
        for replica in [&first, &second] {
            assert_eq!(
                revocations(replica).await,
                revoked,
                "it is published ever after"
            );
        }
        let http = http.clone();
        let signed = tokio::task::spawn_blocking(move || get_http(&http, "/.well-known/jwks.jwt"));
        assert_eq!(signed.await.unwrap().status, 503);
        on_record(&servers, "lags").await == revoked
    })
    .await;
    assert!(
        first.log().contains("revoke again") || second.log().contains("revoke again"),
        "it is audited: {} {}",
        first.log(),
        second.log()
    );
    // The replicas find out that nothing else is missing, and the key stays revoked, for one that knew nothing as well.
    for replica in [&first, &second] {
        wait::until("the record to be settled", async || {
            let status = told.sign(replica, 4).await.unwrap_err();
            refusal(status).1 == "KEY_REVOKED"
        })
        .await;
    }
    let third = servers.replica("clients", &[]).await;
    assert_eq!(revocations(&third).await, revoked);
    never_signs(&mut told, &[&first, &second, &third]).await;
    for replica in [first, second, third] {
        replica.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_revoked_key_signed_before_goes_back_into_a_standby_that_lagged() {
    let servers = Servers::new(&["lags"]).await;
    let mut told = Told::default();
    let mut replica = servers.replica("clients", &["--http", "127.0.0.1:0"]).await;
    for count in 1..=3 {
        told.sign(&replica, count).await.unwrap();
    }
    servers.caught_up("lags").await;
    servers.control("lags", "stop");
    for count in 4..=5 {
        told.sign(&replica, count).await.unwrap();
    }
    // What is signed in the second of that instant is distrusted.
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    let revoked = revoke(&[&replica]).await;
    let http = format!("http://{}", replica.next_address().await);
    let published = tokio::task::spawn_blocking(move || get_http(&http, "/.well-known/jwks.json"));
    let keyring = servers.files().join("keyring.json");
    std::fs::write(&keyring, published.await.unwrap().body).unwrap();
    fail_over(&servers);
    let lost = || {
        replica
            .log()
            .matches("has lost what it said of a key")
            .count()
    };
    wait::until("the loss to be found", async || lost() > 0).await;
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    assert_eq!(lost(), 1, "it is told once: {}", replica.log());
    assert!(on_record(&servers, "lags").await.is_empty());
    let rows = servers.files().join("lost.ndjson");
    std::fs::write(&rows, told.published(4..=5)).unwrap();
    let run = |command: [&str; 2], file: &std::path::Path, further: &[&str]| {
        let mut program = crate::starter::binary();
        let program = program.args(command).arg(file).args(further);
        let place = servers.place("clients");
        let output = program.args(["--record", &place]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    };
    let believing = ["--believe-revocations"];
    run(["keys", "import"], &keyring, &believing);
    assert_eq!(on_record(&servers, "lags").await, revoked);
    run(["record", "restore"], &rows, &[]);
    let (code, shown) = accept(&servers, &["--reason", "all is there again"]);
    assert_eq!(code, 0, "{shown}");
    wait::until("the record to be settled", async || {
        let status = told.sign(&replica, 6).await.unwrap_err();
        refusal(status).1 == "KEY_REVOKED"
    })
    .await;
    told.is_in(&replica).await;
    assert_eq!(lost(), 1, "{}", replica.log());
    replica.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_state_beneath_a_running_replica_does_not_undo_a_revocation() {
    let servers = Servers::new(&[]).await;
    let mut told = Told::default();
    let replica = servers.replica("clients", &[]).await;
    for count in 1..=3 {
        told.sign(&replica, count).await.unwrap();
    }
    let revoked = revoke(&[&replica]).await;
    // All rows, and the keys as they were before.
    let client = servers.client("a").await;
    let older = "SET session_replication_role = replica; DELETE FROM key_revocation";
    client.batch_execute(older).await.unwrap();
    wait::until("the revocation on record again", async || {
        never_signs(&mut told, &[&replica]).await;
        assert_eq!(revocations(&replica).await, revoked);
        on_record(&servers, "a").await == revoked
    })
    .await;
    never_signs(&mut told, &[&replica]).await;
    replica.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promotion_is_not_accepted_while_a_peer_knows_of_a_revocation_that_the_record_lacks() {
    let servers = Servers::new(&["lags"]).await;
    let mut told = Told::default();
    let replica = servers.replica("clients", &[]).await;
    for count in 1..=2 {
        told.sign(&replica, count).await.unwrap();
    }
    servers.caught_up("lags").await;
    servers.control("lags", "stop");
    replica.stop().await;
    // A replica that remembers it, and cannot put it on record.
    let place = servers.files.path().join("elsewhere.sqlite");
    SqliteRecord::init(&place).unwrap();
    let place = format!("sqlite:{}", place.display());
    let elsewhere = Replica::start(servers.files.path(), &place).await;
    revoke(&[&elsewhere]).await;
    fail_over(&servers);
    let (code, shown) = accept(&servers, &["--peer", &elsewhere.url(), "--reason", "x"]);
    assert_eq!(code, 1, "{shown}");
    assert!(
        shown.contains("is revoked, and the record does not hold that")
            && shown.contains("nothing was accepted"),
        "{shown}"
    );
    let (code, shown) = accept(&servers, &["--reason", "x"]);
    assert_eq!(code, 0, "{shown}");
    elsewhere.stop().await;
}
