//! A year and more by the templates, under a simulated clock: each step with the role that has it, by the policies that the stacks have
//! made. What Secrets Manager does around the function is modelled by its documentation.

use std::time::Duration;

use checkpoint::key::parse_instant;
use checkpoint_signer::clock::Clock;
use checkpoint_signer::rollover::{Overrides, Rollover, RolloverError, RotationStep, StepReport};
use serde_json::{Value, json};
use testing::aws::{configured, rollover_at};

use crate::cloud::Cloud;

use RotationStep::{CreateSecret, FinishSecret, SetSecret, TestSecret};

const SECRET: &str = "amply/prod/checkpoint-signing-key";

struct Year {
    cloud: Cloud,
    clock: Clock,
    arn: String,
}

impl Year {
    fn begin(now: &str) -> Self {
        let mut cloud = Cloud::with_stacks("prod");
        let arn = cloud.secret_arn(SECRET);
        let clock = Clock::simulated(parse_instant(now).unwrap());
        Self { cloud, clock, arn }
    }

    fn is(&self, now: &str) {
        self.clock.set(parse_instant(now).unwrap());
    }

    fn with_role(&self, role: &str) -> Rollover {
        let shared = configured(&self.cloud.address, role);
        rollover_at(&shared, SECRET, &self.clock, &[])
    }

    fn operator(&self) -> Rollover {
        self.with_role("key.OperatorRole")
    }

    async fn promote(&self, endorsed: bool) {
        let operator = self.operator();
        let promoted = operator.promote(None, endorsed, Duration::ZERO, &|_| {});
        promoted.await.unwrap();
    }

    /// The schedule's rotation, with the role of a function.
    async fn rotate(&mut self, role: &str) -> Result<StepReport, RolloverError> {
        let secret = json!({ "secret": self.arn });
        let token = self.cloud.ask("attempt_rotation", secret);
        let function = self.with_role(role);
        let mut first = None;
        for step in [CreateSecret, SetSecret, TestSecret, FinishSecret] {
            let report = function.rotate(step, token.as_str().unwrap()).await?;
            first.get_or_insert(report);
        }
        Ok(first.unwrap())
    }

    /// One that ends well, and leaves room for the next one.
    async fn rotates(&mut self) -> String {
        let first = self.rotate("key.RotationRole").await.unwrap();
        let secret = json!({ "secret": self.arn });
        assert_eq!(self.cloud.ask("end_rotation", secret), true);
        first.told.join("; ")
    }

    /// The keys that are AWSCURRENT and AWSPREVIOUS.
    fn keys(&mut self) -> [String; 2] {
        ["AWSCURRENT", "AWSPREVIOUS"].map(|label| {
            let version = json!({ "SecretId": SECRET, "VersionStage": label });
            let Ok(found) = self
                .cloud
                .try_ask("secretsmanager.get_secret_value", version)
            else {
                return String::new();
            };
            let document: Value =
                serde_json::from_str(found["SecretString"].as_str().unwrap()).unwrap();
            let key_id = document["key_id"].as_str().unwrap();
            key_id.replace("amply-checkpoint-key-", "")
        })
    }
}

#[tokio::test]
async fn years_by_the_templates() {
    let mut year = Year::begin("2026-11-27T12:00:00Z");
    // The schedule is made: Secrets Manager tries the function on the empty secret.
    let token = json!("4e2b6c5a-0f0e-4a0c-9a44-5d0f6a1a7d11");
    let tried = json!({ "secret": year.arn, "token": token });
    year.cloud.ask("begin_rotation", tried);
    let function = year.with_role("key.RotationRole");
    function
        .rotate(TestSecret, token.as_str().unwrap())
        .await
        .unwrap();
    let (secret, label) = (year.arn.clone(), "AWSPENDING");
    let take = json!({ "SecretId": secret, "VersionStage": label, "RemoveFromVersionId": token });
    year.cloud
        .ask("secretsmanager.update_secret_version_stage", take);

    // The first key, in force at once, and no rotation four days later.
    year.operator().stage(&Overrides::default()).await.unwrap();
    let now = year.operator().status().await.unwrap();
    assert_eq!(now.timeline.warnings, []);
    assert_eq!(year.keys(), ["2027", ""]);
    year.is("2026-12-01T08:00:00Z");
    year.rotates().await;
    assert_eq!(year.keys(), ["2027", ""]);

    // December by the function.
    year.is("2027-12-01T08:00:00Z");
    let told = year.rotates().await;
    assert!(
        told.contains("2028-01-01T00:00:00Z <= t < 2029-01-01"),
        "{told}"
    );
    assert_eq!(year.keys(), ["2028", "2027"]);
    year.is("2028-01-03T08:00:00Z");
    year.operator().retire(None).await.unwrap();

    // December by hand, and the function after it.
    year.is("2028-11-20T08:00:00Z");
    year.operator().stage(&Overrides::default()).await.unwrap();
    year.promote(true).await;
    year.is("2028-12-01T08:00:00Z");
    let told = year.rotates().await;
    assert!(told.contains("is AWSCURRENT already"), "{told}");
    assert_eq!(year.keys(), ["2029", "2028"]);

    // A leak in July: a key at once, and December as ever.
    year.is("2029-07-14T16:00:00Z");
    year.operator().retire(None).await.unwrap();
    let leaked = Overrides {
        without_endorsement: true,
        valid_from: Some(parse_instant("2029-07-14").unwrap()),
        ..Overrides::default()
    };
    year.operator().stage(&leaked).await.unwrap();
    year.promote(false).await;
    year.operator().retire(None).await.unwrap_err();
    assert_eq!(year.keys(), ["2030", "2029"]);
    year.is("2029-12-01T08:00:00Z");
    let told = year.rotates().await;
    assert!(
        told.contains("2030-01-01T00:00:00Z <= t < 2031-01-01"),
        "{told}"
    );
    let now = year.operator().status().await.unwrap();
    assert_eq!(now.timeline.warnings, []);
}

#[tokio::test]
async fn the_rotations_role_in_another_function_can_do_nothing() {
    let mut year = Year::begin("2026-02-01T12:00:00Z");
    year.operator().stage(&Overrides::default()).await.unwrap();
    year.is("2026-12-01T08:00:00Z");
    for role in [
        "key.RotationRole@elsewhere",
        "key.FilesRole",
        "key.ServiceRole",
    ] {
        let refused = year.rotate(role).await.unwrap_err().to_string();
        assert!(refused.contains("AccessDenied"), "{role}: {refused}");
    }
    assert_eq!(year.keys(), ["2026", ""]);
}
