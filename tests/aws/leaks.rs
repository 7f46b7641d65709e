//! The way from a leak to the next signature: each command that is told to come next works as it is printed.

use chrono::Utc;

use crate::aws::{AwsService, Operator};
use crate::rollover::{NEW, OLD, is, labels, secret, service, step};
use crate::status::{arguments, next};

async fn revoke(operator: &Operator, key_id: &str, server: &[&str]) {
    let revoke = ["keys", "revoke", key_id, "--reason", "leaked"];
    operator.must(&[&revoke[..], server].concat()).await;
}

/// Runs what was told to come next, which is this step.
async fn go_on(operator: &Operator, shown: &str, expected: &str) -> String {
    assert!(
        next(shown).starts_with(&format!("rollover {expected}")),
        "{shown}"
    );
    operator.must(&arguments(shown)).await
}

/// The key in force leaks when the next one is promoted already.
pub async fn leaks_when_the_next_is_promoted(operator: &Operator, secret: &str, server: &[&str]) {
    operator.must(&step("stage", secret, server)).await;
    operator.must(&step("promote", secret, server)).await;
    let revoke = [&["keys", "revoke", OLD, "--reason", "leaked"], server].concat();
    operator.must(&revoke).await;
}

#[tokio::test]
async fn a_key_without_endorsement_is_not_given_up_for_that() {
    let (secret, operator) = (secret("leaks-unendorsed"), Operator::new().await);
    let mut service: AwsService = service(&secret).await;
    let url = service.url.clone();
    let server = ["--server", url.as_str()];
    assert_eq!(service.key_of(1).await, OLD);
    revoke(&operator, OLD, &server).await;
    let status = step("status", &secret, &server);
    let before = operator.must(&status).await;
    let shown = operator.must(&step("retire", &secret, &server)).await;
    assert_eq!(next(&shown), next(&before), "what status says");
    let shown = operator.refused(&step("test", &secret, &server)).await;
    let told = format!("nothing is staged, and {OLD} is AWSCURRENT\n");
    assert!(shown.contains(&told), "{shown}");
    assert_eq!(next(&shown), next(&before));
    go_on(&operator, &before, "stage --without-endorsement").await;

    let shown = operator.must(&step("retire", &secret, &server)).await;
    let on = format!("rollover test {NEW} --without-endorsement");
    assert_eq!(next(&shown), on);
    assert_eq!(next(&operator.must(&status).await), on);
    let why = format!(
        "it has none by {OLD}, which is revoked, says {url}: go on without one by --without-endorsement"
    );
    let shown = operator.refused(&step("promote", &secret, &server)).await;
    assert!(shown.contains(&why), "{shown}");
    assert_eq!(next(&shown), on);
    assert!(!shown.contains("abort"), "{shown}");
    let shown = operator.refused(&step("test", &secret, &server)).await;
    assert!(shown.contains(&why) && !shown.contains("abort"), "{shown}");
    assert_eq!(next(&shown), on);
    let shown = go_on(&operator, &shown, "test").await;
    let shown = go_on(&operator, &shown, "promote").await;
    assert_eq!(service.key_of(2).await, NEW);

    let retire = format!("rollover retire {OLD}");
    assert_eq!(next(&shown), retire);
    let check = [&status[..], &["--check"]].concat();
    let shown = operator.must(&check).await;
    assert_eq!(next(&shown), retire, "at once");
    let nothing = operator.must(&step("abort", &secret, &server)).await;
    assert_eq!(next(&nothing), retire);
    let shown = go_on(&operator, &shown, "retire").await;
    assert_eq!(labels(&secret), [is(OLD, &[]), is(NEW, &["AWSCURRENT"])]);
    assert!(
        next(&shown).starts_with("nothing, until the next key"),
        "{shown}"
    );
    assert_eq!(next(&shown), next(&operator.must(&status).await));
}

#[tokio::test]
async fn a_key_that_the_leaked_one_endorsed_is_given_up() {
    let (secret, operator) = (secret("leaks-endorsed"), Operator::new().await);
    let mut service: AwsService = service(&secret).await;
    let url = service.url.clone();
    let server = ["--server", url.as_str()];
    operator.must(&step("stage", &secret, &server)).await;
    revoke(&operator, OLD, &server).await;
    let other = format!("{NEW}b");
    let today = Utc::now().format("%Y-%m-%d").to_string();
    let stage = format!(
        "rollover stage --without-endorsement --valid-from {today}T00:00:00Z --key-id {other}"
    );
    let shown = operator.must(&step("status", &secret, &server)).await;
    assert!(
        shown.contains(&format!(
            "WARNING: {NEW} is staged, and endorsed by {OLD}, which is revoked"
        )),
        "{shown}"
    );
    assert_eq!(next(&shown), format!("rollover abort {NEW}"));
    let alone = [&server[..], &["--without-endorsement"]].concat();
    let from = [&alone[..], &["--valid-from", &today]].concat();
    let refused = operator.refused(&step("stage", &secret, &from)).await;
    assert!(
        refused.contains(
            "is not what was asked for: go on with it, or give it up first by `rollover abort`\n"
        ),
        "{refused}"
    );
    let tested = operator.refused(&step("test", &secret, &server)).await;
    assert!(tested.contains("and worth nothing"), "{tested}");
    assert_eq!(next(&tested), next(&shown));
    let refused = operator.refused(&step("promote", &secret, &server)).await;
    assert_eq!(next(&refused), next(&shown));
    let shown = go_on(&operator, &shown, "abort").await;
    assert_eq!(next(&shown), stage);
    // By itself it takes the same name.
    let staged = operator.must(&step("stage", &secret, &from)).await;
    assert_eq!(
        next(&staged),
        format!("rollover test {other} --without-endorsement")
    );
    let again = arguments(&shown);
    let again = operator.must(&again).await;
    assert!(again.contains("is staged already"), "{again}");
    let shown = go_on(&operator, &again, "test").await;
    let shown = go_on(&operator, &shown, "promote").await;
    assert_eq!(service.key_of(1).await, other);
    go_on(&operator, &shown, "retire").await;
}

#[tokio::test]
async fn a_leak_of_the_key_that_is_promoted_for_later_is_mended_before_it_opens() {
    let (secret, operator) = (secret("leaks-later"), Operator::new().await);
    let mut service: AwsService = service(&secret).await;
    let url = service.url.clone();
    let server = ["--server", url.as_str()];
    operator.must(&step("stage", &secret, &server)).await;
    operator.must(&step("promote", &secret, &server)).await;
    revoke(&operator, NEW, &server).await;
    let mut shown = operator.must(&step("status", &secret, &server)).await;
    // The one in force endorses the key that takes its place.
    for step in ["repair", "stage", "test", "promote"] {
        shown = go_on(&operator, &shown, step).await;
    }
    assert_eq!(service.key_of(1).await, OLD);
    let expected = [
        is(OLD, &["AWSPREVIOUS"]),
        is(NEW, &[]),
        is(&format!("{NEW}b"), &["AWSCURRENT"]),
    ];
    assert_eq!(labels(&secret), expected);
}

#[tokio::test]
async fn what_was_staged_after_a_late_leak_is_told_by_retire_too() {
    let (secret, operator) = (secret("leaks-late"), Operator::new().await);
    let service: AwsService = service(&secret).await;
    let server = ["--server", service.url.as_str()];
    leaks_when_the_next_is_promoted(&operator, &secret, &server).await;
    let status = step("status", &secret, &server);
    let before = operator.must(&status).await;
    // The leaked key loses its label first.
    let shown = operator.must(&step("retire", &secret, &server)).await;
    assert!(
        next(&before).starts_with("rollover stage --without-endorsement --key-id"),
        "{before}"
    );
    assert!(
        next(&shown).starts_with("rollover stage --without-endorsement --key-id"),
        "{shown}"
    );
    let mut shown = shown;
    for step in ["stage", "test", "promote"] {
        shown = go_on(&operator, &shown, step).await;
    }
}
