//! Wrong input over gRPC: a clear error that names the field, and nothing is signed.

use checkpoint_signer::wire::proto::verify_checkpoint_request::Subject;
use checkpoint_signer::wire::proto::{
    Checkpoint, GetKeyRequest, RevokeKeyRequest, SignCheckpointRequest, VerdictKind,
    VerifyCheckpointRequest,
};
use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Timestamp, Value};
use tonic::Code;

use crate::support::{TestService, at, checkpoint, fields, refusal, wire};

/// Signs a valid checkpoint that `spoil` has changed, and gives the fields that are complained about.
async fn spoiled(service: &mut TestService, spoil: impl FnOnce(&mut Checkpoint)) -> Vec<String> {
    let mut wrong = checkpoint("chk_1", 1, "a");
    spoil(&mut wrong);
    let status = service.sign(wrong).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    let fields = fields(&status);
    assert!(
        fields.iter().all(|field| status.message().contains(field)),
        "{status:?}"
    );
    fields
}

fn members(value: Value) -> Struct {
    Struct {
        fields: [("a".to_owned(), value)].into(),
    }
}

fn kind(kind: Kind) -> Value {
    Value { kind: Some(kind) }
}

fn nested(depth: usize) -> Value {
    (0..depth).fold(Value::from(1.0), |value, _| {
        kind(Kind::ListValue(ListValue {
            values: vec![value],
        }))
    })
}

#[tokio::test]
async fn each_wrong_field_is_named() {
    type Spoil = fn(&mut Checkpoint);
    let cases: [(&str, Spoil); 22] = [
        ("checkpoint_id", |c| c.checkpoint_id.clear()),
        ("checkpoint_id", |c| c.checkpoint_id = "x".repeat(129)),
        ("checkpoint_id", |c| c.checkpoint_id = "chk 1".into()),
        ("checkpoint_id", |c| c.checkpoint_id = "../etc".into()),
        ("ledger_id", |c| c.ledger_id.clear()),
        ("ledger_id", |c| c.ledger_id = "örg".into()),
        ("timestamp", |c| c.timestamp = None),
        ("timestamp", |c| c.timestamp.as_mut().unwrap().nanos = 1),
        ("timestamp", |c| c.timestamp.as_mut().unwrap().nanos = -1),
        ("timestamp", |c| {
            c.timestamp = Some(Timestamp {
                seconds: -1,
                nanos: 0,
            })
        }),
        ("timestamp", |c| {
            c.timestamp = Some(Timestamp {
                seconds: i64::MAX,
                nanos: 0,
            })
        }),
        ("timestamp", |c| {
            c.timestamp = Some(wire(at("2025-06-01T12:05:01Z")))
        }),
        ("cumulative_hash", |c| c.cumulative_hash.clear()),
        ("cumulative_hash", |c| {
            c.cumulative_hash = c.cumulative_hash.to_uppercase()
        }),
        ("cumulative_hash", |c| c.cumulative_hash.push('0')),
        ("entry_count", |c| c.entry_count = 1 << 53),
        ("total_volume", |c| c.total_volume = 1 << 53),
        ("total_volume", |c| c.total_volume = i64::MIN),
        ("additional_members.a", |c| {
            c.additional_members = Some(members(Value::default()))
        }),
        ("additional_members.a", |c| {
            c.additional_members = Some(members(Value::from(f64::NAN)));
        }),
        ("organization_summaries[0].a", |c| {
            c.organization_summaries = vec![members(Value::from(9_007_199_254_740_992.0))];
        }),
        ("additional_members.signature", |c| {
            let fields = [("signature".to_owned(), Value::from("x"))].into();
            c.additional_members = Some(Struct { fields });
        }),
    ];
    let mut service = TestService::new().await;
    for (index, (field, spoil)) in cases.into_iter().enumerate() {
        assert_eq!(spoiled(&mut service, spoil).await, [field], "case {index}");
    }
    service
        .sign(checkpoint("chk_1", 1, "a"))
        .await
        .expect("nothing of that took the place");
}

#[tokio::test]
async fn all_wrong_fields_are_named_at_once() {
    let mut service = TestService::new().await;
    let found = spoiled(&mut service, |c| *c = Checkpoint::default()).await;
    let expected = ["checkpoint_id", "ledger_id", "timestamp", "cumulative_hash"];
    assert_eq!(found, expected);
}

#[tokio::test]
async fn more_faults_than_a_status_can_tell_are_told_in_part() {
    let mut service = TestService::new().await;
    let wrong = Value::from(1e300);
    let summary = |n: usize| Struct {
        fields: [("ö".repeat(n), wrong.clone())].into(),
    };
    for count in [12, 5000] {
        let mut wrong = checkpoint("chk_1", 1, "a");
        wrong.organization_summaries = (0..count).map(|n| summary(n % 500)).collect();
        let status = service.sign(wrong).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        let told = fields(&status);
        assert!(told.len() > 1 && told[0].starts_with("organization_summaries[0]"));
        let more = format!("; and {} more", count - told.len());
        assert!(status.message().ends_with(&more), "{}", status.message());
        // What clients take by default (gRPC, "GRPC_ARG_MAX_METADATA_SIZE").
        let mut headers = http::HeaderMap::new();
        status.add_header(&mut headers).unwrap();
        let size = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
            name.as_str().len() + value.len() + 32
        };
        let sizes: usize = headers.iter().map(size).sum();
        assert!(sizes < 8 * 1024, "{sizes}");
    }
}

#[tokio::test]
async fn nesting_has_a_bound_that_is_the_same_as_for_json() {
    let mut service = TestService::new().await;
    let found = spoiled(&mut service, |c| {
        c.additional_members = Some(members(nested(17)))
    })
    .await;
    assert_eq!(found, ["additional_members.a"]);
    let mut deepest = checkpoint("chk_1", 1, "a");
    deepest.additional_members = Some(members(nested(16)));
    let signed = service.sign(deepest).await.unwrap();
    let verdict = service.verify(&signed.published_json).await;
    assert_eq!(
        verdict.kind(),
        VerdictKind::Valid,
        "{}",
        verdict.explanation
    );
}

#[tokio::test]
async fn nesting_beyond_what_protobuf_reads_is_the_senders_fault() {
    let mut service = TestService::new().await;
    let mut wrong = checkpoint("chk_1", 1, "a");
    wrong.additional_members = Some(members(nested(200)));
    let status = service.sign(wrong).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    assert_eq!(fields(&status), ["message"]);
}

#[tokio::test]
async fn two_megabytes_are_refused_and_said_so() {
    let mut service = TestService::new().await;
    let found = spoiled(&mut service, |c| {
        c.additional_members = Some(members(Value::from("x".repeat(2_000_000))));
    })
    .await;
    assert_eq!(found, ["checkpoint"]);
    let verdict = service.verify(&"x".repeat(2_000_000)).await;
    assert_eq!(verdict.kind(), VerdictKind::Malformed);
    assert!(
        verdict.explanation.contains("1048576"),
        "{}",
        verdict.explanation
    );
}

#[tokio::test]
async fn ten_megabytes_are_not_even_read() {
    let mut service = TestService::new().await;
    let mut large = checkpoint("chk_1", 1, "a");
    large.additional_members = Some(members(Value::from("x".repeat(10_000_000))));
    let status = service.sign(large).await.unwrap_err();
    assert_eq!(fields(&status), ["message"]);
    let told = refusal(status);
    assert_eq!(told, (Code::InvalidArgument, "REQUEST_TOO_LARGE".into()));
}

#[tokio::test]
async fn values_have_a_bound_whatever_their_bytes() {
    let mut service = TestService::new().await;
    let mut wrong = checkpoint("chk_1", 1, "a");
    // Two bytes each on the wire.
    wrong.organization_summaries = vec![Struct::default(); 1_000_000];
    let status = service.sign(wrong).await.unwrap_err();
    assert_eq!(fields(&status), ["message"]);
    assert!(
        status.message().contains("more than 65536 values"),
        "{status:?}"
    );
}

#[tokio::test]
async fn the_largest_checkpoint_comes_back_within_what_clients_accept() {
    let mut service = TestService::new().await;
    let mut large = checkpoint("chk_1", 1, "a");
    // Numbers take the most room on the wire for each byte of JSON: "1," against a message each.
    let values = vec![Value::from(1.0); 65_000];
    let numbers = kind(Kind::ListValue(ListValue { values }));
    let text = Value::from("x".repeat(390_000));
    large.additional_members = Some(Struct {
        fields: [("a".to_owned(), numbers), ("b".to_owned(), text)].into(),
    });
    let signed = service.sign(large).await.unwrap();
    assert!(signed.payload.len() > 500_000);
    // tonic's clients take 4 MiB by default, as those of other languages do.
    let verdict = service.verify(&signed.published_json).await;
    assert_eq!(
        verdict.kind(),
        VerdictKind::Valid,
        "{}",
        verdict.explanation
    );
    // As a message it is the largest that is sent.
    let request = VerifyCheckpointRequest {
        subject: Some(Subject::SignedCheckpoint(signed)),
    };
    let answer = service.verification.verify_checkpoint(request).await;
    let verdict = answer.unwrap().into_inner().verdict.unwrap();
    assert_eq!(verdict.kind(), VerdictKind::Valid);
}

#[tokio::test]
async fn a_missing_checkpoint_is_named() {
    let mut service = TestService::new().await;
    let request = SignCheckpointRequest {
        checkpoint: None,
        ..Default::default()
    };
    let status = service.signing.sign_checkpoint(request).await.unwrap_err();
    assert_eq!(fields(&status), ["checkpoint"]);
    let request = VerifyCheckpointRequest { subject: None };
    let status = service
        .verification
        .verify_checkpoint(request)
        .await
        .unwrap_err();
    assert_eq!(fields(&status), ["subject"]);
}

#[tokio::test]
async fn a_signed_message_whose_fields_disagree_is_malformed() {
    let mut service = TestService::new().await;
    let signed = service.sign(checkpoint("chk_1", 1, "a")).await.unwrap();
    let mut cases = vec![("", signed.clone()); 6];
    cases[1].1.key_id = "key-2026".into();
    cases[2].1.payload.push(b' ');
    cases[3].1.published_json.push(' ');
    cases[4].1.signed_at.as_mut().unwrap().seconds += 1;
    cases[5].1.algorithm = 2;
    let names = [
        "",
        "key_id",
        "payload",
        "published_json",
        "signed_at",
        "algorithm",
    ];
    for ((_, message), name) in cases.into_iter().zip(names) {
        let request = VerifyCheckpointRequest {
            subject: Some(Subject::SignedCheckpoint(message)),
        };
        let answer = service
            .verification
            .verify_checkpoint(request)
            .await
            .unwrap();
        let verdict = answer.into_inner().verdict.unwrap();
        match name {
            "" => assert_eq!(verdict.kind(), VerdictKind::Valid),
            name => {
                assert_eq!(verdict.kind(), VerdictKind::Malformed);
                assert!(
                    verdict.explanation.contains(name),
                    "{}",
                    verdict.explanation
                );
            }
        }
    }
}

#[tokio::test]
async fn wrong_requests_about_keys_name_the_field() {
    let mut service = TestService::new().await;
    let get = |key_id: &str| GetKeyRequest {
        key_id: key_id.into(),
    };
    let status = service.keys.get_key(get("")).await.unwrap_err();
    assert_eq!(fields(&status), ["key_id"]);
    let status = service.keys.get_key(get("key-1999")).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);

    let good = RevokeKeyRequest {
        key_id: "key-2025".into(),
        distrust_after: None,
        reason: "leaked".into(),
    };
    let future = Some(wire(at("2025-06-01T12:00:01Z")));
    let cases = [
        (
            "key_id",
            RevokeKeyRequest {
                key_id: "?".into(),
                ..good.clone()
            },
        ),
        (
            "reason",
            RevokeKeyRequest {
                reason: String::new(),
                ..good.clone()
            },
        ),
        (
            "reason",
            RevokeKeyRequest {
                reason: "a\nb".into(),
                ..good.clone()
            },
        ),
        (
            "reason",
            RevokeKeyRequest {
                reason: "x".repeat(513),
                ..good.clone()
            },
        ),
        (
            "distrust_after",
            RevokeKeyRequest {
                distrust_after: future,
                ..good.clone()
            },
        ),
    ];
    for (field, request) in cases {
        let status = service.keys.revoke_key(request).await.unwrap_err();
        assert_eq!(fields(&status), [field]);
    }
    let unknown = RevokeKeyRequest {
        key_id: "key-1999".into(),
        ..good
    };
    let status = service.keys.revoke_key(unknown).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
    service
        .sign(checkpoint("chk_1", 1, "a"))
        .await
        .expect("the key is not revoked");
}
