//! What holds on every store.

use std::sync::Arc;

use checkpoint::checkpoint::{CheckpointId, LedgerId};
use checkpoint::history::rules::MaxEntryJump;
use checkpoint::keyring::Revocation;
use checkpoint::log::tree::{Frontier, TreeHash};
use checkpoint::signing::KeySecret;
use checkpoint_signer::record::check::check_record;
use checkpoint_signer::record::postgres::PostgresRecord;
use checkpoint_signer::record::sqlite::SqliteRecord;
use checkpoint_signer::record::{Filter, Record, RevocationOutcome};
use chrono::TimeDelta;
use tempfile::TempDir;

use testing::record::{NOON, append, large, signed, with_key};

use crate::postgres::Database;
use crate::support::at;

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
    what_a_key_signed_before_it_was_distrusted_goes_back_and_nothing_is_signed_by_it
    a_clock_that_went_back_is_refused
    rows_are_listed_by_every_filter_page_by_page
    the_tree_is_that_of_all_rows
    keys_never_change
    large_rows_are_listed_in_small_pages
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
    let found = check_record(record.as_ref()).await.unwrap();
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
    let first = record
        .append(vec![one().into()], MaxEntryJump::ANY)
        .await
        .remove(0)
        .unwrap();
    // PSS is randomised: the second signature is another one, and never seen.
    let again = one();
    assert_ne!(again.jws.compact(), first.signed.jws.compact());
    let second = record
        .append(vec![again.into()], MaxEntryJump::ANY)
        .await
        .remove(0)
        .unwrap();
    assert_eq!(
        second.signed.published_json(),
        first.signed.published_json()
    );
    let (ledger, id): (LedgerId, CheckpointId) = ("a".parse().unwrap(), "1".parse().unwrap());
    let found = record.get(&ledger, &id).await.unwrap().unwrap();
    assert_eq!(found.signed.published_json(), first.signed.published_json());
    let ledger_state = record.ledger_state(&one().checkpoint).await.unwrap();
    assert_eq!(ledger_state.newest_signed_at, Some(at(NOON)));
    assert_eq!(ledger_state.newest_count, Some(1));
    assert!(ledger_state.recorded(&first.signed.checkpoint).is_some());
    let other: LedgerId = "b".parse().unwrap();
    let elsewhere = signed(&key, "b", "1", 1, "x", at(NOON));
    let ledger_state = record.ledger_state(&elsewhere.checkpoint).await.unwrap();
    assert!(ledger_state.same_id.is_none() && ledger_state.newest_count.is_none());
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
    let nobody = "nobody".parse().unwrap();
    for (key_id, days, becomes) in [
        (key_id, 0, RevocationOutcome::Now),
        (key_id, 0, RevocationOutcome::Before),
        (key_id, 3, RevocationOutcome::Before),
        (&nobody, 0, RevocationOutcome::Unknown),
    ] {
        let revoked = record.revoke_key(key_id, revocation(days)).await.unwrap();
        assert_eq!(revoked, becomes, "{key_id} {days}");
    }
    assert_eq!(
        append(&record, vec![row("2", 2), row("1", 1)]).await,
        ["revoked", "1"]
    );
    let keyring = record.keyring().await.unwrap();
    let entry = keyring.get(key_id).unwrap();
    assert_eq!(entry.revocation().unwrap().distrust_after, at("2025-06-01"));
}

async fn what_a_key_signed_before_it_was_distrusted_goes_back_and_nothing_is_signed_by_it(
    record: Arc<dyn Record>,
) {
    let key = with_key(&record).await;
    let row = |count: u64, seconds| {
        let when = at(NOON) + TimeDelta::seconds(seconds);
        signed(&key, "a", &count.to_string(), count, "x", when)
    };
    let key_id = &key.version().key_id;
    // The earliest holds.
    for seconds in [20, 10, 30] {
        let revocation = Revocation {
            distrust_after: at(NOON) + TimeDelta::seconds(seconds),
            reason: "leaked".into(),
            revoked_at: at("2025-06-02"),
        };
        record.revoke_key(key_id, revocation).await.unwrap();
    }
    let rows = || vec![row(1, 8), row(2, 9), row(3, 10), row(4, 15), row(4, 9)];
    let newly = record.append(
        rows().into_iter().map(Into::into).collect(),
        MaxEntryJump::default(),
    );
    for answer in newly.await {
        let message = answer.unwrap_err().to_string();
        assert_eq!(message, "key key-2025 is revoked");
    }
    let again = ["1", "2", "revoked", "revoked", "3"];
    assert_eq!(append(&record, rows()).await, again);
    let found = check_record(record.as_ref()).await.unwrap();
    assert_eq!(
        (found.tree.size(), found.problems),
        (3, 0),
        "{:?}",
        found.told
    );
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
                    found.extend(page.rows.iter().map(|row| row.position));
                    let Some(next) = page.next else { break };
                    after = next;
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
        checkpoint::key::ValidityWindow::new(version.window.from(), at("2030-01-01")).unwrap();
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
    let rows = (0..5).map(|n| large(&key, n, 200 * 1024)).collect();
    append(&record, rows).await;
    let page = record.list(&Filter::default(), 0, 1000).await.unwrap();
    assert_eq!(page.rows.len(), 2, "half a mebibyte");
    assert_eq!(page.next, Some(2));
    let page = record.list(&Filter::default(), 4, 1000).await.unwrap();
    assert_eq!((page.rows.len(), page.next), (1, None));
}
