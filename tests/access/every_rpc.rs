//! Each RPC, called by each kind of caller.

use checkpoint_signer::grpc::access::RPCS;
use tokio_stream::StreamExt;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;

use crate::guarded::Guarded;
use crate::support::{checkpoint, refusal};

/// Who may call what: written down a second time, since the table of the service could be wrong.
const MAY: [(&str, &str); 19] = [
    (
        "amply.checkpoint.v1.SigningService/SignCheckpoint",
        "ledger",
    ),
    (
        "amply.checkpoint.v1.SigningService/SignCheckpoints",
        "ledger",
    ),
    (
        "amply.checkpoint.v1.VerificationService/VerifyCheckpoint",
        "ledger auditor operator",
    ),
    (
        "amply.checkpoint.v1.VerificationService/VerifyCheckpoints",
        "ledger auditor operator",
    ),
    (
        "amply.checkpoint.v1.KeyService/ListKeys",
        "ledger auditor operator",
    ),
    (
        "amply.checkpoint.v1.KeyService/GetKey",
        "ledger auditor operator",
    ),
    (
        "amply.checkpoint.v1.KeyService/WatchKeys",
        "ledger auditor operator",
    ),
    ("amply.checkpoint.v1.KeyService/RefreshKeys", "operator"),
    ("amply.checkpoint.v1.KeyService/RevokeKey", "operator"),
    (
        "amply.checkpoint.v1.RecordService/GetSignedCheckpoint",
        "ledger auditor operator",
    ),
    (
        "amply.checkpoint.v1.RecordService/ListSignedCheckpoints",
        "auditor operator",
    ),
    (
        "amply.checkpoint.v1.RecordService/GetRecordHead",
        "ledger auditor operator",
    ),
    (
        "amply.checkpoint.v1.RecordService/ProveConsistency",
        "ledger auditor operator",
    ),
    (
        "amply.checkpoint.v1.RecordService/ListClockResumptions",
        "ledger auditor operator",
    ),
    ("amply.checkpoint.v1.RecordService/ResumeClock", "operator"),
    (
        "grpc.health.v1.Health/Check",
        "ledger auditor operator nobody",
    ),
    (
        "grpc.health.v1.Health/Watch",
        "ledger auditor operator nobody",
    ),
    (
        "grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        "ledger auditor operator",
    ),
    (
        "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        "ledger auditor operator",
    ),
];

/// Calls a method with one empty message, and gives how it began to answer. On the wire, streams are no different.
async fn call(channel: Channel, path: &str) -> Result<(), Status> {
    let path: PathAndQuery = format!("/{path}").parse().unwrap();
    let mut client = Grpc::new(channel);
    client
        .ready()
        .await
        .map_err(|error| Status::unavailable(error.to_string()))?;
    let request = Request::new(tokio_stream::once(()));
    let answers = client.streaming(request, path, ProstCodec::<(), ()>::default());
    let mut answers = answers.await?.into_inner();
    match answers.next().await {
        Some(Err(status)) => Err(status),
        Some(Ok(())) | None => Ok(()),
    }
}

#[test]
fn the_tables_speak_of_the_same_rpcs() {
    let mut ours: Vec<String> = MAY.iter().map(|(rpc, _)| format!("/{rpc}")).collect();
    let mut theirs: Vec<&str> = RPCS.iter().map(|rpc| rpc.path).collect();
    ours.sort();
    theirs.sort();
    assert_eq!(ours, theirs);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_rpc_lets_in_the_right_roles_alone() {
    let service = Guarded::start().await;
    for (rpc, may) in MAY {
        for caller in ["ledger", "auditor", "operator", "nobody"] {
            let answer = call(service.client(Some(caller)), rpc).await;
            let what = format!("{rpc} as {caller}: {answer:?}");
            match may.split(' ').any(|role| role == caller) {
                true => {
                    let code = answer.err().map(|status| status.code());
                    let at_the_gate = [
                        Code::PermissionDenied,
                        Code::Unauthenticated,
                        Code::Unimplemented,
                    ];
                    assert!(
                        !code.is_some_and(|code| at_the_gate.contains(&code)),
                        "{what}"
                    );
                    assert_ne!(code, Some(Code::Unavailable), "{what}");
                }
                false => {
                    let told = refusal(answer.expect_err(&what));
                    assert_eq!(
                        told,
                        (Code::PermissionDenied, "ROLE_REQUIRED".into()),
                        "{what}"
                    );
                }
            }
        }
        for caller in [None, Some("stranger"), Some("expired")] {
            // The handshake fails, so that there is no answer of the service at all.
            let status = call(service.client(caller), rpc).await.unwrap_err();
            let what = format!("{rpc} as {caller:?}: {status:?}");
            assert!(status.details().is_empty(), "{what}");
            assert!(std::error::Error::source(&status).is_some(), "{what}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_rpc_is_unimplemented_for_everybody() {
    let service = Guarded::start().await;
    for path in ["amply.checkpoint.v1.SigningService/Sign", "a.B/C"] {
        let status = call(service.client(Some("operator")), path)
            .await
            .unwrap_err();
        assert_eq!(status.code(), Code::Unimplemented);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signer_of_some_ledgers_signs_no_other_one_alone_and_in_a_stream() {
    use checkpoint_signer::wire::proto::sign_checkpoints_response::Outcome;
    use checkpoint_signer::wire::proto::signing_service_client::SigningServiceClient;
    use checkpoint_signer::wire::proto::{SignCheckpointRequest, SignCheckpointsRequest};

    let service = Guarded::start().await;
    let mut client = SigningServiceClient::new(service.client(Some("ledger-of-one")));
    let of = |ledger: &str| {
        let mut checkpoint = checkpoint("chk_1", 1, "a");
        checkpoint.ledger_id = ledger.into();
        Some(checkpoint)
    };
    for (ledger, expected) in [
        ("org_2", true),
        ("eu_7", true),
        ("org_22", false),
        ("org_1", false),
    ] {
        let request = SignCheckpointRequest {
            checkpoint: of(ledger),
            ..Default::default()
        };
        let answer = client.sign_checkpoint(request).await;
        match expected {
            true => drop(answer.unwrap()),
            false => {
                let told = refusal(answer.unwrap_err());
                assert_eq!(
                    told,
                    (Code::PermissionDenied, "LEDGER_NOT_PERMITTED".into())
                );
            }
        }
    }
    let items = ["org_1", "org_2"].map(|ledger| SignCheckpointsRequest {
        request_id: ledger.into(),
        checkpoint: of(ledger),
        ..Default::default()
    });
    let answers = client
        .sign_checkpoints(tokio_stream::iter(items))
        .await
        .unwrap();
    let answers: Vec<_> = answers.into_inner().map(Result::unwrap).collect().await;
    let refused = |outcome: &Option<Outcome>| match outcome {
        Some(Outcome::Refusal(status)) => status.code == Code::PermissionDenied as i32,
        _ => false,
    };
    let refused: Vec<bool> = answers
        .iter()
        .map(|answer| refused(&answer.outcome))
        .collect();
    assert_eq!(refused, [true, false]);
}
