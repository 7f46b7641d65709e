//! A record that is not the secret's, or cannot be read, and a service of another environment: no label moves by what they do not say.

use checkpoint_signer::record::environment::Environment;
use checkpoint_signer::record::sqlite::SqliteRecord;
use serde_json::json;
use tempfile::TempDir;

use crate::aws::{AwsService, Operator, boto3, create, promote, stage};
use crate::rollover::{NEW, OLD, key, labels, secret, service, step};
use crate::status::arguments;

/// The record of an environment, empty.
fn record_of(folder: &TempDir, environment: Environment) -> String {
    let path = folder.path().join(format!("{environment}.sqlite"));
    SqliteRecord::init_in(&path, Some(environment)).unwrap();
    format!("sqlite:{}", path.display())
}

/// What may be named in place of the secret's own record, and how that is told.
fn wrong_records(folder: &TempDir) -> [(String, &'static str); 3] {
    let missing = format!("sqlite:{}", folder.path().join("missing.sqlite").display());
    let dead = "postgres://operator:secret%20word@127.0.0.1:1/record?connect_timeout=2";
    [
        (
            record_of(folder, Environment::Staging),
            "environment staging, and this is prod",
        ),
        (missing, "is missing"),
        (dead.into(), "cannot be used"),
    ]
}

/// The words of the command that is printed, as a shell reads them in which the record is set.
fn in_a_shell<'a>(shown: &'a str, record: &'a str) -> Vec<&'a str> {
    let words = arguments(shown).into_iter();
    let words = words.map(|word| match word {
        "\"$CHECKPOINT_SIGNER_ROLLOVER_RECORD\"" => record,
        word => word,
    });
    words.collect()
}

/// Refused before anything was changed, in words that help.
async fn refused(operator: &Operator, arguments_: &[&str], record: &str, told: &str) {
    let shown = operator.refused(arguments_).await;
    assert!(shown.contains(told), "{arguments_:?}: {shown}");
    let place = record
        .split('?')
        .next()
        .unwrap()
        .replace("operator:secret%20word@", "");
    let place = place
        .trim_start_matches("sqlite:")
        .trim_start_matches("postgres://");
    assert!(shown.contains(place), "{arguments_:?}: {shown}");
    assert!(
        !shown.contains("secret%20word") && !shown.contains("secret word"),
        "{shown}"
    );
    assert!(!shown.contains("called "), "{arguments_:?}: {shown}");
    let first = shown.lines().find(|line| line.contains("first: "));
    assert!(
        first.is_some_and(|first| first.contains("--record")),
        "{shown}"
    );
    // It can be typed as it is, and tells the same, as a warning.
    let then = in_a_shell(&shown, record);
    assert_eq!(then[..2], ["rollover", "status"], "{shown}");
    operator.must(&then).await;
}

#[tokio::test]
async fn a_record_that_is_not_the_secrets_or_cannot_be_read_keeps_every_label_where_it_is() {
    let (folder, operator) = (tempfile::tempdir().unwrap(), Operator::new().await);
    let secret = secret("amply/prod/records");
    operator.must(&step("stage", &secret, &[])).await;
    let before = labels(&secret);
    for (record, told) in wrong_records(&folder) {
        let named = ["--record", record.as_str()];
        let shown = operator.must(&step("status", &secret, &named)).await;
        assert!(shown.contains("WARNING") && shown.contains(told), "{shown}");
        let checked = [&named[..], &["--check"]].concat();
        operator.refused(&step("status", &secret, &checked)).await;
        refused(&operator, &step("test", &secret, &named), &record, told).await;
        for more in [&["--dry-run"][..], &["--without-endorsement"], &[NEW], &[]] {
            let more = [&named[..], more].concat();
            let promote = [&step("promote", &secret, &[])[..], &more].concat();
            refused(&operator, &promote, &record, told).await;
        }
        assert_eq!(labels(&secret), before, "{record}");
    }
    // Without one, as before; and by hand what nobody has to be asked for.
    let (record, _) = &wrong_records(&tempfile::tempdir().unwrap())[1];
    let abort = step("abort", &secret, &["--record", record]);
    operator.must(&abort).await;
    operator.must(&step("stage", &secret, &[])).await;
    operator.must(&step("test", &secret, &[])).await;
}

/// Whatever the services say: the names on the line contradict one another.
#[tokio::test]
async fn a_record_whose_name_is_another_environments_is_refused_beside_a_service_that_answers() {
    let operator = Operator::new().await;
    let secret = secret("amply/prod/records-named");
    let ours = service(&secret).await;
    let server = ["--server", ours.url.as_str()];
    operator.must(&step("stage", &secret, &server)).await;
    let before = labels(&secret);
    let record = "secretsmanager:amply/staging/checkpoint-record";
    let both = [&server[..], &["--record", record]].concat();
    for name in ["test", "promote"] {
        let shown = operator.refused(&step(name, &secret, &both)).await;
        assert!(
            shown.contains("the secret of staging, but the environment is prod"),
            "{name}: {shown}"
        );
    }
    assert_eq!(labels(&secret), before);
    let named = ["--record", "sqlite:not-asked.sqlite"];
    operator
        .must(&step("test", &secret, &[&server[..], &named].concat()))
        .await;
}

#[tokio::test]
async fn nor_is_a_key_made_or_retired_or_a_label_put_right_by_it() {
    let (folder, operator) = (tempfile::tempdir().unwrap(), Operator::new().await);
    let (first, ended, astray) = (
        "amply/prod/records-first",
        "amply/prod/records-ended",
        "amply/prod/records-astray",
    );
    boto3("create_secret", json!({ "Name": first }));
    create(ended, &key(OLD, -400, -5));
    let next = stage(ended, &key(NEW, -20, 345));
    promote(ended, &next);
    // The key in force lost its label to one that has passed.
    create(astray, &key(NEW, -20, 345));
    let passed = stage(astray, &key(OLD, -400, -5));
    promote(astray, &passed);
    for (record, told) in wrong_records(&folder) {
        let named = ["--record", record.as_str()];
        let stage = [
            &["rollover", "stage", "--bits", "2048", "--secret"],
            &[first][..],
            &named,
        ];
        refused(&operator, &stage.concat(), &record, told).await;
        for (name, secret) in [("retire", ended), ("repair", astray)] {
            let before = labels(secret);
            refused(&operator, &step(name, secret, &named), &record, told).await;
            assert_eq!(labels(secret), before);
        }
        assert!(labels(first).is_empty());
    }
    // What says so goes on without.
    let (record, _) = &wrong_records(&tempfile::tempdir().unwrap())[0];
    let named = ["--record", record.as_str()];
    operator.must(&step("stage", first, &named)).await;
    let without = [&named[..], &["--without-asking"]].concat();
    operator.must(&step("repair", astray, &without)).await;
    operator.must(&step("retire", ended, &[])).await;
}

/// It has the same key, by a mistake, so that only the name of its secret tells it.
#[tokio::test]
async fn a_service_of_another_environment_is_a_stranger_whatever_its_keys_are() {
    let operator = Operator::new().await;
    let ours = secret("amply/prod/records-served");
    let theirs = secret("amply/staging/records-served");
    let other: AwsService = service(&theirs).await;
    operator.must(&step("stage", &ours, &[])).await;
    let before = labels(&ours);
    let server = ["--server", other.url.as_str()];
    let told = "of another environment, staging (secretsmanager:amply/staging/records-served)";
    let shown = operator.must(&step("status", &ours, &server)).await;
    assert!(shown.contains(told), "{shown}");
    for name in ["test", "promote"] {
        let shown = operator.refused(&step(name, &ours, &server)).await;
        assert!(shown.contains(told), "{name}: {shown}");
        assert!(shown.contains("first: leave "), "{name}: {shown}");
        operator.must(&arguments(&shown)).await;
    }
    assert_eq!(labels(&ours), before);
    let shown = operator.refused(&step("abort", &ours, &server)).await;
    assert!(shown.contains(told), "{shown}");
    assert_eq!(labels(&ours), before);
    operator.must(&step("abort", &ours, &[])).await;
    let stage = ["rollover", "stage", "--secret", &ours, "--bits", "2048"];
    let shown = operator.refused(&[&stage[..], &server].concat()).await;
    assert!(
        shown.contains("nobody could be asked") && shown.contains(told),
        "{shown}"
    );
}

/// The first keys of all environments have the same name.
#[tokio::test]
async fn what_cannot_be_taken_back_is_not_done_by_a_service_of_another_environment() {
    let operator = Operator::new().await;
    let theirs = secret("amply/staging/records-revoked");
    let service: AwsService = service(&theirs).await;
    let server = ["--server", service.url.as_str()];
    let revoke = ["keys", "revoke", OLD, "--reason", "leaked"];
    let resume = ["record", "resume-clock", "--reason", "it ran ahead"];
    let told = "is a service of staging (it reads its keys from secretsmanager:amply/staging/records-revoked)";
    for command in [&revoke[..], &resume] {
        for dry_run in [&[][..], &["--dry-run"]] {
            let meant = ["--environment", "prod"];
            let shown = operator
                .refused(&[command, &server, &meant, dry_run].concat())
                .await;
            assert!(shown.contains(told), "{shown}");
        }
    }
    let listed = operator
        .must(&[&["keys", "list"], &server[..]].concat())
        .await;
    assert!(!listed.contains("REVOKED"), "{listed}");
    let meant = ["--environment", "staging"];
    let planned = operator
        .must(&[&revoke[..], &server, &meant, &["--dry-run"]].concat())
        .await;
    let place = format!(
        "at {}, which has its keys from secretsmanager:{theirs}",
        service.url
    );
    assert!(planned.contains(&place), "{planned}");
    let done = operator
        .must(&[&revoke[..], &server, &meant].concat())
        .await;
    assert!(done.starts_with("REVOKED"), "{done}");
}

/// One of several is enough: what is said of the others is not the whole.
#[tokio::test]
async fn no_key_is_made_while_one_of_the_services_that_are_named_is_of_another_environment() {
    let operator = Operator::new().await;
    let ours = secret("amply/prod/records-mixed");
    let theirs = secret("amply/staging/records-mixed");
    let (right, other) = (service(&ours).await, service(&theirs).await);
    let both = format!("{},{}", right.url, other.url);
    let shown = operator
        .refused(&step("stage", &ours, &["--server", &both]))
        .await;
    assert!(shown.contains("of another environment, staging"), "{shown}");
    let then = arguments(&shown);
    assert!(
        shown.contains("first: leave ") && !then.contains(&both.as_str()),
        "{shown}"
    );
    operator
        .must(&step("stage", &ours, &["--server", &right.url]))
        .await;
}

/// A key that leaked before it was ever trusted is given up whatever does not answer, but not on a line that means another environment.
#[tokio::test]
async fn a_staged_key_is_given_up_beside_what_is_dead_and_not_by_the_record_of_another_environment()
{
    let (folder, operator) = (tempfile::tempdir().unwrap(), Operator::new().await);
    let ours = secret("amply/prod/records-given-up");
    operator.must(&step("stage", &ours, &[])).await;
    let before = labels(&ours);
    let staging = record_of(&folder, Environment::Staging);
    for record in [
        staging.as_str(),
        "secretsmanager:amply/staging/checkpoint-record",
    ] {
        let shown = operator
            .refused(&step("abort", &ours, &["--record", record]))
            .await;
        assert!(shown.contains("staging"), "{shown}");
        assert_eq!(labels(&ours), before);
    }
    let dead = "postgres://operator:secret%20word@127.0.0.1:1/record?connect_timeout=2";
    let named = ["--record", dead, "--server", "http://127.0.0.1:1"];
    operator.must(&step("abort", &ours, &named)).await;
}

/// The key in force has no label, and AWSCURRENT is on something that is no key: only the right record tells.
#[tokio::test]
async fn a_key_that_may_have_lost_its_label_is_asked_about_and_not_taken_for_given_up() {
    let (folder, operator) = (tempfile::tempdir().unwrap(), Operator::new().await);
    let lost = secret("amply/prod/records-lost");
    let own = service(&lost).await;
    for n in 0..2 {
        let garbage = stage(&lost, &format!("{{\"key_id\": \"no-key-{n}\"}}"));
        promote(&lost, &garbage);
    }
    let before = labels(&lost);
    let empty = folder.path().join("empty.sqlite");
    SqliteRecord::init(&empty).unwrap();
    let empty = format!("sqlite:{}", empty.display());
    let mut wrong: Vec<(String, &str)> = wrong_records(&folder).into();
    wrong.push((empty, "has no key on it"));
    for (record, told) in &wrong {
        let named = ["--record", record.as_str()];
        let shown = operator.must(&step("status", &lost, &named)).await;
        assert!(shown.contains("no label trusts it"), "{shown}");
        assert!(!shown.contains("rollover stage"), "{shown}");
        for name in ["repair", "stage", "test", "promote"] {
            let words = ["rollover", name, "--secret", &lost];
            let shown = operator.refused(&[&words[..], &named].concat()).await;
            assert!(shown.contains(told), "{name}: {shown}");
            assert!(shown.contains("first: see to --record "), "{name}: {shown}");
            assert_eq!(
                in_a_shell(&shown, record)[..2],
                ["rollover", "status"],
                "{shown}"
            );
        }
        assert_eq!(labels(&lost), before);
    }
    for name in ["repair", "stage"] {
        let words = ["rollover", name, "--secret", &lost];
        let shown = operator.refused(&words).await;
        assert!(shown.contains("nobody could be asked"), "{shown}");
        assert!(shown.contains("--record"), "{shown}");
    }
    let shown = operator.must(&step("status", &lost, &[])).await;
    assert!(!shown.contains("rollover stage"), "{shown}");
    // Whoever knows better says so.
    let without = step("repair", &lost, &["--without-asking"]);
    let shown = operator.must(&without).await;
    assert!(!shown.contains("nothing to repair"), "{shown}");
    let right = ["--server", own.url.as_str()];
    operator.must(&step("repair", &lost, &right)).await;
    assert_ne!(labels(&lost), before);
}

#[tokio::test]
async fn an_empty_record_is_not_the_one_of_a_secret_that_has_keys() {
    let (folder, operator) = (tempfile::tempdir().unwrap(), Operator::new().await);
    let ours = secret("amply/prod/records-empty");
    operator.must(&step("stage", &ours, &[])).await;
    let before = labels(&ours);
    let path = folder.path().join("empty.sqlite");
    SqliteRecord::init(&path).unwrap();
    let record = format!("sqlite:{}", path.display());
    for name in ["test", "promote"] {
        refused(
            &operator,
            &step(name, &ours, &["--record", &record]),
            &record,
            "has no key on it",
        )
        .await;
    }
    assert_eq!(labels(&ours), before);
}

/// A password is not printed, and what is printed works all the same.
#[tokio::test]
async fn what_comes_next_has_no_password_and_can_be_typed() {
    let operator = Operator::new().await;
    let ours = secret("amply/prod/records-password");
    let dead = "postgres://operator:secret%20word@127.0.0.1:1/record?connect_timeout=2";
    let status = step("status", &ours, &["--record", dead]);
    let shown = operator.must(&status).await;
    assert!(
        shown.contains("--record \"$CHECKPOINT_SIGNER_ROLLOVER_RECORD\""),
        "{shown}"
    );
    assert!(
        shown.contains("into the variable CHECKPOINT_SIGNER_ROLLOVER_RECORD"),
        "{shown}"
    );
    assert!(!shown.contains("word@"), "{shown}");
    let mut command = operator.command(&status);
    command.env("CHECKPOINT_SIGNER_ROLLOVER_RECORD", dead);
    let ended = command.output().await.unwrap();
    let shown = String::from_utf8(ended.stdout).unwrap();
    assert!(
        shown.contains("next: ") && !shown.contains(" --record \""),
        "{shown}"
    );
    assert!(!shown.contains("into the variable"), "{shown}");
    let server = "http://somebody:word@127.0.0.1:1";
    let shown = operator
        .refused(&step("test", &ours, &["--server", server]))
        .await;
    assert!(
        !shown.contains("word@") && !shown.contains("***"),
        "{shown}"
    );
    assert!(shown.contains("--server http://127.0.0.1:1"), "{shown}");
}
