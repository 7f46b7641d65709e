//! Who may sign what, when.

use checkpoint_signer::wire::proto::sign_checkpoints_response::Outcome;
use checkpoint_signer::wire::proto::{
    RevokeKeyRequest, SignCheckpointRequest, SignCheckpointsRequest, SignedCheckpoint, VerdictKind,
};
use chrono::TimeDelta;
use tonic::Code;

use crate::support::{TestService, at, checkpoint, key_of, key_with, refusal, versions, wire};

#[tokio::test]
async fn a_checkpoint_is_signed_by_the_key_in_force_and_verifies() {
    let mut service = TestService::new().await;
    let signed = service.sign(checkpoint("chk_1", 1, "a")).await.unwrap();
    assert_eq!(signed.key_id, "key-2025");
    assert_eq!(signed.signed_at, Some(wire(service.clock.now())));
    let verdict = service.verify(&signed.published_json).await;
    assert_eq!(verdict.kind(), VerdictKind::Valid);
    assert_eq!(verdict.recorded, Some(true));
}

#[tokio::test]
async fn a_retry_gets_the_same_bytes_after_restart_rollover_and_expiry() {
    let mut service = TestService::new().await;
    let first = service.sign(checkpoint("chk_1", 1, "a")).await.unwrap();
    service.sign(checkpoint("chk_2", 2, "b")).await.unwrap();
    let mut service = service.restart().await;
    assert_eq!(
        service.sign(checkpoint("chk_1", 1, "a")).await.unwrap(),
        first
    );
    service.clock.set(at("2026-03-01"));
    let rolled = versions(&[
        (&key_of(2026), "AWSCURRENT"),
        (&key_of(2025), "AWSPREVIOUS"),
    ]);
    service.use_keys(&rolled).await.unwrap();
    assert_eq!(
        service.sign(checkpoint("chk_1", 1, "a")).await.unwrap(),
        first
    );
    service.clock.set(at("2030-01-01"));
    assert_eq!(
        service.sign(checkpoint("chk_1", 1, "a")).await.unwrap(),
        first
    );
    service.clock.set(at("2024-01-01"));
    assert_eq!(
        service.sign(checkpoint("chk_1", 1, "a")).await.unwrap(),
        first
    );
}

#[tokio::test]
async fn an_answer_leaves_out_what_was_sent_when_it_is_asked_to() {
    let mut service = TestService::new().await;
    let mut content = checkpoint("chk_1", 1, "a");
    content.additional_members = Some(prost_types::Struct {
        fields: [("more".to_owned(), "x".repeat(300_000).into())].into(),
    });
    let whole = service.sign(content.clone()).await.unwrap();
    let expected = SignedCheckpoint {
        checkpoint: None,
        payload: Vec::new(),
        published_json: String::new(),
        ..whole.clone()
    };
    let request = SignCheckpointRequest {
        checkpoint: Some(content.clone()),
        omit_content: true,
    };
    let retried = service.signing.sign_checkpoint(request.clone()).await;
    let retried = retried.unwrap().into_inner();
    assert_eq!(retried.signed_checkpoint, Some(expected.clone()));
    // Also of one that is signed now, and in a stream, each item by itself.
    let mut next = checkpoint("chk_2", 2, "b");
    next.organization_summaries = vec![prost_types::Struct::default()];
    let items = [
        (&next, true),
        (&next, false),
        (&content, true),
        (&content, false),
    ];
    let items = items.map(|(content, omit_content)| SignCheckpointsRequest {
        checkpoint: Some(content.clone()),
        omit_content,
        ..Default::default()
    });
    let answers = service.signing.sign_checkpoints(tokio_stream::iter(items));
    let mut answers = answers.await.unwrap().into_inner();
    let mut found = Vec::new();
    while let Some(answer) = answers.message().await.unwrap() {
        let Some(Outcome::SignedCheckpoint(signed)) = answer.outcome else {
            panic!("{answer:?}");
        };
        found.push(signed);
    }
    assert_eq!(found[2..], [expected, whole]);
    assert_eq!(
        (&found[0].checkpoint, &found[1].checkpoint),
        (&None, &Some(next))
    );
    assert_eq!(found[0].signature, found[1].signature);
    let verdict = service.verify(&found[1].published_json).await;
    assert_eq!(verdict.kind(), VerdictKind::Valid);
    // A refusal is the same.
    let other = SignCheckpointRequest {
        checkpoint: Some(checkpoint("chk_2", 3, "c")),
        omit_content: true,
    };
    let refused = service.signing.sign_checkpoint(other).await.unwrap_err();
    let expected = (Code::AlreadyExists, "EQUIVOCATION".to_owned());
    assert_eq!(refusal(refused), expected);
    service.stop().await;
}

#[tokio::test]
async fn a_second_content_under_one_id_is_equivocation() {
    let mut service = TestService::new().await;
    service.sign(checkpoint("chk_1", 1, "a")).await.unwrap();
    let mut other = checkpoint("chk_1", 2, "b");
    let expected = (Code::AlreadyExists, "EQUIVOCATION".to_owned());
    assert_eq!(service.refusal(other.clone()).await, expected);
    // Even the smallest difference, in a member that the service does not know.
    other = checkpoint("chk_1", 1, "a");
    other.additional_members = Some(prost_types::Struct {
        fields: [("note".to_owned(), prost_types::Value::from(""))].into(),
    });
    assert_eq!(service.refusal(other).await, expected);
}

#[tokio::test]
async fn a_second_history_for_one_entry_count_is_equivocation() {
    let mut service = TestService::new().await;
    service.sign(checkpoint("chk_1", 1, "a")).await.unwrap();
    service.sign(checkpoint("chk_2", 2, "b")).await.unwrap();
    let expected = (Code::AlreadyExists, "EQUIVOCATION".to_owned());
    assert_eq!(service.refusal(checkpoint("chk_3", 2, "c")).await, expected);
    // An older place is taken as well.
    assert_eq!(service.refusal(checkpoint("chk_3", 1, "c")).await, expected);
    let mut other_volume = checkpoint("chk_3", 2, "b");
    other_volume.total_volume += 1;
    assert_eq!(service.refusal(other_volume).await, expected);
}

#[tokio::test]
async fn a_day_without_entries_is_signed_under_a_new_id() {
    let mut service = TestService::new().await;
    service.sign(checkpoint("chk_1", 1, "a")).await.unwrap();
    service.sign(checkpoint("chk_2", 1, "a")).await.unwrap();
}

#[tokio::test]
async fn a_ledger_is_signed_forwards_only_and_ledgers_do_not_touch() {
    let mut service = TestService::new().await;
    service.sign(checkpoint("chk_5", 5, "e")).await.unwrap();
    let refusal = service.refusal(checkpoint("chk_4", 4, "d")).await;
    assert_eq!(refusal, (Code::FailedPrecondition, "ROLLBACK".into()));
    let mut other_ledger = checkpoint("chk_4", 4, "d");
    other_ledger.ledger_id = "global".into();
    service.sign(other_ledger).await.unwrap();
}

#[tokio::test]
async fn the_volume_may_fall() {
    let mut service = TestService::new().await;
    service.sign(checkpoint("chk_1", 1, "a")).await.unwrap();
    let mut reversed = checkpoint("chk_2", 2, "b");
    reversed.total_volume = -5;
    service.sign(reversed).await.unwrap();
}

#[tokio::test]
async fn the_switch_at_midnight_is_exact_and_needs_no_restart() {
    let both = versions(&[
        (&key_of(2026), "AWSCURRENT"),
        (&key_of(2025), "AWSPREVIOUS"),
    ]);
    let mut service = TestService::with(&both, "2025-12-31T23:59:59Z").await;
    let almost = TimeDelta::nanoseconds(999_999_999);
    service.clock.set(at("2025-12-31T23:59:59Z") + almost);
    let old = service.sign(checkpoint("chk_1", 1, "a")).await.unwrap();
    service.clock.set(at("2026-01-01T00:00:00Z"));
    let new = service.sign(checkpoint("chk_2", 2, "b")).await.unwrap();
    assert_eq!(
        (old.key_id.as_str(), new.key_id.as_str()),
        ("key-2025", "key-2026")
    );
    for signed in [old, new] {
        let verdict = service.verify(&signed.published_json).await;
        assert_eq!(
            verdict.kind(),
            VerdictKind::Valid,
            "{}",
            verdict.explanation
        );
    }
}

#[tokio::test]
async fn of_two_open_windows_the_one_that_opened_last_signs() {
    let early = key_with("key-early", "2025-01-01", "2026-01-01", 0);
    let late = key_with("key-late", "2025-05-01", "2025-09-01", 0);
    for (current, previous) in [(&early, &late), (&late, &early)] {
        let both = versions(&[(current, "AWSCURRENT"), (previous, "AWSPREVIOUS")]);
        let mut service = TestService::with(&both, "2025-06-01").await;
        let signed = service.sign(checkpoint("chk_1", 1, "a")).await.unwrap();
        assert_eq!(signed.key_id, "key-late");
        service.clock.set(at("2025-10-01"));
        let signed = service.sign(checkpoint("chk_2", 2, "b")).await.unwrap();
        assert_eq!(
            signed.key_id, "key-early",
            "when the later window has ended"
        );
    }
}

#[tokio::test]
async fn outside_of_all_windows_nothing_is_signed() {
    let mut service = TestService::with(&key_of(2025), "2025-01-20").await;
    service.clock.set(at("2026-01-01"));
    let refusal = service.refusal(checkpoint("chk_1", 1, "a")).await;
    assert_eq!(refusal, (Code::FailedPrecondition, "KEY_EXPIRED".into()));

    let mut service = TestService::with(&key_of(2026), "2025-12-31T23:59:59Z").await;
    let refusal = service.refusal(checkpoint("chk_1", 1, "a")).await;
    assert_eq!(
        refusal,
        (Code::FailedPrecondition, "KEY_NOT_YET_VALID".into())
    );
}

#[tokio::test]
async fn a_key_that_is_only_staged_signs_nothing() {
    let pending = versions(&[(&key_of(2025), "AWSPENDING")]);
    let mut service = TestService::with(&pending, "2025-06-01").await;
    let refusal = service.refusal(checkpoint("chk_1", 1, "a")).await;
    assert_eq!(refusal, (Code::FailedPrecondition, "NO_SIGNING_KEY".into()));
}

#[tokio::test]
async fn a_revoked_key_signs_nothing_from_then_on() {
    let mut service = TestService::new().await;
    let before = service.sign(checkpoint("chk_1", 1, "a")).await.unwrap();
    service.clock.set(at("2025-06-02"));
    let request = RevokeKeyRequest {
        key_id: "key-2025".into(),
        distrust_after: None,
        reason: "leaked".into(),
    };
    service.keys.revoke_key(request).await.unwrap();
    let refusal = service.refusal(checkpoint("chk_2", 2, "b")).await;
    assert_eq!(refusal, (Code::FailedPrecondition, "KEY_REVOKED".into()));
    let verdict = service.verify(&before.published_json).await;
    assert_eq!(
        verdict.kind(),
        VerdictKind::Valid,
        "what it signed before stands"
    );
    // It holds after a restart, too, whatever the key file says.
    let mut service = service.restart().await;
    let refusal = service.refusal(checkpoint("chk_2", 2, "b")).await;
    assert_eq!(refusal, (Code::FailedPrecondition, "KEY_REVOKED".into()));
}

#[tokio::test]
async fn a_clock_that_went_back_signs_nothing_beyond_the_tolerance() {
    let mut service = TestService::new().await;
    service.sign(checkpoint("chk_1", 1, "a")).await.unwrap();
    let newest = service.clock.now();
    service.clock.set(newest - TimeDelta::seconds(6));
    let refusal = service.refusal(checkpoint("chk_2", 2, "b")).await;
    assert_eq!(
        refusal,
        (Code::FailedPrecondition, "CLOCK_WENT_BACK".into())
    );
    service.clock.set(newest - TimeDelta::seconds(5));
    service.sign(checkpoint("chk_2", 2, "b")).await.unwrap();
}

#[tokio::test]
async fn a_timestamp_may_be_five_minutes_ahead_of_the_clock_and_not_more() {
    let mut service = TestService::new().await;
    let now = service.clock.now();
    let mut ahead = checkpoint("chk_1", 1, "a");
    ahead.timestamp = Some(wire(now + TimeDelta::seconds(301)));
    let refusal = service.refusal(ahead.clone()).await;
    assert_eq!(
        refusal,
        (Code::InvalidArgument, "INVALID_CHECKPOINT".into())
    );
    ahead.timestamp = Some(wire(now + TimeDelta::seconds(300)));
    service.sign(ahead).await.unwrap();
}

#[tokio::test]
async fn of_many_that_want_one_place_exactly_one_gets_it() {
    let service = TestService::new().await;
    let attempts = (0..24).map(|client| {
        let mut signing = service.signing.clone();
        tokio::spawn(async move {
            let checkpoint = checkpoint("chk_1", 1, &format!("history {client}"));
            let request = checkpoint_signer::wire::proto::SignCheckpointRequest {
                checkpoint: Some(checkpoint),
                ..Default::default()
            };
            signing.sign_checkpoint(request).await
        })
    });
    let mut won = 0;
    for attempt in futures_util::future::join_all(attempts).await {
        match attempt.unwrap() {
            Ok(_) => won += 1,
            Err(status) => {
                let expected = (Code::AlreadyExists, "EQUIVOCATION".to_owned());
                assert_eq!(crate::support::refusal(status), expected);
            }
        }
    }
    assert_eq!(won, 1);
}
