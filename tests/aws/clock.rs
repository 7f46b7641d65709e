//! The clock of Secrets Manager beside the machine's, and keys that come late.

use checkpoint_signer::clock::Clock;
use checkpoint_signer::grpc::proto::{ListKeysRequest, RefreshKeysRequest};
use serde_json::json;
use tonic::Code;

use crate::aws::{AwsService, boto3, create};
use crate::support::{key_with, refusal};
use crate::wait;

fn document() -> String {
    key_with("key-clock", "2020-01-01", "2099-01-01", 0)
}

#[tokio::test]
async fn a_clock_that_is_ahead_of_secrets_managers_signs_nothing_until_they_agree() {
    create("ahead", &document());
    let proxy = AwsService::proxy().await;
    proxy.show_date(3600);
    let mut service = AwsService::start_at(proxy, "ahead", Clock::system(), false).await;
    let refused = refusal(service.sign(1).await.unwrap_err());
    assert_eq!(refused, (Code::FailedPrecondition, "CLOCK_AHEAD".into()));
    let said = service.keys.list_keys(ListKeysRequest {}).await.unwrap();
    let said = said.into_inner().signing_refused;
    assert!(said.starts_with("CLOCK_AHEAD: "), "{said}");
    // Each reading has its Date.
    service.proxy.show_date(0);
    service
        .keys
        .refresh_keys(RefreshKeysRequest {})
        .await
        .unwrap();
    service.sign(1).await.unwrap();
}

#[tokio::test]
async fn a_key_that_is_put_when_none_could_sign_signs_within_seconds_without_being_told() {
    boto3("create_secret", json!({ "Name": "comes-late" }));
    let proxy = AwsService::proxy().await;
    let mut service = AwsService::start_at(proxy, "comes-late", Clock::system(), false).await;
    // So often that readings would be far between by now.
    wait::until("seven readings in vain", async || {
        service.proxy.asked().len() >= 7
    })
    .await;
    let before = service.proxy.asked().len();
    boto3(
        "put_secret_value",
        json!({ "SecretId": "comes-late", "SecretString": document() }),
    );
    wait::until("the key to sign", async || service.sign(1).await.is_ok()).await;
    let looks = service.proxy.asked().len() - before;
    assert!(looks <= 6, "it was read {looks} times until it was found");
}
