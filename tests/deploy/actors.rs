//! The program itself under the policies of the stacks: each role's calls go through a guard that holds them.

use chrono::{TimeDelta, Utc};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::cloud::{Cloud, path};
use crate::program::{Serving, as_role, must, run};

const SECRET: &str = "amply/staging/checkpoint-signing-key";

const STAGING: [&str; 2] = ["--environment", "staging"];

/// A day some days from now.
fn day(days: i64) -> String {
    (Utc::now() + TimeDelta::days(days))
        .format("%Y-%m-%d")
        .to_string()
}

/// The first key, as the operator makes it: in force since some days, and ending in some.
pub fn first_key(cloud: &Cloud, folder: &TempDir) {
    let (from, until) = (day(-300), day(20));
    let first = [
        "--key-id",
        "key-1",
        "--valid-from",
        &from,
        "--valid-until",
        &until,
        "--bits",
        "2048",
    ];
    let stage = [&["rollover", "stage"], &STAGING[..], &first].concat();
    must(&mut as_role(
        cloud,
        "key.OperatorRole",
        folder.path(),
        &stage,
    ));
}

/// The calls since the last time, as `caller action`, those that were denied with a mark.
fn calls(cloud: &mut Cloud) -> Vec<String> {
    let calls = cloud.ask("calls", json!({}));
    let calls = calls.as_array().unwrap().iter().map(|call| {
        let denied = if call[2] == true { "" } else { " denied" };
        format!(
            "{} {}{denied}",
            call[0].as_str().unwrap(),
            call[1].as_str().unwrap()
        )
    });
    let mut calls: Vec<String> = calls.collect();
    calls.sort();
    calls.dedup();
    calls
}

/// A service as a role, with a record in the folder.
pub fn serve(cloud: &Cloud, role: &str, folder: &TempDir) -> Serving {
    let record = ["--record", "sqlite:record.sqlite"];
    if !folder.path().join("record.sqlite").exists() {
        let init = [&["record", "init"], &record[..]].concat();
        must(&mut as_role(cloud, role, folder.path(), &init));
    }
    let listen = ["--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0"];
    let serve = [&["serve"], &STAGING[..], &record, &listen].concat();
    let serving = Serving::start(
        as_role(cloud, role, folder.path(), &serve).env("CHECKPOINT_SIGNER_LOG_LEVEL", "info"),
    );
    reads_its_keys(cloud, folder, &serving);
    serving
}

/// Waits until the first reading of the secret has ended, well or badly.
fn reads_its_keys(cloud: &Cloud, folder: &TempDir, serving: &Serving) {
    let signing = "amply.checkpoint.v1.SigningService";
    let health = ["health", "--service", signing, "--server", &serving.grpc];
    let begun = std::time::Instant::now();
    while run(&mut as_role(cloud, "nobody", folder.path(), &health))
        .text
        .contains("KEYS_NOT_YET_READ")
    {
        assert!(
            begun.elapsed() < std::time::Duration::from_secs(120),
            "waited in vain for the first reading of the secret"
        );
    }
}

#[test]
fn with_the_task_role_the_service_signs_and_asks_for_nothing_but_values() {
    let mut cloud = Cloud::with_stacks("staging");
    let folder = tempfile::tempdir().unwrap();
    first_key(&cloud, &folder);
    calls(&mut cloud);
    let service = serve(&cloud, "key.ServiceRole", &folder);
    let example = path("examples/checkpoint.json");
    let server = ["--server", service.grpc.as_str()];
    let ask = |arguments: &[&str]| {
        let all = [arguments, &server].concat();
        as_role(&cloud, "nobody", folder.path(), &all)
    };
    let signed = must(&mut ask(&["sign", example.to_str().unwrap()]));
    std::fs::write(folder.path().join("signed.json"), signed).unwrap();
    let verdict = must(&mut ask(&["verify", "signed.json"]));
    assert!(
        verdict.contains("VALID") && verdict.contains("key-1"),
        "{verdict}"
    );
    must(&mut ask(&[
        "health",
        "--service",
        "amply.checkpoint.v1.SigningService",
    ]));
    assert_eq!(calls(&mut cloud), ["key.ServiceRole GetSecretValue"]);
}

#[test]
fn with_any_other_role_the_service_has_no_key_and_says_why() {
    let mut cloud = Cloud::with_stacks("staging");
    let folder = tempfile::tempdir().unwrap();
    first_key(&cloud, &folder);
    calls(&mut cloud);
    for role in ["administrator", "service.ExecutionRole"] {
        let mut service = serve(&cloud, role, &folder);
        let arguments = [
            "health",
            "--service",
            "amply.checkpoint.v1.SigningService",
            "--server",
            &service.grpc,
        ];
        let health = run(&mut as_role(&cloud, "nobody", folder.path(), &arguments));
        assert_eq!(health.code, 1, "{}", health.text);
        let log = service.end();
        assert!(log.contains("AccessDenied"), "{log}");
        assert_eq!(calls(&mut cloud), [format!("{role} GetSecretValue denied")]);
    }
}

#[test]
fn with_the_operators_role_the_whole_year_goes_through() {
    let mut cloud = Cloud::with_stacks("staging");
    let folder = tempfile::tempdir().unwrap();
    first_key(&cloud, &folder);
    let step = |name: &'static str| {
        // No service runs that could be asked.
        let alone: &[&str] = if name == "stage" {
            &["--without-asking"]
        } else {
            &[]
        };
        [&["rollover", name], &STAGING[..], alone].concat()
    };
    for name in ["status", "stage", "test", "promote", "status"] {
        must(&mut as_role(
            &cloud,
            "key.OperatorRole",
            folder.path(),
            &step(name),
        ));
    }
    // The old key is in force, so that this one is refused: by the program, not by a policy.
    let ended = run(&mut as_role(
        &cloud,
        "key.OperatorRole",
        folder.path(),
        &step("retire"),
    ));
    assert_eq!(ended.code, 1, "{}", ended.text);
    assert!(ended.text.contains("is in force until"), "{}", ended.text);
    let operator = crate::permissions::OPERATOR.map(|call| format!("key.OperatorRole {call}"));
    assert_eq!(calls(&mut cloud), operator);
}

#[test]
fn with_the_service_role_or_the_pipelines_nothing_can_be_changed() {
    let mut cloud = Cloud::with_stacks("staging");
    let folder = tempfile::tempdir().unwrap();
    first_key(&cloud, &folder);
    let versions = |cloud: &mut Cloud| {
        let listed = json!({ "SecretId": SECRET });
        cloud.ask("secretsmanager.list_secret_version_ids", listed)["Versions"].clone()
    };
    let before = labels(&versions(&mut cloud));
    for role in [
        "key.ServiceRole",
        "key.PipelineRole",
        "service.ExecutionRole",
        "administrator",
    ] {
        let stage = [&["rollover", "stage"], &STAGING[..]].concat();
        let ended = run(&mut as_role(&cloud, role, folder.path(), &stage));
        assert_ne!(ended.code, 0, "{role}: {}", ended.text);
        assert!(
            ended.text.contains("AccessDenied"),
            "{role}: {}",
            ended.text
        );
    }
    assert_eq!(labels(&versions(&mut cloud)), before);
}

fn labels(versions: &Value) -> Vec<(Value, Value)> {
    let versions = versions.as_array().unwrap().iter();
    versions
        .map(|v| (v["VersionId"].clone(), v["VersionStages"].clone()))
        .collect()
}

#[test]
fn the_function_as_it_is_packed_rotates_the_key_with_its_own_role() {
    let mut cloud = Cloud::with_stacks("staging");
    let folder = tempfile::tempdir().unwrap();
    first_key(&cloud, &folder);
    calls(&mut cloud);
    let secret = cloud.secret_arn(SECRET);
    let token = "4e2b6c5a-0f0e-4a0c-9a44-5d0f6a1a7d11";
    cloud.ask(
        "begin_rotation",
        json!({ "secret": secret, "token": token }),
    );
    let function = crate::function::Function::start(&cloud, "key.RotationRole");
    for step in ["createSecret", "setSecret", "testSecret", "finishSecret"] {
        let event = json!({ "Step": step, "SecretId": secret, "ClientRequestToken": token });
        let (error, answer) = function.call(event);
        assert!(!error, "{step}: {answer}");
    }
    let current = json!({ "SecretId": secret, "VersionStage": "AWSCURRENT" });
    let current = cloud.ask("secretsmanager.get_secret_value", current);
    assert_eq!(current["VersionId"], token);
    let called = calls(&mut cloud);
    let operator = crate::permissions::OPERATOR.map(|call| format!("key.RotationRole {call}"));
    assert_eq!(called, operator);
    // Once more in the same December, under another token: it has nothing to do, and leaves nothing.
    let again = cloud.ask("attempt_rotation", json!({ "secret": secret }));
    for step in ["createSecret", "setSecret", "testSecret", "finishSecret"] {
        let event = json!({ "Step": step, "SecretId": secret, "ClientRequestToken": again });
        let (error, answer) = function.call(event);
        assert!(!error, "{step}: {answer}");
        let told = answer["done"][0].as_str().unwrap();
        assert!(told.contains("is AWSCURRENT already"), "{step}: {answer}");
    }
    assert_eq!(cloud.ask("end_rotation", json!({ "secret": secret })), true);
    let current = json!({ "SecretId": secret, "VersionStage": "AWSCURRENT" });
    let current = cloud.ask("secretsmanager.get_secret_value", current);
    assert_eq!(current["VersionId"], token);
}
