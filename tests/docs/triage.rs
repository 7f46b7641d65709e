//! Whatever rings one of the alarms of CloudTrail is fetched by the triage, and shown by it.

use std::process::Command;

use serde_json::{Value, json};

use crate::incidents::words_looked_for;
use crate::page::Page;
use crate::trail::{call_by, denied};

const THIEF: &str = "arn:aws:iam::123456789012:role/eve";
const KEY: &str = "arn:aws:kms:eu-central-1:123456789012:key/2ac5b7a8";
const SECRET: &str = "amply/prod/checkpoint-signing-key";
const TOPIC: &str = "arn:aws:sns:eu-central-1:123456789012:checkpoint-signer-prod";
const OF_LOG: &str = "arn:aws:logs:eu-central-1:123456789012:log-group:/checkpoint-signer/prod";

fn secret(name: &str) -> Value {
    call_by(THIEF, "secretsmanager", name, json!({ "secretId": SECRET }))
}

fn kms(name: &str) -> Value {
    let mut event = call_by(THIEF, "kms", name, json!({ "keyId": KEY }));
    event["resources"] = json!([{ "type": "AWS::KMS::Key", "ARN": KEY }]);
    event
}

fn logs(name: &str, group: &str) -> Value {
    call_by(THIEF, "logs", name, json!({ "logGroupName": group }))
}

fn identified(name: &str, group: &str) -> Value {
    call_by(THIEF, "logs", name, json!({ "logGroupIdentifier": group }))
}

fn trail(name: &str) -> Value {
    call_by(THIEF, "cloudtrail", name, json!({ "name": "trail" }))
}

/// One of each event that a filter of `deploy/trail.yaml` names, and of each service that it asks about.
fn ringing() -> Vec<Value> {
    let call = |service: &str, name: &str, parameters| call_by(THIEF, service, name, parameters);
    let role = json!({ "roleName": "checkpoint-signer-operator-prod-eu-central-1" });
    let function = json!({ "functionName": "checkpoint-signer-rotation-prod" });
    let cluster = json!({ "cluster": "checkpoint-signer-prod" });
    let alarm = "checkpoint-signer-prod-access-denied";
    let list = json!({ "alarmNames": [alarm] });
    let by_role = "checkpoint-signer-service-prod-eu-central-1";
    let mut resource = logs("AssociateKmsKey", "");
    resource["requestParameters"] = json!({ "resourceIdentifier": format!("{OF_LOG}:*") });
    let secrets = [
        "GetSecretValue",
        "PutSecretValue",
        "UpdateSecret",
        "UpdateSecretVersionStage",
        "PutResourcePolicy",
        "DeleteResourcePolicy",
        "ReplicateSecretToRegions",
        "RotateSecret",
        "CancelRotateSecret",
        "DeleteSecret",
    ];
    let keys = [
        "PutKeyPolicy",
        "CreateGrant",
        "DisableKey",
        "ScheduleKeyDeletion",
    ];
    let trails = [
        "StopLogging",
        "DeleteTrail",
        "UpdateTrail",
        "PutEventSelectors",
        "PutInsightSelectors",
    ];
    let groups = [
        "DeleteMetricFilter",
        "PutMetricFilter",
        "DeleteSubscriptionFilter",
        "PutSubscriptionFilter",
        "DeleteLogGroup",
        "DeleteLogStream",
        "PutRetentionPolicy",
        "DeleteRetentionPolicy",
        "AssociateKmsKey",
        "DisassociateKmsKey",
    ];
    let mut events = vec![
        denied(secret("GetSecretValue"), &format!("resource: {SECRET}")),
        denied(kms("Decrypt"), &format!("resource: {KEY} because")),
        denied(trail("StopLogging"), "resource: trail"),
        call("lambda", "UpdateFunctionCode20150331v2", function),
        call("lambda", "UpdateCodeSigningConfig", json!({})),
        call(
            "ecs",
            "RegisterTaskDefinition",
            json!({ "family": "x", "taskRoleArn": by_role }),
        ),
        call(
            "ecs",
            "RunTask",
            json!({ "taskDefinition": "checkpoint-signer-prod:3" }),
        ),
        call("ecs", "UpdateService", cluster.clone()),
        call("ecs", "CreateService", cluster.clone()),
        call("ecs", "ExecuteCommand", cluster),
        call("iam", "PutRolePolicy", role),
        call(
            "monitoring",
            "PutMetricAlarm",
            json!({ "alarmName": alarm }),
        ),
        call("monitoring", "DeleteAlarms", list.clone()),
        call("monitoring", "DisableAlarmActions", list),
        call("sns", "DeleteTopic", json!({ "topicArn": TOPIC })),
        call(
            "sns",
            "Unsubscribe",
            json!({ "subscriptionArn": format!("{TOPIC}:1234") }),
        ),
        call("logs", "PutAccountPolicy", json!({ "policyName": "mask" })),
        identified("PutDataProtectionPolicy", "cloudtrail"),
        identified("PutTransformer", OF_LOG),
        resource,
    ];
    events.extend(secrets.map(secret));
    events.extend(keys.map(kms));
    events.extend(trails.map(trail));
    events.extend(groups.map(|name| logs(name, "cloudtrail")));
    events.extend(groups.map(|name| logs(name, "/checkpoint-signer/prod")));
    events
}

/// What changes nothing here.
fn silent() -> Vec<Value> {
    let mut stream = logs("CreateLogStream", "/checkpoint-signer/prod");
    stream["readOnly"] = json!(false);
    vec![
        stream,
        logs("DeleteLogGroup", "web"),
        logs("PutRetentionPolicy", "cloudtrail-of-others"),
        identified("PutTransformer", "web"),
        call_by(THIEF, "sns", "DeleteTopic", json!({ "topicArn": "web" })),
    ]
}

/// What the first block of the section keeps of these events, as the program `jq` does it.
fn kept(events: &[Value]) -> Vec<Value> {
    let page = Page::read("incidents.md");
    let mut blocks = page.sections.iter().flat_map(|section| &section.commands);
    let block = blocks
        .find(|block| block.text.contains("def rings"))
        .unwrap();
    let (_, filter) = block.text.split_once("\njq --arg environment").unwrap();
    let (filter, _) = filter.split_once(" > trail.json").unwrap();
    let desk = tempfile::tempdir().unwrap();
    let day = events
        .iter()
        .map(|event| json!({ "message": event.to_string() }));
    let day = json!({ "events": day.collect::<Vec<_>>() });
    std::fs::write(desk.path().join("day.json"), day.to_string()).unwrap();
    let script = format!(
        "CHECKPOINT_SIGNER_ENVIRONMENT=prod AWS_REGION=eu-central-1 kms_key={KEY} TRAIL_LOG_GROUP=cloudtrail \
         LOG_GROUP=/checkpoint-signer/prod\njq --arg environment{filter}"
    );
    let mut shell = Command::new("bash");
    let output = shell.args(["-c", &script]).current_dir(desk.path());
    let output = output.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn name(event: &Value) -> String {
    event["eventName"].as_str().unwrap().to_owned()
}

#[test]
fn whatever_rings_is_fetched_and_shown_and_nothing_else_of_the_logs() {
    let events = ringing();
    let words = words_looked_for(KEY);
    for event in &events {
        let text = event.to_string();
        assert!(words.iter().any(|word| text.contains(word)), "{text}");
    }
    let shown = kept(&[&events[..], &silent()].concat());
    let names = |events: &[Value]| events.iter().map(name).collect::<Vec<_>>();
    assert_eq!(names(&shown), names(&events));
}

#[test]
fn each_event_that_a_filter_names_is_among_them() {
    let template = crate::cloud::read("deploy/trail.yaml");
    let named = template.split("$.eventName = \"").skip(1);
    let named: Vec<&str> = named.filter_map(|rest| rest.split('"').next()).collect();
    assert!(named.len() > 20, "{named:?}");
    let events = ringing();
    for pattern in named {
        let part = pattern.trim_matches('*');
        let is_there = events.iter().any(|event| name(event).contains(part));
        assert!(is_there, "{pattern}");
    }
}
