//! The record: never made by accident, never changed, and found out when somebody did.

use checkpoint_signer::clock::Clock;
use checkpoint_signer::record::sqlite::{OpenError, SqliteRecord};
use checkpoint_signer::service::StartError;
use checkpoint_signer::wire::proto::{
    GetSignedCheckpointRequest, ListKeysRequest, ListSignedCheckpointsRequest, SignedCheckpoint,
    VerdictKind,
};
use rusqlite::Connection;
use tonic::Code;

use crate::support::{TestService, at, checkpoint, fields, key_of, versions, wire};

#[test]
fn a_missing_record_is_refused_and_not_made() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("record.sqlite");
    assert!(matches!(
        SqliteRecord::open(&path),
        Err(OpenError::Missing(_))
    ));
    assert!(!path.exists());
}

#[test]
fn a_record_that_exists_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("record.sqlite");
    SqliteRecord::init(&path).unwrap();
    assert!(matches!(
        SqliteRecord::init(&path),
        Err(OpenError::Exists(_))
    ));
    SqliteRecord::open(&path).unwrap();
}

#[test]
fn a_file_of_something_else_is_no_record() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("record.sqlite");
    std::fs::write(&path, "not a database, but long enough to be taken for one").unwrap();
    assert!(matches!(
        SqliteRecord::open(&path),
        Err(OpenError::NotARecord(..))
    ));
    let other = folder.path().join("other.sqlite");
    Connection::open(&other)
        .unwrap()
        .execute_batch("CREATE TABLE t (x)")
        .unwrap();
    // It stays as it is, in its journal's mode, too.
    let as_it_was = std::fs::read(&other).unwrap();
    let nothing = folder.path().join("nothing.sqlite");
    std::fs::write(&nothing, "").unwrap();
    for open in [SqliteRecord::open, SqliteRecord::open_beside] {
        assert!(matches!(open(&other), Err(OpenError::NotARecord(..))));
        assert!(matches!(open(&nothing), Err(OpenError::NotARecord(..))));
    }
    assert_eq!(std::fs::read(&other).unwrap(), as_it_was);
    assert_eq!(std::fs::read(&nothing).unwrap(), b"");
    let newer = folder.path().join("newer.sqlite");
    SqliteRecord::init(&newer).unwrap();
    Connection::open(&newer)
        .unwrap()
        .pragma_update(None, "user_version", 99)
        .unwrap();
    let later = std::fs::read(&newer).unwrap();
    for open in [SqliteRecord::open, SqliteRecord::open_beside] {
        assert!(matches!(
            open(&newer),
            Err(OpenError::Version { found: 99, .. })
        ));
    }
    assert_eq!(std::fs::read(&newer).unwrap(), later);
}

#[tokio::test]
async fn the_database_itself_refuses_what_the_rules_forbid() {
    let mut service = TestService::new().await;
    service.sign(checkpoint("chk_1", 1, "a")).await.unwrap();
    let sqlite = Connection::open(service.record_path()).unwrap();
    let copy = "INSERT INTO signed_checkpoint SELECT 2, ledger_id, 'chk_2', ";
    let cases = [
        "UPDATE signed_checkpoint SET signature = 'x'".to_owned(),
        "DELETE FROM signed_checkpoint".to_owned(),
        "UPDATE key_version SET valid_until = valid_until + 1".to_owned(),
        "DELETE FROM key_version".to_owned(),
        // A gap, another history, a rollback, an earlier time, an unknown key, a time outside of the window.
        copy.replace('2', "3")
            + "entry_count, cumulative_hash, total_volume, timestamp, key_id, signed_at, \
            payload, signature FROM signed_checkpoint",
        copy.to_owned()
            + "entry_count, cumulative_hash, 7, timestamp, key_id, signed_at, payload, signature \
            FROM signed_checkpoint",
        copy.to_owned()
            + "0, cumulative_hash, total_volume, timestamp, key_id, signed_at, payload, signature \
            FROM signed_checkpoint",
        copy.to_owned()
            + "2, cumulative_hash, total_volume, timestamp - 1, key_id, signed_at, payload, signature \
            FROM signed_checkpoint",
        copy.to_owned()
            + "2, cumulative_hash, total_volume, timestamp, 'key-1999', signed_at, payload, \
            signature FROM signed_checkpoint",
        copy.to_owned()
            + "2, cumulative_hash, total_volume, timestamp, key_id, 0, payload, signature \
            FROM signed_checkpoint",
    ];
    for case in cases {
        assert!(sqlite.execute(&case, []).is_err(), "{case}");
    }
    let good = copy.to_owned()
        + "2, cumulative_hash, total_volume, timestamp, key_id, signed_at, payload, signature \
           FROM signed_checkpoint";
    sqlite
        .execute(&good, [])
        .expect("the cases differ from this in one thing each");
}

#[tokio::test]
async fn a_tampered_row_is_found_at_the_start() {
    let mut service = TestService::new().await;
    service.sign(checkpoint("chk_1", 1, "a")).await.unwrap();
    let (folder, clock) = service.stop().await;
    let sqlite = Connection::open(folder.path().join("record.sqlite")).unwrap();
    let sql = "SELECT sql FROM sqlite_schema WHERE name = 'signed_checkpoint_no_update'";
    let trigger: String = sqlite.query_row(sql, [], |row| row.get(0)).unwrap();
    sqlite
        .execute_batch("DROP TRIGGER signed_checkpoint_no_update")
        .unwrap();
    let tamper = "UPDATE signed_checkpoint SET total_volume = 9000, payload = CAST(replace(CAST(payload AS TEXT), \
                  '\"total_volume\":1000', '\"total_volume\":9000') AS BLOB)";
    assert_eq!(sqlite.execute(tamper, []).unwrap(), 1);
    sqlite.execute_batch(&trigger).unwrap();
    let refused = TestService::start(folder, clock).await.err().unwrap();
    assert!(
        matches!(refused, StartError::WrongRow { position: 1, .. }),
        "{refused}"
    );
}

#[tokio::test]
async fn a_start_with_a_clock_behind_the_record_verifies_and_signs_nothing_until_the_clock_is_right()
 {
    let mut service = TestService::new().await;
    let signed = service.sign(checkpoint("chk_1", 1, "a")).await.unwrap();
    let (folder, _) = service.stop().await;
    let yesterday = Clock::simulated(at("2025-05-31"));
    let mut service = TestService::start(folder, yesterday).await.unwrap();
    let verdict = service.verify(&signed.published_json).await;
    assert_eq!(verdict.kind(), VerdictKind::Valid);
    let refusal = service.refusal(checkpoint("chk_2", 2, "b")).await;
    let went_back = (Code::FailedPrecondition, "CLOCK_WENT_BACK".to_owned());
    assert_eq!(refusal, went_back);
    assert!(why_not(&mut service).await.starts_with("CLOCK_WENT_BACK: "));
    service.clock.set(at("2025-06-02"));
    service.sign(checkpoint("chk_2", 2, "b")).await.unwrap();
    assert_eq!(why_not(&mut service).await, "");
}

/// What the service says of why it signs nothing.
async fn why_not(service: &mut TestService) -> String {
    let answer = service.keys.list_keys(ListKeysRequest {}).await.unwrap();
    answer.into_inner().signing_refused
}

#[tokio::test]
async fn without_a_durable_record_there_is_no_answer() {
    let mut service = TestService::new().await;
    service.sign(checkpoint("chk_1", 1, "a")).await.unwrap();
    // Another process holds the file's lock for longer than the service waits.
    let mut blocker = Connection::open(service.record_path()).unwrap();
    let held = blocker
        .transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)
        .unwrap();
    let refusal = service.refusal(checkpoint("chk_2", 2, "b")).await;
    assert_eq!(
        refusal,
        (Code::Unavailable, "RECORD_STORE_UNAVAILABLE".into())
    );
    held.rollback().unwrap();
    service.sign(checkpoint("chk_2", 2, "b")).await.unwrap();
}

async fn page(
    service: &mut TestService,
    request: ListSignedCheckpointsRequest,
) -> (Vec<SignedCheckpoint>, String) {
    let answer = service
        .record
        .list_signed_checkpoints(request)
        .await
        .unwrap()
        .into_inner();
    (answer.signed_checkpoints, answer.next_page_token)
}

#[tokio::test]
async fn a_recorded_checkpoint_is_found_again() {
    let mut service = TestService::new().await;
    let signed = service.sign(checkpoint("chk_1", 1, "a")).await.unwrap();
    let get = |checkpoint_id: &str| GetSignedCheckpointRequest {
        ledger_id: "org_1".into(),
        checkpoint_id: checkpoint_id.into(),
        ..Default::default()
    };
    let found = service
        .record
        .get_signed_checkpoint(get("chk_1"))
        .await
        .unwrap()
        .into_inner();
    assert_eq!((found.signed_checkpoint, found.position), (Some(signed), 1));
    let status = service
        .record
        .get_signed_checkpoint(get("chk_2"))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
    let status = service
        .record
        .get_signed_checkpoint(get(""))
        .await
        .unwrap_err();
    assert_eq!(fields(&status), ["checkpoint_id"]);
}

#[tokio::test]
async fn pages_hold_everything_once_and_in_order() {
    let both = versions(&[
        (&key_of(2026), "AWSCURRENT"),
        (&key_of(2025), "AWSPREVIOUS"),
    ]);
    let mut service = TestService::with(&both, "2025-12-31T23:59:59Z").await;
    let mut all = Vec::new();
    for count in 1..=9 {
        if count == 6 {
            service.clock.set(at("2026-01-01"));
        }
        let mut next = checkpoint(&format!("chk_{count}"), count, "x");
        next.ledger_id = format!("org_{}", count % 2);
        all.push(service.sign(next).await.unwrap());
    }
    let request = ListSignedCheckpointsRequest {
        page_size: 2,
        ..Default::default()
    };
    let filters = [
        request.clone(),
        ListSignedCheckpointsRequest {
            ledger_id: "org_1".into(),
            ..request.clone()
        },
        ListSignedCheckpointsRequest {
            key_id: "key-2026".into(),
            ..request.clone()
        },
        ListSignedCheckpointsRequest {
            signed_from: Some(wire(at("2026-01-01"))),
            ..request.clone()
        },
        ListSignedCheckpointsRequest {
            signed_until: Some(wire(at("2026-01-01"))),
            ..request.clone()
        },
    ];
    let in_2026 = |signed: &SignedCheckpoint| signed.key_id == "key-2026";
    type Expected<'a> = Box<dyn Fn(&SignedCheckpoint) -> bool + 'a>;
    let expected: [Expected; 5] = [
        Box::new(|_| true),
        Box::new(|signed| signed.checkpoint.as_ref().unwrap().ledger_id == "org_1"),
        Box::new(in_2026),
        Box::new(in_2026),
        Box::new(|signed| !in_2026(signed)),
    ];
    for (filter, expected) in filters.into_iter().zip(expected) {
        let (mut found, mut request) = (Vec::new(), filter);
        loop {
            let (items, token) = page(&mut service, request.clone()).await;
            assert!(items.len() <= 2);
            found.extend(items);
            if token.is_empty() {
                break;
            }
            request.page_token = token;
        }
        let expected: Vec<_> = all
            .iter()
            .filter(|signed| expected(signed))
            .cloned()
            .collect();
        assert_eq!(found, expected);
    }
}

#[tokio::test]
async fn a_page_of_large_checkpoints_holds_fewer_and_loses_none() {
    let mut service = TestService::new().await;
    for count in 1..=5 {
        let mut large = checkpoint(&format!("chk_{count}"), count, "x");
        let note = prost_types::Value::from("x".repeat(300_000));
        large.additional_members = Some(prost_types::Struct {
            fields: [("note".to_owned(), note)].into(),
        });
        service.sign(large).await.unwrap();
    }
    let (mut found, mut request) = (0, ListSignedCheckpointsRequest::default());
    loop {
        let (items, token) = page(&mut service, request.clone()).await;
        found += items.len();
        if token.is_empty() {
            break;
        }
        request.page_token = token;
    }
    assert_eq!(found, 5);
}

#[tokio::test]
async fn wrong_pages_name_the_field() {
    let mut service = TestService::new().await;
    for count in 1..=2 {
        service
            .sign(checkpoint(&format!("chk_{count}"), count, "x"))
            .await
            .unwrap();
    }
    let first = ListSignedCheckpointsRequest {
        page_size: 1,
        ..Default::default()
    };
    let (_, page_token) = page(&mut service, first.clone()).await;
    let with = |change: fn(&mut ListSignedCheckpointsRequest)| {
        let mut request = first.clone();
        change(&mut request);
        request
    };
    let other_filter = ListSignedCheckpointsRequest {
        page_token,
        ledger_id: "org_1".into(),
        ..Default::default()
    };
    let cases = [
        ("page_size", with(|r| r.page_size = -1)),
        ("page_size", with(|r| r.page_size = 1001)),
        ("page_token", with(|r| r.page_token = "AAAA".into())),
        ("page_token", with(|r| r.page_token = "?".into())),
        ("page_token", other_filter),
        ("ledger_id", with(|r| r.ledger_id = "?".into())),
        ("key_id", with(|r| r.key_id = "?".into())),
        (
            "signed_from",
            with(|r| {
                r.signed_from = Some(prost_types::Timestamp {
                    seconds: 0,
                    nanos: 1,
                })
            }),
        ),
    ];
    for (field, request) in cases {
        let status = service
            .record
            .list_signed_checkpoints(request)
            .await
            .unwrap_err();
        assert_eq!(fields(&status), [field]);
    }
}
