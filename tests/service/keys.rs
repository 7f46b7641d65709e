//! Keys while the service runs: the file changes, for better or worse, and signing goes on.

use checkpoint_signer::wire::proto::{
    Key, KeyState, ListKeysRequest, ListKeysResponse, RefreshKeysRequest, RevokeKeyRequest,
    VerdictKind, WatchKeysRequest,
};
use tokio_stream::StreamExt;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::support::{
    TestService, at, checkpoint, key_of, key_with, refusal, versions, wire, write_keys,
};

async fn list(service: &mut TestService) -> ListKeysResponse {
    service
        .keys
        .list_keys(ListKeysRequest {})
        .await
        .unwrap()
        .into_inner()
}

async fn states(service: &mut TestService) -> Vec<(String, KeyState, bool)> {
    let keys = list(service).await.keys;
    let state = |key: Key| (key.key_id.clone(), key.state(), key.signing);
    keys.into_iter().map(state).collect()
}

#[tokio::test]
async fn a_key_goes_from_pending_to_retired() {
    let with = |stage_2026, stage_2025| {
        versions(&[(&key_of(2026), stage_2026), (&key_of(2025), stage_2025)])
    };
    let mut service = TestService::new().await;
    service
        .use_keys(&with("AWSPENDING", "AWSCURRENT"))
        .await
        .unwrap();
    let state = |state_2026, signs_2026, state_2025, signs_2025| {
        vec![
            ("key-2026".to_owned(), state_2026, signs_2026),
            ("key-2025".to_owned(), state_2025, signs_2025),
        ]
    };
    use KeyState::{Active, Pending, Retired, Scheduled};
    assert_eq!(
        states(&mut service).await,
        state(Pending, false, Active, true)
    );
    service
        .use_keys(&with("AWSCURRENT", "AWSPREVIOUS"))
        .await
        .unwrap();
    assert_eq!(
        states(&mut service).await,
        state(Scheduled, false, Active, true)
    );
    service.clock.set(at("2026-01-01"));
    assert_eq!(
        states(&mut service).await,
        state(Active, true, Retired, false)
    );
    service.use_keys(&key_of(2026)).await.unwrap();
    assert_eq!(
        states(&mut service).await,
        state(Active, true, Retired, false)
    );
    // Remembered by the record alone.
    let mut service = service.restart().await;
    assert_eq!(
        states(&mut service).await,
        state(Active, true, Retired, false)
    );
}

#[tokio::test]
async fn a_staged_key_that_is_given_up_leaves_no_trace() {
    let mut service = TestService::new().await;
    let staged = key_with("key-2026", "2026-01-01", "2027-01-01", 1);
    let with = |next: &str, stage| versions(&[(next, stage), (&key_of(2025), "AWSCURRENT")]);
    service
        .use_keys(&with(&staged, "AWSPENDING"))
        .await
        .unwrap();
    service
        .use_keys(&with(&key_of(2026), "AWSPENDING"))
        .await
        .unwrap();
    let both = versions(&[
        (&key_of(2026), "AWSCURRENT"),
        (&key_of(2025), "AWSPREVIOUS"),
    ]);
    service.use_keys(&both).await.unwrap();
}

#[tokio::test]
async fn a_changed_file_is_noticed_without_being_told() {
    let mut service = TestService::new().await;
    let watched = service.keys.watch_keys(WatchKeysRequest {}).await.unwrap();
    let mut watched = watched.into_inner();
    assert_eq!(watched.next().await.unwrap().unwrap().keys.len(), 1);
    let both = versions(&[
        (&key_of(2026), "AWSCURRENT"),
        (&key_of(2025), "AWSPREVIOUS"),
    ]);
    write_keys(service.folder.path(), &both);
    let next = watched.next().await.unwrap().unwrap();
    assert_eq!(next.keys[0].key_id, "key-2026");
}

#[tokio::test]
async fn a_watcher_is_told_when_a_window_opens() {
    let both = versions(&[
        (&key_of(2026), "AWSCURRENT"),
        (&key_of(2025), "AWSPREVIOUS"),
    ]);
    let mut service = TestService::with(&both, "2025-12-31T23:59:59Z").await;
    let watched = service.keys.watch_keys(WatchKeysRequest {}).await.unwrap();
    let mut watched = watched.into_inner();
    assert!(watched.next().await.unwrap().unwrap().keys[1].signing);
    service.clock.set(at("2026-01-01"));
    let next = watched.next().await.unwrap().unwrap();
    assert_eq!(next.keys[0].state(), KeyState::Active);
    assert!(next.keys[0].signing);
}

#[tokio::test]
async fn signing_goes_on_whatever_becomes_of_the_file() {
    let thumbprint = "liD36x9_opt8qvRAjh_8W0Uw0m2hNLf9Ekv-AvxWcXA";
    let like_thumbprint = key_of(2026).replace("key-2026", thumbprint);
    let other_key = key_with("key-2025", "2025-01-01", "2026-01-01", 1);
    let other_window = {
        let mut document: serde_json::Value = serde_json::from_str(&key_of(2025)).unwrap();
        document["valid_until"] = "2027-01-01".into();
        document.to_string()
    };
    let same_key_other_name = key_of(2025).replace("key-2025", "key-2025b");
    let cases = [
        ("{", "secret"),
        ("{}", "private_key"),
        ("[]x", "secret"),
        (&other_key, "another public key"),
        (
            &like_thumbprint,
            "key_id: could be taken for the fingerprint",
        ),
        (&other_window, "window"),
        (&same_key_other_name, "key of key-2025"),
    ];
    let mut service = TestService::new().await;
    service.sign(checkpoint("chk_0", 0, "0")).await.unwrap();
    for (index, (text, fault)) in cases.into_iter().enumerate() {
        let status = service.use_keys(text).await.unwrap_err();
        let refused = (Code::FailedPrecondition, "KEY_REFUSED".to_owned());
        assert_eq!(refusal(status.clone()), refused, "{index}");
        assert!(
            status.message().contains(fault),
            "{index}: {}",
            status.message()
        );
        let shown = list(&mut service).await;
        let faults = shown.source_status.unwrap().faults;
        assert!(
            faults.iter().any(|shown| shown.contains(fault)),
            "{index}: {faults:?}"
        );
        assert!(
            shown
                .keys
                .iter()
                .any(|key| key.key_id == "key-2025" && key.signing),
            "{index}"
        );
        let count = index as u64 + 1;
        let signed = service
            .sign(checkpoint(&format!("chk_{count}"), count, "x"))
            .await
            .unwrap();
        assert_eq!(signed.key_id, "key-2025");
    }
    std::fs::remove_file(service.folder.path().join("keys.json")).unwrap();
    let status = service
        .keys
        .refresh_keys(RefreshKeysRequest {})
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    service.sign(checkpoint("chk_99", 99, "x")).await.unwrap();
    service.use_keys(&key_of(2025)).await.unwrap();
    assert!(
        list(&mut service)
            .await
            .source_status
            .unwrap()
            .faults
            .is_empty()
    );
}

#[tokio::test]
async fn a_clock_that_ran_ahead_for_a_while_leaves_the_key_in_force() {
    let mut service = TestService::new().await;
    let watched = service.keys.watch_keys(WatchKeysRequest {}).await.unwrap();
    let mut watched = watched.into_inner();
    assert!(watched.next().await.unwrap().unwrap().keys[0].signing);
    service.clock.set(at("2038-01-19"));
    assert!(!watched.next().await.unwrap().unwrap().keys[0].signing);
    service.clock.set(at("2025-06-01T13:00:00Z"));
    crate::wait::until("the key to sign again", async || {
        service.sign(checkpoint("chk_1", 1, "a")).await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn with_a_broken_file_signing_still_ends_with_the_window() {
    let mut service = TestService::new().await;
    service.use_keys("{").await.unwrap_err();
    service.clock.set(at("2026-01-01"));
    let refusal = service.refusal(checkpoint("chk_1", 1, "a")).await;
    assert_eq!(refusal, (Code::FailedPrecondition, "KEY_EXPIRED".into()));
}

#[tokio::test]
async fn a_good_version_is_used_though_the_other_is_broken() {
    let mut broken: serde_json::Value = serde_json::from_str(&key_of(2024)).unwrap();
    broken["private_key"] = "-----BEGIN RSA PRIVATE KEY-----".into();
    let both = versions(&[
        (&key_of(2025), "AWSCURRENT"),
        (&broken.to_string(), "AWSPREVIOUS"),
    ]);
    let mut service = TestService::with(&both, "2025-06-01").await;
    service.sign(checkpoint("chk_1", 1, "a")).await.unwrap();
    let faults = list(&mut service).await.source_status.unwrap().faults;
    assert!(faults[0].contains("[1].private_key"), "{faults:?}");
}

#[tokio::test]
async fn a_key_the_source_gave_up_signs_no_more_and_still_verifies() {
    let both = versions(&[
        (&key_of(2026), "AWSCURRENT"),
        (&key_of(2025), "AWSPREVIOUS"),
    ]);
    let mut service = TestService::with(&both, "2025-06-01").await;
    let signed = service.sign(checkpoint("chk_1", 1, "a")).await.unwrap();
    service
        .use_keys(&versions(&[(&key_of(2026), "AWSCURRENT")]))
        .await
        .unwrap();
    let refusal = service.refusal(checkpoint("chk_2", 2, "b")).await;
    assert_eq!(refusal.1, "KEY_NOT_YET_VALID");
    let verdict = service.verify(&signed.published_json).await;
    assert_eq!(verdict.kind(), VerdictKind::Valid);
}

#[tokio::test]
async fn a_key_that_was_trusted_verifies_for_ever_also_when_it_is_only_staged_again() {
    let staged_again = versions(&[(&key_of(2026), "AWSCURRENT"), (&key_of(2025), "AWSPENDING")]);
    let mut service = TestService::new().await;
    let signed = service.sign(checkpoint("chk_1", 1, "a")).await.unwrap();
    service.use_keys(&staged_again).await.unwrap();
    let retired = ("key-2025".to_owned(), KeyState::Retired, false);
    assert_eq!(states(&mut service).await[1], retired);
    let verdict = service.verify(&signed.published_json).await;
    assert_eq!(verdict.kind(), VerdictKind::Valid);
    let refusal = service.refusal(checkpoint("chk_2", 2, "b")).await;
    assert_eq!(refusal.1, "KEY_NOT_YET_VALID", "it signs no more");
    let mut service = service.restart().await;
    let verdict = service.verify(&signed.published_json).await;
    assert_eq!(verdict.kind(), VerdictKind::Valid);
}

#[tokio::test]
async fn a_key_that_is_only_staged_can_be_revoked_and_stays_so() {
    let staged = versions(&[(&key_of(2026), "AWSPENDING"), (&key_of(2025), "AWSCURRENT")]);
    let mut service = TestService::with(&staged, "2025-12-31").await;
    let revoke = |key_id: &str| RevokeKeyRequest {
        key_id: key_id.into(),
        reason: "leaked before its time".into(),
        ..Default::default()
    };
    let answer = service.keys.revoke_key(revoke("key-2026")).await.unwrap();
    let key = answer.into_inner().key.unwrap();
    assert_eq!(key.state(), KeyState::Revoked);
    let unknown = service.keys.revoke_key(revoke("key-2027")).await;
    assert_eq!(refusal(unknown.unwrap_err()).1, "KEY_NOT_FOUND");
    let promoted = versions(&[
        (&key_of(2026), "AWSCURRENT"),
        (&key_of(2025), "AWSPREVIOUS"),
    ]);
    service.use_keys(&promoted).await.unwrap();
    let mut service = service.restart().await;
    let revoked = ("key-2026".to_owned(), KeyState::Revoked, false);
    assert_eq!(states(&mut service).await[0], revoked);
}

#[tokio::test]
async fn a_revocation_is_repeatable_and_only_ever_moves_back() {
    let mut service = TestService::new().await;
    let mut from = async |instant: &str, reason: &str| {
        let request = RevokeKeyRequest {
            key_id: "key-2025".into(),
            distrust_after: Some(wire(at(instant))),
            reason: reason.into(),
        };
        let answer = service.keys.revoke_key(request).await.unwrap().into_inner();
        let revocation = answer.key.unwrap().revocation.unwrap();
        (
            revocation.distrust_after.unwrap().seconds,
            revocation.reason,
        )
    };
    let first = (at("2025-05-01").timestamp(), "first".to_owned());
    let earlier = (at("2025-03-01").timestamp(), "earlier".to_owned());
    assert_eq!(from("2025-05-01", "first").await, first);
    assert_eq!(from("2025-05-01", "again").await, first);
    assert_eq!(from("2025-05-20", "later").await, first);
    assert_eq!(from("2025-03-01", "earlier").await, earlier);
}

#[tokio::test]
async fn health_tells_each_service_by_its_name() {
    let service = TestService::with(&key_of(2025), "2025-12-31T23:59:59Z").await;
    let mut health = HealthClient::new(service.channel.clone());
    let mut status = async |name: &str| {
        let service = name.into();
        let answer = health.check(HealthCheckRequest { service }).await;
        answer.map(|answer| answer.into_inner().status())
    };
    let signing = "amply.checkpoint.v1.SigningService";
    let others = [
        "",
        "amply.checkpoint.v1.VerificationService",
        "amply.checkpoint.v1.KeyService",
        "amply.checkpoint.v1.RecordService",
    ];
    assert_eq!(
        status("amply.Nothing").await.unwrap_err().code(),
        Code::NotFound
    );
    assert_eq!(status(signing).await.unwrap(), ServingStatus::Serving);
    service.clock.set(at("2026-01-01"));
    while status(signing).await.unwrap() != ServingStatus::NotServing {
        tokio::task::yield_now().await;
    }
    for name in others {
        assert_eq!(
            status(name).await.unwrap(),
            ServingStatus::Serving,
            "{name}"
        );
    }
}
