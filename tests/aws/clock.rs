//! The clock of Secrets Manager beside the machine's, and keys that come late.

use checkpoint_signer::clock::Clock;
use checkpoint_signer::wire::proto::ListKeysRequest;
use serde_json::json;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::aws::{AwsService, Operator, boto3, create};
use crate::proxy::Dated;
use crate::support::{key_with, refusal};
use crate::wait;

fn document() -> String {
    key_with("key-clock", "2020-01-01", "2099-01-01", 0)
}

async fn is_serving(service: &AwsService) -> bool {
    let mut health = HealthClient::new(service.channel.clone());
    let service = "amply.checkpoint.v1.SigningService".into();
    let answer = health.check(HealthCheckRequest { service }).await.unwrap();
    answer.into_inner().status() == ServingStatus::Serving
}

async fn why_not(service: &mut AwsService) -> String {
    let said = service.keys.list_keys(ListKeysRequest {}).await.unwrap();
    said.into_inner().signing_refused
}

async fn signs_nothing_until_they_agree(secret: &str, behind: i64, reason: &str) {
    create(secret, &document());
    let proxy = AwsService::proxy().await;
    proxy.show_date(Dated::Behind(behind));
    let mut service = AwsService::start_at(proxy, secret, Clock::system(), false).await;
    let refused = refusal(service.sign(1).await.unwrap_err());
    assert_eq!(refused, (Code::FailedPrecondition, reason.into()));
    let said = why_not(&mut service).await;
    assert!(
        said.starts_with(&format!("{reason}: ")) && said.contains("Secrets Manager"),
        "{said}"
    );
    wait::until("health to say so", async || !is_serving(&service).await).await;
    // An answer without a clock is no reason to believe the machine's.
    service.proxy.show_date(Dated::Not);
    service.refresh().await.unwrap();
    let refused = refusal(service.sign(1).await.unwrap_err());
    assert_eq!(refused, (Code::FailedPrecondition, reason.into()));
    // Nobody asks for another reading.
    service.proxy.show_date(Dated::Behind(0));
    wait::until("signing to go on by itself", async || {
        service.sign(1).await.is_ok()
    })
    .await;
    wait::until("health to say so", async || is_serving(&service).await).await;
}

#[tokio::test]
async fn a_clock_that_is_ahead_of_secrets_managers_signs_nothing_until_they_agree() {
    signs_nothing_until_they_agree("ahead", 3600, "CLOCK_AHEAD").await;
}

#[tokio::test]
async fn a_clock_that_is_behind_secrets_managers_signs_nothing_until_they_agree() {
    signs_nothing_until_they_agree("behind", -3600, "CLOCK_WENT_BACK").await;
}

#[tokio::test]
async fn a_key_whose_window_has_ended_by_secrets_managers_clock_signs_nothing() {
    let from_now = |minutes| {
        let instant = chrono::Utc::now() + chrono::TimeDelta::minutes(minutes);
        instant.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
    };
    let ends = key_with("key-ends", &from_now(-60), &from_now(30), 0);
    create("ends", &ends);
    let proxy = AwsService::proxy().await;
    proxy.show_date(Dated::Behind(-3600));
    let mut service = AwsService::start_at(proxy, "ends", Clock::system(), false).await;
    let refused = refusal(service.sign(1).await.unwrap_err());
    assert_eq!(
        refused,
        (Code::FailedPrecondition, "CLOCK_WENT_BACK".into())
    );
}

#[tokio::test]
async fn an_answer_whose_date_is_none_is_told() {
    create("undated", &document());
    let cases = [
        (Dated::Not, "is missing"),
        (Dated::As(""), "is \"\""),
        (Dated::As("garbage\tand more"), "is \"garbage\\tand more\""),
        (Dated::As("2026-11-24T03:08:25Z"), "2026-11-24T03"),
        (Dated::As("Fri, 31 Dec 9999 23:59:59 GMT"), "not of a year"),
        (Dated::As("Thu, 01 Jan 1970 00:00:00 GMT"), "not of a year"),
    ];
    let operator = Operator::new().await;
    for (dated, expected) in cases {
        let proxy = AwsService::proxy().await;
        proxy.show_date(dated);
        let mut service = AwsService::start_at(proxy, "undated", Clock::system(), false).await;
        // As with a key file, whose clock there is none of.
        service.sign(1).await.unwrap();
        let told = service.status().await;
        assert!(told.clock_fault.contains(expected), "{told:?}");
        assert!(told.faults.is_empty(), "its keys are read: {told:?}");
        let list = ["keys", "list", "--server", &service.url];
        let shown = operator.must(&list).await;
        assert!(
            shown.contains("\nclock is not compared: the Date of"),
            "{shown}"
        );
        service.proxy.show_date(Dated::Behind(0));
        service.refresh().await.unwrap();
        assert_eq!(service.status().await.clock_fault, "");
    }
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
