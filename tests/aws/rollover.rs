//! The operator's year: the command line against moto, with running services.

use std::path::Path;

use checkpoint::key::instant_text;
use checkpoint::keyring::Revocation;
use checkpoint_signer::clock::Clock;
use checkpoint_signer::record::sqlite::SqliteRecord;
use checkpoint_signer::record::{Record as _, RevocationOutcome};
use chrono::{TimeDelta, Utc};
use serde_json::{Value, json};

use crate::aws::{AwsService, Operator, boto3, create, rotate, stage};
use crate::leaks::leaks_when_the_next_is_promoted;
use crate::proxy::Mode;
use crate::status::arguments;
use crate::support::{key_with, refusal};

pub const OLD: &str = "amply-checkpoint-key-2025";
pub const NEW: &str = "amply-checkpoint-key-2026";

/// A key whose window is so many days from now; the same one for all tests of a process.
pub fn key(key_id: &str, from: i64, until: i64) -> String {
    // Whole days: the same window in all tests, whenever they start.
    let today = Utc::now().date_naive().and_time(chrono::NaiveTime::MIN);
    let day = |days| instant_text((today + TimeDelta::days(days)).and_utc());
    key_with(key_id, &day(from), &day(until), 0)
}

/// A secret with the key in force, which ends in 30 days.
pub fn secret(name: &str) -> String {
    create(name, &key(OLD, -335, 30));
    name.into()
}

/// The labels of each version: its key, its labels, in the order of the names.
pub fn labels(secret: &str) -> Vec<(String, Vec<String>)> {
    let listed = boto3("list_secret_version_ids", json!({ "SecretId": secret }));
    let mut found = Vec::new();
    for version in listed["Versions"].as_array().unwrap() {
        let id = json!({ "SecretId": secret, "VersionId": version["VersionId"] });
        let text = boto3("get_secret_value", id)["SecretString"].clone();
        let document: Value = serde_json::from_str(text.as_str().unwrap()).unwrap();
        let mut stages: Vec<String> =
            serde_json::from_value(version["VersionStages"].clone()).unwrap();
        stages.sort();
        found.push((document["key_id"].as_str().unwrap().to_owned(), stages));
    }
    found.sort();
    found
}

pub fn is(key_id: &str, stages: &[&str]) -> (String, Vec<String>) {
    let stages = stages.iter().map(|stage| (*stage).to_owned());
    (key_id.into(), stages.collect())
}

pub async fn service(secret: &str) -> AwsService {
    let proxy = AwsService::proxy().await;
    AwsService::start_at(proxy, secret, Clock::simulated(Utc::now()), false).await
}

/// A step of the rollover of this secret, with a small key, so that the tests are fast.
pub fn step<'a>(step: &'a str, secret: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = vec!["rollover", step, "--secret", secret];
    if step == "stage" {
        arguments.extend(["--bits", "2048"]);
        if !more.contains(&"--server") {
            arguments.push("--without-asking");
        }
    }
    arguments.extend(more);
    arguments
}

#[tokio::test]
async fn a_rollover_by_the_book() {
    let (secret, operator) = (secret("book"), Operator::new().await);
    let mut service = service(&secret).await;
    let url = service.url.clone();
    let server = ["--server", url.as_str()];
    let shown = operator.must(&step("status", &secret, &server)).await;
    assert!(
        shown.contains("29 days left") && shown.contains("<- signs now"),
        "{shown}"
    );
    assert!(shown.contains("WARNING: signing ends in"), "{shown}");
    assert!(
        shown.contains("checkpoint-signer rollover stage"),
        "{shown}"
    );

    let dry = [&server[..], &["--dry-run"]].concat();
    let shown = operator.must(&step("stage", &secret, &dry)).await;
    assert!(shown.contains("would call PutSecretValue"), "{shown}");
    assert_eq!(labels(&secret), [is(OLD, &["AWSCURRENT"])]);

    let mut printed = operator.must(&step("stage", &secret, &server)).await;
    assert!(
        printed.contains(&format!("checkpoint-signer rollover test {NEW}")),
        "{printed}"
    );
    let staged = [is(OLD, &["AWSCURRENT"]), is(NEW, &["AWSPENDING"])];
    assert_eq!(labels(&secret), staged);
    let again = operator.must(&step("stage", &secret, &server)).await;
    assert!(again.contains("is staged already"), "{again}");
    assert_eq!(labels(&secret), staged, "no second key");
    service.refresh().await.unwrap();
    assert_eq!(service.key_ids().await, [OLD], "not trusted yet");

    let shown = operator.must(&step("test", &secret, &server)).await;
    assert!(
        shown.contains("rsa") && shown.contains(&format!("by {OLD}, right")),
        "{shown}"
    );
    let shown = operator.must(&step("promote", &secret, &dry)).await;
    assert_eq!(shown.matches("would call").count(), 2, "{shown}");
    assert_eq!(labels(&secret), staged);
    let named = [&[NEW], &server[..]].concat();
    let shown = operator.must(&step("promote", &secret, &named)).await;
    assert!(
        shown.contains(&format!("lists {NEW} as SCHEDULED")),
        "{shown}"
    );
    let events = shown
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    let audited: Vec<serde_json::Value> = events
        .filter(|event: &serde_json::Value| event["logger"] == "audit")
        .collect();
    assert_eq!(audited.len(), 2, "{shown}");
    for event in &audited {
        assert_eq!(event["act"], "rollover", "{event}");
        assert_eq!(event["key_id"], NEW, "{event}");
        // There is no user in this environment.
        let who = event["who"].as_str().unwrap();
        assert!(who.contains("uid "), "{event}");
    }
    let promoted = [is(OLD, &["AWSPREVIOUS"]), is(NEW, &["AWSCURRENT"])];
    assert_eq!(labels(&secret), promoted);
    printed += &operator.must(&step("promote", &secret, &named)).await;
    assert_eq!(labels(&secret), promoted);

    // Not again before its time, and the old key not away before its own.
    let shown = operator.refused(&step("stage", &secret, &[])).await;
    assert!(shown.contains("promoted already"), "{shown}");
    let shown = operator.refused(&step("retire", &secret, &server)).await;
    assert!(shown.contains("is in force until"), "{shown}");
    assert_eq!(labels(&secret), promoted);

    assert_eq!(service.key_of(1).await, OLD, "until the window opens");
    service.clock.set(Utc::now() + TimeDelta::days(31));
    assert_eq!(service.key_of(2).await, NEW, "without a restart");
    let shown = operator.must(&step("status", &secret, &server)).await;
    printed += &shown;
    assert!(
        shown.contains(&format!("signs with {NEW}")) && shown.contains("scheduled"),
        "{shown}"
    );
    assert!(!printed.contains("PRIVATE"), "{printed}");
    assert_eq!(operator.left_behind(), [""; 0]);
}

#[tokio::test]
async fn an_old_key_is_retired_once_its_window_has_ended() {
    let operator = Operator::new().await;
    create("retire", &key(OLD, -400, -35));
    rotate("retire", &key(NEW, -35, 330));
    let mut service = service("retire").await;
    let url = service.url.clone();
    let server = ["--server", url.as_str()];
    let shown = operator.must(&step("status", "retire", &server)).await;
    assert!(
        shown.contains(&format!("checkpoint-signer rollover retire {OLD}")),
        "{shown}"
    );
    let other = operator.refused(&step("retire", "retire", &[NEW])).await;
    assert!(other.contains("was named"), "{other}");
    operator.must(&step("retire", "retire", &server)).await;
    assert_eq!(labels("retire"), [is(OLD, &[]), is(NEW, &["AWSCURRENT"])]);
    let again = operator.must(&step("retire", "retire", &server)).await;
    assert!(again.contains("nothing to retire"), "{again}");
    service.refresh().await.unwrap();
    assert_eq!(service.key_ids().await, [NEW, OLD], "the public half stays");
}

#[tokio::test]
async fn what_is_given_up_is_not_trusted_and_its_name_does_not_come_again() {
    let (secret, operator) = (secret("abort"), Operator::new().await);
    let service = service(&secret).await;
    let shown = operator.must(&step("abort", &secret, &[])).await;
    assert!(shown.contains("nothing is staged"), "{shown}");
    operator.must(&step("stage", &secret, &[])).await;
    let dry = operator.must(&step("abort", &secret, &["--dry-run"])).await;
    assert!(dry.contains("would call"), "{dry}");
    operator.must(&step("abort", &secret, &[NEW])).await;
    assert_eq!(labels(&secret), [is(OLD, &["AWSCURRENT"]), is(NEW, &[])]);
    let server = ["--server", service.url.as_str()];
    let named = [&server[..], &["--key-id", NEW]].concat();
    let shown = operator.refused(&step("stage", &secret, &named)).await;
    assert!(shown.contains("given up"), "{shown}");
    let dry = [&server[..], &["--dry-run"]].concat();
    let dry = operator.must(&step("stage", &secret, &dry)).await;
    let again = dry.lines().last().unwrap();
    assert!(
        again.contains("checkpoint-signer rollover stage ") && !again.contains("--dry-run"),
        "{dry}"
    );
    operator.must(&step("stage", &secret, &server)).await;
    let other = format!("{NEW}b");
    let staged = [
        is(OLD, &["AWSCURRENT"]),
        is(NEW, &[]),
        is(&other, &["AWSPENDING"]),
    ];
    assert_eq!(labels(&secret), staged);
    operator.must(&step("test", &secret, &server)).await;
}

#[tokio::test]
async fn a_staged_key_that_is_not_right_is_not_promoted() {
    let operator = Operator::new().await;
    let used = key(OLD, -335, 30);
    let renamed = used.replace(OLD, NEW);
    let cases = [
        ("gap", key(NEW, 40, 400), "no gap"),
        ("past", key(NEW, -700, -400), "has passed"),
        ("early", key(NEW, -340, 25), "would go on signing"),
        ("short", key(NEW, -1, 20), "ends before"),
        (
            "name",
            key(OLD, 30, 395),
            "has another public key and the window",
        ),
        ("same", renamed, "has the same public key under the name"),
        ("unendorsed", key(NEW, 30, 395), "has none by"),
        ("garbage", "{}".into(), "private_key"),
    ];
    for (name, staged, problem) in cases {
        let secret = secret(&format!("wrong-{name}"));
        stage(&secret, &staged);
        let shown = operator.refused(&step("test", &secret, &[])).await;
        assert!(
            shown.contains("WRONG") && shown.contains(problem),
            "{name}: {shown}"
        );
        let shown = operator.refused(&step("promote", &secret, &[])).await;
        assert!(
            shown.contains("must not be promoted") && shown.contains(problem),
            "{name}: {shown}"
        );
        let current = boto3(
            "get_secret_value",
            json!({ "SecretId": secret, "VersionStage": "AWSCURRENT" }),
        );
        assert_eq!(current["SecretString"], used.as_str(), "{name}");
    }
}

#[tokio::test]
async fn a_key_that_is_still_needed_does_not_lose_its_label() {
    // The old key signs as AWSPREVIOUS until the new one opens; a third one would take that label.
    let operator = Operator::new().await;
    create("third", &key(OLD, -335, 30));
    rotate("third", &key(NEW, 30, 395));
    stage("third", &key("amply-checkpoint-key-2027", 20, 800));
    let alone = ["--without-endorsement"];
    let shown = operator.refused(&step("test", "third", &alone)).await;
    assert!(
        shown.contains("would take the label from it") && shown.contains("next: nothing, until "),
        "{shown}"
    );
    // Once the new one is in force, the old one is not needed.
    create("third-later", &key(OLD, -335, 30));
    rotate("third-later", &key(NEW, -1, 395));
    stage("third-later", &key("amply-checkpoint-key-2027", 20, 800));
    operator.must(&step("test", "third-later", &alone)).await;
}

#[tokio::test]
async fn wishes_that_do_not_fit_are_refused_by_name() {
    let (secret, operator) = (secret("wishes"), Operator::new().await);
    let tomorrow = instant_text(Utc::now() + TimeDelta::days(40));
    let cases = [
        (vec!["--key-id", OLD], "--key-id"),
        (vec!["--valid-from", &tomorrow], "--valid-from"),
        (vec!["--valid-until", "2020-01-01"], "--valid-until"),
    ];
    for (wish, field) in cases {
        let shown = operator.refused(&step("stage", &secret, &wish)).await;
        assert!(
            shown.contains(field) && shown.contains("expected")
                || shown.contains("valid_until is 2020"),
            "{shown}"
        );
    }
    let ended = operator
        .run(&[
            "rollover",
            "stage",
            "--secret",
            &secret,
            "--bits",
            "1024",
            "--without-asking",
        ])
        .await;
    assert_eq!(ended.code, 2);
    assert!(ended.text.contains("--bits"), "{}", ended.text);
    operator.must(&step("stage", &secret, &[])).await;
    let other = ["--key-id", "another-key-2026"];
    let shown = operator.refused(&step("stage", &secret, &other)).await;
    assert!(shown.contains("not what was asked for"), "{shown}");
}

#[tokio::test]
async fn a_secret_that_cannot_be_read_is_told_plainly() {
    let operator = Operator::new().await;
    let ended = operator.run(&step("status", "nowhere", &[])).await;
    assert_eq!(ended.code, 2);
    assert!(
        ended.text.contains("there is no such secret"),
        "{}",
        ended.text
    );
    let secret = secret("denied");
    operator.proxy.set(Mode::LeastPrivilege);
    let ended = operator.run(&step("stage", &secret, &[])).await;
    assert_eq!(ended.code, 2);
    assert!(
        ended.text.contains("secretsmanager:DescribeSecret"),
        "the permission is named: {}",
        ended.text
    );
    operator.proxy.set(Mode::Open);
    let nobody = ["--server", "http://127.0.0.1:1"];
    let shown = operator.must(&step("status", &secret, &nobody)).await;
    assert!(shown.contains("does not answer"), "{shown}");
    let checked = [&nobody[..], &["--check"]].concat();
    operator.refused(&step("status", &secret, &checked)).await;
    operator.must(&step("stage", &secret, &[])).await;
    let shown = operator.refused(&step("promote", &secret, &nobody)).await;
    let told = "must not be promoted: services: http://127.0.0.1:1: does not answer";
    assert!(shown.contains(told), "{shown}");
}

#[tokio::test]
async fn nothing_is_endorsed_while_nobody_says_whether_the_key_in_force_is_revoked() {
    let (secret, operator) = (secret("unasked"), Operator::new().await);
    let before = labels(&secret);
    let mut service = service(&secret).await;
    assert_eq!(service.key_of(1).await, OLD);
    let stage = ["rollover", "stage", "--secret", &secret, "--bits", "2048"];
    for nobody in [&[][..], &["--server", "http://127.0.0.1:1"]] {
        let shown = operator.refused(&[&stage[..], nobody].concat()).await;
        assert!(
            shown.contains("nobody could be asked") && shown.contains("--without-asking"),
            "{shown}"
        );
    }
    // The record itself is asked where no service is there.
    let (_folder, record) = service.stop().await;
    let place = ["--record", record.as_str()];
    let asked = [&stage[..], &place, &["--dry-run"]].concat();
    let shown = operator.must(&asked).await;
    assert!(shown.contains("would make"), "{shown}");
    let opened = SqliteRecord::open(Path::new(record.trim_start_matches("sqlite:"))).unwrap();
    let revocation = Revocation {
        distrust_after: Utc::now(),
        reason: "leaked".into(),
        revoked_at: Utc::now(),
    };
    let revoked = opened.revoke_key(&OLD.parse().unwrap(), revocation).await;
    assert_eq!(revoked.unwrap(), RevocationOutcome::Now);
    opened.close().await;
    drop(opened);
    let shown = operator.refused(&[&stage[..], &place].concat()).await;
    assert!(shown.contains("is revoked, says --record"), "{shown}");
    assert_eq!(labels(&secret), before);
}

#[tokio::test]
async fn the_very_first_key() {
    let operator = Operator::new().await;
    boto3("create_secret", json!({ "Name": "first" }));
    let shown = operator.refused(&step("test", "first", &[])).await;
    assert!(shown.contains("very first"), "{shown}");
    let wish = [
        "--key-id",
        OLD,
        "--valid-from",
        "2025-01-01",
        "--valid-until",
        "2099-01-01",
    ];
    operator.must(&step("stage", "first", &wish)).await;
    assert_eq!(labels("first"), [is(OLD, &["AWSCURRENT"])]);
    let mut service = service("first").await;
    assert_eq!(service.key_of(1).await, OLD);
}

#[tokio::test]
async fn a_rollover_that_was_forgotten() {
    let operator = Operator::new().await;
    create("forgotten", &key(OLD, -370, -5));
    let mut service = service("forgotten").await;
    let (_, reason) = refusal(service.sign(1).await.unwrap_err());
    assert_eq!(reason, "KEY_EXPIRED");
    let shown = operator.must(&step("status", "forgotten", &[])).await;
    assert!(shown.contains("NO KEY IS IN FORCE"), "{shown}");
    let shown = operator.refused(&step("stage", "forgotten", &[])).await;
    assert!(shown.contains("--without-endorsement"), "{shown}");
    let alone = ["--without-endorsement"];
    operator.must(&step("stage", "forgotten", &alone)).await;
    let shown = operator.refused(&step("promote", "forgotten", &[])).await;
    let why = format!("it has none by {OLD}, which ended ");
    let next = format!("checkpoint-signer rollover test {NEW} --without-endorsement");
    assert!(shown.contains(&why) && shown.contains(&next), "{shown}");
    let shown = operator.refused(&step("test", "forgotten", &[])).await;
    assert!(shown.contains(&why), "{shown}");
    operator.must(&arguments(&shown)).await;
    let url = service.url.clone();
    let served = [&alone[..], &["--server", &url]].concat();
    operator.must(&step("promote", "forgotten", &served)).await;
    assert_eq!(service.key_of(1).await, NEW);
}

#[tokio::test]
async fn a_key_that_leaked_is_replaced_at_once() {
    let (secret, operator) = (secret("leaked"), Operator::new().await);
    let mut service = service(&secret).await;
    let url = service.url.clone();
    assert_eq!(service.key_of(1).await, OLD);
    let reason = ["--reason", "leaked", "--server", &url];
    let revoke = [&["keys", "revoke", OLD], &reason[..]].concat();
    operator.must(&revoke).await;
    let (_, reason) = refusal(service.sign(2).await.unwrap_err());
    assert_eq!(reason, "KEY_REVOKED");
    let server = ["--server", url.as_str()];
    let shown = operator.refused(&step("stage", &secret, &server)).await;
    assert!(shown.contains("is revoked"), "{shown}");
    let today = instant_text(Utc::now() - TimeDelta::hours(1));
    let alone = [&server[..], &["--without-endorsement"]].concat();
    let at_once = [&alone[..], &["--valid-from", &today]].concat();
    operator.must(&step("stage", &secret, &at_once)).await;
    operator.must(&step("promote", &secret, &alone)).await;
    assert_eq!(service.key_of(2).await, NEW);
    // Its window has not ended, but every service distrusts it.
    operator.must(&step("retire", &secret, &server)).await;
    assert_eq!(labels(&secret), [is(OLD, &[]), is(NEW, &["AWSCURRENT"])]);
}

#[tokio::test]
async fn a_key_that_leaked_after_the_next_one_was_promoted() {
    let (secret, operator) = (secret("leaked-late"), Operator::new().await);
    let mut service = service(&secret).await;
    let url = service.url.clone();
    let server = ["--server", url.as_str()];
    leaks_when_the_next_is_promoted(&operator, &secret, &server).await;
    let (_, reason) = refusal(service.sign(1).await.unwrap_err());
    assert_eq!(reason, "KEY_REVOKED");
    let shown = operator.must(&step("status", &secret, &server)).await;
    assert!(
        shown.contains("NO KEY IS IN FORCE") && shown.contains("revoked"),
        "{shown}"
    );
    let alone = [&server[..], &["--without-endorsement"]].concat();
    let shown = operator.refused(&step("stage", &secret, &alone)).await;
    assert!(
        shown.contains("--key-id, --valid-from and --valid-until"),
        "{shown}"
    );
    let (from, until) = (
        Utc::now() - TimeDelta::hours(1),
        Utc::now() + TimeDelta::days(60),
    );
    let (from, until) = (instant_text(from), instant_text(until));
    let emergency = "amply-checkpoint-key-2025-emergency";
    let window = [
        "--key-id",
        emergency,
        "--valid-from",
        &from,
        "--valid-until",
        &until,
    ];
    let wish = [&alone[..], &window].concat();
    operator.must(&step("stage", &secret, &wish)).await;
    operator.must(&step("promote", &secret, &alone)).await;
    assert_eq!(service.key_of(1).await, emergency);
    service.clock.set(Utc::now() + TimeDelta::days(31));
    assert_eq!(
        service.key_of(2).await,
        NEW,
        "in its time, the next one signs"
    );
}
