//! What the service does with what the secret holds, and when it cannot be had.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use checkpoint_signer::clock::Clock;
use checkpoint_signer::wire::proto::RefreshKeysRequest;
use checkpoint_signer::wire::proto::key_service_client::KeyServiceClient;
use chrono::TimeDelta;
use serde_json::json;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::aws::{AwsService, Operator, boto3, create, make_current, promote, rotate, stage};
use crate::proxy::Mode;
use crate::support::{at, key_of, key_with, refusal, wire};
use crate::wait;

const NOW: &str = "2025-06-01T12:00:00Z";

#[tokio::test]
async fn the_current_version_signs_and_an_absent_previous_one_is_normal() {
    create("plain", &key_of(2025));
    let mut service = AwsService::start("plain", NOW).await;
    assert_eq!(service.key_of(1).await, "key-2025");
    let status = service.status().await;
    assert_eq!((status.faults, status.api_calls), (vec![], Some(2)));
    assert_eq!(status.source, "secretsmanager:plain");
}

#[tokio::test]
async fn a_rotation_is_followed_and_the_switch_is_at_the_window() {
    create("rotated", &key_of(2025));
    let mut service = AwsService::start("rotated", NOW).await;
    let version = stage("rotated", &key_of(2026));
    service.refresh().await.unwrap();
    assert_eq!(
        service.key_ids().await,
        ["key-2025"],
        "what is staged is not asked for"
    );
    promote("rotated", &version);
    service.refresh().await.unwrap();
    assert_eq!(service.key_ids().await, ["key-2026", "key-2025"]);
    service.clock.set(at("2025-12-31T23:59:59Z"));
    assert_eq!(service.key_of(1).await, "key-2025");
    service.clock.set(at("2026-01-01"));
    assert_eq!(service.key_of(2).await, "key-2026");
}

/// Waits for the request that is held.
async fn is_held(service: &AwsService) {
    wait::within("the request that is held", service.proxy.reached()).await;
}

#[tokio::test]
async fn labels_that_move_while_they_are_read_leave_a_key_that_signs() {
    for held in ["AWSCURRENT", "AWSPREVIOUS"] {
        let secret = format!("moved-before-{held}");
        create(&secret, &key_of(2024));
        rotate(&secret, &key_of(2025));
        let mut service = AwsService::start(&secret, NOW).await;
        let next = stage(&secret, &key_of(2026));
        service.proxy.set(Mode::Hold(held));
        let mut reader = KeyServiceClient::new(service.channel.clone());
        let moved = async {
            is_held(&service).await;
            promote(&secret, &next);
            service.proxy.release();
        };
        let (read, ()) = tokio::join!(reader.refresh_keys(RefreshKeysRequest {}), moved);
        read.unwrap();
        assert_eq!(service.key_of(1).await, "key-2025", "{held}");
        service.clock.set(at("2026-01-01"));
        assert_eq!(service.key_of(2).await, "key-2026", "{held}");
    }
}

#[tokio::test]
async fn a_promotion_that_is_taken_back_while_it_is_read_leaves_a_key_that_signs() {
    create("taken-back", &key_of(2025));
    let first = json!({ "SecretId": "taken-back", "VersionStage": "AWSCURRENT" });
    let first = boto3("get_secret_value", first)["VersionId"].clone();
    rotate("taken-back", &key_of(2026));
    let mut service = AwsService::start("taken-back", NOW).await;
    service.proxy.set(Mode::Hold("AWSPREVIOUS"));
    let mut reader = KeyServiceClient::new(service.channel.clone());
    let moved = async {
        is_held(&service).await;
        make_current("taken-back", first.as_str().unwrap());
        service.proxy.release();
    };
    let (read, ()) = tokio::join!(reader.refresh_keys(RefreshKeysRequest {}), moved);
    read.unwrap();
    assert_eq!(service.key_of(1).await, "key-2025");
}

#[tokio::test]
async fn only_get_secret_value_is_asked_for() {
    create("least", &key_of(2025));
    rotate("least", &key_of(2026));
    let proxy = AwsService::proxy().await;
    proxy.set(Mode::LeastPrivilege);
    let mut service = AwsService::start_behind(proxy, "least", NOW, false).await;
    assert_eq!(service.key_of(1).await, "key-2025");
    service.refresh().await.unwrap();
    service.clock.set(at("2026-01-01"));
    assert_eq!(service.key_of(2).await, "key-2026");
    let asked = service.proxy.asked();
    assert!(
        asked.len() >= 4 && asked.iter().all(|action| action == "GetSecretValue"),
        "{asked:?}"
    );
}

#[tokio::test]
async fn older_versions_with_labels_are_read_once_where_listing_is_permitted() {
    create("older", &key_of(2024));
    let id = json!({ "SecretId": "older", "VersionStage": "AWSCURRENT" });
    let first = boto3("get_secret_value", id)["VersionId"].clone();
    let keep =
        json!({ "SecretId": "older", "VersionStage": "year-2024", "MoveToVersionId": first });
    boto3("update_secret_version_stage", keep);
    rotate("older", &key_of(2025));
    rotate("older", &key_of(2026));
    let mut service = AwsService::start_reading_older("older", NOW).await;
    assert_eq!(
        service.key_ids().await,
        ["key-2026", "key-2025", "key-2024"]
    );
    service.refresh().await.unwrap();
    assert_eq!(
        service.key_ids().await,
        ["key-2026", "key-2025", "key-2024"],
        "it is on record"
    );
    let listed = service
        .proxy
        .asked()
        .iter()
        .filter(|a| *a == "ListSecretVersionIds")
        .count();
    assert_eq!(listed, 1);

    let proxy = AwsService::proxy().await;
    proxy.set(Mode::LeastPrivilege);
    let mut service = AwsService::start_behind(proxy, "older", NOW, true).await;
    assert_eq!(
        service.key_of(1).await,
        "key-2025",
        "not permitted is no error"
    );
    assert!(service.status().await.faults.is_empty());
}

#[tokio::test]
async fn the_documentation_form_has_the_name_that_was_asked_for() {
    let form = |name: &str| format!(r#"{{"name":"{name}","value":{}}}"#, key_of(2025));
    create("form-right", &form("form-right"));
    create("form-wrong", &form("another"));
    let mut service = AwsService::start("form-right", NOW).await;
    assert_eq!(service.key_of(1).await, "key-2025");
    let mut service = AwsService::start("form-wrong", NOW).await;
    let faults = service.status().await.faults;
    assert!(
        faults[0].contains("name") && faults[0].contains("form-wrong"),
        "{faults:?}"
    );
}

#[tokio::test]
async fn a_binary_secret_is_read_too() {
    boto3(
        "create_secret",
        json!({ "Name": "binary", "SecretBinary": key_of(2025) }),
    );
    let mut service = AwsService::start("binary", NOW).await;
    assert_eq!(service.key_of(1).await, "key-2025");
}

#[tokio::test]
async fn a_binary_secret_in_utf_16_and_one_in_base64_are_read_too() {
    // As PowerShell writes it: each character of ASCII is two bytes.
    let utf16: String = key_of(2025).chars().flat_map(|c| [c, '\0']).collect();
    let base64 = STANDARD.encode(key_of(2025));
    for (secret, document) in [("binary-utf-16", utf16), ("binary-base64", base64)] {
        boto3(
            "create_secret",
            json!({ "Name": secret, "SecretBinary": document }),
        );
        let mut service = AwsService::start(secret, NOW).await;
        assert_eq!(service.key_of(1).await, "key-2025", "{secret}");
    }
}

#[tokio::test]
async fn whatever_keeps_the_secret_away_signing_goes_on() {
    create("outage", &key_of(2025));
    let mut service = AwsService::start("outage", NOW).await;
    let cases = [
        (
            Mode::Error(500, "InternalServiceError"),
            "InternalServiceError",
        ),
        (
            Mode::Error(400, "ThrottlingException"),
            "ThrottlingException",
        ),
        (Mode::Error(400, "AccessDeniedException"), "AccessDenied"),
        (Mode::Error(403, ""), "access denied (HTTP 403)"),
        (
            Mode::Error(400, "ResourceNotFoundException"),
            "ResourceNotFoundException",
        ),
        (Mode::Error(400, "DecryptionFailure"), "DecryptionFailure"),
        (Mode::Silent, "in time"),
    ];
    for (index, (mode, fault)) in cases.into_iter().enumerate() {
        service.proxy.set(mode);
        let (code, reason) = refusal(service.refresh().await.unwrap_err());
        assert_eq!(
            (code, reason.as_str()),
            (Code::Unavailable, "KEY_SOURCE_UNAVAILABLE")
        );
        let faults = service.status().await.faults;
        assert!(
            faults[0].contains(fault) && faults[0].contains("outage"),
            "{mode:?}: {faults:?}"
        );
        assert_eq!(service.key_of(index as u64).await, "key-2025", "{mode:?}");
    }
    service.proxy.set(Mode::Open);
    rotate("outage", &key_of(2026));
    service.refresh().await.unwrap();
    assert_eq!(
        service.key_ids().await,
        ["key-2026", "key-2025"],
        "the new state, at once"
    );
    assert!(service.status().await.faults.is_empty());
}

#[tokio::test]
async fn a_wrong_update_is_refused_and_signing_goes_on() {
    let other_window = key_of(2025).replace("2026-01-01", "2027-01-01");
    let cases = [
        ("garbage", "garbage".to_owned(), "JSON"),
        (
            "foreign",
            key_with("key-2025", "2025-01-01", "2026-01-01", 1),
            "another public key",
        ),
        ("window", other_window, "window"),
    ];
    for (name, update, fault) in cases {
        create(name, &key_of(2025));
        let mut service = AwsService::start(name, NOW).await;
        rotate(name, &update);
        let (_, reason) = refusal(service.refresh().await.unwrap_err());
        assert_eq!(reason, "KEY_REFUSED", "{name}");
        let faults = service.status().await.faults;
        assert!(
            faults.iter().any(|f| f.contains(fault)),
            "{name}: {faults:?}"
        );
        assert_eq!(service.key_of(1).await, "key-2025", "{name}");
        rotate(name, &key_of(2025));
        rotate(name, &key_of(2026));
        service.refresh().await.unwrap();
        assert_eq!(service.key_ids().await, ["key-2026", "key-2025"], "{name}");
    }
}

#[tokio::test]
async fn without_a_secret_at_the_start_the_server_is_up_and_recovers() {
    let mut service = AwsService::start("late", NOW).await;
    let mut health = HealthClient::new(service.channel.clone());
    let mut signing_serves = async || {
        let service = "amply.checkpoint.v1.SigningService".into();
        let answer = health.check(HealthCheckRequest { service }).await.unwrap();
        answer.into_inner().status() == ServingStatus::Serving
    };
    assert!(!signing_serves().await);
    let mut reason = String::new();
    wait::until("the first reading", async || {
        reason = refusal(service.sign(1).await.unwrap_err()).1;
        reason != "KEYS_NOT_YET_READ"
    })
    .await;
    assert_eq!(reason, "NO_SIGNING_KEY");
    create("late", &key_of(2025));
    // By itself, with the time.
    service
        .clock
        .set(service.clock.now() + TimeDelta::seconds(10));
    wait::until("the secret to be read", signing_serves).await;
    assert_eq!(service.key_of(1).await, "key-2025");
}

#[tokio::test]
async fn a_secret_that_does_not_answer_keeps_nobody_waiting() {
    create("slow", &key_of(2025));
    let proxy = AwsService::proxy().await;
    proxy.set(Mode::Silent);
    let clock = Clock::simulated(at(NOW));
    let mut service = AwsService::start_unread(proxy, "slow", clock, false).await;
    // Not what a client stops for: there may be a key in a moment.
    let told = refusal(service.sign(1).await.unwrap_err());
    assert_eq!(told, (Code::Unavailable, "KEYS_NOT_YET_READ".into()));
    let mut health = HealthClient::new(service.channel.clone());
    let signing = "amply.checkpoint.v1.SigningService".into();
    let answer = health.check(HealthCheckRequest { service: signing }).await;
    let status = answer.unwrap().into_inner().status();
    assert_eq!(status, ServingStatus::NotServing);
    service.proxy.set(Mode::Open);
    service.refresh().await.unwrap();
    assert_eq!(service.key_of(1).await, "key-2025");
}

#[tokio::test]
async fn an_idle_hour_costs_what_the_contract_says() {
    create("idle", &key_of(2025));
    let mut service = AwsService::start("idle", NOW).await;
    // Of 300 s, give or take the jitter of a tenth: in an hour, twelve readings of two calls.
    for _ in 0..12 {
        let (begun, before) = (service.clock.now(), service.proxy.asked().len());
        service.clock.set(begun + TimeDelta::seconds(269));
        for _ in 0..20 {
            service.status().await;
        }
        assert_eq!(service.proxy.asked().len(), before, "it is read too often");
        service.clock.set(begun + TimeDelta::seconds(331));
        let was_read = async || {
            let calls = service.status().await.api_calls;
            calls == Some(before as u64 + 2)
        };
        wait::until("the secret to be read again", was_read).await;
        // When it was read is noted when the answers are taken over.
        let read_at = Some(wire(service.clock.now()));
        let taken_over = async || service.status().await.last_success == read_at;
        wait::until("the answers to be taken over", taken_over).await;
    }
}

#[tokio::test]
async fn what_the_sdk_was_not_told_is_named_with_its_setting() {
    let operator = Operator::new().await;
    let said = async |without: &[&str], profile: &str| {
        let mut command = operator.command(&["rollover", "status", "--secret", "any"]);
        for variable in without {
            command.env_remove(variable);
        }
        command.env("AWS_PROFILE", profile);
        let output = wait::within("the command to end", command.output()).await;
        String::from_utf8(output.unwrap().stderr).unwrap()
    };
    let no_region = said(&["AWS_REGION"], "").await;
    assert!(no_region.contains("set AWS_REGION"), "{no_region}");
    let keys = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];
    let nobody = said(&keys, "nosuch").await;
    assert!(nobody.contains("no AWS credentials"), "{nobody}");
    assert!(nobody.contains("AWS_PROFILE is \"nosuch\""), "{nobody}");
    for said in [no_region, nobody] {
        assert!(!said.contains("again"), "it would be in vain: {said}");
    }
}
