//! Steps that are stopped after each of their calls, and two operators at the same time.

use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::aws::{Ended, Operator, boto3, create, rotate};
use crate::proxy::Mode;
use crate::rollover::{NEW, OLD, is, key, labels, secret, step};
use crate::wait;

type Prepare = fn(&str);

/// A key and its labels.
type Labelled = (&'static str, &'static [&'static str]);

fn fresh(name: &str) {
    create(name, &key(OLD, -335, 30));
}

fn staged(name: &str) {
    fresh(name);
    crate::aws::stage(name, &endorsed());
}

fn rolled_over(name: &str) {
    create(name, &key(OLD, -400, -35));
    rotate(name, &key(NEW, -35, 330));
}

/// The key after [`OLD`], endorsed by it; the same for all tests of a process.
fn endorsed() -> String {
    use checkpoint::key::ValidityWindow;
    use checkpoint::signing::KeySecret;
    static MADE: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    let make = || {
        let old = KeySecret::parse(&key(OLD, -335, 30), None).unwrap();
        let old = old.into_signing_key();
        let from = old.version().window.until();
        let window = ValidityWindow::new(from, from + chrono::TimeDelta::days(365)).unwrap();
        let open = old.open_at(chrono::Utc::now()).unwrap();
        let algorithm = old.version().algorithm;
        let made = KeySecret::generate(NEW.parse().unwrap(), window, algorithm, 2048, Some(&open));
        made.unwrap().0.to_string()
    };
    MADE.get_or_init(make).clone()
}

#[tokio::test]
async fn a_step_that_is_killed_after_any_call_is_completed_by_running_it_again() {
    let cases: [(&str, Prepare, &[Labelled]); 4] = [
        (
            "stage",
            fresh,
            &[(OLD, &["AWSCURRENT"]), (NEW, &["AWSPENDING"])],
        ),
        (
            "promote",
            staged,
            &[(OLD, &["AWSPREVIOUS"]), (NEW, &["AWSCURRENT"])],
        ),
        ("retire", rolled_over, &[(OLD, &[]), (NEW, &["AWSCURRENT"])]),
        ("abort", staged, &[(OLD, &["AWSCURRENT"]), (NEW, &[])]),
    ];
    let mut killed = Vec::new();
    for (name, prepare, end) in cases {
        let end: Vec<_> = end.iter().map(|(key, labels)| is(key, labels)).collect();
        // Named, as the step before it prints it.
        let named: &[&str] = if name == "promote" { &[NEW] } else { &[] };
        let whole = Operator::new().await;
        let secret = format!("whole-{name}");
        prepare(&secret);
        whole.must(&step(name, &secret, named)).await;
        assert_eq!(labels(&secret), end, "{name}");
        let calls = whole.proxy.asked();
        for call in 1..=calls.len() {
            let secret = format!("killed-{name}-{call}");
            prepare(&secret);
            let operator = Operator::new().await;
            operator.proxy.set(Mode::CutAfter(call));
            let mut child = operator
                .command(&step(name, &secret, named))
                .stdout(std::process::Stdio::null())
                .spawn()
                .unwrap();
            wait::within("the call that is held", operator.proxy.reached()).await;
            child.kill().await.unwrap();
            operator.proxy.set(Mode::Open);
            operator.must(&step(name, &secret, named)).await;
            assert_eq!(labels(&secret), end, "{name}, killed after call {call}");
        }
        killed.push((name, calls));
    }
    // What changes the secret was among the calls.
    let changes = |calls: &[String]| {
        let changes = calls
            .iter()
            .filter(|call| call.starts_with("Put") || call.starts_with("Update"));
        changes.count()
    };
    let changes: Vec<_> = killed
        .iter()
        .map(|(name, calls)| (*name, changes(calls)))
        .collect();
    assert_eq!(
        changes,
        [("stage", 1), ("promote", 2), ("retire", 1), ("abort", 1)]
    );
}

#[tokio::test]
async fn an_answer_that_is_lost_is_asked_for_again() {
    let (secret, operator) = (secret("lost"), Operator::new().await);
    operator.must(&step("stage", &secret, &[])).await;
    // The SDK repeats a call that was not answered in time; it was carried out already.
    operator
        .proxy
        .set(Mode::LoseAnswer("UpdateSecretVersionStage"));
    let shown = operator.must(&step("promote", &secret, &[])).await;
    assert!(shown.contains("an answer was lost"), "{shown}");
    assert_eq!(
        labels(&secret),
        [is(OLD, &["AWSPREVIOUS"]), is(NEW, &["AWSCURRENT"])]
    );
}

fn signal(child: &tokio::process::Child, signal: Signal) {
    let pid = i32::try_from(child.id().unwrap()).unwrap();
    kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
}

fn change(step: &str) -> &'static str {
    match step {
        "stage" => "PutSecretValue",
        _ => "UpdateSecretVersionStage",
    }
}

/// Two operators have both got as far as the call that changes something; the second one makes it first. Gives how the first ended,
/// and the second.
///
/// The second stands still until its turn, so that it need not be fast: who is not answered asks again.
async fn meanwhile(
    secret: &str,
    held: &str,
    other: &str,
) -> (crate::aws::Ended, crate::aws::Ended) {
    let (operator, second) = (Operator::new().await, Operator::new().await);
    let at_its_change = |operator: &Operator, step: &str| {
        let what = format!("{step} to change something");
        operator.proxy.set(Mode::Hold(change(step)));
        (what, operator.proxy.clone())
    };
    let (what, proxy) = at_its_change(&second, other);
    let mut other = second.command(&step(other, secret, &[]));
    other.stdout(Stdio::piped()).stderr(Stdio::piped());
    let other = other.spawn().unwrap();
    wait::within(&what, proxy.reached()).await;
    signal(&other, Signal::STOP);

    let (what, proxy) = at_its_change(&operator, held);
    let arguments = step(held, secret, &[]);
    let first = operator.run(&arguments);
    let then = async {
        wait::within(&what, proxy.reached()).await;
        signal(&other, Signal::CONT);
        second.proxy.release();
        let ended = wait::within("the second to end", other.wait_with_output()).await;
        proxy.release();
        Ended::from(ended.unwrap())
    };
    tokio::join!(first, then)
}

#[tokio::test]
async fn of_two_operators_who_stage_one_wins_and_the_other_is_told() {
    let secret = secret("two-stage");
    let (slow, fast) = meanwhile(&secret, "stage", "stage").await;
    assert_eq!(fast.code, 0, "{}", fast.text);
    assert_eq!(slow.code, 1, "{}", slow.text);
    assert!(slow.text.contains("somebody else"), "{}", slow.text);
    assert_eq!(
        labels(&secret),
        [is(OLD, &["AWSCURRENT"]), is(NEW, &["AWSPENDING"])]
    );
    let fingerprint = fast.text.split("fingerprint ").nth(1).unwrap();
    let fingerprint = fingerprint.lines().next().unwrap();
    let operator = Operator::new().await;
    let shown = operator
        .must(&step("status", &secret, &["--format", "json"]))
        .await;
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(
        shown["keys"][1]["fingerprint"], fingerprint,
        "the winner's key"
    );
}

#[tokio::test]
async fn of_two_operators_who_promote_one_is_told() {
    let name = "two-promote";
    staged(name);
    let (slow, fast) = meanwhile(name, "promote", "promote").await;
    assert_eq!((fast.code, slow.code), (0, 0), "{}", slow.text);
    assert!(
        slow.text.contains("somebody else did this"),
        "{}",
        slow.text
    );
    assert_eq!(
        labels(name),
        [is(OLD, &["AWSPREVIOUS"]), is(NEW, &["AWSCURRENT"])]
    );
}

#[tokio::test]
async fn promoting_against_giving_up() {
    // The promotion comes first: giving up says so.
    let name = "two-abort";
    staged(name);
    let (slow, fast) = meanwhile(name, "abort", "promote").await;
    assert_eq!((fast.code, slow.code), (0, 1), "{}", slow.text);
    assert!(slow.text.contains("was promoted"), "{}", slow.text);
    let end = [is(OLD, &["AWSPREVIOUS"]), is(NEW, &["AWSCURRENT"])];
    assert_eq!(labels(name), end);
    // The other way round, Secrets Manager knows nothing of AWSPENDING when it moves AWSCURRENT: both are told.
    let name = "two-abort-late";
    staged(name);
    let (slow, fast) = meanwhile(name, "promote", "abort").await;
    assert_eq!((fast.code, slow.code), (0, 0), "{}", slow.text);
    assert!(slow.text.contains("gave"), "{}", slow.text);
    assert_eq!(labels(name), end);
}

#[tokio::test]
async fn a_label_that_was_moved_by_hand_is_not_moved_again() {
    let name = "by-hand";
    staged(name);
    let operator = Operator::new().await;
    operator.proxy.set(Mode::Hold("UpdateSecretVersionStage"));
    let arguments = step("promote", name, &[]);
    let held = operator.run(&arguments);
    let by_hand = async {
        wait::within("the call that is held", operator.proxy.reached()).await;
        let before = boto3(
            "get_secret_value",
            json!({ "SecretId": name, "VersionStage": "AWSCURRENT" }),
        );
        let third = crate::aws::stage(name, &key("amply-checkpoint-key-2027", -1, 700));
        let label = json!({
            "SecretId": name, "VersionStage": "AWSCURRENT",
            "RemoveFromVersionId": before["VersionId"], "MoveToVersionId": third,
        });
        boto3("update_secret_version_stage", label);
        operator.proxy.release();
    };
    let (ended, ()) = tokio::join!(held, by_hand);
    assert_eq!(ended.code, 1, "{}", ended.text);
    assert!(
        ended.text.contains("somebody else changed"),
        "{}",
        ended.text
    );
    let current = boto3(
        "get_secret_value",
        json!({ "SecretId": name, "VersionStage": "AWSCURRENT" }),
    );
    assert!(current["SecretString"].as_str().unwrap().contains("2027"));
}
