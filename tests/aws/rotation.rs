//! December after December by the rotation function, by hand, and by both, under a simulated clock. What Secrets Manager does around
//! the function is modelled by its documentation: it tries a rotation again that is not complete, and begins no other one before.

use checkpoint_signer::clock::Clock;
use checkpoint_signer::rollover::{Overrides, Rollover, RotationStep, StepReport};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use std::time::Duration;

use crate::aws::{AwsService, boto3, rollover};
use crate::support::{at, key_with};

mod by_hand;

use RotationStep::{CreateSecret, FinishSecret, SetSecret, TestSecret};

const STEPS: [RotationStep; 4] = [CreateSecret, SetSecret, TestSecret, FinishSecret];

/// A secret, and the clock of whoever rolls it over.
struct Year {
    secret: &'static str,
    clock: Clock,
    rollover: Rollover,
}

impl Year {
    /// An empty secret.
    fn begin(secret: &'static str, now: &str) -> Self {
        boto3("create_secret", json!({ "Name": secret }));
        let clock = Clock::simulated(at(now));
        let rollover = rollover(secret, &clock, &[]);
        Self {
            secret,
            clock,
            rollover,
        }
    }

    /// The same with its first key, as the operator makes it.
    async fn with_first_key(secret: &'static str, now: &str) -> Self {
        let year = Self::begin(secret, now);
        year.rollover.stage(&Overrides::default()).await.unwrap();
        year
    }

    fn is(&self, now: &str) {
        self.clock.set(at(now));
    }

    /// Stage and promote.
    async fn by_hand(&self) {
        self.rollover.stage(&Overrides::default()).await.unwrap();
        self.promote().await;
    }

    async fn promote(&self) {
        let promoted = self.rollover.promote(None, true, Duration::ZERO, &|_| {});
        promoted.await.unwrap();
    }

    /// A rotation by the schedule, up to the first step that fails.
    async fn rotate(&self) -> Result<Vec<StepReport>, String> {
        let token = self.attempt();
        let mut reports = Vec::new();
        for step in STEPS {
            let report = self.rollover.rotate(step, &token).await;
            reports.push(report.map_err(|error| format!("{step:?}: {error}"))?);
        }
        Ok(reports)
    }

    fn attempt(&self) -> String {
        let token = boto3("attempt_rotation", json!({ "SecretId": self.secret }));
        token.as_str().unwrap().into()
    }

    /// One that succeeds, and leaves room for the next one. Gives what it said first.
    async fn rotates(&self) -> String {
        let reports = self.rotate().await.unwrap();
        assert!(self.is_complete());
        reports[0].told.join("; ")
    }

    fn is_complete(&self) -> bool {
        boto3("end_rotation", json!({ "SecretId": self.secret })) == true
    }

    /// The last part of the key's name, and its window, of the version with a label.
    fn key(&self, label: &str) -> Option<(String, [DateTime<Utc>; 2])> {
        let listed = boto3(
            "list_secret_version_ids",
            json!({ "SecretId": self.secret, "IncludeDeprecated": false }),
        );
        let mut versions = listed["Versions"].as_array().unwrap().iter();
        let has = |v: &&Value| {
            let stages = v["VersionStages"].as_array();
            stages.is_some_and(|stages| stages.contains(&json!(label)))
        };
        let id = versions.find(has)?["VersionId"].clone();
        let id = json!({ "SecretId": self.secret, "VersionId": id });
        let text = boto3("get_secret_value", id)["SecretString"].clone();
        let document: Value = serde_json::from_str(text.as_str().unwrap()).unwrap();
        let text = |name: &str| document[name].as_str().unwrap().to_owned();
        let name = text("key_id").replace("amply-checkpoint-key-", "");
        Some((name, [at(&text("valid_from")), at(&text("valid_until"))]))
    }

    #[track_caller]
    fn has(&self, current: &str, previous: Option<&str>) {
        let name = |label| self.key(label).map(|(name, _)| name);
        assert_eq!(name("AWSCURRENT").as_deref(), Some(current));
        assert_eq!(name("AWSPREVIOUS").as_deref(), previous);
    }

    #[track_caller]
    fn window(&self, from: &str, until: &str) {
        let (_, window) = self.key("AWSCURRENT").unwrap();
        assert_eq!(window, [at(from), at(until)]);
    }
}

#[tokio::test]
async fn whatever_day_the_first_key_is_made_it_signs_at_once_and_the_function_comes_in_time() {
    for (secret, first_day, until, name) in [
        ("first-july", "2027-07-15", "2028-01-01", "2027"),
        ("first-november", "2026-11-01", "2027-01-01", "2026"),
        ("first-december", "2026-12-01", "2028-01-01", "2027"),
        ("first-leap", "2028-02-29", "2029-01-01", "2028"),
        ("first-new-year", "2027-01-01", "2028-01-01", "2027"),
    ] {
        let year = Year::with_first_key(secret, &format!("{first_day}T10:30:00Z")).await;
        year.has(name, None);
        year.window(first_day, until);
        // On each 1 December until the window ends, and a day more.
        let last: i32 = until[..4].parse().unwrap();
        let begins: i32 = first_day[..4].parse().unwrap();
        for december in begins..last {
            let day = format!("{december}-12-01T08:00:00Z");
            if at(&day) >= year.clock.now() {
                year.is(&day);
                year.rotates().await;
            }
        }
        let next = last.to_string();
        year.has(&next, Some(name));
        year.window(until, &format!("{}-01-01", last + 1));
        let overview = year.rollover.status().await.unwrap();
        assert_eq!(overview.timeline.warnings, [], "{secret}");
    }
}

#[tokio::test]
async fn december_by_the_function_and_by_hand_over_years() {
    let year = Year::with_first_key("years", "2026-11-27T12:00:00Z").await;
    year.window("2026-11-27", "2028-01-01");
    // Four days later: the first key signs for more than a year.
    year.is("2026-12-01T08:00:00Z");
    let told = year.rotates().await;
    assert!(told.contains("signs until 2028-01-01"), "{told}");
    year.has("2027", None);
    year.is("2027-12-01T08:00:00Z");
    assert!(year.rotates().await.contains("made "));
    year.has("2028", Some("2027"));
    year.window("2028-01-01", "2029-01-01");
    // Once more, by somebody's `rotate-secret`.
    for _ in 0..2 {
        let told = year.rotates().await;
        assert!(told.contains("2028 is AWSCURRENT already"), "{told}");
        year.has("2028", Some("2027"));
    }
    year.is("2028-01-05T08:00:00Z");
    year.rollover.retire(None).await.unwrap();
    // By hand before the schedule.
    year.is("2028-11-10T08:00:00Z");
    year.by_hand().await;
    year.has("2029", Some("2028"));
    year.is("2028-12-01T08:00:00Z");
    let told = year.rotates().await;
    assert!(told.contains("2029 is AWSCURRENT already"), "{told}");
    year.has("2029", Some("2028"));
    year.window("2029-01-01", "2030-01-01");
    year.is("2029-12-01T08:00:00Z");
    year.rotates().await;
    year.has("2030", Some("2029"));
}

#[tokio::test]
async fn a_step_that_secrets_manager_repeats_after_the_end_is_done() {
    let year = Year::with_first_key("repeats", "2026-02-01T12:00:00Z").await;
    year.is("2026-11-15T08:00:00Z");
    year.by_hand().await;
    year.is("2026-12-01T08:00:00Z");
    let token = year.attempt();
    for _ in 0..2 {
        for step in STEPS {
            let report = year.rollover.rotate(step, &token).await.unwrap();
            assert!(report.told[0].contains("AWSCURRENT already"), "{report:?}");
        }
        assert!(year.is_complete());
    }
    year.has("2027", Some("2026"));
}

#[tokio::test]
async fn what_was_staged_by_hand_is_promoted_by_the_function() {
    let year = Year::with_first_key("staged-by-hand", "2026-02-01T12:00:00Z").await;
    year.is("2026-12-01T08:00:00Z");
    year.rollover.stage(&Overrides::default()).await.unwrap();
    let staged = year.key("AWSPENDING");
    let told = year.rotates().await;
    assert!(told.contains("is staged already"), "{told}");
    assert_eq!(year.key("AWSCURRENT"), staged);
    year.has("2027", Some("2026"));
}

#[tokio::test]
async fn what_was_staged_without_an_endorsement_is_left_to_who_did_so() {
    let year = Year::with_first_key("staged-alone", "2026-02-01T12:00:00Z").await;
    year.is("2026-12-01T08:00:00Z");
    let alone = Overrides {
        without_endorsement: true,
        valid_from: Some(at("2026-12-01")),
        ..Overrides::default()
    };
    year.rollover.stage(&alone).await.unwrap();
    let before = year.key("AWSPENDING");
    let refused = year.rotate().await.unwrap_err();
    assert!(
        refused.contains("CreateSecret") && refused.contains("endorsement"),
        "{refused}"
    );
    assert_eq!(year.key("AWSPENDING"), before);
    year.has("2026", None);
}

#[tokio::test]
async fn a_rotation_that_failed_is_no_obstacle_to_the_next_one() {
    let year = Year::with_first_key("failed", "2026-02-01T12:00:00Z").await;
    year.is("2026-12-01T08:00:00Z");
    // Nobody can be asked whether the key is revoked: its version stays empty.
    let token = year.attempt();
    let deaf = rollover(year.secret, &year.clock, &["http://127.0.0.1:9"]);
    let refused = deaf.rotate(CreateSecret, &token).await.unwrap_err();
    assert!(refused.to_string().contains("nobody could be asked"));
    assert!(!year.is_complete(), "AWSPENDING is on the empty version");
    assert_eq!(year.attempt(), token, "the same rotation is tried again");
    assert!(year.rotates().await.contains("made "));
    year.has("2027", Some("2026"));
    // The next one makes its key and gets no further; the operator goes on.
    year.is("2027-12-01T08:00:00Z");
    let token = year.attempt();
    year.rollover.rotate(CreateSecret, &token).await.unwrap();
    assert!(!year.is_complete());
    year.promote().await;
    year.has("2028", Some("2027"));
    assert!(year.rotates().await.contains("AWSCURRENT already"));
    // One that leaves an empty version, and the operator puts AWSCURRENT past it.
    year.is("2028-12-01T08:00:00Z");
    let empty = year.attempt();
    year.rollover.abort(None).await.unwrap();
    year.by_hand().await;
    let again = year.attempt();
    assert_ne!(again, empty);
    year.rotates().await;
    year.has("2029", Some("2028"));
}

#[tokio::test]
async fn a_key_that_a_failed_rotation_left_and_nobody_needs_is_replaced() {
    let year = Year::with_first_key("stale", "2026-02-01T12:00:00Z").await;
    year.is("2026-12-01T08:00:00Z");
    let token = year.attempt();
    year.rollover.rotate(CreateSecret, &token).await.unwrap();
    // By the AWS CLI, past the steps: AWSPENDING stays where it is.
    let other = key_with("by-hand-2027", "2027-01-01", "2028-01-01", 0);
    let put =
        json!({ "SecretId": year.secret, "SecretString": other, "VersionStages": ["by-hand"] });
    let id = boto3("put_secret_value", put)["VersionId"].clone();
    crate::aws::make_current(year.secret, id.as_str().unwrap());
    year.is("2026-12-02T08:00:00Z");
    let told = year.rotate().await.unwrap()[0].told.join("; ");
    assert!(
        told.contains("by-hand-2027 is AWSCURRENT already"),
        "{told}"
    );
    assert!(
        !year.is_complete(),
        "the key that was made is still AWSPENDING"
    );
    // A year later it has nothing to do with the key in force, and the rotation is tried under its token.
    year.is("2027-12-01T08:00:00Z");
    assert_eq!(year.attempt(), token);
    let told = year.rotates().await;
    assert!(
        told.contains("amply-checkpoint-key-2027 must not be promoted")
            && told.contains("made by-hand-2028"),
        "{told}"
    );
    year.has("by-hand-2028", Some("by-hand-2027"));
    year.window("2028-01-01", "2029-01-01");
}

#[tokio::test]
async fn when_the_schedule_is_made_the_function_is_tried_on_an_empty_secret() {
    let year = Year::begin("tried", "2026-11-27T12:00:00Z");
    let token = year.attempt();
    let tried = year.rollover.rotate(TestSecret, &token).await.unwrap();
    assert!(tried.told[0].contains("holds nothing"), "{tried:?}");
    // It makes no first key: that is for the operator.
    let refused = year
        .rollover
        .rotate(CreateSecret, &token)
        .await
        .unwrap_err();
    assert!(refused.to_string().contains("rollover stage"), "{refused}");
}

#[tokio::test]
async fn after_a_leak_in_november_the_yearly_rhythm_goes_on() {
    let year = Year::with_first_key("rhythm", "2026-02-01T12:00:00Z").await;
    year.is("2026-11-20T15:00:00Z");
    let alone = Overrides {
        without_endorsement: true,
        valid_from: Some(at("2026-11-20")),
        ..Overrides::default()
    };
    year.rollover.stage(&alone).await.unwrap();
    let promoted = year.rollover.promote(None, false, Duration::ZERO, &|_| {});
    promoted.await.unwrap();
    year.has("2027", Some("2026"));
    year.window("2026-11-20", "2028-01-01");
    year.is("2026-12-01T08:00:00Z");
    year.rotates().await;
    year.has("2027", Some("2026"));
    year.is("2027-12-01T08:00:00Z");
    year.rotates().await;
    year.has("2028", Some("2027"));
    year.window("2028-01-01", "2029-01-01");
}

/// The first key of a window of one's own.
fn first_of(from: &str, until: &str) -> Overrides {
    Overrides {
        key_id: Some("amply-checkpoint-key-2026".parse().unwrap()),
        valid_from: Some(at(from)),
        valid_until: Some(at(until)),
        ..Overrides::default()
    }
}

#[tokio::test]
async fn a_first_key_of_some_months_leaves_no_gap_in_any_year_after_it() {
    for (secret, from, until, in_time) in [
        ("months-to-the-last-day", "2026-03-01", "2026-12-31", true),
        ("months-to-december", "2026-03-01", "2026-12-15", true),
        ("months-to-new-year", "2026-10-01", "2027-01-01", true),
        ("months-to-march", "2026-03-15", "2027-02-20", true),
        ("months-to-november", "2026-03-01", "2027-11-15", true),
        ("a-year-to-summer", "2026-07-01", "2027-07-01", true),
        ("months-to-summer", "2026-03-01", "2026-09-01", false),
    ] {
        let year = Year::begin(secret, &format!("{from}T10:30:00Z"));
        let staged = year.rollover.stage(&first_of(from, until)).await.unwrap();
        let told = staged.told.join("; ");
        assert_eq!(
            told.contains("before a rotation in December"),
            !in_time,
            "{secret}: {told}"
        );
        if !in_time {
            year.is("2026-08-10T08:00:00Z");
            year.by_hand().await;
            year.window("2026-09-01", "2027-01-01");
        }
        for december in 2026..2031 {
            year.is(&format!("{december}-12-01T08:00:00Z"));
            year.rotates().await;
            let (_, [from, until]) = year.key("AWSCURRENT").unwrap();
            if let Some((_, [_, before])) = year.key("AWSPREVIOUS") {
                assert!(from <= before, "{secret}: a gap from {before} to {from}");
            }
            let next_rotation = at(&format!("{}-12-02", december + 1));
            assert!(
                next_rotation < until,
                "{secret}: ends {until}, before the next rotation"
            );
            let warnings = year.rollover.status().await.unwrap().timeline.warnings;
            assert_eq!(warnings, [], "{secret}, December {december}");
        }
    }
}

#[tokio::test]
async fn a_first_key_of_some_weeks_that_is_made_after_the_rotation_is_told_of() {
    let year = Year::begin("weeks", "2026-12-10T10:30:00Z");
    let overrides = first_of("2026-12-10", "2027-01-01");
    let staged = year.rollover.stage(&overrides).await.unwrap();
    let told = staged.told.join("; ");
    assert!(
        told.contains("before a rotation in December (2027-12-01)"),
        "{told}"
    );
    // By itself it would have been longer.
    let other = Year::with_first_key("weeks-by-itself", "2026-12-10T10:30:00Z").await;
    other.window("2026-12-10", "2028-01-01");
}
