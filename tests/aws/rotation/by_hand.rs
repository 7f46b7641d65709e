//! Keys that were staged by hand, and the function after that.

use super::*;

#[tokio::test]
async fn what_was_staged_by_hand_waits_for_a_service_that_does_not_answer() {
    let year = Year::with_first_key("staged-waits", "2026-02-01T12:00:00Z").await;
    year.is("2026-11-20T08:00:00Z");
    year.rollover.stage(&Overrides::default()).await.unwrap();
    let staged = year.key("AWSPENDING");
    year.is("2026-12-01T08:00:00Z");
    let service = AwsService::start_at(
        AwsService::proxy().await,
        year.secret,
        year.clock.clone(),
        false,
    );
    let service = service.await;
    let servers = [service.url.as_str(), "http://127.0.0.1:9"];
    let one_is_away = rollover(year.secret, &year.clock, &servers);
    let token = year.attempt();
    for step in [CreateSecret, TestSecret, FinishSecret] {
        let refused = one_is_away.rotate(step, &token).await.unwrap_err();
        assert!(refused.to_string().contains("does not answer"), "{refused}");
        assert_eq!(year.key("AWSPENDING"), staged, "{step:?}");
    }
    year.has("2026", None);
    let all_there = rollover(year.secret, &year.clock, &servers[..1]);
    for step in STEPS {
        all_there.rotate(step, &token).await.unwrap();
    }
    assert_eq!(year.key("AWSCURRENT"), staged);
    year.has("2027", Some("2026"));
}

#[tokio::test]
async fn what_was_staged_by_hand_and_can_never_be_promoted_is_left_to_who_did_so() {
    let year = Year::with_first_key("staged-in-vain", "2026-02-01T12:00:00Z").await;
    year.is("2026-11-20T08:00:00Z");
    year.rollover.stage(&Overrides::default()).await.unwrap();
    let staged = year.key("AWSPENDING");
    // By the AWS CLI, past the steps.
    let other = key_with("by-hand-2027", "2027-01-01", "2028-01-01", 0);
    let put =
        json!({ "SecretId": year.secret, "SecretString": other, "VersionStages": ["by-hand"] });
    let id = boto3("put_secret_value", put)["VersionId"].clone();
    crate::aws::make_current(year.secret, id.as_str().unwrap());
    year.is("2027-12-01T08:00:00Z");
    let refused = year.rotate().await.unwrap_err();
    for word in [
        "CreateSecret",
        "staged by hand",
        "rollover abort amply-checkpoint-key-2027",
    ] {
        assert!(refused.contains(word), "{word}: {refused}");
    }
    assert_eq!(year.key("AWSPENDING"), staged);
    year.rollover.abort(None).await.unwrap();
    assert!(year.rotates().await.contains("made by-hand-2028"));
    year.has("by-hand-2028", Some("by-hand-2027"));
}

/// RotateSecret makes a version of its own and moves AWSPENDING to it, whatever had it.
#[tokio::test]
async fn what_was_staged_by_hand_is_not_replaced_where_the_rotation_took_its_label() {
    let year = Year::with_first_key("staged-moved", "2026-02-01T12:00:00Z").await;
    year.is("2026-11-20T08:00:00Z");
    year.rollover.stage(&Overrides::default()).await.unwrap();
    let staged = year.key("AWSPENDING");
    let token = "11111111-2222-4333-8444-555555555555";
    let begin = json!({ "SecretId": year.secret, "ClientRequestToken": token });
    boto3("begin_rotation", begin);
    year.is("2026-12-01T08:00:00Z");
    let refused = year.rollover.rotate(CreateSecret, token).await.unwrap_err();
    let refused = refused.to_string();
    for word in [
        "amply-checkpoint-key-2027 (version ",
        "was staged by hand",
        "--version-stage AWSPENDING --remove-from-version-id 11111111-2222-4333-8444-555555555555",
        "rollover abort",
    ] {
        assert!(refused.contains(word), "{word}: {refused}");
    }
    year.has("2026", None);
    // As it says.
    let version = refused.split("--move-to-version-id ").nth(1).unwrap();
    let version = version.split('`').next().unwrap();
    let give = json!({
        "SecretId": year.secret, "VersionStage": "AWSPENDING",
        "RemoveFromVersionId": token, "MoveToVersionId": version,
    });
    boto3("update_secret_version_stage", give);
    assert_eq!(year.key("AWSPENDING"), staged);
    year.promote().await;
    assert_eq!(year.key("AWSCURRENT"), staged);
    year.has("2027", Some("2026"));
}

#[tokio::test]
async fn a_key_that_was_given_up_is_followed_by_one_that_is_staged_by_hand() {
    let year = Year::with_first_key("staged-given-up", "2026-02-01T12:00:00Z").await;
    year.is("2026-11-20T08:00:00Z");
    year.rollover.stage(&Overrides::default()).await.unwrap();
    year.rollover.abort(None).await.unwrap();
    year.is("2026-12-01T08:00:00Z");
    let refused = year.rotate().await.unwrap_err();
    assert!(refused.contains("if it was given up"), "{refused}");
    // Its empty version goes, too.
    year.rollover.abort(None).await.unwrap();
    let another = Overrides {
        key_id: Some("amply-checkpoint-key-2027b".parse().unwrap()),
        ..Overrides::default()
    };
    year.rollover.stage(&another).await.unwrap();
    year.rotates().await;
    year.has("2027b", Some("2026"));
}
