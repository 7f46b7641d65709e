//! A record that is bound to an environment while services run on it, and records that nobody has bound.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use checkpoint::key::KeyVersion;
use checkpoint::keyring::Revocation;
use checkpoint::signing::KeySecret;
use checkpoint_signer::record::Record;
use checkpoint_signer::record::environment::{Claim, Environment};
use checkpoint_signer::record::postgres::PostgresRecord;
use checkpoint_signer::record::sqlite::SqliteRecord;
use checkpoint_signer::wire::proto::SignCheckpointRequest;
use checkpoint_signer::wire::proto::signing_service_client::SigningServiceClient;
use tonic::Code;
use tonic::transport::Channel;

use crate::client::get;
use crate::environment::{file, init, make_key, places, serve, serves, verified};
use crate::program::{Serving, must};
use crate::starter::binary;
use crate::support::{at, checkpoint, key_with, refusal};
use crate::transfer::NOON;
use crate::wait;

/// Ledgers that are signed for at the same time.
const CALLERS: u64 = 6;

/// What callers are told meanwhile.
#[derive(Default)]
struct Told {
    over: AtomicBool,
    signed: AtomicU64,
    refused: AtomicU64,
}

async fn channel(serving: &Serving) -> Channel {
    let url = format!("http://{}", serving.grpc.trim_start_matches("http://"));
    Channel::from_shared(url).unwrap().connect().await.unwrap()
}

fn request(ledger: u64, entry_count: u64) -> SignCheckpointRequest {
    let mut checkpoint = checkpoint(&format!("chk_{entry_count}"), entry_count, "x");
    checkpoint.ledger_id = format!("org_{ledger}");
    SignCheckpointRequest {
        checkpoint: Some(checkpoint),
        omit_content: true,
    }
}

/// Signs one after the other until it is told that it is over; what is refused is refused in the right words.
async fn sign_on(channel: Channel, ledger: u64, told: Arc<Told>) {
    let mut client = SigningServiceClient::new(channel);
    let mut entry_count = 0;
    while !told.over.load(Ordering::Relaxed) {
        entry_count += 1;
        let signing = client.sign_checkpoint(request(ledger, entry_count));
        match wait::within("an answer", signing).await {
            Ok(_) => {
                told.signed.fetch_add(1, Ordering::Relaxed);
            }
            Err(status) => {
                let message = status.message().to_owned();
                for word in [
                    "environment prod",
                    "in the name of none",
                    "--environment prod",
                ] {
                    assert!(message.contains(word), "{word}: {message}");
                }
                assert!(!message.contains("secret%20word"), "{message}");
                let expected = (Code::Unavailable, "RECORD_STORE_UNAVAILABLE".to_owned());
                assert_eq!(refusal(status), expected);
                told.refused.fetch_add(1, Ordering::SeqCst);
            }
        }
    }
}

async fn health(serving: &Serving) -> (u16, serde_json::Value) {
    let http = format!("http://{}", serving.http.trim_start_matches("http://"));
    let asked = tokio::task::spawn_blocking(move || get(&http, "/health"));
    let answer = asked.await.unwrap();
    (answer.status, answer.json())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_under_load_signs_nothing_after_its_record_was_bound_to_an_environment_that_it_does_not_name()
 {
    let folder = tempfile::tempdir().unwrap();
    let source = make_key(folder.path(), "key-1");
    for place in places(&folder).await {
        init(&place, &[]);
        let mut serving = Serving::start(serve(&place, &source, &[]).args(["--metrics", "http"]));
        let (channel, told) = (channel(&serving).await, Arc::new(Told::default()));
        let callers = (0..CALLERS).map(|ledger| {
            let signing = sign_on(channel.clone(), ledger, Arc::clone(&told));
            tokio::spawn(signing)
        });
        let callers: Vec<_> = callers.collect();
        wait::until("some signatures", async || {
            told.signed.load(Ordering::Relaxed) > 20
        })
        .await;
        let bind = ["record", "bind", "--environment", "prod", "--record"];
        let said = tokio::task::spawn_blocking({
            let place = place.clone();
            move || must(binary().args(bind).arg(place))
        });
        let said = said.await.unwrap();
        assert!(said.contains("sign nothing from now on"), "{said}");
        let rows = verified(&place)["rows"].clone();
        wait::until("refusals", async || {
            told.refused.load(Ordering::Relaxed) > 20
        })
        .await;
        told.over.store(true, Ordering::Relaxed);
        for caller in callers {
            caller.await.unwrap();
        }
        let after = verified(&place);
        assert_eq!(
            after["rows"], rows,
            "{place}: rows were added after it was bound"
        );
        assert_eq!(
            rows,
            told.signed.load(Ordering::Relaxed),
            "each has its answer"
        );
        assert_eq!(after["environment"], "prod");
        let (status, health) = health(&serving).await;
        let reason = health["reason"].as_str().unwrap();
        assert_eq!(
            (status, &health["signing"]),
            (503, &false.into()),
            "{health}"
        );
        assert!(reason.contains("environment prod"), "{reason}");
        let http = format!("http://{}", serving.http.trim_start_matches("http://"));
        let metrics = tokio::task::spawn_blocking(move || get(&http, "/metrics").body);
        let metrics = metrics.await.unwrap();
        assert!(
            metrics.contains("\ncheckpoint_signer_signing_possible 0"),
            "{metrics}"
        );
        let log = serving.end();
        assert!(log.contains("was bound to the environment prod"), "{log}");
        // Named, it goes on.
        let log = serves(&place, &source, &["--environment", "prod"]);
        assert!(!log.contains("ERROR"), "{log}");
    }
}

#[tokio::test]
async fn a_service_that_nobody_asks_tells_it_too() {
    let folder = tempfile::tempdir().unwrap();
    let source = make_key(folder.path(), "key-1");
    for place in places(&folder).await {
        init(&place, &[]);
        let serving = Serving::start(&mut serve(&place, &source, &[]));
        assert_eq!(health(&serving).await.0, 200);
        must(binary().args([
            "record",
            "bind",
            "--environment",
            "sandbox",
            "--record",
            &place,
        ]));
        wait::until("health to tell it", async || {
            health(&serving).await.0 == 503
        })
        .await;
    }
}

fn version(key_id: &str) -> KeyVersion {
    let document = key_with(key_id, "2020-01-01", "2099-01-01", 0);
    let secret = KeySecret::parse(document.as_bytes(), None).unwrap();
    secret.version().clone()
}

fn revocation() -> Revocation {
    Revocation::new(at(NOON), "leaked".into(), at(NOON)).unwrap()
}

async fn opened(place: &str, claim: Claim) -> Box<dyn Record> {
    match file(place) {
        Some(path) => Box::new(SqliteRecord::open_beside_as(&path, claim).unwrap()),
        None => {
            let address = place.parse().unwrap();
            Box::new(PostgresRecord::open_as(&address, claim).await.unwrap())
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_key_endorsement_or_revocation_is_recorded_after_it() {
    let folder = tempfile::tempdir().unwrap();
    for place in places(&folder).await {
        init(&place, &[]);
        let (key, other) = (version("key-1"), version("key-2"));
        let writer = opened(&place, Claim::Writes(None)).await;
        writer.register_key(&key, None, at(NOON)).await.unwrap();
        // Without a key that the record knows, it stays open.
        let staging = opened(&place, Claim::Writes(Some(Environment::Staging))).await;
        let refused = staging.register_key(&other, None, at(NOON)).await;
        let refused = refused.unwrap_err().to_string();
        for word in [
            "belongs to no environment",
            "key-2",
            "record bind",
            "--environment staging",
        ] {
            assert!(refused.contains(word), "{word}: {refused}");
        }
        let binder = opened(&place, Claim::Reads(None)).await;
        binder.bind(Environment::Prod, at(NOON)).await.unwrap();
        for (writer, name) in [(&writer, "none"), (&staging, "staging")] {
            let refused = [
                writer
                    .register_key(&other, None, at(NOON))
                    .await
                    .unwrap_err()
                    .to_string(),
                writer
                    .register_key(&key, None, at(NOON))
                    .await
                    .unwrap_err()
                    .to_string(),
                writer
                    .revoke_key(&key.key_id, revocation())
                    .await
                    .unwrap_err()
                    .to_string(),
                writer.head().await.unwrap_err().to_string(),
            ];
            for refused in refused {
                assert!(refused.contains("environment prod"), "{refused}");
                let named = format!("in the name of {name}");
                assert!(refused.contains(&named), "{refused}");
            }
        }
        let keyring = writer.keyring().await.unwrap();
        assert_eq!(keyring.entries().len(), 1);
        assert!(keyring.entries()[0].revocation().is_none());
        // Its own goes on.
        let own = opened(&place, Claim::Writes(Some(Environment::Prod))).await;
        own.register_key(&other, None, at(NOON)).await.unwrap();
        own.revoke_key(&key.key_id, revocation()).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_environments_that_record_a_first_key_at_the_same_time_one_has_the_record() {
    for _ in 0..8 {
        let folder = tempfile::tempdir().unwrap();
        for place in places(&folder).await {
            init(&place, &[]);
            let mut writers = Vec::new();
            for environment in Environment::ALL {
                writers.push(opened(&place, Claim::Writes(Some(environment))).await);
            }
            let keys = ["key-prod", "key-staging", "key-sandbox"].map(version);
            let recording = writers.iter().zip(&keys);
            let recording = recording.map(|(writer, key)| writer.register_key(key, None, at(NOON)));
            let recorded = futures_util::future::join_all(recording).await;
            let bound = writers[0].environment().await.unwrap().unwrap();
            for ((recorded, key), environment) in recorded.iter().zip(&keys).zip(Environment::ALL) {
                match recorded {
                    Ok(()) => assert_eq!(environment, bound),
                    Err(refused) => {
                        assert_ne!(environment, bound);
                        let refused = refused.to_string();
                        assert!(refused.contains(bound.as_str()), "{refused}");
                        assert!(
                            refused.contains(environment.as_str()),
                            "{}: {refused}",
                            key.key_id
                        );
                    }
                }
            }
            let keyring = writers[0].keyring().await.unwrap();
            assert_eq!(keyring.entries().len(), 1, "{place}");
        }
    }
}

/// The key file of another name, put where a service reads its keys.
fn bring(folder: &Path, name: &str) {
    let new = folder.join("brought.new");
    std::fs::copy(folder.join(format!("{name}.json")), &new).unwrap();
    std::fs::rename(new, folder.join("keys.json")).unwrap();
}

#[tokio::test]
async fn a_service_that_can_read_no_key_binds_no_record_and_its_first_key_does() {
    let folder = tempfile::tempdir().unwrap();
    make_key(folder.path(), "key-1");
    let keys = format!("file:{}", folder.path().join("keys.json").display());
    for place in places(&folder).await {
        init(&place, &[]);
        let prod = ["--environment", "prod"];
        let mut serving = Serving::start(&mut serve(&place, &keys, &prod));
        assert_eq!(verified(&place)["environment"], serde_json::Value::Null);
        bring(folder.path(), "key-1");
        wait::until("the key to be read", async || {
            health(&serving).await.0 == 200
        })
        .await;
        assert_eq!(verified(&place)["environment"], "prod");
        let log = serving.end();
        for told in [
            "WARN",
            "belongs to no environment yet",
            "belongs to this environment from now on",
        ] {
            assert!(log.contains(told), "{told}: {log}");
        }
        std::fs::remove_file(folder.path().join("keys.json")).unwrap();
    }
}

#[tokio::test]
async fn a_key_that_is_read_later_is_not_put_into_a_record_that_may_be_another_environments() {
    let folder = tempfile::tempdir().unwrap();
    let own = make_key(folder.path(), "key-1");
    make_key(folder.path(), "key-2");
    let keys = format!("file:{}", folder.path().join("keys.json").display());
    for place in places(&folder).await {
        init(&place, &[]);
        // In nobody's name.
        serves(&place, &own, &[]);
        let mut serving = Serving::start(&mut serve(&place, &keys, &["--environment", "staging"]));
        bring(folder.path(), "key-2");
        wait::until("the refusal", async || {
            let faults = health(&serving).await.1["source"]["faults"].to_string();
            faults.contains("record bind") && faults.contains("--environment staging")
        })
        .await;
        assert_eq!(health(&serving).await.0, 503);
        assert_eq!(verified(&place)["environment"], serde_json::Value::Null);
        // The one that it knows is another matter.
        bring(folder.path(), "key-1");
        wait::until("its own key", async || health(&serving).await.0 == 200).await;
        assert_eq!(verified(&place)["environment"], "staging");
        serving.end();
        std::fs::remove_file(folder.path().join("keys.json")).unwrap();
    }
}
