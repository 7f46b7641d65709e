//! The alarms' filters against what CloudTrail and the service really write.

use serde_json::{Value, json};

use crate::actors::STAGING;
use crate::cloud::Cloud;
use crate::filter_pattern::fits;
use crate::program::{Serving, as_role, must};

/// The filters that a line fits, by the names of their metrics.
fn fitting(cloud: &mut Cloud, group: &str, line: &Value) -> Vec<String> {
    let filters = cloud.ask("logs.describe_metric_filters", json!({}));
    let filters = filters["metricFilters"].as_array().unwrap().iter();
    let filters = filters.filter(|filter| filter["logGroupName"] == group);
    let fitting = filters.filter(|filter| fits(filter["filterPattern"].as_str().unwrap(), line));
    let mut names: Vec<String> = fitting
        .map(|filter| {
            filter["metricTransformations"][0]["metricName"]
                .as_str()
                .unwrap()
                .into()
        })
        .collect();
    names.sort();
    names
}

/// An event as CloudTrail writes it (AWS, "Secrets Manager log file entries").
fn event(name: &str, secret: &str) -> Value {
    json!({
        "eventVersion": "1.08",
        "userIdentity": { "type": "AssumedRole", "arn": "arn:aws:sts::123456789012:assumed-role/key-ServiceRole/1" },
        "eventTime": "2026-12-01T08:00:00Z",
        "eventSource": "secretsmanager.amazonaws.com",
        "eventName": name,
        "awsRegion": "eu-central-1",
        "requestParameters": { "secretId": secret, "versionStage": "AWSCURRENT" },
        "responseElements": null,
    })
}

#[test]
fn reads_of_this_secret_are_counted_by_name_and_by_arn_and_no_others() {
    let mut cloud = Cloud::prod();
    let arn = cloud.secret_arn("amply/prod/checkpoint-signing-key");
    for (name, secret, expected) in [
        (
            "GetSecretValue",
            "amply/prod/checkpoint-signing-key",
            &["GetSecretValue"][..],
        ),
        ("GetSecretValue", arn.as_str(), &["GetSecretValue"]),
        (
            "GetSecretValue",
            "amply/staging/checkpoint-signing-key",
            &[],
        ),
        ("GetSecretValue", "amply/database-url", &[]),
        ("DescribeSecret", arn.as_str(), &[]),
    ] {
        assert_eq!(
            fitting(&mut cloud, "trail", &event(name, secret)),
            expected,
            "{name} {secret}"
        );
    }
    let mut denied = event("PutSecretValue", &arn);
    denied["errorCode"] = json!("AccessDenied");
    assert_eq!(fitting(&mut cloud, "trail", &denied), ["AccessDenied"]);
    denied["errorCode"] = json!("AccessDeniedException");
    assert_eq!(fitting(&mut cloud, "trail", &denied), ["AccessDenied"]);
}

#[test]
fn a_service_that_cannot_read_its_key_writes_what_the_alarm_looks_for() {
    let mut cloud = Cloud::staging();
    let folder = tempfile::tempdir().unwrap();
    let record = ["--record", "sqlite:record.sqlite"];
    must(&mut as_role(
        &cloud,
        "administrator",
        folder.path(),
        &[&["record", "init"], &record[..]].concat(),
    ));
    let listen = ["--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0"];
    let serve = [&["serve"], &STAGING[..], &record, &listen].concat();
    let mut service = Serving::start(&mut as_role(&cloud, "administrator", folder.path(), &serve));
    let log = service.end();
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let group = "/checkpoint-signer/staging";
    let found: Vec<String> = lines
        .iter()
        .flat_map(|line| fitting(&mut cloud, group, line))
        .collect();
    assert!(found.iter().any(|name| name == "NotRefreshed"), "{log}");
    assert!(found.iter().all(|name| name == "NotRefreshed"), "{found:?}");
}

#[test]
fn refusals_and_the_end_of_the_window_ring_the_alarm_of_their_kind() {
    let mut cloud = Cloud::staging();
    let refused = |reason: &str| json!({ "level": "WARN", "message": "a signature was refused", "reason": reason });
    for (line, expected) in [
        (refused("EQUIVOCATION"), &["SecondHistories"][..]),
        (refused("ROLLBACK"), &["SecondHistories"]),
        (refused("CLOCK_WENT_BACK"), &["SecondHistories"]),
        (refused("KEY_EXPIRED"), &["CannotSign"]),
        (refused("NO_SIGNING_KEY"), &["CannotSign"]),
        (refused("RECORD_STORE_UNAVAILABLE"), &["CannotSign"]),
        (refused("INVALID_CHECKPOINT"), &[]),
        (
            json!({ "message": "the signing window", "days_left": 12 }),
            &["DaysLeft"],
        ),
        (json!({ "message": "the signing window" }), &[]),
        (json!({ "message": "a key is revoked" }), &[]),
    ] {
        assert_eq!(
            fitting(&mut cloud, "/checkpoint-signer/staging", &line),
            expected,
            "{line}"
        );
    }
}

#[test]
fn every_alarm_tells_somebody_and_says_what_to_do() {
    let mut cloud = Cloud::prod();
    let topic = cloud.output("alarms", "TopicArn").unwrap();
    let alarms = cloud.ask("cloudwatch.describe_alarms", json!({}));
    let alarms = alarms["MetricAlarms"].as_array().unwrap();
    assert_eq!(alarms.len(), 9);
    for alarm in alarms {
        let name = alarm["AlarmName"].as_str().unwrap();
        assert!(name.starts_with("checkpoint-signer-prod-"), "{name}");
        assert_eq!(alarm["AlarmActions"], json!([topic]), "{name}");
        let description = alarm["AlarmDescription"].as_str().unwrap();
        assert!(description.contains(". "), "{name}: {description}");
    }
    let unusual = alarms
        .iter()
        .find(|a| a["AlarmName"] == "checkpoint-signer-prod-unusual-access")
        .unwrap();
    assert_eq!(unusual["Threshold"], 1000.0);
    assert_eq!(unusual["Period"], 300);
    assert_eq!(unusual["Statistic"], "Sum");
    assert_eq!(unusual["ComparisonOperator"], "GreaterThanThreshold");
    // Each metric that an alarm of ours looks at is made by a filter.
    let filters = cloud.ask("logs.describe_metric_filters", json!({}));
    let filters = filters["metricFilters"].as_array().unwrap();
    let made = |metric: &Value, space: &Value| {
        let made = filters
            .iter()
            .map(|filter| &filter["metricTransformations"][0]);
        made.clone()
            .any(|m| m["metricName"] == *metric && m["metricNamespace"] == *space)
    };
    for alarm in alarms
        .iter()
        .filter(|a| a["Namespace"] == "CheckpointSigner/prod")
    {
        assert!(made(&alarm["MetricName"], &alarm["Namespace"]), "{alarm}");
    }
}
