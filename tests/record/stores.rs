//! What holds on every store.

use std::sync::Arc;

use checkpoint_signer::checkpoint::{Checkpoint, CheckpointId, LedgerId};
use checkpoint_signer::key::{KeySecret, Revocation, SigningKey};
use checkpoint_signer::record::audit::audit;
use checkpoint_signer::record::postgres::{DatabaseAddress, OpenError, PostgresRecord};
use checkpoint_signer::record::rules::RuleViolation;
use checkpoint_signer::record::sqlite::SqliteRecord;
use checkpoint_signer::record::tree::{Frontier, TreeHash};
use checkpoint_signer::record::{AppendError, Filter, Record};
use checkpoint_signer::signature::SignedCheckpoint;
use chrono::{DateTime, TimeDelta, Utc};
use tempfile::TempDir;

use crate::postgres::Database;
use crate::support::{at, key_of};

const NOON: &str = "2025-06-01T12:00:00Z";

pub fn key() -> SigningKey {
    KeySecret::parse(&key_of(2025), None)
        .unwrap()
        .into_signing_key()
}

/// A signed checkpoint; the hash is of the history's name.
pub fn signed(
    key: &SigningKey,
    ledger: &str,
    id: &str,
    count: u64,
    history: &str,
    iat: DateTime<Utc>,
) -> SignedCheckpoint {
    let hash = TreeHash::leaf(history.as_bytes());
    let json = serde_json::json!({
        "checkpoint_id": id, "ledger_id": ledger, "timestamp": "2025-01-15T23:59:59Z",
        "cumulative_hash": format!("sha256:{hash}"), "entry_count": count, "total_volume": 1000,
        "organization_summaries": [],
    });
    let checkpoint = Checkpoint::from_json(json.to_string().as_bytes()).unwrap();
    let jws = key
        .open_at(iat)
        .unwrap()
        .sign(checkpoint.payload())
        .unwrap();
    SignedCheckpoint { checkpoint, jws }
}

async fn sqlite() -> (Arc<dyn Record>, Option<TempDir>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("record.sqlite");
    SqliteRecord::init(&path).unwrap();
    (Arc::new(SqliteRecord::open(&path).unwrap()), Some(folder))
}

async fn postgres() -> (Arc<dyn Record>, Option<TempDir>) {
    let address = Database::new().await.address();
    PostgresRecord::init(&address).await.unwrap();
    let record = PostgresRecord::open(&address).await.unwrap();
    (Arc::new(record), None)
}

/// A test for each store.
macro_rules! on_each_store {
    ($($name:ident)*) => {
        mod on_sqlite {
            $(#[tokio::test]
            async fn $name() {
                let (record, _folder) = super::sqlite().await;
                super::$name(record).await;
            })*
        }
        mod on_postgres {
            $(#[tokio::test]
            async fn $name() {
                let (record, _folder) = super::postgres().await;
                super::$name(record).await;
            })*
        }
    };
}

on_each_store! {
    rules_hold_within_a_batch_and_between_batches
    a_retry_gets_the_recorded_row
    a_revocation_holds_from_the_next_row_on
    a_clock_that_went_back_is_refused
    rows_are_listed_by_every_filter_page_by_page
    the_tree_is_that_of_all_rows
    keys_never_change
    large_rows_are_listed_in_small_pages
}

async fn append(record: &Arc<dyn Record>, rows: Vec<SignedCheckpoint>) -> Vec<String> {
    let answers = record.append(rows).await;
    answers
        .iter()
        .map(|answer| match answer {
            Ok(receipt) => receipt.position.to_string(),
            Err(AppendError::Rule(rule)) => match rule {
                RuleViolation::OtherContent { .. } => "other content".into(),
                RuleViolation::OtherHistory { .. } => "other history".into(),
                RuleViolation::Rollback { .. } => "rollback".into(),
                RuleViolation::ClockWentBack { .. } => "clock".into(),
                RuleViolation::KeyRevoked(_) => "revoked".into(),
            },
            Err(AppendError::Store(error)) => panic!("{error}"),
        })
        .collect()
}

async fn with_key(record: &Arc<dyn Record>) -> SigningKey {
    let key = key();
    record
        .register_key(key.version(), None, at(NOON))
        .await
        .unwrap();
    key
}

async fn rules_hold_within_a_batch_and_between_batches(record: Arc<dyn Record>) {
    let key = with_key(&record).await;
    let row = |ledger: &str, id: &str, count, history: &str| {
        signed(&key, ledger, id, count, history, at(NOON))
    };
    let batch = || {
        vec![
            row("a", "1", 10, "x"),
            row("b", "1", 5, "y"),
            row("a", "2", 10, "x"),
            row("a", "3", 10, "other"),
            row("a", "1", 11, "z"),
            row("a", "4", 9, "w"),
            row("a", "5", 12, "v"),
            row("b", "1", 5, "y"),
        ]
    };
    let first = [
        "1",
        "2",
        "3",
        "other history",
        "other content",
        "rollback",
        "4",
        "2",
    ];
    assert_eq!(append(&record, batch()).await, first);
    // The same again, over committed rows.
    assert_eq!(append(&record, batch()).await, first);
    assert_eq!(
        append(&record, vec![row("a", "6", 11, "u")]).await,
        ["rollback"]
    );
    // A place that was taken long ago is told as such, although it is also a rollback.
    assert_eq!(
        append(&record, vec![row("a", "6", 10, "u")]).await,
        ["other history"]
    );
    let found = audit(record.as_ref()).await.unwrap();
    assert_eq!(
        (found.tree.size(), found.problems),
        (4, 0),
        "{:?}",
        found.told
    );
}

async fn a_retry_gets_the_recorded_row(record: Arc<dyn Record>) {
    let key = with_key(&record).await;
    let one = || signed(&key, "a", "1", 1, "x", at(NOON));
    let first = record.append(vec![one()]).await.remove(0).unwrap();
    // PSS is randomised: the second signature is another one, and never seen.
    let again = one();
    assert_ne!(again.jws.compact(), first.signed.jws.compact());
    let second = record.append(vec![again]).await.remove(0).unwrap();
    assert_eq!(
        second.signed.published_json(),
        first.signed.published_json()
    );
    let (ledger, id): (LedgerId, CheckpointId) = ("a".parse().unwrap(), "1".parse().unwrap());
    let found = record.get(&ledger, &id).await.unwrap().unwrap();
    assert_eq!(found.signed.published_json(), first.signed.published_json());
    let standing = record.standing(&ledger, &id, 1).await.unwrap();
    assert_eq!(standing.newest_signed_at, Some(at(NOON)));
    assert_eq!(standing.newest_count, Some(1));
    assert!(standing.recorded(&first.signed.checkpoint).is_some());
    let other: LedgerId = "b".parse().unwrap();
    let standing = record.standing(&other, &id, 1).await.unwrap();
    assert!(standing.same_id.is_none() && standing.newest_count.is_none());
    assert!(record.get(&other, &id).await.unwrap().is_none());
}

async fn a_revocation_holds_from_the_next_row_on(record: Arc<dyn Record>) {
    let key = with_key(&record).await;
    let row = |id: &str, count| signed(&key, "a", id, count, id, at(NOON));
    assert_eq!(append(&record, vec![row("1", 1)]).await, ["1"]);
    let revocation = |days| Revocation {
        distrust_after: at("2025-06-01") + TimeDelta::days(days),
        reason: "leaked".into(),
        revoked_at: at(NOON),
    };
    let key_id = &key.version().key_id;
    assert!(record.revoke_key(key_id, revocation(0)).await.unwrap());
    assert!(
        record.revoke_key(key_id, revocation(3)).await.unwrap(),
        "later changes nothing"
    );
    assert!(
        !record
            .revoke_key(&"nobody".parse().unwrap(), revocation(0))
            .await
            .unwrap()
    );
    assert_eq!(
        append(&record, vec![row("2", 2), row("1", 1)]).await,
        ["revoked", "1"]
    );
    let keyring = record.keyring().await.unwrap();
    let entry = keyring.get(key_id).unwrap();
    assert_eq!(entry.revocation().unwrap().distrust_after, at("2025-06-01"));
}

async fn a_clock_that_went_back_is_refused(record: Arc<dyn Record>) {
    let key = with_key(&record).await;
    let row = |id: &str, count, seconds| {
        signed(
            &key,
            id,
            "1",
            count,
            id,
            at(NOON) + TimeDelta::seconds(seconds),
        )
    };
    let batch = vec![
        row("a", 1, 100),
        row("b", 1, 95),
        row("c", 1, 94),
        row("d", 1, 200),
    ];
    assert_eq!(append(&record, batch).await, ["1", "2", "clock", "3"]);
    assert_eq!(
        append(&record, vec![row("e", 1, 194), row("f", 1, 195)]).await,
        ["clock", "4"]
    );
}

async fn rows_are_listed_by_every_filter_page_by_page(record: Arc<dyn Record>) {
    let key = with_key(&record).await;
    let other = KeySecret::parse(
        &crate::support::key_with("key-b", "2025-01-01", "2026-01-01", 0),
        None,
    );
    let other = other.unwrap().into_signing_key();
    record
        .register_key(other.version(), None, at(NOON))
        .await
        .unwrap();
    // Every third row by the other key, five ledgers, clocks that differ by up to five seconds.
    let mut rows = Vec::new();
    for n in 0..60u64 {
        let by = if n % 3 == 0 { &other } else { &key };
        let drift = [0, 3, -2, 2, -3][(n % 5) as usize];
        let iat = at(NOON) + TimeDelta::seconds(2 * n as i64 + drift);
        rows.push(signed(
            by,
            &format!("org_{}", n % 5),
            &format!("chk_{n}"),
            n,
            &n.to_string(),
            iat,
        ));
    }
    assert_eq!(
        append(&record, rows.clone()).await,
        (1..=60).map(|n| n.to_string()).collect::<Vec<_>>()
    );
    let seconds = |seconds| Some(at(NOON) + TimeDelta::seconds(seconds));
    for ledger in [None, Some("org_2"), Some("nobody")] {
        for key_id in [None, Some("key-b"), Some("key-2025"), Some("nobody")] {
            for (from, until) in [
                (None, None),
                (seconds(30), None),
                (None, seconds(47)),
                (seconds(20), seconds(90)),
                (seconds(500), None),
            ] {
                let filter = Filter {
                    ledger_id: ledger.map(|ledger: &str| ledger.parse().unwrap()),
                    key_id: key_id.map(|key_id: &str| key_id.parse().unwrap()),
                    signed_from: from,
                    signed_until: until,
                };
                let expected: Vec<u64> = rows
                    .iter()
                    .zip(1..)
                    .filter(|(row, _)| {
                        let (fields, header) = (row.checkpoint.fields(), row.jws.header());
                        ledger.is_none_or(|ledger| ledger == fields.ledger_id.as_str())
                            && key_id.is_none_or(|key_id| key_id == header.kid.as_str())
                            && from.is_none_or(|from| header.iat >= from)
                            && until.is_none_or(|until| header.iat < until)
                    })
                    .map(|(_, position)| position)
                    .collect();
                let (mut found, mut after) = (Vec::new(), 0);
                loop {
                    let page = record.list(&filter, after, 7).await.unwrap();
                    let Some(last) = page.last() else { break };
                    after = last.position;
                    found.extend(page.iter().map(|row| row.position));
                }
                assert_eq!(found, expected, "{filter:?}");
            }
        }
    }
    let newest = record.newest(3).await.unwrap();
    assert_eq!(
        newest.iter().map(|row| row.position).collect::<Vec<_>>(),
        [60, 59, 58]
    );
}

async fn the_tree_is_that_of_all_rows(record: Arc<dyn Record>) {
    let key = with_key(&record).await;
    assert_eq!(record.head().await.unwrap(), Frontier::default());
    let mut expected = Frontier::default();
    for batch in [1u64, 2, 5, 8] {
        let rows = (0..batch).map(|n| {
            let (ledger, id) = (format!("org_{n}"), batch.to_string());
            signed(&key, &ledger, &id, batch, &id, at(NOON))
        });
        let rows: Vec<_> = rows.collect();
        for row in &rows {
            expected.push(TreeHash::leaf(row.published_json().as_bytes()));
        }
        append(&record, rows).await;
        let head = record.head().await.unwrap();
        assert_eq!(
            (head.size(), head.root()),
            (expected.size(), expected.root())
        );
    }
}

async fn keys_never_change(record: Arc<dyn Record>) {
    let version = with_key(&record).await.version().clone();
    record.register_key(&version, None, at(NOON)).await.unwrap();
    let mut longer = version.clone();
    longer.window =
        checkpoint_signer::key::ValidityWindow::new(version.window.from(), at("2030-01-01"))
            .unwrap();
    let mut renamed = version.clone();
    renamed.key_id = "another".parse().unwrap();
    for changed in [longer, renamed] {
        record
            .register_key(&changed, None, at(NOON))
            .await
            .unwrap_err();
    }
    let keyring = record.keyring().await.unwrap();
    assert_eq!(keyring.entries().len(), 1);
    assert_eq!(keyring.get(&version.key_id).unwrap().version(), &version);
}

async fn large_rows_are_listed_in_small_pages(record: Arc<dyn Record>) {
    let key = with_key(&record).await;
    let mut rows = Vec::new();
    for n in 0..5 {
        let summary = "x".repeat(200 * 1024);
        let json = serde_json::json!({
            "checkpoint_id": format!("{n}"), "ledger_id": "a", "timestamp": "2025-01-15T23:59:59Z",
            "cumulative_hash": format!("sha256:{}", TreeHash::leaf(&[n])), "entry_count": n,
            "total_volume": 1, "organization_summaries": [{ "note": summary }],
        });
        let checkpoint = Checkpoint::from_json(json.to_string().as_bytes()).unwrap();
        let jws = key
            .open_at(at(NOON))
            .unwrap()
            .sign(checkpoint.payload())
            .unwrap();
        rows.push(SignedCheckpoint { checkpoint, jws });
    }
    append(&record, rows).await;
    let page = record.list(&Filter::default(), 0, 1000).await.unwrap();
    assert_eq!(page.len(), 2, "half a mebibyte");
    let page = record.list(&Filter::default(), 4, 1000).await.unwrap();
    assert_eq!(page.len(), 1);
}

#[tokio::test]
async fn a_missing_record_is_refused_and_not_made() {
    let database = Database::new().await;
    let address = database.address();
    let missing = PostgresRecord::open(&address).await.err().unwrap();
    assert!(matches!(missing, OpenError::Missing(_)), "{missing}");
    assert!(!missing.to_string().contains("secret"), "{missing}");
    let client = database.client().await;
    let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'checkpoint_signer'";
    let count: i64 = client.query_one(tables, &[]).await.unwrap().get(0);
    assert_eq!(count, 0);
}

#[tokio::test]
async fn of_those_who_make_a_record_at_the_same_time_one_is_not_told() {
    let address = Database::new().await.address();
    let making = (0..8).map(|_| PostgresRecord::init(&address));
    let made = futures_util::future::join_all(making).await;
    assert_eq!(made.iter().filter(|made| made.is_ok()).count(), 1);
    for refused in made.iter().filter_map(|made| made.as_ref().err()) {
        assert!(matches!(refused, OpenError::Exists(_)), "{refused}");
    }
    let opening = (0..8).map(|_| PostgresRecord::open(&address));
    for opened in futures_util::future::join_all(opening).await {
        opened.unwrap();
    }
}

#[tokio::test]
async fn a_later_version_is_left_alone() {
    let database = Database::new().await;
    PostgresRecord::init(&database.address()).await.unwrap();
    let client = database.client().await;
    client
        .batch_execute("UPDATE record_version SET version = 99")
        .await
        .unwrap();
    let refused = PostgresRecord::open(&database.address())
        .await
        .err()
        .unwrap();
    assert!(
        matches!(refused, OpenError::Version { found: 99, .. }),
        "{refused}"
    );
}

#[tokio::test]
async fn tls_is_verified() {
    let database = Database::new().await;
    let server = database.server;
    let port = crate::tls::in_front_of(server.port, &server.folder).await;
    let ca = server.folder.join("ca.pem");
    let url = database
        .url()
        .replace(&format!(":{}/", server.port), &format!(":{port}/"));
    let with = |url: &str, query: &str| -> DatabaseAddress {
        format!("{url}?sslmode=require{query}").parse().unwrap()
    };
    let authority = format!("&sslrootcert={}", ca.display());
    let trusted = with(&url, &authority);
    PostgresRecord::init(&trusted).await.unwrap();
    let record = PostgresRecord::open(&trusted).await.unwrap();
    record.keyring().await.unwrap();
    let refused = async |address: DatabaseAddress| {
        let refused = PostgresRecord::open(&address)
            .await
            .err()
            .unwrap()
            .to_string();
        assert!(!refused.contains("secret"), "{refused}");
        refused
    };
    let stranger = refused(with(&url, "")).await;
    assert!(stranger.contains("UnknownIssuer"), "{stranger}");
    let name = refused(with(&url.replace("127.0.0.1", "localhost"), &authority)).await;
    assert!(name.contains("not valid for name"), "{name}");
    let nothing = refused(with(&url, "&sslrootcert=/dev/null")).await;
    assert!(nothing.contains("sslrootcert"), "{nothing}");
    let wrong = url.replace("secret%20word", "wrong");
    let password = refused(with(&wrong, &authority)).await;
    assert!(
        password.contains("password authentication failed"),
        "{password}"
    );
    let plain = refused(with(&database.url(), "")).await;
    assert!(
        plain.contains("TLS"),
        "a server without TLS is not spoken to: {plain}"
    );
}

#[tokio::test]
async fn postgres_itself_refuses_what_the_rules_forbid() {
    let database = Database::new().await;
    PostgresRecord::init(&database.address()).await.unwrap();
    let record: Arc<dyn Record> =
        Arc::new(PostgresRecord::open(&database.address()).await.unwrap());
    let key = with_key(&record).await;
    append(&record, vec![signed(&key, "a", "1", 5, "x", at(NOON))]).await;
    let client = database.client().await;
    let insert = |what: &str| {
        let columns = [
            "2",
            "ledger_id",
            "'2'",
            "entry_count",
            "cumulative_hash",
            "total_volume",
            "key_id",
            "signed_at",
            "payload",
            "signature",
        ];
        let columns = columns.join(", ");
        let (from, to) = what.split_once(" -> ").unwrap();
        format!(
            "INSERT INTO signed_checkpoint SELECT {} FROM signed_checkpoint",
            columns.replacen(from, to, 1)
        )
    };
    let cases = [
        "UPDATE signed_checkpoint SET signature = 'x'".to_owned(),
        "DELETE FROM signed_checkpoint".into(),
        "TRUNCATE signed_checkpoint".into(),
        "UPDATE key_version SET valid_until = valid_until + 1".into(),
        "DELETE FROM key_revocation".into(),
        "TRUNCATE key_endorsement".into(),
        "DELETE FROM ledger_head".into(),
        "UPDATE ledger_head SET entry_count = 1".into(),
        "UPDATE record_head SET size = 7".into(),
        "UPDATE record_head SET frontier = ''".into(),
        "DELETE FROM record_head".into(),
        insert("2 -> 3"),
        insert("entry_count -> 4"),
        insert("total_volume -> 7"),
        insert("'2' -> '1'"),
        insert("key_id -> 'nobody'"),
        insert("signed_at -> 0"),
    ];
    for case in cases {
        assert!(client.batch_execute(&case).await.is_err(), "{case}");
    }
    client
        .batch_execute(&insert("payload -> payload"))
        .await
        .expect("the cases differ from this in one thing each");
    // Written past the program, it is found.
    let found = audit(record.as_ref()).await.unwrap();
    let told: Vec<String> = found.told.iter().map(ToString::to_string).collect();
    let beyond = "row 2 is beyond the head, which counts 1 rows";
    assert_eq!((told, found.tree.size()), (vec![beyond.to_owned()], 1));
}
