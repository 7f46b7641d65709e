//! The stacks of alarms: made too early and then again, changed in every parameter, deleted and made again.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::cloud::{Cloud, alarm_parameters, read, trail_parameters};

/// What stands in the account of alarms, filters and subscriptions, by name.
fn standing(cloud: &mut Cloud) -> BTreeMap<String, Value> {
    let mut standing = BTreeMap::new();
    let alarms = cloud.ask("cloudwatch.describe_alarms", json!({}));
    for alarm in alarms["MetricAlarms"].as_array().unwrap() {
        let members = [
            "Namespace",
            "MetricName",
            "Dimensions",
            "Statistic",
            "Period",
            "EvaluationPeriods",
            "DatapointsToAlarm",
            "Threshold",
        ];
        let name = alarm["AlarmName"]
            .as_str()
            .unwrap()
            .rsplit("staging-")
            .next()
            .unwrap();
        standing.insert(
            name.to_owned(),
            members
                .iter()
                .map(|member| alarm[*member].clone())
                .collect(),
        );
    }
    let filters = cloud.ask("logs.describe_metric_filters", json!({}));
    for filter in filters["metricFilters"].as_array().unwrap() {
        // Two may make one metric.
        let metric = filter["metricTransformations"][0]["metricName"]
            .as_str()
            .unwrap();
        let entry = standing
            .entry(format!("filter {metric}"))
            .or_insert_with(|| json!([]));
        let filter = json!([filter["logGroupName"], filter["filterPattern"]]);
        entry.as_array_mut().unwrap().push(filter);
    }
    for filters in standing.values_mut().filter(|value| value[0].is_array()) {
        filters
            .as_array_mut()
            .unwrap()
            .sort_by_key(Value::to_string);
    }
    let subscriptions = cloud.ask("sns.list_subscriptions", json!({}));
    for one in subscriptions["Subscriptions"].as_array().unwrap() {
        standing.insert(
            format!("to {}", one["Protocol"].as_str().unwrap()),
            one["Endpoint"].clone(),
        );
    }
    standing
}

/// The names of what differs.
fn differing(
    before: &BTreeMap<String, Value>,
    after: &BTreeMap<String, Value>,
) -> BTreeSet<String> {
    let names = before.keys().chain(after.keys());
    names
        .filter(|name| before.get(*name) != after.get(*name))
        .cloned()
        .collect()
}

/// The parameters that a template takes.
fn parameters(template: &str) -> BTreeSet<String> {
    let text = read(template);
    let section = text.split("\nParameters:\n").nth(1).unwrap();
    let section = section
        .split("\nMappings:\n")
        .next()
        .unwrap()
        .split("\nConditions:\n")
        .next()
        .unwrap();
    let names = section
        .lines()
        .filter_map(|line| line.strip_prefix("  ")?.strip_suffix(':'));
    names
        .filter(|name| !name.starts_with(' '))
        .map(Into::into)
        .collect()
}

#[test]
fn each_parameter_changes_what_it_says_and_nothing_else() {
    let mut cloud = Cloud::with_stacks("staging");
    cloud.ask(
        "logs.create_log_group",
        json!({ "logGroupName": "other-trail" }),
    );
    let all_of_the_trail = "filter AccessChanges, filter AccessDenied, filter FunctionChanges, filter GetSecretValueCount, filter KeyDeletions, \
        filter ReadsByOthers, filter RoleChanges, filter SecretReadsByOthers, filter SecretWrites, filter TaskChanges, filter WatchChanges";
    let alarms = [
        ("Email", "other@example.org", "to email"),
        ("PagerUrl", "https://pager.example.org/1", "to https"),
        ("Replicas", "3", "replica-missing"),
        ("WarnDays", "60", "filter WindowEnding"),
        ("OverdueDays", "3", "filter RolloverOverdue"),
    ];
    let trail = [
        ("TrailLogGroup", "other-trail", all_of_the_trail),
        ("UnusualCalls", "500", "unusual-access"),
        ("UsualReadsByOthers", "4", "key-read-by-others"),
    ];
    for (stack, mut given, changes) in [
        ("alarms", alarm_parameters("staging"), &alarms[..]),
        ("trail", trail_parameters("staging"), &trail),
    ] {
        // An environment is another stack.
        let changed: BTreeSet<String> = changes
            .iter()
            .map(|(name, ..)| (*name).to_owned())
            .chain(["Environment".into()])
            .collect();
        assert_eq!(changed, parameters(&format!("deploy/{stack}.yaml")));
        for (name, value, expected) in changes {
            let before = standing(&mut cloud);
            given[name] = json!(value);
            cloud.update(stack, &given);
            let differing: Vec<String> = differing(&before, &standing(&mut cloud))
                .into_iter()
                .collect();
            assert_eq!(differing.join(", "), *expected, "{stack}: {name}");
        }
    }
}

#[test]
fn a_stack_that_is_made_too_early_says_what_is_missing_and_is_made_afterwards() {
    let mut cloud = Cloud::start();
    cloud.prepare();
    let key = cloud.key_parameters("staging");
    cloud.make("key", &key);
    let service = cloud.service_parameters("staging");
    cloud.make("service", &service);
    // It lacks the topic, which the stack of the alarms exports.
    assert!(cloud.fails_to_make("trail", "trail", &trail_parameters("staging")));
    cloud.delete("trail");
    assert_eq!(standing(&mut cloud), BTreeMap::new());
    cloud.make("alarms", &alarm_parameters("staging"));
    cloud.make("trail", &trail_parameters("staging"));
}

#[test]
fn a_creation_that_fails_leaves_nothing_behind_since_nothing_is_retained() {
    // CloudFormation rolls back what it made; moto does not.
    for template in ["deploy/alarms.yaml", "deploy/trail.yaml"] {
        let text = read(template);
        for word in ["DeletionPolicy", "UpdateReplacePolicy"] {
            assert!(!text.contains(word), "{template}: {word}");
        }
    }
}

#[test]
fn stacks_of_alarms_are_deleted_whole_and_made_again_as_they_were() {
    let mut cloud = Cloud::with_stacks("staging");
    let before = standing(&mut cloud);
    assert!(before.len() > 30, "{before:?}");
    cloud.delete("trail");
    cloud.delete("alarms");
    assert_eq!(standing(&mut cloud), BTreeMap::new());
    cloud.make("alarms", &alarm_parameters("staging"));
    cloud.make("trail", &trail_parameters("staging"));
    assert_eq!(differing(&before, &standing(&mut cloud)), BTreeSet::new());
}
