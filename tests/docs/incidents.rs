//! The runbook: each incident happens, and is ended as its section says.

use std::time::Duration;

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use chrono::Utc;
use serde_json::{Value, json};

use crate::cloud::Cloud;
use crate::fargate::{DATABASE, FILES};
use crate::happenings::NEXT_KEY;
use crate::installation::{Installation, KEY, SECRET};
use crate::page::Page;
use crate::program::must;
use crate::proxy::Mode;
use crate::story::Story;

const PAGE: &str = "incidents.md";

#[test]
fn somebody_is_at_the_secret() {
    let mut story = Story::section(PAGE, "Somebody is at the secret");
    let cloud = &mut story.installation.cloud;
    let trust = json!({ "RoleName": "pipeline", "AssumeRolePolicyDocument": "{}" });
    cloud.ask("iam.create_role", trust);
    let [ours, others] = what_is_done_at_the_secrets(cloud);
    crate::trail::write(cloud, &[&ours[..], &others[..]].concat());
    let refused = story.up_to("trail.json");
    let count = |list: &str, word: &str| list.lines().filter(|line| line.contains(word)).count();
    assert_eq!(refused.lines().count(), 5, "{refused}");
    for (word, times) in [
        ("role/pipeline", 5),
        ("signing-key", 1),
        ("signer-files", 1),
        ("signer-database", 1),
        (" Decrypt ", 2),
    ] {
        assert_eq!(count(&refused, word), times, "{word}: {refused}");
    }
    let changed = story.up_to("readOnly == false) | [.eventTime");
    assert_eq!(changed.lines().count(), 5, "{changed}");
    for name in [
        "UpdateAssumeRolePolicy",
        "PutResourcePolicy",
        "PutKeyPolicy",
        "RunTask",
        "StopLogging",
    ] {
        assert_eq!(count(&changed, name), 1, "{name}: {changed}");
    }
    let readers = story.up_to("uniq -c");
    assert!(
        readers.contains("2 GetSecretValue") && !readers.contains("pipeline"),
        "{readers}"
    );
    story.tell_the_rest();
    let cloud = &mut story.installation.cloud;
    let asked = json!({ "RoleName": "pipeline", "PolicyName": "sessions-before-are-ended" });
    let policy = cloud.ask("iam.get_role_policy", asked)["PolicyDocument"].clone();
    let policy = policy.to_string();
    assert!(
        policy.contains("Deny") && policy.contains("aws:TokenIssueTime"),
        "{policy}"
    );
    story.installation.ledger.signs("org_1", 4);
}

/// Events of the last day: of this environment, and of others.
fn what_is_done_at_the_secrets(cloud: &mut Cloud) -> [Vec<Value>; 2] {
    use crate::trail::{call_by, decrypt_denied_to, decrypt_for, denied, denied_to, read_by};
    let pipeline = "arn:aws:iam::123456789012:role/pipeline";
    let task = "arn:aws:iam::123456789012:role/checkpoint-signer-service-prod-eu-central-1";
    let key = cloud.output("key", "SecretsKeyArn").unwrap();
    let arns = [SECRET, FILES, DATABASE].map(|secret| cloud.secret_arn(secret));
    let [secret, files, database] = &arns;
    let change =
        |service: &str, name: &str, parameters: Value| call_by(pipeline, service, name, parameters);
    let key_policy = |key: &str| {
        let mut event = change(
            "kms",
            "PutKeyPolicy",
            json!({ "keyId": key, "policyName": "default" }),
        );
        event["resources"] = json!([{ "type": "AWS::KMS::Key", "ARN": key }]);
        event
    };
    let named = denied(
        change("kms", "Decrypt", Value::Null),
        &format!("resource: {key} because ..."),
    );
    let ours = vec![
        read_by(task, "10.0.1.11", secret),
        read_by(task, "10.0.1.11", secret),
        decrypt_for(task, &key, secret),
        denied_to(pipeline, secret),
        denied_to(pipeline, files),
        denied_to(pipeline, database),
        decrypt_denied_to(pipeline),
        named,
        change(
            "iam",
            "UpdateAssumeRolePolicy",
            json!({ "roleName": "checkpoint-signer-operator-prod-eu-central-1" }),
        ),
        change(
            "secretsmanager",
            "PutResourcePolicy",
            json!({ "secretId": SECRET }),
        ),
        key_policy(&key),
        change(
            "ecs",
            "RunTask",
            json!({ "cluster": "checkpoint-signer-prod", "taskDefinition": "checkpoint-signer-prod:3" }),
        ),
        change("cloudtrail", "StopLogging", json!({ "name": "trail" })),
    ];
    let staging = |arn: &str| arn.replace("/prod/", "/staging/");
    let others = vec![
        denied_to(pipeline, &staging(secret)),
        denied_to(pipeline, &staging(files)),
        read_by(task, "10.0.1.11", "amply/database-url"),
        denied(
            change("kms", "Decrypt", Value::Null),
            &format!("resource: {key}0 because ...").replace("key/", "key/0"),
        ),
        key_policy(&key.replace("key/", "key/0")),
        change(
            "iam",
            "UpdateAssumeRolePolicy",
            json!({ "roleName": "checkpoint-signer-operator-staging-eu-central-1" }),
        ),
        change(
            "iam",
            "PutRolePolicy",
            json!({ "roleName": "payroll-prod-eu-central-1" }),
        ),
        change(
            "secretsmanager",
            "PutResourcePolicy",
            json!({ "secretId": staging(secret) }),
        ),
        change(
            "ecs",
            "RunTask",
            json!({ "cluster": "checkpoint-signer-staging", "taskDefinition": "checkpoint-signer-staging:3" }),
        ),
    ];
    every_one_has_a_word_that_is_looked_for(&ours, &key);
    [ours, others]
}

/// The tests' cloud gives all events, whatever the pattern says; CloudWatch gives those that have one of its words.
fn every_one_has_a_word_that_is_looked_for(events: &[Value], key: &str) {
    let words = words_looked_for(key);
    for event in events {
        let text = event.to_string();
        let found = words.iter().any(|word| text.contains(word));
        assert!(found, "{words:?}: {text}");
    }
}

/// Of the filter of the first look-up.
pub fn words_looked_for(key: &str) -> Vec<String> {
    let page = Page::read(PAGE);
    let commands = page.sections.iter().flat_map(|section| &section.commands);
    let lines = commands.flat_map(|command| command.text.lines());
    let words = lines
        .filter_map(|line| line.strip_prefix("words=\""))
        .next();
    let words = words.unwrap().trim_end_matches('"');
    let (start, rest) = words.split_once("${kms_key:?").unwrap();
    let (_, end) = rest.split_once('}').unwrap();
    let words = format!("{start}{key}{end}").replace("$CHECKPOINT_SIGNER_ENVIRONMENT", "prod");
    assert!(!words.contains('$'), "{words}");
    words.split_whitespace().map(Into::into).collect()
}

#[test]
fn the_key_has_leaked() {
    let mut story = Story::section(PAGE, "The key has leaked");
    let stolen = crate::thief::signs_with_what_it_stole(&mut story.installation, SECRET);
    std::fs::write(story.installation.desk.join("found.json"), stolen).unwrap();
    // The instant from which on the key is distrusted is a later second.
    std::thread::sleep(Duration::from_secs(2));
    let shown = story.up_to("--dry-run");
    assert!(shown.contains(KEY), "{shown}");
    story.up_to("--distrust-from");
    let refused = story.installation.ledger.asks("org_1", 4, 400);
    assert!(refused.text.contains("KEY_REVOKED"), "{}", refused.text);
    story.up_to("rollover promote");
    let signed = story.installation.ledger.signs("org_1", 4);
    assert_ne!(kid(&signed), KEY);
    story.tell_the_rest();
}

#[test]
fn the_whole_secret_has_leaked() {
    let mut story = Story::section(PAGE, "The whole secret has leaked");
    story.installation.has_the_next_key();
    story.up_to("rollover status");
    let refused = story.installation.ledger.asks("org_1", 4, 400);
    assert!(refused.text.contains("KEY_"), "{}", refused.text);
    story.tell_the_rest();
    let signed = story.installation.ledger.signs("org_1", 4);
    assert!(
        ![KEY, NEXT_KEY].contains(&kid(&signed).as_str()),
        "{signed}"
    );
    let keys = story.installation.must(&["keys", "list"]);
    let line = keys.lines().find(|line| line.contains("<- signs now"));
    let (_, ends) = line.unwrap().split_once(" <= t < ").unwrap();
    assert_eq!(&ends[4..20], "-01-01T00:00:00Z", "{keys}");
}

#[test]
fn a_wrong_checkpoint_was_signed() {
    let mut story = Story::section(PAGE, "A wrong checkpoint was signed");
    let wrong = story.installation.ledger.asks("org_1", 4, 12_345);
    assert_eq!(wrong.code, 0, "{}", wrong.text);
    story.installation.follow();
    let asked = story.up_to("filter-log-events");
    assert!(
        asked.contains("URI:spiffe://amply.example/ledger"),
        "{asked}"
    );
    story.tell_the_rest();
    let right = story.installation.ledger.asks("org_1", 4, 400);
    assert!(right.text.contains("EQUIVOCATION"), "{}", right.text);
    story.installation.ledger.signs("org_1", 5);
}

#[test]
fn the_record_is_lost() {
    let mut story = Story::section(PAGE, "The record is lost");
    story.up_to("site.sh");
    story.aside("backup.md", "Every night");
    for count in 4..=6 {
        story.installation.ledger.signs("org_1", count);
    }
    std::thread::sleep(Duration::from_secs(2));
    let head = story.installation.must(&["record", "head"]);
    std::fs::write(story.installation.desk.join("head.jws"), head).unwrap();
    let drop = "DROP TABLE checkpoint_signer.signed_checkpoint CASCADE";
    must(story.installation.command("psql").args(["-c", drop]));
    let refused = story.installation.ledger.asks("org_1", 7, 700);
    assert!(
        refused.text.contains("RECORD_STORE_UNAVAILABLE"),
        "{}",
        refused.text
    );
    let published = story.installation.ledger.published();
    std::fs::write(story.installation.desk.join("published.ndjson"), published).unwrap();
    story.tell_the_rest();
    let second = story.installation.ledger.asks("org_1", 6, 12_345);
    assert!(second.text.contains("EQUIVOCATION"), "{}", second.text);
    story.installation.ledger.signs("org_1", 7);
}

#[test]
fn the_clock_is_wrong() {
    let mut story = Story::section(PAGE, "The clock is wrong");
    crate::ahead::a_replica_signs_with_a_clock_that_is_ahead(&mut story.installation, SECRET);
    let refused = story.installation.ledger.asks("org_1", 4, 400);
    assert!(refused.text.contains("CLOCK_WENT_BACK"), "{}", refused.text);
    story.tell_the_rest();
    story.installation.ledger.signs("org_1", 4);
}

#[test]
fn secrets_manager_does_not_answer_at_new_year() {
    let mut story = Story::section(PAGE, "Secrets Manager does not answer");
    let new_year = story.installation.has_the_next_key();
    let down = Mode::Error(503, "ServiceUnavailable");
    story.installation.proxy.set(down);
    story.installation.has_its_keys_read();
    story.up_to("keys list");
    let signed = story.installation.ledger.signs("org_1", 4);
    assert!(kid(&signed) == KEY || Utc::now() >= new_year, "{signed}");
    while Utc::now() < new_year {
        std::thread::sleep(Duration::from_secs(1));
    }
    let signed = story.installation.ledger.signs("org_1", 5);
    assert_eq!(kid(&signed), NEXT_KEY, "it took over by itself");
    story.installation.proxy.set(Mode::Open);
    // By themselves the tasks would try again within minutes.
    story.installation.has_its_keys_read();
    story.tell_the_rest();
}

#[test]
fn somebody_changed_the_secret() {
    let mut story = Story::section(PAGE, "Somebody changed the secret");
    let current = json!({ "SecretId": SECRET, "VersionStage": "AWSCURRENT" });
    let cloud = &mut story.installation.cloud;
    let found = cloud.ask("secretsmanager.get_secret_value", current);
    let mut document: Value =
        serde_json::from_str(found["SecretString"].as_str().unwrap()).unwrap();
    document["valid_until"] = "2028-01-01".into();
    let put = json!({ "SecretId": SECRET, "SecretString": document.to_string() });
    cloud.ask("secretsmanager.put_secret_value", put);
    story.installation.has_its_keys_read();
    story.installation.ledger.signs("org_1", 4);
    story.tell_the_rest();
    story.installation.has_its_keys_read();
    story.installation.ledger.signs("org_1", 5);
}

/// The key in the header of the signature.
pub fn kid(published: &str) -> String {
    let published: Value = serde_json::from_str(published).unwrap();
    let header = published["signature"]
        .as_str()
        .unwrap()
        .split('.')
        .next()
        .unwrap();
    let header = BASE64_URL_SAFE_NO_PAD.decode(header).unwrap();
    let header: Value = serde_json::from_slice(&header).unwrap();
    header["kid"].as_str().unwrap().into()
}

#[test]
fn postgresql_does_not_answer() {
    let mut story = Story::section_on(
        Installation::with_own_database(),
        PAGE,
        "PostgreSQL does not answer",
    );
    story.installation.database.control("stop");
    let refused = story.installation.ledger.asks("org_1", 4, 400);
    assert!(
        refused.text.contains("RECORD_STORE_UNAVAILABLE"),
        "{}",
        refused.text
    );
    story.installation.follow();
    let said = story.up_to("filter-log-events");
    assert!(said.contains("the database did not do it"), "{said}");
    story.installation.database.control("start");
    story.tell_the_rest();
    story.installation.ledger.signs("org_1", 4);
}

#[test]
fn the_alarm_of_a_second_history() {
    let mut story = Story::section(PAGE, "The alarm of a second history");
    let refused = story.installation.ledger.asks("org_1", 3, 12_345);
    assert!(refused.text.contains("EQUIVOCATION"), "{}", refused.text);
    story.installation.follow();
    let asked = story.up_to("filter-log-events");
    assert!(
        asked.contains("URI:spiffe://amply.example/ledger"),
        "{asked}"
    );
    story.tell_the_rest();
}

#[test]
fn no_task_starts_or_a_replica_is_gone() {
    let mut story = Story::section(PAGE, "No task starts, or a replica is gone");
    let installation = &mut story.installation;
    let started = installation.fargate.started();
    installation.a_task_stopped("ResourceInitializationError: unable to pull secrets or registry auth: context deadline exceeded");
    let told = story.up_to("STOPPED");
    assert!(
        told.contains("unable to pull secrets") && told.contains("  signer exit"),
        "{told}"
    );
    let lines = story.up_to("group_by");
    assert!(lines.contains("signer/tasks {"), "{lines}");
    story.tell_the_rest();
    assert_eq!(story.installation.fargate.started(), started + 2);
    story.installation.ledger.signs("org_1", 4);
}

#[test]
fn a_certificate_has_expired() {
    let mut story = Story::section(PAGE, "A certificate has expired");
    let installation = &mut story.installation;
    let expired =
        installation
            .authority
            .issue_until(&installation.desk, "expired", "localhost", 2021);
    installation.serve_certificate(&expired);
    let refused = story.installation.ledger.asks("org_1", 4, 400);
    assert_eq!(refused.code, 2, "{}", refused.text);
    let shown = story.up_to("s_client");
    assert!(shown.contains("2021"), "{shown}");
    let installation = &story.installation;
    installation
        .authority
        .issue(&installation.desk, "new", "localhost");
    story.tell_the_rest();
    story.installation.ledger.signs("org_1", 4);
}
