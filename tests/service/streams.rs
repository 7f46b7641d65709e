//! Streams: pipelined, in order, and not ended by a refusal.

use checkpoint_signer::wire::proto::sign_checkpoints_response::Outcome;
use checkpoint_signer::wire::proto::verify_checkpoints_request::Subject;
use checkpoint_signer::wire::proto::{
    SignCheckpointsRequest, SignCheckpointsResponse, VerdictKind, VerifyCheckpointsRequest,
    WatchKeysRequest,
};
use prost::Message as _;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Response, Status, Streaming};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;

use crate::support::{TestService, checkpoint};

fn item(index: u64, history: &str) -> SignCheckpointsRequest {
    SignCheckpointsRequest {
        request_id: format!("request-{index}"),
        checkpoint: Some(checkpoint(&format!("chk_{index}"), index, history)),
        ..Default::default()
    }
}

#[tokio::test]
async fn a_ledgers_checkpoints_follow_one_another_without_waiting() {
    let mut service = TestService::new().await;
    let items: Vec<_> = (1..=200)
        .map(|index| item(index, &index.to_string()))
        .collect();
    let answers = service
        .signing
        .sign_checkpoints(tokio_stream::iter(items))
        .await
        .unwrap();
    let answers: Vec<_> = answers.into_inner().map(Result::unwrap).collect().await;
    assert_eq!(answers.len(), 200);
    for (index, answer) in answers.iter().enumerate() {
        assert_eq!(answer.request_id, format!("request-{}", index + 1));
        let outcome = answer.outcome.as_ref().unwrap();
        assert!(
            matches!(outcome, Outcome::SignedCheckpoint(_)),
            "{outcome:?}"
        );
    }
}

#[tokio::test]
async fn more_than_a_stream_may_have_in_flight_waits_and_is_answered() {
    let mut service = TestService::new().await;
    let large = |index: u64| {
        let mut item = item(index, &index.to_string());
        let checkpoint = item.checkpoint.as_mut().unwrap();
        let text = prost_types::Value::from("x".repeat(500_000));
        checkpoint.additional_members = Some(prost_types::Struct {
            fields: [("a".to_owned(), text)].into(),
        });
        item
    };
    let items: Vec<_> = (1..=20).map(large).collect();
    let answers = service.signing.sign_checkpoints(tokio_stream::iter(items));
    let answers: Vec<_> = answers.await.unwrap().into_inner().collect().await;
    let signed = |answer: &Result<SignCheckpointsResponse, _>| {
        let outcome = answer.as_ref().unwrap().outcome.as_ref();
        matches!(outcome, Some(Outcome::SignedCheckpoint(_)))
    };
    assert_eq!(answers.iter().filter(|answer| signed(answer)).count(), 20);
}

#[tokio::test]
async fn a_refused_item_does_not_end_the_stream() {
    let mut service = TestService::new().await;
    let mut malformed = item(4, "d");
    malformed
        .checkpoint
        .as_mut()
        .unwrap()
        .cumulative_hash
        .clear();
    let missing = SignCheckpointsRequest::default();
    let long_id = SignCheckpointsRequest {
        request_id: "x".repeat(129),
        ..item(9, "z")
    };
    let items = vec![
        item(1, "a"),
        item(1, "b"),
        malformed,
        missing,
        long_id,
        item(2, "c"),
    ];
    let answers = service
        .signing
        .sign_checkpoints(tokio_stream::iter(items))
        .await
        .unwrap();
    let answers: Vec<_> = answers.into_inner().map(Result::unwrap).collect().await;
    let codes: Vec<Option<i32>> = answers
        .iter()
        .map(|answer| match answer.outcome.as_ref().unwrap() {
            Outcome::SignedCheckpoint(_) => None,
            Outcome::Refusal(status) => {
                assert!(!status.details.is_empty(), "a refusal has details");
                Some(status.code)
            }
        })
        .collect();
    let invalid = Some(Code::InvalidArgument as i32);
    let exists = Some(Code::AlreadyExists as i32);
    assert_eq!(codes, [None, exists, invalid, invalid, invalid, None]);
}

/// The reason of each refusal, none for a signature.
fn reasons(answers: &[SignCheckpointsResponse]) -> Vec<Option<String>> {
    let reason = |answer: &SignCheckpointsResponse| match answer.outcome.as_ref().unwrap() {
        Outcome::SignedCheckpoint(_) => None,
        Outcome::Refusal(status) => {
            let details = status.details.iter();
            let mut infos = details.filter(|detail| detail.type_url.ends_with("ErrorInfo"));
            let info = &infos.next().unwrap().value;
            Some(
                tonic_types::pb::ErrorInfo::decode(&info[..])
                    .unwrap()
                    .reason,
            )
        }
    };
    answers.iter().map(reason).collect()
}

#[tokio::test]
async fn an_item_is_judged_by_those_before_it_whether_they_are_on_record_yet_or_not() {
    let mut service = TestService::new().await;
    let of = |ledger: &str, index: u64, id: &str, history: &str| {
        let mut item = item(index, history);
        let checkpoint = item.checkpoint.as_mut().unwrap();
        (checkpoint.ledger_id, checkpoint.checkpoint_id) = (ledger.into(), id.into());
        item
    };
    // Again and again: which of them are on record by then is chance.
    for n in 0..10 {
        let ledger = format!("org_{n}");
        let first = [of(&ledger, 5, "first", "a")];
        let items = [
            of(&ledger, 7, "x", "b"),
            of(&ledger, 4, "x", "c"),
            of(&ledger, 7, "y", "d"),
            of(&ledger, 6, "z", "e"),
        ];
        for (items, expected) in [
            (first.to_vec(), vec![None]),
            (
                items.to_vec(),
                vec![
                    None,
                    Some("EQUIVOCATION"),
                    Some("EQUIVOCATION"),
                    Some("ROLLBACK"),
                ],
            ),
        ] {
            let answers = service.signing.sign_checkpoints(tokio_stream::iter(items));
            let answers = answers.await.unwrap().into_inner().map(Result::unwrap);
            let found = reasons(&answers.collect::<Vec<_>>().await);
            let found: Vec<Option<&str>> = found.iter().map(|reason| reason.as_deref()).collect();
            assert_eq!(found, expected, "{ledger}");
        }
    }
}

#[tokio::test]
async fn a_stream_verifies_in_order() {
    let mut service = TestService::new().await;
    let signed = service.sign(checkpoint("chk_1", 1, "a")).await.unwrap();
    let tampered = signed
        .published_json
        .replace("\"entry_count\":1", "\"entry_count\":2");
    let texts = [
        signed.published_json.clone(),
        tampered,
        "{}".into(),
        signed.published_json,
    ];
    let items = texts
        .into_iter()
        .enumerate()
        .map(|(index, text)| VerifyCheckpointsRequest {
            request_id: index.to_string(),
            subject: Some(Subject::PublishedJson(text)),
        });
    let no_subject = VerifyCheckpointsRequest {
        request_id: "4".into(),
        subject: None,
    };
    let items: Vec<_> = items.chain([no_subject]).collect();
    let verdicts = service
        .verification
        .verify_checkpoints(tokio_stream::iter(items))
        .await;
    let verdicts: Vec<_> = verdicts
        .unwrap()
        .into_inner()
        .map(Result::unwrap)
        .collect()
        .await;
    let found: Vec<_> = verdicts
        .iter()
        .map(|v| (v.request_id.as_str(), v.verdict.as_ref().unwrap().kind()))
        .collect();
    use VerdictKind::{InvalidSignature, Malformed, Valid};
    assert_eq!(
        found,
        [
            ("0", Valid),
            ("1", InvalidSignature),
            ("2", Malformed),
            ("3", Valid),
            ("4", Malformed)
        ]
    );
}

#[tokio::test]
async fn a_drain_answers_what_is_in_flight_and_ends_open_streams() {
    let mut service = TestService::new().await;
    let (send, receive) = tokio::sync::mpsc::channel(8);
    let requests = ReceiverStream::new(receive);
    send.send(item(1, "a")).await.unwrap();
    let mut answers = service
        .signing
        .sign_checkpoints(requests)
        .await
        .unwrap()
        .into_inner();
    assert!(answers.next().await.unwrap().is_ok());
    let drained = tokio::spawn(service.stop());
    let status = answers.next().await.unwrap().unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    drop((send, answers));
    drained.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_pours_checkpoints_into_a_stream_is_slowed_down_and_not_cut_off() {
    const ITEMS: usize = 10_000;
    let mut service = TestService::new().await;
    // Given out one by one, each is in a frame of its own.
    let (send, receive) = tokio::sync::mpsc::channel(1);
    tokio::spawn(async move {
        for _ in 0..ITEMS {
            if send.send(item(1, "a")).await.is_err() {
                return;
            }
        }
    });
    let requests = ReceiverStream::new(receive);
    let answers = service.signing.sign_checkpoints(requests).await.unwrap();
    let answers: Result<Vec<_>, _> = answers.into_inner().collect().await;
    assert_eq!(answers.unwrap().len(), ITEMS);
}

/// A frame of HTTP/2 (RFC 9113, section 4.1) on the connection itself.
fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap();
    [&[0, 0, length, kind, flags, 0, 0, 0, 0], payload].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ending_service_hears_its_clients_out_so_that_they_lose_no_answer() {
    const SETTINGS: u8 = 4;
    const PING: u8 = 6;
    const ACK: u8 = 1;
    let service = TestService::new().await;
    let address = service.grpc();
    let address = address.strip_prefix("http://").unwrap();
    let mut client = TcpStream::connect(address).await.unwrap();
    let hello = [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice(),
        &frame(SETTINGS, 0, &[]),
    ];
    client.write_all(&hello.concat()).await.unwrap();
    let mut drained = None;
    let mut service = Some(service);
    let mut head = [0; 9];
    // Until the service has said everything, which is some frames after its first one.
    while client.read_exact(&mut head).await.is_ok() {
        let mut payload = vec![0; usize::from(head[2])];
        client.read_exact(&mut payload).await.unwrap();
        if head[3] == PING && head[4] != ACK {
            client.write_all(&frame(PING, ACK, &payload)).await.unwrap();
        }
        if let Some(service) = service.take() {
            drained = Some(tokio::spawn(service.stop()));
        }
    }
    // A connection that was closed at once is reset by the first of these.
    for _ in 0..3 {
        client.write_all(&frame(PING, 0, &[0; 8])).await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    drop(client);
    drained.unwrap().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_ends_streams_of_every_kind_on_which_nothing_comes() {
    let mut service = TestService::new().await;
    let signing = service
        .signing
        .sign_checkpoints(tokio_stream::pending())
        .await;
    let verdicts = service
        .verification
        .verify_checkpoints(tokio_stream::pending())
        .await;
    let keys = service.keys.watch_keys(WatchKeysRequest {}).await;
    let mut health = HealthClient::new(service.channel.clone());
    let health = health.watch(HealthCheckRequest::default()).await;
    let mut reflection = ServerReflectionClient::new(service.channel.clone());
    let reflection = reflection
        .server_reflection_info(tokio_stream::pending())
        .await;
    // Fails when the grace period is over before they have ended.
    service.stop().await;
    let ended = [
        end(signing).await,
        end(verdicts).await,
        end(keys).await,
        end(health).await,
        end(reflection).await,
    ];
    let told = Code::Unavailable;
    assert_eq!(ended, [told, told, told, Code::Ok, Code::Ok]);
}

/// How a stream ended.
async fn end<T>(answers: Result<Response<Streaming<T>>, Status>) -> Code {
    let mut answers = answers.unwrap().into_inner();
    loop {
        match answers.message().await {
            Ok(Some(_)) => {}
            Ok(None) => return Code::Ok,
            Err(status) => return status.code(),
        }
    }
}
