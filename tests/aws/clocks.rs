//! An operator whose clock is wrong: no step that depends on the time is done by it, and every step says so.

use chrono::{TimeDelta, Utc};

use crate::aws::{Operator, boto3, create, rotate};
use crate::proxy::Dated;
use crate::rollover::{NEW, OLD, key, labels, secret, service, step};
use crate::status::arguments;
use checkpoint::key::instant_text;
use serde_json::Value;

const STEPS: [&str; 5] = ["stage", "test", "promote", "retire", "repair"];

fn line<'a>(shown: &'a str, begin: &str) -> &'a str {
    let mut lines = shown.lines().filter_map(|line| line.strip_prefix(begin));
    lines.next().unwrap_or_else(|| panic!("{begin}: {shown}"))
}

#[tokio::test]
async fn a_clock_that_is_not_that_of_secrets_manager_does_nothing() {
    let name = "clocks-ahead";
    create(name, &key(OLD, -365, 0));
    rotate(name, &key(NEW, 0, 365));
    let operator = Operator::new().await;
    let before = labels(name);
    for (behind, word) in [(86_400, "ahead"), (-90, "behind")] {
        operator.proxy.show_date(Dated::Behind(behind));
        let theirs = instant_text(Utc::now() - TimeDelta::seconds(behind));
        let shown = operator.refused(&step("status", name, &["--check"])).await;
        let warning = line(&shown, "WARNING: THE CLOCK IS IN DOUBT: ");
        assert!(
            warning.contains(&theirs[..13]) && warning.contains("that of Secrets Manager "),
            "{word}: {warning}"
        );
        assert!(line(&shown, "first: ").starts_with("set this machine's clock"));
        for taken in STEPS {
            let shown = operator.refused(&step(taken, name, &[])).await;
            assert!(
                shown.contains("depends on the time") && shown.contains(&theirs[..13]),
                "{word} {taken}: {shown}"
            );
            assert_eq!(arguments(&shown)[1], "status", "{taken}: {shown}");
        }
    }
    assert_eq!(labels(name), before, "nothing was changed");
    // Some seconds are no fault.
    operator.proxy.show_date(Dated::Behind(10));
    operator.must(&step("retire", name, &["--dry-run"])).await;
    // Giving up needs no clock.
    operator.proxy.show_date(Dated::Behind(86_400));
    operator.must(&step("abort", name, &[])).await;
}

/// Where Secrets Manager's clock is not shown, those of the services judge.
#[tokio::test]
async fn a_clock_that_is_not_that_of_the_services_does_nothing() {
    let (secret, operator) = (secret("clocks-services"), Operator::new().await);
    let ours = service(&secret).await;
    operator.proxy.show_date(Dated::Not);
    let server = ["--server", ours.url.as_str()];
    operator.must(&step("status", &secret, &server)).await;
    // As if the machine of the operator was forty days ahead.
    let later = (Utc::now() + TimeDelta::days(40)).format("%Y-%m-%d %H:%M:%S");
    let ahead = async |words: &[&str]| {
        let mut command = operator.command(words);
        command.envs(testing::faketime::beginning(&later.to_string()));
        let output = crate::wait::within("a command to end", command.output());
        crate::aws::Ended::from(output.await.unwrap())
    };
    let ended = ahead(&step(
        "status",
        &secret,
        &[&server[..], &["--check"]].concat(),
    ))
    .await;
    assert_eq!(ended.code, 1, "{}", ended.text);
    let warning = line(&ended.text, "WARNING: THE CLOCK IS IN DOUBT: ");
    assert!(
        warning.contains(&format!("that of {} ", ours.url)),
        "{warning}"
    );
    assert!(
        !ended.text.contains("NO KEY IS IN FORCE"),
        "it signs: {}",
        ended.text
    );
    for taken in STEPS {
        let ended = ahead(&step(taken, &secret, &server)).await;
        assert!(
            ended.code == 1 && ended.text.contains("depends on the time"),
            "{taken}: {}",
            ended.text
        );
    }
}

/// Whatever the clocks show: who signs with a key needs it.
#[tokio::test]
async fn what_a_service_signs_with_is_not_retired() {
    let name = "clocks-active";
    create(name, &key(OLD, -365, 0));
    rotate(name, &key(NEW, 0, 365));
    let mut ours = service(name).await;
    ours.clock.set(Utc::now() - TimeDelta::days(1));
    ours.refresh().await.unwrap();
    assert_eq!(ours.key_of(1).await, OLD);
    let operator = Operator::new().await;
    let before = labels(name);
    let server = ["--server", ours.url.as_str()];
    for more in [&["--dry-run"][..], &[]] {
        let shown = operator
            .refused(&step("retire", name, &[&server[..], more].concat()))
            .await;
        assert!(
            shown.contains(&format!(
                "is in force by {}'s, which signs with it",
                ours.url
            )),
            "{shown}"
        );
        assert_eq!(arguments(&shown)[0], "health", "{shown}");
    }
    assert_eq!(labels(name), before);
    assert_eq!(ours.key_of(2).await, OLD);
}

/// As Terraform leaves it, or another region.
#[tokio::test]
async fn an_empty_secret_beside_a_service_that_signs_is_not_taken_for_a_new_one() {
    let (secret, operator) = (secret("clocks-held"), Operator::new().await);
    let mut ours = service(&secret).await;
    assert_eq!(ours.key_of(1).await, OLD);
    boto3(
        "create_secret",
        serde_json::json!({ "Name": "clocks-empty" }),
    );
    let server = ["--server", ours.url.as_str()];
    let shown = operator
        .refused(&step(
            "status",
            "clocks-empty",
            &[&server[..], &["--check"]].concat(),
        ))
        .await;
    assert!(!shown.contains("NO KEY IS IN FORCE"), "{shown}");
    let told = format!("WARNING: {} signs with {OLD} from memory", ours.url);
    assert!(shown.contains(&told), "{shown}");
    assert!(line(&shown, "first: ").contains("clocks-empty is empty here"));
    let keys = operator.must(&arguments(&shown)).await;
    assert!(
        keys.contains("source: secretsmanager:clocks-held"),
        "{keys}"
    );
    let wish = [
        "--key-id",
        NEW,
        "--valid-from",
        "2020-01-01",
        "--valid-until",
        "2099-01-01",
    ];
    let wish = [&server[..], &wish].concat();
    let shown = operator
        .refused(&step("stage", "clocks-empty", &wish))
        .await;
    assert!(shown.contains("clocks-empty is empty, and "), "{shown}");
    // Knowingly, it goes on.
    let wish = [&wish[..], &["--without-endorsement"]].concat();
    let shown = operator.must(&step("stage", "clocks-empty", &wish)).await;
    assert!(!shown.contains("make the record"), "there is one: {shown}");
    assert_eq!(labels("clocks-empty").len(), 1);
}

#[tokio::test]
async fn what_has_to_be_done_first_is_apart_from_the_command_in_json_too() {
    let (secret, operator) = (secret("clocks-json"), Operator::new().await);
    operator.proxy.show_date(Dated::Behind(7200));
    let shown = operator
        .must(&step("status", &secret, &["--format", "json"]))
        .await;
    let told: Value = serde_json::from_str(&shown).unwrap();
    assert!(
        told["first"].as_str().unwrap().starts_with("set this"),
        "{told}"
    );
    assert!(
        told["next"].as_str().unwrap().contains("rollover status"),
        "{told}"
    );
}
