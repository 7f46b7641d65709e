//! A replica that stands still while another one signs, and goes on.

use std::time::Duration;

use checkpoint_signer::record::postgres::PostgresRecord;
use checkpoint_signer::wire::proto::SignCheckpointsRequest;
use checkpoint_signer::wire::proto::sign_checkpoints_response::Outcome;
use checkpoint_signer::wire::proto::signing_service_client::SigningServiceClient;
use futures_util::{StreamExt as _, stream};
use rustix::process::Signal;
use tokio::sync::watch;
use tonic::transport::Channel;

use crate::cluster::Replica;
use crate::postgres::Server;
use crate::support::{checkpoint, key_with, write_keys};

/// Longer than what the times of two rows may go back by.
const FROZEN: Duration = Duration::from_secs(7);

const FREEZES: usize = 3;

/// So short that what is signed anew may be in the middle of that when it is frozen again.
const BETWEEN: Duration = Duration::from_millis(700);

/// Half of them to each replica.
const STREAMS: usize = 4;

/// So fast that some are signed before it is frozen and recorded after that, and those behind them are signed after that.
const EVERY: Duration = Duration::from_millis(3);

#[tokio::test(flavor = "multi_thread")]
async fn takes_what_it_had_signed_before_what_follows_that_in_its_ledger() {
    let server = Server::start();
    let database = server.database().await;
    PostgresRecord::init(&database.address()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    write_keys(
        folder.path(),
        &key_with("key", "2020-01-01", "2099-01-01", 0),
    );
    let frozen = Replica::start(folder.path(), &database.url()).await;
    let other = Replica::start(folder.path(), &database.url()).await;
    let (over, is_over) = watch::channel(false);
    let streams = (0..STREAMS).map(|n| {
        let replica = if n % 2 == 0 { &frozen } else { &other };
        let ledger_id = format!("org_{n}");
        tokio::spawn(refused(replica.channel(), ledger_id, is_over.clone()))
    });
    let streams: Vec<_> = streams.collect();
    for _ in 0..FREEZES {
        tokio::time::sleep(BETWEEN).await;
        frozen.signal(Signal::STOP);
        tokio::time::sleep(FROZEN).await;
        frozen.signal(Signal::CONT);
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    over.send_replace(true);
    for refused in futures_util::future::try_join_all(streams).await.unwrap() {
        let mut all = refused.iter();
        // Overtaken, or taken for a clock that is wrong.
        let for_ever = ["is signed forwards only", "until the clock is right"];
        let wrong = all.find(|(_, message)| for_ever.iter().any(|text| message.contains(text)));
        assert_eq!(wrong, None, "of {} that were refused", refused.len());
    }
    frozen.stop().await;
    other.stop().await;
}

/// Sends the checkpoints of a ledger forwards, without waiting for answers, and gives what was refused.
async fn refused(
    channel: Channel,
    ledger_id: String,
    is_over: watch::Receiver<bool>,
) -> Vec<(String, String)> {
    let ticks = stream::unfold(0, move |n| {
        let is_over = is_over.clone();
        async move {
            tokio::time::sleep(EVERY).await;
            (!*is_over.borrow()).then_some((n + 1, n + 1))
        }
    });
    let items = ticks.map(move |n| {
        let mut checkpoint = checkpoint(&format!("chk_{n}"), n, &n.to_string());
        checkpoint.ledger_id = ledger_id.clone();
        SignCheckpointsRequest {
            request_id: n.to_string(),
            checkpoint: Some(checkpoint),
            ..Default::default()
        }
    });
    let mut client = SigningServiceClient::new(channel);
    let mut answers = client.sign_checkpoints(items).await.unwrap().into_inner();
    let mut refused = Vec::new();
    while let Some(answer) = answers.message().await.unwrap() {
        if let Some(Outcome::Refusal(refusal)) = answer.outcome {
            refused.push((answer.request_id, refusal.message));
        }
    }
    refused
}
