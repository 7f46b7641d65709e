//! The alarms' filters against what CloudTrail and the service really write.

use serde_json::{Value, json};

use crate::actors::{first_key, serve};
use crate::cloud::{Cloud, read};
use crate::filter_pattern::fits;
use crate::program::{as_role, run};

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
}

/// A call that was denied: CloudTrail leaves the parameters out, and the secret is named in the message alone.
fn denied(name: &str, code: &str, arn: &str) -> Value {
    let mut event = event(name, arn);
    let message = format!(
        "User: arn:aws:sts::123456789012:assumed-role/key-ServiceRole/1 is not authorized to perform: secretsmanager:{name} on \
         resource: {arn} because no identity-based policy allows the secretsmanager:{name} action"
    );
    event["errorCode"] = json!(code);
    event["errorMessage"] = json!(message);
    event["requestParameters"] = Value::Null;
    event
}

#[test]
fn whoever_is_refused_at_this_secret_rings_the_alarm() {
    let mut cloud = Cloud::prod();
    let arn = cloud.secret_arn("amply/prod/checkpoint-signing-key");
    let staging = arn.replace("/prod/", "/staging/");
    for (name, code, arn, rings) in [
        ("GetSecretValue", "AccessDenied", &arn, true),
        ("DescribeSecret", "AccessDeniedException", &arn, true),
        ("PutSecretValue", "AccessDenied", &staging, false),
        ("PutSecretValue", "ResourceNotFoundException", &arn, false),
    ] {
        let expected: &[&str] = if rings { &["AccessDenied"] } else { &[] };
        let event = denied(name, code, arn);
        assert_eq!(fitting(&mut cloud, "trail", &event), expected, "{event}");
    }
    // Where the parameters are there, they are enough.
    let mut known = event("PutSecretValue", &arn);
    known["errorCode"] = json!("AccessDenied");
    assert_eq!(fitting(&mut cloud, "trail", &known), ["AccessDenied"]);
}

#[test]
fn a_service_that_cannot_read_its_key_writes_what_the_alarms_look_for() {
    let mut cloud = Cloud::with_stacks("staging");
    let folder = tempfile::tempdir().unwrap();
    let mut service = serve(&cloud, "administrator", &folder);
    let log = service.end();
    let mut rung = Vec::new();
    for line in log.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        rung.extend(fitting(&mut cloud, "/checkpoint-signer/staging", &line));
    }
    // That nothing can be signed is an error like any other, where the service lives long enough to say it.
    rung.retain(|metric| metric != "Errors");
    rung.sort();
    rung.dedup();
    assert_eq!(rung, ["NotRefreshed", "RolloverOverdue"], "{log}");
}

#[test]
fn refusals_and_the_end_of_the_window_are_written_as_the_alarms_look_for_them() {
    let mut cloud = Cloud::with_stacks("staging");
    let folder = tempfile::tempdir().unwrap();
    // It ends in 20 days.
    first_key(&cloud, &folder);
    let mut service = serve(&cloud, "key.ServiceRole", &folder);
    let example: Value = serde_json::from_str(&read("examples/checkpoint.json")).unwrap();
    let mut second = example.clone();
    second["total_volume"] = json!(1);
    for (checkpoint, code) in [(&example, 0), (&second, 1)] {
        std::fs::write(
            folder.path().join("checkpoint.json"),
            checkpoint.to_string(),
        )
        .unwrap();
        let arguments = ["sign", "checkpoint.json", "--server", &service.grpc];
        let ended = run(&mut as_role(&cloud, "nobody", folder.path(), &arguments));
        assert_eq!(ended.code, code, "{}", ended.text);
    }
    let log = service.end();
    let mut rung = Vec::new();
    for line in log.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        rung.extend(fitting(&mut cloud, "/checkpoint-signer/staging", &line));
    }
    rung.sort();
    assert_eq!(rung, ["SecondHistories", "WindowEnding"], "{log}");
}

#[test]
fn each_line_rings_the_alarm_of_its_kind() {
    let mut cloud = Cloud::staging();
    let refused = |reason: &str| json!({ "level": "INFO", "message": "a checkpoint is not signed", "reason": reason });
    let ending = |days: u64| json!({ "level": "WARN", "message": "signing ends soon: ...", "within_days": days });
    let error = |message: &str| json!({ "level": "ERROR", "message": message });
    for (line, expected) in [
        (refused("EQUIVOCATION"), &["SecondHistories"][..]),
        (refused("ROLLBACK"), &["SecondHistories"]),
        (refused("CLOCK_WENT_BACK"), &["SecondHistories"]),
        (refused("CLOCK_AHEAD"), &["SecondHistories"]),
        (refused("KEY_EXPIRED"), &["CannotSign"]),
        (refused("NO_SIGNING_KEY"), &["CannotSign"]),
        (refused("RECORD_STORE_UNAVAILABLE"), &["CannotSign"]),
        (refused("INVALID_CHECKPOINT"), &[]),
        (ending(60), &[]),
        (ending(30), &["WindowEnding"]),
        (ending(7), &["RolloverOverdue", "WindowEnding"]),
        (error("no key can sign; promote one"), &["RolloverOverdue"]),
        (error("the keys were not refreshed"), &["NotRefreshed"]),
        (error("the record went back"), &["Errors"]),
        (
            json!({ "level": "WARN", "message": "a key is revoked" }),
            &[],
        ),
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
    assert_eq!(alarms.len(), 10);
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
