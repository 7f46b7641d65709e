//! A service that could not go on after a promotion keeps the labels where they are: the command that mends it comes first.

use checkpoint_signer::clock::Clock;
use chrono::Utc;

use crate::aws::{AwsService, Operator, rotate, stage};
use crate::proxy::Mode;
use crate::rollover::{NEW, OLD, is, key, labels, secret, service, step};
use crate::status::{arguments, next};
use crate::wait;

const DENIED: &str = "User: arn:aws:sts::123456789012:assumed-role/service/x is not authorized to perform: \
                      secretsmanager:GetSecretValue with an explicit deny in an identity-based policy";

fn first(shown: &str) -> &str {
    let mut lines = shown
        .lines()
        .filter_map(|line| line.strip_prefix("first: "));
    lines.next().unwrap_or_else(|| panic!("{shown}"))
}

/// A condition on the version stage in the policy of the services' role.
#[tokio::test]
async fn services_that_may_not_read_the_previous_version_keep_a_key_from_being_promoted() {
    let (secret, operator) = (secret("ready-denied"), Operator::new().await);
    let mut ours = service(&secret).await;
    let denied = Mode::Says("AWSPREVIOUS", 400, "AccessDeniedException", DENIED);
    ours.proxy.set(denied);
    ours.refresh().await.unwrap_err();
    let server = ["--server", ours.url.as_str()];
    // Before anything is staged already.
    let shown = operator.must(&step("status", &secret, &server)).await;
    assert!(
        first(&shown).contains("read both AWSCURRENT and AWSPREVIOUS"),
        "{shown}"
    );
    assert!(
        operator
            .must(&arguments(&shown))
            .await
            .contains("source has a fault: "),
        "{shown}"
    );
    operator.must(&step("stage", &secret, &server)).await;
    let staged = [is(OLD, &["AWSCURRENT"]), is(NEW, &["AWSPENDING"])];
    let told = operator.refused(&step("test", &secret, &server)).await;
    assert!(
        told.contains("WRONG  services") && told.contains("AccessDeniedException"),
        "{told}"
    );
    for more in [&["--dry-run"][..], &[]] {
        let more = [&server[..], more].concat();
        let shown = operator.refused(&step("promote", &secret, &more)).await;
        assert!(
            shown.contains("its next start could end signing"),
            "{shown}"
        );
        assert_eq!(arguments(&shown)[..2], ["keys", "list"], "{shown}");
    }
    assert_eq!(labels(&secret), staged);
    // Nobody has to have the services read it.
    ours.proxy.set(Mode::Open);
    operator.must(&step("test", &secret, &server)).await;
    operator.must(&step("promote", &secret, &server)).await;
    // What starts now signs.
    drop(ours);
    let mut anew = service(&secret).await;
    assert_eq!(anew.key_of(1).await, OLD);
}

/// The same while it was promoted by hand, so that a repair would take the label that they read.
#[tokio::test]
async fn services_that_may_not_read_the_current_version_are_told_of_first() {
    let (secret, operator) = (secret("ready-current"), Operator::new().await);
    let mut ours = service(&secret).await;
    assert_eq!(ours.key_of(1).await, OLD);
    operator
        .must(&step("stage", &secret, &["--server", &ours.url]))
        .await;
    let denied = Mode::Says("AWSCURRENT", 400, "AccessDeniedException", DENIED);
    ours.proxy.set(denied);
    let server = ["--server", ours.url.as_str()];
    // They had read it, and have no fault until they are asked.
    let shown = operator.refused(&step("promote", &secret, &server)).await;
    assert!(
        shown.contains("AWSCURRENT): AccessDeniedException"),
        "{shown}"
    );
    assert_eq!(labels(&secret)[0], is(OLD, &["AWSCURRENT"]));
    assert_eq!(ours.key_of(2).await, OLD);
}

#[tokio::test]
async fn a_server_that_is_none_of_this_secret_keeps_the_labels_where_they_are() {
    let (secret, operator) = (secret("ready-stranger"), Operator::new().await);
    let ours = service(&secret).await;
    let another = crate::rollover::secret("ready-another");
    let elsewhere = "ready-elsewhere";
    crate::aws::create(
        elsewhere,
        &crate::support::key_with("other", "2020-01-01", "2099-01-01", 7),
    );
    let other = service(elsewhere).await;
    let both = format!("{},{}", ours.url, other.url);
    let both = ["--server", both.as_str()];
    operator.must(&step("stage", &secret, &both)).await;
    let staged = labels(&secret);
    let shown = operator.refused(&step("promote", &secret, &both)).await;
    assert!(
        shown.contains(&format!("{}: lists none of the keys", other.url)),
        "{shown}"
    );
    assert!(
        first(&shown).contains(&format!("leave {} out", other.url)),
        "{shown}"
    );
    assert_eq!(labels(&secret), staged, "no label has moved");
    let shown = operator.must(&arguments(&shown)).await;
    let command = arguments(&shown);
    assert!(command.ends_with(&["--server", &ours.url]), "{shown}");
    let shown = operator.must(&command).await;
    operator.must(&arguments(&shown)).await;
    assert_eq!(labels(&secret)[1], is(NEW, &["AWSCURRENT"]));
    // What is promoted already is not waited for in vain either.
    let shown = operator.refused(&step("promote", &secret, &both)).await;
    assert!(first(&shown).contains("leave "), "{shown}");
    drop(another);
}

#[tokio::test]
async fn a_dead_address_keeps_the_labels_where_they_are() {
    let (secret, operator) = (secret("ready-dead"), Operator::new().await);
    let ours = service(&secret).await;
    let both = format!("{},http://127.0.0.1:1", ours.url);
    let both = ["--server", both.as_str()];
    operator.must(&step("stage", &secret, &both)).await;
    let staged = labels(&secret);
    for name in ["test", "promote"] {
        let shown = operator.refused(&step(name, &secret, &both)).await;
        assert!(
            shown.contains("http://127.0.0.1:1: does not answer"),
            "{shown}"
        );
        assert!(
            first(&shown).contains("see to http://127.0.0.1:1"),
            "{shown}"
        );
        assert_eq!(arguments(&shown)[0], "health", "{shown}");
    }
    assert_eq!(labels(&secret), staged);
    let shown = operator.must(&step("status", &secret, &both)).await;
    assert_eq!(arguments(&shown)[0], "health", "{shown}");
}

/// Its clock stands in for a full disk: no key mends either.
#[tokio::test]
async fn a_service_that_signs_nothing_whatever_its_keys_comes_before_the_next_key() {
    let (secret, operator) = (secret("ready-stuck"), Operator::new().await);
    let mut ours = service(&secret).await;
    assert_eq!(ours.key_of(1).await, OLD);
    let server = ["--server", ours.url.as_str()];
    operator.must(&step("stage", &secret, &server)).await;
    let staged = labels(&secret);
    ours.clock.set(Utc::now() - chrono::TimeDelta::hours(1));
    let mut keys = ours.keys.clone();
    wait::until("the service to see that its clock is wrong", async || {
        let list = keys.list_keys(checkpoint_signer::wire::proto::ListKeysRequest {});
        !list.await.unwrap().into_inner().signing_refused.is_empty()
    })
    .await;
    let shown = operator.must(&step("status", &secret, &server)).await;
    assert!(first(&shown).contains("have the clocks of "), "{shown}");
    assert_eq!(arguments(&shown)[0], "health", "{shown}");
    let shown = operator.refused(&step("promote", &secret, &server)).await;
    assert!(shown.contains("signs nothing: CLOCK_WENT_BACK"), "{shown}");
    assert_eq!(labels(&secret), staged);
}

/// The operator is denied one version alone, and the services sign.
#[tokio::test]
async fn no_gap_is_told_of_what_cannot_be_read_here() {
    let (secret, operator) = (secret("ready-hidden"), Operator::new().await);
    rotate(&secret, &key(NEW, 30, 395));
    let ours = service(&secret).await;
    let listed = crate::aws::boto3(
        "get_secret_value",
        serde_json::json!({ "SecretId": secret, "VersionStage": "AWSPREVIOUS" }),
    );
    let previous: &'static str = listed["VersionId"].as_str().unwrap().to_owned().leak();
    operator
        .proxy
        .set(Mode::Says(previous, 400, "AccessDeniedException", DENIED));
    for server in [&["--server", ours.url.as_str()][..], &[]] {
        let shown = operator.must(&step("status", &secret, server)).await;
        assert!(
            !shown.contains("gap: ") && !shown.contains("gap of"),
            "{shown}"
        );
        assert!(
            first(&shown).contains("have this role read version"),
            "{shown}"
        );
        assert_eq!(next(&shown), "rollover status");
    }
}

#[tokio::test]
async fn giving_up_a_version_that_has_another_label_is_no_race() {
    let (secret, operator) = (secret("ready-labels"), Operator::new().await);
    let first = stage(&secret, "garbage");
    let more = serde_json::json!({
        "SecretId": secret, "VersionStage": "AWSPREVIOUS", "MoveToVersionId": first,
    });
    crate::aws::boto3("update_secret_version_stage", more);
    let ours = service(&secret).await;
    let server = ["--server", ours.url.as_str()];
    let shown = operator.must(&step("abort", &secret, &server)).await;
    assert!(!shown.contains("somebody else"), "{shown}");
    assert!(
        shown.contains("called UpdateSecretVersionStage VersionStage=AWSPENDING"),
        "{shown}"
    );
}

/// Both see it staged, and one is faster.
#[tokio::test]
async fn who_promotes_second_is_told_that_somebody_did_it_and_not_that_it_was_given_up() {
    let (secret, operator) = (secret("ready-race"), Operator::new().await);
    let ours = service(&secret).await;
    let server = ["--server", ours.url.as_str()];
    operator.must(&step("stage", &secret, &server)).await;
    let second = Operator::new().await;
    second.proxy.set(Mode::Hold("UpdateSecretVersionStage"));
    let promote = step("promote", &secret, &server);
    let faster = async {
        second.proxy.reached().await;
        operator.must(&promote).await;
        second.proxy.release();
    };
    let (shown, ()) = tokio::join!(second.must(&promote), faster);
    assert!(
        shown.contains("somebody else did this meanwhile"),
        "{shown}"
    );
    assert!(
        shown.contains(&format!("{NEW} has AWSPENDING no more: whoever was faster"))
            && !shown.contains("gave it up"),
        "{shown}"
    );
    assert!(
        shown.contains(&format!("lists {NEW} as SCHEDULED")),
        "{shown}"
    );
}

/// Accepts, and never says a word.
#[tokio::test]
async fn a_server_that_is_silent_is_told_of_while_it_is_waited_for() {
    let (secret, operator) = (secret("ready-silent"), Operator::new().await);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let shown = operator
        .must(&step("status", &secret, &["--server", &url]))
        .await;
    let note = format!("checkpoint-signer: note: {url} has not answered yet");
    assert!(shown.contains(&note), "{shown}");
    assert!(shown.contains(&format!("{url}: does not ")), "{shown}");
    drop(listener);
}

#[tokio::test]
async fn a_leaked_key_that_is_only_staged_is_given_up_by_the_command_that_its_revocation_tells() {
    let (secret, operator) = (secret("ready-revoked"), Operator::new().await);
    let proxy = AwsService::proxy().await;
    let clock = Clock::simulated(Utc::now());
    let mut ours = AwsService::start_at(proxy, &secret, clock, false).await;
    let server = ["--server", ours.url.as_str()];
    operator.must(&step("stage", &secret, &server)).await;
    let revoke = async |key_id: &str| {
        let words = [
            "keys", "revoke", key_id, "--reason", "leaked", "--server", &ours.url,
        ];
        operator.run(&words).await
    };
    let ended = revoke(NEW).await;
    assert_eq!(ended.code, 1, "{}", ended.text);
    assert!(
        ended.text.contains("KEY_NOT_FOUND") && ended.text.contains(&format!("on record: {OLD}")),
        "{}",
        ended.text
    );
    assert_eq!(next(&ended.text), format!("rollover abort {NEW}"));
    operator.must(&arguments(&ended.text)).await;
    assert_eq!(labels(&secret), [is(OLD, &["AWSCURRENT"]), is(NEW, &[])]);
    // What comes after a revocation is told as well.
    let ended = revoke(OLD).await;
    assert_eq!(ended.code, 0, "{}", ended.text);
    assert_eq!(next(&ended.text), "rollover status");
    let shown = operator.must(&arguments(&ended.text)).await;
    assert!(
        next(&shown).starts_with("rollover stage --without-endorsement"),
        "{shown}"
    );
    ours.refresh().await.unwrap();
}
