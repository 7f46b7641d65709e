//! A ledger goes forwards in time as well, and no single checkpoint takes it so far that it cannot go on.

use std::path::Path;

use checkpoint::checkpoint::Checkpoint as Read;
use checkpoint::jws::SignedCheckpoint;
use checkpoint::log::tree::{Frontier, TreeHash};
use checkpoint_signer::record::Record;
use checkpoint_signer::record::sqlite::SqliteRecord;
use checkpoint_signer::wire::proto::signing_service_client::SigningServiceClient;
use checkpoint_signer::wire::proto::{Checkpoint, SignCheckpointRequest, SignCheckpointsRequest};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::backup::Store;
use crate::cluster::Replica;
use crate::support::{at, checkpoint, fields, refusal, wire};
use testing::record::key;

const MILLION: u64 = 1_000_000;

/// A checkpoint of `org_1` with that count and time.
fn of(entry_count: u64, time: &str) -> Checkpoint {
    let id = format!("chk_{entry_count}_{}", time.replace(':', "-"));
    let mut made = checkpoint(&id, entry_count, &entry_count.to_string());
    made.timestamp = Some(wire(at(time)));
    made
}

async fn sign(replica: &Replica, checkpoint: Checkpoint) -> Result<(), Status> {
    let mut client = SigningServiceClient::new(replica.channel());
    let checkpoint = Some(checkpoint);
    let answer = client.sign_checkpoint(SignCheckpointRequest {
        checkpoint,
        ..Default::default()
    });
    answer.await.map(|_| ())
}

/// What became of a stream's items, in their order: the field that is at fault, or `published_json`.
async fn stream(replica: &Replica, checkpoints: Vec<Checkpoint>) -> Vec<String> {
    let items = checkpoints.into_iter().enumerate();
    let requests: Vec<_> = items
        .map(|(n, checkpoint)| SignCheckpointsRequest {
            request_id: n.to_string(),
            checkpoint: Some(checkpoint),
            ..Default::default()
        })
        .collect();
    let mut client = SigningServiceClient::new(replica.channel());
    let answers = client.sign_checkpoints(tokio_stream::iter(requests)).await;
    let (mut answers, mut told) = (answers.unwrap().into_inner(), Vec::new());
    while let Some(answer) = answers.message().await.unwrap() {
        let outcome = format!("{:?}", answer.outcome.unwrap());
        let reasons = ["\"timestamp: is", "\"entry_count: is", "published_json"];
        let reason = reasons.into_iter().find(|reason| outcome.contains(reason));
        told.push((answer.request_id, reason.unwrap_or(&outcome).to_owned()));
    }
    told.sort();
    told.into_iter().map(|(_, reason)| reason).collect()
}

async fn time_never_falls(postgres: bool) {
    let store = Store::new(postgres).await;
    let service = store.start(&store.place(), &[]).await;
    let evening = "2025-01-16T20:00:00Z";
    sign(&service, of(5, evening)).await.unwrap();
    // A second state of the same instant, and a day without entries.
    sign(&service, of(6, evening)).await.unwrap();
    for (entry_count, time) in [
        (7, "2025-01-16T19:59:59Z"),
        (6, "2025-01-15T20:00:00Z"),
        (8, "1970-01-01T00:00:00Z"),
    ] {
        let refused = sign(&service, of(entry_count, time)).await.unwrap_err();
        assert_eq!(fields(&refused), ["timestamp"], "{refused:?}");
        let message = refused.message().to_owned();
        let expected = format!("timestamp: is {time}, but ledger org_1 has {evening} on record");
        assert!(message.starts_with(&expected), "{message}");
        let rollback = (Code::FailedPrecondition, "ROLLBACK".to_owned());
        assert_eq!(refusal(refused), rollback);
    }
    // The count is told first, and another ledger has another time.
    let refused = sign(&service, of(4, "2025-01-15T20:00:00Z")).await;
    assert_eq!(fields(&refused.unwrap_err()), ["entry_count"]);
    let mut other = of(7, "2025-01-15T20:00:00Z");
    other.ledger_id = "org_2".into();
    sign(&service, other).await.unwrap();
    // Within one transaction, too.
    let told = stream(
        &service,
        vec![
            of(10, "2025-01-18T00:00:00Z"),
            of(11, "2025-01-17T00:00:00Z"),
            of(12, "2025-01-18T00:00:00Z"),
        ],
    );
    let expected = ["published_json", "\"timestamp: is", "published_json"];
    assert_eq!(told.await, expected);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_time_of_a_ledger_never_falls_on_sqlite() {
    time_never_falls(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_time_of_a_ledger_never_falls_on_postgres() {
    time_never_falls(true).await;
}

/// Refused because of its `entry_count`, and what is said.
async fn too_far(replica: &Replica, entry_count: u64) -> String {
    let refused = sign(replica, of(entry_count, "2025-01-16T20:00:00Z")).await;
    let refused = refused.unwrap_err();
    assert_eq!(fields(&refused), ["entry_count"], "{refused:?}");
    let details = refused.get_details_bad_request().unwrap();
    let problem = details.field_violations[0].description.clone();
    assert!(refused.message().ends_with(&problem), "{refused:?}");
    let expected = (Code::InvalidArgument, "INVALID_CHECKPOINT".to_owned());
    assert_eq!(refusal(refused), expected);
    problem
}

async fn no_count_ends_a_ledger(postgres: bool) {
    let store = Store::new(postgres).await;
    let service = store.start(&store.place(), &[]).await;
    let same_day = "2025-01-16T20:00:00Z";
    for too_many in [9_007_199_254_740_991, 1000 * MILLION + 1] {
        let problem = too_far(&service, too_many).await;
        let newest = "has 0 on record; expected at most 1000000000 more (serve --max-entry-jump)";
        assert!(problem.contains(newest), "{problem}");
    }
    sign(&service, of(1000 * MILLION, same_day)).await.unwrap();
    sign(&service, of(2000 * MILLION, same_day)).await.unwrap();
    let problem = too_far(&service, 3000 * MILLION + 1).await;
    assert!(problem.contains("has 2000000000 on record"), "{problem}");
    // Each is judged by the one before it, also where that is not on record yet.
    let steps = (3..=6).map(|n| of(n * 1000 * MILLION, same_day));
    let told = stream(&service, steps.collect()).await;
    assert!(told.iter().all(|told| told == "published_json"), "{told:?}");
    service.stop().await;

    let place = store.place();
    let strict = store.start(&place, &["--max-entry-jump", "10"]).await;
    let problem = too_far(&strict, 6000 * MILLION + 11).await;
    assert!(problem.contains("expected at most 10 more"), "{problem}");
    let next = of(6000 * MILLION + 10, same_day);
    sign(&strict, next).await.unwrap();
    // What is on record already is answered as ever.
    sign(&strict, of(6000 * MILLION, same_day)).await.unwrap();
    strict.stop().await;
    let verified = crate::starter::binary()
        .args(["record", "verify", "--record", &place])
        .output();
    assert!(verified.unwrap().status.success(), "a jump is no fault");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_single_count_ends_a_ledger_on_sqlite() {
    no_count_ends_a_ledger(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_single_count_ends_a_ledger_on_postgres() {
    no_count_ends_a_ledger(true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_largest_jump_is_a_number_that_a_count_can_have() {
    let store = Store::new(false).await;
    for wrong in ["0", "-1", "+1", "1e9", "9007199254740992", ""] {
        let flag = format!("--max-entry-jump={wrong}");
        let message = store.refused(&store.place(), &[&flag]).await;
        assert!(message.contains("--max-entry-jump"), "{wrong}: {message}");
    }
}

/// Signed rows of one ledger, with these times.
fn rows(times: &[&str]) -> Vec<SignedCheckpoint> {
    let key = key();
    let row = |(n, time): (usize, &&str)| {
        let json = serde_json::json!({
            "checkpoint_id": format!("chk_{n}"), "ledger_id": "org_1", "timestamp": time,
            "cumulative_hash": format!("sha256:{}", TreeHash::leaf(&[0])), "entry_count": 7,
            "total_volume": 1000, "organization_summaries": [],
        });
        let checkpoint = Read::from_json(json.to_string().as_bytes()).unwrap();
        let open = key.open_at(at("2025-06-01T12:00:00Z")).unwrap();
        let jws = open.sign(checkpoint.payload()).unwrap();
        SignedCheckpoint { checkpoint, jws }
    };
    times.iter().enumerate().map(row).collect()
}

/// Exit code, and everything that was shown.
fn record(command: &str, file: &Path, place: &str) -> (Option<i32>, String) {
    let output = crate::starter::binary()
        .args(["record", command, file.to_str().unwrap()])
        .args(["--record", place])
        .output()
        .unwrap();
    let shown = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    (output.status.code(), shown)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_falls_back_in_time_is_neither_imported_nor_restored() {
    let rows = rows(&[
        "2025-01-16T20:00:00Z",
        "2025-01-18T20:00:00Z",
        "2025-01-17T20:00:00Z",
    ]);
    let store = Store::new(false).await;
    let path = store.file("record.sqlite");
    let own = SqliteRecord::open(&path).unwrap();
    let key = key();
    let registered = own.register_key(key.version(), None, at("2025-06-01"));
    registered.await.unwrap();
    drop(own);
    let lines: Vec<String> = rows.iter().map(SignedCheckpoint::published_json).collect();
    let falls = "timestamp: is 2025-01-17T20:00:00Z, but ledger org_1 has 2025-01-18T20:00:00Z";

    let mut tree = Frontier::default();
    rows.iter().for_each(|row| tree.push(TreeHash::of(row)));
    let mut keyring = checkpoint::keyring::Keyring::default();
    keyring.insert(key.version().clone()).unwrap();
    let keyring: serde_json::Value = serde_json::from_str(&keyring.to_jwks()).unwrap();
    let header = serde_json::json!({
        "record_export": 1, "rows": 3, "root": tree.root().to_string(), "keyring": keyring,
    });
    let export = store.file("export.ndjson");
    let text = format!("{header}\n{}\n", lines.join("\n"));
    std::fs::write(&export, text).unwrap();
    let (code, shown) = record("import", &export, &store.place());
    assert_eq!(code, Some(1), "{shown}");
    let expected = format!("nothing is imported: 1 problem, the first: row 3: {falls}");
    assert!(shown.contains(&expected), "{shown}");

    let published = store.file("published.ndjson");
    std::fs::write(&published, lines.join("\n")).unwrap();
    let (code, shown) = record("restore", &published, &store.place());
    assert_eq!(code, Some(1), "{shown}");
    assert!(shown.contains(&format!("line 3: {falls}")), "{shown}");
}
