//! What `rollover` says of how things are, and of what comes next.

use checkpoint::key::instant_text;
use checkpoint_signer::wire::proto::ListKeysRequest;
use chrono::{NaiveTime, TimeDelta, Utc};
use serde_json::{Value, json};

use crate::aws::{AwsService, Operator, boto3, create};
use crate::leaks::leaks_when_the_next_is_promoted;
use crate::proxy::Mode;
use crate::rollover::{NEW, OLD, key, labels, secret, service, step};

/// The line that says what comes next.
fn line(shown: &str) -> &str {
    let line = shown.lines().find_map(|line| line.strip_prefix("next: "));
    line.unwrap_or_else(|| panic!("no next step: {shown}"))
}

/// What comes next, without the program's name and where the secret and the services are.
pub fn next(shown: &str) -> String {
    let line = line(shown);
    let (before, words) = line
        .split_once("checkpoint-signer rollover ")
        .unwrap_or((line, ""));
    // The program is called as it was.
    let before = before.rsplit_once(' ').map_or("", |(before, _)| before);
    let words = words.split(" --secret ").next().unwrap();
    match words {
        "" => line.to_owned(),
        words if before.is_empty() => format!("rollover {words}"),
        words => format!("{before} rollover {words}"),
    }
}

/// The words of the command that is printed; it is whole as it is. With a small key, so that the tests are fast.
pub fn arguments(shown: &str) -> Vec<&str> {
    let words = line(shown).split_once("checkpoint-signer ");
    let (_, words) = words.unwrap_or_else(|| panic!("no whole command: {shown}"));
    let mut arguments: Vec<&str> = words.split(' ').collect();
    if arguments.get(1) == Some(&"stage") {
        arguments.extend(["--bits", "2048"]);
    }
    arguments
}

#[tokio::test]
async fn a_service_that_signs_nothing_is_warned_of_with_its_reason() {
    let operator = Operator::new().await;
    create("unable", &key(OLD, -100, 265));
    let mut service = service("unable").await;
    let url = service.url.clone();
    let check = step("status", "unable", &["--check", "--server", &url]);
    assert_eq!(service.key_of(1).await, OLD);
    let shown = operator.must(&check).await;
    assert!(shown.contains("<- signs now"), "{shown}");

    // Its clock shows another time than that of its newest signature.
    service.clock.set(Utc::now() - TimeDelta::hours(1));
    let mut keys = service.keys.clone();
    crate::wait::until("the service to see that its clock is wrong", async || {
        let list = keys.list_keys(ListKeysRequest {}).await.unwrap();
        !list.into_inner().signing_refused.is_empty()
    })
    .await;
    let shown = operator.refused(&check).await;
    let warning = format!("WARNING: {url}: signs nothing: CLOCK_WENT_BACK: ");
    assert!(shown.contains(&warning), "{shown}");
    assert!(
        shown.contains(&format!("{url}: SIGNS NOTHING; {OLD} ACTIVE")),
        "{shown}"
    );
    assert!(!shown.contains("<- signs now"), "{shown}");
    let told = operator
        .must(&[&check[..4], &check[5..], &["--format", "json"]].concat())
        .await;
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["keys"][0]["signing"], false, "{told}");
    assert!(told["servers"][0]["signing"].is_null(), "{told}");
    let reason = told["servers"][0]["signing_refused"].as_str();
    assert!(
        reason.is_some_and(|reason| reason.starts_with("CLOCK_WENT_BACK: ")),
        "{told}"
    );

    let shown = operator.must(&["keys", "list", "--server", &url]).await;
    assert!(
        shown.contains("\nSIGNS NOTHING: CLOCK_WENT_BACK: ") && !shown.contains("<- signs now"),
        "{shown}"
    );
}

#[tokio::test]
async fn that_no_service_was_asked_is_told_and_is_no_good_news() {
    let operator = Operator::new().await;
    create("alone", &key(OLD, -100, 265));
    let told = "no --server was given: whether any service signs";
    let shown = operator.must(&step("status", "alone", &[])).await;
    assert!(shown.contains(&format!("\nNOT CHECKED: {told}")), "{shown}");
    let ended = operator.run(&step("status", "alone", &["--check"])).await;
    assert_eq!(ended.code, 2, "{}", ended.text);
    assert!(
        ended
            .text
            .contains(&format!("checkpoint-signer: not checked: {told}")),
        "{}",
        ended.text
    );
    let shown = operator
        .must(&step("status", "alone", &["--format", "json"]))
        .await;
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(shown["not_checked"].as_array().map(Vec::len), Some(1));
    // A warning weighs more.
    let secret = secret("alone-and-late");
    operator
        .refused(&step("status", &secret, &["--check"]))
        .await;
}

#[tokio::test]
async fn a_version_that_is_not_written_as_it_should_be_is_noted_and_is_no_warning() {
    let operator = Operator::new().await;
    create("odd", &key(OLD, -100, 265).replace("\\n", "\\\\n"));
    let mut service = service("odd").await;
    assert_eq!(service.key_of(1).await, OLD);
    let check = step("status", "odd", &["--check", "--server", &service.url]);
    let shown = operator.must(&check).await;
    let note = shown.lines().find(|line| line.starts_with("NOTE: "));
    let note = note.unwrap_or_else(|| panic!("{shown}"));
    assert!(
        note.contains(" (AWSCURRENT): private_key: was read"),
        "{note}"
    );
    assert!(note.contains("escaped twice"), "{note}");
    let json = [&check[..], &["--format", "json"]].concat();
    let told: Value = serde_json::from_str(&operator.must(&json).await).unwrap();
    assert_eq!(told["warnings"], json!([]), "{told}");
    assert_eq!(told["notes"].as_array().map(Vec::len), Some(1), "{told}");
}

#[tokio::test]
async fn the_first_command_that_is_told_works_and_works_again() {
    let operator = Operator::new().await;
    boto3("create_secret", json!({ "Name": "empty" }));
    let shown = operator.must(&step("status", "empty", &[])).await;
    let command = arguments(&shown);
    operator.must(&command).await;
    let made = labels("empty");
    let first = &made[0].0;
    assert!(command.contains(&first.as_str()), "{shown}");
    let again = operator.must(&command).await;
    assert!(
        again.contains(&format!("{first} (")) && again.contains(" is AWSCURRENT already"),
        "{again}"
    );
    assert_eq!(labels("empty"), made, "no second key");
    // Another window under the same name is another key.
    let mut other = command.clone();
    let at = other
        .iter()
        .position(|argument| *argument == "--valid-until")
        .unwrap();
    other[at + 1] = "2099-01-01";
    let shown = operator.refused(&other).await;
    assert!(shown.contains("was used before"), "{shown}");
}

#[tokio::test]
async fn the_very_first_key_signs_at_once_without_being_told_anything() {
    let operator = Operator::new().await;
    boto3("create_secret", json!({ "Name": "by-itself" }));
    operator.must(&step("stage", "by-itself", &[])).await;
    let made = labels("by-itself");
    assert_eq!(made[0].1, ["AWSCURRENT"]);
    let mut service = service("by-itself").await;
    assert_eq!(service.key_of(1).await, made[0].0);
}

#[tokio::test]
async fn what_comes_next_after_a_step_that_had_nothing_to_do_works() {
    let (secret, operator) = (secret("next"), Operator::new().await);
    let service = service(&secret).await;
    let server = ["--server", service.url.as_str()];
    // What was given up keeps its name.
    operator.must(&step("stage", &secret, &server)).await;
    let shown = operator.must(&step("abort", &secret, &server)).await;
    assert_eq!(next(&shown), format!("rollover stage --key-id {NEW}b"));
    operator.must(&arguments(&shown)).await;
    let shown = operator.must(&step("test", &secret, &server)).await;
    operator.must(&arguments(&shown)).await;
    // The next key is promoted, and the one after it is staged when that is in force.
    let shown = operator.must(&step("abort", &secret, &server)).await;
    let opens = Utc::now().date_naive().and_time(NaiveTime::MIN).and_utc() + TimeDelta::days(30);
    let expected = format!("nothing, until {NEW}b opens at {}", instant_text(opens));
    assert!(shown.contains("nothing is staged"), "{shown}");
    assert_eq!(next(&shown), expected);
}

#[tokio::test]
async fn after_a_leak_each_next_command_goes_on() {
    let (secret, operator) = (secret("leak-next"), Operator::new().await);
    let mut service: AwsService = service(&secret).await;
    let url = service.url.clone();
    let server = ["--server", url.as_str()];
    leaks_when_the_next_is_promoted(&operator, &secret, &server).await;
    let mut shown = operator.must(&step("status", &secret, &server)).await;
    for step in ["stage", "test", "promote"] {
        let command = arguments(&shown);
        assert_eq!(command[1], step, "{shown}");
        shown = operator.must(&command).await;
    }
    let opened = format!("{OLD}b");
    assert_eq!(service.key_of(1).await, opened);
    // The one that is promoted for later keeps its label.
    let then = format!("; then rollover retire {NEW}");
    assert!(
        next(&shown).starts_with("nothing, until ") && next(&shown).ends_with(&then),
        "{shown}"
    );
}

#[tokio::test]
async fn a_promotion_that_waits_says_for_whom_and_until_when() {
    let (secret, operator) = (secret("waits"), Operator::new().await);
    let service = service(&secret).await;
    let url = service.url.as_str();
    operator
        .must(&step("stage", &secret, &["--server", url]))
        .await;
    let waits = ["--server", url, "--wait", "3"];
    let promote = step("promote", &secret, &waits);
    // What the service says is well until the label moves.
    operator.proxy.set(Mode::Hold("UpdateSecretVersionStage"));
    let moves = async {
        operator.proxy.reached().await;
        service.proxy.set(Mode::Error(500, "InternalServiceError"));
        operator.proxy.release();
    };
    let (shown, ()) = tokio::join!(operator.refused(&promote), moves);
    let begin = format!("checkpoint-signer: note: {NEW} is AWSCURRENT; until 20");
    let notes: Vec<&str> = shown
        .lines()
        .filter(|line| line.starts_with(&begin))
        .collect();
    assert_eq!(notes.len(), 1, "{shown}");
    assert!(
        notes[0].contains(&format!("{url}: does not list {NEW}")),
        "{shown}"
    );
    // Another promotion would wait for what that does not mend.
    assert!(shown.contains("\nfirst: have "), "{shown}");
    assert_eq!(arguments(&shown)[..2], ["keys", "list"], "{shown}");
}
