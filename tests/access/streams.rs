//! Streams that outlive what their caller may do.

use std::time::Duration;

use checkpoint_signer::wire::proto::key_service_client::KeyServiceClient;
use checkpoint_signer::wire::proto::signing_service_client::SigningServiceClient;
use checkpoint_signer::wire::proto::verification_service_client::VerificationServiceClient;
use checkpoint_signer::wire::proto::{
    SignCheckpointsRequest, SignCheckpointsResponse, VerifyCheckpointsRequest,
    VerifyCheckpointsResponse, WatchKeysRequest,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tonic::transport::Channel;

use crate::authority::replace;
use crate::guarded::{Guarded, ROLES};
use crate::support::{checkpoint, refusal};

/// Far longer than it should take; a test that waits for it fails.
const PATIENCE: Duration = Duration::from_secs(180);

fn item(n: u64) -> SignCheckpointsRequest {
    SignCheckpointsRequest {
        request_id: String::new(),
        checkpoint: Some(checkpoint(&format!("chk_{n}"), n, &n.to_string())),
        ..Default::default()
    }
}

async fn signing(
    channel: &Channel,
) -> (
    mpsc::Sender<SignCheckpointsRequest>,
    Streaming<SignCheckpointsResponse>,
) {
    let (items, sent) = mpsc::channel(1);
    let mut client = SigningServiceClient::new(channel.clone());
    let answers = client.sign_checkpoints(ReceiverStream::new(sent)).await;
    (items, answers.unwrap().into_inner())
}

async fn verifying(
    channel: &Channel,
) -> (
    mpsc::Sender<VerifyCheckpointsRequest>,
    Streaming<VerifyCheckpointsResponse>,
) {
    let (items, sent) = mpsc::channel(1);
    let mut client = VerificationServiceClient::new(channel.clone());
    let answers = client.verify_checkpoints(ReceiverStream::new(sent)).await;
    (items, answers.unwrap().into_inner())
}

/// The reason with which a stream ends, whatever it says before.
async fn end<T>(mut answers: Streaming<T>) -> String {
    let end = async {
        loop {
            match answers.message().await {
                Ok(Some(_)) => {}
                Ok(None) => return "an end in order".into(),
                Err(status) => return refusal(status).1,
            }
        }
    };
    tokio::time::timeout(PATIENCE, end).await.expect("an end")
}

async fn watching_keys(
    channel: &Channel,
) -> Streaming<checkpoint_signer::wire::proto::WatchKeysResponse> {
    let mut client = KeyServiceClient::new(channel.clone());
    let mut watched = client
        .watch_keys(WatchKeysRequest {})
        .await
        .unwrap()
        .into_inner();
    assert!(watched.message().await.unwrap().is_some());
    watched
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_is_taken_away_ends_in_streams_that_are_open() {
    let service = Guarded::start().await;
    let ledger = service.client(Some("ledger"));
    let (items, mut answers) = signing(&ledger).await;
    items.send(item(1)).await.unwrap();
    assert!(answers.message().await.unwrap().is_some());
    let (_open, verdicts) = verifying(&ledger).await;
    let watched = watching_keys(&ledger).await;

    let without = ROLES.replace("amply.example/ledger\"", "amply.example/another\"");
    replace(&service.path("roles.toml"), &without);
    // These end by themselves, although nothing is sent.
    assert_eq!(end(watched).await, "ROLE_REQUIRED");
    assert_eq!(end(verdicts).await, "ROLE_REQUIRED");
    // This one with the next item, which is not signed.
    items.send(item(2)).await.unwrap();
    assert_eq!(end(answers).await, "ROLE_REQUIRED");
    let rows = rusqlite::Connection::open(service.path("record.sqlite")).unwrap();
    let sql = "SELECT count(*) FROM signed_checkpoint";
    let rows: i64 = rows.query_row(sql, [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bound_on_ledgers_holds_in_a_stream_that_is_open() {
    let service = Guarded::start().await;
    let (items, mut answers) = signing(&service.client(Some("ledger"))).await;
    let watched = watching_keys(&service.client(Some("operator"))).await;
    items.send(item(1)).await.unwrap();
    assert!(answers.message().await.unwrap().is_some());
    let first = "[clients.\"URI:spiffe://amply.example/ledger\"]\nroles = [\"signer\"]\n";
    let bound = ROLES.replace(first, &format!("{first}ledgers = [\"org_2\"]\n"));
    let without_operator = bound.replace("amply.example/operator", "amply.example/another");
    assert_ne!(bound, without_operator);
    replace(&service.path("roles.toml"), &without_operator);
    assert_eq!(end(watched).await, "ROLE_REQUIRED");
    items.send(item(2)).await.unwrap();
    let answer = answers.message().await.unwrap().unwrap();
    let outcome = format!("{:?}", answer.outcome);
    assert!(outcome.contains("may not have org_1 signed"), "{outcome}");
}
