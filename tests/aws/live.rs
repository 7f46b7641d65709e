//! A rollover under load: nobody notices but who looks at the key_id.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use checkpoint::keyring::Keyring;
use checkpoint::verdict::verify_published;
use checkpoint_signer::clock::Clock;
use checkpoint_signer::wire::proto::key_service_client::KeyServiceClient;
use checkpoint_signer::wire::proto::signing_service_client::SigningServiceClient;
use checkpoint_signer::wire::proto::{ListKeysRequest, SignCheckpointRequest, SignedCheckpoint};
use chrono::{DateTime, TimeDelta, Timelike, Utc};
use tonic::transport::Channel;

use crate::aws::{AwsService, Operator};
use crate::rollover::{NEW, OLD, secret, step};
use crate::support::checkpoint;
use crate::wait;

const CLIENTS: usize = 4;

/// Signs one checkpoint after another, until told to end, and counts them. A refusal ends the test.
async fn client(
    channel: Channel,
    name: usize,
    end: Arc<AtomicBool>,
    count: Arc<AtomicUsize>,
) -> Vec<SignedCheckpoint> {
    let mut signing = SigningServiceClient::new(channel);
    let mut signed = Vec::new();
    while !end.load(Ordering::Relaxed) {
        let n = signed.len() as u64;
        let mut next = checkpoint(&format!("chk_{n}"), n, &n.to_string());
        next.ledger_id = format!("org_{name}");
        let request = SignCheckpointRequest {
            checkpoint: Some(next),
            ..Default::default()
        };
        let answer = signing.sign_checkpoint(request).await.unwrap();
        signed.push(answer.into_inner().signed_checkpoint.unwrap());
        count.fetch_add(1, Ordering::Relaxed);
    }
    signed
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_sign_without_pause_see_no_gap() {
    let (secret, operator) = (secret("live"), Operator::new().await);
    let clock = Clock::simulated(Utc::now().with_nanosecond(0).unwrap());
    let proxy = AwsService::proxy().await;
    let service = AwsService::start_at(proxy, &secret, clock.clone(), false).await;
    let end = Arc::new(AtomicBool::new(false));
    let counts: Vec<Arc<AtomicUsize>> = (0..CLIENTS).map(|_| Arc::default()).collect();
    let clients = counts.iter().enumerate().map(|(name, count)| {
        let (end, count) = (Arc::clone(&end), Arc::clone(count));
        tokio::spawn(client(service.channel.clone(), name, end, count))
    });
    let clients: Vec<_> = clients.collect();

    let server = ["--server", service.url.as_str()];
    operator.must(&step("stage", &secret, &server)).await;
    operator.must(&step("test", &secret, &server)).await;
    operator.must(&step("promote", &secret, &server)).await;

    let mut keys = KeyServiceClient::new(service.channel.clone());
    let listed = keys.list_keys(ListKeysRequest {}).await.unwrap();
    let listed = listed.into_inner().keys;
    let jwks: Vec<&str> = listed.iter().map(|key| key.jwk.as_str()).collect();
    let jwks = format!(r#"{{"keys":[{}]}}"#, jwks.join(","));
    let keyring = Keyring::from_jwks(jwks.as_bytes()).unwrap();
    let new = listed.iter().find(|key| key.key_id == NEW).unwrap();
    let boundary = DateTime::from_timestamp(new.valid_from.unwrap().seconds, 0).unwrap();

    // Second by second over the boundary; at each, every client signs something.
    for second in -5..=5 {
        clock.set(boundary + TimeDelta::seconds(second));
        // The first of them may have been begun before.
        let signed = || counts.iter().map(|count| count.load(Ordering::Relaxed));
        let before: Vec<usize> = signed().collect();
        let each_twice = async || signed().zip(&before).all(|(now, before)| now > before + 1);
        wait::until("every client to sign at this second", each_twice).await;
    }
    end.store(true, Ordering::Relaxed);

    let mut seconds = std::collections::BTreeSet::new();
    for client in clients {
        let signed = client.await.unwrap();
        let mut used: Vec<&str> = signed.iter().map(|s| s.key_id.as_str()).collect();
        for signed in &signed {
            let iat = signed.signed_at.unwrap().seconds;
            let expected = if iat < boundary.timestamp() { OLD } else { NEW };
            assert_eq!(signed.key_id, expected, "at {iat}");
            let (verdict, _) = verify_published(&keyring, signed.published_json.as_bytes());
            assert_eq!(verdict.kind.as_str(), "VALID", "{}", verdict.explanation);
            seconds.insert(iat - boundary.timestamp());
        }
        used.dedup();
        assert_eq!(used, [OLD, NEW], "the key changes once");
    }
    let all: Vec<i64> = seconds.range(-5..=5).copied().collect();
    assert_eq!(all, (-5..=5).collect::<Vec<_>>());
}
