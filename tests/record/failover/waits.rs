//! While the synchronous standby is away: revocations, what is read by HTTP, and a standby that a broken connection keeps away.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use checkpoint_signer::wire::proto::RevokeKeyRequest;
use checkpoint_signer::wire::proto::key_service_client::KeyServiceClient;
use tonic::Status;

use crate::client::{Answer, get as http_get, post_json};
use crate::cluster::Replica;
use crate::support::refusal;

use super::promotion::accept;
use super::servers::Servers;
use super::stall::{end_waits, keeps_it, one_row_away};
use super::told::{PATIENCE, Told, get};
use super::wire::Wire;

async fn revoke(replica: &Replica) -> Result<(), Status> {
    let request = RevokeKeyRequest {
        key_id: "key".into(),
        reason: "leaked".into(),
        distrust_after: None,
    };
    let mut keys = KeyServiceClient::new(replica.channel());
    keys.revoke_key(request).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_whose_wait_was_cancelled_is_not_acknowledged_and_one_that_is_outlives_a_promotion()
 {
    let servers = Servers::new(&["sync"]).await;
    let one = servers.replica("clients", &[]).await;
    let other = servers.replica("clients", &[]).await;
    let mut told = Told::default();
    told.sign(&one, 1).await.unwrap();
    told.sign(&other, 2).await.unwrap();
    servers.control("sync", "freeze");
    let stop = Arc::new(AtomicBool::new(false));
    let client = servers.client("a").await;
    let ending = end_waits(client, "pg_cancel_backend", Arc::clone(&stop));
    let status = revoke(&one).await.expect_err("the standby has it not");
    assert_ne!(status.code(), tonic::Code::Ok, "{status:?}");
    for replica in [&one, &other] {
        told.sign(replica, 3).await.expect_err("nothing is durable");
    }
    stop.store(true, Ordering::Relaxed);
    assert!(ending.await.unwrap() > 0, "waits were ended");
    servers.control("sync", "thaw");
    let begun = std::time::Instant::now();
    while let Err(status) = revoke(&one).await {
        assert!(
            begun.elapsed() < PATIENCE,
            "it is never revoked: {status:?}"
        );
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    let revoked = async |replica: &Replica, told: &mut Told| {
        let status = told.sign(replica, 3).await.expect_err("the key is revoked");
        assert_eq!(refusal(status).1, "KEY_REVOKED");
    };
    revoked(&one, &mut told).await;
    revoked(&other, &mut told).await;
    servers.control("a", "kill");
    servers.control("sync", "promote");
    servers.point("clients", "sync");
    let (code, shown) = accept(&servers, &["--reason", "the synchronous standby"]);
    assert_eq!(code, 0, "{shown}");
    let begun = servers.replica("clients", &[]).await;
    revoked(&begun, &mut told).await;
    told.is_in(&begun).await;
    for replica in [one, other, begun] {
        replica.stop().await;
    }
}

/// Asked beside the runtime.
async fn ask(base: &str, path: &str) -> Answer {
    let (base, path) = (base.to_owned(), path.to_owned());
    let asked = tokio::task::spawn_blocking(move || http_get(&base, &path));
    asked.await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn http_gives_nothing_out_that_is_on_the_primary_alone() {
    let servers = Servers::new(&["sync"]).await;
    let signer = servers.replica("clients", &[]).await;
    let mut reader = servers.replica("clients", &["--http", "127.0.0.1:0"]).await;
    let base = reader.next_address().await;
    let away = || servers.control("sync", "freeze");
    let told = one_row_away(&servers, [&signer, &reader], "pg_cancel_backend", away).await;
    let row =
        "SELECT convert_from(payload, 'UTF8'), signature FROM signed_checkpoint WHERE position = 3";
    let row = servers.client("a").await.query_one(row, &[]).await.unwrap();
    let mut json: serde_json::Value = serde_json::from_str(row.get(0)).unwrap();
    let signature: String = row.get(1);
    json["signature"] = signature.clone().into();
    for path in ["/v1/checkpoints/org/chk_3", "/v1/checkpoints"] {
        let answer = ask(&base, path).await;
        answer.problem(503, "RECORD_STORE_UNAVAILABLE");
        assert!(!answer.body.contains(&signature), "{path}: {}", answer.body);
    }
    for path in [
        "/v1/checkpoints/newest",
        "/v1/checkpoints/newest?ledger=org",
    ] {
        let answer = ask(&base, path).await;
        assert!(!answer.body.contains(&signature), "{path}: {}", answer.body);
    }
    let verdict = {
        let (base, body) = (base.clone(), json.to_string());
        tokio::task::spawn_blocking(move || post_json(&base, "/v1/verify", &body))
    };
    verdict
        .await
        .unwrap()
        .problem(503, "RECORD_STORE_UNAVAILABLE");
    // What the standby has is given as ever.
    let known = ask(&base, "/v1/checkpoints/org/chk_2").await;
    assert_eq!(known.status, 200, "{}", known.body);
    servers.control("sync", "thaw");
    let begun = std::time::Instant::now();
    while ask(&base, "/v1/checkpoints/org/chk_3").await.status != 200 {
        assert!(begun.elapsed() < PATIENCE, "the third row is never given");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    told.is_in(&signer).await;
    signer.stop().await;
    reader.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_synchronous_standby_that_is_cut_off_is_waited_for_as_well() {
    let servers = Servers::new(&[]).await;
    let wire = Wire::new(&servers.folder.join("wire"), &servers.folder.join("s-a"));
    servers.synchronous_through("sync", "wire");
    let signer = servers.replica("clients", &[]).await;
    let reader = servers.replica("clients", &[]).await;
    let cut = || wire.cut();
    let mut told = one_row_away(&servers, [&signer, &reader], "pg_terminate_backend", cut).await;
    keeps_it(&signer, None).await;
    keeps_it(&reader, None).await;
    told.note("chk_2", get(&reader, "chk_2").await.unwrap());
    wire.mend();
    let took = told.sign_until_done(&reader, 3).await;
    eprintln!("a row is given {took:?} after the standby is connected again");
    told.sign_until_done(&signer, 4).await;
    told.is_in(&reader).await;
    signer.stop().await;
    reader.stop().await;
}
