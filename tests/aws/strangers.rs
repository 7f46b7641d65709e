//! Whom the rollover believes: a service of another record is a stranger, and who cannot read a version judges nothing.

use checkpoint_signer::clock::Clock;
use chrono::Utc;
use serde_json::json;

use crate::aws::{AwsService, Operator, boto3, create, rotate};
use crate::proxy::Mode;
use crate::rollover::{NEW, OLD, key, labels, secret, service, step};
use crate::status::next;
use crate::support::key_with;

/// A service of a secret of its own, whose key has this name.
async fn stranger(name: &str, key_id: &str) -> AwsService {
    create(name, &key_with(key_id, "2020-01-01", "2099-01-01", 7));
    let proxy = AwsService::proxy().await;
    AwsService::start_at(proxy, name, Clock::simulated(Utc::now()), false).await
}

#[tokio::test]
async fn a_service_of_another_record_is_not_gone_by() {
    let (secret, operator) = (secret("strangers"), Operator::new().await);
    let (ours, other) = (
        service(&secret).await,
        stranger("strangers-other", OLD).await,
    );
    let both = format!("{},{}", ours.url, other.url);
    let shown = operator
        .must(&step("status", &secret, &["--server", &both]))
        .await;
    assert!(
        shown.contains(&format!(
            "{}: lists none of the keys that the secret holds",
            other.url
        )),
        "{shown}"
    );
    assert!(
        shown.contains("<- signs now") && !shown.contains("refused by"),
        "{shown}"
    );
    assert!(next(&shown).starts_with("rollover stage"), "{shown}");
    operator
        .must(&step("stage", &secret, &["--server", &both]))
        .await;
    // It alone cannot tell anything.
    let before = labels(&secret);
    let shown = operator
        .must(&step("abort", &secret, &["--server", &other.url]))
        .await;
    assert!(shown.contains("\nfirst: have one answer of"), "{shown}");
    assert_ne!(labels(&secret), before);
}

#[tokio::test]
async fn who_does_not_know_the_key_does_not_say_that_it_is_not_revoked() {
    let (secret, operator) = (secret("strangers-revoked"), Operator::new().await);
    let ours = service(&secret).await;
    let revoke = [
        "keys", "revoke", OLD, "--reason", "leaked", "--server", &ours.url,
    ];
    operator.must(&revoke).await;
    let other = stranger("strangers-unrelated", "unrelated-key").await;
    let before = labels(&secret);
    let shown = operator
        .refused(&[
            "rollover", "stage", "--secret", &secret, "--server", &other.url,
        ])
        .await;
    assert!(
        shown.contains("whether") && shown.contains("is revoked only the record knows"),
        "{shown}"
    );
    assert_eq!(labels(&secret), before);
}

/// Its key of KMS is gone: the service goes on, and what can be told is told.
#[tokio::test]
async fn a_version_that_this_role_cannot_read_is_told_and_nothing_is_judged() {
    let (secret, operator) = (secret("strangers-hidden"), Operator::new().await);
    rotate(&secret, &key(NEW, 30, 395));
    let ours = service(&secret).await;
    let listed = boto3("list_secret_version_ids", json!({ "SecretId": secret }));
    let versions = listed["Versions"].as_array().unwrap();
    let current = versions
        .iter()
        .find(|version| version["VersionStages"][0] == "AWSCURRENT");
    let current: &'static str = current.unwrap()["VersionId"]
        .as_str()
        .unwrap()
        .to_owned()
        .leak();
    let gone = "arn:aws:kms:eu-central-1:123456789012:key/old is pending deletion.";
    operator
        .proxy
        .set(Mode::Says(current, 400, "KMSInvalidStateException", gone));
    let server = ["--server", ours.url.as_str()];
    let shown = operator
        .refused(&step(
            "status",
            &secret,
            &[&server[..], &["--check"]].concat(),
        ))
        .await;
    let told = format!(
        "version {current} (AWSCURRENT) cannot be read by this role: KMSInvalidStateException: "
    );
    assert!(
        shown.contains(&told) && shown.contains("pending deletion"),
        "{shown}"
    );
    assert!(!shown.contains("NO KEY IS IN FORCE"), "{shown}");
    assert!(
        shown.contains("\nfirst: have this role read version"),
        "{shown}"
    );
    assert_eq!(next(&shown), "rollover status");
    for name in ["stage", "test", "promote", "retire", "repair"] {
        let shown = operator.refused(&step(name, &secret, &server)).await;
        assert!(
            shown.contains("what has a label has to be read first"),
            "{name}: {shown}"
        );
    }
}
