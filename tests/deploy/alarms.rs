//! The alarms' filters against what the service really writes, and what every alarm has in common.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::actors::{first_key, serve};
use crate::cloud::{Cloud, read};
use crate::filter_pattern::fits;
use crate::program::{as_role, run};

/// The metrics of the filters that a line fits.
pub fn fitting(cloud: &mut Cloud, group: &str, line: &Value) -> Vec<String> {
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
    names.dedup();
    names
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
    let certificate = |days: u64| json!({ "level": "WARN", "message": "a certificate ends soon: ...", "within_days": days });
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
        (certificate(30), &["CertificatesEnding"]),
        (
            certificate(7),
            &["CertificatesEnding", "CertificatesOverdue"],
        ),
        (
            error("a certificate has ended: ..."),
            &["CertificatesEnding", "CertificatesOverdue"],
        ),
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

/// All alarms of production.
fn alarms(cloud: &mut Cloud) -> Vec<Value> {
    let found = cloud.ask("cloudwatch.describe_alarms", json!({}));
    found["MetricAlarms"].as_array().unwrap().clone()
}

/// An alarm's name without what all of them begin with.
fn name(alarm: &Value) -> &str {
    let name = alarm["AlarmName"].as_str().unwrap();
    name.strip_prefix("checkpoint-signer-prod-").unwrap()
}

/// What GitHub makes of a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.to_lowercase();
    let kept = kept
        .chars()
        .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.collect::<String>().trim().replace(' ', "-")
}

#[test]
fn every_alarm_tells_somebody_what_it_means_what_to_do_first_and_where_more_is() {
    let mut cloud = Cloud::prod();
    let topic = cloud.output("alarms", "TopicArn").unwrap();
    for alarm in alarms(&mut cloud) {
        let name = name(&alarm);
        assert_eq!(alarm["AlarmActions"], json!([topic]), "{name}");
        let description = alarm["AlarmDescription"].as_str().unwrap();
        assert!(
            description.len() <= 1024,
            "{name}: {} bytes",
            description.len()
        );
        assert!(description.contains(" First"), "{name}: {description}");
        let link = description.rsplit(' ').next().unwrap();
        let (page, place) = link
            .split_once('#')
            .unwrap_or_else(|| panic!("{name}: {link}"));
        let page = read(page);
        let mut headings = page.lines().filter(|line| line.starts_with('#'));
        assert!(
            headings.any(|line| anchor(line.trim_start_matches('#').trim()) == place),
            "{name}: {link}"
        );
    }
}

/// Those of a state, which say when it is over. All others are of events.
const STATES: [&str; 4] = [
    "key-not-read",
    "keys-not-refreshed",
    "no-replica",
    "replica-missing",
];

#[test]
fn an_alarm_of_an_event_stays_for_a_day_and_never_says_that_all_is_well() {
    let mut cloud = Cloud::prod();
    let topic = cloud.output("alarms", "TopicArn").unwrap();
    let mut states = Vec::new();
    for alarm in alarms(&mut cloud) {
        let number = |member: &str| alarm[member].as_u64().unwrap();
        let [period, periods, needed] =
            ["Period", "EvaluationPeriods", "DatapointsToAlarm"].map(number);
        // AWS, `PutMetricAlarm`: a day is the most.
        assert!(period * periods <= 86_400, "{alarm}");
        if alarm["OKActions"] == json!([topic]) {
            states.push(name(&alarm).to_owned());
            assert_eq!(needed, periods, "{alarm}");
        } else {
            assert_eq!(alarm["OKActions"], json!([]), "{alarm}");
            assert_eq!(period * periods, 86_400, "{alarm}");
            assert!(needed <= 2, "{alarm}");
            assert_eq!(alarm["TreatMissingData"], "notBreaching", "{alarm}");
        }
    }
    states.sort();
    assert_eq!(states, STATES);
}

#[test]
fn the_unusual_access_alarm_is_as_it_was_asked_for() {
    let mut cloud = Cloud::prod();
    let alarms = alarms(&mut cloud);
    let unusual = alarms
        .iter()
        .find(|alarm| name(alarm) == "unusual-access")
        .unwrap();
    let is = [
        "MetricName",
        "Threshold",
        "Period",
        "Statistic",
        "ComparisonOperator",
        "DatapointsToAlarm",
    ]
    .map(|member| unusual[member].clone());
    let wanted = [
        json!("GetSecretValueCount"),
        json!(1000.0),
        json!(300),
        json!("Sum"),
        json!("GreaterThanThreshold"),
        json!(1),
    ];
    assert_eq!(is, wanted);
}

#[test]
fn one_refusal_that_lasts_longer_than_a_client_tries_rings_be_there_one_ledger_or_thousands() {
    let mut cloud = Cloud::prod();
    let alarms = alarms(&mut cloud);
    let alarm = alarms
        .iter()
        .find(|alarm| name(alarm) == "cannot-sign")
        .unwrap();
    assert_eq!(
        (
            &alarm["Threshold"],
            &alarm["Period"],
            &alarm["DatapointsToAlarm"]
        ),
        (&json!(0.0), &json!(60), &json!(2))
    );
    // The client's patience is what makes a refusal last into a second minute.
    let retry = read("clients/python/src/amply_checkpoint_signer/_retry.py");
    assert!(
        retry.contains("deadline: float = 60.0"),
        "the alarm counts on clients that try for a minute"
    );
}

#[test]
fn each_metric_that_an_alarm_looks_at_is_made_by_a_filter_and_each_that_is_made_is_looked_at() {
    let mut cloud = Cloud::prod();
    let pair = |metric: &Value, space: &Value| {
        [metric, space].map(|text| text.as_str().unwrap().to_owned())
    };
    let filters = cloud.ask("logs.describe_metric_filters", json!({}));
    let filters = filters["metricFilters"].as_array().unwrap().iter();
    let made = filters.map(|filter| &filter["metricTransformations"][0]);
    let made: BTreeSet<[String; 2]> = made
        .map(|m| pair(&m["metricName"], &m["metricNamespace"]))
        .collect();
    let alarms = alarms(&mut cloud);
    let ours = alarms
        .iter()
        .filter(|alarm| alarm["Namespace"] == "CheckpointSigner/prod");
    let looked: BTreeSet<[String; 2]> = ours
        .map(|alarm| pair(&alarm["MetricName"], &alarm["Namespace"]))
        .collect();
    assert_eq!(looked, made);
}

#[test]
fn the_table_of_the_readme_has_every_alarm_in_its_order() {
    let readme = read("deploy/README.md");
    let listed = readme
        .split("| alarm | rings when | from |")
        .nth(1)
        .unwrap();
    let rows = listed
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with("| `"));
    let listed: Vec<&str> = rows.map(|row| row.split('`').nth(1).unwrap()).collect();
    let made = |template: &str| {
        let text = read(template);
        let names = text
            .split("AlarmName: !Sub checkpoint-signer-${Environment}-")
            .skip(1);
        names
            .map(|rest| rest.lines().next().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        listed,
        [made("deploy/alarms.yaml"), made("deploy/trail.yaml")].concat()
    );
}
