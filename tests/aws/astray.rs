//! What somebody has put or moved past the steps: every step says so and changes nothing, what is told to come next leads back, and the
//! service signs meanwhile.

use checkpoint::key::instant_text;
use chrono::{TimeDelta, Utc};
use serde_json::{Value, json};

use crate::aws::{AwsService, Operator, boto3, create, make_current, promote, stage};
use crate::rollover::{NEW, OLD, is, key, labels, secret, service, step};
use crate::status::{arguments, next};
use crate::support::key_with;

/// Most commands until it is well.
const MOST_STEPS: usize = 6;

/// A service, its operator, and the secret of both.
struct Night {
    operator: Operator,
    service: AwsService,
    secret: String,
    signed: u64,
}

impl Night {
    async fn begin(name: &str) -> Self {
        let secret = secret(name);
        let mut night = Self {
            operator: Operator::new().await,
            service: service(&secret).await,
            secret,
            signed: 0,
        };
        night.signs_with(OLD).await;
        night
    }

    async fn signs_with(&mut self, key_id: &str) {
        self.signed += 1;
        assert_eq!(self.service.key_of(self.signed).await, key_id);
    }

    fn step(&self, name: &str, more: &[&str]) -> Vec<String> {
        let url = self.service.url.as_str();
        let more = [&["--server", url], more].concat();
        let words = step(name, &self.secret, &more).into_iter();
        words.map(str::to_owned).collect()
    }

    async fn must(&self, name: &str, more: &[&str]) -> String {
        let words = self.step(name, more);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        self.operator.must(&words).await
    }

    async fn refused(&self, name: &str, more: &[&str]) -> String {
        let words = self.step(name, more);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        self.operator.refused(&words).await
    }

    async fn revoke(&self, key_id: &str) {
        let url = self.service.url.as_str();
        let revoke = [
            "keys", "revoke", key_id, "--reason", "leaked", "--server", url,
        ];
        self.operator.must(&revoke).await;
    }

    async fn reads_what_it_refuses(&mut self) {
        self.service.refresh().await.unwrap_err();
    }

    /// Every step is refused with this and changes nothing; what it says comes next is what status says.
    async fn nothing_goes_on(&self, why: &str) {
        let (before, expected) = (self.versions(), next(&self.must("status", &[]).await));
        for step in ["stage", "test", "promote", "retire"] {
            let shown = self.refused(step, &[]).await;
            assert!(shown.contains(why), "{step}: {shown}");
            assert_eq!(next(&shown), expected, "{step}: {shown}");
        }
        let shown = self.refused("status", &["--check"]).await;
        assert!(shown.contains(why), "{shown}");
        assert_eq!(self.versions(), before, "nothing was changed");
    }

    /// Each version with its labels.
    fn versions(&self) -> Vec<(String, Vec<String>)> {
        let listed = boto3(
            "list_secret_version_ids",
            json!({ "SecretId": self.secret }),
        );
        let versions = listed["Versions"].as_array().unwrap().iter();
        let mut versions: Vec<_> = versions
            .map(|version| {
                let mut stages: Vec<String> =
                    serde_json::from_value(version["VersionStages"].clone()).unwrap();
                stages.sort();
                (version["VersionId"].as_str().unwrap().to_owned(), stages)
            })
            .collect();
        versions.sort();
        versions
    }

    /// Runs what is told to come next until there is nothing to do, and sees that it is well.
    async fn follow(&mut self) -> Vec<String> {
        let (mut done, mut shown) = (Vec::new(), self.must("status", &[]).await);
        while !next(&shown).starts_with("nothing") {
            assert!(done.len() < MOST_STEPS, "{done:?}: {shown}");
            done.push(next(&shown));
            shown = self.operator.must(&arguments(&shown)).await;
        }
        self.service.refresh().await.unwrap();
        assert_eq!(self.service.status().await.faults, [""; 0]);
        self.signed += 1;
        self.service.sign(self.signed).await.unwrap();
        done
    }

    fn put(&self, content: &str, label: &str) -> String {
        let put =
            json!({ "SecretId": self.secret, "SecretString": content, "VersionStages": [label] });
        let put = boto3("put_secret_value", put);
        put["VersionId"].as_str().unwrap().to_owned()
    }
}

/// The same key, with another window.
fn with_another_end(document: &str) -> String {
    let mut document: Value = serde_json::from_str(document).unwrap();
    document["valid_until"] = "2099-01-01".into();
    document.to_string()
}

/// A key under a name, with another window or private key by `variant`.
fn other(key_id: &str, from: i64, until: i64, variant: u32) -> String {
    let today = Utc::now()
        .date_naive()
        .and_time(chrono::NaiveTime::MIN)
        .and_utc();
    let day = |days| instant_text(today + TimeDelta::days(days));
    key_with(key_id, &day(from), &day(until), variant)
}

#[tokio::test]
async fn the_current_key_is_put_again_with_another_window() {
    let mut night = Night::begin("astray-window").await;
    let good = night.versions()[0].0.clone();
    night.put(&with_another_end(&key(OLD, -335, 30)), "AWSCURRENT");
    night.reads_what_it_refuses().await;
    night.signs_with(OLD).await;
    night
        .nothing_goes_on("is refused by the services: http")
        .await;
    let shown = night.must("status", &[]).await;
    assert!(
        shown.contains("has the window ") && shown.contains(", here "),
        "{shown}"
    );
    assert_eq!(next(&shown), "rollover repair");

    let before = night.versions();
    let shown = night.must("repair", &["--dry-run"]).await;
    assert_eq!(
        shown.matches("would call UpdateSecretVersionStage").count(),
        2,
        "{shown}"
    );
    assert_eq!(night.versions(), before, "a dry run");
    // What a dry run says comes next is the same for real.
    let shown = night.operator.must(&arguments(&shown)).await;
    assert!(
        shown.contains("called UpdateSecretVersionStage VersionStage=AWSCURRENT"),
        "{shown}"
    );
    let current = night.versions().into_iter().find(|(id, _)| *id == good);
    assert_eq!(current.unwrap().1, ["AWSCURRENT"]);
    let done = night.follow().await;
    assert_eq!(done.len(), 3, "stage, test, promote: {done:?}");
    night.must("status", &["--check"]).await;
    let shown = night.must("repair", &[]).await;
    assert!(shown.contains("nothing to repair"), "{shown}");
}

#[tokio::test]
async fn an_impostor_is_put_under_the_name_of_the_current_key() {
    let mut night = Night::begin("astray-impostor").await;
    let impostor = other(OLD, -335, 30, 1);
    night.put(&impostor, "AWSCURRENT");
    night.reads_what_it_refuses().await;
    night
        .nothing_goes_on("another public key under the name")
        .await;
    // Not even at somebody's word is anything endorsed by it.
    night.refused("stage", &["--without-asking"]).await;
    night.follow().await;
    night.signs_with(OLD).await;
    let shown = night.must("status", &["--format", "json"]).await;
    let status: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(status["warnings"], json!([]), "{shown}");
    let keys = status["keys"].as_array().unwrap();
    let refused = keys.iter().filter(|key| key["phase"] == "refused").count();
    assert_eq!(refused, 1, "{shown}");
}

#[tokio::test]
async fn two_versions_of_one_name_are_found_without_any_service() {
    let (secret, operator) = (secret("astray-alone"), Operator::new().await);
    let put = with_another_end(&key(OLD, -335, 30));
    let put = json!({ "SecretId": secret, "SecretString": put, "VersionStages": ["AWSCURRENT"] });
    boto3("put_secret_value", put);
    let before = labels(&secret);
    let shown = operator
        .refused(&step("status", &secret, &["--check"]))
        .await;
    assert!(shown.contains(&format!("under the name {OLD}")), "{shown}");
    for name in ["stage", "test", "promote", "repair"] {
        let words = ["rollover", name, "--secret", secret.as_str()];
        let shown = operator.refused(&words).await;
        assert!(
            shown.contains("only the services know which is right"),
            "{name}: {shown}"
        );
        let first = "\nfirst: name each service by --server";
        assert!(shown.contains(first), "{shown}");
        let again = format!("rollover {name} --secret {secret} --server http://127.0.0.1:50051");
        assert_eq!(
            arguments(&shown).join(" ").trim_end_matches(" --bits 2048"),
            again
        );
    }
    assert_eq!(labels(&secret), before);
}

#[tokio::test]
async fn after_a_second_edit_the_good_version_has_no_label() {
    let mut night = Night::begin("astray-twice").await;
    let good = night.versions()[0].0.clone();
    night.put("{}", "AWSCURRENT");
    night.put("no key either", "AWSCURRENT");
    night.reads_what_it_refuses().await;
    night.signs_with(OLD).await;
    let shown = night.must("status", &[]).await;
    assert!(
        shown.contains(&format!("the services sign with {OLD} from memory")),
        "{shown}"
    );
    assert!(!shown.contains("NO KEY IS IN FORCE"), "it signs: {shown}");
    assert!(shown.contains("<- signs now"), "{shown}");
    night.nothing_goes_on("is not a key").await;
    let done = night.follow().await;
    assert_eq!(done[0], "rollover repair");
    let versions = night.versions();
    let of = |id: &str| {
        versions
            .iter()
            .find(|(found, _)| found == id)
            .unwrap()
            .1
            .clone()
    };
    // It signs until the next one opens.
    assert_eq!(of(&good), ["AWSPREVIOUS"]);
}

#[tokio::test]
async fn a_key_is_staged_given_up_staged_again_and_promoted() {
    let mut night = Night::begin("astray-again").await;
    night.must("stage", &[]).await;
    let shown = night.must("abort", &[]).await;
    let mut done = vec![next(&shown)];
    night.operator.must(&arguments(&shown)).await;
    done.extend(night.follow().await);
    assert_eq!(done.len(), 3, "{done:?}");
    night.signs_with(OLD).await;
    let expected = [
        is(OLD, &["AWSPREVIOUS"]),
        is(NEW, &[]),
        is(&format!("{NEW}b"), &["AWSCURRENT"]),
    ];
    assert_eq!(labels(&night.secret), expected);
}

#[tokio::test]
async fn what_is_staged_is_no_key() {
    for (name, content) in [("empty", "{}"), ("garbage", "-----BEGIN NONSENSE-----")] {
        let mut night = Night::begin(&format!("astray-{name}")).await;
        night.put(content, "AWSPENDING");
        let shown = night.refused("promote", &[]).await;
        assert!(shown.contains("form: "), "{shown}");
        assert_eq!(next(&shown), "rollover abort");
        let done = night.follow().await;
        assert_eq!(done.len(), 4, "abort, stage, test, promote: {done:?}");
    }
}

#[tokio::test]
async fn the_current_label_is_rolled_back_by_hand() {
    let mut night = Night::begin("astray-back").await;
    let old = night.versions()[0].0.clone();
    night.follow().await;
    let promoted = labels(&night.secret);
    make_current(&night.secret, &old);
    night.service.refresh().await.unwrap();
    night.signs_with(OLD).await;
    night.nothing_goes_on(&format!(", and not to {OLD}")).await;
    assert_eq!(night.follow().await, ["rollover repair"]);
    assert_eq!(labels(&night.secret), promoted);
}

#[tokio::test]
async fn the_whole_secret_leaks_with_the_promoted_next_key_in_it() {
    let mut night = Night::begin("astray-leak").await;
    night.follow().await;
    night.revoke(OLD).await;
    night.revoke(NEW).await;
    let shown = night.must("status", &[]).await;
    assert!(shown.contains("NO KEY IS IN FORCE"), "{shown}");
    assert_eq!(shown.matches("revoked from ").count(), 2, "{shown}");
    let done = night.follow().await;
    let steps = done.iter().map(|words| words.split(' ').nth(1).unwrap());
    assert_eq!(
        steps.collect::<Vec<_>>(),
        ["stage", "test", "promote", "retire"]
    );
    night.signs_with(&format!("{OLD}b")).await;
}

#[tokio::test]
async fn a_promoted_key_leaks_before_it_opens() {
    let mut night = Night::begin("astray-early").await;
    night.follow().await;
    night.revoke(NEW).await;
    night.nothing_goes_on(&format!(", and not to {NEW}")).await;
    let done = night.follow().await;
    assert_eq!(done[0], "rollover repair");
    assert!(
        done.contains(&format!("rollover promote {NEW}b")),
        "{done:?}"
    );
    night.signs_with(OLD).await;
    night.must("status", &["--check"]).await;
}

/// The seed's own procedure, after the window has ended: the key is put as AWSCURRENT with the AWS CLI.
#[tokio::test]
async fn a_key_that_is_put_late_by_hand_signs() {
    let operator = Operator::new().await;
    create("astray-late", &key(OLD, -370, -5));
    let service = service("astray-late").await;
    let mut night = Night {
        operator,
        service,
        secret: "astray-late".into(),
        signed: 0,
    };
    night.service.sign(1).await.unwrap_err();
    night.put(&key(NEW, -1, 364), "AWSCURRENT");
    // Until the services have read it, status says that they do not list it.
    let shown = night.refused("status", &["--check"]).await;
    assert!(
        shown.contains(&format!("does not list {NEW} (yet)")),
        "{shown}"
    );
    night.service.refresh().await.unwrap();
    night.signs_with(NEW).await;
    let shown = night.must("status", &[]).await;
    assert!(shown.contains("<- signs now"), "{shown}");
    assert!(shown.contains(&format!("{NEW} is not endorsed")), "{shown}");
    assert_eq!(night.follow().await, [format!("rollover retire {OLD}")]);
}

#[tokio::test]
async fn a_next_key_that_leaves_a_gap_is_put_by_hand() {
    let mut night = Night::begin("astray-gap").await;
    night.put(&key("amply-checkpoint-key-2072", 60, 425), "AWSCURRENT");
    let shown = night.refused("status", &["--check"]).await;
    assert!(shown.contains("gap: no key can sign from"), "{shown}");
    let done = night.follow().await;
    assert_eq!(done[0], "rollover repair");
    night.signs_with(OLD).await;
    let shown = night.must("status", &["--check"]).await;
    assert!(!shown.contains("gap: no key"), "{shown}");
}

#[tokio::test]
async fn a_key_for_some_weeks_is_put_over_the_promoted_next_one() {
    let mut night = Night::begin("astray-weeks").await;
    night.follow().await;
    let promoted = labels(&night.secret);
    let id = night.put(&key("somebodys-key", -1, 5), "AWSPENDING");
    promote(&night.secret, &id);
    night.service.refresh().await.unwrap();
    assert_eq!(night.follow().await, ["rollover repair"]);
    let mut expected = promoted;
    expected.push(is("somebodys-key", &[]));
    assert_eq!(
        labels(&night.secret),
        expected,
        "none that can be used is lost"
    );
}

#[tokio::test]
async fn nobody_says_which_of_two_is_right_where_one_has_lost_its_label() {
    let (secret, operator) = (secret("astray-two"), Operator::new().await);
    let edited = with_another_end(&key(OLD, -335, 30));
    for content in [edited.as_str(), "{}"] {
        let put =
            json!({ "SecretId": secret, "SecretString": content, "VersionStages": ["AWSCURRENT"] });
        boto3("put_secret_value", put);
    }
    let shown = operator
        .refused(&step("repair", &secret, &["--without-asking"]))
        .await;
    assert!(
        shown.contains("only the services know which is right"),
        "{shown}"
    );
    let shown = operator.must(&step("status", &secret, &[])).await;
    assert!(
        shown.contains("may be refused by the services, which were not asked"),
        "{shown}"
    );
}

#[tokio::test]
async fn a_version_with_a_label_of_somebodys_own_is_no_warning() {
    let mut night = Night::begin("astray-own").await;
    night.follow().await;
    night.put("a note", "backup-note");
    night.must("status", &["--check"]).await;
}

#[tokio::test]
async fn a_label_in_another_case_is_told() {
    let night = Night::begin("astray-case").await;
    let id = night.put(&key(NEW, 30, 395), "awspending");
    let shown = night.refused("status", &["--check"]).await;
    let told = format!(
        "version {id} has the label \"awspending\", which is none that counts; expected \"AWSPENDING\""
    );
    assert!(shown.contains(&told), "{shown}");
}

#[tokio::test]
async fn what_comes_next_does_not_grow_where_nobody_answers() {
    let (secret, operator) = (secret("astray-silent"), Operator::new().await);
    let nobody = ["--server", "http://127.0.0.1:1"];
    for name in ["status", "stage"] {
        let words = [&["rollover", name, "--secret", &secret], &nobody[..]].concat();
        let ended = operator.run(&words).await;
        assert!(
            ended
                .text
                .contains("\nfirst: have one answer of http://127.0.0.1:1, or "),
            "{}",
            ended.text
        );
        assert!(
            arguments(&ended.text).ends_with(&["--server", "http://127.0.0.1:1"]),
            "{}",
            ended.text
        );
    }
}

/// What the labels say again is of use once it is read.
#[tokio::test]
async fn a_service_that_has_lost_its_key_signs_as_soon_as_it_is_repaired() {
    let mut night = Night::begin("astray-lost").await;
    night.follow().await;
    let lost = json!({
        "SecretId": night.secret, "VersionStage": "AWSPREVIOUS",
        "RemoveFromVersionId": boto3("get_secret_value", json!({ "SecretId": night.secret, "VersionStage": "AWSPREVIOUS" }))["VersionId"],
    });
    boto3("update_secret_version_stage", lost);
    night.service.refresh().await.unwrap();
    night.service.sign(100).await.unwrap_err();
    let shown = night.must("status", &[]).await;
    assert!(shown.contains(&format!("unlabeled {OLD}")), "{shown}");
    let shown = night.operator.must(&arguments(&shown)).await;
    assert!(shown.contains(&format!("signs with {OLD}")), "{shown}");
    night.signs_with(OLD).await;
}

#[tokio::test]
async fn what_is_shown_fits_eighty_columns() {
    let night = Night::begin("astray-columns").await;
    night.must("stage", &[]).await;
    stage(&night.secret, &key(NEW, 40, 400));
    let shown = night.must("status", &[]).await;
    let drawn = shown.split("\nWARNING").next().unwrap().lines();
    for line in drawn.filter(|line| !line.starts_with("http")) {
        assert!(line.chars().count() <= 80, "{line}");
    }
    for legend in ["= past", "! no key can sign", "gap of 10 days", "^ now"] {
        assert!(shown.contains(legend), "{legend}: {shown}");
    }
}
