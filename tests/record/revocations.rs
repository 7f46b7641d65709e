//! What a replica signs and publishes when another one has revoked a key, or brought one.

use std::sync::Arc;

use checkpoint_signer::clock::Clock;
use checkpoint_signer::record::postgres::PostgresRecord;
use checkpoint_signer::wire::proto::key_service_client::KeyServiceClient;
use checkpoint_signer::wire::proto::record_service_client::RecordServiceClient;
use checkpoint_signer::wire::proto::{
    GetRecordHeadRequest, ListKeysRequest, RefreshKeysRequest, RevokeKeyRequest,
};

use checkpoint_signer::record::Record;
use checkpoint_signer::record::sqlite::SqliteRecord;
use chrono::{TimeDelta, Utc};

use crate::client::get;
use crate::clocks::{Replica, folder};
use crate::postgres::Database;
use crate::support::{key_with, refusal, write_keys};
use crate::wait;

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_signed_by_a_key_that_another_replica_has_revoked_not_even_from_what_is_kept() {
    for _ in 0..3 {
        let database = Database::new().await;
        PostgresRecord::init(&database.address()).await.unwrap();
        let folder = folder();
        let open = || async { Arc::new(PostgresRecord::open(&database.address()).await.unwrap()) };
        let one = Replica::start(&folder, open().await, Clock::system()).await;
        let other = Replica::start(&folder, open().await, Clock::system()).await;
        one.sign(1).await.unwrap();
        let http = format!("http://{}", other.service.http().unwrap());
        let signed_keyring = || {
            let http = http.clone();
            tokio::task::spawn_blocking(move || get(&http, "/.well-known/jwks.jwt"))
        };
        // Both are kept from here on.
        assert_eq!(signed_keyring().await.unwrap().status, 200);
        let mut records = RecordServiceClient::new(other.channel.clone());
        records
            .get_record_head(GetRecordHeadRequest {})
            .await
            .unwrap();
        let revoke = RevokeKeyRequest {
            key_id: "key-clock".into(),
            reason: "leaked".into(),
            distrust_after: None,
        };
        let mut keys = KeyServiceClient::new(one.channel.clone());
        keys.revoke_key(revoke).await.unwrap();
        let answer = signed_keyring().await.unwrap();
        assert_eq!(answer.status, 503, "{}", answer.body);
        let head = records.get_record_head(GetRecordHeadRequest {}).await;
        assert_eq!(refusal(head.unwrap_err()).1, "KEY_REVOKED");
        assert_eq!(refusal(other.sign(2).await.unwrap_err()).1, "KEY_REVOKED");
    }
}

/// Two replicas of a record, or one of a file: the key is revoked by the last, and then asked for by the first, on a clock that is
/// behind that instant by less than what clocks may differ.
async fn nothing_is_signed_by_a_clock_that_is_behind(records: Vec<Arc<dyn Record>>) {
    let (folder, clock) = (folder(), Clock::simulated(Utc::now()));
    let mut replicas = Vec::new();
    for record in records {
        replicas.push(Replica::start(&folder, record, clock.clone()).await);
    }
    let (first, last) = (replicas.first().unwrap(), replicas.last().unwrap());
    first.sign(1).await.unwrap();
    let revoked_at = Utc::now();
    clock.set(revoked_at);
    let revoke = RevokeKeyRequest {
        key_id: "key-clock".into(),
        reason: "leaked".into(),
        distrust_after: None,
    };
    let mut keys = KeyServiceClient::new(last.channel.clone());
    keys.revoke_key(revoke).await.unwrap();
    for entry_count in 2..5 {
        clock.set(Utc::now().min(revoked_at) - TimeDelta::seconds(3));
        let refused = first.sign(entry_count).await.unwrap_err();
        assert_eq!(refusal(refused).1, "KEY_REVOKED");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_signed_by_a_revoked_key_whatever_a_clock_shows() {
    let file = tempfile::tempdir().unwrap();
    let file = file.path().join("record.sqlite");
    SqliteRecord::init(&file).unwrap();
    let record = SqliteRecord::open(&file).unwrap();
    nothing_is_signed_by_a_clock_that_is_behind(vec![Arc::new(record)]).await;
    let database = Database::new().await;
    PostgresRecord::init(&database.address()).await.unwrap();
    let open = || async { PostgresRecord::open(&database.address()).await.unwrap() };
    let (one, other) = (open().await, open().await);
    nothing_is_signed_by_a_clock_that_is_behind(vec![Arc::new(one), Arc::new(other)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_one_replica_brings_is_in_the_keyring_of_the_other_within_moments() {
    let database = Database::new().await;
    PostgresRecord::init(&database.address()).await.unwrap();
    let (folder, alone) = (crate::clocks::folder(), crate::clocks::folder());
    let open = || async { Arc::new(PostgresRecord::open(&database.address()).await.unwrap()) };
    let one = Replica::start(&alone, open().await, Clock::system()).await;
    let other = Replica::start(&folder, open().await, Clock::system()).await;
    let newer = key_with("key-newer", "2021-01-01", "2099-01-01", 0);
    write_keys(alone.path(), &newer);
    let mut keys = KeyServiceClient::new(one.channel.clone());
    keys.refresh_keys(RefreshKeysRequest {}).await.unwrap();
    one.sign(1).await.unwrap();
    let mut keys = KeyServiceClient::new(other.channel.clone());
    let http = format!("http://{}", other.service.http().unwrap());
    // The record is read again every 10 s in any case: a look takes a tenth of that, so that these are over before.
    let mut looks = 0;
    wait::until("the key in the other's keyring", async || {
        looks += 1;
        assert!(
            looks <= 90,
            "it is found at the next reading of everything only"
        );
        let answer = keys
            .list_keys(ListKeysRequest {})
            .await
            .unwrap()
            .into_inner();
        answer.keys.iter().any(|key| key.key_id == "key-newer")
    })
    .await;
    let published = tokio::task::spawn_blocking(move || get(&http, "/.well-known/jwks.json"));
    assert!(published.await.unwrap().body.contains("key-newer"));
}
