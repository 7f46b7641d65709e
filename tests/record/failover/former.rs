//! The former primary lives on, and a replica is started on it, which remembers nothing: its peers tell where they are.

use std::time::{Duration, Instant};

use checkpoint_signer::wire::proto::GetRecordHeadRequest;
use checkpoint_signer::wire::proto::ListKeysRequest;
use checkpoint_signer::wire::proto::key_service_client::KeyServiceClient;
use checkpoint_signer::wire::proto::record_service_client::RecordServiceClient;

use crate::cluster::Replica;
use crate::went_back::becomes_healthy;

use super::promotion::accept;
use super::servers::Servers;
use super::told::{PATIENCE, Told, unavailable};

/// Where a replica says that it signs.
async fn signs_at(replica: &Replica) -> String {
    let mut client = RecordServiceClient::new(replica.channel());
    let answer = client.get_record_head(GetRecordHeadRequest {}).await;
    let metadata = match &answer {
        Ok(answer) => answer.metadata(),
        Err(status) => status.metadata(),
    };
    let home = metadata.get("record-home");
    home.map_or_else(String::new, |home| home.to_str().unwrap().into())
}

/// Waits until a replica signs on the second timeline.
async fn follows(replica: &Replica) {
    let begun = Instant::now();
    while !signs_at(replica).await.starts_with("timeline 2 ") {
        let log = replica.log();
        assert!(
            begun.elapsed() < PATIENCE,
            "the replica follows the promotion: {log}"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn end_sessions(servers: &Servers, server: &str) {
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app'";
    let client = servers.client(server).await;
    client.execute(end, &[]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_starts_on_the_former_primary_of_its_peers_signs_nothing_there() {
    let servers = Servers::new(&["lags"]).await;
    let mut told = Told::default();
    servers.point("one", "a");
    servers.point("two", "a");
    let one = servers.replica("one", &[]).await;
    let mut two = servers.replica("two", &["--peer", &one.url()]).await;
    for count in 1..=3 {
        told.sign(&one, count).await.unwrap();
    }
    servers.caught_up("lags").await;
    // Both follow, and nothing is signed on the new primary yet: the rows of the two are the same.
    servers.control("lags", "promote");
    servers.point("one", "lags");
    servers.point("two", "lags");
    end_sessions(&servers, "a").await;
    follows(&one).await;
    follows(&two).await;
    servers.point("two", "a");
    two.kill_and_restart().await;
    for _ in 0..5 {
        let message = unavailable(told.sign(&two, 4).await);
        assert!(message.contains("timeline 2"), "{message}");
    }
    becomes_healthy(&two, false).await;
    let mut keys = KeyServiceClient::new(two.channel());
    let keys = keys.list_keys(ListKeysRequest::default()).await.unwrap();
    assert_eq!(keys.into_inner().keys.len(), 1, "keys are told as ever");
    told.sign(&one, 4).await.unwrap();
    // The head of the second before may be given again.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    // Also when the new primary has more rows by now: it starts, says where it was led to, and serves keys.
    two.kill_and_restart().await;
    let log = two.log();
    assert!(
        log.contains("led to a former primary") && log.contains("timeline 2"),
        "{log}"
    );
    let message = unavailable(told.sign(&two, 5).await);
    assert!(message.contains("former primary"), "{message}");
    becomes_healthy(&two, false).await;
    let mut keys = KeyServiceClient::new(two.channel());
    let keys = keys.list_keys(ListKeysRequest::default()).await.unwrap();
    assert_eq!(keys.into_inner().keys.len(), 1);
    // Led to where its peer is, it signs by itself.
    servers.point("two", "lags");
    end_sessions(&servers, "a").await;
    told.sign_until_done(&two, 5).await;
    becomes_healthy(&two, true).await;
    told.is_in(&one).await;
    told.is_in(&two).await;
    let former = servers.client("a").await;
    let count = "SELECT count(*) FROM signed_checkpoint";
    let rows: i64 = former.query_one(count, &[]).await.unwrap().get(0);
    assert_eq!(rows, 3, "nothing was signed on the former primary");
    one.stop().await;
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_signs_nothing_on_another_server_than_its_peer_that_was_promoted_too() {
    let servers = Servers::new(&["first", "second"]).await;
    let mut told = Told::default();
    let one = servers.replica("clients", &[]).await;
    told.sign(&one, 1).await.unwrap();
    servers.caught_up("first").await;
    servers.caught_up("second").await;
    one.stop().await;
    servers.control("a", "kill");
    // Both take the second timeline, and somebody says of both that nothing is missing.
    for server in ["first", "second"] {
        servers.control(server, "promote");
        servers.point("clients", server);
        let (code, shown) = accept(&servers, &["--reason", "a mistake"]);
        assert_eq!(code, 0, "{shown}");
    }
    servers.point("one", "first");
    let one = servers.replica("one", &[]).await;
    let mut two = servers.replica("clients", &["--peer", &one.url()]).await;
    let message = unavailable(told.sign(&two, 2).await);
    assert!(message.contains(&one.url()), "{message}");
    becomes_healthy(&two, false).await;
    told.sign(&one, 2).await.unwrap();
    servers.point("clients", "first");
    two.kill_and_restart().await;
    told.sign_until_done(&two, 3).await;
    told.is_in(&one).await;
    one.stop().await;
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_accepts_a_promotion_that_a_peer_has_seen_followed_by_another() {
    let servers = Servers::new(&["first"]).await;
    let mut told = Told::default();
    let one = servers.replica("clients", &[]).await;
    told.sign(&one, 1).await.unwrap();
    servers.caught_up("first").await;
    servers.control("first", "promote");
    // The former primary is what a peer has left.
    servers.point("clients", "first");
    end_sessions(&servers, "a").await;
    assert_eq!(accept(&servers, &["--reason", "all is there"]).0, 0);
    follows(&one).await;
    servers.point("clients", "a");
    let home = "DELETE FROM checkpoint_signer.record_home";
    let former = servers.client("a").await;
    let taken = "ALTER TABLE record_home DISABLE TRIGGER USER";
    former.batch_execute(taken).await.unwrap();
    former.batch_execute(home).await.unwrap();
    let (code, shown) = accept(&servers, &["--peer", &one.url(), "--reason", "a mistake"]);
    assert_eq!(code, 1, "{shown}");
    assert!(shown.contains("timeline 2"), "{shown}");
    one.stop().await;
}
